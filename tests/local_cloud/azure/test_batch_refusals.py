"""Batch synthesis 2024-04-01: what is refused, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import COMPACT, VERSION, Batch, bill, new_id, wrapped
from tests.local_cloud.cloud_helpers import Admin

GUID = "12345678-1234-1234-1234-123456789abc"
JSON = {"Content-Type": "application/json"}


def body(**members: Any) -> dict[str, Any]:
    return {"inputKind": "SSML", "inputs": [{"content": COMPACT}]} | members


@pytest.mark.parametrize(
    ("request_body", "names"),
    [
        ({"inputKind": "SSML"}, "inputs are required"),
        (body(inputs=[]), "inputs are required"),
        (body(inputs=[{"content": ""}]), "content of input 1"),
        (body(inputs=[{"text": COMPACT}]), "content of input 1"),
        (body(inputs=["x"]), "Input 1"),
        ({"inputs": [{"content": "x"}]}, "inputKind is required"),
        (body(inputKind="Markdown"), "inputKind"),
        (body(inputKind="PlainText"), "voice"),
        (body(properties={"outputFormat": "amr-wb-16000hz"}), "outputFormat is unsupported or invalid"),
        (body(properties={"outputFormat": 5}), "outputFormat"),
        (body(properties={"concatenateResult": "yes"}), "concatenateResult"),
        (body(properties={"timeToLiveInHours": 745}), "744"),
        (body(properties={"timeToLiveInHours": 0}), "timeToLiveInHours"),
        (body(properties={"timeToLiveInHours": "168"}), "timeToLiveInHours"),
        (body(properties={"decompressOutputFiles": True}), "destinationContainerUrl"),
        (body(properties={"destinationPath": "books"}), "destinationContainerUrl"),
        (body(customVoices={"mine": "no"}), "deployment ID"),
        (body(customVoices={"mine": "-narrator"}), "deployment ID"),
        (body(customVoices={"mine": "n" * 65}), "deployment ID"),
        (body(customVoices={"mine": 5}), "deployment ID"),
        (body(customVoices={"mine": "00000000-0000-0000-0000-000000000000"}), "deployment ID"),
        ([1, 2], "JSON object"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_what_is_wrong(
    batch: Batch, request_body: Any, names: str
) -> None:
    status, code, message = wrapped(batch.call("PUT", f"/{new_id()}", json=request_body))
    assert (status, code) == (400, "BadRequest")
    assert names in message


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b'{"a" "b"}', b"\xff\xfe", b'{"inputKind": NaN}', b"[" * 100_000, rb'{"a": "\ud800"}']
)
def test_what_is_no_json_is_refused_and_never_breaks_the_server(batch: Batch, garbage: bytes) -> None:
    status, code, message = wrapped(batch.call("PUT", f"/{new_id()}", data=garbage, headers=JSON))
    assert (status, code) == (400, "BadRequest")
    assert "JSON" in message


@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonx", "json"],
)
def test_only_json_is_read(batch: Batch, admin: Admin, kind: str | None) -> None:
    before = bill(admin)
    job_id = new_id()
    headers = {} if kind is None else {"Content-Type": kind}
    answer = batch.call("PUT", f"/{job_id}", data=json.dumps(body()).encode(), headers=headers)
    status, code, message = wrapped(answer)
    assert (status, code) == (415, "UnsupportedMediaType")
    assert f"'{kind or ''}'" in message
    assert batch.get(job_id).status_code == 404
    assert bill(admin) == before


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json", "application/a.b+json"],
)
def test_json_by_any_of_its_names_is_read(batch: Batch, kind: str) -> None:
    answer = batch.call("PUT", f"/{new_id()}", data=json.dumps(body()), headers={"Content-Type": kind})
    assert answer.status_code == 201


@pytest.mark.parametrize("job_id", ["ab", "a" * 65, "-abc", "abc-", "a%20c", "a%C3%A9c"])
def test_an_id_follows_the_pattern_in_every_call(batch: Batch, job_id: str) -> None:
    assert wrapped(batch.put(job_id))[:2] == (400, "BadRequest")
    assert wrapped(batch.get(job_id))[:2] == (400, "BadRequest")
    assert wrapped(batch.call("DELETE", f"/{job_id}"))[:2] == (400, "BadRequest")
    operation = batch("GET", f"/texttospeech/operations/{job_id}", params={"api-version": VERSION})
    assert wrapped(operation)[:2] == (400, "BadRequest")


def test_an_operation_id_follows_it_too(batch: Batch) -> None:
    assert "Operation-Id" in wrapped(batch.put(headers={"Operation-Id": "x"}))[2]


@pytest.mark.parametrize("version", ["", "2023-09-01", "tomorrow"])
def test_only_the_version_that_exists_is_served(batch: Batch, version: str) -> None:
    assert wrapped(batch.call("GET", params={"api-version": version}))[:2] == (400, "BadRequest")


def test_the_version_is_required(batch: Batch) -> None:
    assert "required" in wrapped(batch("GET", batch.path))[2]


def test_ten_thousand_inputs_are_the_most(batch: Batch) -> None:
    inputs = [{"content": "x"}] * 10_001
    answer = batch.call("PUT", f"/{new_id()}", json=body(inputs=inputs))
    assert "10,000" in wrapped(answer)[2]


def test_two_megabytes_are_the_most(batch: Batch) -> None:
    short = json.dumps(body())
    padding = 2 * 1024 * 1024 - len(short)
    assert batch.call("PUT", f"/{new_id()}", data=short + " " * padding, headers=JSON).status_code == 201
    large = batch.call("PUT", f"/{new_id()}", data=short + " " * (padding + 1), headers=JSON)
    assert "larger" in wrapped(large)[2]


@pytest.mark.parametrize("query", [{"maxpagesize": 101}, {"maxpagesize": 0}, {"skip": -1}, {"skip": "x"}])
def test_a_page_has_bounds(batch: Batch, query: dict[str, Any]) -> None:
    assert wrapped(batch.call("GET", params=query))[:2] == (400, "BadRequest")


@pytest.mark.parametrize("key", [None, "short", "revoked-local-cloud-key"])
def test_a_key_that_opens_nothing_is_unauthorized(cloud: LocalCloud, key: str | None) -> None:
    assert wrapped(Batch(cloud.speech_url, key=key).put())[:2] == (401, "Unauthorized")


def test_the_free_tier_and_the_wrong_region_create_nothing_but_may_look(cloud: LocalCloud, admin: Admin) -> None:
    before = bill(admin)
    free = Batch(cloud.speech_url, key="f0-local-cloud-key")
    assert wrapped(free.put()) == (400, "BadRequest", "Only the Standard speech subscription for this region is valid.")
    away = Batch(cloud.speech_url, key="region-canadaeast-abc12345")
    assert wrapped(away.put()) == (400, "BadRequest", "The voice synthesis is not enabled in this region.")
    assert free.call("GET").json() == away.call("GET").json() == {"value": []}
    assert Batch(cloud.speech_url, key="region-westeurope-abc12345").put().status_code == 201
    assert bill(admin)["azure_batch"]["jobs"] == before["azure_batch"]["jobs"] + 1


def test_a_running_job_cannot_be_deleted(batch: Batch, admin: Admin) -> None:
    admin.order("stuck_not_started", service="azure_batch")
    job_id = batch.put().json()["id"]
    status, code, message = wrapped(batch.call("DELETE", f"/{job_id}"))
    assert (status, code) == (400, "BadRequest")
    assert "in use" in message
    assert batch.get(job_id).json()["status"] == "NotStarted"


def test_a_custom_voice_needs_a_deployment(batch: Batch) -> None:
    text = "<speak><voice name='Our Narrator'>Hello.</voice></speak>"
    unknown = batch.ended(batch.put(None, text))
    assert unknown["status"] == "Failed"
    assert "Our Narrator" in unknown["properties"]["error"]["message"]
    for deployment in (GUID, "our.narrator_2-b", "abc"):
        known = batch.ended(batch.put(None, text, customVoices={"Our Narrator": deployment}))
        assert known["properties"]["billingDetails"] == {"customNeuralCharacters": 6}


def test_a_path_that_does_not_exist_is_not_found(batch: Batch) -> None:
    assert batch("GET", "/texttospeech/nothing").status_code == 404
    assert batch("POST", "/api/texttospeech/v9/longaudiosynthesis").json()["error"]["code"] == "404"
