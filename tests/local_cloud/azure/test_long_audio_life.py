"""Long Audio syntheses that go wrong: by what they contain, and by the failures that can be ordered."""

from __future__ import annotations

import io
import wave
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import LongAudio, preset, refusal, ssml
from tests.local_cloud.cloud_helpers import spoken

SERVICE = {"service": "azure_long_audio"}
IN_USE = (400, "InvalidRequest", "InUseViolation", "The voice synthesis task is still in use.")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken, preset=preset()) as running:
        yield running


@pytest.fixture
def api(cloud: LocalCloud, request: pytest.FixtureRequest) -> LongAudio:
    return LongAudio(cloud.speech_url, key=f"key-{request.node.name}")


def test_background_audio_fails_the_synthesis_and_other_elements_are_ignored(api: LongAudio) -> None:
    background = ssml("a" * 500).replace("<voice", '<mstts:backgroundaudio src="https://host/a.wav"/><voice')
    ignored = ssml('<lexicon uri="https://host/a.xml"/><audio src="https://host/a.wav"/>' + "a" * 500)
    failed, fine = api.created(background), api.created(ignored)

    assert api.ended(fine)["status"] == "Succeeded"
    job = api.ended(failed)
    assert job["status"] == "Failed"
    assert set(job["properties"]["error"]) == {"code", "message"}
    assert "backgroundaudio" in job["properties"]["error"]["message"]
    assert job["properties"]["billableCharacterCount"] == 0


def test_the_zip_of_a_failed_synthesis_has_a_report_and_the_script(api: LongAudio, admin: Any) -> None:
    admin.order("fail", **SERVICE, reason="The voice was out.")
    job_id = api.created()
    job = api.ended(job_id)
    result = api.result(job_id)
    (report,) = [name for name in result if name.endswith("err.txt")]

    assert (job["status"], job["properties"]["error"]["message"]) == ("Failed", "The voice was out.")
    assert result[report] == b"The voice was out."
    assert len(result) == 2
    assert api.script(job_id) in result.values()
    assert job["properties"]["billableCharacterCount"] == 0
    assert api("DELETE", f"/{job_id}").status_code == 204


def test_a_paragraph_that_fails_leaves_a_report_in_place_of_its_audio(api: LongAudio, admin: Any) -> None:
    admin.order("partial_failure", **SERVICE, match_text="PARAGRAPH 7.", reason="No breath.")
    job_id = api.created("\n".join(f"THIS IS THE LONG PARAGRAPH {number}." for number in range(1, 21)))
    job = api.ended(job_id)
    result = api.result(job_id)

    assert job["status"] == "Succeeded"
    assert result["0007.err.txt"] == b"No breath."
    assert "0007.wav" not in result
    assert len([name for name in result if name.endswith(".wav")]) == 19
    assert job["properties"]["billableCharacterCount"] == 9 * 29 + 11 * 30 - 29


def test_a_paragraph_that_fails_is_missing_from_a_concatenated_result(api: LongAudio, admin: Any) -> None:
    whole = api.created(concatenateResult="true")
    api.ended(whole)
    admin.order("partial_failure", **SERVICE)
    job_id = api.created(concatenateResult="true")
    api.ended(job_id)
    result = api.result(job_id)

    def frames(content: bytes) -> int:
        with wave.open(io.BytesIO(content)) as audio:
            return audio.getnframes()

    assert {name for name in result if name.startswith("00")} == {"0001.wav", "0001.err.txt"}
    assert frames(result["0001.wav"]) * 20 == frames(api.result(whole)["0001.wav"]) * 19


def test_a_synthesis_fails_when_every_paragraph_does(api: LongAudio, admin: Any) -> None:
    admin.order("partial_failure", **SERVICE, count=20, reason="No breath.")
    job_id = api.created()
    job = api.ended(job_id)

    assert (job["status"], job["properties"]["error"]["message"]) == ("Failed", "No breath.")
    assert [name for name in api.result(job_id) if name.endswith("err.txt")] == ["voicesynthesis.err.txt"]


def test_a_truncated_zip_can_be_ordered(api: LongAudio, admin: Any) -> None:
    admin.order("truncated_zip", **SERVICE)
    job_id = api.created()
    assert api.ended(job_id)["status"] == "Succeeded"

    with pytest.raises(zipfile.BadZipFile):
        api.result(job_id)


def test_an_expired_url_can_be_ordered_and_the_next_one_is_good(api: LongAudio, admin: Any) -> None:
    job_id = api.created()
    api.ended(job_id)
    admin.order("expired_url", **SERVICE)
    expired = api.files(job_id)["LongAudioSynthesisResult"]["links"]["contentUrl"]

    assert requests.get(expired, timeout=30).status_code == 403
    assert api.result(job_id)


def test_a_synthesis_can_be_stuck_and_goes_on(api: LongAudio, admin: Any) -> None:
    admin.order("stuck_not_started", **SERVICE, seconds=3600)
    job_id = api.created()
    other = api.created()

    assert api.ended(other)["status"] == "Succeeded"
    assert api.get(job_id)["status"] == "NotStarted"
    assert refusal(api("DELETE", f"/{job_id}")) == IN_USE
    admin.advance(3601)
    assert api.ended(job_id)["status"] == "Succeeded"


def test_a_synthesis_can_be_stuck_for_ever(api: LongAudio, admin: Any) -> None:
    admin.order("stuck_not_started", **SERVICE)
    job_id = api.created()
    admin.advance(30 * 86_400)

    answer = api("GET", f"/{job_id}")
    assert answer.json()["status"] == "NotStarted"
    assert answer.headers["Retry-After"] == "10"


def test_calls_can_be_throttled_failed_or_garbled_to_order(api: LongAudio, admin: Any) -> None:
    for kind, status in (("throttle", 429), ("error_500", 500)):
        admin.order(kind, **SERVICE, operation="CreateLongAudioSynthesis")
        assert api("GET", "").status_code == 200
        assert api.create().status_code == status
    admin.order("garbage_reply", **SERVICE, operation="ListLongAudioSyntheses")
    assert api("GET", "").text.startswith("<!DOCTYPE html>")
    assert api("GET", "").json() == {"values": []}


def test_a_reply_can_be_lost_though_the_synthesis_was_accepted(api: LongAudio, admin: Any) -> None:
    admin.order("drop_reply", **SERVICE, operation="CreateLongAudioSynthesis")

    with pytest.raises(requests.ConnectionError):
        api.create(displayName="found again by its name")
    assert [job["displayName"] for job in api("GET", "").json()["values"]] == ["found again by its name"]
