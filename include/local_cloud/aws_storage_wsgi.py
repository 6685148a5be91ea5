"""The HTTP side of the local S3, SNS, SQS and STS: moto's, with changes kept before they are answered."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from include.local_cloud.aws_messaging_calls import MessagingCalls, Refusal
from include.local_cloud.aws_storage_catalog import BucketSetting, Catalog
from include.local_cloud.aws_storage_messaging import MessagingKeeper
from include.local_cloud.aws_storage_objects import ObjectKeeper, StoredKey
from include.local_cloud.trouble import Trouble

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# The one access key that is refused everywhere, so that clients can meet a refusal.
REVOKED_ACCESS_KEY = "AKIAREVOKED"
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]*/([^/]+)/")
# Smaller objects go through moto whole; larger ones are sent from their file, so that memory and the time of a
# ranged read do not grow with the object.
_STREAMED_FROM_BYTES = 512 * 1024
_STREAM_BLOCK_BYTES = 256 * 1024
_SIGNATURE_PARAMETERS = frozenset(
    {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}
    | {"X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "Expires", "x-id", "x-amz-checksum-mode"}
)
_WHAT_IS_KEPT = "The local S3, SNS and SQS"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Reply:
    status: str
    headers: Headers
    body: Iterable[bytes]

    @property
    def succeeded(self) -> bool:
        return self.status.startswith("2")

    def header(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found.lower() == name), None)


class _NotKept(Exception):
    """The disk did not take a change; the trouble is known already."""


class KeepingApplication:
    """Hands requests to moto and keeps what they changed before the answer leaves.

    S3 requests take turns, except for reading the request and sending the answer: moto's S3 is not made for
    concurrent writers, and its Python code could not use a second core anyway.

    :param applications: moto's WSGI application for each service, by the name that requests are signed for
    :param catalog: where the state is kept
    :param objects: keeps buckets and objects
    :param messaging: keeps topics, subscriptions and queues
    :param trouble: told when a change could not be kept
    :param calls: counts the calls of SNS and SQS, and may refuse them
    """

    def __init__(
        self,
        applications: Mapping[str, Application],
        *,
        catalog: Catalog,
        objects: ObjectKeeper,
        messaging: MessagingKeeper,
        trouble: Trouble,
        calls: MessagingCalls | None = None,
    ) -> None:
        self._applications = applications
        self._catalog = catalog
        self._objects = objects
        self._messaging = messaging
        self._trouble = trouble
        self._calls = calls
        self.turn = threading.RLock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            reply = self._answer(environ)
        except (_NotKept, OSError, sqlite3.Error) as error:
            if not isinstance(error, _NotKept):
                logger.warning("A request to the local S3, SNS or SQS failed: %s", error)
            reply = _s3_error(
                "500 Internal Server Error", "InternalError", f"The local cloud could not keep the change: {error}"
            )
        start_response(reply.status, reply.headers)
        return reply.body

    def make_settings(self) -> None:
        """Configure the buckets as they were: make the kept requests again."""
        for setting in self._catalog.settings():
            bucket = self._objects.bucket(setting.bucket)
            environ = _bucket_request(setting, region="us-east-1" if bucket is None else bucket.region_name)
            reply = self._call(environ)
            if not reply.succeeded:
                logger.warning("The setting %r of bucket %s was lost: %s", setting.name, setting.bucket, reply.status)

    def _answer(self, environ: Environ) -> _Reply:
        access_key, service = _credential(environ)
        if access_key == REVOKED_ACCESS_KEY:
            return _revoked(service)
        path = environ.get("PATH_INFO", "")
        if service not in self._applications or path.startswith("/moto-api"):
            return _s3_error("501 Not Implemented", "NotImplemented", f"The local cloud has no {service}")
        _read_body(environ)
        if service == "s3":
            return self._answer_s3(environ)
        action = _action(environ)
        if service in {"sns", "sqs"} and self._calls is not None:
            refusal = self._calls.enter(service=service, operation=action)
            if refusal is not None:
                return _refused(refusal)
        reply = self._call(environ, service=service)
        # Messages themselves are not kept.
        if service in {"sns", "sqs"} and reply.succeeded and "Message" not in action and "Publish" not in action:
            with self.turn:
                with self._keeping():
                    self._messaging.keep()
        return reply

    def _answer_s3(self, environ: Environ) -> _Reply:
        _use_path_style(environ)
        bucket, _, key = _decoded_path(environ).removeprefix("/").partition("/")
        method = environ["REQUEST_METHOD"]
        with self.turn:
            if method == "GET" and key:
                streamed = self._stream(environ, bucket=bucket, key=key)
                if streamed is not None:
                    return streamed
            reply = self._call(environ)
            if method in {"PUT", "POST", "DELETE"} and reply.succeeded:
                with self._keeping():
                    self._keep(environ, bucket=bucket, key=key)
            return reply

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self._trouble.began(_WHAT_IS_KEPT, error)
            raise _NotKept(str(error)) from error
        self._trouble.ended(_WHAT_IS_KEPT)

    def _keep(self, environ: Environ, *, bucket: str, key: str) -> None:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        method = environ["REQUEST_METHOD"]
        if key:
            # Starting an upload or adding a part changes no object; moto holds the parts until the upload completes.
            unfinished = "uploads" in query or ("uploadId" in query and method != "POST")
            if not unfinished:
                self._objects.keep_object(bucket_name=bucket, key_name=key)
            return
        if method == "POST":
            self._objects.keep_differences(bucket)
            return
        setting = "&".join(sorted(f"{name}={query[name][0]}" for name in query if name not in _SIGNATURE_PARAMETERS))
        if not setting:
            self._objects.keep_bucket(bucket)
        elif method == "PUT":
            headers = {name: value for name, value in environ.items() if _configures(name)}
            body = environ["wsgi.input"].getvalue()
            self._catalog.keep_setting(BucketSetting(bucket=bucket, name=setting, headers=headers, body=body))
        else:
            self._catalog.forget_setting(bucket=bucket, name=setting)

    def _stream(self, environ: Environ, *, bucket: str, key: str) -> _Reply | None:
        """Answer a plain GET of a large object from its file; ``None`` leaves the request to moto."""
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if not set(query) <= _SIGNATURE_PARAMETERS:
            return None
        known = self._objects.bucket(bucket)
        stored = None if known is None else known.keys.get(key)
        if not isinstance(stored, StoredKey) or stored.size < _STREAMED_FROM_BYTES:
            return None
        # Moto says everything about the answer except the bytes when it is asked for the head.
        head = self._call({**environ, "REQUEST_METHOD": "HEAD"})
        if not head.succeeded:
            return None
        content_range = _CONTENT_RANGE.match(head.header("content-range") or "")
        first, last = (0, stored.size - 1) if content_range is None else (int(part) for part in content_range.groups())
        headers = [(name, value) for name, value in head.headers if not _differs_between_head_and_get(name)]
        headers.append(("Content-Length", str(last - first + 1)))
        if content_range is None and environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED":
            headers.extend(_checksum_headers(stored))
        return _Reply(status=head.status, headers=headers, body=_FileSlice(stored.path, first, last - first + 1))

    def _call(self, environ: Environ, *, service: str = "s3") -> _Reply:
        answered: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, error: object = None) -> None:
            answered.append((status, headers))

        body = self._applications[service](environ, start_response)
        try:
            content = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        status, headers = answered[-1]
        return _Reply(status=status, headers=headers, body=[content])


class _FileSlice:
    """Part of a file, opened at once so that it can be sent even when the object is replaced meanwhile."""

    def __init__(self, path: Path, start: int, length: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._remaining = length

    def __iter__(self) -> Iterator[bytes]:
        while self._remaining > 0:
            block = self._file.read(min(_STREAM_BLOCK_BYTES, self._remaining))
            if not block:
                return
            self._remaining -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def _differs_between_head_and_get(header: str) -> bool:
    return header.lower() == "content-length" or header.lower().startswith("x-amz-checksum-")


def _checksum_headers(stored: StoredKey) -> Headers:
    if not stored.checksum_algorithm or not stored.checksum_value:
        return []
    # A checksum of the parts' checksums says how many there are, which tells clients that it is not of the whole.
    composite = stored.checksum_type == "COMPOSITE"
    value = f"{stored.checksum_value}-{stored.checksum_parts}" if composite else str(stored.checksum_value)
    headers = [(f"x-amz-checksum-{stored.checksum_algorithm.lower()}", value)]
    if stored.checksum_type:
        headers.append(("x-amz-checksum-type", stored.checksum_type))
    return headers


def _read_body(environ: Environ) -> None:
    """Read the request to its end before taking a turn, so that a slow client holds nobody up."""
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if body or environ.get("CONTENT_LENGTH"):
        environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _credential(environ: Environ) -> tuple[str, str]:
    """The access key and the service that a request is signed for; unsigned requests are for S3."""
    query = unquote(environ.get("QUERY_STRING", ""))
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "")) or _CREDENTIAL.search(query)
    return (found[1], found[2].lower()) if found else ("", "s3")


def _action(environ: Environ) -> str:
    """The operation of an SNS or SQS request: named by a header (JSON protocol) or by a form field."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rpartition(".")[2]
    body = environ["wsgi.input"]
    form = body.getvalue() if isinstance(body, io.BytesIO) else b""
    found = re.search(rb"(?:^|&)Action=(\w+)", form)
    return found[1].decode() if found else ""


