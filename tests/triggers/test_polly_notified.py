"""A trigger that waits for Polly's notice, and everything that may be wrong with notices and queues."""

from __future__ import annotations

import asyncio
import functools
import json
import time

import pytest
from airflow.serialization.serialized_objects import BaseSerialization

from narration.hooks.polly_queue import PollyNoticeQueue
from narration.hooks.polly_tasks import read_event
from narration.triggers import polly
from narration.triggers.polly import PollySpeechSynthesisTaskTrigger
from narration.triggers.polly_inbox import Patience, SharedInbox

NEVER = 3600.0
CONNECTION = {"aws_conn_id": "publisher", "region_name": "eu-west-1", "verify": None, "botocore_config": None}


def _trigger(task_id, queue_url, **change):
    return PollySpeechSynthesisTaskTrigger(
        **{
            "task_id": task_id,
            "end_time": time.time() + 100,
            "poll_interval": 0.05,
            "completion_queue_url": queue_url,
            "fallback_interval": NEVER,
            **change,
        }
    )


async def _event(trigger) -> dict:
    events = trigger.run()
    event = await asyncio.wait_for(anext(events), timeout=90)
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    return event.payload


async def _slow(board, seconds=1.0, **members):
    """A task that is under way for some seconds, long enough for the first look to see it."""
    board.cloud.order_fault("stuck_scheduled", seconds=seconds)
    return board.start(**members)


@pytest.fixture
def impatient(board, monkeypatch):
    """A queue that fails is tried again sooner than after a minute, and not by the client."""
    watching = SharedInbox.watching

    def quick(key, **arguments):
        return watching(key, **arguments, patience=Patience(pause=0.05))

    monkeypatch.setattr(SharedInbox, "watching", quick)
    connection = board.cloud.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


@pytest.fixture
def brief(monkeypatch):
    """What a receiver that is gone was handed comes again after a second."""
    queue = functools.partial(PollyNoticeQueue, wait_seconds=2, held_seconds=1)
    monkeypatch.setattr(polly, "PollyNoticeQueue", queue)


async def _said(capsys, waiting, *, until: str) -> str:
    """What the trigger logs until it says something."""
    said = ""
    while until not in said and not waiting.done():
        await asyncio.sleep(0.05)
        said += capsys.readouterr().out
    assert until in said
    return said


async def _polled(board, waiting) -> None:
    """See that the list is asked for again and again, and end the trigger."""
    lists = board.cloud.calls("ListSpeechSynthesisTasks")
    while board.cloud.calls("ListSpeechSynthesisTasks") < lists + 6 and not waiting.done():
        await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


class TestSerialization:
    def test_everything_survives_a_round_trip(self):
        trigger = _trigger("t-1", "https://sqs.eu-west-1.amazonaws.com/123456789012/notices", **CONNECTION)
        path, arguments = trigger.serialize()

        restored = BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(arguments))))

        assert restored["completion_queue_url"].endswith("/notices")
        assert restored["fallback_interval"] == NEVER
        assert PollySpeechSynthesisTaskTrigger(**restored).serialize() == (path, arguments)

    def test_a_trigger_of_the_version_before_is_one_without_a_queue(self):
        before = {"task_id": "t-1", "end_time": 1.0, "known_by": 1.0, "poll_interval": 30, **CONNECTION}

        trigger = PollySpeechSynthesisTaskTrigger(**before)

        assert (trigger.completion_queue_url, trigger.fallback_interval) == (None, 300)

    def test_one_without_a_queue_can_be_run_by_the_version_before(self):
        arguments = _trigger("t-1", None).serialize()[1]

        assert not {"completion_queue_url", "fallback_interval"} & arguments.keys()


@pytest.mark.parametrize("kind", [{}, {"raw": True}, {"fifo": True}], ids=["envelope", "raw", "fifo"])
async def test_the_notice_ends_the_waiting_and_the_facts_are_polly_s_own(make_board, kind):
    board = make_board(**kind)
    task_id = await _slow(board)
    looks = board.cloud.calls("GetSpeechSynthesisTask")

    event = await _event(_trigger(task_id, board.queue_url))

    assert event["status"] == "completed"
    assert read_event(event)["output_uri"].startswith("https://s3.us-east-1.amazonaws.com/")
    assert board.cloud.calls("GetSpeechSynthesisTask") == looks + 1
    assert board.messages() == 0


