"""One receive loop for all who wait at a queue: who is told, what is deleted, and what happens when it fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

import pytest

from narration.hooks.polly_notices import Received
from narration.hooks.polly_queue import PollyNoticeQueue, QueueRefusedError, QueueUnavailableError
from narration.triggers.polly_inbox import Patience, SharedInbox, Sorted, sort_messages

QUICK = Patience(pause=0.02, least=0.01)
NOW = 1_800_000_000.0


def notice(task_id: str, *, times: int = 1, age: float | None = 0.0, receipt: str = "r") -> Received:
    body = json.dumps({"taskId": task_id, "taskStatus": "COMPLETED"})
    return Received(receipt=receipt, body=body, times=times, sent=None if age is None else NOW - age)


def sort(*messages: Received, waiting: str = "", told: str = "", ordered: bool = False) -> Sorted:
    return sort_messages(
        messages,
        waiting=waiting.split().__contains__,
        told_before=told.split().__contains__,
        ordered=ordered,
        now=NOW,
        patience=Patience(),
    )


class TestSorting:
    def test_a_notice_of_a_task_that_somebody_waits_for_is_told_and_deleted(self):
        message = notice("t-1")

        assert sort(message, waiting="t-1") == Sorted(told=frozenset({"t-1"}), delete=(message,), put_back={})

    def test_a_copy_is_told_once_and_deleted_too(self):
        copies = notice("t-1", receipt="a"), notice("t-1", receipt="b")

        assert sort(*copies, waiting="t-1").delete == copies

    def test_a_copy_that_comes_when_nobody_waits_any_more_is_deleted(self):
        message = notice("t-1")

        assert sort(message, told="t-1").delete == (message,)

    @pytest.mark.parametrize(("times", "seconds"), [(1, 0), (2, 1), (4, 7), (5, 15), (6, 30), (24, 30)])
    def test_a_notice_for_nobody_here_is_put_back_for_another_triggerer_and_longer_each_time(self, times, seconds):
        message = notice("t-1", times=times)

        outcome = sort(message)

        assert (outcome.told, outcome.delete, outcome.put_back) == (frozenset(), (), {message: seconds})

    def test_the_queue_is_left_to_others_until_one_of_them_has_it(self):
        assert [sort(notice("t-1", times=times)).aside for times in (1, 2, 3, 20)] == [1, 2, 2, 2]
        assert not sort(notice("t-1", age=300)).aside
        assert not sort(notice("t-1"), waiting="t-1").aside
        assert not sort(Received(receipt="r", body="an order for shoes")).aside

    @pytest.mark.parametrize("message", [notice("t-1", age=300), notice("t-1", times=25), notice("t-1", age=90_000)])
    def test_it_is_deleted_once_it_is_old_or_was_put_back_often(self, message):
        assert sort(message).delete == (message,)

    @pytest.mark.parametrize("age", [None, -7200.0])
    def test_a_clock_that_is_wrong_deletes_nothing_early(self, age):
        assert not sort(notice("t-1", age=age)).delete

    def test_in_a_fifo_queue_it_is_deleted_at_once_since_it_would_hold_up_all_behind_it(self):
        message = notice("t-1")

        assert sort(message, ordered=True).delete == (message,)

    @pytest.mark.parametrize(("times", "seconds"), [(1, 1), (5, 16), (10, 512), (11, 900), (5000, 900)])
    @pytest.mark.parametrize("ordered", [False, True])
    def test_what_is_no_notice_is_never_deleted_and_comes_ever_more_seldom(self, times, seconds, ordered):
        message = Received(receipt="r", body="an order for shoes", times=times, sent=NOW - 1e6)

        assert sort(message, ordered=ordered) == Sorted(
            told=frozenset(), delete=(), put_back={message: seconds}, foreign=1
        )


class ScriptedQueue:
    """Gives what the script says, one entry for each request, and then nothing; an exception is raised."""

    queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/scripted"
    ordered = False

    def __init__(self, *script: Sequence[Received] | Exception) -> None:
        self.script = list(script)
        self.requests = 0
        self.deleted: list[Received] = []
        self.back: list[Received] = []
        self.closed = 0
        self.deleting = asyncio.Event()
        self.deleting.set()
        self.refuses_to_delete: Exception | None = None

    async def receive(self) -> Sequence[Received]:
        self.requests += 1
        if not self.script:
            return []
        entry = self.script.pop(0)
        if isinstance(entry, Exception):
            raise entry
        return entry

    async def delete(self, messages):
        await self.deleting.wait()
        if self.refuses_to_delete is not None:
            raise self.refuses_to_delete
        self.deleted += messages

    async def put_back(self, messages):
        self.back += messages

    async def close(self) -> None:
        self.closed += 1


def watching(queue, task_id="t-1", *, key="q", patience=QUICK):
    return SharedInbox.watching(key, task_id=task_id, queue=queue, patience=patience)


async def changed(watch) -> None:
    async with asyncio.timeout(10):
        await watch.changed()


async def told(watch) -> bool:
    await changed(watch)
    return watch.take_notice()


class TestTheLoop:
    async def test_a_hundred_who_wait_share_one_loop_and_each_is_told_of_its_own(self):
        queue = ScriptedQueue()
        told_of: set[str] = set()

        async def wait(task_id: str) -> None:
            async with watching(queue, task_id) as watch:
                assert await told(watch)
                told_of.add(task_id)

        waiting = [asyncio.create_task(wait(f"t-{number}")) for number in range(100)]
        await asyncio.sleep(0.05)
        for start in range(0, 100, 10):
            queue.script.append([notice(f"t-{number}") for number in range(start, start + 10)])
        await asyncio.gather(*waiting)

        assert len(told_of) == len(queue.deleted) == 100
        assert queue.requests < 60

    async def test_two_who_wait_for_one_task_are_both_told(self):
        queue = ScriptedQueue()
        async with watching(queue) as one, watching(queue) as other:
            queue.script.append([notice("t-1")])
            assert await told(one)
            assert await told(other)

    async def test_a_notice_is_taken_once(self):
        queue = ScriptedQueue([notice("t-1")])
        async with watching(queue) as watch:
            assert await told(watch)
            assert not watch.take_notice()

    async def test_it_ends_with_its_last_watcher_and_begins_anew_for_the_next(self):
        queue = ScriptedQueue()
        for round_number in (1, 2):
            async with watching(queue):
                await asyncio.sleep(0.03)
            requests = queue.requests
            await asyncio.sleep(0.05)
            assert queue.requests == requests > 0
            assert queue.closed == round_number

    async def test_what_was_received_is_deleted_before_it_ends(self):
        queue = ScriptedQueue([notice("t-1")])
        queue.deleting.clear()

        async def wait() -> None:
            async with watching(queue) as watch:
                assert await told(watch)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        queue.deleting.set()
        await waiting

        assert len(queue.deleted) == 1

    async def test_a_watcher_that_is_cancelled_leaves_the_loop_to_the_others(self):
        queue = ScriptedQueue()

        async def wait_for_ever() -> None:
            async with watching(queue, "t-2") as watch:
                await watch.changed()

        leaving = asyncio.create_task(wait_for_ever())
        async with watching(queue) as watch:
            await asyncio.sleep(0.02)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            queue.script.append([notice("t-1")])
            assert await told(watch)

    async def test_the_last_watcher_s_cancellation_ends_the_loop(self):
        queue = ScriptedQueue()
        queue.deleting.clear()
        queue.script.append([notice("t-1")])

        async def wait_for_ever() -> None:
            async with watching(queue):
                await asyncio.sleep(600)

        leaving = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0.03)
        # Twice: while it waits, and while it ends.
        leaving.cancel()
        await asyncio.sleep(0.02)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

        assert queue.closed == 1
        requests = queue.requests
        await asyncio.sleep(0.05)
        assert queue.requests == requests

    async def test_a_queue_that_answers_at_once_is_not_asked_without_pause(self):
        queue = ScriptedQueue()
        async with watching(queue, patience=Patience(least=0.1)):
            await asyncio.sleep(0.35)

        assert queue.requests <= 5

    async def test_foreign_messages_are_put_back_and_mentioned_once_with_the_queue(self, caplog):
        foreign = Received(receipt="r", body="an order for shoes")
        queue = ScriptedQueue([foreign], [foreign], [notice("t-1")])
        with caplog.at_level(logging.WARNING):
            async with watching(queue) as watch:
                assert await told(watch)

        assert queue.back == [foreign, foreign]
        assert [queue.queue_url in record.getMessage() for record in caplog.records] == [True]


class TestTrouble:
    async def test_a_refusal_is_known_to_the_watchers_at_once_and_so_is_its_end(self):
        queue = ScriptedQueue(QueueRefusedError("not allowed"))
        async with watching(queue) as watch:
            assert watch.trouble is None
            await changed(watch)
            assert watch.trouble == "not allowed"
            await changed(watch)
            assert watch.trouble is None
            assert not watch.take_notice()

    async def test_what_passes_by_itself_is_trouble_only_when_it_does_not_pass(self):
        busy = QueueUnavailableError("busy")
        queue = ScriptedQueue(busy, busy, [notice("t-1")], busy, busy, busy)
        seen = []
        async with watching(queue) as watch:
            for _ in range(3):
                await changed(watch)
                seen.append((watch.trouble, watch.take_notice()))

        assert seen == [(None, True), ("busy", False), (None, False)]

    async def test_a_refused_queue_is_asked_seldom(self):
        queue = ScriptedQueue(*[QueueRefusedError("not allowed")] * 100)
        async with watching(queue, patience=Patience(pause=0.1)):
            await asyncio.sleep(0.35)

        assert queue.requests <= 5

    async def test_who_may_receive_and_not_delete_is_told_but_relies_on_it_no_more(self):
        queue = ScriptedQueue([notice("t-1")])
        queue.refuses_to_delete = QueueRefusedError("sqs:DeleteMessage")
        async with watching(queue) as watch:
            await changed(watch)
            assert watch.take_notice()
            while watch.trouble is None:
                await changed(watch)
            assert watch.trouble == "sqs:DeleteMessage"

    async def test_whatever_goes_wrong_the_loop_goes_on(self):
        queue = ScriptedQueue(RuntimeError("a bug"), ValueError("another"), [notice("t-1")])
        async with watching(queue) as watch:
            assert await told(watch)


class TestAtSqs:
    def watching(self, board, task_id, *, key="one", **change):
        queue = PollyNoticeQueue(queue_url=board.queue_url, **change)
        return SharedInbox.watching((key, board.queue_url), task_id=task_id, queue=queue)

    @pytest.mark.parametrize("kind", [{}, {"raw": True}, {"fifo": True}], ids=["envelope", "raw", "fifo"])
    async def test_polly_s_own_notice_arrives_and_is_gone(self, make_board, kind):
        board = make_board(**kind)
        task_id = board.start()
        async with self.watching(board, task_id) as watch:
            assert await told(watch)

        assert board.messages() == 0

    async def test_garbage_disturbs_nobody_and_stays(self, board):
        for body in ("not JSON", "{}", "[" * 10_000, json.dumps({"Type": "Notification", "Message": "hello"})):
            board.send(body)
        async with self.watching(board, "t-1") as watch:
            receives = board.receives()
            await asyncio.sleep(0.5)
            assert watch.trouble is None
            board.send(board.notice("t-1"))
            assert await told(watch)
            assert board.receives() - receives < 15

        assert board.messages() == 4

    async def test_a_notice_that_is_received_where_nobody_waits_for_it_reaches_the_triggerer_where_somebody_does(
        self, board
    ):
        async with self.watching(board, "somebody else's", key="one"):
            board.send(board.notice("t-1"))
            while board.receives() == 0 or not board.messages():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            async with self.watching(board, "t-1", key="other") as watch:
                assert await told(watch)
        assert board.messages() == 0

    async def test_a_denied_queue_is_usable_again_once_it_is_allowed(self, board):
        board.cloud.order_fault("access_denied", service="sqs", operation="ReceiveMessage", count=3)
        queue = PollyNoticeQueue(queue_url=board.queue_url)
        async with SharedInbox.watching("denied", task_id="t-1", queue=queue, patience=QUICK) as watch:
            await changed(watch)
            assert "sqs:ReceiveMessage" in watch.trouble
            board.send(board.notice("t-1"))
            while not watch.take_notice():
                await changed(watch)
            while watch.trouble is not None:
                await changed(watch)
