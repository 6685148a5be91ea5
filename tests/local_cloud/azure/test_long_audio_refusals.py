"""What Long Audio refuses: the statuses and the messages of the vendor's page, in flat errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from include.local_cloud.azure.voices_custom import ELSEWHERE, UNFINISHED
from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import BOM, LongAudio, plain, preset, refusal, ssml
from tests.local_cloud.cloud_helpers import spoken

NO_BOM = "The voice synthesis only supports the text file in the UTF-8 encoding with the byte-order marker."
NO_SSML = "Only valid SSML inputs are allowed in the voice synthesis request."


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken, preset=preset()) as running:
        yield running


@pytest.fixture
def api(cloud: LocalCloud) -> LongAudio:
    return LongAudio(cloud.speech_url)


@pytest.mark.parametrize("key", ["", "short", "revoked-0123456789"])
def test_a_key_that_is_none_is_refused_everywhere(cloud: LocalCloud, key: str) -> None:
    stranger = LongAudio(cloud.speech_url, key=key)
    for answer in (
        stranger.create(),
        stranger("GET", ""),
        stranger("GET", "/voices"),
        stranger("GET", "/x"),
        stranger("GET", "/x/files"),
        stranger("DELETE", "/x"),
    ):
        assert answer.status_code == 401
        assert answer.json()["code"] == "Unauthorized"


def test_a_region_without_long_audio_is_refused(cloud: LocalCloud) -> None:
    answer = LongAudio(cloud.speech_url, key="region-westus3-01234567").create()

    assert refusal(answer)[::3] == (400, "The voice synthesis is not enabled in this region.")


@pytest.mark.parametrize("region", ["eastus", "centralindia", "southeastasia", "uksouth", "westeurope"])
def test_the_regions_of_the_page_are_served(cloud: LocalCloud, region: str) -> None:
    assert LongAudio(cloud.speech_url, key=f"region-{region}-01234567").create().status_code == 202


def test_the_free_tier_is_refused(cloud: LocalCloud) -> None:
    answer = LongAudio(cloud.speech_url, key="f0-0123456789").create()

    assert refusal(answer)[::3] == (400, "Only the Standard speech subscription for this region is valid.")


def test_a_script_without_the_byte_order_mark_is_refused(api: LongAudio) -> None:
    assert refusal(api.create(plain().encode())) == (400, "InvalidRequest", "NoUtf8WithBom", NO_BOM)


def test_two_byte_order_marks_are_as_good_as_one(api: LongAudio) -> None:
    job_id = api.created(BOM + BOM + b"a" * 401)

    assert api.ended(job_id)["properties"]["billableCharacterCount"] == 401


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * 399, "The input file should be more than 400 characters."),
        ("a" * 400, "The input file should be more than 400 characters."),
        (ssml("a" * 400), "The input file should be more than 400 characters."),
        ("a\n" * 10_000, "The number of paragraphs in the input file should be less than 10,000."),
        (ssml("a" * 500)[:-1], NO_SSML),
        (ssml("a" * 500, voice="en-US-GuyNeural"), "The voice name en-US-AriaNeural is not found in the input file."),
    ],
)
def test_a_script_that_cannot_be_taken_is_refused(api: LongAudio, text: str, message: str) -> None:
    assert refusal(api.create(text)) == (400, "InvalidRequest", "InvalidPayload", message)


def test_several_voices_need_ssml(api: LongAudio) -> None:
    voices = [{"voiceName": "en-US-AriaNeural"}, {"voiceName": "en-US-GuyNeural"}]

    assert refusal(api.create(voices=voices))[::3] == (400, NO_SSML)
    text = "\n".join([ssml("a" * 300), ssml("b" * 300, voice="en-US-GuyNeural")])
    assert api.create(text, voices=voices).status_code == 202


@pytest.mark.parametrize("entry", [{"id": "0" * 36}, {"voiceName": "en-US-NobodyNeural"}])
def test_a_voice_that_does_not_exist_is_not_found(api: LongAudio, entry: dict[str, str]) -> None:
    (name,) = entry.values()
    message = f"The model declared in the voice synthesis definition cannot be found: {name}."

    assert refusal(api.create(voices=[entry])) == (404, "NotFound", "InvalidModel", message)


def test_a_custom_voice_that_cannot_be_used_is_refused(api: LongAudio) -> None:
    unusable = f"This model cannot be used in the voice synthesis: {UNFINISHED.id}."
    elsewhere = f"The region for the request does not match the region for the model: {ELSEWHERE.id}."

    assert refusal(api.create(voices=[{"id": UNFINISHED.id}]))[::3] == (400, unusable)
    assert refusal(api.create(voices=[{"id": ELSEWHERE.id}]))[::3] == (400, elsewhere)


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"displayName": ""}, "displayName"),
        ({"locale": "tlh"}, "tlh"),
        ({"outputFormat": "riff-44100hz-16bit-mono-pcm"}, "riff-44100hz"),
        ({"concatenateResult": "perhaps"}, "concatenateResult"),
        ({"customProperties": json.dumps({str(number): "" for number in range(11)})}, "customProperties"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_and_named(api: LongAudio, fields: dict[str, str], about: str) -> None:
    status, code, _, message = refusal(api.create(**fields))

    assert (status, code) == (400, "InvalidRequest")
    assert about in message


def test_a_zip_in_place_of_the_text_is_refused(api: LongAudio) -> None:
    form = {"displayName": "a test", "locale": "en-US", "voices": '[{"voiceName": "en-US-AriaNeural"}]'}
    answer = api("POST", data=form, files={"script": ("script.zip", b"PK\3\4", "application/zip")})

    assert refusal(answer)[:2] == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("body", [{"json": {}}, {"data": b""}, {"data": {"displayName": "not multipart"}}])
def test_a_body_that_is_no_multipart_form_is_refused(api: LongAudio, body: dict[str, Any]) -> None:
    assert refusal(api("POST", **body))[:2] == (415, "UnsupportedMediaType")


def test_an_unknown_synthesis_is_not_found(api: LongAudio) -> None:
    not_found = (404, "NotFound", "", "The specified entity cannot be found.")
    for unknown in ("8fafd8cd-5f95-4a27-a0ce-59260f873141", "not-even-a-guid"):
        assert refusal(api("GET", f"/{unknown}")) == not_found
        assert refusal(api("GET", f"/{unknown}/files")) == not_found
        assert refusal(api("PATCH", f"/{unknown}", json={})) == not_found


@pytest.mark.parametrize("malformed", ["not-even-a-guid", "8fafd8cd"])
def test_an_id_that_is_none_cannot_be_deleted(api: LongAudio, malformed: str) -> None:
    not_found = (404, "NotFound", "", "The specified entity cannot be found.")
    assert refusal(api("DELETE", f"/{malformed}")) == not_found


def test_a_change_that_cannot_be_made_is_refused(api: LongAudio) -> None:
    job_id = api.created()

    assert refusal(api("PATCH", f"/{job_id}", json={"displayName": ""}))[:2] == (400, "InvalidRequest")
    assert refusal(api("PATCH", f"/{job_id}", data="{"))[:2] == (415, "UnsupportedMediaType")
    headers = {"Content-Type": "application/json"}
    assert refusal(api("PATCH", f"/{job_id}", data="{", headers=headers))[:2] == (400, "InvalidRequest")
    assert api.get(job_id)["displayName"] == "a test"


def test_an_unusable_destination_container_is_refused(api: LongAudio, cloud: LocalCloud) -> None:
    for url in ("no url", f"{cloud.speech_url}/blob/customer/absent", "http://localhost/c?sig=x&se=2999-01-01"):
        status, _, inner, message = refusal(api.create(destinationContainerUrl=url))
        assert (status, inner) == (400, "InaccessibleCustomerStorage")
        assert url not in message


def test_no_path_leads_around_the_key(cloud: LocalCloud) -> None:
    for path in ("/cognitiveservices/voices/list", "/tts/cognitiveservices/voices/list"):
        assert requests.get(cloud.speech_url + path, timeout=30).status_code == 401
