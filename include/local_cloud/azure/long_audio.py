"""Long Audio v3.0 on the wire."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from starlette.responses import JSONResponse, Response

from include.local_cloud.azure.accounts import Account
from include.local_cloud.azure.api import AzureApi, Call, Handler, Operation
from include.local_cloud.azure.batch_request import GUID
from include.local_cloud.azure.billing import billable
from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, PREFIX, Blob, ContainerExpired, ContainerUnusable
from include.local_cloud.azure.errors import AzureError
from include.local_cloud.azure.jobs import Job
from include.local_cloud.azure.long_audio_entity import RESULT, RESULT_NAME, SCRIPT, describe, describe_file
from include.local_cloud.azure.long_audio_errors import (
    container_unusable,
    not_found,
    parameter_invalid,
    region_without_synthesis,
    still_in_use,
    tier_not_standard,
    too_many_active,
    too_many_requests,
    too_many_stored,
)
from include.local_cloud.azure.long_audio_form import Change, SynthesisForm, read_change, read_form
from include.local_cloud.azure.long_audio_maker import LongAudioMaker, result_blob, script_blob
from include.local_cloud.azure.long_audio_models import resolve
from include.local_cloud.azure.long_audio_script import check_length, check_voices, read_script
from include.local_cloud.azure.quotas import LONG_AUDIO
from include.local_cloud.azure.voices import VOICES
from include.local_cloud.azure.voices_custom import READY

__all__ = ["LongAudioApi", "LongAudioMaker"]

PATH = "/api/texttospeech/v3.0/longaudiosynthesis"
# The page lists the first five; later editions add the last two.
REGIONS = (
    "eastus",
    "centralindia",
    "southeastasia",
    "uksouth",
    "westeurope",
    "australiaeast",
    "southcentralus",
)
LARGEST_PAGE = 100
# Nothing limits the validity of a signed URL on the page; a week is what storage grants at the most.
LONGEST_URL_SECONDS = 7 * 86_400
_LONGEST_RETRY_AFTER = 10
_NOT_CACHED = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1"}


class LongAudioApi(AzureApi):
    """The operations on syntheses, their files, and the voices."""

    service = LONG_AUDIO
    operations: ClassVar[Mapping[str, Operation]] = {
        "CreateLongAudioSynthesis": Operation(method="POST", path=PATH, reads=True),
        "ListLongAudioSyntheses": Operation(method="GET", path=PATH),
        "ListLongAudioSynthesisVoices": Operation(method="GET", path=f"{PATH}/voices"),
        "ListLongAudioSynthesisFiles": Operation(method="GET", path=f"{PATH}/{{id}}/files"),
        "GetLongAudioSynthesis": Operation(method="GET", path=f"{PATH}/{{id}}"),
        "UpdateLongAudioSynthesis": Operation(method="PATCH", path=f"{PATH}/{{id}}", reads=True),
        "DeleteLongAudioSynthesis": Operation(method="DELETE", path=f"{PATH}/{{id}}"),
    }

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "CreateLongAudioSynthesis": self._create,
            "ListLongAudioSyntheses": self._list,
            "ListLongAudioSynthesisVoices": self._voices,
            "ListLongAudioSynthesisFiles": self._files,
            "GetLongAudioSynthesis": self._get,
            "UpdateLongAudioSynthesis": self._update,
            "DeleteLongAudioSynthesis": self._delete,
        }

    async def read(self, call: Call) -> None:
        kind = call.request.headers.get("content-type", "")
        if call.operation == "UpdateLongAudioSynthesis":
            call.content = read_change(body=call.body, content_type=kind)
            return
        form = await read_form(body=call.body, content_type=kind)
        call.content, call.text = form, form.script.decode("utf-8", "replace")

    def too_many_requests(self, *, retry_after: int) -> AzureError:
        return too_many_requests(retry_after)

    # Operations

    async def _create(self, call: Call) -> Response:
        form: SynthesisForm = call.content
        self._check_resource(call.account)
        models = resolve(form.models, region=call.account.region)
        script = read_script(
            form.script,
            fewer_than=self.parts.quotas.inputs[self.service],
            ascii_without_bom=self.parts.readings.ascii_without_bom == "accept",
        )
        names = [model.voice_name for model in models]
        check_voices(script, models=names)
        check_length(script, billed=self._billed)
        destination = self._destination(form.destination_container_url)
        self._check_quotas(call.account)
        job_id, script_name = str(uuid.uuid4()), f"{uuid.uuid4()}.txt"
        request = {
            "models": [model.described() for model in models],
            "heard": {model.voice_name: model.heard for model in models},
            "locale": form.locale,
            "outputFormat": form.output_format,
            "concatenateResult": form.concatenate_result,
            "customProperties": dict(form.custom_properties),
            "destination": destination,
            "script": script_name,
            "ssml": script.is_ssml,
            "backgroundAudio": script.background_audio,
        }
        # Before the job, so that no job is ever without its script.
        self._keep_script(script_blob(job_id, script_name), form.script)
        job = self.accept(
            call,
            job_id=job_id,
            request=request,
            inputs=script.paragraphs,
            display_name=form.display_name,
            description=form.description,
        )
        headers = _NOT_CACHED | {"Location": f"{call.base_url}{PATH}/{job_id}"}
        if self.parts.readings.long_audio_created == "201":
            return JSONResponse(describe(job), status_code=201, headers=headers)
        return Response(status_code=202, headers=headers)

    async def _list(self, call: Call) -> Response:
        skip, top = _skip(call), _top(call) or LARGEST_PAGE
        jobs, more = self.parts.ledger.page(
            service=self.service,
            account=call.account.id,
            skip=skip,
            size=top,
            newest_first=self.parts.readings.list_order == "newest_first",
        )
        return _page(call, [describe(job) for job in jobs], more=more, skip=skip, top=top, path=f"{PATH}/")

    async def _voices(self, call: Call) -> Response:
        voices = [voice.as_model() for voice in VOICES.values()] + [READY.as_model()]
        # The page promises the full list to a call without parameters.
        skip, top = _skip(call), _top(call) or len(voices)
        more = len(voices) > skip + top
        return _page(call, voices[skip : skip + top], more=more, skip=skip, top=top, path=f"{PATH}/voices")

    async def _get(self, call: Call) -> Response:
        job = self._find(call)
        return JSONResponse(describe(job), headers=self._headers(job))

    async def _files(self, call: Call) -> Response:
        job = self._find(call)
        skip, top = _skip(call), _top(call) or LARGEST_PAGE
        seconds = self._url_seconds(call)
        expired = self.expired_url_ordered(call)
        files = []
        for name, kind, blob, created in _named_files(job):
            size = self.parts.blobs.size(blob)
            if size is None:
                # A customer may empty a container; a job that was only put here for a test has nothing.
                continue
            if blob.account == CUSTOMER_ACCOUNT:
                # The customer signs URLs of the customer's own storage.
                url = f"{call.base_url}{PREFIX}/{blob.account}/{blob.container}/{blob.path}"
            else:
                url = self.parts.blobs.url(blob, base_url=call.base_url, seconds=seconds, expired=expired)
            files.append(describe_file(name=name, kind=kind, size=size, created=created, url=url))
        path = f"{PATH}/{job.job_id}/files"
        answer = _page(call, files[skip : skip + top], more=len(files) > skip + top, skip=skip, top=top, path=path)
        answer.headers.update(self._headers(job))
        return answer

    async def _update(self, call: Call) -> Response:
        try:
            job = self._find(call)
        except AzureError:
            if self.parts.readings.long_audio_unknown_patch == "409":
                # The schema has this status in place of 404, with the code and the example of a 404.
                raise not_found(status=409) from None
            raise
        change: Change = call.content
        request = dict(job.request)
        if "customProperties" in change.given:
            request["customProperties"] = change.given["customProperties"] or {}
        job = self.parts.ledger.update(
            job,
            display_name=change.given.get("displayName", job.display_name),
            description=change.given.get("description", job.description),
            request=request,
            # The last action is the one that led to the present status.
            now=job.last_action,
        )
        return JSONResponse(describe(job), headers=_NOT_CACHED)

    async def _delete(self, call: Call) -> Response:
        try:
            job = self._find(call)
        except AzureError:
            # The schema wants a GUID and has no 400: what is none leads nowhere.
            if self.parts.readings.long_audio_unknown_delete == "404" or not GUID.fullmatch(call.path["id"]):
                raise
            return Response(status_code=204, headers=_NOT_CACHED)
        if not job.finished:
            raise still_in_use()
        self.parts.worker.delete(job)
        return Response(status_code=204, headers=_NOT_CACHED)

    # What they are made of

    def _find(self, call: Call) -> Job:
        job = self.parts.ledger.get(service=self.service, account=call.account.id, job_id=str(call.path["id"]).lower())
        if job is None:
            raise not_found()
        return job

    def _headers(self, job: Job) -> dict[str, str]:
        if job.finished:
            return _NOT_CACHED
        left = min(max(job.end_after - self.parts.clock.now(), 1.0), _LONGEST_RETRY_AFTER)
        return _NOT_CACHED | {"Retry-After": str(math.ceil(left))}

    def _check_resource(self, account: Account) -> None:
        if account.region not in REGIONS:
            raise region_without_synthesis()
        if account.tier != "S0":
            refusal = tier_not_standard()
            if self.parts.readings.free_tier == "forbidden":
                raise AzureError(403, "Forbidden", refusal.message, inner_code=refusal.inner_code)
            raise refusal

    def _check_quotas(self, account: Account) -> None:
        ledger, quotas = self.parts.ledger, self.parts.quotas
        stored = quotas.stored_jobs[self.service]
        if stored is not None and ledger.stored(service=self.service, account=account.id) >= stored:
            raise too_many_stored(stored)
        active = quotas.active_jobs[self.service]
        if active is not None and ledger.active(service=self.service, account=account.id) >= active:
            raise too_many_active()

    def _billed(self, paragraph: str) -> int:
        return billable(paragraph, kind="SSML", white_space=self.parts.readings.ssml_white_space)

    def _destination(self, url: str | None) -> dict[str, Any] | None:
        if url is None:
            return None
        try:
            name = self.parts.blobs.writable_container(url)
        except (ValueError, ContainerExpired, ContainerUnusable) as error:
            raise container_unusable() from error
        return {"container": name, "url": urlunsplit((*urlsplit(url)[:3], "", ""))}

    def _keep_script(self, blob: Blob, content: bytes) -> None:
        folder = self.parts.blobs.scratch()
        try:
            file = folder / "script"
            file.write_bytes(content)
            self.parts.blobs.put(blob, file)
        finally:
            folder.rmdir()

    def _url_seconds(self, call: Call) -> float:
        text = call.query.get("sasValidityInSeconds")
        if text is None:
            return self.parts.quotas.url_seconds
        if not _is_number(text) or not 0 < int(text) <= LONGEST_URL_SECONDS:
            raise parameter_invalid(
                f"The sasValidityInSeconds parameter should be a whole number from 1 to {LONGEST_URL_SECONDS}.",
                inner_code="InvalidSasValidityDuration",
            )
        return float(text)


def _named_files(job: Job) -> list[tuple[str, str, Blob, float]]:
    """Name, kind, place and moment of what a job has."""
    script = job.request["script"]
    named = [(script, SCRIPT, script_blob(job.job_id, script), job.created)]
    if job.finished:
        named.append((RESULT_NAME, RESULT, result_blob(job), job.last_action))
    return named


def _page(call: Call, values: list[dict[str, Any]], *, more: bool, skip: int, top: int, path: str) -> Response:
    body: dict[str, Any] = {"values": values}
    if more:
        body["@nextLink"] = f"{call.base_url}{path}?top={top}&skip={skip + top}"
    return JSONResponse(body, headers=_NOT_CACHED)


def _skip(call: Call) -> int:
    text = call.query.get("skip", "0")
    if not _is_number(text):
        raise parameter_invalid("The skip query parameter must have a non-negative value")
    return int(text)


def _top(call: Call) -> int | None:
    text = call.query.get("top")
    if text is None:
        return None
    if not _is_number(text) or not int(text):
        raise parameter_invalid("The top parameter should be greater than 0.")
    if int(text) > LARGEST_PAGE:
        raise parameter_invalid(f"The top parameter should not be greater than {LARGEST_PAGE}.")
    return int(text)


def _is_number(text: str) -> bool:
    # No more digits than any database or clock can take.
    return text.isdecimal() and len(text) < 16
