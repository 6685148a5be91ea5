"""Batch synthesis 2024-04-01: the life of a job and what the API shows of it."""

from __future__ import annotations

import re
import time
from typing import Any

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import COMPACT, INDENTED, Batch, bill, new_id, wrapped
from tests.local_cloud.cloud_helpers import Admin

TICKS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}")


def test_a_job_is_created_under_the_id_that_the_client_chose(batch: Batch, cloud: LocalCloud) -> None:
    answer = batch.put("my-Job_1.x", description="a book")
    assert answer.status_code == 201
    entity = answer.json()
    created, acted = entity.pop("createdDateTime"), entity.pop("lastActionDateTime")
    assert TICKS.fullmatch(created.removesuffix("Z"))
    assert created.endswith("Z")
    assert acted.endswith("Z")
    assert entity == {
        "id": "my-Job_1.x",
        "status": "NotStarted",
        "inputKind": "SSML",
        "customVoices": {},
        "description": "a book",
        "properties": {
            "timeToLiveInHours": 168,
            "outputFormat": "riff-24khz-16bit-mono-pcm",
            "concatenateResult": False,
            "decompressOutputFiles": False,
            "wordBoundaryEnabled": False,
            "sentenceBoundaryEnabled": False,
        },
    }
    operation = answer.headers["operation-id"]
    link = f"{cloud.speech_url}/texttospeech/operations/{operation}?api-version=2024-04-01"
    assert answer.headers["operation-location"] == link
    assert batch("GET", link).json()["id"] == operation


def test_a_finished_job_says_what_it_made_and_what_it_cost(batch: Batch) -> None:
    answer = batch.put(None, COMPACT, INDENTED)
    job = batch.ended(answer)
    properties = job["properties"]
    assert job["status"] == "Succeeded"
    assert (properties["succeededAudioCount"], properties["failedAudioCount"]) == (2, 0)
    assert properties["billingDetails"] == {"neuralCharacters": 29 + 33}
    assert properties["sizeInBytes"] > 10_000
    assert properties["durationInMilliseconds"] > 1_000
    assert "/blob/speechservice/batchsynthesis-output/" in job["outputs"]["result"]
    assert f"/{job['id']}/results.zip?" in job["outputs"]["result"]
    operation = batch("GET", answer.headers["operation-location"]).json()
    assert operation == {"id": answer.headers["operation-id"], "status": "Succeeded"}


def test_get_and_list_leave_the_zone_of_the_last_action_out(batch: Batch) -> None:
    job = batch.ended(batch.put())
    assert TICKS.fullmatch(job["lastActionDateTime"])
    assert job["createdDateTime"].endswith("Z")
    listed = batch.call("GET", params={"maxpagesize": 1}).json()["value"][0]
    assert TICKS.fullmatch(listed["lastActionDateTime"])


def test_inputs_and_containers_are_never_returned(batch: Batch) -> None:
    job = batch.ended(batch.put(None, "<speak>unheard</speak>"))
    assert "inputs" not in job
    assert "unheard" not in str(job)


def test_names_and_enumerations_may_have_any_letter_case(batch: Batch) -> None:
    body = {
        "InputKind": "Ssml",
        "Inputs": [{"Content": COMPACT}],
        "SynthesisConfig": {"Voice": "en-US-JennyNeural"},
        "Properties": {"OutputFormat": "RIFF-8khz-16bit-Mono-PCM", "TimeToLiveInHours": 5},
    }
    answer = batch.call("PUT", f"/{new_id()}", json=body)
    entity = answer.json()
    assert entity["inputKind"] == "SSML"
    assert entity["synthesisConfig"] == {"voice": "en-US-JennyNeural"}
    assert entity["properties"]["outputFormat"] == "riff-8khz-16bit-mono-pcm"
    assert entity["properties"]["timeToLiveInHours"] == 5


def test_a_path_may_end_in_a_slash(batch: Batch) -> None:
    assert batch.call("GET", "/").status_code == 200


def test_pages_lead_to_each_other_and_hold_every_job_once(cloud: LocalCloud) -> None:
    batch = Batch(cloud.speech_url, key="a-key-for-pages")
    ids = [batch.put().json()["id"] for _ in range(5)]
    seen: list[str] = []
    answer: dict[str, Any] = batch.call("GET", params={"maxpagesize": 2, "skip": 1}).json()
    while True:
        seen += [job["id"] for job in answer["value"]]
        if "nextLink" not in answer:
            break
        assert "api-version=2024-04-01" in answer["nextLink"]
        answer = batch("GET", answer["nextLink"]).json()
    assert seen == ids[1:]


