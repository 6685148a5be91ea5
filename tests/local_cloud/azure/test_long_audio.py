"""Long Audio over HTTP: create, get, list, files, change and delete."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import BOM, PARAGRAPH, PATH, LongAudio, plain, preset, refusal, ssml
from tests.local_cloud.cloud_helpers import spoken

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
NOT_FOUND = (404, "NotFound", "", "The specified entity cannot be found.")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken, preset=preset()) as running:
        yield running


@pytest.fixture
def api(cloud: LocalCloud, request: pytest.FixtureRequest) -> LongAudio:
    """A resource of the test's own."""
    return LongAudio(cloud.speech_url, key=f"key-{request.node.name}")


def test_a_create_answers_202_without_a_body_and_tells_where_the_synthesis_is(
    cloud: LocalCloud, api: LongAudio
) -> None:
    answer = api.create()

    assert answer.status_code == 202
    assert answer.content == b""
    assert re.fullmatch(re.escape(cloud.speech_url + PATH) + "/" + GUID, answer.headers["Location"])
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Pragma"] == "no-cache"
    assert answer.headers["Expires"] == "-1"


def test_the_location_names_the_host_that_the_caller_used(cloud: LocalCloud, api: LongAudio) -> None:
    url = cloud.speech_url.replace("127.0.0.1", "localhost")
    other = LongAudio(url, key="key-of-another-name")

    assert other.create().headers["Location"].startswith(url)


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_path_may_end_in_a_slash(api: LongAudio, slash: str) -> None:
    job_id = api.created()
    api.ended(job_id)

    assert api("GET", slash).status_code == 200
    assert api("GET", f"/voices{slash}").status_code == 200
    assert api("GET", f"/{job_id}{slash}").status_code == 200
    assert api("GET", f"/{job_id}/files{slash}").status_code == 200
    assert api("PATCH", f"/{job_id}{slash}", json={}).status_code == 200
    assert api("DELETE", f"/{job_id}{slash}").status_code == 204


def test_a_finished_synthesis_is_described_as_on_the_vendors_page(api: LongAudio) -> None:
    job_id = api.created(description="What it is", concatenateResult=True)
    job = api.ended(job_id)

    assert list(job) == [
        "models",
        "properties",
        "id",
        "lastActionDateTime",
        "status",
        "createdDateTime",
        "locale",
        "displayName",
        "description",
    ]
    assert job["models"] == [{"voiceName": "en-US-AriaNeural"}]
    assert job["properties"] == {
        "outputFormat": "riff-16khz-16bit-mono-pcm",
        "concatenateResult": True,
        "totalDuration": job["properties"]["totalDuration"],
        "billableCharacterCount": 20 * len(PARAGRAPH),
    }
    assert re.fullmatch(r"PT(\d+M)?(\d+(\.\d{1,3})?S)?", job["properties"]["totalDuration"])
    assert (job["id"], job["status"], job["locale"]) == (job_id, "Succeeded", "en-US")
    assert (job["displayName"], job["description"]) == ("a test", "What it is")
    assert re.fullmatch(MOMENT, job["createdDateTime"])
    assert re.fullmatch(MOMENT, job["lastActionDateTime"])
    assert job["createdDateTime"] <= job["lastActionDateTime"]


def test_what_was_not_given_is_absent(api: LongAudio) -> None:
    job = api.get(api.created())

    assert not {"description", "customProperties"} & set(job)
    assert "destinationContainerUrl" not in job["properties"]


def test_ssml_is_billed_by_its_text_and_by_markup_other_than_speak_and_voice(api: LongAudio) -> None:
    text = ssml("a" * 401 + '<break time="1s"/>你')

    assert api.ended(api.created(text))["properties"]["billableCharacterCount"] == 401 + 18 + 2


