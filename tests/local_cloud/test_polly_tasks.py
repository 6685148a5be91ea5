"""Synthesis tasks over real HTTP: from the order to the object, and what is kept of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import BUCKET, Admin, client, ended, eventually, start


def place_of(task: dict[str, Any]) -> tuple[str, str]:
    """Bucket and key as the output URI says."""
    bucket, _, key = task["OutputUri"].removeprefix("https://s3.us-east-1.amazonaws.com/").partition("/")
    return bucket, key


def content(s3: Any, task: dict[str, Any]) -> bytes:
    bucket, key = place_of(task)
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_task_is_scheduled_then_completed_and_its_object_is_there(polly: Any, s3: Any) -> None:
    task = start(polly, Text="Call me Ishmael.")
    assert task["TaskStatus"] == "scheduled"
    task = ended(polly, task["TaskId"])
    assert task["TaskStatus"] == "completed"
    assert json.loads(content(s3, task)) == ["Joanna", "en-US", "mp3", 22050, 0, "Call me Ishmael."]


def test_a_minimal_task_shows_the_defaulted_text_type_and_nothing_else_that_was_not_sent(polly: Any) -> None:
    task = start(polly)
    assert set(task) == {
        "TaskId",
        "TaskStatus",
        "OutputUri",
        "CreationTime",
        "RequestCharacters",
        "OutputFormat",
        "TextType",
        "VoiceId",
    }
    assert task["TextType"] == "text"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", task["TaskId"])


def test_every_documented_field_that_was_sent_is_echoed(polly: Any) -> None:
    sent = {"Engine": "neural", "LanguageCode": "en-US", "SampleRate": "16000", "TextType": "ssml"}
    task = start(polly, Text="<speak>Hi</speak>", OutputS3KeyPrefix="a", **sent)
    assert {name: task[name] for name in sent} == sent
    assert not {"Text", "OutputS3BucketName", "OutputS3KeyPrefix"} & set(task)


@pytest.mark.parametrize(
    ("prefix", "output_format", "expected"),
    [
        (None, "mp3", "{id}.mp3"),
        ("optional/prefix/path/file", "mp3", "optional/prefix/path/file.{id}.mp3"),
        ("audios/7/", "mp3", "audios/7/.{id}.mp3"),
        ("", "mp3", "{id}.mp3"),
        ("k", "ogg_vorbis", "k.{id}.ogg"),
        ("k", "ogg_opus", "k.{id}.ogg"),
        ("k", "pcm", "k.{id}.pcm"),
        ("k", "mulaw", "k.{id}.mulaw"),
        ("k", "alaw", "k.{id}.alaw"),
        ("k", "json", "k.{id}.marks"),
    ],
)
def test_prefix_and_task_id_are_joined_by_a_dot(
    polly: Any, s3: Any, prefix: str | None, output_format: str, expected: str
) -> None:
    arguments: dict[str, Any] = {} if prefix is None else {"OutputS3KeyPrefix": prefix}
    if output_format == "json":
        arguments["SpeechMarkTypes"] = ["word"]
    task = ended(polly, start(polly, OutputFormat=output_format, **arguments)["TaskId"])
    assert place_of(task) == (BUCKET, expected.format(id=task["TaskId"]))
    assert content(s3, task)


def test_a_prefix_may_hold_every_character_of_its_pattern(polly: Any, s3: Any, admin: Admin) -> None:
    prefix = "Az09/!-_.*'():;$@=+,?&"
    task = ended(polly, start(polly, OutputS3KeyPrefix=prefix)["TaskId"])
    assert "?" not in task["OutputUri"]
    key = f"{prefix}.{task['TaskId']}.mp3"
    assert s3.get_object(Bucket=BUCKET, Key=key)["ContentType"] == "audio/mpeg"
    assert admin.get("tasks")["polly"][-1]["OutputS3KeyPrefix"] == prefix


@pytest.mark.parametrize(
    ("text_type", "text", "billed"),
    [
        ("text", "Hello.", 6),
        ("text", " a & b <c> ", 11),
        ("text", "naïve 你 \U0001f600", 9),
        ("ssml", "<speak>Hi<break time='1s'/>你</speak>", 3),
        ("ssml", "<speak>\n  a &amp; b&#33;\n</speak>\n", 11),
        ("ssml", '<speak><!-- > not read --><sub alias="a>b">AB</sub></speak>', 2),
        ("ssml", "<speak><![CDATA[a<b]]></speak>", 3),
    ],
)
def test_billable_characters_are_code_points_without_tags(
    polly: Any, admin: Admin, text_type: str, text: str, billed: int
) -> None:
    before = admin.bill()
    assert start(polly, Text=text, TextType=text_type)["RequestCharacters"] == billed
    after = admin.bill()
    assert after["jobs"] - before["jobs"] == 1
    assert after["characters"] - before["characters"] == billed


def test_a_refused_task_costs_nothing(polly: Any, admin: Admin) -> None:
    before = admin.bill()
    with pytest.raises(ClientError):
        start(polly, OutputS3BucketName="no-such-bucket")
    assert admin.bill() == before


class TestTokens:
    @pytest.mark.parametrize("token", ["nonsense", "bm9uc2Vuc2U=", "é" * 10])
    def test_a_token_of_nobodys_making_is_refused(self, polly: Any, token: str) -> None:
        with pytest.raises(polly.exceptions.InvalidNextTokenException):
            polly.list_speech_synthesis_tasks(NextToken=token)

    def test_a_token_of_another_region_is_refused(self, cloud: LocalCloud, polly: Any) -> None:
        start(polly), start(polly)
        token = polly.list_speech_synthesis_tasks(MaxResults=1)["NextToken"]
        elsewhere = client("polly", cloud.speech_url, region="eu-west-1")
        with pytest.raises(elsewhere.exceptions.InvalidNextTokenException):
            elsewhere.list_speech_synthesis_tasks(NextToken=token)


def test_the_clock_never_moves_backwards(admin: Admin) -> None:
    for order in ({"advance_seconds": -1}, {"advance_seconds": "1"}, {}, [1]):
        assert admin("POST", "clock", order)[0] == 400


class TestRegions:
    def test_tasks_are_seen_only_in_their_region(self, cloud: LocalCloud, polly: Any) -> None:
        ohio_s3 = client("s3", cloud.s3_url, region="us-east-2")
        ohio_s3.create_bucket(Bucket="in-ohio", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        ohio = client("polly", cloud.speech_url, region="us-east-2")
        task = start(ohio, OutputS3BucketName="in-ohio")
        assert task["OutputUri"].startswith("https://s3.us-east-2.amazonaws.com/in-ohio/")
        assert ended(ohio, task["TaskId"])["TaskStatus"] == "completed"
        assert [found["TaskId"] for found in ohio.list_speech_synthesis_tasks()["SynthesisTasks"]] == [task["TaskId"]]
        with pytest.raises(polly.exceptions.SynthesisTaskNotFoundException):
            polly.get_speech_synthesis_task(TaskId=task["TaskId"])
        with pytest.raises(polly.exceptions.InvalidS3BucketException, match="us-east-2"):
            start(polly, OutputS3BucketName="in-ohio")


class TestTopics:
    @pytest.fixture
    def topic(self, cloud: LocalCloud) -> tuple[str, Callable[[], dict[str, Any]]]:
        sns, sqs = client("sns", cloud.s3_url), client("sqs", cloud.s3_url)
        arn = sns.create_topic(Name="finished")["TopicArn"]
        queue = sqs.create_queue(QueueName="finished")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

        def receive() -> dict[str, Any]:
            received = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[0]["ReceiptHandle"])
            return json.loads(json.loads(received[0]["Body"])["Message"])

        return arn, receive

    def test_completion_is_told_in_the_topics_own_words(
        self, polly: Any, topic: tuple[str, Callable[[], dict[str, Any]]]
    ) -> None:
        arn, receive = topic
        task = start(polly, SnsTopicArn=arn, OutputS3KeyPrefix="told")
        assert task["SnsTopicArn"] == arn
        message = receive()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message.pop("creationTime"))
        assert message == {
            "taskId": task["TaskId"],
            "taskStatus": "COMPLETED",
            "outputUri": f"s3://{BUCKET}/told.{task['TaskId']}.mp3",
            "requestCharacters": 6,
            "snsTopicArn": arn,
            "outputFormat": "Mp3",
            "textType": "Text",
            "voiceId": "Joanna",
        }

    def test_failure_is_told_with_its_reason(
        self, polly: Any, admin: Admin, topic: tuple[str, Callable[[], dict[str, Any]]]
    ) -> None:
        arn, receive = topic
        admin.order("fail", reason="No luck.")
        start(polly, SnsTopicArn=arn)
        message = receive()
        assert (message["taskStatus"], message["taskStatusReason"]) == ("FAILED", "No luck.")

    @pytest.mark.parametrize(
        "arn", ["arn:aws:sns:us-east-1:123456789012:unknown", "arn:aws:sns:eu-west-1:123456789012:finished"]
    )
    def test_a_topic_that_does_not_exist_here_is_refused(self, polly: Any, arn: str) -> None:
        with pytest.raises(polly.exceptions.InvalidSnsTopicArnException):
            start(polly, SnsTopicArn=arn)