def _decoded_path(environ: Environ) -> str:
    # WSGI hands the decoded path over as if its bytes were Latin-1.
    return environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")


def _use_path_style(environ: Environ) -> None:
    """Rewrite ``http://bucket.localhost/key`` as ``http://localhost/bucket/key``."""
    host = environ.get("HTTP_HOST", "").partition(":")[0]
    bucket, _, rest = host.partition(".")
    if rest == "localhost" and bucket:
        for name in ("PATH_INFO", "REQUEST_URI", "RAW_URI"):
            if name in environ:
                environ[name] = f"/{bucket}{environ[name]}"
    environ["HTTP_HOST"] = "localhost"


def _configures(name: str) -> bool:
    return name == "CONTENT_TYPE" or name.startswith("HTTP_X_AMZ_BUCKET") or name.startswith("HTTP_X_AMZ_ACL")


def _bucket_request(setting: BucketSetting, *, region: str) -> Environ:
    return {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{setting.bucket}",
        "QUERY_STRING": setting.name,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=local/20000101/{region}/s3/aws4_request",
        "CONTENT_LENGTH": str(len(setting.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(setting.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **setting.headers,
    }


def _refused(refusal: Refusal) -> _Reply:
    content = json.dumps({"__type": refusal.error_type, "message": refusal.message}).encode()
    return _Reply(
        status=refusal.status,
        headers=[
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(content))),
            ("x-amzn-query-error", refusal.query_code),
        ],
        body=[content],
    )


def _revoked(service: str) -> _Reply:
    if service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return _s3_error("403 Forbidden", "InvalidAccessKeyId", message)
    message = "The security token included in the request is invalid."
    if service == "sqs":
        content = f'{{"__type":"com.amazon.coral.service#InvalidClientTokenId","message":"{message}"}}'
        return _Reply(
            status="403 Forbidden",
            headers=[("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(content)))],
            body=[content.encode()],
        )
    error = f"<Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>{message}</Message></Error>"
    content = f"<ErrorResponse>{error}</ErrorResponse>"
    return _Reply(
        status="403 Forbidden",
        headers=[("Content-Type", "text/xml"), ("Content-Length", str(len(content)))],
        body=[content.encode()],
    )


def _s3_error(status: str, code: str, message: str) -> _Reply:
    escaped = message.replace("&", "&amp;").replace("<", "&lt;")
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escaped}</Message></Error>'
    encoded = content.encode()
    return _Reply(
        status=status,
        headers=[("Content-Type", "application/xml"), ("Content-Length", str(len(encoded)))],
        body=[encoded],
    )
