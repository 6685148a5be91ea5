from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureReplyLostError, AzureStoredJobsError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import AzureJobFailedError
from narration.operators.azure_long_audio import AzureLongAudioCreateOperator
from narration.operators.azure_synthesis import STATE_KEY
from tests.azure_blocks import CREATE, LONG_TEXT, VOICE

API = SynthesisApi.LONG_AUDIO


def _operator(**change):
    return AzureLongAudioCreateOperator(
        **{
            "task_id": "create",
            "text": LONG_TEXT,
            "locale": "en-US",
            "voices": VOICE,
            "deferrable": False,
            "poll_interval": 0.3,
            "timeout": 30,
            **change,
        }
    )


class TestCreating:
    def test_it_waits_and_returns_json_facts_of_the_finished_job(self, azure, block_context):
        facts = _operator().execute(block_context)

        assert json.loads(json.dumps(facts)) == facts
        assert (facts["api"], facts["status"]) == (str(API), "Succeeded")
        assert facts["billed_characters"] > 400
        assert facts["duration_seconds"] > 1
        assert "http" not in json.dumps(facts)

    def test_every_argument_of_the_api_reaches_the_service(self, azure, block_context):
        facts = _operator(
            display_name="Emma",
            description="For Emma.",
            output_format="audio-24khz-48kbitrate-mono-mp3",
            concatenate_result="True",
            custom_properties={"shelf": "7"},
            voices=[{"voiceName": VOICE}],
            wait_for_completion=False,
        ).execute(block_context)

        raw = azure.hook.get_job(api=API, job_id=facts["job_id"]).raw
        assert raw["displayName"].startswith("Emma [")
        assert (raw["description"], raw["locale"]) == ("For Emma.", "en-US")
        assert raw["customProperties"] == {"shelf": "7"}
        assert raw["models"][0]["voiceName"] == VOICE
        assert raw["properties"]["outputFormat"] == "audio-24khz-48kbitrate-mono-mp3"
        assert raw["properties"]["concatenateResult"] is True

    def test_a_single_voice_may_be_given_as_the_api_has_it(self, azure, block_context):
        facts = _operator(voices={"voiceName": VOICE}, wait_for_completion=False).execute(block_context)

        assert azure.hook.get_job(api=API, job_id=facts["job_id"]).raw["models"][0]["voiceName"] == VOICE

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
    def test_a_file_may_have_a_byte_order_mark_or_not(self, azure, block_context, tmp_path, mark):
        text = LONG_TEXT + " élève"
        (tmp_path / "emma.txt").write_bytes(mark + text.encode())
        by_hand = azure.finish(API, azure.start(API, text))

        facts = _operator(text="", text_file=str(tmp_path / "emma.txt")).execute(block_context)

        assert facts["billed_characters"] == by_hand.billed_characters


