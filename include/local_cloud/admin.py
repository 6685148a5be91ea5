"""The endpoints under /_local: what happened, and what should go wrong. No signature needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from include.local_cloud.calls import CallCounter
from include.local_cloud.clock import Clock
from include.local_cloud.faults import KINDS, TEN_YEARS, Fault, FaultError, Faults
from include.local_cloud.polly.tasks import RETENTION_SECONDS, Task, TaskLedger
from include.local_cloud.state import State
from include.local_cloud.trouble import Trouble

# The calendar that dates are written in ends with the year 9999.
_FURTHEST = 10 * TEN_YEARS


class Admin:
    """Reads and moves the cloud from outside its services.

    :param operations: service -> operations that exist, for reading orders of faults.
    :param health: what ``/_local/health`` answers beside its status.
    :param trouble: what cannot be written at present.
    :param billed: the services on the bill.
    :param requests: more about the requests than counts of operations, by service.
    """

    def __init__(
        self,
        *,
        state: State,
        ledger: TaskLedger,
        clock: Clock,
        faults: Faults,
        counter: CallCounter,
        operations: Mapping[str, Collection[str]],
        health: Mapping[str, Any],
        trouble: Trouble,
        billed: Collection[str],
        requests: Callable[[], Mapping[str, Mapping[str, Any]]],
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._clock = clock
        self._faults = faults
        self._counter = counter
        self._operations = operations
        self._health = health
        self._trouble = trouble
        self._billed = tuple(billed)
        self._requests = requests

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/_local")
        for method, path, endpoint in (
            ("GET", "/health", self._get_health),
            ("GET", "/bill", self._get_bill),
            ("GET", "/requests", self._get_requests),
            ("GET", "/tasks", self._get_tasks),
            ("GET", "/faults", self._get_faults),
            ("POST", "/faults", self._post_fault),
            ("DELETE", "/faults", self._delete_faults),
            ("GET", "/clock", self._get_clock),
            ("POST", "/clock", self._post_clock),
        ):
            router.add_api_route(path, endpoint, methods=[method])
        return router

    async def _get_health(self) -> Response:
        reason = self._trouble.reason
        status = {"status": "ok"} if reason is None else {"status": "degraded", "reason": reason}
        return JSONResponse(status | dict(self._health))

    async def _get_bill(self) -> Response:
        return JSONResponse(self._state.bill(*self._billed))

    async def _get_requests(self) -> Response:
        report: dict[str, dict[str, Any]] = dict(self._counter.report())
        for service, more in self._requests().items():
            report[service] = report.get(service, {}) | dict(more)
        return JSONResponse(report)

    async def _get_tasks(self) -> Response:
        now = self._clock.now()
        return JSONResponse({"polly": [_everything(task, now=now) for task in self._ledger.all()]})

    async def _get_faults(self) -> Response:
        return JSONResponse({"faults": self._faults.outstanding()})

    async def _post_fault(self, request: Request) -> Response:
        try:
            fault = Fault.parse(await _json(request), operations=self._operations)
        except FaultError as error:
            return _refused(str(error), kinds=list(KINDS))
        self._faults.add(fault)
        return JSONResponse({"faults": self._faults.outstanding()}, status_code=201)

    async def _delete_faults(self) -> Response:
        self._faults.clear()
        return JSONResponse({"faults": []})

    async def _get_clock(self) -> Response:
        return JSONResponse({"now": self._clock.now(), "advanced_seconds": self._clock.offset})

    async def _post_clock(self, request: Request) -> Response:
        order = await _json(request)
        seconds = order.get("advance_seconds") if isinstance(order, dict) else None
        # Written so that NaN, which is neither smaller nor larger than anything, is refused too.
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= TEN_YEARS:
            return _refused(
                f'The clock moves forward only, ten years at most: post {{"advance_seconds": <0 to {TEN_YEARS}>}}.'
            )
        if self._clock.offset + seconds > _FURTHEST:
            return _refused("The clock was moved forward by a hundred years already; begin with another state folder.")
        self._clock.advance(float(seconds))
        return await self._get_clock()


def _everything(task: Task, *, now: float) -> dict[str, Any]:
    """A task as the API describes it, and what the API keeps to itself; never the text."""
    return task.describe() | {
        "Region": task.region,
        "OutputS3BucketName": task.bucket,
        "OutputS3KeyPrefix": task.prefix,
        "OutputS3Key": task.key,
        "TextLength": task.text_length,
        "EffectiveEngine": task.speech["engine"],
        "EffectiveLanguageCode": task.speech["language_code"],
        "EffectiveSampleRate": task.speech["sample_rate"],
        "Fault": task.fault["kind"] if task.fault else None,
        "Expired": task.created <= now - RETENTION_SECONDS,
        "Settled": task.settled,
    }


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        return None


def _refused(message: str, **more: Any) -> Response:
    return JSONResponse({"message": message} | more, status_code=400)
