from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TriggerEvent

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechError, AzureSpeechThrottledError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import read_event
from narration.triggers.azure_synthesis import AzureSynthesisTrigger
from tests.azure_blocks import CREATE, EVERY_API, GET

BATCH = SynthesisApi.BATCH
EVERYTHING = {
    "api": "long-audio-v3.0",
    "job_id": "j-1",
    "end_time": 1_800_000_000.0,
    "poll_interval": 12.5,
    "azure_speech_conn_id": "publisher",
    "region": "westeurope",
}


def _trigger(api, job_id, *, seconds=30, **change):
    return AzureSynthesisTrigger(
        **{"api": str(api), "job_id": job_id, "end_time": time.time() + seconds, "poll_interval": 0.2, **change}
    )


async def _single_event(trigger) -> dict:
    """Run a trigger to its event, and make sure that there is no second one."""
    events = trigger.run()
    event = await asyncio.wait_for(anext(events), timeout=20)
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert isinstance(event, TriggerEvent)
    assert json.loads(json.dumps(event.payload)) == event.payload
    # Which resource it was may be said, and where a result is may not.
    assert "http" not in json.dumps(event.payload.get("job"))
    assert "sig=" not in json.dumps(event.payload)
    return event.payload


class TestSerialization:
    def test_everything_survives_a_round_trip_through_airflow_s_serialization(self):
        path, arguments = AzureSynthesisTrigger(**EVERYTHING).serialize()

        restored = BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(arguments))))

        assert path == "narration.triggers.azure_synthesis.AzureSynthesisTrigger"
        assert restored == EVERYTHING
        assert AzureSynthesisTrigger(**restored).serialize() == (path, arguments)

    def test_it_holds_no_secret(self, azure):
        trigger = _trigger(BATCH, "j-1")
        assert trigger.hook().account

        assert azure.key not in json.dumps(trigger.serialize())

    def test_what_the_triggerer_sets_does_not_get_into_the_way(self):
        trigger = AzureSynthesisTrigger(**EVERYTHING)

        trigger.task_instance = SimpleNamespace(task_id="the_airflow_task")

        assert trigger.serialize()[1] == EVERYTHING

    def test_the_hook_gets_every_connection_argument(self):
        hook = AzureSynthesisTrigger(**EVERYTHING).hook()

        assert (hook.azure_speech_conn_id, hook.region) == ("publisher", "westeurope")


class TestWaiting:
    @EVERY_API
    async def test_a_job_that_succeeds_gives_one_event_with_its_facts(self, azure, api):
        job_id = azure.start(api)

        event = await _single_event(_trigger(api, job_id))

        assert event["status"] == "succeeded"
        assert read_event(event)["job_id"] == job_id

    @EVERY_API
    async def test_a_job_that_fails_gives_one_event_with_the_service_s_reason(self, azure, api):
        azure.order_fault("fail", api, reason="The lab is full of eels")

        event = await _single_event(_trigger(api, azure.start(api)))

        assert event["status"] == "failed"
        assert event["job"]["error_message"] == "The lab is full of eels"

    @EVERY_API
    async def test_an_unknown_job_gives_one_event(self, azure, api):
        event = await _single_event(_trigger(api, "3f0e6a0c-0000-4000-8000-000000000000"))

        assert event["status"] == "not_found"

    async def test_the_waiting_ends_at_its_time_after_a_last_look(self, azure):
        azure.order_fault("stuck_not_started", BATCH)
        job_id = azure.start(BATCH)
        looks = azure.calls(BATCH, GET[BATCH])

        event = await _single_event(_trigger(BATCH, job_id, seconds=-3600, poll_interval=1000))

        assert event["status"] == "timeout"
        assert "goes on at the service" in event["message"]
        assert azure.calls(BATCH, GET[BATCH]) == looks + 1

    async def test_a_job_that_succeeded_while_no_triggerer_ran_has_succeeded(self, azure):
        job_id = azure.start(BATCH)
        azure.finish(BATCH, job_id)

        assert (await _single_event(_trigger(BATCH, job_id, seconds=-3600)))["status"] == "succeeded"

    async def test_throttling_and_faults_do_not_end_it(self, azure, monkeypatch):
        job_id = azure.start(BATCH)
        read = AzureSpeechHook.get_job_async
        troubles = iter([AzureSpeechThrottledError("too fast", retry_after=0.3), AzureSpeechError("wire cut")])

        async def sometimes(self, **job):
            for trouble in troubles:
                raise trouble
            return await read(self, **job)

        monkeypatch.setattr(AzureSpeechHook, "get_job_async", sometimes)
        begun = time.monotonic()

        assert (await _single_event(_trigger(BATCH, job_id, poll_interval=0.05)))["status"] == "succeeded"
        assert time.monotonic() - begun > 0.3

    async def test_a_service_that_stays_away_ends_it_in_time_and_says_so(self, azure, monkeypatch):
        async def never(self, **_):
            raise AzureSpeechError("wire cut")

        monkeypatch.setattr(AzureSpeechHook, "get_job_async", never)

        event = await _single_event(_trigger(BATCH, "j-1", seconds=0.2, poll_interval=0.05))

        assert event["status"] == "timeout"
        assert "wire cut" in event["message"]

    async def test_a_connection_that_does_not_exist_gives_one_event_that_says_so(self):
        event = await _single_event(_trigger(BATCH, "j-1", azure_speech_conn_id="nobody"))

        assert event["status"] == "refused"
        assert "nobody" in event["message"]

    async def test_a_key_that_was_revoked_gives_one_event(self, azure, monkeypatch):
        job_id, azure.key = azure.start(BATCH), "revoked-aaaa1111"
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", azure.connection())

        assert (await _single_event(_trigger(BATCH, job_id)))["status"] == "refused"

    async def test_two_triggers_for_one_job_do_each_other_no_harm(self, azure):
        job_id = azure.start(BATCH)

        events = await asyncio.gather(*(_single_event(_trigger(BATCH, job_id)) for _ in range(2)))

        assert [event["status"] for event in events] == ["succeeded", "succeeded"]


async def test_it_never_buys_anything_and_never_blocks_the_loop(azure):
    azure.order_fault("stuck_not_started", BATCH, seconds=1)
    job_id = azure.start(BATCH)
    creates = azure.calls(BATCH, CREATE[BATCH])
    longest, running = 0.0, True

    async def heartbeat():
        nonlocal longest
        while running:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    beating = asyncio.create_task(heartbeat())
    await _single_event(_trigger(BATCH, job_id))
    running = False
    await beating

    assert azure.calls(BATCH, CREATE[BATCH]) == creates
    # Airflow warns from 0.2 s; a shared and busy machine needs some room.
    assert longest < 1.0


async def test_being_killed_cancels_nothing(azure):
    azure.order_fault("stuck_not_started", BATCH)
    job_id = azure.start(BATCH)

    await _trigger(BATCH, job_id).on_kill()

    assert azure.hook.get_job(api=BATCH, job_id=job_id).status == "NotStarted"