def test_resources_do_not_see_each_other(cloud: LocalCloud, batch: Batch) -> None:
    job_id = batch.put().json()["id"]
    other = Batch(cloud.speech_url, key="another-resource")
    assert wrapped(other.get(job_id))[:2] == (404, "NotFound")
    assert other.put(job_id).status_code == 201


def test_a_deleted_job_is_gone_with_its_operation(batch: Batch) -> None:
    answer = batch.put()
    job = batch.ended(answer)
    assert batch.call("DELETE", f"/{job['id']}").status_code == 204
    assert batch.get(job["id"]).status_code == 404
    assert batch("GET", answer.headers["operation-location"]).status_code == 404
    assert batch.call("DELETE", f"/{job['id']}").status_code == 204


def test_the_id_of_a_deleted_job_is_free_again(batch: Batch) -> None:
    job = batch.ended(batch.put())
    batch.call("DELETE", f"/{job['id']}")
    assert batch.put(job["id"]).status_code == 201


def test_a_job_lives_as_long_as_it_asked_for(batch: Batch, admin: Admin) -> None:
    short = batch.ended(batch.put(properties={"timeToLiveInHours": 1}))
    long = batch.ended(batch.put(properties={"timeToLiveInHours": 744}))
    admin.advance(3_601)
    assert batch.get(short["id"]).status_code == 404
    assert batch.get(long["id"]).status_code == 200
    admin.advance(744 * 3_600)
    assert batch.get(long["id"]).status_code == 404


def test_the_same_operation_id_with_the_same_request_is_one_job(batch: Batch, admin: Admin) -> None:
    before = bill(admin)["azure_batch"]["jobs"]
    job_id, headers = new_id(), {"Operation-Id": "operation-one"}
    first = batch.put(job_id, headers=headers)
    again = batch.put(job_id, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.headers["operation-id"] == again.headers["operation-id"] == "operation-one"
    assert bill(admin)["azure_batch"]["jobs"] == before + 1


def test_the_same_operation_id_with_another_request_is_refused(batch: Batch) -> None:
    headers = {"Operation-Id": "operation-two"}
    batch.put(headers=headers)
    status, code, message = wrapped(batch.put(headers=headers))
    assert (status, code) == (400, "BadRequest")
    assert "operation-two" in message


def test_an_id_that_exists_is_refused_by_name(batch: Batch) -> None:
    job_id = new_id()
    batch.put(job_id)
    status, code, message = wrapped(batch.put(job_id))
    assert (status, code) == (400, "BadRequest")
    assert job_id in message


def test_a_token_stands_for_the_key_for_ten_minutes(cloud: LocalCloud, batch: Batch, admin: Admin) -> None:
    job_id = batch.put().json()["id"]
    token = batch("POST", "/sts/v1.0/issueToken").text
    bearer = Batch(cloud.speech_url, key=None, headers={"Authorization": f"Bearer {token}"})
    assert bearer.get(job_id).status_code == 200
    admin.advance(601)
    assert wrapped(bearer.get(job_id))[:2] == (401, "Unauthorized")
    assert wrapped(Batch(cloud.speech_url, key=None, headers={"Authorization": "Bearer x.y.z"}).get(job_id))[0] == 401


def test_a_directory_token_leads_to_the_same_resource(cloud: LocalCloud, batch: Batch) -> None:
    job_id = batch.put().json()["id"]
    bearer = Batch(cloud.speech_url, key=None, headers={"Authorization": "Bearer entra-local-cloud-key"})
    assert bearer.get(job_id).status_code == 200


def test_a_job_is_billed_at_its_end_and_only_for_what_succeeded(batch: Batch, admin: Admin) -> None:
    before = bill(admin)["azure_batch"]
    batch.ended(batch.put(None, COMPACT, "<speak>broken"))
    after = bill(admin)["azure_batch"]
    assert (after["jobs"] - before["jobs"], after["characters"] - before["characters"]) == (1, 29)


def test_thousands_of_seeded_jobs_appear_in_a_second_and_cost_nothing(cloud: LocalCloud, admin: Admin) -> None:
    before = bill(admin)
    started = time.monotonic()
    order = {"api": "azure_batch", "key": "a-key-for-load", "count": 5_000, "id_prefix": "load"}
    assert admin("POST", "azure/jobs", order) == (201, {"seeded": 5_000})
    assert time.monotonic() - started < 5
    batch = Batch(cloud.speech_url, key="a-key-for-load")
    page = batch.call("GET", params={"skip": 4_950}).json()
    assert [job["id"] for job in page["value"]] == [f"load-{number:06}" for number in range(4_950, 5_000)]
    assert batch.call("DELETE", "/load-000000").status_code == 204
    assert bill(admin) == before
