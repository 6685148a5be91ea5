"""Result zips from the storage of Azure: streamed, limited, and without the key, which the storage must never see."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from narration.hooks.azure_account import is_loopback
from narration.hooks.azure_answers import shown_url, url_refused
from narration.hooks.azure_errors import AzureSpeechError, AzureSpeechRefusedError
from narration.hooks.azure_transport import described, new_session
from narration.hooks.machine import writing

_CHUNK = 256 * 1024
_ZIP = b"PK"
#: The storage says 403 to a signature that is no longer valid, and 404 to a blob that is no longer there.
_NOT_ACCEPTED = frozenset({401, 403, 404, 410})


class _WithoutQueries(logging.Filter):
    """urllib3 logs every address it opens; the query of a signed one is the permission to read it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{value.partition('?')[0]}?***" if isinstance(value, str) and "sig=" in value else value
                for value in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())


def checked(url: str, *, service: str) -> str:
    """
    Give back the address of a result if it is one that audio may be fetched from.

    :param service: the address of the API that gave it.
    :raises AzureSpeechError: it cannot be read, or the audio would come unencrypted where nothing else does.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AzureSpeechError(
            "Azure Speech gave an address of the result that cannot be read. A proxy may have answered in its place; "
            "try again."
        ) from None
    if parts.scheme == "http" and urlsplit(service).scheme == "https" and not is_loopback(parts.hostname or ""):
        raise AzureSpeechError(
            f"The result would have to be fetched from {shown_url(url)}, without encryption, although the service "
            "itself is spoken to over https. Azure gives no such address: find out who answers in its place."
        )
    return url


def fetch(*, url: str, to: BinaryIO, timeout: float, max_bytes: int | None = None) -> int:
    """
    Stream what a signed URL leads to into an open file.

    :param url: the signed URL; no message shows more of it than host and file name.
    :param max_bytes: stop with an error rather than write more.
    :return: bytes written.
    :raises AzureUrlExpiredError: the URL is not accepted; nothing was written.
    :raises AzureSpeechRefusedError: there is more than ``max_bytes``.
    :raises AzureSpeechError: it broke off, or is not a zip; try again.
    :raises narration.hooks.machine.DiskError: there is no room for it on this machine.
    """
    place = shown_url(url)
    failure: AzureSpeechError
    if urlsplit(url).scheme not in {"http", "https"}:
        raise AzureSpeechRefusedError(f"{place} is not an address that can be downloaded.")
    written = 0
    try:
        with (
            new_session() as session,
            session.get(
                url, stream=True, timeout=timeout, allow_redirects=False, headers={"Accept-Encoding": "identity"}
            ) as response,
        ):
            _check(response, place)
            announced = response.headers.get("Content-Length", "")
            if max_bytes is not None and announced.isdigit() and int(announced) > max_bytes:
                raise _too_large(place, max_bytes)
            for chunk in response.iter_content(_CHUNK):
                if not written and not chunk.startswith(_ZIP):
                    raise AzureSpeechError(
                        f"{place} answered {response.status_code}, but not with a zip. A proxy may have answered in "
                        "its place; try again.",
                        status=response.status_code,
                    )
                if max_bytes is not None and written + len(chunk) > max_bytes:
                    raise _too_large(place, max_bytes)
                with writing(f"The download of {place}"):
                    to.write(chunk)
                written += len(chunk)
            if written:
                return written
            failure = AzureSpeechError(f"{place} is empty. Try again.", status=response.status_code)
    except (requests.RequestException, HTTPError, UnicodeError) as error:
        failure = AzureSpeechError(
            f"The download of {place} broke off after {written:,} bytes ({described(error)}). Try again."
        )
    # Outside the handler: the library's own exception shows the whole address.
    raise failure


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """
    Give a new file that takes a path's place once all went well.

    :raises narration.hooks.machine.DiskError: there is no room for it.
    """
    what = f"The download to {path}"
    with writing(what):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    file = os.fdopen(descriptor, "wb")
    try:
        yield file
        with writing(what):
            file.close()
            os.replace(name, path)
    except BaseException:
        # Closing writes what is still in memory, and there may be no room for that either.
        with suppress(OSError):
            file.close()
        os.unlink(name)
        raise


def _check(response: requests.Response, place: str) -> None:
    status = response.status_code
    if status in _NOT_ACCEPTED:
        raise url_refused(status, place)
    if status != 200:
        raise AzureSpeechError(
            f"The download of {place} was answered {status}. Redirects are not followed; try again.", status=status
        )


def _too_large(place: str, max_bytes: int) -> AzureSpeechRefusedError:
    return AzureSpeechRefusedError(
        f"{place} holds more than the {max_bytes:,} bytes that are allowed for one result. Make smaller jobs, or allow "
        "more."
    )
