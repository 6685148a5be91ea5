"""Blob storage on the wire: reading a blob, listing and writing a customer's container."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from include.local_cloud.azure.accounts import KEY_HEADER
from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, PREFIX, SERVICE_ACCOUNT, Blob, BlobRefused, BlobStore
from include.local_cloud.calls import CallCounter
from include.local_cloud.faults import AZURE_OF_A_DOWNLOAD, DOWNLOAD, Faults
from include.local_cloud.replies import CutShort

SERVICE = "azure_blob"


class BlobApi:
    """The routes under ``/blob``.

    Real storage ignores a Speech key, and a client that sends one has told it to a stranger: such requests are
    counted in ``keys_sent``.

    :param services: container of results -> the service whose results are in there.
    :param sweep: removes what is past its time to live, before anybody reads it.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        counter: CallCounter,
        faults: Faults,
        services: Mapping[str, str],
        sweep: Callable[[], None],
    ) -> None:
        self._blobs = blobs
        self._faults = faults
        self._services = services
        self._sweep = sweep
        self._counter = counter
        self.keys_sent = 0

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{account}/{container}", self._list, methods=["GET"])
        router.add_api_route("/{account}/{container}/{path:path}", self._read, methods=["GET", "HEAD"])
        return router

    async def _read(self, request: Request) -> Response:
        return self._serve(request, DOWNLOAD)

    async def _list(self, request: Request) -> Response:
        return self._serve(request, "ListBlobs")

    def _serve(self, request: Request, operation: str) -> Response:
        calls = self._counter.of(service=SERVICE, operation=operation)
        calls.calls += 1
        if KEY_HEADER in request.headers or "authorization" in request.headers:
            self.keys_sent += 1
        self._sweep()
        try:
            return self._listing(request) if operation == "ListBlobs" else self._blob(request)
        except BlobRefused as error:
            calls.errors += 1
            return _refusal(error)

    def _blob(self, request: Request) -> Response:
        blob = Blob(**request.path_params)
        query = dict(request.query_params)
        self._blobs.check(query, **request.path_params, permission="r")
        file = self._blobs.file(blob)
        if not file.is_file():
            raise BlobRefused(404, "BlobNotFound", "The specified blob does not exist.")
        kind = "application/zip" if file.suffix == ".zip" else "application/octet-stream"
        response = FileResponse(file, media_type=kind, headers=_headers() | {"x-ms-blob-type": "BlockBlob"})
        return CutShort(response) if self._is_to_break_off(request, blob) else response

    def _is_to_break_off(self, request: Request, blob: Blob) -> bool:
        """Whether that was ordered for this download of a result; counts the fault down."""
        service = self._services.get(blob.container)
        if request.method != "GET" or blob.account != SERVICE_ACCOUNT or not blob.path.endswith(".zip") or not service:
            return False
        return self._faults.take(kinds=AZURE_OF_A_DOWNLOAD, service=service, operation=DOWNLOAD, text=None) is not None

    def _listing(self, request: Request) -> Response:
        account, container = request.path_params["account"], request.path_params["container"]
        query = dict(request.query_params)
        self._blobs.check(query, account=account, container=container, path="", permission="l")
        if account != CUSTOMER_ACCOUNT or not self._blobs.container_exists(account=account, container=container):
            raise BlobRefused(404, "ContainerNotFound", "The specified container does not exist.")
        names = self._blobs.names(account=account, container=container, prefix=query.get("prefix", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{size}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name, size in names
        )
        return _xml(
            f'<EnumerationResults ContainerName="{escape(container)}"><Blobs>{blobs}</Blobs><NextMarker />'
            "</EnumerationResults>"
        )


def _headers() -> dict[str, str]:
    return {"x-ms-request-id": str(uuid.uuid4()), "x-ms-version": "2021-08-06"}


def _refusal(error: BlobRefused) -> Response:
    detail = f"<AuthenticationErrorDetail>{escape(error.detail)}</AuthenticationErrorDetail>" if error.detail else ""
    body = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>{detail}</Error>"
    return _xml(body, status=error.status, headers={"x-ms-error-code": error.code})


def _xml(body: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = f'﻿<?xml version="1.0" encoding="utf-8"?>{body}'
    return Response(content, status_code=status, media_type="application/xml", headers=_headers() | (headers or {}))
