"""How often a resource may call, how many jobs it may have, and how long they take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from include.local_cloud.azure.api import latency
from include.local_cloud.azure.quotas import AzureQuotas
from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import DOCUMENTED, FAST
from tests.local_cloud.azure.batch_client import Batch, Preview, flat, wrapped
from tests.local_cloud.azure.conftest import quotas
from tests.local_cloud.cloud_helpers import Admin, eventually, frozen_clock

NewCloud = Callable[..., LocalCloud]


def test_both_presets_have_the_documented_limits() -> None:
    for preset in (FAST, DOCUMENTED):
        windows = {name: (window.requests, window.seconds) for name, window in preset.azure.requests.items()}
        assert windows == {"azure_batch": (100, 10), "azure_batch_preview": (50, 5), "azure_long_audio": (5, 1)}
        assert preset.azure.active_jobs == {"azure_batch": None, "azure_batch_preview": 200, "azure_long_audio": 120}
        assert preset.azure.stored_jobs["azure_long_audio"] == 20_000
        assert preset.azure.inputs == {"azure_batch": 10_000, "azure_batch_preview": 1_000, "azure_long_audio": 10_000}


def test_a_hundred_requests_in_ten_seconds_and_then_a_wait(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(preset=FAST, clock=frozen_clock())
    batch, admin = Batch(cloud.speech_url), Admin(cloud.speech_url)
    for _ in range(99):
        assert batch.call("GET").status_code == 200
    admin.advance(4)
    assert batch.call("GET").status_code == 200
    refused = batch.put()
    assert wrapped(refused)[:2] == (429, "TooManyRequests")
    assert refused.headers["Retry-After"] == "6"
    assert Batch(cloud.speech_url, key="another-resource").call("GET").status_code == 200
    admin.advance(6)
    assert batch.call("GET").status_code == 200
    calls = admin.get("requests")["azure_batch"]
    assert calls["CreateBatchSynthesis"] == {"calls": 1, "throttled": 1, "errors": 0}


def test_the_preview_says_on_every_answer_what_is_left(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(preset=FAST, clock=frozen_clock())
    preview, admin = Preview(cloud.speech_url), Admin(cloud.speech_url)
    left = []
    for _ in range(50):
        answer = preview.call("GET", params={"top": 1})
        assert answer.headers["X-RateLimit-Limit"] == "50"
        left.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert left == list(range(49, -1, -1))
    refused = preview.call("GET")
    assert flat(refused)[:2] == (429, "TooManyRequests")
    assert "innerError" not in refused.json()
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["Retry-After"] == "5"
    reset = datetime.fromisoformat(refused.headers["X-RateLimit-Reset"]).timestamp()
    assert reset == admin.get("clock")["now"] + 5
    admin.advance(5)
    unclear = preview.call("GET", params={"top": 500})
    assert unclear.status_code == 400
    assert unclear.headers["X-RateLimit-Remaining"] == "49"


def test_two_hundred_jobs_of_the_preview_may_be_active(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud()
    preview, admin = Preview(cloud.speech_url), Admin(cloud.speech_url)
    order = {"api": "azure_batch_preview", "key": "local-cloud-key", "count": 199, "status": "Running"}
    assert admin("POST", "azure/jobs", order)[0] == 201
    admin.order("stuck_not_started", service="azure_batch_preview", seconds=60)
    stuck = preview.post()
    assert stuck.status_code == 201
    status, code, message = flat(preview.post())
    assert (status, code) == (400, "InvalidRequest")
    assert "limit of 200" in message
    admin.advance(61)
    preview.ended(stuck)
    assert preview.post().status_code == 201


def test_active_jobs_of_the_newest_api_are_limited_only_by_a_setting(azure_cloud: NewCloud) -> None:
    limits = AzureQuotas().active_jobs | {"azure_batch": 1}
    cloud = azure_cloud(preset=quotas(active_jobs=limits))
    batch, admin = Batch(cloud.speech_url), Admin(cloud.speech_url)
    admin.order("stuck_not_started", service="azure_batch")
    assert batch.put().status_code == 201
    refused = batch.put()
    assert wrapped(refused)[:2] == (429, "TooManyRequests")
    assert refused.headers["Retry-After"]


def test_latencies_follow_the_guidance() -> None:
    drawn = sorted(latency(AzureQuotas(), job_id=str(number)) for number in range(2_000))
    assert 10 <= drawn[1_000] <= 20
    assert 100 <= drawn[1_900] <= 140
    assert latency(FAST.azure, job_id="any") == 0


def test_a_job_is_not_started_then_running_then_over(azure_cloud: NewCloud) -> None:
    cloud = azure_cloud(clock=frozen_clock(), preset=quotas(median_seconds=30.0, slow_seconds=30.1))
    batch, admin = Batch(cloud.speech_url), Admin(cloud.speech_url)
    job_id = batch.put().json()["id"]
    assert batch.get(job_id).json()["status"] == "NotStarted"
    admin.advance(12)
    eventually(lambda: batch.get(job_id).json()["status"] == "Running")
    admin.advance(20)
    eventually(lambda: batch.get(job_id).json()["status"] == "Succeeded")
