"""The few lines of a log that are shown."""

from __future__ import annotations

import json
from pathlib import Path

from include.commands.logs import error_of_task, last_words, read_task_log


def written(folder: Path, *lines: str) -> Path:
    log = folder / "component.log"
    log.write_text("\n".join(lines) + "\n")
    return log


def test_the_last_exception_is_what_a_dead_component_had_to_say(tmp_path: Path) -> None:
    log = written(
        tmp_path,
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full",
        "[SQL: UPDATE job]",
    )
    assert last_words(log) == ["sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full"]


def test_without_an_exception_it_is_the_last_error(tmp_path: Path) -> None:
    log = written(tmp_path, "2026-01-01 [error    ] cannot bind", "2026-01-01 [info     ] bye")
    assert last_words(log) == ["2026-01-01 [error    ] cannot bind"]


def test_without_an_error_it_is_the_last_lines(tmp_path: Path) -> None:
    assert last_words(written(tmp_path, "one", "two", "", "three")) == ["two", "three"]


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == []


def test_the_error_of_a_task_is_the_exception_of_its_last_error(tmp_path: Path) -> None:
    lines = [
        {"event": "Reading"},
        {"event": "Task failed", "error_detail": [{"exc_type": "DocumentError", "exc_value": "a.txt, line 3: no"}]},
    ]
    log = written(tmp_path, *(json.dumps(line) for line in lines), "not JSON")
    assert error_of_task(read_task_log(log)) == "DocumentError: a.txt, line 3: no"


def test_a_task_log_without_an_exception_has_no_error() -> None:
    assert error_of_task([{"event": "Reading"}]) == ""
