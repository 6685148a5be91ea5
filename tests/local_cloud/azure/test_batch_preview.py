"""Batch synthesis 3.1-preview1: entity, paging, refusals and life as on the vendor's page."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import COMPACT, Preview, download, flat, summary
from tests.local_cloud.cloud_helpers import Admin

MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# The body of the page's curl call: commas before closing brackets, tabs and line breaks inside a string.
SAMPLE = """{
    "displayName": "batch synthesis sample",
    "description": "my ssml test",
    "textType": "SSML",
    "inputs": [
        {
            "text": "<speak version='1.0' xml:lang='en-US'>
\t\t\t\t<voice name='en-US-JennyNeural'>
\t\t\t\t\tThe rainbow has seven colors.
\t\t\t\t</voice>
\t\t\t</speak>",
        },
    ],
    "properties": {
        "outputFormat": "riff-24khz-16bit-mono-pcm",
        "wordBoundaryEnabled": false,
        "sentenceBoundaryEnabled": false,
        "concatenateResult": false,
        "decompressOutputFiles": false
    },
}"""


def test_the_sample_of_the_page_is_understood_answered_and_billed_as_there(preview: Preview) -> None:
    answer = preview.call("POST", data=SAMPLE.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    entity = answer.json()
    UUID(entity["id"])
    assert answer.headers["Location"].endswith(f"/api/texttospeech/3.1-preview1/batchsynthesis/{entity['id']}")
    for name in ("createdDateTime", "lastActionDateTime"):
        assert MILLISECONDS.fullmatch(entity.pop(name))
    del entity["id"]
    assert entity == {
        "textType": "SSML",
        "synthesisConfig": {},
        "customVoices": {},
        "properties": {
            "timeToLive": "P31D",
            "outputFormat": "riff-24khz-16bit-mono-pcm",
            "concatenateResult": False,
            "decompressOutputFiles": False,
            "wordBoundaryEnabled": False,
            "sentenceBoundaryEnabled": False,
        },
        "status": "NotStarted",
        "displayName": "batch synthesis sample",
        "description": "my ssml test",
    }
    job = preview.ended(answer)
    properties = job["properties"]
    assert properties["billingDetails"] == {"customNeural": 0, "neural": 33}
    assert (properties["succeededAudioCount"], properties["failedAudioCount"]) == (1, 0)
    milliseconds = properties["durationInTicks"] // 10_000
    assert properties["duration"] == f"PT{milliseconds / 1000:g}S"
    files = download(job)
    assert sorted(files) == ["0001.debug.json", "0001.wav", "summary.json"]
    (row,) = summary(files)["results"]
    assert summary(files)["jobID"] == job["id"]
    assert row["billingDetails"] == {"CustomNeural": "0", "Neural": "33"}
    assert row["properties"]["audioSize"] == str(properties["audioSize"]) == str(len(files["0001.wav"]))
    assert row["properties"]["durationInTicks"] == str(properties["durationInTicks"])
    assert row["texts"] == [SAMPLE.partition('"text": "')[2].partition('",')[0]]


def test_pages_lead_to_each_other(cloud: LocalCloud) -> None:
    preview = Preview(cloud.speech_url, key="a-key-for-preview-pages")
    names = [f"job {number}" for number in range(3)]
    for name in names:
        preview.post(displayName=name)
    first = preview.call("GET", params={"top": 2}).json()
    second = preview("GET", first["@nextLink"]).json()
    assert [job["displayName"] for job in first["values"] + second["values"]] == names
    assert "@nextLink" not in second


def test_the_refusal_of_a_long_page_is_the_one_of_the_page(preview: Preview) -> None:
    answer = preview.call("GET", params={"skip": 0, "top": 200})
    message = "The top parameter should not be greater than 100."
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "InvalidRequest",
        "message": message,
        "innerError": {"code": "InvalidParameter", "message": message},
    }


def test_what_does_not_exist_has_no_content(preview: Preview) -> None:
    unknown = "/00000000-0000-0000-0000-000000000000"
    assert preview.call("GET", unknown).status_code == 204
    assert preview.call("DELETE", unknown).status_code == 204
    # The page tells no id that is none from one that is unknown.
    assert preview.call("DELETE", "/no-guid").status_code == 204


def test_a_finished_job_can_be_deleted_and_a_stuck_one_cannot(preview: Preview, admin: Admin) -> None:
    job = preview.ended(preview.post())
    assert preview.call("DELETE", f"/{job['id']}").status_code == 204
    assert preview.call("GET", f"/{job['id']}").status_code == 204
    admin.order("stuck_not_started", service="azure_batch_preview")
    stuck = preview.post().json()["id"]
    assert flat(preview.call("DELETE", f"/{stuck}"))[:2] == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"displayName": ""}, "displayName"),
        ({"textType": "Word"}, "textType"),
        ({"textType": "PlainText"}, "voice"),
        ({"inputs": [{"text": "x"}] * 1_001}, "1,000"),
        ({"inputs": [{"content": "x"}]}, "text of input 1"),
        ({"properties": {"timeToLive": "P32D"}}, "P31D"),
        ({"properties": {"timeToLive": "soon"}}, "timeToLive"),
        ({"properties": {"outputFormat": "wav"}}, "outputFormat"),
        ({"customProperties": {str(number): "x" for number in range(11)}}, "customProperties"),
        ({"customProperties": {"k" * 65: "x"}}, "customProperties"),
        ({"customVoices": {"mine": "our.narrator_2-b"}}, "deployment ID"),
        ({"customVoices": {"mine": "00000000-0000-0000-0000-000000000000"}}, "deployment ID"),
        ({"inputs": [{"text": "x" * (500 * 1024)}]}, "larger"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(preview: Preview, changes: dict[str, Any], names: str) -> None:
    status, code, message = flat(preview.post(**changes))
    assert (status, code) == (400, "InvalidRequest")
    assert names in message


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data; boundary=x"])
def test_only_json_is_read(preview: Preview, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = preview.call("POST", data=SAMPLE.encode(), headers=headers)
    assert flat(answer)[:2] == (415, "UnsupportedMediaType")
    assert "innerError" not in answer.json()
    json = {"Content-Type": "application/json; charset=utf-8"}
    assert preview.call("POST", data=SAMPLE.encode(), headers=json).status_code == 201


def test_keys_tiers_and_regions_are_checked(cloud: LocalCloud) -> None:
    assert flat(Preview(cloud.speech_url, key="revoked-key").post())[:2] == (401, "Unauthorized")
    assert "Standard" in flat(Preview(cloud.speech_url, key="f0-local-cloud-key").post())[2]
    assert "region" in flat(Preview(cloud.speech_url, key="region-westus3-abc12345").post())[2]


def test_own_properties_come_back(preview: Preview) -> None:
    answer = preview.post(customProperties={"book": "Emma"}, properties={"timeToLive": "PT12H"})
    entity = preview.ended(answer)
    assert entity["customProperties"] == {"book": "Emma"}
    assert entity["properties"]["timeToLive"] == "PT12H"


def test_history_ends_with_the_time_to_live(preview: Preview, admin: Admin) -> None:
    job = preview.ended(preview.post(properties={"timeToLive": "PT1H"}))
    other = preview.ended(preview.post())
    admin.advance(3_601)
    assert preview.call("GET", f"/{job['id']}").status_code == 204
    admin.advance(31 * 86_400)
    assert preview.call("GET", f"/{other['id']}").status_code == 204


def test_the_job_of_another_api_is_not_found_here(preview: Preview, admin: Admin) -> None:
    order = {"api": "azure_batch", "key": "local-cloud-key", "ids": ["of-another-api"]}
    assert admin("POST", "azure/jobs", order)[0] == 201
    assert preview.call("GET", "/of-another-api").status_code == 204


def test_a_compact_text_costs_what_its_successor_prints(preview: Preview) -> None:
    job = preview.ended(preview.post(COMPACT))
    assert job["properties"]["billingDetails"]["neural"] == 29
