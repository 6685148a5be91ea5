"""What is in the results of a batch synthesis: files, summaries, containers, partial failures."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import COMPACT, Batch, Preview, download, flat, ssml, summary, wrapped
from tests.local_cloud.cloud_helpers import Admin

BOUNDARIES = {"wordBoundaryEnabled": True, "sentenceBoundaryEnabled": True}


def container(admin: Admin, **order: Any) -> str:
    status, answer = admin("POST", "containers", {"name": "audiobooks"} | order)
    assert status == 201, answer
    return answer["url"]


def blobs(url: str) -> dict[str, int]:
    listing = requests.get(f"{url}&restype=container&comp=list", timeout=30)
    assert listing.status_code == 200, listing.text
    root = ElementTree.fromstring(listing.text.lstrip("\ufeff"))
    return {
        str(blob.findtext("Name")): int(blob.findtext("Properties/Content-Length") or 0) for blob in root.iter("Blob")
    }


def fetch(url: str, path: str) -> bytes:
    place, _, query = url.partition("?")
    answer = requests.get(f"{place}/{path}?{query}", timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_files_are_numbered_like_the_inputs_and_numbers_are_strings(batch: Batch) -> None:
    job = batch.ended(batch.put(None, ssml("One."), ssml("Two words."), properties=BOUNDARIES))
    files = download(job)
    assert sorted(files) == [
        "0001.sentence.json",
        "0001.wav",
        "0001.word.json",
        "0002.sentence.json",
        "0002.wav",
        "0002.word.json",
        "summary.json",
    ]
    report = summary(files)
    assert report["status"] == "Succeeded"
    assert report["jobID"] != job["id"]
    second = report["results"][1]
    assert second["contents"] == [ssml("Two words.")]
    assert second["audioFileName"] == "0002.wav"
    assert second["wordBoundaryFileName"] == "0002.word.json"
    assert second["sentenceBoundaryFileName"] == "0002.sentence.json"
    assert second["properties"]["sizeInBytes"] == str(len(files["0002.wav"]))
    assert second["properties"]["durationInMilliseconds"].isdecimal()
    assert "billingDetails" not in second


def test_boundaries_are_written_only_when_they_are_asked_for(batch: Batch) -> None:
    job = batch.ended(batch.put(None, properties={"wordBoundaryEnabled": True}))
    assert sorted(download(job)) == ["0001.wav", "0001.word.json", "summary.json"]


def test_an_input_that_cannot_be_spoken_is_named_and_the_others_succeed(batch: Batch) -> None:
    texts = (COMPACT, "<speak><voice name='en-US-JennyNeural'>oops</speak>", ssml("x", voice="en-US-NobodyNeural"))
    job = batch.ended(batch.put(None, *texts))
    properties = job["properties"]
    assert job["status"] == "Succeeded"
    assert (properties["succeededAudioCount"], properties["failedAudioCount"]) == (1, 2)
    assert properties["billingDetails"] == {"neuralCharacters": 29}
    files = download(job)
    assert sorted(files) == ["0001.wav", "summary.json"]
    rows = summary(files)["results"]
    assert [row["status"] for row in rows] == ["Succeeded", "Failed", "Failed"]
    assert "not well-formed" in rows[1]["error"]["message"]
    assert "en-US-NobodyNeural" in rows[2]["error"]["message"]
    assert "audioFileName" not in rows[1]


def test_a_job_without_a_single_success_has_failed_but_says_why(batch: Batch) -> None:
    job = batch.ended(batch.put(None, "no SSML at all"))
    assert job["status"] == "Failed"
    assert "All inputs failed" in job["properties"]["error"]["message"]
    assert job["properties"]["failedAudioCount"] == 1
    assert summary(download(job))["status"] == "Failed"


def test_an_input_with_nothing_to_say_succeeds_without_a_file_of_sentences(batch: Batch) -> None:
    job = batch.ended(batch.put(None, ssml(" ... "), COMPACT, properties=BOUNDARIES))
    assert job["properties"]["succeededAudioCount"] == 2
    files = download(job)
    assert "0001.sentence.json" not in files
    first, second = summary(files)["results"]
    assert first["status"] == "Succeeded"
    assert "sentenceBoundaryFileName" not in first
    assert json.loads(files["0001.word.json"]) == []
    assert second["sentenceBoundaryFileName"] in files


def test_joined_results_are_one_file_whose_offsets_go_on(batch: Batch) -> None:
    texts = [ssml("One two three."), "broken", ssml("Four five.")]
    job = batch.ended(batch.put(None, *texts, properties=BOUNDARIES | {"concatenateResult": True}))
    files = download(job)
    assert sorted(files) == ["0001.sentence.json", "0001.wav", "0001.word.json", "summary.json"]
    joined, failed = summary(files)["results"]
    assert joined["contents"] == [texts[0], texts[2]]
    assert failed["contents"] == ["broken"]
    words = json.loads(files["0001.word.json"])
    assert [word["Text"] for word in words] == ["One", "two", "three", "Four", "five"]
    offsets = [word["AudioOffset"] for word in words]
    assert offsets == sorted(offsets)
    assert offsets[3] > offsets[2]
    alone = download(batch.ended(batch.put(None, texts[0])))
    assert len(files["0001.wav"]) > len(alone["0001.wav"])
    assert (job["properties"]["succeededAudioCount"], job["properties"]["failedAudioCount"]) == (2, 1)


def test_a_destination_container_gets_the_zip_and_the_job_a_relative_path(batch: Batch, admin: Admin) -> None:
    url = container(admin, name="whole-books")
    answer = batch.put(None, properties={"destinationContainerUrl": url, "destinationPath": "books/emma"})
    job = batch.ended(answer)
    assert job["outputs"] == {"result": f"books/emma/{job['id']}/results.zip"}
    assert "destinationContainerUrl" not in job["properties"]
    assert job["outputs"]["result"] in blobs(url)
    assert fetch(url, job["outputs"]["result"])[:2] == b"PK"


def test_results_in_a_container_outlive_the_job(batch: Batch, admin: Admin) -> None:
    url = container(admin, name="kept-books")
    job = batch.ended(batch.put(None, properties={"destinationContainerUrl": url}))
    assert batch.call("DELETE", f"/{job['id']}").status_code == 204
    assert fetch(url, job["outputs"]["result"])


def test_decompressed_results_lie_next_to_each_other(batch: Batch, preview: Preview, admin: Admin) -> None:
    url = container(admin, name="loose-files")
    wanted = {"destinationContainerUrl": url, "decompressOutputFiles": True}
    job = batch.ended(batch.put(None, properties=wanted))
    folder = job["outputs"]["result"]
    assert job["outputs"]["summary"] == f"{folder}/summary.json"
    assert {f"{folder}/0001.wav", f"{folder}/summary.json"} <= set(blobs(url))
    assert json.loads(fetch(url, job["outputs"]["summary"]))["status"] == "Succeeded"
    other = preview.ended(preview.post(properties=wanted))
    assert f"{other['id']}/0001.debug.json" in blobs(url)


def test_a_container_whose_signature_is_over_is_a_bad_request(batch: Batch, admin: Admin) -> None:
    for url in (container(admin, seconds=-60), "no URL"):
        answer = batch.put(None, properties={"destinationContainerUrl": url})
        status, code, message = wrapped(answer)
        assert (status, code) == (400, "BadRequest")
        assert answer.json()["error"]["innererror"] == {"code": "InaccessibleCustomerStorage", "message": message}
        assert url not in message


def test_a_container_whose_signature_is_over_is_a_problem_of_the_model_in_the_preview(
    preview: Preview, admin: Admin
) -> None:
    for url in (container(admin, seconds=-60), "no URL"):
        answer = preview.post(properties={"destinationContainerUrl": url})
        problem = answer.json()
        assert answer.status_code == problem["status"] == 400
        assert list(problem["errors"]) == ["Properties.DestinationContainerUrl"]
        assert problem["title"]
        assert problem["traceId"]


@pytest.mark.parametrize("order", [{"permissions": "rl"}, {"permissions": "w"}])
def test_a_container_that_may_not_be_written_and_listed_fails_the_job(
    batch: Batch, admin: Admin, order: dict[str, Any]
) -> None:
    job = batch.ended(batch.put(None, properties={"destinationContainerUrl": container(admin, **order)}))
    assert job["status"] == "Failed"
    assert job["properties"]["error"]["code"] == "InaccessibleCustomerStorage"


def test_a_container_of_somebody_else_fails_the_job(preview: Preview, admin: Admin) -> None:
    url = container(admin).replace("sig=", "sig=x")
    job = preview.ended(preview.post(properties={"destinationContainerUrl": url}))
    assert job["properties"]["error"]["code"] == "InaccessibleCustomerStorage"
    assert "outputs" not in job


@pytest.mark.parametrize("path", ["../up", "a/../../b", "/", "a//b"])
def test_results_stay_inside_their_container(batch: Batch, admin: Admin, path: str) -> None:
    wanted = {"destinationContainerUrl": container(admin), "destinationPath": path}
    assert batch.put(None, properties=wanted).status_code == 400


def test_a_name_that_is_no_name_of_a_container_is_refused(admin: Admin) -> None:
    assert admin("POST", "containers", {"name": "../etc"})[0] == 400
    assert admin("POST", "containers", {})[0] == 400


def test_decompressing_needs_a_container(preview: Preview) -> None:
    assert "destinationContainerUrl" in flat(preview.post(properties={"decompressOutputFiles": True}))[2]


def test_many_inputs_make_as_many_files_in_order(batch: Batch, cloud: LocalCloud) -> None:
    texts = [f"Sentence {number}." for number in range(1, 201)]
    job = batch.ended(batch.plain(None, *texts, properties={"outputFormat": "raw-8khz-16bit-mono-pcm"}))
    rows = summary(download(job))["results"]
    assert [row["contents"][0] for row in rows] == texts
    assert [row["audioFileName"] for row in rows] == [f"{number:04}.raw" for number in range(1, 201)]
