from __future__ import annotations

import asyncio
import json
import time
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from narration.triggers import jobs
from narration.triggers.jobs import JobsTrigger
from tests.conftest import SECRET
from tests.road import LIST

CONNECTION = {"aws_conn_id": "aws_default", "bucket": "narration-output"}


def trigger(*job_ids: str, **change: Any) -> JobsTrigger:
    arguments = {"poll_interval": 0.02, "end_time": time.time() + 60, "look_again_at": None, **change}
    return JobsTrigger(service="polly", connection=CONNECTION, job_ids=job_ids, **arguments)


async def event_of(waiting: JobsTrigger) -> dict[str, Any]:
    async with asyncio.timeout(20):
        events = [event.payload async for event in waiting.run()]
    assert len(events) == 1
    return events[0]


@pytest.fixture
def job(bench):
    """Buy one job and give its id."""

    def bought(**fault: Any) -> str:
        if fault:
            bench.cloud.order_fault(**fault)
        task = bench.cloud.client("polly").start_speech_synthesis_task(
            Text=bench.text("waited for"), VoiceId="Joanna", OutputFormat="pcm", OutputS3BucketName="narration-output"
        )
        return task["SynthesisTask"]["TaskId"]

    return bought


def test_it_survives_serialisation_and_carries_no_secret():
    original = trigger("1", "2", look_again_at=12.5)

    path, kwargs = original.serialize()
    module, name = path.rsplit(".", 1)
    again = getattr(import_module(module), name)(**json.loads(json.dumps(kwargs)))

    assert again.serialize() == (path, kwargs)
    assert SECRET not in json.dumps(kwargs)


@pytest.mark.parametrize("fault", [{}, {"kind": "fail", "reason": "No."}])
async def test_it_fires_when_a_job_is_over_however_it_ended(job, fault):
    assert await event_of(trigger(job(**fault))) == {"status": "changed"}


async def test_it_fires_for_a_job_that_polly_has_never_heard_of(bench):
    assert await event_of(trigger("8a0ab0a1-1111-2222-3333-444444444444")) == {"status": "changed"}


async def test_it_waits_until_the_last_of_its_jobs_is_over(job):
    done, going_on = job(), job(kind="stuck_scheduled", seconds=0.4)
    begun = time.monotonic()

    assert await event_of(trigger(done, going_on)) == {"status": "changed"}

    assert time.monotonic() - begun > 0.3


async def test_it_never_comes_back_within_a_moment(job):
    # Airflow 3.3.2 sometimes fails a task whose deferral ends at once.
    finished = job()
    begun = time.monotonic()

    await event_of(trigger(finished, poll_interval=0.3))

    assert time.monotonic() - begun >= 0.3


async def test_it_fires_when_it_is_time_to_look_again(job):
    stuck = job(kind="stuck_scheduled")

    assert await event_of(trigger(stuck, look_again_at=time.time() + 0.1)) == {"status": "due"}
    assert await event_of(trigger(look_again_at=time.time() - 5)) == {"status": "due"}


async def test_it_fires_when_the_longest_wait_is_over(job):
    assert await event_of(trigger(job(kind="stuck_scheduled"), end_time=time.time())) == {"status": "timeout"}


async def test_it_gives_up_when_polly_cannot_be_asked_many_times_in_a_row(bench, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(jobs, "MAX_FAILED_SWEEPS", 3)
    bench.cloud.order_fault("error_500", operation=LIST, count=999)

    event = await event_of(trigger("1"))

    assert event["status"] == "error"
    assert "Polly did not answer ListSpeechSynthesisTasks" in event["message"]


async def test_a_passing_error_is_waited_through(bench, job, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(jobs, "MAX_FAILED_SWEEPS", 3)
    finished = job()
    bench.cloud.order_fault("error_500", operation=LIST, count=2)

    assert await event_of(trigger(finished)) == {"status": "changed"}


@pytest.mark.parametrize("triggers", [2, 40])
async def test_the_number_of_list_calls_does_not_grow_with_the_number_of_orders(bench, job, triggers):
    stuck = job(kind="stuck_scheduled", seconds=0.5)
    calls = bench.calls(LIST)

    events = await asyncio.gather(*(event_of(trigger(stuck, poll_interval=0.2)) for _ in range(triggers)))

    assert events == [{"status": "changed"}] * triggers
    # Two statuses are listed per look, and there is time for some five looks.
    assert bench.calls(LIST) - calls <= 16


async def test_after_a_while_one_slow_job_keeps_nobody_from_the_audio_of_the_others(job, monkeypatch):
    monkeypatch.setattr("narration.triggers.jobs._SECONDS_WORTH_COLLECTING", 0.2)
    jobs = [job(), job(kind="stuck_scheduled"), job(kind="stuck_scheduled"), job(kind="stuck_scheduled")]
    begun = time.monotonic()

    assert await event_of(trigger(*jobs)) == {"status": "changed"}

    assert time.monotonic() - begun >= 0.2


async def test_killing_the_task_says_that_the_jobs_go_on():
    with mock.patch.object(JobsTrigger, "log") as log:
        await trigger("1", "2").on_kill()

    message, count = log.info.call_args.args
    assert "next attempt adopts them" in message
    assert count == 2


async def test_none_of_many_orders_is_sent_to_a_service_that_told_them_a_moment_ago_that_it_is_full(job):
    waiting = [asyncio.ensure_future(event_of(trigger(max_active_jobs=120))) for _ in range(40)]

    done, pending = await asyncio.wait(waiting, timeout=0.5)
    for each in pending:
        each.cancel()
    await asyncio.gather(*pending, return_exceptions=True)

    assert not done


async def test_one_goes_to_try_when_a_job_was_seen_to_finish(monkeypatch):
    looks = iter([frozenset("12345")] * 5)
    service = mock.Mock(account="full", close=mock.AsyncMock())
    service.outstanding_jobs = mock.AsyncMock(side_effect=lambda _: next(looks, frozenset("2345")))
    monkeypatch.setattr(jobs, "make_service", lambda *_: service)
    owner = asyncio.ensure_future(event_of(trigger(*"12345")))

    assert await event_of(trigger(max_active_jobs=5)) == {"status": "room"}

    owner.cancel()
    await asyncio.gather(owner, return_exceptions=True)
