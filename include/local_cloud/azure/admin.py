"""Azure's part of /_local: jobs seen from outside, jobs put there for load tests, containers of customers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from include.local_cloud.azure.accounts import Account
from include.local_cloud.azure.blob_errors import BlobRefused
from include.local_cloud.azure.blobs import ALL_PERMISSIONS, BlobStore
from include.local_cloud.azure.formats import DEFAULT_FORMAT
from include.local_cloud.azure.jobs import FAILED, STATUSES, SUCCEEDED, TERMINAL, Job, JobLedger
from include.local_cloud.azure.quotas import BATCH, BATCH_PREVIEW, LONG_AUDIO, SERVICES
from include.local_cloud.clock import Clock

_LARGEST_COUNT = 100_000
_LONGEST = 31 * 86_400.0
_CONTAINER_SECONDS = 30 * 86_400.0
_MEMBERS = ("api", "key", "count", "status", "display_names", "display_name_prefix", "ids", "id_prefix")
_TIMES = ("created_from", "created_to")
_USAGE = (
    'Post {"api": "azure_long_audio", "key": "<resource key>", "count": 20000, "status": "Succeeded"}; also'
    " display_names or display_name_prefix, ids or id_prefix (2024-04-01 only), created_from and created_to (epoch"
    " seconds)."
)


class _Refused(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class _Order:
    api: str
    account: Account
    status: str
    names: list[str]
    created_from: float
    created_to: float


class AzureAdmin:
    """The endpoints under ``/_local`` that only Azure needs. No key needed."""

    def __init__(self, *, ledger: JobLedger, blobs: BlobStore, clock: Clock) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/_local")
        router.add_api_route("/azure/jobs", self._get_jobs, methods=["GET"])
        router.add_api_route("/azure/jobs", self._post_jobs, methods=["POST"])
        router.add_api_route("/azure/jobs", self._delete_jobs, methods=["DELETE"])
        router.add_api_route("/containers", self._post_container, methods=["POST"])
        return router

    async def _get_jobs(self) -> Response:
        return JSONResponse({"jobs": [_everything(job) for job in self._ledger.all()]})

    async def _post_jobs(self, request: Request) -> Response:
        """Put jobs into the state without making or billing them."""
        try:
            order = self._read(await _json(request))
        except _Refused as error:
            return JSONResponse({"message": f"{error} {_USAGE}"}, status_code=400)
        self._ledger.seed(self._rows(order))
        return JSONResponse({"seeded": len(order.names)}, status_code=201)

    async def _delete_jobs(self, request: Request) -> Response:
        """Take the jobs that were put there for a resource out again, whatever their status."""
        order = await _json(request)
        account = (
            Account.of_key(order["key"]) if isinstance(order, dict) and isinstance(order.get("key"), str) else None
        )
        if account is None or order.get("api") not in SERVICES:
            return JSONResponse(
                {"message": 'Say whose: {"api": "azure_long_audio", "key": "<resource key>"}.'}, status_code=400
            )
        return JSONResponse({"removed": self._ledger.unseed(service=order["api"], account=account.id)})

    async def _post_container(self, request: Request) -> Response:
        order = await _json(request)
        name = order.get("name") if isinstance(order, dict) else None
        permissions = order.get("permissions", ALL_PERMISSIONS) if isinstance(order, dict) else ""
        seconds = order.get("seconds", _CONTAINER_SECONDS) if isinstance(order, dict) else 0
        if (
            not isinstance(name, str)
            or not isinstance(permissions, str)
            or not isinstance(seconds, int | float)
            or not -_LONGEST * 12 <= seconds <= _LONGEST * 12
        ):
            return JSONResponse(
                {"message": 'Post {"name": "my-container"}; also permissions ("racwdl") and seconds of validity.'},
                status_code=400,
            )
        try:
            self._blobs.customer.ensure_container(name)
        except BlobRefused as error:
            return JSONResponse({"message": error.message}, status_code=400)
        base_url = f"{request.url.scheme}://{request.url.netloc}"
        url = self._blobs.container_url(name, base_url=base_url, seconds=seconds, permissions=permissions)
        return JSONResponse({"url": url}, status_code=201)

    def _read(self, order: Any) -> _Order:
        if not isinstance(order, dict) or not set(order) <= {*_MEMBERS, *_TIMES}:
            raise _Refused("That is no order for jobs.")
        api, status = order.get("api"), order.get("status", SUCCEEDED)
        if api not in SERVICES:
            raise _Refused(f"api is one of {', '.join(SERVICES)}.")
        if status not in STATUSES:
            raise _Refused(f"status is one of {', '.join(STATUSES)}.")
        account = Account.of_key(order["key"]) if isinstance(order.get("key"), str) else None
        if account is None:
            raise _Refused("key is the key of a resource.")
        explicit, prefix = ("ids", "id_prefix") if api == BATCH else ("display_names", "display_name_prefix")
        if not isinstance(order.get(prefix, ""), str):
            raise _Refused(f"{prefix} is a string.")
        names = order.get(explicit)
        if names is None:
            count = order.get("count", 1)
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _LARGEST_COUNT:
                raise _Refused(f"count is a whole number from 1 to {_LARGEST_COUNT}.")
            # Ids must differ; display names need not, but are easier to tell apart.
            start = order.get(prefix, "seeded")
            unique = f"{uuid.uuid4().hex[:8]}-" if prefix not in order else ""
            names = [f"{start}-{unique}{number:06}" for number in range(count)]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise _Refused(f"{explicit} is a list of strings.")
        if api == BATCH and len(set(names)) < len(names):
            raise _Refused("ids must differ.")
        now = self._clock.now()
        times = [order.get(name, now) for name in _TIMES]
        if any(not isinstance(time, int | float) or isinstance(time, bool) or not 0 <= time <= now for time in times):
            raise _Refused("created_from and created_to are epoch seconds of the cloud's clock, and not in the future.")
        if times[0] > times[1]:
            times[0] = times[1]
        if api == BATCH:
            taken = (self._ledger.get(service=api, account=account.id, job_id=name) for name in names)
            if any(job is not None for job in taken):
                raise _Refused("One of the ids exists already.")
        return _Order(api=api, account=account, status=status, names=names, created_from=times[0], created_to=times[1])

    def _rows(self, order: _Order) -> Iterator[tuple[Any, ...]]:
        request, result = json.dumps(_request(order.api)), json.dumps(_result(order.api, order.status))
        ttl = None if order.api == LONG_AUDIO else _LONGEST
        spread = (order.created_to - order.created_from) / max(1, len(order.names) - 1)
        for number, name in enumerate(order.names):
            created = order.created_from + number * spread
            is_batch = order.api == BATCH
            yield (
                order.api,
                order.account.id,
                name if is_batch else str(uuid.uuid4()),
                order.account.region,
                None if is_batch else name,
                None,
                order.status,
                created,
                created,
                request,
                result,
                1,
                str(uuid.uuid4()) if is_batch else None,
                ttl,
                created + ttl if ttl is not None and order.status in TERMINAL else None,
            )


def _request(api: str) -> dict[str, Any]:
    output = dict.fromkeys(
        ("concatenateResult", "decompressOutputFiles", "wordBoundaryEnabled", "sentenceBoundaryEnabled"), False
    )
    voice = "en-US-JennyNeural"
    request: dict[str, Any] = {
        "kind": "PlainText",
        "config": {"voice": voice},
        "custom_voices": {},
        "output": {"outputFormat": DEFAULT_FORMAT, **output},
    }
    if api == BATCH:
        return request | {"hours": 744, "destination_url": None, "destination_path": None}
    if api == BATCH_PREVIEW:
        return request | {"time_to_live": "P31D", "custom_properties": None}
    return {
        "models": [{"voiceName": voice}],
        "heard": {voice: voice},
        "locale": "en-US",
        "outputFormat": "riff-16khz-16bit-mono-pcm",
        "concatenateResult": False,
        "customProperties": {},
        "destination": None,
        "script": "seeded.txt",
        "ssml": False,
        "backgroundAudio": False,
    }


def _result(api: str, status: str) -> dict[str, Any]:
    if status == FAILED:
        return {"error": {"code": "InternalServerError", "message": "The synthesis failed."}}
    if status != SUCCEEDED:
        return {}
    if api == LONG_AUDIO:
        return {"totalDuration": "PT5M57.252S", "billableCharacterCount": 3048}
    return {"succeeded": 1, "failed": 0, "size": 100_000, "milliseconds": 3_125, "billed": 29, "billed_custom": 0}


def _everything(job: Job) -> dict[str, Any]:
    """A job as tests want to see it; never its texts or signed URLs."""
    return {
        "api": job.service,
        "resource": job.account,
        "id": job.job_id,
        "displayName": job.display_name,
        "region": job.region,
        "status": job.status,
        "created": job.created,
        "lastAction": job.last_action,
        "expires": job.expires,
        "inputs": job.inputs,
        "operation": job.operation_id,
        "faults": sorted(job.faults),
        "seeded": job.seeded,
    }


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
