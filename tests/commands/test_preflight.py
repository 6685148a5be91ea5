"""What is found before anything is started."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.commands.errors import CommandError
from include.commands.preflight import check_port, check_state_folder, disk_error, resolve_document


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_its_holder_and_the_variable_that_moves_it(taken_port: int) -> None:
    with pytest.raises(CommandError) as caught:
        check_port(taken_port, purpose="Airflow's UI", variable="AIRFLOW_PORT")
    assert f"Port {taken_port}, wanted for Airflow's UI, is taken by process {os.getpid()}" in caught.value.message
    assert f"AIRFLOW_PORT={taken_port + 100}" in caught.value.remedy


def test_a_port_that_was_taken_a_moment_ago_is_free(taken_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
    check_port(port, purpose="Airflow's UI", variable="AIRFLOW_PORT")


def test_a_port_that_a_dying_process_still_holds_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.commands.preflight._holder", lambda port: "")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Timer(0.3, listener.close)
        closing.start()
        check_port(listener.getsockname()[1], purpose="Airflow's UI", variable="AIRFLOW_PORT")
    closing.join()


def test_a_disk_that_is_nearly_full_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Only \d+ MB are free on the disk of .*; Narration wants"):
        check_state_folder(tmp_path / "state", needed=2**62)


def test_a_state_folder_with_room_is_accepted(tmp_path: Path) -> None:
    check_state_folder(tmp_path / "state", needed=0)
    assert list((tmp_path / "state").iterdir()) == []


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="file"):
        check_state_folder(tmp_path / "file" / "state")


@pytest.mark.parametrize("character", ["?", "%", "#", "$"])
def test_a_checkout_whose_path_sqlite_or_airflow_would_misread_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(CommandError, match="contains"):
        check_state_folder(tmp_path / f"odd{character}name", needed=0)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "is full"), (errno.EACCES, "cannot be written"), (errno.EIO, "Input/output")]
)
def test_a_failed_write_is_put_in_words(number: int, words: str) -> None:
    assert words in disk_error(OSError(number, os.strerror(number)), folder=Path("/state")).message


class TestTheDocument:
    def test_is_looked_for_where_the_command_was_typed(self, tmp_path: Path) -> None:
        (tmp_path / "my book.txt").write_text("Once.")
        assert resolve_document("my book.txt", folder=tmp_path) == str(tmp_path / "my book.txt")

    def test_may_be_a_file_uri(self, tmp_path: Path) -> None:
        (tmp_path / "my book.txt").write_text("Once.")
        uri = (tmp_path / "my book.txt").as_uri()
        assert resolve_document(uri, folder=Path("/")) == str(tmp_path / "my book.txt")

    def test_may_be_a_remote_uri_which_only_the_dag_can_look_for(self, tmp_path: Path) -> None:
        assert resolve_document("s3://bucket/book.txt", folder=tmp_path) == "s3://bucket/book.txt"

    def test_that_does_not_exist_is_refused_with_its_full_path(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=f"There is no document {tmp_path}/gone.txt"):
            resolve_document("gone.txt", folder=tmp_path)

    def test_that_is_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="is a folder"):
            resolve_document(".", folder=tmp_path)