async def test_a_notice_of_failure_ends_the_waiting_with_polly_s_reason(board):
    board.cloud.order_fault("fail", reason="The bucket is full of eels")
    task_id = board.start()

    event = await _event(_trigger(task_id, board.queue_url))

    assert event["task"]["task_status_reason"] == "The bucket is full of eels"


class TestNoticesThatGoWrong:
    async def test_one_that_is_lost_costs_the_time_until_the_next_look(self, board):
        task_id = await _slow(board, SnsTopicArn=board.cloud.client("sns").create_topic(Name="elsewhere")["TopicArn"])

        event = await _event(_trigger(task_id, board.queue_url, fallback_interval=0.5))

        assert event["status"] == "completed"

    async def test_one_that_came_before_anybody_waited_is_not_missed(self, board):
        task_id = board.start()
        board.ended(task_id)
        board.sqs.purge_queue(QueueUrl=board.queue_url)

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"

    async def test_copies_change_nothing(self, board):
        task_id = await _slow(board)
        waiting = asyncio.create_task(_event(_trigger(task_id, board.queue_url)))
        await asyncio.sleep(0.5)
        for _ in range(12):
            board.send(board.notice(task_id))
        # Not true yet: a notice is a hint, and then it is time to look often.
        assert (await waiting)["status"] == "completed"

        again = await asyncio.gather(*(_event(_trigger(task_id, board.queue_url)) for _ in range(2)))
        assert [event["status"] for event in again] == ["completed", "completed"]

    async def test_one_that_is_not_true_is_found_out_and_makes_no_event(self, board):
        task_id = await _slow(board, seconds=None)
        board.send(board.notice(task_id))
        looks = board.cloud.calls("GetSpeechSynthesisTask")

        event = await _event(_trigger(task_id, board.queue_url, end_time=time.time() + 2))

        assert event["status"] == "timeout"
        assert board.cloud.calls("GetSpeechSynthesisTask") == looks + 2

    async def test_the_order_of_notices_does_not_matter(self, board):
        slow, quick = await _slow(board, seconds=2), await _slow(board, seconds=1)
        events = [asyncio.create_task(_event(_trigger(task_id, board.queue_url))) for task_id in (slow, quick)]

        assert [(await event)["task_id"] for event in events] == [slow, quick]
        assert board.messages() == 0

    async def test_garbage_and_the_messages_of_others_neither_end_nor_disturb_it(self, board):
        others = ["not JSON", "{}", json.dumps({"taskId": 5, "taskStatus": "COMPLETED"}), "[" * 50_000]
        for body in others:
            board.send(body)
        task_id = await _slow(board)
        receives = board.receives()

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"
        assert board.messages() == len(others)
        assert board.receives() - receives < 20

    async def test_one_of_a_task_that_nobody_waits_for_is_left_to_others(self, board):
        board.send(board.notice("t-of-another-triggerer"))
        task_id = await _slow(board)

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"
        assert board.messages() == 1


