"""What the local S3, SNS and SQS keep on disk: one SQLite database and one file per object body."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, details TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    bucket TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body TEXT, details TEXT NOT NULL,
    PRIMARY KEY (bucket, key, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (
    bucket TEXT NOT NULL, name TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (bucket, name)
);
CREATE TABLE IF NOT EXISTS messaging (kind TEXT NOT NULL, arn TEXT NOT NULL, details TEXT NOT NULL,
    PRIMARY KEY (kind, arn));
"""


class AwsStorageError(RuntimeError):
    """The local S3, SNS and SQS cannot do what was asked; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker.

    :param body: name of the body's file; ``None`` for a delete marker
    :param details: everything about the version except its bytes, JSON only
    """

    body: str | None
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BucketSetting:
    """A request that configured a bucket, kept to be made again at the next start.

    :param name: the query string that names the setting, such as ``versioning``
    """

    bucket: str
    name: str
    headers: dict[str, str]
    body: bytes


class Catalog:
    """The folder that holds the state.

    A body is written under a new random name and only then entered in the database, in one transaction with the
    key that it belongs to, so a process killed at any moment leaves the object as it was before or after the request.
    The names of keys never become names of files. Power failure is not provided for: nothing waits for the disk.

    :param folder: created if absent; one process at a time may use it
    :raises AwsStorageError: if the folder cannot be used, is in use, or was written by an incompatible version
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bodies = folder / "bodies"
        self._lock = threading.RLock()
        try:
            self._bodies.mkdir(parents=True, exist_ok=True)
            self._database = self._open(folder / "catalog.sqlite3")
        except (OSError, sqlite3.Error) as error:
            raise AwsStorageError(
                f"The state folder {folder} cannot be used ({error}). If another local cloud is using it, stop that "
                "one; otherwise move or remove the folder and start again."
            ) from error
        found = self._database.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, _FORMAT}:
            self._database.close()
            raise AwsStorageError(
                f"The state folder {folder} has format {found}, this version reads {_FORMAT}. "
                "Move or remove the folder."
            )
        self._database.execute(f"PRAGMA user_version = {_FORMAT}")

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        try:
            # The exclusive lock is what keeps a second local cloud away; the system drops it when a process dies.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # Bodies

    def write_body(self, source: IO[bytes]) -> str:
        """Copy the rest of a stream into a new body and return its name."""
        name = uuid.uuid4().hex
        path = self.body_path(name)
        path.parent.mkdir(exist_ok=True)
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, 1024 * 1024)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return name

    def body_path(self, name: str) -> Path:
        return self._bodies / name[:2] / name

    def sort_out_bodies(self) -> set[str]:
        """The names of all bodies that versions refer to; the rest, which a killed process was writing, are removed."""
        with self._lock:
            wanted = {row[0] for row in self._database.execute("SELECT body FROM versions WHERE body IS NOT NULL")}
        found = set()
        for folder in self._bodies.iterdir():
            for name in os.listdir(folder):
                if name in wanted:
                    found.add(name)
                else:
                    (folder / name).unlink()
        return found

    # Buckets

    def keep_bucket(self, name: str, details: dict[str, Any]) -> None:
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", (name, json.dumps(details)))

    def forget_bucket(self, name: str) -> None:
        with self._lock, self._transaction():
            for table, column in (("buckets", "name"), ("settings", "bucket"), ("versions", "bucket")):
                self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))

    def buckets(self) -> list[tuple[str, dict[str, Any]]]:
        with self._lock:
            rows = self._database.execute("SELECT name, details FROM buckets ORDER BY rowid").fetchall()
        return [(name, json.loads(details)) for name, details in rows]

    def keep_setting(self, setting: BucketSetting) -> None:
        row = (setting.bucket, setting.name, json.dumps(setting.headers), setting.body)
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?)", row)

    def forget_setting(self, *, bucket: str, name: str) -> None:
        with self._lock:
            self._database.execute("DELETE FROM settings WHERE bucket = ? AND name = ?", (bucket, name))

    def settings(self) -> list[BucketSetting]:
        with self._lock:
            rows = self._database.execute("SELECT bucket, name, headers, body FROM settings ORDER BY rowid").fetchall()
        return [
            BucketSetting(bucket=bucket, name=name, headers=json.loads(headers), body=body)
            for bucket, name, headers, body in rows
        ]

    # Objects

    def keep_versions(self, *, bucket: str, key: str, versions: Sequence[Version]) -> None:
        """Make these the versions of a key, oldest first; none removes the key. Bodies no longer used are removed."""
        rows = [
            (bucket, key, position, version.body, json.dumps(version.details))
            for position, version in enumerate(versions)
        ]
        kept = {version.body for version in versions}
        with self._lock:
            old = self._database.execute("SELECT body FROM versions WHERE bucket = ? AND key = ?", (bucket, key))
            removed = [body for (body,) in old if body is not None and body not in kept]
            with self._transaction():
                self._database.execute("DELETE FROM versions WHERE bucket = ? AND key = ?", (bucket, key))
                self._database.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", rows)
        for body in removed:
            self.body_path(body).unlink(missing_ok=True)

    def versions(self, bucket: str) -> Iterator[tuple[str, Version]]:
        """Every version in a bucket, by key and from the oldest to the newest."""
        with self._lock:
            rows = self._database.execute(
                "SELECT key, body, details FROM versions WHERE bucket = ? ORDER BY key, position", (bucket,)
            ).fetchall()
        for key, body, details in rows:
            yield key, Version(body=body, details=json.loads(details))

    def keys(self, bucket: str) -> set[str]:
        with self._lock:
            return {row[0] for row in self._database.execute("SELECT key FROM versions WHERE bucket = ?", (bucket,))}

    # Topics, subscriptions and queues

    def keep_messaging(self, records: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Make these all the topics, subscriptions and queues there are: kind, ARN and details of each."""
        rows = [(kind, arn, json.dumps(details)) for kind, arn, details in records]
        with self._lock, self._transaction():
            self._database.execute("DELETE FROM messaging")
            self._database.executemany("INSERT INTO messaging VALUES (?, ?, ?)", rows)

    def messaging(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        with self._lock:
            rows = self._database.execute(
                "SELECT arn, details FROM messaging WHERE kind = ? ORDER BY rowid", (kind,)
            ).fetchall()
        return [(arn, json.loads(details)) for arn, details in rows]

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._database.execute("COMMIT")
        finally:
            # A full disk ends the transaction by itself, or leaves it open when the commit was what failed.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
