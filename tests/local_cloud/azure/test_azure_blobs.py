"""Result blobs: signed URLs that need no key, expire, and die with their job."""

from __future__ import annotations

import requests

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import Batch, Preview, download
from tests.local_cloud.cloud_helpers import Admin


def code(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert answer.headers["x-ms-request-id"]
    return answer.status_code, answer.headers["x-ms-error-code"]


def test_a_url_is_good_for_twelve_hours_and_a_new_one_after_that(preview: Preview, admin: Admin) -> None:
    job = preview.ended(preview.post())
    url = job["outputs"]["result"]
    admin.advance(12 * 3_600 - 60)
    assert requests.get(url, timeout=30).status_code == 200
    admin.advance(120)
    assert code(requests.get(url, timeout=30)) == (403, "AuthenticationFailed")
    assert download(preview.call("GET", f"/{job['id']}").json())


def test_a_url_leads_nowhere_once_the_job_is_deleted_or_over(batch: Batch, admin: Admin) -> None:
    deleted, over = batch.ended(batch.put()), batch.ended(batch.put(properties={"timeToLiveInHours": 1}))
    batch.call("DELETE", f"/{deleted['id']}")
    assert code(requests.get(deleted["outputs"]["result"], timeout=30)) == (404, "BlobNotFound")
    admin.advance(3_601)
    assert code(requests.get(over["outputs"]["result"], timeout=30)) == (404, "BlobNotFound")


def test_a_url_that_was_tampered_with_opens_nothing(batch: Batch) -> None:
    job, other = batch.ended(batch.put()), batch.ended(batch.put())
    url = job["outputs"]["result"]
    for changed in (
        url.replace("se=2", "se=3"),
        url.replace("sig=", "sig=A"),
        url.replace(job["id"], other["id"]),
        url.partition("?")[0],
        url.replace("results.zip", "%2e%2e/results.zip"),
    ):
        assert code(requests.get(changed, timeout=30)) == (403, "AuthenticationFailed")


def test_a_key_that_reaches_blob_storage_is_counted(batch: Batch, admin: Admin) -> None:
    url = batch.ended(batch.put())["outputs"]["result"]
    before = admin.get("requests")["azure_blob"]["keys_sent"]
    assert requests.get(url, timeout=30).status_code == 200
    assert admin.get("requests")["azure_blob"]["keys_sent"] == before
    assert requests.get(url, headers={"Ocp-Apim-Subscription-Key": "local-cloud-key"}, timeout=30).status_code == 200
    assert requests.get(url, headers={"Authorization": "Bearer x"}, timeout=30).status_code == 200
    assert admin.get("requests")["azure_blob"]["keys_sent"] == before + 2


def test_the_size_can_be_asked_for_without_the_content(batch: Batch) -> None:
    url = batch.ended(batch.put())["outputs"]["result"]
    head = requests.head(url, timeout=30)
    assert int(head.headers["Content-Length"]) == len(requests.get(url, timeout=30).content)


def test_the_folder_of_a_deleted_job_is_empty_on_disk_too(batch: Batch, cloud: LocalCloud) -> None:
    assert cloud._folder is not None
    job = batch.ended(batch.put())
    blobs = cloud._folder / "blobs"
    assert list(blobs.rglob("results.zip"))
    batch.call("DELETE", f"/{job['id']}")
    assert not list(blobs.rglob(f"{job['id']}/*"))
