"""What every Azure API of the local cloud goes through: key, limits, faults, counting, the shape of its errors."""

from __future__ import annotations

import hashlib
import logging
import math
import sqlite3
import statistics
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from include.local_cloud.azure.accounts import Account, Accounts
from include.local_cloud.azure.blobs import BlobStore
from include.local_cloud.azure.errors import AzureError, ErrorStyle, request_id
from include.local_cloud.azure.jobs import NOT_STARTED, Job, JobLedger
from include.local_cloud.azure.limits import Admission, RequestLimits
from include.local_cloud.azure.quotas import AzureQuotas
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.azure.worker import JobWorker
from include.local_cloud.calls import CallCounter
from include.local_cloud.clock import Clock
from include.local_cloud.faults import AFTER_THE_CALL, AZURE_BEFORE_THE_CALL, AZURE_ONCE_PER_JOB, Faults
from include.local_cloud.replies import DroppedReply

log = logging.getLogger(__name__)
_READ_AT_MOST = 256 * 1024 * 1024
# What a proxy says in place of the service.
_GARBAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Network sign-in</h1></body></html>"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation on the wire; each path also works with a slash behind it.

    :param reads: the body is wanted.
    """

    method: str
    path: str
    reads: bool = False


@dataclass(kw_only=True)
class Call:
    """One call that was let in.

    :param base_url: scheme and authority that the caller used, for the URLs in answers.
    :param body: as sent; empty unless the operation reads one.
    :param content: what :meth:`AzureApi.read` made of the body.
    :param text: the texts to be spoken, for faults that match one.
    """

    request: Request
    operation: str
    account: Account
    base_url: str
    body: bytes = field(default=b"", repr=False)
    content: Any = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)

    @property
    def path(self) -> Mapping[str, Any]:
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params


@dataclass(frozen=True, kw_only=True)
class AzureParts:
    """What the APIs share."""

    accounts: Accounts
    limits: RequestLimits
    quotas: AzureQuotas
    readings: AzureReadings
    ledger: JobLedger
    blobs: BlobStore
    worker: JobWorker
    clock: Clock
    faults: Faults
    counter: CallCounter


Handler = Callable[[Call], Awaitable[Response]]


class AzureApi(ABC):
    """One API. Every call passes the same gates in the same order: key, limit, body, ordered faults, the operation.

    A subclass names its service, error style and operations, and gives a handler for each operation. The log names
    operations, statuses and error codes, never texts, keys or signed URLs.
    """

    service: ClassVar[str]
    style: ClassVar[ErrorStyle] = ErrorStyle.FLAT
    operations: ClassVar[Mapping[str, Operation]]

    def __init__(self, *, parts: AzureParts) -> None:
        self.parts = parts

    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """One handler per operation."""

    async def read(self, call: Call) -> None:
        """Make ``call.content`` and ``call.text`` of the body, when the operation reads one."""
        return

    def limit_headers(self, admission: Admission) -> dict[str, str]:
        """Headers about the rate on every answer; none unless an API documents them."""
        return {}

    def too_many_requests(self, *, retry_after: int) -> AzureError:
        return AzureError(
            429,
            "TooManyRequests",
            "There are too many requests. Reduce the number of requests per second.",
            headers={"Retry-After": str(retry_after)},
        )

    def router(self) -> APIRouter:
        router = APIRouter()
        handlers = self.handlers()
        for name, operation in self.operations.items():
            endpoint = self._endpoint(name, operation, handlers[name])
            for path in (operation.path, operation.path + "/"):
                router.add_api_route(path, endpoint, methods=[operation.method])
        return router

    # Jobs

    def accept(
        self,
        call: Call,
        *,
        job_id: str,
        request: Mapping[str, Any],
        inputs: Sequence[str],
        display_name: str | None = None,
        description: str | None = None,
        ttl: float | None = None,
        operation_id: str | None = None,
        status: str = NOT_STARTED,
    ) -> Job:
        """Record a checked job with the faults that were ordered for it, and have it made."""
        parts = self.parts
        now = parts.clock.now()
        faults: dict[str, Any] = {}
        for kind in AZURE_ONCE_PER_JOB:
            fault = parts.faults.take(kinds=(kind,), service=self.service, operation=call.operation, text=call.text)
            if fault is not None:
                faults[kind] = asdict(fault)
        failing = {}
        for number, text in enumerate(inputs, 1):
            fault = parts.faults.take(
                kinds=("partial_failure",), service=self.service, operation=call.operation, text=text
            )
            if fault is not None:
                failing[str(number)] = fault.reason
        if failing:
            faults["partial_failure"] = {"inputs": failing}
        took = latency(parts.quotas, job_id=job_id)
        begin_after = now + took / 3
        if "stuck_not_started" in faults:
            stuck = faults["stuck_not_started"]["seconds"]
            begin_after = math.inf if stuck is None else begin_after + stuck
        job = parts.ledger.accept(
            service=self.service,
            account=call.account.id,
            job_id=job_id,
            region=call.account.region,
            now=now,
            request=request,
            inputs=inputs,
            begin_after=begin_after,
            end_after=begin_after + took * 2 / 3,
            display_name=display_name,
            description=description,
            ttl=ttl,
            faults=faults,
            operation_id=operation_id,
            status=status,
        )
        parts.worker.add(job)
        return job

    def expired_url_ordered(self, call: Call) -> bool:
        """Whether the URL in this answer is to be over already; counts the fault down."""
        fault = self.parts.faults.take(
            kinds=("expired_url",), service=self.service, operation=call.operation, text=None
        )
        return fault is not None

    # Gates

    def _endpoint(self, name: str, operation: Operation, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._serve(name, operation, handler, request)

        return endpoint

    async def _serve(self, name: str, operation: Operation, handler: Handler, request: Request) -> Response:
        calls = self.parts.counter.of(service=self.service, operation=name)
        calls.calls += 1
        headers: dict[str, str] = {}
        try:
            response = await self._call(name, operation, handler, request, headers)
        except AzureError as error:
            if error.status == 429:
                calls.throttled += 1
            else:
                calls.errors += 1
            log.debug("%s: %s %s", name, error.status, error.code)
            response = error.response(self.style)
        except Exception as error:
            # Nothing may end as the framework's own 500: clients know only the service's. Messages may quote texts.
            calls.errors += 1
            said = str(error) if isinstance(error, sqlite3.Error | OSError) else type(error).__name__
            log.error("%s failed: %s", name, said, exc_info=log.isEnabledFor(logging.DEBUG))
            response = internal_error("The service failed.").response(self.style)
        else:
            log.debug("%s: %s", name, response.status_code)
        response.headers.update(headers)
        if "apim-request-id" not in response.headers:
            response.headers.update(request_id())
        return response

    async def _call(
        self, name: str, operation: Operation, handler: Handler, request: Request, headers: dict[str, str]
    ) -> Response:
        parts = self.parts
        account = parts.accounts.caller(request.headers)
        if self.service in parts.quotas.requests:
            admission = parts.limits.admit(service=self.service, account=account.id)
            headers.update(self.limit_headers(admission))
            if not admission.admitted:
                await _read_body(request, largest=0)
                raise self.too_many_requests(retry_after=admission.retry_after)
        base_url = f"{request.url.scheme}://{request.url.netloc}"
        call = Call(request=request, operation=name, account=account, base_url=base_url)
        # Refusals wait until the caller has finished sending: one who still sends reads no answer.
        size, call.body = await _read_body(request, largest=parts.quotas.payload_bytes.get(self.service, 0))
        if operation.reads:
            if size > len(call.body):
                self.refuse_payload(call)
            await self.read(call)
        fault = parts.faults.take(kinds=AZURE_BEFORE_THE_CALL, service=self.service, operation=name, text=call.text)
        if fault is not None and fault.kind == "error_500":
            raise internal_error(fault.reason or "A failure that was ordered.")
        if fault is not None and fault.kind == "garbage_reply":
            return HTMLResponse(_GARBAGE)
        if fault is not None:
            raise self.too_many_requests(retry_after=math.ceil(1 if fault.seconds is None else fault.seconds))
        parts.worker.sweep()
        response = await handler(call)
        if parts.faults.take(kinds=AFTER_THE_CALL, service=self.service, operation=name, text=call.text):
            return DroppedReply()
        return response

    def bad_request(self, message: str, *, inner: str = "InvalidParameter") -> AzureError:
        """A 400 with the outer code that the API uses for nearly all of them."""
        code = "InvalidRequest" if self.style is ErrorStyle.FLAT else "BadRequest"
        return AzureError(400, code, message, inner_code=inner)

    def refuse_payload(self, call: Call) -> None:
        """Refuse a body that is larger than the API takes."""
        largest = self.parts.quotas.payload_bytes[self.service]
        raise self.bad_request(f"The request body is larger than {largest} bytes.", inner="InvalidPayload")


def latency(quotas: AzureQuotas, *, job_id: str) -> float:
    """Seconds that a job takes: log-normal through the two figures of the vendor's guidance, the same for an id."""
    if not quotas.median_seconds:
        return 0.0
    spread = math.log(quotas.slow_seconds / quotas.median_seconds) / statistics.NormalDist().inv_cdf(0.95)
    draw = (int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4]) + 0.5) / 2**32
    return quotas.median_seconds * math.exp(spread * statistics.NormalDist().inv_cdf(draw))


def internal_error(message: str) -> AzureError:
    return AzureError(500, "InternalServerError", message, inner_code="UnexpectedError")


async def _read_body(request: Request, *, largest: int) -> tuple[int, bytes]:
    """How much was sent, and as much of it as is allowed."""
    blocks: list[bytes] = []
    size = 0
    async for block in request.stream():
        size += len(block)
        if size <= largest:
            blocks.append(block)
        elif size > _READ_AT_MOST:
            break
    return size, b"".join(blocks)
