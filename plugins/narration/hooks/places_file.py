"""Places counted for the processes of one machine, in a SQLite file of their temporary folder."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from narration.errors import NarrationError
from narration.hooks.places import Place, Places, Rate, pause

log = logging.getLogger(__name__)

#: How long a request may hold its place without an answer; the holder may have been killed (seconds).
_LONGEST_HOLD = 120.0
#: A lock that is held for at least so long is that of a process which stands still (seconds).
_STUCK = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    taken REAL NOT NULL,
    arrived REAL
)
"""


class FilePlaces(Places):
    """
    Count in a SQLite file, whose own lock works between processes.

    A process that is stopped (``SIGSTOP``, a debugger, a frozen control group) within the fraction of a millisecond
    for which it holds the lock would stop all others with it. Whoever has waited for the lock for longer than a
    window goes on in a further file, beside the first, and everybody follows: a file is looked for before each use.
    By then nothing that was counted in the old file counts any more, except for a request that had not arrived yet.

    :param path: the file; its successors are called the same with ``.1``, ``.2`` and so on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self, rate: Rate, *, at_once: bool) -> Place | float:
        stuck = max(_STUCK, rate.seconds)
        while True:
            path = self._current()
            try:
                return _take(path, rate, at_once=at_once, patience=stuck)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise _not_counted(path, error) from error
                if path == self._current():
                    self._move_on(path, seconds=stuck)
            except sqlite3.Error as error:
                raise _not_counted(path, error) from error

    def _current(self) -> Path:
        number, path = 0, self.path
        while (successor := self.path.with_name(f"{self.path.name}.{number + 1}")).exists():
            number, path = number + 1, successor
        return path

    def _move_on(self, path: Path, *, seconds: float) -> None:
        number = 0 if path == self.path else int(path.suffix[1:])
        successor = self.path.with_name(f"{self.path.name}.{number + 1}")
        log.warning(
            "A process of this machine has held the lock of the rate limit in %s for %g s and more; it stands still, "
            "perhaps stopped by somebody. The others go on without it, in %s.",
            *(path, seconds, successor.name),
        )
        try:
            successor.touch(mode=0o600)
        except OSError as error:
            raise _not_counted(successor, error) from error


@dataclass(frozen=True, kw_only=True)
class _FilePlace(Place):
    path: Path
    number: int | None

    def answered(self, *, ago: float) -> None:
        self._write("UPDATE turns SET arrived = ? WHERE id = ?", (time.monotonic() - ago, self.number))

    def give_back(self) -> None:
        self._write("DELETE FROM turns WHERE id = ?", (self.number,))

    def _write(self, statement: str, values: tuple[float | None, ...]) -> None:
        try:
            with _opened(self.path, patience=_STUCK) as database:
                database.execute(statement, values)
        except sqlite3.Error as error:
            # The request was sent; its place stays taken until it is given up for dead.
            log.warning("The end of a turn could not be written to %s: %s", self.path, error)


def _take(path: Path, rate: Rate, *, at_once: bool, patience: float) -> Place | float:
    with _opened(path, patience=patience) as database:
        database.execute("BEGIN IMMEDIATE")
        now = time.monotonic()
        # What lies in the future was written before the machine was started anew.
        database.execute(
            "DELETE FROM turns WHERE taken > :now OR arrived <= :free OR taken <= :dead",
            {"now": now, "free": now - rate.seconds - rate.margin, "dead": now - rate.seconds - _LONGEST_HOLD},
        )
        held = database.execute("SELECT taken, arrived FROM turns").fetchall()
        if len(held) < rate.requests:
            number = database.execute(
                "INSERT INTO turns (taken, arrived) VALUES (?, ?)", (now, now if at_once else None)
            ).lastrowid
            database.execute("COMMIT")
            return _FilePlace(path=path, number=number)
        database.execute("COMMIT")
    frees = sorted((taken if arrived is None else arrived) + rate.seconds + rate.margin for taken, arrived in held)
    # Somebody must leave before there is room; with fewer places than before (a lower quota) more than one.
    return pause(frees[len(held) - rate.requests] - now, unanswered=any(arrived is None for _, arrived in held))


@contextmanager
def _opened(path: Path, *, patience: float) -> Iterator[sqlite3.Connection]:
    # Opened for each use: a connection survives neither a fork nor a change of threads.
    with closing(sqlite3.connect(path, isolation_level=None, timeout=patience)) as database:
        # A limit need not survive a power cut.
        database.execute("PRAGMA synchronous=OFF")
        # Each time, because whoever cleans the temporary folder may have taken the file away.
        database.execute(_SCHEMA)
        yield database


def _not_counted(path: Path, error: Exception) -> NarrationError:
    return NarrationError(
        f"The rate limit that this machine shares cannot be counted in {path} ({error}). Make room on that disk, or "
        "remove the file; it is made anew."
    )