def test_the_result_has_one_audio_per_paragraph_and_a_copy_of_the_script(api: LongAudio) -> None:
    text = BOM + plain(25).replace("\r\n", "\r\n\r\n", 1).encode()
    job_id = api.created(text)
    api.ended(job_id)
    result = api.result(job_id)
    copies = [name for name in result if name.endswith(".txt")]

    assert sorted(set(result) - set(copies)) == [f"{number:04}.wav" for number in range(1, 26)]
    assert [result[name] for name in copies] == [text]
    assert re.fullmatch(GUID + r"\.txt", copies[0])
    with wave.open(io.BytesIO(result["0001.wav"])) as audio:
        assert (audio.getframerate(), audio.getsampwidth(), audio.getnchannels()) == (16_000, 2, 1)


def test_a_concatenated_result_has_one_audio(api: LongAudio) -> None:
    job_id = api.created(concatenateResult="true", outputFormat="riff-24khz-16bit-mono-pcm")
    api.ended(job_id)
    result = api.result(job_id)

    assert [name for name in result if not name.endswith(".txt")] == ["0001.wav"]
    with wave.open(io.BytesIO(result["0001.wav"])) as audio:
        assert audio.getframerate() == 24_000


@pytest.mark.parametrize(
    ("name", "extension", "begins"),
    [
        ("riff-8khz-16bit-mono-pcm", "wav", b"RIFF"),
        ("riff-16khz-16bit-mono-pcm", "wav", b"RIFF"),
        ("riff-24khz-16bit-mono-pcm", "wav", b"RIFF"),
        ("riff-48khz-16bit-mono-pcm", "wav", b"RIFF"),
        ("audio-16khz-32kbitrate-mono-mp3", "mp3", b""),
        ("audio-16khz-64kbitrate-mono-mp3", "mp3", b""),
        ("audio-16khz-128kbitrate-mono-mp3", "mp3", b""),
        ("audio-24khz-48kbitrate-mono-mp3", "mp3", b""),
        ("audio-24khz-96kbitrate-mono-mp3", "mp3", b""),
        ("audio-24khz-160kbitrate-mono-mp3", "mp3", b""),
    ],
)
def test_every_format_of_the_page_is_made(api: LongAudio, name: str, extension: str, begins: bytes) -> None:
    job_id = api.created(outputFormat=name)
    api.ended(job_id)
    audio = api.result(job_id)[f"0020.{extension}"]

    assert audio.startswith(begins)
    assert len(audio) > 100
    assert api.get(job_id)["properties"]["outputFormat"] == name


def test_the_files_are_the_script_and_later_the_result(api: LongAudio) -> None:
    text = BOM + plain().encode()
    job_id = api.created(text)
    job = api.ended(job_id)
    script, result = api("GET", f"/{job_id}/files").json()["values"]

    assert re.fullmatch(GUID + r"\.txt", script["name"])
    assert script["kind"] == "LongAudioSynthesisScript"
    assert script["properties"] == {"size": len(text)}
    assert script["createdDateTime"] == job["createdDateTime"]
    assert (result["name"], result["kind"]) == ("voicesynthesis_waves.zip", "LongAudioSynthesisResult")
    assert api.script(job_id) == text


def test_the_files_can_be_paged(api: LongAudio) -> None:
    job_id = api.created()
    api.ended(job_id)
    first = api("GET", f"/{job_id}/files?top=1").json()
    second = api("GET", first["@nextLink"]).json()

    assert [file["kind"] for file in first["values"] + second["values"]] == [
        "LongAudioSynthesisScript",
        "LongAudioSynthesisResult",
    ]
    assert "@nextLink" not in second


