"""A topic, a queue that is subscribed to it, and tasks that tell it when they are over; at the local cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import BUCKET, CloudHandle

ACCOUNT = "123456789012"


@dataclass(frozen=True, kw_only=True)
class NoticeBoard:
    """What Polly tells and who may read it; its name is its own, so that no other test's messages are in it."""

    cloud: CloudHandle
    topic: str
    queue_url: str
    sqs: Any = field(repr=False)
    polly: Any = field(repr=False)

    def start(self, **members: Any) -> str:
        """A task at Polly that tells the topic; its id."""
        arguments = {
            "Text": "It is a truth universally acknowledged.",
            "OutputFormat": "mp3",
            "VoiceId": "Joanna",
            "OutputS3BucketName": BUCKET,
            "SnsTopicArn": self.topic,
        }
        return self.polly.start_speech_synthesis_task(**arguments | members)["SynthesisTask"]["TaskId"]

    def ended(self, task_id: str) -> None:
        """Wait until Polly says that the task is over."""
        while self.polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]["TaskStatus"] != "completed":
            time.sleep(0.01)

    def send(self, body: str, **more: Any) -> None:
        """Put a message into the queue without the topic."""
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body, **more)

    def notice(self, task_id: str) -> str:
        """The raw notice that a task is completed."""
        return json.dumps({"taskId": task_id, "taskStatus": "COMPLETED", "outputUri": f"s3://{BUCKET}/{task_id}.mp3"})

    def messages(self) -> int:
        """How many messages the queue holds, those that are held back included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def receives(self) -> int:
        """How often any queue was asked for messages since the cloud started."""
        return self.cloud.calls("ReceiveMessage", service="sqs")


def notice_board(cloud: CloudHandle, *, raw: bool = False, fifo: bool = False) -> NoticeBoard:
    """Make a topic, a queue and the subscription."""
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    name = f"notices-{uuid4().hex}" + (".fifo" if fifo else "")
    attributes = {"FifoQueue": "true"} if fifo else {}
    topic = sns.create_topic(Name=name, Attributes={"FifoTopic": "true"} if fifo else {})["TopicArn"]
    queue_url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}",
        Attributes={"RawMessageDelivery": "true"} if raw else {},
    )
    return NoticeBoard(cloud=cloud, topic=topic, queue_url=queue_url, sqs=sqs, polly=cloud.client("polly"))


@pytest.fixture
def make_board(aws_connection: CloudHandle) -> Callable[..., NoticeBoard]:
    """Make boards at the local cloud of the connection ``aws_default``."""
    return lambda **kind: notice_board(aws_connection, **kind)


@pytest.fixture
def board(make_board: Callable[..., NoticeBoard]) -> NoticeBoard:
    return make_board()
