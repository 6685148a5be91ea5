"""Blob storage as routes: who calls, which operation, what was ordered to go wrong, and the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response

from include.local_cloud.azure import blob_wire as wire
from include.local_cloud.azure.accounts import KEY_HEADER
from include.local_cloud.azure.blob_errors import BlobRefused, refused, unauthenticated
from include.local_cloud.azure.blob_operations import BlobCall, BlobOperations
from include.local_cloud.azure.blob_signatures import Place, check_shared_key
from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, PREFIX, SERVICE_ACCOUNT, Blob, BlobStore, content_type
from include.local_cloud.calls import CallCounter
from include.local_cloud.clock import Clock
from include.local_cloud.faults import AFTER_THE_CALL, AZURE_OF_A_DOWNLOAD, BLOB_BEFORE_THE_CALL, DOWNLOAD, Faults
from include.local_cloud.replies import CutShort, DroppedReply
from include.local_cloud.trouble import Trouble

SERVICE = "azure_blob"
_METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST"]
_PART = "Blob storage"


class BlobApi:
    """The routes under ``/blob``: the service's own account, with results to read, and the customer's.

    Real storage ignores a Speech key, and a client that sends one has told it to a stranger: such requests are
    counted in ``keys_sent``.

    :param services: container of results -> the service whose results are in there.
    :param sweep: removes what is past its time to live, before anybody reads it.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        clock: Clock,
        counter: CallCounter,
        faults: Faults,
        trouble: Trouble,
        services: Mapping[str, str],
        sweep: Callable[[], None],
    ) -> None:
        self._blobs = blobs
        self._clock = clock
        self._faults = faults
        self._trouble = trouble
        self._services = services
        self._sweep = sweep
        self._counter = counter
        self._customer = BlobOperations(account=blobs.customer, prefix=PREFIX, verify_source=self._verify_source)
        self.operations = self._customer.names
        self.keys_sent = 0

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{place:path}", self._serve, methods=_METHODS)
        return router

    async def _serve(self, request: Request) -> Response:
        account, _, rest = request.path_params["place"].partition("/")
        container, _, path = rest.partition("/")
        place = Place(account=account, container=container, path=path)
        if KEY_HEADER in request.headers or request.headers.get("authorization", "").startswith("Bearer"):
            self.keys_sent += 1
        self._sweep()
        headers = wire.common_headers(request.headers)
        name = "Unknown"
        try:
            if place.account == SERVICE_ACCOUNT:
                name = DOWNLOAD
                return self._result(request, place, headers)
            if place.account != CUSTOMER_ACCOUNT:
                raise refused("ResourceNotFound")
            operation = self._customer.find(request, place.level)
            name = operation.name
            self._authorize(request, place, operation.permissions)
            self._meet(BLOB_BEFORE_THE_CALL, name)
            answer = await operation.act(BlobCall(request=request, place=place, answer=headers))
            if request.method not in {"GET", "HEAD"}:
                self._trouble.ended(_PART)
            dropped = self._faults.take(kinds=AFTER_THE_CALL, service=SERVICE, operation=name, text=None)
            return DroppedReply() if dropped else answer
        except BlobRefused as error:
            return self._refusal(error, name, headers)
        except ClientDisconnect:
            # Nobody is there to read it.
            return Response(status_code=400)
        except (OSError, sqlite3.Error) as error:
            self._trouble.began(_PART, error)
            return self._refusal(refused("InternalError"), name, headers)
        finally:
            self._counter.of(service=SERVICE, operation=name).calls += 1

    def _refusal(self, error: BlobRefused, operation: str, headers: Mapping[str, str]) -> Response:
        calls = self._counter.of(service=SERVICE, operation=operation)
        if error.status == 304:
            return Response(status_code=304, headers=dict(headers))
        if error.status == 503:
            calls.throttled += 1
        else:
            calls.errors += 1
        return wire.refusal(error, headers=headers, now=self._clock.now())

    # The customer's account

    def _authorize(self, request: Request, place: Place, permissions: str) -> None:
        """
        :raises BlobRefused: unless the request may do what any of the permissions allows.
        """
        query = dict(request.query_params)
        if "sig" in query:
            self._blobs.check(query, place=place, permissions=permissions)
        elif request.headers.get("authorization", "").startswith("Bearer"):
            raise BlobRefused(
                401,
                "InvalidAuthenticationInfo",
                "Server failed to authenticate the request. Please refer to the"
                " information in the www-authenticate header.",
            )
        elif "authorization" in request.headers:
            check_shared_key(
                method=request.method,
                raw_path=request.scope["raw_path"].decode("ascii"),
                raw_query=request.scope["query_string"].decode("ascii"),
                headers=request.headers,
                keys=self._blobs.keys,
                account=place.account,
            )
        else:
            raise unauthenticated("Signature did not match.")

    def _verify_source(self, request: Request, source: Place, query: str) -> None:
        signed = dict(parse_qsl(query))
        # Within one account the key that signed the request opens the source as well.
        if "sig" in signed or "authorization" not in request.headers:
            self._blobs.check(signed, place=source, permissions="r")

    def _meet(self, kinds: tuple[str, ...], operation: str) -> None:
        fault = self._faults.take(kinds=kinds, service=SERVICE, operation=operation, text=None)
        if fault is not None:
            raise refused("ServerBusy" if fault.kind == "throttle" else "InternalError")

    # The service's account

    def _result(self, request: Request, place: Place, headers: Mapping[str, str]) -> Response:
        """A finished result, or its size."""
        self._blobs.check(dict(request.query_params), place=place, permissions="r")
        if request.method not in {"GET", "HEAD"}:
            raise refused("UnsupportedHttpVerb")
        blob = Blob(account=place.account, container=place.container, path=place.path)
        file = self._blobs.file(blob)
        if not file.is_file():
            raise refused("BlobNotFound")
        response = FileResponse(
            file, media_type=content_type(place.path), headers={**headers, "x-ms-blob-type": "BlockBlob"}
        )
        return CutShort(response) if self._is_to_break_off(request, blob) else response

    def _is_to_break_off(self, request: Request, blob: Blob) -> bool:
        """Whether that was ordered for this download of a result; counts the fault down."""
        service = self._services.get(blob.container)
        if request.method != "GET" or not blob.path.endswith(".zip") or not service:
            return False
        return self._faults.take(kinds=AZURE_OF_A_DOWNLOAD, service=service, operation=DOWNLOAD, text=None) is not None