def test_a_signed_url_is_good_for_as_long_as_was_asked_and_then_refused(api: LongAudio, admin: Any) -> None:
    job_id = api.created()
    api.ended(job_id)
    url = api.files(job_id, sasValidityInSeconds=60)["LongAudioSynthesisResult"]["links"]["contentUrl"]
    by_default = api.files(job_id)["LongAudioSynthesisResult"]["links"]["contentUrl"]

    assert {"st", "se", "sp", "sv", "sr", "sig"} <= set(parse_qs(urlsplit(url).query))
    assert requests.get(url, timeout=30).status_code == 200
    admin.advance(61)
    assert requests.get(url, timeout=30).status_code == 403
    assert requests.get(by_default, timeout=30).status_code == 200
    admin.advance(12 * 3600)
    assert requests.get(by_default, timeout=30).status_code == 403
    assert api.result(job_id)


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1e3", "9" * 30])
def test_a_validity_that_makes_no_sense_is_refused(api: LongAudio, seconds: str) -> None:
    answer = api("GET", f"/{api.created()}/files", params={"sasValidityInSeconds": seconds})

    assert refusal(answer)[:3] == (400, "InvalidRequest", "InvalidSasValidityDuration")


def test_the_list_is_paged_by_top_and_skip_and_followed_by_its_links(cloud: LocalCloud, api: LongAudio) -> None:
    ids = [api.created() for _ in range(5)]
    first = api("GET", "", params={"top": 2}).json()
    pages = [first]
    while "@nextLink" in pages[-1]:
        pages.append(api("GET", pages[-1]["@nextLink"]).json())

    assert first["@nextLink"] == f"{cloud.speech_url}{PATH}/?top=2&skip=2"
    assert [[job["id"] for job in page["values"]] for page in pages] == [ids[:2], ids[2:4], ids[4:]]
    assert [job["id"] for job in api("GET", "", params={"skip": 3}).json()["values"]] == ids[3:]


def test_a_list_without_parameters_has_everything_up_to_a_hundred(api: LongAudio) -> None:
    assert api("GET", "/").json() == {"values": []}
    job_id = api.created()
    answer = api("GET", "/").json()

    assert [job["id"] for job in answer["values"]] == [job_id]
    assert "@nextLink" not in answer


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"skip": -1}, "The skip query parameter must have a non-negative value"),
        ({"skip": "x"}, "The skip query parameter must have a non-negative value"),
        ({"skip": 10**30}, "The skip query parameter must have a non-negative value"),
        ({"top": 101}, "The top parameter should not be greater than 100."),
        ({"top": 0}, "The top parameter should be greater than 0."),
        ({"top": -5}, "The top parameter should be greater than 0."),
    ],
)
def test_a_page_that_cannot_be_is_refused(api: LongAudio, parameters: dict[str, Any], message: str) -> None:
    for path in ("", "/voices"):
        assert refusal(api("GET", path, params=parameters)) == (400, "InvalidRequest", "InvalidParameter", message)


def test_a_resource_sees_nothing_of_another(cloud: LocalCloud, api: LongAudio) -> None:
    job_id = api.created()
    other = LongAudio(cloud.speech_url, key="key-of-somebody-else")

    assert other("GET", "").json() == {"values": []}
    assert refusal(other("GET", f"/{job_id}")) == NOT_FOUND
    assert refusal(other("GET", f"/{job_id}/files")) == NOT_FOUND
    assert refusal(other("PATCH", f"/{job_id}", json={})) == NOT_FOUND
    assert other("DELETE", f"/{job_id}").status_code == 204
    assert api.get(job_id)["id"] == job_id