class TestQueuesThatGoWrong:
    @pytest.mark.parametrize(
        "queue_url",
        [
            "http://127.0.0.1:9/123456789012/no-such-queue",
            "arn:aws:sqs:us-east-1:123456789012:notices",
            "nonsense",
        ],
    )
    async def test_one_that_does_not_exist_is_named_and_polly_is_asked_instead(self, board, capsys, queue_url):
        task_id = await _slow(board, seconds=None)
        waiting = asyncio.create_task(_event(_trigger(task_id, queue_url)))

        said = await _said(capsys, waiting, until="as without a queue")

        (warning,) = [line for line in said.splitlines() if "as without a queue" in line]
        assert queue_url in warning
        await _polled(board, waiting)

    async def test_one_that_is_not_allowed_is_named_with_the_actions_and_polly_is_asked_instead(self, board, capsys):
        board.cloud.order_fault("access_denied", service="sqs", operation="ReceiveMessage", count=1000)
        task_id = await _slow(board, seconds=None)
        waiting = asyncio.create_task(_event(_trigger(task_id, board.queue_url)))

        said = await _said(capsys, waiting, until="as without a queue")

        assert board.queue_url in said
        assert "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility" in said
        await _polled(board, waiting)

    async def test_one_that_nobody_may_delete_from_still_tells(self, board):
        board.cloud.order_fault("access_denied", service="sqs", operation="DeleteMessageBatch", count=1000)
        task_id = await _slow(board)

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"

    @pytest.mark.parametrize("kind", ["throttle", "error_500", "access_denied"])
    async def test_one_that_recovers_is_relied_on_again(self, board, impatient, brief, capsys, kind):
        board.cloud.order_fault(kind, service="sqs", operation="ReceiveMessage", count=5)
        task_id = await _slow(board, seconds=None)
        waiting = asyncio.create_task(_event(_trigger(task_id, board.queue_url, poll_interval=0.5)))

        said = await _said(capsys, waiting, until="works again")
        assert "as without a queue" in said
        looks = board.cloud.calls("GetSpeechSynthesisTask")
        board.send(board.notice(task_id))
        while board.cloud.calls("GetSpeechSynthesisTask") == looks and not waiting.done():
            await asyncio.sleep(0.05)

        # Not finished: it was the notice that made it ask.
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def test_a_polly_that_cannot_be_asked_after_the_notice_is_asked_again(self, board, monkeypatch):
        monkeypatch.setenv(
            "AIRFLOW_CONN_AWS_DEFAULT",
            json.dumps(board.cloud.connection(config_kwargs={"retries": {"total_max_attempts": 1}})),
        )
        task_id = await _slow(board)
        board.cloud.order_fault("throttle", operation="GetSpeechSynthesisTask", count=3)

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"


class TestTogether:
    async def test_twelve_share_one_receive_loop_and_one_list(self, board):
        board.cloud.order_fault("stuck_scheduled", seconds=5, count=12)
        task_ids = [board.start() for _ in range(12)]
        receives, lists = board.receives(), board.cloud.calls("ListSpeechSynthesisTasks")
        looks = board.cloud.calls("GetSpeechSynthesisTask")
        generous = json.dumps(board.cloud.connection(polly_quotas={"read": 500}))

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous)
            events = await asyncio.gather(
                *(_event(_trigger(task_id, board.queue_url, poll_interval=1)) for task_id in task_ids)
            )

        assert [event["task_id"] for event in events] == task_ids
        assert {event["status"] for event in events} == {"completed"}
        assert board.cloud.calls("GetSpeechSynthesisTask") - looks == 12
        assert board.cloud.calls("ListSpeechSynthesisTasks") - lists <= 12
        assert board.receives() - receives <= 20
        assert board.messages() == 0

    async def test_a_second_trigger_of_the_same_task_on_another_triggerer_ends_too(self, board):
        task_id = await _slow(board)
        bill = board.cloud.bill()

        def elsewhere() -> dict:
            return asyncio.run(_event(_trigger(task_id, board.queue_url, fallback_interval=1)))

        here = _event(_trigger(task_id, board.queue_url, fallback_interval=1))
        events = await asyncio.gather(here, asyncio.to_thread(elsewhere))

        assert [event["status"] for event in events] == ["completed", "completed"]
        assert board.cloud.bill() == bill

    async def test_one_that_is_cancelled_leaves_the_queue_to_whoever_waits_next(self, board, brief):
        task_id = await _slow(board, seconds=3)
        trigger = asyncio.create_task(_event(_trigger(task_id, board.queue_url)))
        await asyncio.sleep(1)
        trigger.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trigger
        assert not SharedInbox._running[asyncio.get_running_loop()]

        assert (await _event(_trigger(task_id, board.queue_url)))["status"] == "completed"

    async def test_waiting_never_blocks_the_loop(self, board):
        task_id = await _slow(board)
        longest, running = 0.0, True

        async def heartbeat():
            nonlocal longest
            while running:
                before = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - before)

        beating = asyncio.create_task(heartbeat())
        await _event(_trigger(task_id, board.queue_url))
        running = False
        await beating

        # Airflow warns from 0.2 s; a shared and busy machine needs some room.
        assert longest < 1.0
