"""Batch synthesis 3.1-preview1: jobs by an id that the service chooses."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.api import Call, Handler, Operation
from include.local_cloud.azure.batch_common import BatchApi, not_found
from include.local_cloud.azure.batch_maker import Row
from include.local_cloud.azure.batch_request import GUID, BatchRequest, Words
from include.local_cloud.azure.errors import AzureError, ErrorStyle, ModelInvalid
from include.local_cloud.azure.jobs import FAILED, SUCCEEDED, Job
from include.local_cloud.azure.limits import Admission
from include.local_cloud.azure.quotas import BATCH_PREVIEW
from include.local_cloud.azure.speaking import Boundary, Spoken
from include.local_cloud.azure.synthesis import boundary_rows

_LONGEST = "P31D"
_PATH = "/api/texttospeech/3.1-preview1/batchsynthesis"
_TICKS_PER_MS = 10_000


class PreviewBatchSynthesisApi(BatchApi):
    """``/api/texttospeech/3.1-preview1/batchsynthesis``."""

    service = BATCH_PREVIEW
    style = ErrorStyle.FLAT
    words = Words(kind="textType", content="text", deployment=GUID)
    container = "batch-synthesis-output"
    operations: ClassVar[Mapping[str, Operation]] = {
        "CreateBatchSynthesis": Operation(method="POST", path=_PATH, reads=True),
        "GetBatchSynthesis": Operation(method="GET", path=f"{_PATH}/{{id}}"),
        "ListBatchSyntheses": Operation(method="GET", path=_PATH),
        "DeleteBatchSynthesis": Operation(method="DELETE", path=f"{_PATH}/{{id}}"),
    }

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "CreateBatchSynthesis": self._create,
            "GetBatchSynthesis": self._get,
            "ListBatchSyntheses": self._list,
            "DeleteBatchSynthesis": self._delete,
        }

    def limit_headers(self, admission: Admission) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(admission.limit),
            "X-RateLimit-Remaining": str(admission.remaining),
            "X-RateLimit-Reset": timestamps.seconds(admission.reset),
        }

    def refuse_destination(self, message: str) -> AzureError:
        return ModelInvalid({"Properties.DestinationContainerUrl": [message]})

    async def _create(self, call: Call) -> Response:
        asked: BatchRequest = call.content
        if not asked.display_name:
            raise self.bad_request("The displayName is required.")
        self.check_resource(call)
        duration, ttl = self._time_to_live(asked)
        most = self.parts.quotas.active_jobs[self.service]
        if most is not None and self.parts.ledger.active(service=self.service, account=call.account.id) >= most:
            raise self.bad_request(
                f"The number of active batch synthesis jobs would exceed the limit of {most}. Wait until some of them"
                " have the status Succeeded or Failed.",
                inner="QuotaViolation",
            )
        job_id = str(uuid.uuid4())
        destination = self.destination(asked, prefix=job_id)
        job = self.accept(
            call,
            job_id=job_id,
            request={
                "kind": asked.kind,
                "config": asked.config,
                "custom_voices": asked.custom_voices,
                "custom_properties": asked.custom_properties,
                "output": asked.output,
                "time_to_live": duration,
            }
            | destination,
            inputs=asked.inputs,
            display_name=asked.display_name,
            description=asked.description,
            ttl=ttl,
        )
        headers = {"Location": f"{call.base_url}{_PATH}/{job_id}"}
        return JSONResponse(self._describe(call, job), status_code=201, headers=headers)

    async def _get(self, call: Call) -> Response:
        job = self._find(call)
        return self._unknown() if job is None else JSONResponse(self._describe(call, job, hands_out=True))

    async def _list(self, call: Call) -> Response:
        jobs, skip, size, more = self.page_of(call, size_name="top")
        answer: dict[str, Any] = {"values": [self._describe(call, job) for job in jobs]}
        if more:
            answer["@nextLink"] = f"{call.base_url}{_PATH}?skip={skip + size}&top={size}"
        return JSONResponse(answer)

    async def _delete(self, call: Call) -> Response:
        job = self._find(call)
        return self._unknown() if job is None else self.delete_finished(job)

    def _find(self, call: Call) -> Job | None:
        return self.parts.ledger.get(service=self.service, account=call.account.id, job_id=call.path["id"])

    def _unknown(self) -> Response:
        if self.parts.readings.preview_unknown_job == "404":
            raise not_found()
        return Response(status_code=204)

    def _time_to_live(self, asked: BatchRequest) -> tuple[str, float]:
        """As written, and in seconds."""
        given = asked.rest.get("timetolive")
        if given is None:
            given = _LONGEST
        longest = timestamps.read_duration(_LONGEST) or 0.0
        seconds = timestamps.read_duration(given) if isinstance(given, str) else None
        if seconds is None or not 0 < seconds <= longest:
            raise self.bad_request(f"The timeToLive must be an ISO 8601 duration of at most {_LONGEST}.")
        return given, seconds

    def _describe(self, call: Call, job: Job, *, hands_out: bool = False) -> dict[str, Any]:
        request, result = job.request, job.result
        properties: dict[str, Any] = {}
        if "succeeded" in result:
            properties = {
                "audioSize": result["size"],
                "durationInTicks": result["milliseconds"] * _TICKS_PER_MS,
                "succeededAudioCount": result["succeeded"],
                "failedAudioCount": result["failed"],
                "duration": timestamps.duration(result["milliseconds"]),
                "billingDetails": {"customNeural": result["billed_custom"], "neural": result["billed"]},
            }
        if "error" in result:
            properties["error"] = result["error"]
        properties |= {"timeToLive": request["time_to_live"], **request["output"]}
        entity: dict[str, Any] = {
            "textType": request["kind"],
            "synthesisConfig": request["config"] or {},
            "customVoices": request["custom_voices"],
            "properties": properties,
        }
        entity |= self.outputs(call, job, hands_out=hands_out)
        entity |= {
            "lastActionDateTime": timestamps.milliseconds(job.last_action),
            "status": job.status,
            "id": job.job_id,
            "createdDateTime": timestamps.milliseconds(job.created),
            "displayName": job.display_name,
        }
        if job.description is not None:
            entity["description"] = job.description
        if request["custom_properties"] is not None:
            entity["customProperties"] = request["custom_properties"]
        return entity


class PreviewDialect:
    """The results of the preview; see :class:`batch_maker.Dialect`."""

    container = PreviewBatchSynthesisApi.container

    def prefix(self, job: Job) -> str:
        return job.job_id

    def summary(self, job: Job, *, status: str, rows: list[Row]) -> dict[str, Any]:
        return {"jobID": job.job_id, "status": status, "results": [_summary_row(row) for row in rows]}

    def debug(self, job: Job, spoken: Spoken) -> dict[str, Any] | None:
        """Contents that the page tells nobody to depend on."""
        return {"resultId": uuid.uuid5(uuid.NAMESPACE_OID, f"{job.job_id}/{spoken.number}").hex}

    def words(self, boundaries: tuple[Boundary, ...]) -> list[dict[str, Any]]:
        return boundary_rows(boundaries, signs=False)


def _summary_row(row: Row) -> dict[str, Any]:
    """Numbers are strings, and the duration has one decimal place."""
    described: dict[str, Any] = {"texts": list(row.texts)}
    if row.error is not None:
        return described | {"status": FAILED, "error": {"code": "InvalidInput", "message": row.error}}
    described |= {
        "status": SUCCEEDED,
        "billingDetails": {"CustomNeural": str(row.billed_custom), "Neural": str(row.billed)},
        "audioFileName": row.audio,
    }
    if row.words is not None:
        described["wordBoundaryFileName"] = row.words
    if row.sentences is not None:
        described["sentenceBoundaryFileName"] = row.sentences
    properties = {
        "audioSize": str(row.size),
        "duration": timestamps.duration(row.milliseconds // 100 * 100),
        "durationInTicks": str(row.milliseconds * _TICKS_PER_MS),
    }
    return described | {"properties": properties}
