from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from narration.errors import NarrationError
from narration.hooks import places_file
from narration.hooks.places import Place, Rate
from narration.hooks.places_file import FilePlaces
from tests.hooks.sharing import wait_until

ONE = Rate(requests=1, seconds=60, margin=0)


@pytest.fixture
def places(tmp_path) -> FilePlaces:
    return FilePlaces(tmp_path / "limit.sqlite")


def taken(places: FilePlaces, rate: Rate = ONE) -> Place | None:
    place = places.take(rate, at_once=True)
    return None if isinstance(place, float) else place


def test_what_was_written_before_the_machine_was_started_anew_holds_no_place(places):
    assert taken(places)
    with sqlite3.connect(places.path) as database:
        database.execute("UPDATE turns SET taken = taken + 1e6")

    assert taken(places)


def test_a_file_that_cannot_be_counted_in_is_named_with_a_way_out(places):
    places.path.write_bytes(b"not a database" * 100)

    with pytest.raises(NarrationError, match=r"limit\.sqlite.*remove the file"):
        taken(places)


def test_a_folder_that_is_no_more_is_named(tmp_path):
    with pytest.raises(NarrationError, match=r"gone/limit\.sqlite.*Make room"):
        taken(FilePlaces(tmp_path / "gone" / "limit.sqlite"))


def test_a_file_that_somebody_cleaned_away_is_made_anew(places):
    assert taken(places)
    places.path.unlink()

    assert taken(places)
    assert places.path.exists()


def _hold_the_lock(path: Path, number: int) -> None:
    """Stand still in the middle of taking a place; woken, take it, and then another one."""
    places = FilePlaces(path)
    with places_file._opened(places._current(), patience=1) as database:
        database.execute("BEGIN IMMEDIATE")
        path.with_suffix(f".holds-{number}").touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        database.execute("INSERT INTO turns (taken, arrived) VALUES (?, ?)", (time.monotonic(), time.monotonic()))
        database.execute("COMMIT")
    if taken(places) is None:
        path.with_suffix(f".is-told-to-wait-{number}").touch()


@pytest.fixture
def frozen(places):
    """Begin processes that stand still while they hold the lock."""
    started = []

    def freeze() -> multiprocessing.Process:
        process = multiprocessing.get_context("spawn").Process(
            target=_hold_the_lock, args=(places.path, number := len(started))
        )
        process.start()
        started.append(process)
        wait_until(places.path.with_suffix(f".holds-{number}").exists)
        return process

    yield freeze
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def test_a_process_that_stands_still_with_the_lock_holds_up_the_others_for_a_window_and_no_longer(
    places, frozen, monkeypatch, caplog
):
    monkeypatch.setattr(places_file, "_STUCK", 0.3)
    short = Rate(requests=1, seconds=0.1, margin=0)
    assert taken(places, short)
    frozen()
    begun = time.monotonic()

    assert taken(places, short)

    assert 0.3 <= time.monotonic() - begun < 10
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "stands still" in warning
    assert "limit.sqlite.1" in warning


def test_everybody_follows_at_once_and_so_does_the_one_that_stood_still(places, frozen, monkeypatch):
    monkeypatch.setattr(places_file, "_STUCK", 0.3)
    process = frozen()
    # Waits for a whole window, so that nothing in the old file counts any more.
    assert taken(places, Rate(requests=1, seconds=0.5, margin=0))

    begun = time.monotonic()
    assert taken(FilePlaces(places.path)) is None
    assert time.monotonic() - begun < 0.3

    os.kill(process.pid, signal.SIGCONT)
    wait_until(places.path.with_suffix(".is-told-to-wait-0").exists)


def test_it_may_happen_again(places, frozen, monkeypatch):
    monkeypatch.setattr(places_file, "_STUCK", 0.1)
    short = Rate(requests=1, seconds=0.1, margin=0)
    for _ in range(2):
        frozen()
        assert taken(places, short)

    assert sorted(path.name for path in places.path.parent.glob("*.sqlite*") if path.suffix != "-journal") == [
        "limit.sqlite",
        "limit.sqlite.1",
        "limit.sqlite.2",
    ]


def test_an_answer_that_cannot_be_written_to_a_locked_file_fails_no_request(places, frozen, monkeypatch, caplog):
    monkeypatch.setattr(places_file, "_STUCK", 0.1)
    place = taken(places)
    assert place
    frozen()

    place.answered(ago=0)

    assert "The end of a turn could not be written" in caplog.text
