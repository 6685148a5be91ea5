"""The paths and URIs that people give: opening them, saying what their storage does not do, and finding files there."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from narration.connections import look_again
from narration.errors import NarrationError, PermanentNarrationError
from narration.secrecy import guard, without_credentials

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

DEFAULT_BLOB_CONNECTION = "wasb_default"
"""The connection of an ``abfs://`` location that names none: Airflow's own name for it."""

S3 = ("s3", "s3a", "s3n")
_BLOB = ("abfs", "abfss")
_LOCAL = ("", "file", "local")
# What must be installed for a kind of storage, where Airflow itself only says that there is no such kind.
_PACKAGES = {
    **dict.fromkeys(S3, "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(_BLOB, "apache-airflow-providers-microsoft-azure"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
}
# How other tools write what Airflow writes as abfs://.
_BLOB_ELSEWHERE = ("wasb", "wasbs", "az", "adl")
_BLOB_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")
_CLIENTS = ("botocore.", "aiobotocore.", "aiohttp.", "azure.")
_FIRST_ADLFS = (2024, 12)
_AZURE_HTTP_LOGGER = "azure.core.pipeline.policies.http_logging_policy"


class StoreError(NarrationError):
    """The store could not be read or written."""


class LocationError(PermanentNarrationError):
    """A path or URI that was given cannot be used."""


# -- opening ---------------------------------------------------------------------------------------------------------


def object_path(location: str, *, conn_id: str | None, parameter: str) -> ObjectStoragePath:
    """
    Open a path or URI that a person gave.

    :param location: a path on the worker (``~`` and relative ones too), or a URI such as ``s3://bucket/key``,
        ``s3://my_connection@bucket/key`` or ``abfs://my_connection@container/path``.
    :param conn_id: AWS connection for an S3 location that names none. A Blob location that names none takes
        :data:`DEFAULT_BLOB_CONNECTION`.
    :param parameter: the parameter that it comes from, for messages.
    :raises LocationError: if there is no such kind of storage or no such connection.
    :raises narration.connections.ConnectionUnknownError: if Airflow cannot say whether there is one.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        scheme, rest = "file", os.path.expanduser(location)
    if scheme == "file":
        return _joined("file:///", os.path.abspath(rest).lstrip("/"))
    _check_scheme(location, scheme=scheme, parameter=parameter)
    guard()
    place, _, key = rest.partition("/")
    try:
        path = _joined(f"{scheme}://{place}", key)
        default = conn_id if scheme in S3 else DEFAULT_BLOB_CONNECTION if scheme in _BLOB else None
        if path.conn_id is None and default:
            path = _joined(f"{scheme}://{default}@{place}", key)
        # The Amazon provider would go on with whatever credentials the machine has, maybe another account's.
        # Only for aws_default is that a habit, of installations with worker roles.
        if path.conn_id is not None:
            _check_connection(path.conn_id, location=location, parameter=parameter)
    except (ImportError, ValueError) as error:
        # Somebody may have given a signed address.
        shown = without_credentials(location.partition("?")[0] if scheme in ("http", "https") else location)
        raise LocationError(
            f"{shown} cannot be opened: {error}. Give the parameter {parameter!r} a path, or a URI with file://, "
            "s3://, abfs:// or another storage of Airflow's."
        ) from error
    if scheme in _BLOB:
        _open_blob(path)
    return path


def same_kind(one: ObjectStoragePath, other: ObjectStoragePath) -> bool:
    """Tell whether two paths are of the same kind of storage; its schemes may have several names."""
    kinds = {one.protocol, other.protocol}
    return len(kinds) == 1 or any(kinds.issubset(names) for names in (_LOCAL, S3, _BLOB))


def _check_connection(conn_id: str, *, location: str, parameter: str) -> None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        Connection.get(conn_id)
    except AirflowNotFoundException as error:
        if look_again(conn_id) is None and conn_id != "aws_default":
            raise LocationError(
                f"There is no Airflow connection {conn_id!r}, which {location} needs. Create it under Admin, "
                f"Connections, or correct the parameter {parameter!r}."
            ) from error


def _joined(root: str, key: str) -> ObjectStoragePath:
    """Give the path of a key. The key takes no part in parsing the URI, where some of its characters would get lost."""
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(root)
    return path / key if key else path


def _check_scheme(location: str, *, scheme: str, parameter: str) -> None:
    from airflow.sdk.io import has_fs

    place, _, key = location.partition("://")[2].partition("?")[0].partition("/")
    user, _, host = place.rpartition("@")
    if scheme in _BLOB_ELSEWHERE or host.endswith(_BLOB_HOSTS):
        # abfss://container@account.dfs.core.windows.net/path or https://account.blob.core.windows.net/container/path
        if user or not host.endswith(_BLOB_HOSTS):
            container = user or host
        else:
            container, _, key = key.partition("/") if scheme == "https" else ("", "", key)
        written = f"abfs://{DEFAULT_BLOB_CONNECTION}@{container or '<container>'}/{key or '<path>'}"
        # Without its query, which may be a signature.
        raise LocationError(
            f"{location.partition('?')[0]} is not how Airflow writes a place in Azure Blob Storage: the account comes "
            f"from the connection. Give the parameter {parameter!r} {written}."
        )
    if scheme in _PACKAGES and not has_fs(scheme):
        raise LocationError(
            f"{location} cannot be opened: {scheme}:// needs the package {_PACKAGES[scheme]}, which is not installed "
            f"here. Install it on all workers (pip install '{_PACKAGES[scheme]}'), or give the parameter "
            f"{parameter!r} another place."
        )


def _open_blob(path: ObjectStoragePath) -> None:
    """
    Let adlfs read the connection now.

    :raises LocationError: if it leads to no storage account, or if adlfs cannot keep a claim.
    """
    installed = version("adlfs")
    if tuple(map(int, installed.split(".")[:2])) < _FIRST_ADLFS:
        raise LocationError(
            f"adlfs {installed} overwrites a file that it was told to create, and two runs would buy the same. Install "
            "adlfs 2024.12 or later on all workers."
        )
    # Azure's client would tell of each request with all its headers; the provider's own hooks silence it, too.
    logger = logging.getLogger(_AZURE_HTTP_LOGGER)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    try:
        _ = path.fs
    except (ImportError, ValueError) as error:
        raise LocationError(
            f"The connection {path.conn_id!r} opens no storage account ({error}). Give it the extra 'account_name' and "
            "the account key as its password, or the extra 'connection_string'; docs/azure.md shows more."
        ) from error


# -- errors ----------------------------------------------------------------------------------------------------------


@contextmanager
def storage_errors(what: str, *, hint: str) -> Iterator[None]:
    """
    Say of what a storage does not do what it was about; what is not there stays a ``FileNotFoundError``.

    :raises StoreError: from a ``PermissionError`` if it was a matter of permissions.
    """
    try:
        yield
    except (NarrationError, FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        raise _store_error(what, error, hint=hint) from error
    except Exception as error:
        told = _as_os_error(error)
        if isinstance(told, FileNotFoundError | FileExistsError):
            raise told from error
        if told is not None:
            raise _store_error(what, told, hint=hint) from told
        if not any(type(cause).__module__.startswith(_CLIENTS) for cause in _causes(error)):
            raise
        # The filesystems let some errors of their own clients through, such as a host that does not answer.
        raise StoreError(f"{what}: {_first_line(error)}. {hint}") from error


def _store_error(what: str, error: OSError, *, hint: str) -> StoreError:
    remedy = "Check what its connection, or the user of the worker, may do there. "
    return StoreError(
        f"{what}: {error.strerror or error}. {remedy if isinstance(error, PermissionError) else ''}{hint}"
    )


def _as_os_error(error: BaseException) -> OSError | None:
    """What Azure's client says in the words of the operating system, as s3fs says it of S3; ``None`` for the rest."""
    for cause in _causes(error):
        if not type(cause).__module__.startswith("azure."):
            continue
        code = getattr(cause, "error_code", None)
        code = str(getattr(code, "value", code) or "")
        words = f"{_first_line(cause)} ({code})" if code else _first_line(cause)
        status = getattr(cause, "status_code", None)
        # Azure's words for credentials that are refused, and for none that it could find.
        if status in (401, 403) or type(cause).__name__ in ("ClientAuthenticationError", "CredentialUnavailableError"):
            return PermissionError(errno.EACCES, words)
        # A container that no container can be called does not exist either.
        if status == 404 or code == "InvalidResourceName":
            return FileNotFoundError(errno.ENOENT, words)
        if code in ("BlobAlreadyExists", "ContainerAlreadyExists"):
            return FileExistsError(errno.EEXIST, words)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _first_line(error: BaseException) -> str:
    """Azure's client adds ids, the whole answer and even the string that was signed."""
    return str(error).partition("\n")[0].rstrip(".:")


# -- finding ---------------------------------------------------------------------------------------------------------


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
        if root.protocol in _LOCAL:
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
    return bool(entry["size"]) or root.protocol not in _BLOB or root.fs.info(key)["type"] == "file"


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
