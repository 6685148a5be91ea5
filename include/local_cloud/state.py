"""The state folder: one SQLite file that survives restarts and SIGKILL, used by one server at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bill (
    service TEXT PRIMARY KEY, jobs INTEGER NOT NULL, characters INTEGER NOT NULL
);
"""


class StateError(Exception):
    """The state folder cannot be used; the message says which and why."""


class State:
    """The database and the lock of the folder.

    Statements run in the thread that calls; the server calls from its event loop
    only, so no two run at once. In WAL mode a commit survives the process being
    killed; ``synchronous=NORMAL`` leaves out only the flush that would also
    survive the machine losing power.

    :param folder: made when it does not exist.
    :raises StateError: when the folder cannot be written, or another server uses it.
    """

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (folder / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise StateError(
                f"The state folder {folder} cannot be written: {error.strerror}; set LOCAL_CLOUD_STATE to another."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StateError(
                f"The state folder {folder} is in use by another local cloud; stop that one, or set"
                " LOCAL_CLOUD_STATE to another folder."
            ) from error
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        try:
            self.database = sqlite3.connect(
                folder / "local_cloud.sqlite3", isolation_level=None, check_same_thread=False, timeout=10
            )
            self.database.row_factory = sqlite3.Row
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=NORMAL")
            self.database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._lock.close()
            raise StateError(
                f"The state in {folder} cannot be used ({error}); remove that folder, or set LOCAL_CLOUD_STATE"
                " to another."
            ) from error

    def close(self) -> None:
        self.database.close()
        self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield self.database
            self.database.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself, or leaves it open when the commit was what failed.
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def meta(self, key: str) -> str | None:
        row = self.database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row["value"]

    def set_meta(self, key: str, value: str) -> None:
        self.database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def charge(self, service: str, *, characters: int, jobs: int = 1) -> None:
        """One more job and its characters on the bill; call inside the transaction that records the job."""
        self.database.execute(
            "INSERT INTO bill (service, jobs, characters) VALUES (?, ?, ?) ON CONFLICT (service)"
            " DO UPDATE SET jobs = jobs + excluded.jobs, characters = characters + excluded.characters",
            (service, jobs, characters),
        )

    def bill(self, *services: str) -> dict[str, dict[str, int]]:
        """Per service, jobs accepted and characters billed since the state began."""
        bill = {service: {"jobs": 0, "characters": 0} for service in services}
        for row in self.database.execute("SELECT service, jobs, characters FROM bill"):
            bill[row["service"]] = {"jobs": row["jobs"], "characters": row["characters"]}
        return bill