class TestARetryDoesNotBuyAgain:
    def test_it_adopts_what_the_earlier_attempt_bought(self, azure, block_context):
        first = _operator(wait_for_completion=False).execute(block_context)
        jobs, block_context["ti"].try_number = azure.bought(API), 2

        again = _operator().execute(block_context)

        assert (again["job_id"], again["status"]) == (first["job_id"], "Succeeded")
        assert azure.bought(API) == jobs

    def test_a_worker_that_died_before_it_wrote_anything_down_is_followed_by_one_that_adopts(
        self, azure, block_context
    ):
        first = _operator(wait_for_completion=False).execute(block_context)
        block_context["task_state_store"].values.clear()
        jobs, block_context["ti"].try_number = azure.bought(API), 2

        assert _operator(wait_for_completion=False).execute(block_context)["job_id"] == first["job_id"]
        assert azure.bought(API) == jobs

    def test_a_worker_that_died_between_buying_and_asking_is_followed_by_one_that_adopts(
        self, azure, block_context, monkeypatch
    ):
        jobs = azure.bought(API)

        def killed(self, **_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(AzureSpeechHook, "get_job", killed)
            with pytest.raises(KeyboardInterrupt):
                _operator().execute(block_context)
        bought = block_context["task_state_store"].values[STATE_KEY]["job_id"]

        assert _operator(wait_for_completion=False).execute(block_context)["job_id"] == bought
        assert azure.bought(API) == jobs + 1

    def test_the_intent_is_written_down_before_anything_is_sent(self, azure, block_context, monkeypatch):
        def killed(self, **_):
            raise KeyboardInterrupt

        monkeypatch.setattr(AzureSpeechHook, "create_long_audio_synthesis", killed)
        with pytest.raises(KeyboardInterrupt):
            _operator().execute(block_context)

        assert "job_id" not in block_context["task_state_store"].values[STATE_KEY]

    def test_a_create_whose_answer_is_lost_is_found_in_the_list_at_once(self, azure, block_context):
        jobs = azure.bought(API)
        azure.order_fault("drop_reply", API, operation=CREATE[API])

        assert _operator().execute(block_context)["status"] == "Succeeded"
        assert azure.bought(API) == jobs + 1

    def test_a_create_that_was_lost_and_not_accepted_is_bought_by_the_next_attempt(self, azure, block_context):
        jobs = azure.bought(API)
        azure.order_fault("error_500", API, operation=CREATE[API])
        with pytest.raises(AzureReplyLostError):
            _operator().execute(block_context)
        assert azure.bought(API) == jobs

        assert _operator().execute(block_context)["status"] == "Succeeded"
        assert azure.bought(API) == jobs + 1

    def test_somebody_else_s_job_of_the_same_name_is_not_adopted(self, azure, block_context):
        other = azure.start(API)
        block_context["ti"].try_number = 2

        facts = _operator(display_name="by hand", wait_for_completion=False).execute(block_context)

        assert facts["job_id"] != other

    def test_a_job_that_failed_is_bought_anew(self, azure, block_context):
        azure.order_fault("fail", API, reason="The lab is on fire")
        with pytest.raises(AzureJobFailedError, match="The lab is on fire"):
            _operator().execute(block_context)

        assert _operator().execute(block_context)["status"] == "Succeeded"

    def test_of_several_jobs_with_the_key_the_one_that_is_furthest_is_adopted(self, azure, block_context):
        operator = _operator()
        request = operator._request(block_context)
        first, second = (
            azure.hook.create_long_audio_synthesis(display_name=request.display_name(""), **request.arguments)
            for _ in range(2)
        )
        azure.finish(API, first)
        azure.finish(API, second)
        jobs, block_context["ti"].try_number = azure.bought(API), 2

        assert operator.execute(block_context)["job_id"] == first
        assert azure.bought(API) == jobs


class TestFailures:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"text": "x" * 399}, "399 characters"),
            ({"text": "x" * 400 + "\n"}, "400 characters"),
            ({"text": 5}, "text is no text"),
            ({"text": "word\n" * 10_000}, "10,000 paragraphs"),
            ({"text": ""}, "either text or text_file, and not both"),
            ({"voices": ""}, "no voice"),
            ({"voices": []}, "no voice"),
            ({"voices": {}}, "no voice"),
            ({"voices": None}, "no voice"),
            ({"voices": "xx-XX-NobodyNeural"}, "xx-XX-NobodyNeural"),
            ({"output_format": "wav"}, "wav|ormat"),
            ({"concatenate_result": "maybe"}, "concatenate_result"),
            ({"azure_speech_conn_id": "nobody_pays"}, "nobody_pays"),
            ({"text": "<speak>" + "never closed " * 50}, "SSML"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    def test_what_cannot_be_put_right_by_another_attempt_fails_at_once_and_costs_nothing(
        self, azure, block_context, change, said
    ):
        jobs = azure.bought(API)

        with pytest.raises(AirflowFailException, match=said):
            _operator(**change).execute(block_context)

        assert azure.bought(API) == jobs
        assert STATE_KEY not in block_context["task_state_store"].values

    def test_a_full_account_is_worth_another_attempt_and_names_the_remedy(self, azure, block_context, monkeypatch):
        def full(self, **_):
            raise AzureStoredJobsError("20,000 jobs are kept; run the azure_retention Dag")

        monkeypatch.setattr(AzureSpeechHook, "create_long_audio_synthesis", full)

        with pytest.raises(AzureStoredJobsError, match="azure_retention"):
            _operator().execute(block_context)


def test_it_defers_to_a_trigger_for_this_api(azure, block_context):
    azure.order_fault("stuck_not_started", API)

    with pytest.raises(TaskDeferred) as deferred:
        _operator(deferrable=True).execute(block_context)

    assert deferred.value.trigger.serialize()[1]["api"] == str(API)


def test_neither_key_nor_text_is_logged_or_kept(azure, block_context, caplog, capsys):
    with caplog.at_level("DEBUG"):
        facts = _operator(text="A manuscript. " * 40).execute(block_context)

    kept = json.dumps([block_context["task_state_store"].values, block_context["ti"].xcoms, facts])
    # What an operator logs goes to the output, and what the libraries log to the handlers.
    printed = capsys.readouterr().out
    assert f"Bought Azure job {facts['job_id']}" in printed
    assert caplog.records
    for secret in (azure.key, "manuscript", "sig="):
        assert secret not in caplog.text + printed + kept
