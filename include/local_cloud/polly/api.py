"""Polly on the wire: routes, signatures, throttling, faults, error bodies and headers."""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from include.local_cloud.calls import CallCounter
from include.local_cloud.faults import AFTER_THE_CALL, BEFORE_THE_CALL, Faults
from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.regions import ENGINES, REGIONS
from include.local_cloud.polly.service import PollyService, SpeechStream
from include.local_cloud.replies import DroppedReply
from include.local_cloud.signatures import Caller, SignatureRefused, read_caller
from include.local_cloud.throttling import Throttle

log = logging.getLogger(__name__)
# Above anything that the limits on characters allow, even fully escaped.
_LARGEST_BODY = 4 * 1024 * 1024
_READ_AT_MOST = 64 * 1024 * 1024
_Handler = Callable[[Caller, Mapping[str, Any]], Awaitable[Any]]

# Operation -> method, path, quota; "/" at the end of a quota means one per engine.
ROUTES = {
    "StartSpeechSynthesisTask": ("POST", "/v1/synthesisTasks", "StartSpeechSynthesisTask/"),
    "GetSpeechSynthesisTask": ("GET", "/v1/synthesisTasks/{TaskId}", "GetAndListSpeechSynthesisTasks"),
    "ListSpeechSynthesisTasks": ("GET", "/v1/synthesisTasks", "GetAndListSpeechSynthesisTasks"),
    "DescribeVoices": ("GET", "/v1/voices", "DescribeVoices"),
    "SynthesizeSpeech": ("POST", "/v1/speech", "SynthesizeSpeech/"),
    "PutLexicon": ("PUT", "/v1/lexicons/{Name}", "Lexicons"),
    "GetLexicon": ("GET", "/v1/lexicons/{Name}", "Lexicons"),
    "DeleteLexicon": ("DELETE", "/v1/lexicons/{Name}", "Lexicons"),
    "ListLexicons": ("GET", "/v1/lexicons", "Lexicons"),
}


class PollyApi:
    """The routes of Polly, each call going through the same gates in the same order.

    Signature, body, ordered faults, quota, then the operation itself. The log
    names operations, statuses and error types, never texts or credentials.
    """

    def __init__(self, *, service: PollyService, throttle: Throttle, faults: Faults, counter: CallCounter) -> None:
        self._service = service
        self._throttle = throttle
        self._faults = faults
        self._counter = counter

    def router(self) -> APIRouter:
        handlers: dict[str, _Handler] = {
            "StartSpeechSynthesisTask": self._service.start_speech_synthesis_task,
            "GetSpeechSynthesisTask": self._service.get_speech_synthesis_task,
            "ListSpeechSynthesisTasks": self._service.list_speech_synthesis_tasks,
            "DescribeVoices": self._service.describe_voices,
            "SynthesizeSpeech": self._service.synthesize_speech,
            "PutLexicon": self._service.put_lexicon,
            "GetLexicon": self._service.get_lexicon,
            "DeleteLexicon": self._service.delete_lexicon,
            "ListLexicons": self._service.list_lexicons,
        }
        router = APIRouter()
        for operation, (method, path, _) in ROUTES.items():
            router.add_api_route(path, self._endpoint(operation, handlers[operation]), methods=[method])
        return router

    def _endpoint(self, operation: str, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._serve(operation, handler, request)

        return endpoint

    async def _serve(self, operation: str, handler: _Handler, request: Request) -> Response:
        calls = self._counter.of(service="polly", operation=operation)
        calls.calls += 1
        try:
            response = await self._call(operation, handler, request)
        except PollyError as error:
            if error.name == "ThrottlingException":
                calls.throttled += 1
            else:
                calls.errors += 1
            log.debug("%s: %s %s", operation, error.status, error.name)
            return refusal(error)
        except Exception as error:
            # Nothing may end as the framework's own 500: clients know only the service's. Messages may quote texts.
            calls.errors += 1
            said = str(error) if isinstance(error, sqlite3.Error | OSError) else type(error).__name__
            log.error("%s failed: %s, at %s", operation, said, _place_of(error))
            return refusal(PollyError("ServiceFailureException", "An unknown condition has caused a service failure."))
        log.debug("%s: %s", operation, response.status_code)
        return response

    async def _call(self, operation: str, handler: _Handler, request: Request) -> Response:
        try:
            caller = read_caller(headers=request.headers, query=request.query_params, service="polly", regions=REGIONS)
        except SignatureRefused as refused:
            raise PollyError(refused.error_type, str(refused)) from refused
        given = await _read_input(request)
        text = given.get("Text") if isinstance(given.get("Text"), str) else None
        fault = self._faults.take(kinds=BEFORE_THE_CALL, service="polly", operation=operation, text=text)
        if fault is not None and fault.kind == "error_500":
            raise PollyError("ServiceFailureException", fault.reason or "A failure that was ordered.")
        if fault is not None or not self._throttle.admits(region=caller.region, quota=_quota(operation, given)):
            raise PollyError("ThrottlingException", "Rate exceeded")
        answer = await handler(caller, given)
        if self._faults.take(kinds=AFTER_THE_CALL, service="polly", operation=operation, text=text):
            return DroppedReply()
        if isinstance(answer, SpeechStream):
            headers = _request_id() | {"x-amzn-RequestCharacters": str(answer.billed_characters)}
            return Response(answer.audio, media_type=answer.content_type, headers=headers)
        return JSONResponse(answer, headers=_request_id())


async def _read_input(request: Request) -> dict[str, Any]:
    """The members of a call, from its path and its query or JSON body."""
    given: dict[str, Any] = {}
    if request.method in {"POST", "PUT"}:
        content = await _read_body(request)
        try:
            body = json.loads(content or b"{}")
        except (ValueError, RecursionError) as error:
            raise PollyError("SerializationException", "The body is not JSON.") from error
        if not isinstance(body, dict):
            raise PollyError("SerializationException", "The body is not a JSON object.")
        given |= body
    else:
        given |= request.query_params
    return given | request.path_params


async def _read_body(request: Request) -> bytes:
    """The body, or a refusal that waits until the caller has finished sending: one who still sends reads no answer."""
    blocks: list[bytes] = []
    size = 0
    async for block in request.stream():
        size += len(block)
        if size <= _LARGEST_BODY:
            blocks.append(block)
        elif size > _READ_AT_MOST:
            break
    if size > _LARGEST_BODY:
        raise PollyError("RequestEntityTooLargeException", f"The request is larger than {_LARGEST_BODY} bytes.")
    return b"".join(blocks)


def _quota(operation: str, given: Mapping[str, Any]) -> str:
    quota = ROUTES[operation][2]
    if not quota.endswith("/"):
        return quota
    engine = given.get("Engine")
    return quota + (engine if engine in ENGINES else "standard")


def _request_id() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4())}


def refusal(error: PollyError) -> Response:
    """An error as the service writes it."""
    return JSONResponse(
        {"message": error.message}, status_code=error.status, headers=_request_id() | {"x-amzn-ErrorType": error.name}
    )


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "an unknown place" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
