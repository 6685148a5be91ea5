"""The paths and URIs that people give: opening them, and saying what their storage does not do."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from narration.connections import look_again
from narration.errors import NarrationError, PermanentNarrationError
from narration.secrecy import guard, without_credentials

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

DEFAULT_BLOB_CONNECTION = "wasb_default"
"""The connection of an ``abfs://`` location that names none: Airflow's own name for it."""

S3 = ("s3", "s3a", "s3n")
BLOB = ("abfs", "abfss")
LOCAL = ("", "file", "local")
# What must be installed for a kind of storage, where Airflow itself only says that there is no such kind.
_PACKAGES = {
    **dict.fromkeys(S3, "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(BLOB, "apache-airflow-providers-microsoft-azure"),
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
        default = conn_id if scheme in S3 else DEFAULT_BLOB_CONNECTION if scheme in BLOB else None
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
    if scheme in BLOB:
        _open_blob(path)
    return path


def same_kind(one: ObjectStoragePath, other: ObjectStoragePath) -> bool:
    """Tell whether two paths are of the same kind of storage; its schemes may have several names."""
    kinds = {one.protocol, other.protocol}
    return len(kinds) == 1 or any(kinds.issubset(names) for names in (LOCAL, S3, BLOB))


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
