from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyRefusedError,
    PollyTaskFailedError,
    PollyTaskNotFoundError,
    PollyUnavailableError,
    PollyWaitTimeoutError,
)
from narration.hooks.polly_tasks import parse_output_uri, read_event, task_facts

TASK = {
    "TaskId": "t-1",
    "TaskStatus": "completed",
    "OutputUri": "https://s3.us-east-2.amazonaws.com/books/t-1.mp3",
    "CreationTime": datetime(2026, 11, 20, 12, 0, 0, 250000, tzinfo=UTC),
    "RequestCharacters": 12,
    "VoiceId": "Joanna",
    "LexiconNames": ["names"],
}


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("https://s3.us-east-2.amazonaws.com/books/emma.t-1.mp3", "books", "emma.t-1.mp3"),
        ("https://s3.us-east-1.amazonaws.com/books/a/b/.t-1.mp3", "books", "a/b/.t-1.mp3"),
        ("https://s3.us-east-1.amazonaws.com/books/a%20b/c%26d.t-1.mp3", "books", "a b/c&d.t-1.mp3"),
        ("https://s3.us-east-1.amazonaws.com/books/who?me.t-1.mp3", "books", "who?me.t-1.mp3"),
        ("https://s3.us-east-1.amazonaws.com/books//leading.t-1.mp3", "books", "/leading.t-1.mp3"),
        ("https://s3.us-east-1.amazonaws.com/books/a+b.t-1.mp3", "books", "a+b.t-1.mp3"),
        ("https://s3.cn-northwest-1.amazonaws.com.cn/books/t-1.mp3", "books", "t-1.mp3"),
        ("https://s3.amazonaws.com/books/t-1.mp3", "books", "t-1.mp3"),
        ("s3://books/emma.t-1.mp3", "books", "emma.t-1.mp3"),
    ],
)
def test_bucket_and_key_are_read_from_the_place_that_polly_reports(uri, bucket, key):
    assert parse_output_uri(uri) == (bucket, key)
    assert PollyHook.parse_output_uri(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "t-1.mp3",
        "s3://books",
        "s3://books/",
        "http://s3.us-east-1.amazonaws.com/books/t-1.mp3",
        "https://books.s3.us-east-1.amazonaws.com/t-1.mp3",
        "https://s3.us-east-1.amazonaws.com.example.org/books/t-1.mp3",
        "https://example.org/books/t-1.mp3",
        "https://s3.us-east-1.amazonaws.com/books",
    ],
)
def test_any_other_place_is_refused_rather_than_guessed(uri):
    with pytest.raises(PollyArgumentError, match="not an output location"):
        parse_output_uri(uri)


def test_facts_are_json_and_leave_out_what_polly_left_out():
    facts = task_facts(TASK)

    assert json.loads(json.dumps(facts)) == facts
    assert facts == {
        "task_id": "t-1",
        "task_status": "completed",
        "output_uri": "https://s3.us-east-2.amazonaws.com/books/t-1.mp3",
        "creation_time": "2026-11-20T12:00:00.250000+00:00",
        "request_characters": 12,
        "voice_id": "Joanna",
        "lexicon_names": ["names"],
    }


def test_the_event_of_a_completed_task_gives_its_facts():
    facts = task_facts(TASK)

    assert read_event({"status": "completed", "task_id": "t-1", "message": "", "task": facts}) == facts


@pytest.mark.parametrize(
    ("event", "kind", "said"),
    [
        (
            {"status": "failed", "task": {"task_id": "t-1", "task_status_reason": "no such bucket"}},
            PollyTaskFailedError,
            "t-1: no such bucket",
        ),
        ({"status": "not_found", "message": "unknown"}, PollyTaskNotFoundError, "t-1: unknown"),
        ({"status": "timeout", "message": "too long."}, PollyWaitTimeoutError, "adopt"),
        ({"status": "refused", "message": "no connection"}, PollyRefusedError, "no connection"),
        ({"status": "error", "message": "wire cut"}, PollyUnavailableError, "t-1 broke off: wire cut"),
        ({"status": "something newer"}, PollyUnavailableError, "something newer"),
    ],
)
def test_the_event_of_any_other_end_is_an_error_of_its_own(event, kind, said):
    with pytest.raises(kind, match=said):
        read_event({"task_id": "t-1", **event})


def test_a_missing_event_is_an_error_and_not_a_success():
    with pytest.raises(PollyUnavailableError, match="adopts"):
        read_event(None)
