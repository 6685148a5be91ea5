"""What a client can do in the customer's storage account: containers, block blobs and blocks."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fastapi import Request
from starlette.responses import Response

from include.local_cloud.azure import blob_wire as wire
from include.local_cloud.azure.blob_account import StorageAccount, StoredBlob, Written
from include.local_cloud.azure.blob_errors import BlobRefused, refused
from include.local_cloud.azure.blob_signatures import Level, Place

_LARGEST_PAGE = 5_000
_LARGEST_LIST = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BlobCall:
    """One request that names an operation.

    :param answer: the headers that every answer carries.
    """

    request: Request
    place: Place
    answer: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers


@dataclass(frozen=True, kw_only=True)
class BlobOperation:
    """
    :param permissions: the letters of a shared access signature any of which will do.
    """

    name: str
    permissions: str
    act: Callable[[BlobCall], Awaitable[Response]]


class BlobOperations:
    """Finds and carries out the operations of the Blob service.

    :param verify_source: lets the source of a copy, with the query of its URL, pass, or raises.
    :param prefix: of the paths of all accounts.
    """

    def __init__(
        self, *, account: StorageAccount, prefix: str, verify_source: Callable[[Request, Place, str], None]
    ) -> None:
        self._account = account
        self._prefix = prefix
        self._verify_source = verify_source
        operations = (
            ("service", "GET", "", "list", "ListContainers", "l", self._list_containers),
            ("container", "PUT", "container", "", "CreateContainer", "cw", self._create_container),
            ("container", "DELETE", "container", "", "DeleteContainer", "d", self._delete_container),
            ("container", "GET", "container", "", "GetContainerProperties", "r", self._get_container),
            ("container", "HEAD", "container", "", "GetContainerProperties", "r", self._get_container),
            ("container", "GET", "container", "list", "ListBlobs", "l", self._list_blobs),
            # What is older than restype, and what the tests of results ask with.
            ("container", "GET", "", "list", "ListBlobs", "l", self._list_blobs),
            ("container", "GET", "", "", "ListBlobs", "l", self._list_blobs),
            ("blob", "PUT", "", "", "PutBlob", "wc", self._put),
            ("blob", "PUT", "", "block", "PutBlock", "wc", self._put_block),
            ("blob", "PUT", "", "blocklist", "PutBlockList", "wc", self._put_block_list),
            ("blob", "GET", "", "blocklist", "GetBlockList", "r", self._get_block_list),
            ("blob", "PUT", "", "metadata", "SetBlobMetadata", "w", self._set_metadata),
            ("blob", "PUT", "", "properties", "SetBlobProperties", "w", self._set_properties),
            ("blob", "GET", "", "", "GetBlob", "r", self._get),
            ("blob", "HEAD", "", "", "GetBlobProperties", "r", self._get),
            ("blob", "DELETE", "", "", "DeleteBlob", "d", self._delete),
        )
        self._operations = {
            (level, method, restype, comp): BlobOperation(name=name, permissions=permissions, act=act)
            for level, method, restype, comp, name, permissions, act in operations
        }
        self._copy = BlobOperation(name="CopyBlob", permissions="wc", act=self._copy_blob)
        self.names = tuple(
            dict.fromkeys((*(operation.name for operation in self._operations.values()), self._copy.name))
        )

    def find(self, request: Request, level: Level) -> BlobOperation:
        """
        :raises BlobRefused: for what the Blob service can do and this one cannot, and for what nobody can.
        """
        query = request.query_params
        key = (level, request.method, query.get("restype", ""), query.get("comp", ""))
        if key == ("blob", "PUT", "", "") and "x-ms-copy-source" in request.headers:
            return self._copy
        if key not in self._operations:
            raise refused("UnsupportedQueryParameter" if key[2] or key[3] else "UnsupportedHttpVerb")
        return self._operations[key]

    # Containers

    async def _list_containers(self, call: BlobCall) -> Response:
        prefix, limit = call.query.get("prefix", ""), _page_size(call)
        start = wire.name_of_marker(call.query.get("marker", ""))
        found = [container for container in self._account.containers(prefix=prefix) if container.name >= start]
        with_metadata = "metadata" in call.query.get("include", "")
        entries = "".join(wire.container_entry(container, with_metadata=with_metadata) for container in found[:limit])
        body = wire.enumeration(
            {"ServiceEndpoint": f"{_base_url(call.request)}{self._prefix}/{call.place.account}"},
            {"Prefix": prefix, "Marker": call.query.get("marker", ""), "MaxResults": call.query.get("maxresults", "")},
            f"<Containers>{entries}</Containers>",
            marker=wire.marker_of(found[limit].name if len(found) > limit else ""),
        )
        return wire.xml(body, headers=call.answer)

    async def _create_container(self, call: BlobCall) -> Response:
        container = self._account.create_container(call.place.container, metadata=wire.metadata_of(call.headers))
        return Response(status_code=201, headers={**call.answer, **wire.version_headers(container)})

    async def _delete_container(self, call: BlobCall) -> Response:
        self._account.delete_container(call.place.container)
        return Response(status_code=202, headers=dict(call.answer))

    async def _get_container(self, call: BlobCall) -> Response:
        container = self._account.container(call.place.container)
        more = {
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-has-immutability-policy": "false",
            "x-ms-has-legal-hold": "false",
        }
        metadata = wire.metadata_headers(container.metadata)
        return Response(headers={**call.answer, **wire.version_headers(container), **metadata, **more})

    async def _list_blobs(self, call: BlobCall) -> Response:
        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        limit, with_metadata = _page_size(call), "metadata" in call.query.get("include", "")
        start = wire.name_of_marker(call.query.get("marker", ""))
        entries: dict[str, str] = {}
        following = ""
        for blob in self._account.blobs(call.place.container, prefix=prefix, start=start):
            name, cut = blob.name, -1
            if delimiter:
                cut = name.find(delimiter, len(prefix))
                name = name[: cut + len(delimiter)] if cut >= 0 else name
            # Everything below a folder is one entry; a page that ended with it goes on behind it.
            if cut >= 0 and name in entries:
                continue
            if len(entries) == limit:
                following = blob.name
                break
            entries[name] = wire.prefix_entry(name) if cut >= 0 else wire.blob_entry(blob, with_metadata=with_metadata)
        body = wire.enumeration(
            {
                "ServiceEndpoint": f"{_base_url(call.request)}{self._prefix}/{call.place.account}",
                "ContainerName": call.place.container,
            },
            {
                "Prefix": prefix,
                "Marker": call.query.get("marker", ""),
                "MaxResults": call.query.get("maxresults", ""),
                "Delimiter": delimiter,
            },
            f"<Blobs>{''.join(entries.values())}</Blobs>",
            marker=wire.marker_of(following),
        )
        return wire.xml(body, headers=call.answer)

    # Blobs

    async def _put(self, call: BlobCall) -> Response:
        kind = call.headers.get("x-ms-blob-type")
        if kind is None:
            raise refused("MissingRequiredHeader")
        if kind != "BlockBlob":
            raise BlobRefused(400, "InvalidHeaderValue", f"The local cloud stores block blobs only, not {kind}.")
        self._account.container(call.place.container)
        file, md5 = await self._receive(call)
        try:
            blob = await asyncio.to_thread(
                self._account.put,
                call.place.container,
                call.place.path,
                file,
                written=wire.written(call.headers, md5=md5),
                condition=wire.condition_of(call.headers, reading=False),
            )
        finally:
            file.unlink(missing_ok=True)
        return _stored(call, blob, md5=md5)

    async def _put_block(self, call: BlobCall) -> Response:
        block_id = call.query.get("blockid", "")
        try:
            if not 0 < len(base64.b64decode(block_id, validate=True)) <= 64:
                raise refused("InvalidQueryParameterValue")
        except binascii.Error:
            raise refused("InvalidQueryParameterValue") from None
        self._account.container(call.place.container)
        sizes = {len(known) for known, _ in self._account.staged(call.place.container, call.place.path)}
        if sizes - {len(block_id)}:
            # All ids of one blob are of one length.
            raise refused("InvalidBlobOrBlock")
        file, md5 = await self._receive(call)
        try:
            if not file.stat().st_size:
                raise refused("InvalidHeaderValue")
            await asyncio.to_thread(self._account.stage, call.place.container, call.place.path, block_id, file)
        finally:
            file.unlink(missing_ok=True)
        return Response(
            status_code=201,
            headers={**call.answer, "Content-MD5": md5, "x-ms-request-server-encrypted": "true"},
        )

    async def _put_block_list(self, call: BlobCall) -> Response:
        body = bytearray()
        async for block in call.request.stream():
            body += block
            if len(body) > _LARGEST_LIST:
                raise refused("InvalidBlockList")
        blocks = wire.block_list(bytes(body))
        headers = {name: value for name, value in call.headers.items() if name != "content-type"}
        blob = await asyncio.to_thread(
            self._account.commit,
            call.place.container,
            call.place.path,
            blocks,
            written=wire.written(headers, md5=None),
            condition=wire.condition_of(call.headers, reading=False),
        )
        return _stored(call, blob, md5=None)

    async def _get_block_list(self, call: BlobCall) -> Response:
        blob = self._account.blob(call.place.container, call.place.path)
        staged = self._account.staged(call.place.container, call.place.path)
        if blob is None and not staged:
            raise refused("BlobNotFound")
        kinds = {"committed": {"CommittedBlocks"}, "uncommitted": {"UncommittedBlocks"}}.get(
            call.query.get("blocklisttype", "committed"), {"CommittedBlocks", "UncommittedBlocks"}
        )
        lists = {"CommittedBlocks": blob.blocks if blob else (), "UncommittedBlocks": staged}
        headers = {**call.answer, **(wire.version_headers(blob) if blob else {})}
        return wire.xml(wire.block_lists({name: lists[name] for name in lists if name in kinds}), headers=headers)

    async def _get(self, call: BlobCall) -> Response:
        blob = self._existing(call)
        wire.condition_of(call.headers, reading=True)(blob)
        if call.request.method == "HEAD":
            return Response(headers={**call.answer, **wire.blob_headers(blob), "Content-Length": str(blob.size)})
        while True:
            part = wire.range_of(call.headers, size=blob.size)
            try:
                file = self._account.open(blob)
            except FileNotFoundError:
                # Replaced between the two looks: what is there now is the answer.
                blob = self._existing(call)
            else:
                return wire.content(file, blob=blob, part=part, headers=call.answer)

    async def _delete(self, call: BlobCall) -> Response:
        condition = wire.condition_of(call.headers, reading=False)
        await asyncio.to_thread(self._account.delete, call.place.container, call.place.path, condition=condition)
        return Response(status_code=202, headers={**call.answer, "x-ms-delete-type-permanent": "true"})

    async def _set_metadata(self, call: BlobCall) -> Response:
        metadata = wire.metadata_of(call.headers)
        return self._updated(call, lambda blob: Written(content=blob.content, metadata=metadata, md5=blob.md5))

    async def _set_properties(self, call: BlobCall) -> Response:
        headers = {name: value for name, value in call.headers.items() if name != "content-type"}
        given = wire.written(headers, md5=None)
        return self._updated(call, lambda blob: Written(content=given.content, metadata=blob.metadata, md5=given.md5))

    async def _copy_blob(self, call: BlobCall) -> Response:
        parts = urlsplit(call.headers["x-ms-copy-source"])
        account, _, rest = unquote(parts.path).removeprefix(f"{self._prefix}/").partition("/")
        container, _, path = rest.partition("/")
        source = Place(account=account, container=container, path=path)
        if account != call.place.account or source.level != "blob":
            raise refused("CannotVerifyCopySource")
        self._verify_source(call.request, source, parts.query)
        blob = self._account.blob(source.container, source.path)
        if blob is None:
            raise refused("CannotVerifyCopySource")
        copy = self._account.scratch()
        try:
            with self._account.open(blob) as content, copy.open("wb") as target:
                while block := content.read(1 << 20):
                    target.write(block)
            metadata = wire.metadata_of(call.headers) or blob.metadata
            made = await asyncio.to_thread(
                self._account.put,
                call.place.container,
                call.place.path,
                copy,
                written=Written(content=blob.content, metadata=metadata, md5=blob.md5),
                condition=wire.condition_of(call.headers, reading=False),
            )
        finally:
            copy.unlink(missing_ok=True)
        more = {"x-ms-copy-id": call.answer["x-ms-request-id"], "x-ms-copy-status": "success"}
        return Response(status_code=202, headers={**call.answer, **wire.version_headers(made), **more})

    # ------------------------------------------------------------------------------------------------------------

    def _existing(self, call: BlobCall) -> StoredBlob:
        blob = self._account.blob(call.place.container, call.place.path)
        if blob is None:
            raise refused("BlobNotFound")
        return blob

    def _updated(self, call: BlobCall, change: Callable[[StoredBlob], Written]) -> Response:
        condition = wire.condition_of(call.headers, reading=False)
        blob = self._account.update(call.place.container, call.place.path, change=change, condition=condition)
        return Response(headers={**call.answer, **wire.version_headers(blob)})

    async def _receive(self, call: BlobCall) -> tuple[Path, str]:
        """Write the body to a file and give its MD5; a body that breaks off leaves nothing."""
        if "content-length" not in call.headers:
            raise refused("MissingContentLengthHeader")
        file = self._account.scratch()
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with file.open("wb") as target:
                async for block in call.request.stream():
                    digest.update(block)
                    target.write(block)
            md5 = base64.b64encode(digest.digest()).decode()
            if call.headers.get("content-md5", md5) != md5:
                raise refused("Md5Mismatch")
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return file, md5


def _stored(call: BlobCall, blob: StoredBlob, *, md5: str | None) -> Response:
    more = {"x-ms-request-server-encrypted": "true", **({"Content-MD5": md5} if md5 else {})}
    return Response(status_code=201, headers={**call.answer, **wire.version_headers(blob), **more})


def _page_size(call: BlobCall) -> int:
    text = call.query.get("maxresults") or str(_LARGEST_PAGE)
    if not text.isdecimal() or not int(text):
        raise refused("InvalidQueryParameterValue")
    return min(int(text), _LARGEST_PAGE)


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