def test_a_deleted_synthesis_is_gone_with_its_files(api: LongAudio) -> None:
    job_id = api.created()
    api.ended(job_id)
    urls = [file["links"]["contentUrl"] for file in api.files(job_id).values()]

    assert len(urls) == 2
    answer = api("DELETE", f"/{job_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(api("GET", f"/{job_id}")) == NOT_FOUND
    assert [requests.get(url, timeout=30).status_code for url in urls] == [404, 404]
    # Nothing there any more, which is what was wanted.
    assert api("DELETE", f"/{job_id}").status_code == 204


def test_a_synthesis_is_never_deleted_by_itself(api: LongAudio, admin: Any) -> None:
    job_id = api.created()
    api.ended(job_id)
    admin.advance(400 * 86_400)

    assert api.get(job_id)["status"] == "Succeeded"
    assert api.result(job_id)


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
def test_a_change_changes_what_it_names_and_clears_what_is_null(api: LongAudio, kind: str) -> None:
    job_id = api.created(description="Old", customProperties='{"a": "1"}')
    before = api.ended(job_id)
    headers = {"Content-Type": kind}
    answer = api("PATCH", f"/{job_id}", data='{"displayName": "New", "CUSTOMPROPERTIES": {"b": "2"}}', headers=headers)

    assert answer.status_code == 200
    assert answer.json() == api.get(job_id)
    changed = {"displayName": "New", "customProperties": {"b": "2"}}
    unchanged = set(before) - set(changed)
    assert {name: answer.json()[name] for name in changed} == changed
    assert {name: answer.json()[name] for name in unchanged} == {name: before[name] for name in unchanged}
    cleared = api("PATCH", f"/{job_id}", data='{"description": null, "customProperties": null}', headers=headers).json()
    assert not {"description", "customProperties"} & set(cleared)


def test_a_change_leaves_the_moment_at_which_the_status_was_entered(api: LongAudio, admin: Any) -> None:
    job_id = api.created()
    api.ended(job_id)
    before = api.files(job_id)["LongAudioSynthesisResult"]["createdDateTime"]
    admin.advance(60)
    changed = api("PATCH", f"/{job_id}", json={"description": "changed"}).json()

    assert changed["lastActionDateTime"] == before
    assert api.files(job_id)["LongAudioSynthesisResult"]["createdDateTime"] == before


def test_the_voices_are_listed_whole_or_in_pages(api: LongAudio) -> None:
    whole = api("GET", "/voices").json()
    page = api("GET", "/voices", params={"top": 100}).json()
    pages = page["values"]
    while "@nextLink" in page:
        page = api("GET", page["@nextLink"]).json()
        pages += page["values"]

    assert "@nextLink" not in whole
    assert pages == whole["values"]
    names = {voice["voiceName"]: voice for voice in whole["values"]}
    assert names["en-US-AriaNeural"]["properties"]["publicAvailable"] is True
    assert "id" not in names["en-US-AriaNeural"]
    custom = [voice for voice in whole["values"] if not voice["properties"]["publicAvailable"]]
    assert [voice["voiceName"] for voice in custom] == ["my custom neural voice"]
    assert re.fullmatch(r"[0-9a-f-]{36}", custom[0]["id"])


def test_a_custom_voice_is_used_by_its_id(api: LongAudio) -> None:
    custom = next(voice for voice in api("GET", "/voices").json()["values"] if "id" in voice)
    job_id = api.created(voices=[{"id": custom["id"]}])
    job = api.ended(job_id)

    assert job["status"] == "Succeeded"
    assert job["models"] == [{"id": custom["id"], "voiceName": custom["voiceName"]}]


def test_a_custom_voice_can_speak_ssml_beside_a_public_one(api: LongAudio) -> None:
    custom = next(voice for voice in api("GET", "/voices").json()["values"] if "id" in voice)
    text = "\n".join([ssml("a" * 300), ssml("b" * 300, voice=custom["voiceName"])])
    job_id = api.created(text, voices=[{"voiceName": "en-US-AriaNeural"}, {"id": custom["id"]}])

    assert api.ended(job_id)["status"] == "Succeeded"
    assert {"0001.wav", "0002.wav"} <= set(api.result(job_id))


def test_the_moments_follow_the_clock_of_the_cloud(api: LongAudio, admin: Any) -> None:
    job = api.get(api.created())
    now = datetime.fromtimestamp(admin.get("clock")["now"], UTC)

    assert abs((datetime.fromisoformat(job["createdDateTime"]) - now).total_seconds()) < 30
