"""The commands as a person types them: plain words, exit codes, no traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from include.commands import main
from include.commands.component import DATABASE
from include.commands.follow import unfinished_run
from include.commands.progress import Display
from include.commands.session import Session
from include.commands.settings import CHECKOUT, Layout, Ports


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder other than the checkout's, and signals as they were afterwards."""
    monkeypatch.setattr(main, "STATE", tmp_path / "state")
    for name in ("MAKELEVEL", "MAKEFLAGS", "AIRFLOW_PORT", "NARRATION_CLOUD"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path / "state"
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_unknown_command_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["narrate"]) == 1
    assert "There is no command 'narrate'" in capsys.readouterr().out


def test_a_document_that_does_not_exist_is_found_out_before_anything_is_started(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["run", "DOCUMENT=/nowhere/book.txt"]) == 1
    assert "There is no document /nowhere/book.txt" in capsys.readouterr().out
    assert not state.exists()


def test_real_aws_without_a_bucket_is_refused(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__NARRATION__POLLY_BUCKET", raising=False)
    assert main.main(["run", "NARRATION_CLOUD=aws", f"DOCUMENT={__file__}"]) == 1
    assert "no bucket is named" in capsys.readouterr().out


def test_a_dag_that_narrates_nothing_is_refused_with_those_that_do(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["run", "DAG=azure_retention"]) == 1
    said = capsys.readouterr().out
    assert "no Dag 'azure_retention' that narrates" in said
    assert "narrate_azure_batch or narrate_azure_long_audio or narrate_polly" in said


def test_real_aws_is_not_asked_to_narrate_through_azure(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["run", "DAG=narrate_azure_batch", "NARRATION_CLOUD=aws"]) == 1
    assert "narrate_azure_batch speaks through another service" in capsys.readouterr().out


def test_a_dag_of_the_environment_that_make_was_not_given_changes_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAG", "something_else")
    assert main.main(["run", "DOCUMENT=nowhere.txt"]) == 1
    assert "something_else" not in capsys.readouterr().out


def test_a_state_folder_that_cannot_be_written_is_put_in_words(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state.write_text("a file where the folder should be")
    assert main.main(["run", f"DOCUMENT={__file__}"]) == 1
    told = capsys.readouterr().out
    assert str(state) in told
    assert "Traceback" not in told


def test_two_services_on_one_port_are_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        # That it is taken as well must not hide that both want it.
        port = somebody.getsockname()[1]
        assert (
            main.main(["run", f"AIRFLOW_PORT={port}", f"LOCAL_CLOUD_SPEECH_PORT={port}", f"DOCUMENT={__file__}"]) == 1
        )
    assert f"LOCAL_CLOUD_SPEECH_PORT and AIRFLOW_PORT are both {port}" in capsys.readouterr().out


def test_real_aws_and_the_local_cloud_share_nothing(state: Path) -> None:
    local, aws = main._session("run", {}), main._session("run", {"NARRATION_CLOUD": "aws"})
    assert (local.layout.state, aws.layout.state) == (state, state / "aws")
    for name in ("store", "airflow", "run", "logs"):
        assert not getattr(aws.layout, name).is_relative_to(getattr(local.layout, name)), name
    assert main._session("cloud", {"NARRATION_CLOUD": "aws"}, airflow=False).layout.state == state


@pytest.mark.parametrize(
    "name", ["AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW__NARRATION__STORAGE", "AIRFLOW__NARRATION__POLLY_BUCKET"]
)
def test_what_is_meant_for_real_aws_and_not_used_is_said(
    state: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environment = {name: "s3://mine"}
    main._check_cloud(main._session("run", environment), environment, {}, Display())
    assert f"{name} is set but not used" in capsys.readouterr().out


def test_a_fault_of_ours_is_reported_without_a_traceback(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise KeyError("schema")

    monkeypatch.setattr(main, "run", broken)
    assert main.main(["run"]) == 1
    told = capsys.readouterr().out
    assert "This should not have happened: KeyError: 'schema'" in told
    assert "Traceback" not in told
    assert "Traceback" in (state / "logs" / "command.log").read_text()


def test_there_is_a_sample_to_narrate() -> None:
    assert main.sample().read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_at_start_up_is_quiet(number: int, tmp_path: Path, wait_for: Callable[..., bool]) -> None:
    script = (
        "import sys, time; from include.commands import main\n"
        "def run(*_):\n print('started', flush=True); time.sleep(600)\n"
        "main.run = run; sys.exit(main.main(['run']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    told, _ = process.communicate(timeout=20)
    assert told == "Interrupted.\n"
    assert process.returncode == 130


class TestTheRunThatWasInterrupted:
    @pytest.fixture
    def session(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
        session = Session(command="make run", layout=Layout(state=tmp_path), ports=Ports(), environment=os.environ)
        runs = [
            {"dag_run_id": "other", "conf": {"document": "/b.txt"}},
            {"dag_run_id": "mine", "conf": {"document": "/a.txt", "voice": "Amy"}},
        ]
        monkeypatch.setattr(session.api, "runs", lambda dag_id, states: runs)
        return session

    def test_is_followed_when_its_parameters_are_the_same(self, session: Session) -> None:
        conf = {"voice": "Amy", "document": "/a.txt"}
        assert unfinished_run(session, dag_id="narrate_polly", conf=conf) == "mine"

    def test_is_left_alone_when_they_are_not(self, session: Session) -> None:
        assert unfinished_run(session, dag_id="narrate_polly", conf={"document": "/a.txt"}) is None


@pytest.mark.parametrize("name", ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__EXECUTOR"])
def test_another_airflow_s_database_is_not_used_which_is_said_without_its_password(
    state: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environment = {name: "postgresql://airflow:wrong-password@production/airflow"}
    main._check_cloud(main._session("up", environment), environment, {}, Display())
    told = capsys.readouterr().out
    assert f"{name} is set but not used" in told
    assert "docs/cluster.md" in told
    assert "wrong-password" not in told


def test_airflow_s_own_commands_run_on_the_database_of_make_up(state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Layout(state=state).create()
    (Layout(state=state).airflow / DATABASE).touch()

    assert main.main(["airflow", "ARGS=config get-value core dags_folder"]) == 0
    assert str(CHECKOUT / "dags") in capfd.readouterr().out
    assert main.main(["airflow", "ARGS=no-such-command"]) != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "ARGS does not say"),
        (["ARGS= "], "make airflow ARGS='backfill create"),
        (["ARGS=dags test 'x"], "No closing quotation"),
        (["ARGS=version"], "make up"),
    ],
)
def test_what_cannot_be_a_command_of_airflow_is_refused_with_a_remedy(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main.main(["airflow", *arguments]) == 1
    assert said in capsys.readouterr().out
