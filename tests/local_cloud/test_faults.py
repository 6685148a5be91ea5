"""Failures that were ordered happen as ordered, and then no more."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from include.local_cloud.faults import KINDS
from tests.local_cloud.cloud_helpers import BUCKET, Admin, ended, eventually, start


def names(s3: Any) -> set[str]:
    return {entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())}


def key_of(task: dict[str, Any]) -> str:
    return task["OutputUri"].partition(f"/{BUCKET}/")[2]


def test_throttling_counts_down_and_costs_nothing(polly: Any, admin: Admin) -> None:
    before = admin.bill()
    admin.order("throttle", operation="StartSpeechSynthesisTask", count=2)
    polly.list_speech_synthesis_tasks()
    for _ in range(2):
        with pytest.raises(ClientError, match="ThrottlingException") as throttled:
            start(polly)
        assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert admin.bill() == before
    start(polly)
    assert admin.get("faults") == {"faults": []}


def test_a_server_error_happens_before_anything_is_billed(polly: Any, admin: Admin) -> None:
    before = admin.bill()
    admin.order("error_500")
    with pytest.raises(polly.exceptions.ServiceFailureException) as failed:
        start(polly)
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert admin.bill() == before


def test_a_dropped_reply_was_accepted_and_billed(polly: Any, admin: Admin) -> None:
    before = admin.bill()
    admin.order("drop_reply", operation="StartSpeechSynthesisTask")
    with pytest.raises(ConnectionClosedError):
        start(polly, OutputS3KeyPrefix="dropped", Text="Hello?")
    after = admin.bill()
    assert (after["jobs"] - before["jobs"], after["characters"] - before["characters"]) == (1, 6)
    newest = polly.list_speech_synthesis_tasks()["SynthesisTasks"][-1]
    assert "/dropped." in newest["OutputUri"]
    assert ended(polly, newest["TaskId"])["TaskStatus"] == "completed"


def test_a_refused_call_leaves_the_order_to_drop_a_reply_for_the_next(polly: Any, admin: Admin) -> None:
    admin.order("drop_reply", operation="StartSpeechSynthesisTask")
    with pytest.raises(ClientError):
        start(polly, VoiceId="Nobody")
    assert admin.get("faults")["faults"]


def test_a_task_fails_with_the_ordered_reason_and_leaves_no_object(polly: Any, s3: Any, admin: Admin) -> None:
    admin.order("fail", reason="The voice is hoarse.")
    task = ended(polly, start(polly)["TaskId"])
    assert (task["TaskStatus"], task["TaskStatusReason"]) == ("failed", "The voice is hoarse.")
    assert key_of(task) not in names(s3)


def test_a_stuck_task_stays_scheduled_until_its_seconds_are_over(polly: Any, admin: Admin) -> None:
    admin.order("stuck_scheduled", seconds=600)
    stuck = start(polly)
    admin.order("stuck_scheduled")
    for_ever = start(polly)
    ended(polly, start(polly)["TaskId"])
    for task in (stuck, for_ever):
        found = polly.get_speech_synthesis_task(TaskId=task["TaskId"])["SynthesisTask"]
        assert found["TaskStatus"] == "scheduled"
    admin.advance(600)
    assert ended(polly, stuck["TaskId"])["TaskStatus"] == "completed"
    admin.advance(100_000)
    tasks = {task["TaskId"]: task for task in admin.get("tasks")["polly"]}
    assert tasks[for_ever["TaskId"]]["TaskStatus"] == "scheduled"


def test_an_object_comes_late_or_never(polly: Any, s3: Any, admin: Admin) -> None:
    admin.order("object_late", seconds=300)
    late = ended(polly, start(polly)["TaskId"])
    admin.order("object_missing")
    missing = ended(polly, start(polly)["TaskId"])
    assert late["TaskStatus"] == missing["TaskStatus"] == "completed"
    assert not {key_of(late), key_of(missing)} & names(s3)
    admin.advance(300)
    eventually(lambda: key_of(late) in names(s3))
    assert key_of(missing) not in names(s3)


def test_only_calls_with_the_matching_text_are_hit(polly: Any, admin: Admin) -> None:
    admin.order("fail", match_text="whale", count=2)
    spared = ended(polly, start(polly, Text="A ship.")["TaskId"])
    hit = ended(polly, start(polly, Text="A white whale.")["TaskId"])
    assert (spared["TaskStatus"], hit["TaskStatus"]) == ("completed", "failed")
    assert admin.get("faults")["faults"] == [{"kind": "fail", "service": "polly", "count": 1, "match_text": "whale"}]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "meteor"},
        {"kind": "throttle", "service": "rekognition"},
        {"kind": "throttle", "operation": "StopSpeech"},
        {"kind": "throttle", "count": 0},
        {"kind": "throttle", "seconds": "long"},
        {"kind": "fail", "reason": 5},
        {"kind": "throttle", "often": True},
        {"kind": ["throttle"]},
        {"kind": "throttle", "service": ["polly"]},
        {"kind": "throttle", "count": 10**400},
        {"kind": "throttle", "count": float("nan")},
        {"kind": "stuck_scheduled", "seconds": float("nan")},
        {"kind": "stuck_scheduled", "seconds": float("inf")},
        {"kind": "stuck_scheduled", "seconds": -1},
        {"kind": "stuck_scheduled", "seconds": 10**400},
        {"kind": "object_late", "seconds": 1e12},
        {"kind": "fail", "match_text": "half \ud800"},
        {"kind": "fail", "reason": "half \udfff"},
        {"kind": "fail", "match_text": "x" * 100_000},
        "throttle",
        [],
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_the_kinds(admin: Admin, order: Any) -> None:
    status, answer = admin("POST", "faults", order)
    assert status == 400
    assert answer["kinds"] == list(KINDS)
    assert answer["message"]
    assert admin.get("faults") == {"faults": []}


@pytest.mark.parametrize(
    ("order", "applies_to"),
    [
        ({"kind": "object_missing", "operation": "ListSpeechSynthesisTasks"}, "StartSpeechSynthesisTask"),
        ({"kind": "object_late", "operation": "SynthesizeSpeech"}, "StartSpeechSynthesisTask"),
        ({"kind": "fail", "operation": "GetSpeechSynthesisTask"}, "StartSpeechSynthesisTask"),
        ({"kind": "stuck_scheduled", "operation": "DescribeVoices"}, "StartSpeechSynthesisTask"),
        ({"kind": "throttle", "operation": "DescribeVoices", "match_text": "x"}, "SynthesizeSpeech"),
    ],
)
def test_an_order_that_can_never_hit_is_refused_with_what_it_applies_to(
    admin: Admin, order: Any, applies_to: str
) -> None:
    status, answer = admin("POST", "faults", order)
    assert status == 400
    assert order["operation"] in answer["message"]
    assert applies_to in answer["message"]
    assert admin.get("faults") == {"faults": []}


@pytest.mark.parametrize(
    "seconds", [float("nan"), float("inf"), -1, -(10**400), 10**400, 1e300, 11 * 365 * 86_400, True, "1", None]
)
def test_the_clock_refuses_what_is_no_reasonable_number(admin: Admin, seconds: Any) -> None:
    before = admin.get("clock")["advanced_seconds"]
    status, answer = admin("POST", "clock", {"advance_seconds": seconds})
    assert status == 400
    assert "ten years" in answer["message"]
    assert admin.get("clock")["advanced_seconds"] == before


def test_orders_can_be_taken_back(polly: Any, admin: Admin) -> None:
    admin.order("throttle", count=1000)
    assert admin("DELETE", "faults") == (200, {"faults": []})
    polly.list_speech_synthesis_tasks()
