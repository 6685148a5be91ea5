"""What creating a job has in common at Azure's three APIs: failed jobs, corrected arguments, waiting for room."""

from __future__ import annotations

import time

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureActiveJobsError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import AzureJobFailedError
from narration.operators import azure_synthesis
from narration.operators.azure_batch_synthesis import AzureBatchSynthesisCreateOperator
from narration.operators.azure_long_audio import AzureLongAudioCreateOperator
from narration.operators.azure_synthesis import MOST_FAILED_JOBS, STATE_KEY
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS
from tests.azure_blocks import EVERY_API, LONG_TEXT, SERVICES, VOICE

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi
#: The service chooses the id of a job.
NAMED = pytest.mark.parametrize("api", [PREVIEW, LONG_AUDIO], ids=["preview", "long_audio"])


def _operator(api, **change):
    common = {"task_id": "create", "deferrable": False, "poll_interval": 0.05, "timeout": 30, **change}
    if api is LONG_AUDIO:
        return AzureLongAudioCreateOperator(**{"text": LONG_TEXT, "locale": "en-US", "voices": VOICE, **common})
    version = "2024-04-01" if api is BATCH else "3.1-preview1"
    return AzureBatchSynthesisCreateOperator(**{"inputs": "Emma.", "voice": VOICE, "api_version": version, **common})


class TestWhatOnlyDescribesTheJob:
    @EVERY_API
    def test_another_attempt_that_says_it_differently_buys_nothing(self, azure, block_context, api):
        def attempt(number):
            change = {"description": f"attempt {number}"}
            change |= {} if api is BATCH else {"custom_properties": {"attempt": str(number)}, "display_name": "Emma"}
            change |= {} if api is LONG_AUDIO else {"time_to_live": 100 + number}
            block_context["ti"].try_number = number
            return _operator(api, wait_for_completion=False, **change).execute(block_context)["job_id"]

        first, jobs = attempt(1), azure.bought(api)

        assert attempt(2) == first
        assert azure.bought(api) == jobs

    def test_nor_does_it_under_an_id_of_the_user_s(self, azure, block_context):
        first, second = (
            _operator(BATCH, synthesis_id="emma-described", description=text, wait_for_completion=False)
            for text in ("For Emma.", "For Emma, and for Mr Knightley.")
        )
        first.execute(block_context)
        jobs = azure.bought(BATCH)

        assert second.execute(block_context)["job_id"] == "emma-described"
        assert azure.bought(BATCH) == jobs


class TestJobsThatFailed:
    @NAMED
    def test_they_are_counted_and_bought_anew_until_there_are_too_many(self, azure, block_context, monkeypatch, api):
        monkeypatch.setattr(azure_synthesis, "MOST_FAILED_JOBS", 2)
        azure.order_fault("fail", api, count=9, reason="The lab is on fire")
        for _ in range(2):
            with pytest.raises(AzureJobFailedError):
                _operator(api).execute(block_context)
        jobs = azure.bought(api)

        for _ in range(2):
            with pytest.raises(AirflowFailException, match=r"AzureJobsFailedError: 2 jobs.*on fire.*delete the jobs"):
                _operator(api).execute(block_context)
        assert azure.bought(api) == jobs

    @NAMED
    def test_where_nothing_is_written_down_those_that_the_service_lists_are_counted(self, azure, block_context, api):
        self._seed(azure, block_context, api, failed=MOST_FAILED_JOBS)
        jobs, block_context["ti"].try_number = azure.bought(api), 2

        with pytest.raises(AirflowFailException, match=f"{MOST_FAILED_JOBS} jobs for this task failed"):
            _operator(api).execute(block_context)
        assert azure.bought(api) == jobs

    @NAMED
    def test_the_count_goes_on_from_what_the_service_lists(self, azure, block_context, api):
        self._seed(azure, block_context, api, failed=MOST_FAILED_JOBS - 1)
        block_context["ti"].try_number = 2
        azure.order_fault("fail", api, reason="The lab is on fire")
        with pytest.raises(AzureJobFailedError):
            _operator(api).execute(block_context)
        assert block_context["task_state_store"].values[STATE_KEY]["failed"] == MOST_FAILED_JOBS - 1

        with pytest.raises(AirflowFailException, match=f"{MOST_FAILED_JOBS} jobs"):
            _operator(api).execute(block_context)

    def test_the_count_outlives_a_lack_of_room(self, azure, block_context, monkeypatch):
        azure.order_fault("fail", PREVIEW, reason="The lab is on fire")
        with pytest.raises(AzureJobFailedError):
            _operator(PREVIEW).execute(block_context)

        def crowded(self, **_):
            raise AzureActiveJobsError("200 jobs are active")

        monkeypatch.setattr(AzureSpeechHook, "create_batch_synthesis", crowded)
        for _ in range(2):
            with pytest.raises(AzureActiveJobsError):
                _operator(PREVIEW, timeout=0).execute(block_context)
            assert block_context["task_state_store"].values[STATE_KEY]["failed"] == 1

    @NAMED
    def test_one_that_did_not_fail_is_adopted_however_many_did(self, azure, block_context, api):
        first = _operator(api, wait_for_completion=False).execute(block_context)["job_id"]
        self._seed(azure, block_context, api, failed=MOST_FAILED_JOBS)
        block_context["task_state_store"].values.clear()
        block_context["ti"].try_number = 2

        assert _operator(api, wait_for_completion=False).execute(block_context)["job_id"] == first

    def _seed(self, azure, context, api, *, failed):
        name = _operator(api)._request(context).display_name("")
        order = {"api": SERVICES[api], "key": azure.key, "status": "Failed", "display_names": [name] * failed}
        azure.cloud._call("POST", "azure/jobs", order)


class TestRoomAndTheTimeThatIsLeft:
    @pytest.fixture(autouse=True, params=[None, 90.0, float("inf")], ids=["silent", "asks for 90 s", "for ever"])
    def full(self, request, monkeypatch):
        def crowded(self, **_):
            raise AzureActiveJobsError("200 jobs are active", retry_after=request.param)

        monkeypatch.setattr(AzureSpeechHook, "create_batch_synthesis", crowded)

    def test_deferred_it_does_not_wait_for_longer_than_that(self, azure, block_context):
        before = time.time()

        with pytest.raises(TaskDeferred) as deferred:
            _operator(BATCH, deferrable=True, timeout=20).execute(block_context)

        assert before < deferred.value.trigger.moment.timestamp() <= time.time() + 20

    def test_nor_does_it_on_a_worker(self, azure, block_context):
        begun = time.monotonic()

        with pytest.raises(AzureActiveJobsError):
            _operator(BATCH, timeout=0.2).execute(block_context)
        assert time.monotonic() - begun < 5


class TestAFormatThatTheApiLacks:
    @EVERY_API
    def test_those_that_it_has_are_named(self, azure, block_context, api):
        formats = LONG_AUDIO_FORMATS if api is LONG_AUDIO else BATCH_FORMATS

        with pytest.raises(AirflowFailException, match=rf"[Ff]ormat.*has are {', '.join(formats)}\.$"):
            _operator(api, output_format="audio-99khz-mp3").execute(block_context)

    def test_it_says_nothing_of_formats_if_another_thing_was_refused(self, azure, block_context):
        with pytest.raises(AirflowFailException) as raised:
            _operator(BATCH, output_format="raw-24khz-16bit-mono-pcm", properties={"timeToLiveInHours": 9_999}).execute(
                block_context
            )
        assert "timeToLiveInHours" in str(raised.value)
        assert BATCH_FORMATS[0] not in str(raised.value)
