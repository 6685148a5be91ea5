"""The Blob service on the wire: headers, conditions, ranges and XML."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from lxml import etree
from starlette.responses import Response, StreamingResponse

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.blob_account import Container, StoredBlob, Written
from include.local_cloud.azure.blob_errors import BlobRefused, refused
from include.local_cloud.azure.blob_signatures import VERSION, is_md5

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_HEADERS = (*("Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control"),)
_METADATA = "x-ms-meta-"
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_READ_AT_ONCE = 256 * 1024
# What XML 1.0 cannot hold; names with such characters are written percent-encoded and marked.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
_KINDS = {"Committed", "Uncommitted", "Latest"}


def common_headers(request_headers: Mapping[str, str]) -> dict[str, str]:
    """What every answer carries."""
    headers = {"x-ms-request-id": str(uuid.uuid4()), "x-ms-version": request_headers.get("x-ms-version", VERSION)}
    if "x-ms-client-request-id" in request_headers:
        headers["x-ms-client-request-id"] = request_headers["x-ms-client-request-id"]
    return headers


def refusal(error: BlobRefused, *, headers: Mapping[str, str], now: float) -> Response:
    detail = f"<AuthenticationErrorDetail>{escape(error.detail)}</AuthenticationErrorDetail>" if error.detail else ""
    message = f"{error.message}\nRequestId:{headers['x-ms-request-id']}\nTime:{timestamps.ticks(now)}"
    body = f"<Error><Code>{error.code}</Code><Message>{escape(message)}</Message>{detail}</Error>"
    return xml(body, status=error.status, headers={**headers, "x-ms-error-code": error.code})


def xml(body: str, *, status: int = 200, headers: Mapping[str, str]) -> Response:
    content = f'\ufeff<?xml version="1.0" encoding="utf-8"?>{body}'
    return Response(content, status_code=status, media_type="application/xml", headers=dict(headers))


def http_date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(moment), UTC), usegmt=True)


def version_headers(thing: Container | StoredBlob) -> dict[str, str]:
    """Which state of a container or a blob an answer is about."""
    return {"ETag": f'"{thing.etag}"', "Last-Modified": http_date(thing.modified)}


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_METADATA}{name}": value for name, value in metadata.items()}


def blob_headers(blob: StoredBlob) -> dict[str, str]:
    """The properties of a blob, as Get Blob and Get Blob Properties tell them."""
    return {
        **version_headers(blob),
        "Content-Type": "application/octet-stream",
        **blob.content,
        **({"Content-MD5": blob.md5} if blob.md5 else {}),
        **metadata_headers(blob.metadata),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-server-encrypted": "true",
    }


def written(headers: Mapping[str, str], *, md5: str | None) -> Written:
    """What the headers of a request say about the blob that it writes.

    :param md5: of the bytes themselves, for a request that does not give another.
    :raises BlobRefused: for metadata that no blob can have.
    """
    content = {
        name: headers[f"x-ms-blob-{name.lower()}"]
        for name in _CONTENT_HEADERS
        if headers.get(f"x-ms-blob-{name.lower()}")
    }
    if "Content-Type" not in content and headers.get("content-type"):
        content["Content-Type"] = headers["content-type"]
    given = headers.get("x-ms-blob-content-md5")
    if given is not None and not is_md5(given):
        raise refused("InvalidHeaderValue")
    return Written(content=content, metadata=metadata_of(headers), md5=given or md5)


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name.removeprefix(_METADATA): value for name, value in headers.items() if name.startswith(_METADATA)}
    if not all(map(_METADATA_NAME.fullmatch, found)):
        raise BlobRefused(
            400, "InvalidMetadata", "The metadata specified is invalid. It has characters that are not permitted."
        )
    return found


def condition_of(headers: Mapping[str, str], *, reading: bool) -> Callable[[StoredBlob | None], None]:
    """The conditional headers of a request.

    :return: raises for a blob, or for none, that does not meet them; ``NotModified`` is a refusal with status 304.
    """

    def check(blob: StoredBlob | None) -> None:
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if blob is None:
            if match is not None or "if-unmodified-since" in headers:
                raise refused("ConditionNotMet")
            return
        if match not in {None, "*"} and blob.etag not in _etags(match):
            raise refused("ConditionNotMet")
        unmodified = _moment(headers, "if-unmodified-since")
        if unmodified is not None and int(blob.modified) > unmodified:
            raise refused("ConditionNotMet")
        modified = _moment(headers, "if-modified-since")
        is_old = modified is not None and int(blob.modified) <= modified
        if none_match == "*" and not reading:
            raise refused("BlobAlreadyExists")
        if is_old or (none_match is not None and (none_match == "*" or blob.etag in _etags(none_match))):
            raise BlobRefused(304, "ConditionNotMet", "") if reading else refused("ConditionNotMet")

    return check


def _etags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/").strip('"') for tag in (header or "").split(",")}


def _moment(headers: Mapping[str, str], name: str) -> float | None:
    if name not in headers:
        return None
    try:
        return parsedate_to_datetime(headers[name]).timestamp()
    except ValueError:
        raise refused("InvalidHeaderValue") from None


def range_of(headers: Mapping[str, str], *, size: int) -> tuple[int, int] | None:
    """First byte and number of bytes that are asked for; ``None`` for the whole blob.

    :raises BlobRefused: InvalidRange beyond the end.
    """
    found = _RANGE.fullmatch(headers.get("x-ms-range") or headers.get("range") or "")
    if found is None:
        # As of any header that it cannot read, the service makes nothing of it.
        return None
    first, last = int(found[1]), min(int(found[2] or size), size - 1)
    if first >= size or last < first:
        raise refused("InvalidRange")
    return first, last - first + 1


def content(file: BinaryIO, *, blob: StoredBlob, part: tuple[int, int] | None, headers: Mapping[str, str]) -> Response:
    """The bytes of a blob or a part of them; closes the file."""
    first, length = part or (0, blob.size)
    answer = {**headers, **blob_headers(blob), "Content-Length": str(length)}
    if part is not None:
        answer["Content-Range"] = f"bytes {first}-{first + length - 1}/{blob.size}"
        if md5 := answer.pop("Content-MD5", None):
            # Of the whole blob, which the body is not.
            answer["x-ms-blob-content-md5"] = md5
    return StreamingResponse(_blocks(file, first, length), status_code=206 if part else 200, headers=answer)


def _blocks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while length and (block := file.read(min(length, _READ_AT_ONCE))):
            length -= len(block)
            yield block


# XML


def block_list(body: bytes) -> list[tuple[str, str]]:
    """The body of Put Block List: kind and id of each block.

    :raises BlobRefused: when it is something else.
    """
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise refused("InvalidXmlDocument") from None
    if root.tag != "BlockList" or any(entry.tag not in _KINDS for entry in root):
        raise refused("InvalidXmlDocument")
    return [(str(entry.tag), entry.text or "") for entry in root]


def block_lists(lists: Mapping[str, Iterable[tuple[str, int]]]) -> str:
    """The answer to Get Block List."""
    parts = (
        f"<{kind}>"
        + "".join(f"<Block><Name>{escape(name)}</Name><Size>{size}</Size></Block>" for name, size in blocks)
        + f"</{kind}>"
        for kind, blocks in lists.items()
    )
    return f"<BlockList>{''.join(parts)}</BlockList>"


def enumeration(attributes: Mapping[str, str], echoed: Mapping[str, str], inside: str, *, marker: str) -> str:
    """A page of a list.

    :param echoed: the parameters of the request that the answer repeats.
    :param marker: where the next page begins; empty on the last one.
    """
    named = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    repeated = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in echoed.items() if value)
    return f"<EnumerationResults{named}>{repeated}{inside}<NextMarker>{marker}</NextMarker></EnumerationResults>"


def container_entry(container: Container, *, with_metadata: bool) -> str:
    properties = {
        "Last-Modified": http_date(container.modified),
        "Etag": f'"{container.etag}"',
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "HasImmutabilityPolicy": "false",
        "HasLegalHold": "false",
    }
    entry = f"<Name>{escape(container.name)}</Name>{_properties(properties)}"
    return f"<Container>{entry}{_metadata(container.metadata) if with_metadata else ''}</Container>"


def blob_entry(blob: StoredBlob, *, with_metadata: bool) -> str:
    properties: dict[str, Any] = {
        "Creation-Time": http_date(blob.created),
        "Last-Modified": http_date(blob.modified),
        "Etag": blob.etag,
        "Content-Length": blob.size,
        **dict.fromkeys(_CONTENT_HEADERS, ""),
        "Content-Type": "application/octet-stream",
        **blob.content,
        "Content-MD5": blob.md5 or "",
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    entry = f"{_name(blob.name)}{_properties(properties)}"
    return f"<Blob>{entry}{_metadata(blob.metadata) if with_metadata else ''}<OrMetadata /></Blob>"


def prefix_entry(prefix: str) -> str:
    return f"<BlobPrefix>{_name(prefix)}</BlobPrefix>"


def _name(name: str) -> str:
    if _NOT_XML.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _properties(properties: Mapping[str, Any]) -> str:
    return (
        "<Properties>"
        + "".join(
            f"<{name}>{escape(str(value))}</{name}>" if value != "" else f"<{name} />"
            for name, value in properties.items()
        )
        + "</Properties>"
    )


def _metadata(metadata: Mapping[str, str]) -> str:
    return f"<Metadata>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in metadata.items())}</Metadata>"


def marker_of(name: str) -> str:
    """Where a page goes on, in a form that no client takes for a name."""
    return f"2!{len(name)}!{base64.urlsafe_b64encode(name.encode()).decode()}" if name else ""


def name_of_marker(marker: str) -> str:
    if not marker:
        return ""
    try:
        return base64.urlsafe_b64decode(marker.split("!")[2].encode()).decode()
    except (IndexError, ValueError):
        raise refused("InvalidQueryParameterValue") from None
