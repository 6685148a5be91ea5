"""Jobs, results and signatures outlive the server."""

from __future__ import annotations

from collections.abc import Callable

import requests

from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.server import LocalCloud
from include.local_cloud.speech import SpeechRequest
from tests.cloud_process import tone
from tests.local_cloud.azure.batch_client import COMPACT, Batch, Preview, download, flat, new_id, wrapped
from tests.local_cloud.azure.blob_client import account
from tests.local_cloud.azure.conftest import quotas
from tests.local_cloud.cloud_helpers import Admin, eventually

NewCloud = Callable[..., LocalCloud]


def test_an_unfinished_job_goes_on_and_is_billed_once(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(preset=quotas(median_seconds=3_600.0, slow_seconds=3_600.1))
    accepted = Batch(cloud.speech_url).put("survivor")
    assert accepted.status_code == 201
    assert Admin(cloud.speech_url).get("bill")["azure_batch"] == {"jobs": 1, "characters": 0}
    cloud = azure_cloud()
    Admin(cloud.speech_url).advance(3_700)
    batch = Batch(cloud.speech_url)
    assert batch.ended(accepted)["status"] == "Succeeded"
    assert Admin(cloud.speech_url).get("bill")["azure_batch"] == {"jobs": 1, "characters": 29}
    assert batch.put("survivor").status_code == 400


def test_a_job_that_was_being_made_is_made_again(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(preset=quotas(median_seconds=3_600.0, slow_seconds=3_600.1))
    batch = Batch(cloud.speech_url)
    accepted = batch.put(None, COMPACT, COMPACT)
    Admin(cloud.speech_url).advance(1_300)
    eventually(lambda: batch.get(accepted.json()["id"]).json()["status"] == "Running")
    cloud = azure_cloud()
    Admin(cloud.speech_url).advance(3_600)
    job = Batch(cloud.speech_url).ended(accepted)
    assert job["properties"]["succeededAudioCount"] == 2
    assert sorted(download(job)) == ["0001.wav", "0002.wav", "summary.json"]


def test_a_result_and_a_token_outlive_a_restart(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud()
    batch = Batch(cloud.speech_url)
    job = batch.ended(batch.put())
    token = batch("POST", "/sts/v1.0/issueToken").text
    url = job["outputs"]["result"]
    before = cloud.speech_url
    cloud = azure_cloud()
    assert requests.get(url.replace(before, cloud.speech_url), timeout=30).status_code == 200
    bearer = Batch(cloud.speech_url, key=None, headers={"Authorization": f"Bearer {token}"})
    assert bearer.get(job["id"]).status_code == 200


def test_a_full_disk_delays_a_job_and_fails_nothing(azure_cloud: NewCloud) -> None:
    full = [OSError(28, "No space left on device")]

    def speak(request: SpeechRequest) -> bytes:
        if full:
            raise full[0]
        return tone(request)

    cloud = azure_cloud(render=speak)
    batch, admin = Batch(cloud.speech_url), Admin(cloud.speech_url)
    accepted = batch.put(None, COMPACT, COMPACT)
    eventually(lambda: admin.get("health")["status"] == "degraded")
    assert batch.get(accepted.json()["id"]).json()["status"] == "Running"
    full.clear()
    admin.advance(6)
    job = batch.ended(accepted)
    assert (job["properties"]["succeededAudioCount"], job["properties"]["failedAudioCount"]) == (2, 0)
    assert admin.get("bill")["azure_batch"] == {"jobs": 1, "characters": 58}
    assert admin.get("health")["status"] == "ok"


def test_other_readings_can_be_taken(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(
        azure_readings=AzureReadings(
            free_tier="forbidden",
            preview_unknown_job="404",
            batch_unknown_get="204",
            batch_unknown_delete="404",
            batch_repeated_put="conflict",
            batch_first_status="Running",
            batch_time_to_live="744",
            batch_list_key="values",
            list_order="newest_first",
            all_inputs_failed="Succeeded",
            ssml_white_space="literal",
        )
    )
    batch, preview = Batch(cloud.speech_url), Preview(cloud.speech_url)
    assert wrapped(Batch(cloud.speech_url, key="f0-local-cloud-key").put())[:2] == (403, "Forbidden")
    assert flat(preview.call("GET", "/unknown"))[:2] == (404, "NotFound")
    assert batch.get("unknown").status_code == 204
    assert wrapped(batch.call("DELETE", "/unknown"))[:2] == (404, "NotFound")
    job_id = new_id()
    created = batch.put(job_id).json()
    assert created["status"] == "Running"
    assert created["properties"]["timeToLiveInHours"] == 744
    assert wrapped(batch.put(job_id))[:2] == (409, "Conflict")
    newest = batch.put(None, "broken").json()["id"]
    assert [job["id"] for job in batch.call("GET").json()["values"]] == [newest, job_id]
    assert batch.ended(batch.put(None, "broken"))["status"] == "Succeeded"
    # 29 characters and the 20 of the indentation.
    assert preview.ended(preview.post())["properties"]["billingDetails"]["neural"] == 49


def test_a_customers_storage_account_outlives_the_server(azure_cloud: NewCloud) -> None:
    container = account(azure_cloud()).create_container("books", metadata={"owner": "desk"})
    container.upload_blob("a/1.txt", b"words", metadata={"x": "1"})
    before = container.get_blob_client("a/1.txt").get_blob_properties()
    container.get_blob_client("parts").stage_block("1", b"one")
    container = account(azure_cloud()).get_container_client("books")
    assert container.get_container_properties().metadata == {"owner": "desk"}
    after = container.get_blob_client("a/1.txt").get_blob_properties()
    assert (after.etag, after.last_modified, after.metadata) == (before.etag, before.last_modified, {"x": "1"})
    assert container.download_blob("a/1.txt").readall() == b"words"
    container.get_blob_client("parts").commit_block_list(["1"])
    assert container.download_blob("parts").readall() == b"one"


def test_bytes_that_no_blob_refers_to_are_removed_at_the_start(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud()
    account(cloud).get_container_client("narration").upload_blob("a", b"1")
    assert cloud._folder is not None
    bodies = cloud._folder / "blobs" / "storage-account" / "bodies"
    (bodies / "left-over").write_bytes(b"half")
    azure_cloud()
    assert len(list(bodies.iterdir())) == 1
