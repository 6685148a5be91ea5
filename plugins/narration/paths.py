"""Opening the paths and URIs that people give, and saying what a storage does not do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from narration.errors import NarrationError, PermanentNarrationError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_S3 = ("s3", "s3a", "s3n")
_CLIENTS = ("botocore.", "aiobotocore.", "aiohttp.")


class StoreError(NarrationError):
    """The store could not be read or written."""


class LocationError(PermanentNarrationError):
    """A path or URI that was given cannot be used."""


def object_path(location: str, *, conn_id: str | None, parameter: str) -> ObjectStoragePath:
    """
    Open a path or URI that a person gave.

    :param location: a path on the worker (``~`` and relative ones too), or a URI such as ``s3://bucket/key`` or
        ``s3://my_connection@bucket/key``.
    :param conn_id: AWS connection for an S3 location that names none.
    :param parameter: the parameter that it comes from, for messages.
    :raises LocationError: if there is no such kind of storage or no such connection.
    """
    from airflow.sdk import Connection, ObjectStoragePath
    from airflow.sdk.exceptions import AirflowNotFoundException

    scheme = urlsplit(location).scheme if "://" in location else ""
    if scheme in ("", "file"):
        return ObjectStoragePath(location if scheme else f"file://{os.path.abspath(os.path.expanduser(location))}")
    try:
        path = ObjectStoragePath(location)
        if scheme in _S3 and path.conn_id is None and conn_id:
            path = ObjectStoragePath(location, conn_id=conn_id)
        # The Amazon provider would go on with whatever credentials the machine has, maybe another account's.
        # Only for aws_default is that a habit, of installations with worker roles.
        if path.conn_id not in (None, "aws_default"):
            Connection.get(path.conn_id)
    except AirflowNotFoundException as error:
        raise LocationError(
            f"There is no Airflow connection {path.conn_id!r}, which {location} needs. Create it under Admin, "
            f"Connections, or correct the parameter {parameter!r}."
        ) from error
    except (ImportError, ValueError) as error:
        raise LocationError(
            f"{location} cannot be opened: {error}. Give the parameter {parameter!r} a path, or a URI with file://, "
            "s3:// or another storage of Airflow's."
        ) from error
    return path


@contextmanager
def storage_errors(what: str, *, hint: str) -> Iterator[None]:
    """Say of what a storage does not do what it was about; what is not there stays a ``FileNotFoundError``."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}. {hint}") from error
    except Exception as error:
        if not type(error).__module__.startswith(_CLIENTS):
            raise
        # The filesystems let some errors of their own clients through, such as a host that does not answer.
        raise StoreError(f"{what}: {error}. {hint}") from error


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    uri: str
    name: str
    size: int
    modified: datetime | None
    etag: str | None
    error: str | None = None


def list_files(location: str, *, conn_id: str | None, parameter: str) -> list[FoundFile]:
    path = object_path(location, conn_id=conn_id, parameter=parameter)
    if not path.exists():
        raise FileNotFoundError(location)
    found = []
    for each in sorted(path.rglob("*")):
        if each.is_dir():
            continue
        stat = each.stat()
        found.append(
            FoundFile(
                uri=str(each),
                name=str(each)[len(str(path)) :].lstrip("/"),
                size=stat.st_size,
                modified=datetime.fromtimestamp(stat.st_mtime, UTC),
                etag=None,
            )
        )
    return found
