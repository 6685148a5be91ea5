"""One look at an account's unfinished jobs per tick, however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from narration.triggers.sweep import SharedSweep, Sighting

INTERVAL = 0.01


class Account:
    """Answers looks; counts them; can be made to fail or to take its time."""

    def __init__(self, *jobs: str) -> None:
        self.jobs = frozenset(jobs)
        self.looks = 0
        self.error: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def look(self, job_ids: frozenset[str]) -> frozenset[str]:
        self.looks += 1
        seen = self.jobs
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        return seen


async def first(sightings: AsyncIterator[Sighting]) -> Sighting:
    async with asyncio.timeout(5):
        return await anext(sightings)


async def test_a_watcher_is_told_what_is_unfinished():
    account = Account("1", "2")
    async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
        assert await first(sweep.sightings()) == Sighting(outstanding=frozenset({"1", "2"}))


async def test_a_hundred_watchers_cost_no_more_looks_than_one():
    account = Account("1")

    async def watch() -> None:
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
            sightings = sweep.sightings()
            for _ in range(3):
                await first(sightings)

    await asyncio.gather(*(watch() for _ in range(100)))

    assert account.looks <= 4


async def test_two_accounts_are_looked_at_separately():
    one, other = Account("1"), Account("2")
    async with SharedSweep.watching("polly:a", look=one.look, interval=INTERVAL) as first_sweep:
        async with SharedSweep.watching("polly:b", look=other.look, interval=INTERVAL) as second_sweep:
            assert (await first(second_sweep.sightings())).outstanding == {"2"}
            assert (await first(first_sweep.sightings())).outstanding == {"1"}


async def test_a_look_that_began_before_the_watcher_came_tells_it_nothing():
    # It may have begun before the watcher's jobs were bought; not to see them would then mean nothing.
    account = Account()
    account.answering.clear()
    async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL):
        while not account.looks:
            await asyncio.sleep(0.001)
        account.jobs = frozenset({"bought meanwhile"})
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
            waiting = asyncio.create_task(first(sweep.sightings()))
            await asyncio.sleep(0.005)
            account.answering.set()

            assert (await waiting).outstanding == {"bought meanwhile"}


async def test_a_failed_look_is_passed_on_and_repeated():
    account = Account("1")
    account.error = RuntimeError("no answer")
    async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
        sightings = sweep.sightings()
        assert await first(sightings) == Sighting(error="RuntimeError: no answer")
        account.error = None
        assert (await first(sightings)).outstanding == {"1"}


async def test_the_sweep_ends_with_its_last_watcher_and_begins_anew_for_the_next():
    account = Account("1")
    for expected in (1, 2):
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
            await first(sweep.sightings())
        looks = account.looks
        await asyncio.sleep(5 * INTERVAL)
        assert account.looks == looks >= expected


async def test_a_watcher_that_is_cancelled_leaves_the_sweep_to_the_others():
    account = Account("1")

    async def wait_for_ever() -> None:
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
            async for _ in sweep.sightings():
                pass

    leaving = asyncio.create_task(wait_for_ever())
    async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
        await asyncio.sleep(INTERVAL)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert (await first(sweep.sightings())).outstanding == {"1"}


async def test_whoever_waits_less_patiently_sets_the_rhythm():
    account = Account("1")
    async with SharedSweep.watching("polly:a", look=account.look, interval=600):
        await asyncio.sleep(0)
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL) as sweep:
            await first(sweep.sightings())
    assert account.looks >= 1


async def test_what_a_look_keeps_open_is_closed_with_the_last_watcher():
    account, closed = Account("1"), []

    async def close() -> None:
        closed.append(True)

    async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL, close=close):
        async with SharedSweep.watching("polly:a", look=account.look, interval=INTERVAL, close=close) as sweep:
            await first(sweep.sightings())
        assert not closed
    assert closed == [True]


async def test_a_look_is_told_what_everybody_waits_for_and_no_longer_what_nobody_does():
    asked: list[frozenset[str]] = []

    async def look(job_ids: frozenset[str]) -> frozenset[str]:
        asked.append(job_ids)
        return job_ids

    async with SharedSweep.watching("azure:a", look=look, interval=INTERVAL, job_ids=["1", "2"]) as sweep:
        async with SharedSweep.watching("azure:a", look=look, interval=INTERVAL, job_ids=["2", "3"]):
            assert (await first(sweep.sightings())).outstanding == {"1", "2", "3"}
        assert (await first(sweep.sightings())).outstanding == {"1", "2"}


class TestWaitingForRoom:
    @staticmethod
    async def admitted(account: Account, *, limit: int, waiting: int, then: tuple[str, ...] = ()) -> int:
        """How many go at a look at some jobs, of which but a few are unfinished at the next look."""
        mine = account.jobs
        async with SharedSweep.watching(
            "azure:a", look=account.look, interval=INTERVAL, job_ids=mine, wants_room=True
        ) as sweep:
            sightings = sweep.sightings()
            await first(sightings)
            account.jobs = frozenset(then)
            await first(sightings)
            return sum(sweep.admit(max_active_jobs=limit) for _ in range(waiting))

    async def test_as_many_may_try_as_jobs_finished(self):
        assert await self.admitted(Account("1", "2", "3"), limit=3, waiting=5, then=("3",)) == 2

    async def test_nobody_tries_while_the_service_is_full_or_cannot_be_asked(self):
        broken = Account("1", "2")
        broken.error = OSError("no route")

        assert await self.admitted(Account("1", "2"), limit=1, waiting=5, then=("2",)) == 0
        assert await self.admitted(broken, limit=2, waiting=5) == 0

    async def test_nobody_tries_at_once_when_the_service_is_full_of_the_jobs_of_others(self):
        assert await self.admitted(Account(), limit=120, waiting=50) == 0

    async def test_jobs_that_nobody_asks_about_any_more_are_not_taken_for_finished(self):
        looks: list[frozenset[str]] = []

        async def look(job_ids: frozenset[str]) -> frozenset[str]:
            looks.append(job_ids)
            return job_ids

        async with SharedSweep.watching("azure:a", look=look, interval=INTERVAL, wants_room=True) as sweep:
            sightings = sweep.sightings()
            async with SharedSweep.watching("azure:a", look=look, interval=INTERVAL, job_ids=["1", "2"]) as other:
                await first(other.sightings())
            while looks[-1]:
                await first(sightings)

            assert not sweep.admit(max_active_jobs=120)


async def test_a_look_that_takes_long_is_not_followed_by_a_pause_of_more_than_two_minutes():
    sweep = SharedSweep(account="here", look=Account().look)
    sweep._intervals.append(5.0)
    loop = asyncio.get_running_loop()

    # A look of five minutes, and two minutes and a moment ago: the next one is due.
    async with asyncio.timeout(1):
        await sweep._until_due(ended=loop.time() - 120.1, took=300.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await sweep._until_due(ended=loop.time() - 110.0, took=300.0)


async def test_its_lines_name_the_account_and_not_the_trigger_that_happened_to_come_first(caplog):
    from structlog.contextvars import bound_contextvars, get_contextvars

    seen = []

    async def look(job_ids: frozenset[str]) -> frozenset[str]:
        seen.append(dict(get_contextvars()))
        return job_ids

    with bound_contextvars(trigger_id=7, order="3f2a"):
        async with SharedSweep.watching("polly:a", look=look, interval=INTERVAL, job_ids=["1", "2"]) as sweep:
            await first(sweep.sightings())
            assert get_contextvars()["trigger_id"] == 7

    # Airflow's triggerer puts lines with a trigger's id into the log of that trigger, which may be gone by then.
    assert seen[0] == {"account": "polly:a", "jobs": 2}
