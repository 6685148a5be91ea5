"""Finding the few lines of a log that are worth showing to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_TAIL_BYTES = 64 * 1024
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Defect|Refused|Warning)\b[^\n]*")
_ERROR_LINE = re.compile(r"\[(error|critical)\s*\]|\b(ERROR|CRITICAL)\b")


def tail(path: Path) -> list[str]:
    """The last lines of a file; none when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def last_words(path: Path, *, lines: int = 2) -> list[str]:
    """
    What a component that died had to say: its last exception, else its last error, else its
    last lines.

    :param lines: how many of the last lines.
    """
    read = tail(path)
    exceptions = [line for line in read if _EXCEPTION.match(line)]
    if exceptions:
        return exceptions[-1:]
    errors = [line for line in read if _ERROR_LINE.search(line)]
    return [line[:300] for line in (errors[-1:] or read[len(read) - lines :])]


def error_of_task(lines: Iterable[dict[str, Any]]) -> str:
    """
    The message of the last exception in the log of a task attempt.

    :param lines: its structured lines, as the log file and the REST API hold them.
    :return: ``"ClipDefect: …"``; empty when the log names no exception.
    """
    message = ""
    for line in lines:
        detail = line.get("error_detail")
        if detail:
            # The first is the exception that ended the task, those after it its causes.
            error = detail[0]
            message = f"{error.get('exc_type', 'Error')}: {error.get('exc_value', '')}".rstrip(": ")
    return message


def read_task_log(path: Path) -> list[dict[str, Any]]:
    """The structured lines of a task's log file."""
    lines = []
    for text in tail(path):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines
