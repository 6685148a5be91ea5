"""Failures that were ordered for Azure happen as ordered, and then no more."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from http.client import IncompleteRead
from typing import Any

import pytest
import requests

from include.local_cloud.faults import KINDS
from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import Batch, Preview, bill, download, flat, new_id, ssml, summary, wrapped
from tests.local_cloud.azure.long_audio_client import LongAudio
from tests.local_cloud.cloud_helpers import Admin

BATCH = "azure_batch"
BOUNDARIES = {"wordBoundaryEnabled": True, "sentenceBoundaryEnabled": True}


def test_throttling_says_when_to_come_back_and_costs_nothing(batch: Batch, admin: Admin) -> None:
    before = bill(admin)
    admin.order("throttle", service=BATCH, operation="CreateBatchSynthesis", seconds=7)
    assert batch.call("GET").status_code == 200
    answer = batch.put()
    assert wrapped(answer)[:2] == (429, "TooManyRequests")
    assert answer.headers["Retry-After"] == "7"
    assert bill(admin) == before
    assert batch.put().status_code == 201


def test_a_server_error_has_the_shape_of_its_api(batch: Batch, preview: Preview, admin: Admin) -> None:
    admin.order("error_500", service=BATCH)
    assert wrapped(batch.put())[:2] == (500, "InternalServerError")
    admin.order("error_500", service="azure_batch_preview")
    assert flat(preview.post())[:2] == (500, "InternalServerError")


def test_a_dropped_reply_was_accepted(batch: Batch, admin: Admin) -> None:
    job_id = new_id()
    admin.order("drop_reply", service=BATCH, operation="CreateBatchSynthesis")
    with pytest.raises(requests.ConnectionError):
        batch.put(job_id)
    assert batch.get(job_id).json()["id"] == job_id
    assert batch.put(job_id).status_code == 400


def test_a_proxy_answers_in_html(batch: Batch, admin: Admin) -> None:
    admin.order("garbage_reply", service=BATCH)
    job_id = new_id()
    answer = batch.put(job_id)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert batch.get(job_id).status_code == 404


def test_a_job_fails_with_the_ordered_reason_and_costs_nothing(batch: Batch, admin: Admin) -> None:
    before = bill(admin)[BATCH]["characters"]
    admin.order("fail", service=BATCH, reason="The voice is hoarse.")
    job = batch.ended(batch.put())
    assert job["status"] == "Failed"
    assert job["properties"]["error"]["message"] == "The voice is hoarse."
    assert "outputs" not in job
    assert bill(admin)[BATCH]["characters"] == before


def test_as_many_inputs_fail_as_were_ordered_and_are_not_billed(batch: Batch, admin: Admin) -> None:
    admin.order("partial_failure", service=BATCH, count=2, reason="The reader coughed.")
    job = batch.ended(batch.plain(None, "One.", "Two.", "Three."))
    properties = job["properties"]
    assert (properties["succeededAudioCount"], properties["failedAudioCount"]) == (1, 2)
    assert properties["billingDetails"] == {"neuralCharacters": 6}
    rows = summary(download(job))["results"]
    assert [row["status"] for row in rows] == ["Failed", "Failed", "Succeeded"]
    assert rows[0]["error"]["message"] == "The reader coughed."
    assert admin.get("faults") == {"faults": []}


def test_the_input_that_fails_can_be_chosen_by_its_text(preview: Preview, admin: Admin) -> None:
    admin.order("partial_failure", service="azure_batch_preview", match_text="whale")
    job = preview.ended(preview.post(ssml("A ship."), ssml("A white whale."), ssml("A whale again.")))
    assert [row["status"] for row in summary(download(job))["results"]] == ["Succeeded", "Failed", "Succeeded"]


def test_a_truncated_zip_cannot_be_opened(batch: Batch, admin: Admin) -> None:
    admin.order("truncated_zip", service=BATCH)
    job = batch.ended(batch.put())
    assert job["status"] == "Succeeded"
    content = requests.get(job["outputs"]["result"], timeout=30).content
    assert content
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(content))


def test_a_download_that_breaks_off_is_followed_by_a_whole_one(batch: Batch, admin: Admin) -> None:
    url = batch.ended(batch.put())["outputs"]["result"]
    whole = requests.get(url, timeout=30).content
    admin.order("truncated_download", service=BATCH, count=2)
    # Asking for the size, or being refused, is no download.
    assert requests.head(url, timeout=30).status_code == 200
    assert requests.get(url.replace("sig=", "sig=A"), timeout=30).status_code == 403
    for _ in range(2):
        answer = urllib.request.urlopen(url, timeout=30)
        assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(whole))
        with pytest.raises(IncompleteRead) as cut:
            answer.read()
        assert cut.value.partial == whole[: len(whole) // 2]
    assert requests.get(url, timeout=30).content == whole
    assert admin.get("faults") == {"faults": []}


def test_only_downloads_of_the_service_that_was_named_break_off(
    cloud: LocalCloud, batch: Batch, preview: Preview, admin: Admin
) -> None:
    newest, older = batch.ended(batch.put()), preview.ended(preview.post())
    long_audio = LongAudio(cloud.speech_url)
    long_job = long_audio.created()
    long_audio.ended(long_job)
    admin.order("truncated_download", service="azure_long_audio", operation="GetBlob")
    assert download(newest)
    assert download(older)
    # The script is no result.
    assert long_audio.script(long_job)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        long_audio.result(long_job)
    assert long_audio.result(long_job)
    admin.order("truncated_download", service="azure_batch_preview")
    assert download(newest)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        download(older)


def test_an_expired_url_is_followed_by_a_good_one(batch: Batch, admin: Admin) -> None:
    job = batch.ended(batch.put())
    admin.order("expired_url", service=BATCH)
    first = batch.get(job["id"]).json()["outputs"]["result"]
    refused = requests.get(first, timeout=30)
    assert refused.status_code == 403
    assert "<Code>AuthenticationFailed</Code>" in refused.text
    assert "Signature not valid in the specified time frame" in refused.text
    assert download(batch.get(job["id"]).json())


def test_a_missing_file_of_sentences_is_not_named_either(batch: Batch, admin: Admin) -> None:
    admin.order("missing_sentence_file", service=BATCH)
    files = download(batch.ended(batch.put(None, properties=BOUNDARIES)))
    assert sorted(files) == ["0001.wav", "0001.word.json", "summary.json"]
    assert "sentenceBoundaryFileName" not in summary(files)["results"][0]


def test_a_stuck_job_starts_when_its_seconds_are_over(batch: Batch, admin: Admin) -> None:
    admin.order("stuck_not_started", service=BATCH, seconds=600)
    answer = batch.put()
    batch.ended(batch.put())
    assert batch.get(answer.json()["id"]).json()["status"] == "NotStarted"
    admin.advance(600)
    assert batch.ended(answer)["status"] == "Succeeded"


def test_a_job_can_carry_several_faults(batch: Batch, admin: Admin) -> None:
    admin.order("missing_sentence_file", service=BATCH)
    admin.order("stuck_not_started", service=BATCH, seconds=0)
    admin.order("partial_failure", service=BATCH, match_text="Two.")
    job = batch.ended(batch.plain(None, "One.", "Two.", properties=BOUNDARIES))
    assert sorted(download(job)) == ["0001.wav", "0001.word.json", "summary.json"]
    assert [entry["faults"] for entry in admin.get("azure/jobs")["jobs"] if entry["id"] == job["id"]] == [
        ["missing_sentence_file", "partial_failure", "stuck_not_started"]
    ]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ({"kind": "truncated_zip", "service": "polly"}, "polly"),
        ({"kind": "object_late", "service": BATCH}, BATCH),
        ({"kind": "fail", "service": BATCH, "operation": "GetBatchSynthesis"}, "CreateBatchSynthesis"),
        ({"kind": "expired_url", "service": BATCH, "operation": "CreateBatchSynthesis"}, "GetBatchSynthesis"),
        ({"kind": "throttle", "service": BATCH, "operation": "ListBatchSyntheses", "match_text": "x"}, "no text"),
        ({"kind": "throttle", "service": BATCH, "operation": "StartSpeechSynthesisTask"}, "GetOperation"),
        ({"kind": "truncated_download", "service": BATCH, "operation": "GetBatchSynthesis"}, "GetBlob"),
        ({"kind": "truncated_download", "service": BATCH, "match_text": "x"}, "no text"),
        ({"kind": "truncated_download", "service": "azure_voices"}, "azure_voices"),
        ({"kind": "throttle", "service": BATCH, "operation": "GetBlob"}, "GetOperation"),
        ({"kind": "expired_url", "service": BATCH, "match_text": "x"}, "no text"),
        ({"kind": "throttle", "service": "azure_voices", "match_text": "x"}, "no text"),
    ],
)
def test_an_order_that_can_never_hit_is_refused(admin: Admin, order: dict[str, Any], names: str) -> None:
    status, answer = admin("POST", "faults", order)
    assert status == 400
    assert names in answer["message"]
    assert answer["kinds"] == list(KINDS)


@pytest.mark.parametrize(
    "order",
    [
        {"api": "polly", "key": "local-cloud-key"},
        {"api": BATCH},
        {"api": BATCH, "key": "short"},
        {"api": BATCH, "key": "local-cloud-key", "count": 0},
        {"api": BATCH, "key": "local-cloud-key", "status": "Lost"},
        {"api": BATCH, "key": "local-cloud-key", "ids": ["twice", "twice"]},
        {"api": BATCH, "key": "local-cloud-key", "created_from": 1e12},
        {"api": BATCH, "key": "local-cloud-key", "often": True},
        [],
    ],
)
def test_an_order_for_jobs_that_makes_no_sense_is_refused(admin: Admin, order: Any) -> None:
    status, answer = admin("POST", "azure/jobs", order)
    assert status == 400
    assert "api" in answer["message"]


def test_seeded_jobs_have_the_names_status_and_ages_that_were_asked_for(admin: Admin, preview: Preview) -> None:
    now = admin.get("clock")["now"]
    order = {
        "api": "azure_batch_preview",
        "key": "a-key-for-seeds",
        "display_names": ["one", "two", "three"],
        "status": "Failed",
        "created_from": now - 3_000,
        "created_to": now - 1_000,
    }
    assert admin("POST", "azure/jobs", order)[0] == 201
    seeded = [job for job in admin.get("azure/jobs")["jobs"] if job["displayName"] in {"one", "two", "three"}]
    assert [now - job["created"] for job in seeded] == pytest.approx([3_000, 2_000, 1_000])
    other = Preview(preview.url, key="a-key-for-seeds")
    assert {job["status"] for job in other.call("GET").json()["values"]} == {"Failed"}


def test_seeded_jobs_can_be_taken_out_again_and_others_stay(admin: Admin, preview: Preview) -> None:
    api = "azure_batch_preview"
    other = Preview(preview.url, key="a-key-for-removals")
    real = other.ended(other.post())["id"]
    admin("POST", "azure/jobs", {"api": api, "key": "a-key-for-removals", "count": 3, "status": "Running"})
    assert len(other.call("GET").json()["values"]) == 4
    assert admin("DELETE", "azure/jobs", {"api": api, "key": "a-key-for-removals"}) == (200, {"removed": 3})
    assert [job["id"] for job in other.call("GET").json()["values"]] == [real]
    assert admin("DELETE", "azure/jobs", {"api": api})[0] == 400
