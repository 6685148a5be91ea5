from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import AzureWaitBrokenError
from narration.sensors.azure_batch_synthesis import AzureBatchSynthesisSensor
from narration.sensors.azure_long_audio import AzureLongAudioSynthesisSensor
from narration.triggers.azure_synthesis import AzureSynthesisTrigger
from tests.azure_blocks import EVERY_API, GET

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi
UNKNOWN = "3f0e6a0c-0000-4000-8000-000000000000"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "defer"])


def _sensor(api, job_id, **change):
    arguments = {"task_id": "wait", "job_id": job_id, "deferrable": False, "poke_interval": 0.25, **change}
    if api is LONG_AUDIO:
        return AzureLongAudioSynthesisSensor(**arguments)
    return AzureBatchSynthesisSensor(api_version="2024-04-01" if api is BATCH else "3.1-preview1", **arguments)


@EVERY_API
@MODES
def test_a_finished_job_gives_its_facts_without_waiting(azure, task_context, api, deferrable):
    job_id = azure.start(api)
    azure.finish(api, job_id)

    facts = _sensor(api, job_id, deferrable=deferrable).execute(task_context)

    assert json.loads(json.dumps(facts)) == facts
    assert (facts["api"], facts["job_id"], facts["status"]) == (str(api), job_id, "Succeeded")
    assert "http" not in json.dumps(facts)


@EVERY_API
def test_poking_goes_on_until_it_has_succeeded(azure, task_context, api):
    azure.order_fault("stuck_not_started", api, seconds=0.3)

    assert _sensor(api, azure.start(api)).execute(task_context)["status"] == "Succeeded"


@EVERY_API
@MODES
def test_a_failed_job_fails_the_sensor_for_good_with_the_service_s_reason(azure, task_context, api, deferrable):
    azure.order_fault("fail", api, reason="The lab is full of eels")
    job_id = azure.start(api)
    azure.finish(api, job_id)

    with pytest.raises(AirflowFailException, match=f"{job_id}.*full of eels"):
        _sensor(api, job_id, deferrable=deferrable).execute(task_context)


@EVERY_API
@MODES
def test_an_unknown_job_fails_the_sensor_for_good(azure, task_context, api, deferrable):
    with pytest.raises(AirflowFailException, match=UNKNOWN):
        _sensor(api, UNKNOWN, deferrable=deferrable).execute(task_context)


@MODES
@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_a_failure_skips_instead_when_asked_to(azure, task_context, deferrable, flag):
    with pytest.raises(AirflowSkipException):
        _sensor(BATCH, UNKNOWN, deferrable=deferrable, **{flag: True}).execute(task_context)


@pytest.mark.parametrize("fault", ["error_500", "garbage_reply", "throttle"])
def test_a_service_that_does_not_answer_is_asked_again(azure, task_context, fault):
    job_id = azure.start(BATCH)
    more = {"seconds": 0} if fault == "throttle" else {}
    azure.order_fault(fault, BATCH, operation=GET[BATCH], count=2, **more)

    assert _sensor(BATCH, job_id).execute(task_context)["status"] == "Succeeded"


def test_a_service_that_does_not_answer_at_the_first_look_is_left_to_the_trigger(azure, task_context, monkeypatch):
    def away(self, **_):
        raise AzureSpeechError("wire cut")

    monkeypatch.setattr(AzureSpeechHook, "get_job", away)

    with pytest.raises(TaskDeferred):
        _sensor(BATCH, "j-1", deferrable=True).execute(task_context)


@MODES
def test_a_connection_that_does_not_exist_fails_the_sensor_for_good(azure, task_context, deferrable):
    with pytest.raises(AirflowFailException, match="nobody"):
        _sensor(BATCH, "j-1", deferrable=deferrable, azure_speech_conn_id="nobody").execute(task_context)


@MODES
def test_an_api_version_that_there_is_not_fails_the_sensor_for_good(azure, task_context, deferrable):
    sensor = AzureBatchSynthesisSensor(
        task_id="wait", job_id="j-1", api_version="2030-01-01", deferrable=deferrable, poke_interval=0.1
    )

    with pytest.raises(AirflowFailException, match="2030-01-01"):
        sensor.execute(task_context)


def test_poking_ends_at_its_timeout(azure, task_context):
    azure.order_fault("stuck_not_started", BATCH)

    with pytest.raises(AirflowSensorTimeout):
        _sensor(BATCH, azure.start(BATCH), timeout=0.1).execute(task_context)


class TestDeferring:
    @EVERY_API
    def test_it_defers_while_the_job_is_under_way_and_resumes_from_the_event(self, azure, task_context, api):
        azure.order_fault("stuck_not_started", api)
        job_id = azure.start(api)
        sensor = _sensor(api, job_id, deferrable=True, poke_interval=15, timeout=600, region="eastus")

        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(task_context)

        assert isinstance(deferred.value.trigger, AzureSynthesisTrigger)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["api"], arguments["job_id"], arguments["poll_interval"]) == (str(api), job_id, 15)
        assert (arguments["azure_speech_conn_id"], arguments["region"]) == ("azure_speech_default", "eastus")
        assert deferred.value.timeout.total_seconds() > 600
        facts = {"job_id": job_id, "status": "Succeeded"}
        event = {"status": "succeeded", "job_id": job_id, "job": facts}
        resumed = _sensor(api, job_id).resume_execution(deferred.value.method_name, {"event": event}, task_context)
        assert resumed == facts

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"status": "failed", "job": {"job_id": "j-1"}}, AirflowFailException),
            ({"status": "not_found"}, AirflowFailException),
            ({"status": "refused"}, AirflowFailException),
            ({"status": "timeout"}, AirflowSensorTimeout),
            ({"status": "error"}, AzureWaitBrokenError),
            (None, AzureWaitBrokenError),
        ],
        ids=lambda value: value["status"] if isinstance(value, dict) else "",
    )
    def test_an_event_that_is_not_a_success_fails_the_sensor(self, task_context, event, kind):
        with pytest.raises(kind):
            _sensor(BATCH, "j-1").execute_complete(task_context, event and {"job_id": "j-1", "message": "m", **event})

    @pytest.mark.parametrize("status", ["failed", "not_found", "refused", "timeout"])
    def test_a_failure_after_deferring_skips_with_soft_fail(self, task_context, status):
        event = {"status": status, "job_id": "j-1", "message": "m", "job": {"job_id": "j-1"}}

        with pytest.raises(AirflowSkipException):
            _sensor(BATCH, "j-1", soft_fail=True).execute_complete(task_context, event)


@pytest.mark.parametrize("block", [AzureBatchSynthesisSensor, AzureLongAudioSynthesisSensor])
def test_what_a_template_may_hold_is_a_template_field(block):
    assert {"job_id", "azure_speech_conn_id", "region"} <= set(block.template_fields)
