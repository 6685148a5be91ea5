"""Receiving from SQS over real HTTP, and what the errors say."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from narration.hooks.polly_queue import PollyNoticeQueue, QueueRefusedError, QueueUnavailableError
from tests.polly_notices import board, make_board

__all__ = ["board", "make_board"]


@pytest.fixture
async def opened(board):
    queue = PollyNoticeQueue(queue_url=board.queue_url, wait_seconds=1)
    yield queue
    await queue.close()


@pytest.fixture
def one_attempt(aws_connection, monkeypatch):
    """A connection whose client leaves repeating to us."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        json.dumps(aws_connection.connection(config_kwargs={"retries": {"total_max_attempts": 1}})),
    )


async def test_what_was_sent_is_received_with_its_age_and_count(board, opened):
    board.send("first")

    received = await opened.receive()

    assert [message.body for message in received] == ["first"]
    assert received[0].times == 1
    assert abs(received[0].sent - time.time()) < 60


async def test_a_wait_ends_with_the_first_message(board, opened):
    opened.wait_seconds = 20
    waiting = asyncio.create_task(opened.receive())
    await asyncio.sleep(0.2)
    board.send("at last")

    assert [message.body for message in await asyncio.wait_for(waiting, timeout=10)] == ["at last"]


async def test_a_wait_for_nothing_brings_nothing(opened):
    assert await opened.receive() == []


async def test_more_than_ten_are_deleted_in_batches(board, opened):
    for number in range(23):
        board.send(str(number))
    received = []
    while len(received) < 23:
        received += await opened.receive()

    await opened.delete(received)
    await opened.delete(received)

    assert board.messages() == 0


async def test_what_is_put_back_comes_again(board, opened):
    board.send("for somebody else")
    (message,) = await opened.receive()

    await opened.put_back({message: 0})

    (again,) = await opened.receive()
    assert (again.body, again.times) == ("for somebody else", 2)


async def test_a_message_that_is_gone_cannot_be_put_back_and_that_is_no_matter(board, opened):
    board.send("x")
    (message,) = await opened.receive()
    await opened.delete([message])

    await opened.put_back({message: 5})


async def test_nothing_to_delete_or_put_back_is_no_call(board, opened):
    calls = board.cloud.calls("DeleteMessageBatch", service="sqs")

    await opened.delete([])
    await opened.put_back({})

    assert board.cloud.calls("DeleteMessageBatch", service="sqs") == calls


@pytest.mark.parametrize("operation", ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
async def test_a_denied_call_names_the_queue_the_connection_and_the_actions_to_allow(board, opened, operation):
    board.send("x")
    received = await opened.receive()
    board.cloud.order_fault("access_denied", service="sqs", operation=operation)

    call = {
        "ReceiveMessage": lambda: opened.receive(),
        "DeleteMessageBatch": lambda: opened.delete(received),
        "ChangeMessageVisibilityBatch": lambda: opened.put_back(dict.fromkeys(received, 0)),
    }[operation]
    with pytest.raises(QueueRefusedError) as refused:
        await call()

    said = str(refused.value)
    for named in (
        board.queue_url,
        "'aws_default'",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
    ):
        assert named in said


@pytest.mark.parametrize("kind", ["throttle", "error_500"])
async def test_what_passes_by_itself_is_told_from_what_does_not(board, one_attempt, opened, kind):
    board.cloud.order_fault(kind, service="sqs", operation="ReceiveMessage")

    with pytest.raises(QueueUnavailableError, match="ReceiveMessage"):
        await opened.receive()

    board.send("afterwards")
    assert [message.body for message in await opened.receive()] == ["afterwards"]


async def test_a_queue_that_does_not_exist_is_named_with_the_remedy(board):
    queue = PollyNoticeQueue(queue_url=board.queue_url + "-not", wait_seconds=1)

    with pytest.raises(QueueRefusedError, match=r"-not refused ReceiveMessage: .*completion_queue_url"):
        await queue.receive()
    await queue.close()


@pytest.mark.parametrize("value", ["arn:aws:sqs:us-east-1:123456789012:notices", "notices", "https://", "None"])
async def test_what_is_no_url_of_a_queue_is_refused_before_anything_is_sent(value):
    with pytest.raises(QueueRefusedError, match="get-queue-url"):
        await PollyNoticeQueue(queue_url=value).receive()


async def test_a_queue_that_cannot_be_reached_passes(board, aws_connection, one_attempt, monkeypatch):
    connection = aws_connection.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
    connection["extra"]["service_config"]["sqs"]["endpoint_url"] = "http://127.0.0.1:9"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    queue = PollyNoticeQueue(queue_url=board.queue_url, wait_seconds=1)

    with pytest.raises(QueueUnavailableError, match="did not answer"):
        await queue.receive()
    await queue.close()


async def test_the_wait_is_never_cut_short_by_a_read_timeout_that_was_meant_for_other_calls(board):
    queue = PollyNoticeQueue(queue_url=board.queue_url, wait_seconds=2, botocore_config={"read_timeout": 1})

    assert await queue.receive() == []
    await queue.close()


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/notices", "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/notices", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/notices.fifo", "cn-north-1"),
        ("https://vpce-0a1b-2c3d.sqs.ap-southeast-2.vpce.amazonaws.com/123456789012/notices", "ap-southeast-2"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/notices", "eu-central-1"),
        ("https://queue.amazonaws.com/123456789012/notices", "us-east-2"),
        ("http://127.0.0.1:8601/123456789012/notices", "us-east-2"),
    ],
)
async def test_the_region_is_the_queue_s_own_where_its_url_says_so(aws_connection, url, region):
    queue = PollyNoticeQueue(queue_url=url, region_name="us-east-2")

    client = await queue._opened()

    assert client.meta.region_name == region
    await queue.close()


def test_a_fifo_queue_is_known_by_its_name():
    assert PollyNoticeQueue(queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/notices.fifo").ordered
    assert not PollyNoticeQueue(queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/notices").ordered
