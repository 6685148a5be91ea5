"""Every answer of Long Audio against the shapes that the vendor's OpenAPI document gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import LongAudio, plain, preset, ssml
from tests.local_cloud.cloud_helpers import spoken

TEXT = {"type": "string"}
GUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
DURATION = {"type": "string", "pattern": r"^P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$"}
# The codes that the document knows, as far as this API can need them.
CODES = (
    "InvalidRequest",
    "InvalidArgument",
    "InternalServerError",
    "ServiceUnavailable",
    "NotFound",
    "Conflict",
    "Forbidden",
    "NotAllowed",
    "Unauthorized",
    "UnsupportedMediaType",
    "TooManyRequests",
)
INNER_CODES = (
    "InvalidParameterValue",
    "InvalidRequestBodyFormat",
    "InUseViolation",
    "InvalidLocale",
    "InvalidModel",
    "InvalidVoiceSynthesis",
    "InvalidPayload",
    "InvalidParameter",
    "QuotaViolation",
    "UnsupportedPagination",
    "NoUtf8WithBom",
    "ModelDeploymentNotCompleteState",
    "SkuLimitsExist",
    "UnexpectedError",
    "InvalidSasValidityDuration",
    "InaccessibleCustomerStorage",
)


def shape(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def several(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def page(items: Any) -> dict[str, Any]:
    schema = shape("values", values=several(items))
    schema["properties"]["@nextLink"] = TEXT
    return schema


SYNTHESIS = shape(
    "displayName",
    "locale",
    "id",
    "status",
    models=several(shape(id=GUID, voiceName=TEXT)),
    properties=shape(
        outputFormat=TEXT,
        concatenateResult={"type": "boolean"},
        totalDuration=DURATION,
        billableCharacterCount={"type": "integer"},
        destinationContainerUrl=TEXT,
        error=shape("code", "message", code=TEXT, message=TEXT),
    ),
    id=GUID,
    displayName=TEXT,
    description=TEXT,
    locale=TEXT,
    customProperties={"type": "object", "additionalProperties": TEXT},
    lastActionDateTime=MOMENT,
    status={"enum": ["NotStarted", "Running", "Succeeded", "Failed"]},
    createdDateTime=MOMENT,
)
VOICE = shape(
    "locale",
    "voiceName",
    id=GUID,
    voiceName=TEXT,
    description=TEXT,
    gender={"enum": ["Male", "Female"]},
    locale=TEXT,
    createdDateTime=MOMENT,
    properties=shape(
        publicAvailable={"type": "boolean"}, roles=several(shape(name=TEXT)), styles=several(shape(name=TEXT))
    ),
)
FILE = shape(
    kind={"enum": ["LongAudioSynthesisScript", "LongAudioSynthesisResult"]},
    links=shape("contentUrl", contentUrl=TEXT),
    createdDateTime=MOMENT,
    properties=shape("size", size={"type": "integer"}, duration=DURATION),
    name=TEXT,
)
ERROR = shape(
    "code",
    "message",
    code={"enum": [*CODES]},
    message=TEXT,
    target=TEXT,
    innerError=shape("code", "message", code={"enum": [*INNER_CODES]}, message=TEXT, target=TEXT),
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken, preset=preset()) as running:
        yield running


@pytest.fixture
def api(cloud: LocalCloud) -> LongAudio:
    return LongAudio(cloud.speech_url)


def test_syntheses_lists_and_files_have_the_documented_shape(api: LongAudio, admin: Any) -> None:
    admin.order("fail", service="azure_long_audio")
    failed = api.created(customProperties='{"order": "7"}', description="What it is")
    good = api.created(ssml("a" * 500))
    admin.order("stuck_not_started", service="azure_long_audio")
    stuck = api.created()
    for job_id in (failed, good):
        jsonschema.validate(api.ended(job_id), SYNTHESIS)
        jsonschema.validate(api("GET", f"/{job_id}/files").json(), page(FILE))
    jsonschema.validate(api.get(stuck), SYNTHESIS)
    jsonschema.validate(api("PATCH", f"/{stuck}", json={"displayName": "New"}).json(), SYNTHESIS)
    jsonschema.validate(api("GET", "?top=1").json(), page(SYNTHESIS))


def test_voices_have_the_documented_shape(api: LongAudio) -> None:
    jsonschema.validate(api("GET", "/voices").json(), page(VOICE))
    jsonschema.validate(api("GET", "/voices?top=2").json(), page(VOICE))


def test_every_refusal_has_the_documented_shape_and_codes_of_the_document(cloud: LocalCloud, api: LongAudio) -> None:
    refused = [
        LongAudio(cloud.speech_url, key="").create(),
        LongAudio(cloud.speech_url, key="f0-0123456789").create(),
        LongAudio(cloud.speech_url, key="region-westus3-01234567").create(),
        api.create(plain().encode()),
        api.create("short"),
        api.create("a\n" * 10_000),
        api.create(ssml("a" * 500)[:-1]),
        api.create(voices="nobody"),
        api.create(voices=[]),
        api.create(locale="xx"),
        api.create(outputFormat="xx"),
        api.create(customProperties="xx"),
        api.create(destinationContainerUrl="xx"),
        api("POST", json={}),
        api("GET", "?skip=-1"),
        api("GET", "/voices?top=0"),
        api("GET", "/unknown"),
        api("GET", "/unknown/files"),
        api("PATCH", "/unknown", json=[]),
    ]
    for answer in refused:
        assert answer.status_code >= 400, answer.url
        jsonschema.validate(answer.json(), ERROR)


@pytest.mark.parametrize("kind", ["throttle", "error_500"])
def test_ordered_failures_have_it_too(api: LongAudio, admin: Any, kind: str) -> None:
    admin.order(kind, service="azure_long_audio")

    jsonschema.validate(api("GET", "").json(), ERROR)
