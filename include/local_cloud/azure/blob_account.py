"""The customer's storage account: containers, block blobs and uncommitted blocks, kept on disk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from include.local_cloud.azure.blob_errors import refused
from include.local_cloud.clock import Clock

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
_LONGEST_NAME = 1_024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (
    name TEXT PRIMARY KEY, etag TEXT NOT NULL, modified REAL NOT NULL, metadata TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS blobs (
    container TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    created REAL NOT NULL, modified REAL NOT NULL, md5 TEXT, content TEXT NOT NULL, metadata TEXT NOT NULL,
    blocks TEXT NOT NULL, PRIMARY KEY (container, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    container TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (container, name, id)
);
"""

Condition = Callable[["StoredBlob | None"], None]


@dataclass(frozen=True, kw_only=True)
class Container:
    name: str
    etag: str
    modified: float
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class StoredBlob:
    """
    A committed block blob.

    :param body: the name of the file with its bytes.
    :param md5: Base64; ``None`` for one that was put together from blocks without saying so.
    :param content: its HTTP headers, such as ``Content-Type``.
    :param blocks: id and size of the blocks that it consists of; none after Put Blob.
    """

    container: str
    name: str
    body: str
    size: int
    etag: str
    created: float
    modified: float
    md5: str | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    blocks: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a request says about the blob that it writes; see :class:`StoredBlob`."""

    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    md5: str | None = None


class StorageAccount:
    """One account with its key left to others: what it holds, changed one request at a time; safe in any thread.

    A body is written before the row that names it, and removed after the row is gone: what a killed process leaves
    is a body without a row, which the next start removes.

    :param folder: made when needed.
    """

    def __init__(self, *, folder: Path, clock: Clock) -> None:
        self._bodies = folder / "bodies"
        self._bodies.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._lock = threading.RLock()
        self._database = sqlite3.connect(
            folder / "catalog.sqlite3", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        self._sort_out_bodies()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # Containers

    def containers(self, *, prefix: str = "") -> list[Container]:
        with self._lock:
            rows = self._database.execute("SELECT * FROM containers ORDER BY name").fetchall()
        return [_container(row) for row in rows if row["name"].startswith(prefix)]

    def container(self, name: str) -> Container:
        """
        :raises BlobRefused: ContainerNotFound.
        """
        with self._lock:
            row = self._database.execute("SELECT * FROM containers WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise refused("ContainerNotFound")
        return _container(row)

    def create_container(self, name: str, *, metadata: Mapping[str, str] | None = None) -> Container:
        """
        :raises BlobRefused: ContainerAlreadyExists, or InvalidResourceName.
        """
        if not _CONTAINER.fullmatch(name):
            raise refused("InvalidResourceName")
        with self._changing() as database:
            if database.execute("SELECT 1 FROM containers WHERE name = ?", (name,)).fetchone():
                raise refused("ContainerAlreadyExists")
            row = (name, _new_etag(), self._clock.now(), json.dumps(dict(metadata or {})))
            database.execute("INSERT INTO containers VALUES (?, ?, ?, ?)", row)
        return self.container(name)

    def ensure_container(self, name: str) -> None:
        with self._lock:
            if all(container.name != name for container in self.containers()):
                self.create_container(name)

    def delete_container(self, name: str) -> None:
        with self._changing() as database:
            self.container(name)
            bodies = [
                row["body"]
                for table in ("blobs", "blocks")
                for row in database.execute(f"SELECT body FROM {table} WHERE container = ?", (name,))
            ]
            for table, column in (("containers", "name"), ("blobs", "container"), ("blocks", "container")):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))
        self._drop(bodies)

    # Blobs

    def blob(self, container: str, name: str) -> StoredBlob | None:
        """
        :raises BlobRefused: ContainerNotFound.
        """
        with self._lock:
            self.container(container)
            row = self._database.execute(
                "SELECT * FROM blobs WHERE container = ? AND name = ?", (container, name)
            ).fetchone()
        return None if row is None else _blob(row)

    def open(self, blob: StoredBlob) -> BinaryIO:
        """
        :raises FileNotFoundError: when it was replaced or deleted meanwhile.
        """
        return (self._bodies / blob.body).open("rb")

    def blobs(self, container: str, *, prefix: str = "", start: str = "") -> Iterator[StoredBlob]:
        """The blobs of a container in order of their names, as they are now.

        :param start: the first name that counts.
        :raises BlobRefused: ContainerNotFound.
        """
        with self._lock:
            self.container(container)
            rows = self._database.execute(
                "SELECT * FROM blobs WHERE container = ? AND name >= ? AND substr(name, 1, ?) = ? ORDER BY name",
                (container, max(prefix, start), len(prefix), prefix),
            ).fetchall()
        return map(_blob, rows)

    def scratch(self) -> Path:
        """The name of a new file for bytes that are coming in; not in the account until they are put there."""
        return self._bodies / f".{uuid.uuid4().hex}"

    def put(
        self, container: str, name: str, source: Path, *, written: Written, condition: Condition | None = None
    ) -> StoredBlob:
        """
        Put Blob: replace all of it at once, with a file that is moved away.

        :param condition: raises unless the blob of that name, if there is one, may be replaced.
        :raises BlobRefused: for no such container, no such name, or by the condition.
        """
        return self._replace(container, name, source, written=written, blocks=(), condition=condition)

    def update(
        self, container: str, name: str, *, change: Callable[[StoredBlob], Written], condition: Condition
    ) -> StoredBlob:
        """Set Blob Metadata and Set Blob Properties: other headers, the same bytes."""
        with self._changing() as database:
            blob = self._existing(container, name, condition)
            written = change(blob)
            database.execute(
                "UPDATE blobs SET etag = ?, modified = ?, md5 = ?, content = ?, metadata = ?"
                " WHERE container = ? AND name = ?",
                (_new_etag(), self._clock.now(), written.md5, *_packed(written), container, name),
            )
        return self._existing(container, name)

    def delete(self, container: str, name: str, *, condition: Condition | None = None) -> None:
        """
        :raises BlobRefused: when there is none, or by the condition.
        """
        with self._changing() as database:
            blob = self._existing(container, name, condition)
            database.execute("DELETE FROM blobs WHERE container = ? AND name = ?", (container, name))
        self._drop([blob.body])

    # Blocks

    def stage(self, container: str, name: str, block_id: str, source: Path) -> None:
        """Put Block: keep a block until it is committed."""
        size = source.stat().st_size
        body = self._adopt(source)
        with self._changing(body) as database:
            self.container(container)
            key = (container, name, block_id)
            row = database.execute(
                "SELECT body FROM blocks WHERE container = ? AND name = ? AND id = ?", key
            ).fetchone()
            database.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)", (*key, body, size))
        self._drop([row["body"]] if row else [])

    def staged(self, container: str, name: str) -> list[tuple[str, int]]:
        """Id and size of the blocks that are not committed."""
        with self._lock:
            self.container(container)
            rows = self._database.execute(
                "SELECT id, size FROM blocks WHERE container = ? AND name = ? ORDER BY id", (container, name)
            ).fetchall()
        return [(row["id"], row["size"]) for row in rows]

    def commit(
        self,
        container: str,
        name: str,
        wanted: Sequence[tuple[str, str]],
        *,
        written: Written,
        condition: Condition | None = None,
    ) -> StoredBlob:
        """
        Put Block List: make a blob of blocks.

        :param wanted: for each block ``Committed``, ``Uncommitted`` or ``Latest``, and its id.
        :raises BlobRefused: InvalidBlockList for a block that is not there.
        """
        with self._lock:
            blob = self.blob(container, name)
            found = self._database.execute(
                "SELECT id, body, size FROM blocks WHERE container = ? AND name = ?", (container, name)
            )
            # Body, offset, size.
            fresh = {row["id"]: (row["body"], 0, row["size"]) for row in found}
            old: dict[str, tuple[str, int, int]] = {}
            offset = 0
            for block_id, size in blob.blocks if blob else ():
                old[block_id] = (blob.body if blob else "", offset, size)
                offset += size
            places = {"Committed": old, "Uncommitted": fresh, "Latest": old | fresh}
            try:
                parts = [(block_id, *places[kind][block_id]) for kind, block_id in wanted]
            except KeyError:
                raise refused("InvalidBlockList") from None
            whole = self.scratch()
            try:
                with whole.open("wb") as target:
                    for _, body, start, size in parts:
                        _append(target, self._bodies / body, start, size)
                blocks = [(block_id, size) for block_id, _, _, size in parts]
                return self._replace(container, name, whole, written=written, blocks=blocks, condition=condition)
            finally:
                whole.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------------------

    def _replace(
        self,
        container: str,
        name: str,
        source: Path,
        *,
        written: Written,
        blocks: Sequence[tuple[str, int]],
        condition: Condition | None,
    ) -> StoredBlob:
        if not 0 < len(name) <= _LONGEST_NAME:
            raise refused("InvalidUri")
        size = source.stat().st_size
        body = self._adopt(source)
        with self._changing(body) as database:
            before = self.blob(container, name)
            if condition is not None:
                condition(before)
            now = self._clock.now()
            created = before.created if before else now
            packed_blocks = json.dumps(list(blocks))
            database.execute(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (container, name, body, size, _new_etag(), created, now, written.md5, *_packed(written), packed_blocks),
            )
            left = database.execute("SELECT body FROM blocks WHERE container = ? AND name = ?", (container, name))
            gone = [row["body"] for row in left] + ([before.body] if before else [])
            database.execute("DELETE FROM blocks WHERE container = ? AND name = ?", (container, name))
            after = self._existing(container, name)
        self._drop(gone)
        return after

    def _existing(self, container: str, name: str, condition: Condition | None = None) -> StoredBlob:
        blob = self.blob(container, name)
        if blob is None:
            raise refused("BlobNotFound")
        if condition is not None:
            condition(blob)
        return blob

    @contextmanager
    def _changing(self, body: str | None = None) -> Iterator[sqlite3.Connection]:
        """All or nothing; a body that was for nothing is removed."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                self._drop([body] if body else [])
                raise

    def _adopt(self, source: Path) -> str:
        body = uuid.uuid4().hex
        shutil.move(source, self._bodies / body)
        return body

    def _drop(self, bodies: Sequence[str]) -> None:
        for body in bodies:
            (self._bodies / body).unlink(missing_ok=True)

    def _sort_out_bodies(self) -> None:
        with closing(self._database.execute("SELECT body FROM blobs UNION SELECT body FROM blocks")) as rows:
            known = {row["body"] for row in rows}
        self._drop([file.name for file in self._bodies.iterdir() if file.name not in known])


def md5_of(file: Path) -> str:
    """Base64, as the Blob service writes it."""
    with file.open("rb") as content:
        return base64.b64encode(hashlib.file_digest(content, "md5").digest()).decode()


def _append(target: BinaryIO, source: Path, start: int, size: int) -> None:
    with source.open("rb") as content:
        content.seek(start)
        while size and (block := content.read(min(size, 1 << 20))):
            size -= len(block)
            target.write(block)


def _new_etag() -> str:
    return f"0x8D{uuid.uuid4().hex[:13].upper()}"


def _packed(written: Written) -> tuple[str, str]:
    return json.dumps(dict(written.content)), json.dumps(dict(written.metadata))


def _container(row: Mapping[str, Any]) -> Container:
    return Container(**{**dict(row), "metadata": json.loads(row["metadata"])})


def _blob(row: Mapping[str, Any]) -> StoredBlob:
    blocks = [(block_id, size) for block_id, size in json.loads(row["blocks"])]
    packed = {name: json.loads(row[name]) for name in ("content", "metadata")}
    return StoredBlob(**{**dict(row), **packed, "blocks": blocks})
