"""What is counted and refused at the queues, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import Admin, client


@pytest.fixture
def sqs(cloud: LocalCloud) -> Any:
    return client("sqs", cloud.s3_url)


@pytest.fixture
def queue(sqs: Any) -> str:
    return sqs.create_queue(QueueName="notices")["QueueUrl"]


def test_calls_of_sns_and_sqs_are_counted(cloud: LocalCloud, admin: Admin, sqs: Any, queue: str) -> None:
    sns = client("sns", cloud.s3_url)
    topic = sns.create_topic(Name="counted")["TopicArn"]
    before = admin.get("requests")["sqs"].get("ReceiveMessage", {"calls": 0})["calls"]

    sqs.receive_message(QueueUrl=queue)
    sns.publish(TopicArn=topic, Message="Hello.")

    after = admin.get("requests")
    assert after["sqs"]["ReceiveMessage"] == {"calls": before + 1, "throttled": 0, "errors": 0}
    assert after["sns"]["Publish"]["calls"] == 1


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttle", "RequestThrottled", 400),
        ("access_denied", "AccessDenied", 403),
        ("error_500", "InternalFailure", 500),
    ],
)
def test_a_refusal_that_was_ordered_hits_its_operation_and_then_no_more(
    admin: Admin, sqs: Any, queue: str, kind: str, code: str, status: int
) -> None:
    admin.order(kind, service="sqs", operation="ReceiveMessage")
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])

    with pytest.raises(ClientError) as refused:
        sqs.receive_message(QueueUrl=queue)

    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    sqs.receive_message(QueueUrl=queue)


def test_a_denied_action_is_named(admin: Admin, sqs: Any, queue: str) -> None:
    admin.order("access_denied", service="sqs", operation="DeleteMessageBatch")

    with pytest.raises(ClientError, match="sqs:deletemessage"):
        sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "0", "ReceiptHandle": "x"}])


def test_what_can_never_hit_a_queue_is_refused(admin: Admin) -> None:
    assert admin("POST", "faults", {"service": "sqs", "kind": "stuck_scheduled"})[0] == 400
    assert admin("POST", "faults", {"service": "sqs", "kind": "throttle", "operation": "GetObject"})[0] == 400
    assert admin("POST", "faults", {"service": "polly", "kind": "access_denied"})[0] == 400
