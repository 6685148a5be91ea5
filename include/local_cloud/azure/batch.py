"""Batch synthesis, api-version 2024-04-01: jobs by an id that the client chooses."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.api import Call, Handler, Operation
from include.local_cloud.azure.batch_common import BatchApi, not_found
from include.local_cloud.azure.batch_maker import Row
from include.local_cloud.azure.batch_request import RESOURCE_ID, BatchRequest, Words
from include.local_cloud.azure.errors import AzureError, ErrorStyle
from include.local_cloud.azure.jobs import FAILED, SUCCEEDED, Job
from include.local_cloud.azure.quotas import BATCH
from include.local_cloud.azure.speaking import Boundary, Spoken
from include.local_cloud.azure.synthesis import boundary_rows

API_VERSION = "2024-04-01"
_LONGEST_HOURS = 744
_PATH = "/texttospeech/batchsyntheses"
_WRITABLE_PATH = re.compile(r"[^\\\0]{1,800}")


class BatchSynthesisApi(BatchApi):
    """``/texttospeech/batchsyntheses`` and ``/texttospeech/operations``."""

    service = BATCH
    style = ErrorStyle.WRAPPED
    words = Words(kind="inputKind", content="content", deployment=RESOURCE_ID)
    container = "batchsynthesis-output"
    operations: ClassVar[Mapping[str, Operation]] = {
        "CreateBatchSynthesis": Operation(method="PUT", path=f"{_PATH}/{{id}}", reads=True),
        "GetBatchSynthesis": Operation(method="GET", path=f"{_PATH}/{{id}}"),
        "ListBatchSyntheses": Operation(method="GET", path=_PATH),
        "DeleteBatchSynthesis": Operation(method="DELETE", path=f"{_PATH}/{{id}}"),
        "GetOperation": Operation(method="GET", path="/texttospeech/operations/{id}"),
    }

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "CreateBatchSynthesis": self._create,
            "GetBatchSynthesis": self._get,
            "ListBatchSyntheses": self._list,
            "DeleteBatchSynthesis": self._delete,
            "GetOperation": self._get_operation,
        }

    async def _create(self, call: Call) -> Response:
        self._check_version(call)
        job_id = self._id(call.path["id"], name="id")
        asked: BatchRequest = call.content
        operation_id = call.request.headers.get("operation-id")
        # Equal requests are equal in what they ask, not in their white space.
        fingerprint = hashlib.sha256(f"{job_id}\n{_canonical(call.body, asked)}".encode()).hexdigest()
        if operation_id is not None:
            self._id(operation_id, name="Operation-Id header")
            known = self.parts.ledger.with_operation(
                service=self.service, account=call.account.id, operation_id=operation_id
            )
            if known is not None:
                if known.request.get("fingerprint") != fingerprint:
                    raise self.bad_request(
                        f"The Operation-Id {operation_id} belongs to an operation with another request."
                    )
                return self._created(call, known)
        self.check_resource(call)
        ledger = self.parts.ledger
        if ledger.get(service=self.service, account=call.account.id, job_id=job_id) is not None:
            message = f"A batch synthesis with the id {job_id} already exists."
            if self.parts.readings.batch_repeated_put == "conflict":
                raise AzureError(409, "Conflict", message)
            raise self.bad_request(message)
        most = self.parts.quotas.active_jobs[self.service]
        if most is not None and ledger.active(service=self.service, account=call.account.id) >= most:
            raise AzureError(
                429,
                "TooManyRequests",
                f"The limit of {most} active batch syntheses is reached. Wait until some of them finish.",
                headers={"Retry-After": "10"},
            )
        hours = self._hours(asked)
        destination = self.destination(asked, prefix=self._prefix(asked, call=call, job_id=job_id))
        job = self.accept(
            call,
            job_id=job_id,
            request={
                "kind": asked.kind,
                "config": asked.config,
                "custom_voices": asked.custom_voices,
                "output": asked.output,
                "hours": hours,
                "destination_url": asked.destination_url,
                "destination_path": asked.rest.get("destinationpath"),
                "fingerprint": fingerprint,
                "internal_id": str(uuid.uuid4()),
            }
            | destination,
            inputs=asked.inputs,
            description=asked.description,
            ttl=hours * 3600.0,
            operation_id=operation_id or str(uuid.uuid4()),
        )
        return self._created(call, job)

    async def _get(self, call: Call) -> Response:
        self._check_version(call)
        job = self._find(call)
        if job is None:
            if self.parts.readings.batch_unknown_get == "204":
                return Response(status_code=204)
            raise not_found()
        return JSONResponse(self._describe(call, job, hands_out=True))

    async def _list(self, call: Call) -> Response:
        self._check_version(call)
        jobs, skip, size, more = self.page_of(call, size_name="maxpagesize")
        key = self.parts.readings.batch_list_key
        answer: dict[str, Any] = {key: [self._describe(call, job) for job in jobs]}
        if more:
            query = f"api-version={API_VERSION}&skip={skip + size}&maxpagesize={size}"
            answer["nextLink"] = f"{call.base_url}{_PATH}?{query}"
        return JSONResponse(answer)

    async def _delete(self, call: Call) -> Response:
        self._check_version(call)
        job = self._find(call)
        if job is not None:
            return self.delete_finished(job)
        if self.parts.readings.batch_unknown_delete == "404":
            raise not_found()
        return Response(status_code=204)

    async def _get_operation(self, call: Call) -> Response:
        self._check_version(call)
        job = self.parts.ledger.with_operation(
            service=self.service, account=call.account.id, operation_id=self._id(call.path["id"], name="id")
        )
        if job is None:
            raise not_found()
        return JSONResponse({"id": job.operation_id, "status": job.status})

    def _find(self, call: Call) -> Job | None:
        job_id = self._id(call.path["id"], name="id")
        return self.parts.ledger.get(service=self.service, account=call.account.id, job_id=job_id)

    def _created(self, call: Call, job: Job) -> Response:
        link = f"{call.base_url}/texttospeech/operations/{job.operation_id}?api-version={API_VERSION}"
        headers = {"operation-id": str(job.operation_id), "operation-location": link}
        described = self._describe(call, job, zone=True)
        if not job.finished and self.parts.readings.batch_first_status == "Running":
            described["status"] = "Running"
        return JSONResponse(described, status_code=201, headers=headers)

    def _describe(self, call: Call, job: Job, *, hands_out: bool = False, zone: bool = False) -> dict[str, Any]:
        """The entity. Only the answer to PUT writes a zone behind ``lastActionDateTime``."""
        request, result = job.request, job.result
        entity: dict[str, Any] = {
            "id": job.job_id,
            "status": job.status,
            "createdDateTime": timestamps.ticks(job.created),
            "lastActionDateTime": timestamps.ticks(job.last_action, zone=zone),
            "inputKind": request["kind"],
            "customVoices": request["custom_voices"],
        }
        if request["config"] is not None:
            entity["synthesisConfig"] = request["config"]
        if job.description is not None:
            entity["description"] = job.description
        properties: dict[str, Any] = {"timeToLiveInHours": request["hours"], **request["output"]}
        if request["destination_url"] and self.parts.readings.batch_destination_returned == "yes":
            properties["destinationContainerUrl"] = request["destination_url"]
        if request["destination_path"]:
            properties["destinationPath"] = request["destination_path"]
        if "succeeded" in result:
            billing = {
                "neuralCharacters": result["billed"],
                "customNeuralCharacters": result["billed_custom"],
            }
            properties |= {
                "sizeInBytes": result["size"],
                "succeededAudioCount": result["succeeded"],
                "failedAudioCount": result["failed"],
                "durationInMilliseconds": result["milliseconds"],
                "billingDetails": {name: count for name, count in billing.items() if count},
            }
        if "error" in result:
            properties["error"] = result["error"]
        return entity | {"properties": properties} | self.outputs(call, job, hands_out=hands_out)

    def _prefix(self, asked: BatchRequest, *, call: Call, job_id: str) -> str:
        path = asked.rest.get("destinationpath")
        if path is None:
            return f"{_folder_of(call.account.id)}/{job_id}"
        parts = path.strip("/").split("/") if isinstance(path, str) else []
        if asked.destination_url is None or not parts or {"", ".", ".."} & set(parts):
            raise self.bad_request("The destinationPath needs a destinationContainerUrl, and is a relative path.")
        if not _WRITABLE_PATH.fullmatch(path):
            raise self.bad_request("The destinationPath is invalid.")
        return f"{path.strip('/')}/{job_id}"

    def _hours(self, asked: BatchRequest) -> int:
        hours = asked.rest.get("timetoliveinhours")
        if hours is None:
            return int(self.parts.readings.batch_time_to_live)
        if not isinstance(hours, int) or isinstance(hours, bool) or not 1 <= hours <= _LONGEST_HOURS:
            raise self.bad_request(f"The timeToLiveInHours must be from 1 to {_LONGEST_HOURS}.")
        return hours

    def _id(self, text: str, *, name: str) -> str:
        if not RESOURCE_ID.fullmatch(text):
            raise self.bad_request(f"The {name} must match ^{RESOURCE_ID.pattern}$.")
        return text

    def _check_version(self, call: Call) -> None:
        version = call.query.get("api-version")
        if version is None:
            raise self.bad_request("The api-version query parameter is required.")
        if version != API_VERSION:
            raise self.bad_request(f"The api-version is not supported; the supported one is {API_VERSION}.")


class BatchDialect:
    """The results of 2024-04-01; see :class:`batch_maker.Dialect`."""

    container = BatchSynthesisApi.container

    def prefix(self, job: Job) -> str:
        return f"{_folder_of(job.account)}/{job.job_id}"

    def summary(self, job: Job, *, status: str, rows: list[Row]) -> dict[str, Any]:
        return {
            "jobID": job.request["internal_id"],
            "status": status,
            "results": [_summary_row(row) for row in rows],
        }

    def debug(self, job: Job, spoken: Spoken) -> dict[str, Any] | None:
        return None

    def words(self, boundaries: tuple[Boundary, ...]) -> list[dict[str, Any]]:
        return boundary_rows(boundaries)


def _summary_row(row: Row) -> dict[str, Any]:
    """Numbers are strings."""
    described: dict[str, Any] = {"contents": list(row.texts)}
    if row.error is not None:
        return described | {"status": FAILED, "error": {"code": "InvalidInput", "message": row.error}}
    described |= {"status": SUCCEEDED, "audioFileName": row.audio}
    if row.words is not None:
        described["wordBoundaryFileName"] = row.words
    if row.sentences is not None:
        described["sentenceBoundaryFileName"] = row.sentences
    properties = {"sizeInBytes": str(row.size), "durationInMilliseconds": str(row.milliseconds)}
    return described | {"properties": properties}


def _folder_of(account: str) -> str:
    """32 hex digits that stand for the resource."""
    return hashlib.sha256(account.encode()).hexdigest()[:32]


def _canonical(body: bytes, asked: BatchRequest) -> str:
    contents = hashlib.sha256(asked.text.encode()).hexdigest()
    parts = [asked.kind, contents, len(asked.inputs), asked.config, asked.custom_voices, asked.output, asked.rest]
    return json.dumps([*parts, asked.description], sort_keys=True)
