"""Which messages are notices of Polly's, and of which task."""

from __future__ import annotations

import json

import pytest

from narration.hooks.polly_notices import task_of_notice

# As Polly sends it: names and letter case are not those of its API.
NOTICE = {
    "taskId": "3f1e8a52-0000-4000-8000-2f1e8a52d7c1",
    "taskStatus": "COMPLETED",
    "outputUri": "s3://audio/book.3f1e8a52-0000-4000-8000-2f1e8a52d7c1.mp3",
    "creationTime": "2026-11-02T08:15:30.123Z",
    "requestCharacters": 1234,
    "snsTopicArn": "arn:aws:sns:us-east-1:123456789012:narrated",
    "outputFormat": "Mp3",
    "textType": "Text",
    "voiceId": "Joanna",
}


def envelope(message: object, **change: object) -> str:
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "5d1a9c3e-1111-4222-8333-444455556666",
            "TopicArn": NOTICE["snsTopicArn"],
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": "2026-11-02T08:16:00.000Z",
            **change,
        }
    )


def test_a_notice_is_understood_in_the_envelope_of_sns():
    assert task_of_notice(envelope(NOTICE)) == NOTICE["taskId"]


def test_a_notice_is_understood_when_it_is_delivered_raw():
    assert task_of_notice(json.dumps(NOTICE)) == NOTICE["taskId"]


@pytest.mark.parametrize("status", ["FAILED", "completed", "IN_PROGRESS", "SOMETHING_NEW", None])
def test_whatever_the_status_is_called_the_notice_is_about_its_task(status):
    assert task_of_notice(envelope(NOTICE | {"taskStatus": status})) == NOTICE["taskId"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "42",
        '"taskId"',
        "{",
        "[" * 100_000,
        "{}",
        json.dumps({"taskId": "t-1"}),
        json.dumps(NOTICE | {"taskId": 7}),
        json.dumps(NOTICE | {"taskId": None}),
        json.dumps(NOTICE | {"taskId": ""}),
        json.dumps(NOTICE | {"taskId": "../t"}),
        json.dumps(NOTICE | {"taskId": "t" * 101}),
        json.dumps({"Records": [{"eventSource": "aws:s3"}]}),
        envelope("The disk is full."),
        envelope({"AlarmName": "too hot"}),
        envelope(NOTICE, Message=NOTICE),
        envelope(envelope(NOTICE)),
        json.dumps({"Type": "SubscriptionConfirmation", "Token": "x", "Message": "You have chosen to subscribe"}),
    ],
    ids=lambda body: body[:40],
)
def test_anything_else_is_no_notice(body):
    assert task_of_notice(body) is None
