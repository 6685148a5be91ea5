"""Long Audio's limits, its bill, and the life of a synthesis; each test has a cloud of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from include.local_cloud.azure.quotas import LONG_AUDIO, AzureQuotas, Window
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import BOM, LongAudio, plain, preset, refusal
from tests.local_cloud.cloud_helpers import Admin, eventually, frozen_clock

SERVICE = {"service": "azure_long_audio"}
IN_USE = (400, "InvalidRequest", "InUseViolation", "The voice synthesis task is still in use.")


def test_a_synthesis_goes_from_not_started_over_running_to_succeeded(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(median_seconds=15.0, slow_seconds=120.0), clock=frozen_clock())
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)
    job_id = api.created()
    first = api("GET", f"/{job_id}")

    assert first.json()["status"] == "NotStarted"
    assert 1 <= int(first.headers["Retry-After"]) <= 10
    assert not {"totalDuration", "billableCharacterCount"} & set(first.json()["properties"])
    assert set(api.files(job_id)) == {"LongAudioSynthesisScript"}
    assert api("GET", f"/{job_id}/files").headers["Retry-After"] == first.headers["Retry-After"]
    assert refusal(api("DELETE", f"/{job_id}")) == IN_USE

    seen = {"NotStarted"}

    def look() -> bool:
        answer = api("GET", f"/{job_id}")
        status = answer.json()["status"]
        if status == "Running" and "Running" not in seen:
            assert "Retry-After" in answer.headers
            assert refusal(api("DELETE", f"/{job_id}")) == IN_USE
        seen.add(status)
        admin.advance(0.5)
        return status == "Succeeded"

    eventually(look)
    assert seen == {"NotStarted", "Running", "Succeeded"}
    assert "Retry-After" not in api("GET", f"/{job_id}").headers
    assert api("DELETE", f"/{job_id}").status_code == 204


def test_an_accepted_synthesis_survives_a_restart_and_is_billed_once(new_cloud: Callable[..., LocalCloud]) -> None:
    slow = preset(median_seconds=3600.0, slow_seconds=7200.0)
    text = BOM + plain().encode()
    job_id = LongAudio(new_cloud(preset=slow).speech_url).created(text)
    cloud = new_cloud(preset=slow)
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)

    assert api.get(job_id)["status"] == "NotStarted"
    admin.advance(86_400)
    assert api.ended(job_id)["status"] == "Succeeded"
    assert api.script(job_id) == text
    assert len(api.result(job_id)) == 21
    assert admin.get("bill")["azure_long_audio"] == {"jobs": 1, "characters": 420}


def test_more_than_five_requests_a_second_are_too_many(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(requests=AzureQuotas().requests), clock=frozen_clock())
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)
    answers = [api("GET", "") for _ in range(4)] + [api.create() for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200] * 4 + [202, 429]
    assert refusal(answers[-1]) == (429, "TooManyRequests", "", "There are too many requests.")
    assert answers[-1].headers["Retry-After"] == "1"
    assert LongAudio(cloud.speech_url, key="key-of-another")("GET", "").status_code == 200
    admin.advance(1)
    assert api("GET", "").json()["values"][0]["displayName"] == "a test"
    assert admin.get("bill")["azure_long_audio"]["jobs"] == 1


def test_active_syntheses_are_limited_until_some_finish(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(active_jobs={LONG_AUDIO: 3}))
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)
    admin.order("stuck_not_started", **SERVICE, count=2, seconds=60)
    jobs = [api.created() for _ in range(3)]
    api.ended(jobs[-1])
    jobs.append(api.created())
    eventually(lambda: api.get(jobs[-1])["status"] == "Succeeded")
    admin.order("stuck_not_started", **SERVICE, seconds=60)
    jobs.append(api.created())
    refused = api.create()

    assert refusal(refused) == (
        429,
        "TooManyRequests",
        "QuotaViolation",
        "Exceed the active voice synthesis limit. Wait until some requests finish.",
    )
    assert "Retry-After" not in refused.headers
    assert LongAudio(cloud.speech_url, key="key-of-another").create().status_code == 202
    admin.advance(61)
    for job_id in jobs:
        api.ended(job_id)
    assert api.create().status_code == 202


def test_stored_syntheses_are_limited_until_some_are_deleted(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(stored_jobs={LONG_AUDIO: 2}))
    api = LongAudio(cloud.speech_url)
    jobs = [api.created() for _ in range(2)]
    message = "Exceed the 2 request limit for the Azure account. Remove some requests before submitting new ones."

    assert refusal(api.create()) == (400, "InvalidRequest", "QuotaViolation", message)
    api.ended(jobs[0])
    assert api("DELETE", f"/{jobs[0]}").status_code == 204
    assert api.create().status_code == 202


def test_the_documented_limits_are_those_of_the_page() -> None:
    documented = AzureQuotas()

    assert documented.requests[LONG_AUDIO] == Window(requests=5, seconds=1)
    assert documented.active_jobs[LONG_AUDIO] == 120
    assert documented.stored_jobs[LONG_AUDIO] == 20_000
    assert documented.inputs[LONG_AUDIO] == 10_000


def test_the_bill_has_one_job_and_what_the_synthesis_says(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset())
    api = LongAudio(cloud.speech_url)
    billed = api.ended(api.created())["properties"]["billableCharacterCount"]

    assert Admin(cloud.speech_url).get("bill")["azure_long_audio"] == {"jobs": 1, "characters": billed}


def test_a_refused_create_costs_nothing(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset())
    api = LongAudio(cloud.speech_url)
    answers = [api.create(b"no mark"), api.create("short"), api.create(voices="en-US-NobodyNeural")]

    assert [answer.status_code for answer in answers] == [400, 400, 404]
    assert Admin(cloud.speech_url).get("bill")["azure_long_audio"] == {"jobs": 0, "characters": 0}
    assert api("GET", "").json() == {"values": []}


def test_a_failed_synthesis_is_a_job_that_costs_no_characters(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset())
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)
    admin.order("fail", **SERVICE)
    api.ended(api.created())

    assert admin.get("bill")["azure_long_audio"] == {"jobs": 1, "characters": 0}


# Where the vendor is silent


def test_a_create_can_be_read_as_the_schema_has_it(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(long_audio_created="201"))
    answer = LongAudio(cloud.speech_url).create()

    assert answer.status_code == 201
    assert answer.json()["id"] == answer.headers["Location"].rpartition("/")[2]


def test_a_delete_of_an_unknown_synthesis_can_be_read_as_an_error(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(long_audio_unknown_delete="404"))

    assert LongAudio(cloud.speech_url)("DELETE", "/8fafd8cd-5f95-4a27-a0ce-59260f873141").status_code == 404


def test_a_change_of_an_unknown_synthesis_can_be_read_as_the_schema_has_it(
    new_cloud: Callable[..., LocalCloud],
) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(long_audio_unknown_patch="409"))
    api = LongAudio(cloud.speech_url)

    for unknown in ("8fafd8cd-5f95-4a27-a0ce-59260f873141", "not-even-a-guid"):
        answer = refusal(api("PATCH", f"/{unknown}", json={}))
        assert answer == (409, "NotFound", "", "The specified entity cannot be found.")
    assert api("PATCH", f"/{api.created()}", json={"displayName": "new"}).status_code == 200
    assert api("GET", "/8fafd8cd-5f95-4a27-a0ce-59260f873141").status_code == 404


def test_a_script_of_nothing_but_ascii_can_go_without_a_mark(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(ascii_without_bom="accept"))
    api = LongAudio(cloud.speech_url)

    assert api.ended(api.created(plain().encode()))["properties"]["billableCharacterCount"] == 420
    assert api.create(BOM + plain().encode()).status_code == 202
    for content in (plain().encode() + "é".encode(), plain().encode("utf-16")):
        assert refusal(api.create(content))[:3] == (400, "InvalidRequest", "NoUtf8WithBom")
    assert refusal(api.create(b""))[:3] == (400, "InvalidRequest", "InvalidPayload")


def test_the_free_tier_can_be_forbidden(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(free_tier="forbidden"))
    status, code, _, message = refusal(LongAudio(cloud.speech_url, key="f0-0123456789").create())

    assert (status, code) == (403, "Forbidden")
    assert "Standard" in message


def test_the_newest_can_be_listed_first(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset(), azure_readings=AzureReadings(list_order="newest_first"))
    api = LongAudio(cloud.speech_url)
    ids = [api.created() for _ in range(3)]

    assert [job["id"] for job in api("GET", "").json()["values"]] == ids[::-1]


# Load tests


def test_jobs_put_there_from_outside_are_listed_and_deleted_like_others(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset())
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url, key="key-of-many-jobs")
    order: dict[str, Any] = {"api": "azure_long_audio", "key": "key-of-many-jobs", "count": 250}
    assert admin("POST", "azure/jobs", order)[0] == 201
    page = api("GET", "").json()
    ids = [job["id"] for job in page["values"]]
    while "@nextLink" in page:
        page = api("GET", page["@nextLink"]).json()
        ids += [job["id"] for job in page["values"]]

    assert len(set(ids)) == len(ids) == 250
    assert api.get(ids[0])["status"] == "Succeeded"
    assert api.files(ids[0]) == {}
    assert api("DELETE", f"/{ids[0]}").status_code == 204
    assert len(api("GET", "", params={"skip": 200}).json()["values"]) == 49


# Containers of customers


def test_a_result_goes_to_the_container_of_the_customer_and_stays_there(new_cloud: Callable[..., LocalCloud]) -> None:
    cloud = new_cloud(preset=preset())
    admin, api = Admin(cloud.speech_url), LongAudio(cloud.speech_url)
    url = admin("POST", "containers", {"name": "my-audio"})[1]["url"]
    job_id = api.created(destinationContainerUrl=url)
    job = api.ended(job_id)
    signature = url.partition("?")[2]
    content = api.files(job_id)["LongAudioSynthesisResult"]["links"]["contentUrl"]

    assert job["status"] == "Succeeded"
    assert job["properties"]["destinationContainerUrl"] == url.partition("?")[0]
    assert "sig=" not in content
    assert requests.get(content, timeout=30).status_code == 403
    assert requests.get(f"{content}?{signature}", timeout=30).content.startswith(b"PK")
    assert api("DELETE", f"/{job_id}").status_code == 204
    assert requests.get(f"{content}?{signature}", timeout=30).status_code == 200


@pytest.mark.parametrize("how", [{"seconds": -1}, {"permissions": "rl"}])
def test_a_container_that_cannot_be_written_is_refused(new_cloud: Callable[..., LocalCloud], how: Any) -> None:
    cloud = new_cloud(preset=preset())
    url = Admin(cloud.speech_url)("POST", "containers", {"name": "my-audio"} | how)[1]["url"]
    answer = LongAudio(cloud.speech_url).create(destinationContainerUrl=url)

    assert refusal(answer)[:3] == (400, "InvalidRequest", "InaccessibleCustomerStorage")
