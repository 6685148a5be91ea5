from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TriggerEvent

from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyTaskNotFoundError, PollyThrottledError
from narration.hooks.polly_tasks import read_event
from narration.triggers.polly import PollySpeechSynthesisTaskTrigger

EVERYTHING = {
    "task_id": "t-1",
    "end_time": 1_800_000_000.0,
    "known_by": 1_799_999_000.0,
    "poll_interval": 12.5,
    "aws_conn_id": "publisher",
    "region_name": "eu-west-1",
    "verify": "/etc/ca.pem",
    "botocore_config": {"read_timeout": 7},
}


def _start(**members):
    return PollyHook().start_speech_synthesis_task(
        **{
            "Text": "It is a truth universally acknowledged.",
            "OutputFormat": "mp3",
            "VoiceId": "Joanna",
            "OutputS3BucketName": "narration-output",
            **members,
        }
    )["TaskId"]


def _trigger(task_id, *, seconds=30, **change):
    return PollySpeechSynthesisTaskTrigger(
        **{"task_id": task_id, "end_time": time.time() + seconds, "poll_interval": 0.05, **change}
    )


async def _single_event(trigger) -> dict:
    """Run a trigger to its event, and make sure that there is no second one."""
    events = trigger.run()
    event = await asyncio.wait_for(anext(events), timeout=20)
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert isinstance(event, TriggerEvent)
    assert json.loads(json.dumps(event.payload)) == event.payload
    return event.payload


class TestSerialization:
    def test_everything_survives_a_round_trip_through_airflow_s_serialization(self):
        path, arguments = PollySpeechSynthesisTaskTrigger(**EVERYTHING).serialize()

        restored = BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(arguments))))

        assert path == "narration.triggers.polly.PollySpeechSynthesisTaskTrigger"
        assert restored == EVERYTHING
        assert PollySpeechSynthesisTaskTrigger(**restored).serialize() == (path, arguments)

    def test_the_triggerer_s_own_task_id_does_not_get_into_the_way(self):
        trigger = PollySpeechSynthesisTaskTrigger(**EVERYTHING)

        trigger.task_instance = SimpleNamespace(task_id="the_airflow_task")

        assert trigger.serialize()[1]["task_id"] == "t-1"

    def test_the_hook_gets_every_connection_argument(self):
        hook = PollySpeechSynthesisTaskTrigger(**EVERYTHING).hook()

        assert (hook.aws_conn_id, hook._region_name, hook._verify) == ("publisher", "eu-west-1", "/etc/ca.pem")
        assert hook._config.read_timeout == 7


class TestWaiting:
    async def test_a_task_that_completes_gives_one_event_with_its_facts(self, aws_connection):
        task_id = _start()

        event = await _single_event(_trigger(task_id))

        assert event["status"] == "completed"
        assert read_event(event)["task_id"] == task_id

    async def test_a_task_that_fails_gives_one_event_with_polly_s_reason(self, aws_connection):
        aws_connection.order_fault("fail", reason="The bucket is full of eels")
        task_id = _start()

        event = await _single_event(_trigger(task_id))

        assert event["status"] == "failed"
        assert event["task"]["task_status_reason"] == "The bucket is full of eels"

    async def test_an_unknown_task_gives_one_event(self, aws_connection):
        event = await _single_event(_trigger("unknown-to-polly", known_by=time.time() - 1))

        assert event["status"] == "not_found"

    async def test_a_task_that_polly_does_not_know_yet_is_waited_for(self, aws_connection, monkeypatch):
        task_id = _start()
        read = PollyHook.aget_speech_synthesis_task
        lags = iter([True, True])

        async def lagging(self, task_id, *, client):
            if next(lags, False):
                raise PollyTaskNotFoundError("unknown", "SynthesisTaskNotFoundException")
            return await read(self, task_id, client=client)

        monkeypatch.setattr(PollyHook, "aget_speech_synthesis_task", lagging)

        assert (await _single_event(_trigger(task_id)))["status"] == "completed"

    async def test_a_task_that_never_becomes_known_ends_the_waiting_soon(self, aws_connection):
        event = await _single_event(_trigger("unknown-to-polly", known_by=time.time() + 0.3))

        assert event["status"] == "not_found"

    async def test_a_trigger_that_moves_to_another_triggerer_gives_polly_no_new_time(self):
        arguments = _trigger("t-1").serialize()[1]

        assert 290 < arguments["known_by"] - time.time() <= 300
        assert PollySpeechSynthesisTaskTrigger(**arguments).known_by == arguments["known_by"]

    async def test_the_waiting_ends_at_its_time_after_a_last_look(self, aws_connection):
        aws_connection.order_fault("stuck_scheduled")
        task_id = _start()
        looks = aws_connection.calls("GetSpeechSynthesisTask")

        event = await _single_event(_trigger(task_id, seconds=-3600, poll_interval=1000))

        assert event["status"] == "timeout"
        assert aws_connection.calls("GetSpeechSynthesisTask") == looks + 1

    async def test_a_task_that_completed_while_no_triggerer_ran_is_still_completed(self, aws_connection):
        task_id = _start()
        PollyHook().wait_for_speech_synthesis_task(task_id, waiter_delay=0.05)

        assert (await _single_event(_trigger(task_id, seconds=-3600)))["status"] == "completed"

    async def test_throttling_and_faults_do_not_end_it(self, aws_connection, monkeypatch):
        task_id = _start()
        read = PollyHook.aget_speech_synthesis_task
        throttled = iter([True, True])

        async def sometimes(self, task_id, *, client):
            if next(throttled, False):
                raise PollyThrottledError("too fast")
            return await read(self, task_id, client=client)

        monkeypatch.setattr(PollyHook, "aget_speech_synthesis_task", sometimes)

        assert (await _single_event(_trigger(task_id)))["status"] == "completed"

    async def test_a_connection_that_does_not_exist_gives_one_event_that_says_so(self):
        event = await _single_event(_trigger("t-1", aws_conn_id="nobody", region_name="us-east-1"))

        assert event["status"] == "refused"
        assert "'nobody'" in event["message"]

    async def test_two_triggers_for_one_task_do_each_other_no_harm(self, aws_connection):
        task_id = _start()
        bill = aws_connection.bill()

        events = await asyncio.gather(_single_event(_trigger(task_id)), _single_event(_trigger(task_id)))

        assert [event["status"] for event in events] == ["completed", "completed"]
        assert aws_connection.bill() == bill


async def test_it_never_starts_anything_and_never_blocks_the_loop(aws_connection, monkeypatch):
    aws_connection.order_fault("stuck_scheduled", seconds=1)
    task_id = _start()
    starts = aws_connection.calls("StartSpeechSynthesisTask")
    longest, running = 0.0, True

    async def heartbeat():
        nonlocal longest
        while running:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    beating = asyncio.create_task(heartbeat())
    await _single_event(_trigger(task_id))
    running = False
    await beating

    assert aws_connection.calls("StartSpeechSynthesisTask") == starts
    # Airflow warns from 0.2 s; a shared and busy machine needs some room.
    assert longest < 1.0


async def test_being_killed_cancels_nothing(aws_connection):
    aws_connection.order_fault("stuck_scheduled")
    task_id = _start()

    await _trigger(task_id).on_kill()

    assert PollyHook().get_speech_synthesis_task(task_id)["TaskStatus"] == "scheduled"
