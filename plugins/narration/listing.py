"""Finding the files below a folder, on a disk as in a bucket or container."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from narration.paths import BLOB, LOCAL, LocationError, StoreError, object_path, storage_errors

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """
    A file that a listing found, or something in its place that cannot be read.

    :param uri: opens it, wherever a document's location is taken, with the connection of the listing.
    :param name: its path below the folder that was listed, with slashes.
    :param size: in bytes; 0 with an error.
    :param modified: in UTC. Object storages tell whole seconds, and mean the end of the upload.
    :param etag: of its content, without quotation marks; ``None`` on a disk.
    :param error: why it cannot be read, with the remedy: a folder that may not be entered, a link to nothing.
    """

    uri: str
    name: str
    size: int
    modified: datetime
    etag: str | None = None
    error: str | None = None


def list_files(location: str, *, conn_id: str | None, parameter: str) -> tuple[FoundFile, ...]:
    """
    Find all files below a folder, however deep, hidden ones too, in order of their names.

    Nothing is remembered from one call to the next. Object storages have no folders: there, one is what some file
    is in, or what somebody made an empty marker for.

    :param location: as for :func:`object_path`.
    :param conn_id: as for :func:`object_path`.
    :param parameter: the parameter that it comes from, for messages.
    :raises FileNotFoundError: if there is no such folder.
    :raises LocationError: if its bucket, container or connection does not exist, or it is a file.
    :raises StoreError: if it could not be read.
    """
    root = object_path(location, conn_id=conn_id, parameter=parameter)
    with storage_errors(location, hint="Trying again may help."):
        if root.protocol in LOCAL:
            found = list(_local_files(root.path.rstrip("/") or "/", location=location, parameter=parameter))
        else:
            found = list(_objects(root, location=location, parameter=parameter))
    return tuple(sorted(found, key=lambda file: file.name))


def _objects(root: ObjectStoragePath, *, location: str, parameter: str) -> Iterator[FoundFile]:
    fs, base = root.fs, root.path.strip("/")
    # Neither what another listing saw, nor what this one sees for others.
    fs.invalidate_cache()
    try:
        try:
            entries = fs.find(base, detail=True)
        except FileNotFoundError:
            entries = {}
        # adlfs answers with a list if the path is a blob of its own.
        if base in entries:
            raise LocationError(f"{location} is a file. Give the parameter {parameter!r} the folder that it is in.")
        if not entries:
            _check_that_it_exists(root, location=location, parameter=parameter)
        files = {key: entry for key, entry in entries.items() if _is_file(root, key, entry)}
    finally:
        fs.invalidate_cache()
    scheme = f"{root.protocol}://{root.conn_id}@" if root.conn_id else f"{root.protocol}://"
    for key, entry in files.items():
        etag = entry.get("ETag") or entry.get("etag")
        yield FoundFile(
            uri=f"{scheme}{key}",
            name=key.removeprefix(f"{base}/"),
            size=entry["size"],
            modified=_moment(entry),
            etag=str(etag).strip('"') if etag else None,
        )


def _is_file(root: ObjectStoragePath, key: str, entry: dict[str, Any]) -> bool:
    """Tell a file from what somebody made to look like a folder: an empty object whose name ends in a slash."""
    if entry["type"] != "file" or key.endswith("/"):
        return False
    # adlfs drops that slash from a list.
    return bool(entry["size"]) or root.protocol not in BLOB or root.fs.info(key)["type"] == "file"


def _check_that_it_exists(root: ObjectStoragePath, *, location: str, parameter: str) -> None:
    """
    :raises LocationError: if not even the bucket or container is there.
    :raises FileNotFoundError: if only the folder is missing.
    """
    container, _, prefix = root.path.strip("/").partition("/")
    try:
        with storage_errors(location, hint="Trying again may help."):
            root.fs.info(container)
    except FileNotFoundError as error:
        raise LocationError(
            f"There is no bucket or container {container!r}, which {location} needs. Create it, or correct the "
            f"parameter {parameter!r}."
        ) from error
    except StoreError as error:
        # Who may list a container may not always ask for its properties.
        if not isinstance(error.__cause__, PermissionError):
            raise
    if prefix and not root.fs.exists(f"{container}/{prefix}"):
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", location)


def _moment(entry: dict[str, Any]) -> datetime:
    """S3 says LastModified, Blob last_modified, Google Cloud Storage mtime."""
    for name in ("LastModified", "last_modified", "mtime"):
        if isinstance(entry.get(name), datetime):
            return entry[name].astimezone(UTC)
    raise StoreError(f"{entry['name']}: its storage does not tell when it was written, which an inbox needs.")


def _local_files(
    folder: str, *, location: str, parameter: str, name: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[FoundFile]:
    """
    :param name: of the folder below the one that was asked for; empty for that one itself.
    :param above: device and number of the folders on the way to this one, none of which is entered again.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        here = os.stat(folder)
    except OSError as error:
        if not name:
            if not isinstance(error, NotADirectoryError):
                raise
            raise LocationError(
                f"{location} is a file. Give the parameter {parameter!r} the folder that it is in."
            ) from error
        if not isinstance(error, FileNotFoundError):
            yield _unreadable(folder, name, f"The folder cannot be listed: {error.strerror}. Check its permissions.")
        return
    above = (*above, (here.st_dev, here.st_ino))
    for entry in entries:
        below = f"{name}/{entry.name}" if name else entry.name
        path = os.path.join(folder, entry.name)
        try:
            found = os.stat(path)
        except OSError as error:
            # What was removed since the folder was read is simply gone; a link to nothing is still there.
            if os.path.lexists(path):
                yield _unreadable(path, below, f"It cannot be opened: {error.strerror}. Repair or remove it.")
            continue
        if stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in above:
                yield _unreadable(path, below, "It is a link to a folder that it is in itself. Remove the link.")
            else:
                yield from _local_files(path, location=location, parameter=parameter, name=below, above=above)
        elif not stat.S_ISREG(found.st_mode):
            yield _unreadable(path, below, "It is neither a file nor a folder. Remove it.")
        elif not _is_text(below):
            yield _unreadable(path, below, "Its name is not in UTF-8. Rename it.")
        else:
            modified = datetime.fromtimestamp(found.st_mtime, UTC)
            yield FoundFile(uri=f"file://{path}", name=below, size=found.st_size, modified=modified)


def _unreadable(path: str, name: str, error: str) -> FoundFile:
    try:
        modified = os.lstat(path).st_mtime
    except OSError:
        modified = 0.0
    # A name that is no text can be neither logged nor handed to another task.
    uri, shown = (
        text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for text in (f"file://{path}", name)
    )
    return FoundFile(uri=uri, name=shown, size=0, modified=datetime.fromtimestamp(modified, UTC), error=error)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
