from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.serialization.serialized_objects import DagSerialization

from narration.errors import PermanentNarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureConflictError,
    AzureJobNotFoundError,
    AzureReplyLostError,
)
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import AzureJobFailedError, AzureWaitBrokenError, AzureWaitTimeoutError
from narration.operators import azure_synthesis
from narration.operators.azure_batch_synthesis import AzureBatchSynthesisCreateOperator
from narration.operators.azure_synthesis import MOST_FAILED_JOBS, STATE_KEY
from narration.triggers.azure_synthesis import AzureSynthesisTrigger
from tests.azure_blocks import CREATE, VOICE

BATCH, PREVIEW = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW
VERSIONS = {BATCH: "2024-04-01", PREVIEW: "3.1-preview1"}
BOTH = pytest.mark.parametrize("api", [BATCH, PREVIEW], ids=["2024-04-01", "preview"])


def _operator(api=BATCH, **change):
    return AzureBatchSynthesisCreateOperator(
        **{
            "task_id": "create",
            "inputs": ["It is a truth universally acknowledged.", "You want to tell me."],
            "voice": VOICE,
            "api_version": VERSIONS[api],
            "deferrable": False,
            "poll_interval": 0.05,
            "timeout": 30,
            **change,
        }
    )


class TestCreating:
    @BOTH
    def test_it_waits_and_returns_json_facts_of_the_finished_job_without_signed_urls(self, azure, block_context, api):
        facts = _operator(api).execute(block_context)

        assert json.loads(json.dumps(facts)) == facts
        assert (facts["api"], facts["status"], facts["succeeded_audios"]) == (str(api), "Succeeded", 2)
        assert facts["billed_characters"] == 39 + 20
        assert "http" not in json.dumps(facts)
        assert azure.hook.get_job(api=api, job_id=facts["job_id"]).result_url.startswith("http")

    @BOTH
    def test_without_waiting_it_returns_the_accepted_job(self, azure, block_context, api):
        azure.order_fault("stuck_not_started", api)

        assert _operator(api, wait_for_completion=False).execute(block_context)["status"] == "NotStarted"

    def test_every_argument_of_the_current_api_reaches_the_service(self, azure, block_context):
        facts = _operator(
            synthesis_config={"style": "chat", "rate": "+10.00%"},
            description="For Emma.",
            output_format="audio-24khz-48kbitrate-mono-mp3",
            concatenate_result=True,
            word_boundary_enabled="True",
            sentence_boundary_enabled=True,
            time_to_live=timedelta(hours=12),
            wait_for_completion=False,
        ).execute(block_context)

        raw = azure.hook.get_job(api=BATCH, job_id=facts["job_id"]).raw
        assert raw["description"] == "For Emma."
        assert raw["synthesisConfig"] == {"voice": VOICE, "style": "chat", "rate": "+10.00%"}
        assert {
            "outputFormat": "audio-24khz-48kbitrate-mono-mp3",
            "concatenateResult": True,
            "wordBoundaryEnabled": True,
            "sentenceBoundaryEnabled": True,
            "timeToLiveInHours": 12,
        }.items() <= raw["properties"].items()

    def test_every_argument_of_the_preview_reaches_the_service(self, azure, block_context):
        facts = _operator(
            PREVIEW,
            display_name="Emma",
            custom_properties={"shelf": "7"},
            time_to_live="48",
            properties={"wordBoundaryEnabled": True},
            wait_for_completion=False,
        ).execute(block_context)

        raw = azure.hook.get_job(api=PREVIEW, job_id=facts["job_id"]).raw
        assert raw["displayName"].startswith("Emma [")
        assert raw["customProperties"] == {"shelf": "7"}
        assert raw["properties"]["wordBoundaryEnabled"] is True
        assert raw["properties"]["timeToLive"] == "PT48H"

    def test_the_time_to_live_is_sent_even_if_nobody_asks(self, azure, block_context):
        facts = _operator(wait_for_completion=False).execute(block_context)

        assert azure.hook.get_job(api=BATCH, job_id=facts["job_id"]).raw["properties"]["timeToLiveInHours"] == 168

    @BOTH
    def test_ssml_needs_no_voice_argument(self, azure, block_context, api):
        ssml = f"<speak version='1.0' xml:lang='en-US'><voice name='{VOICE}'>Seven colors.</voice></speak>"

        assert (
            _operator(api, inputs=[ssml], input_kind="ssml", voice="").execute(block_context)["succeeded_audios"] == 1
        )

    def test_a_file_is_read_when_the_task_runs(self, azure, block_context, tmp_path):
        operator = _operator(inputs="", inputs_file=str(tmp_path / "later.txt"), split_paragraphs="True")
        (tmp_path / "later.txt").write_text("One.\n\nTwo.\n\nThree.")

        assert operator.execute(block_context)["succeeded_audios"] == 3

    def test_inputs_that_failed_are_said_although_the_job_succeeded(self, azure, block_context, monkeypatch):
        azure.order_fault("partial_failure", BATCH)
        operator = _operator()
        warnings = []
        monkeypatch.setattr(operator.log, "warning", lambda message, *args: warnings.append(message % args))

        facts = operator.execute(block_context)

        assert (facts["succeeded_audios"], facts["failed_audios"]) == (1, 1)
        assert "1 of its inputs did not become audio" in warnings[-1]


class TestARetryDoesNotBuyAgain:
    @BOTH
    @pytest.mark.parametrize("finished", [True, False])
    def test_it_adopts_what_the_earlier_attempt_bought(self, azure, block_context, api, finished):
        first = _operator(api, wait_for_completion=finished).execute(block_context)
        jobs, block_context["ti"].try_number = azure.bought(api), 2

        again = _operator(api).execute(block_context)

        assert (again["job_id"], again["status"]) == (first["job_id"], "Succeeded")
        assert azure.bought(api) == jobs

    @BOTH
    def test_a_worker_that_died_between_buying_and_writing_down_is_followed_by_one_that_adopts(
        self, azure, block_context, api
    ):
        first = _operator(api, wait_for_completion=False).execute(block_context)
        block_context["task_state_store"].values.get(STATE_KEY, {}).pop("job_id", None)
        jobs = azure.bought(api)

        assert _operator(api).execute(block_context)["job_id"] == first["job_id"]
        assert azure.bought(api) == jobs

    @BOTH
    def test_without_a_state_store_it_still_adopts(self, azure, block_context, api):
        del block_context["task_state_store"]
        first = _operator(api, wait_for_completion=False).execute(block_context)
        jobs = azure.bought(api)

        assert _operator(api).execute(block_context)["job_id"] == first["job_id"]
        assert azure.bought(api) == jobs

    @BOTH
    def test_a_create_whose_answer_is_lost_is_settled_at_once(self, azure, block_context, api):
        jobs = azure.bought(api)
        azure.order_fault("drop_reply", api, operation=CREATE[api])

        assert _operator(api).execute(block_context)["status"] == "Succeeded"
        assert azure.bought(api) == jobs + 1

    @BOTH
    def test_a_lost_create_that_cannot_be_seen_yet_is_looked_for_by_the_next_attempt(
        self, azure, block_context, monkeypatch, api
    ):
        jobs = azure.bought(api)
        azure.order_fault("drop_reply", api, operation=CREATE[api])
        with monkeypatch.context() as patch:
            patch.setattr(AzureSpeechHook, "list_jobs", lambda self, **_: iter(()))
            patch.setattr(AzureBatchSynthesisCreateOperator, "_get", lambda self, job_id: None)
            with pytest.raises(AzureReplyLostError):
                _operator(api).execute(block_context)

        assert _operator(api).execute(block_context)["status"] == "Succeeded"
        assert azure.bought(api) == jobs + 1

    @BOTH
    @pytest.mark.parametrize("fault", ["error_500", "garbage_reply"])
    def test_a_create_that_was_lost_and_not_accepted_is_bought_by_the_next_attempt(
        self, azure, block_context, api, fault
    ):
        jobs = azure.bought(api)
        azure.order_fault(fault, api, operation=CREATE[api])
        with pytest.raises(AzureReplyLostError):
            _operator(api).execute(block_context)
        assert azure.bought(api) == jobs

        assert _operator(api).execute(block_context)["status"] == "Succeeded"
        assert azure.bought(api) == jobs + 1

    def test_an_id_that_is_said_to_be_taken_is_asked_about(self, azure, block_context, monkeypatch):
        first = _operator(wait_for_completion=False).execute(block_context)
        jobs, get = azure.bought(BATCH), AzureBatchSynthesisCreateOperator._get
        lags = iter([True])

        def lagging(self, job_id):
            return None if next(lags, False) else get(self, job_id)

        monkeypatch.setattr(AzureBatchSynthesisCreateOperator, "_get", lagging)

        assert _operator().execute(block_context)["job_id"] == first["job_id"]
        assert azure.bought(BATCH) == jobs

    def test_an_id_that_is_said_to_be_taken_and_is_not_there_fails_the_attempt(self, azure, block_context, monkeypatch):
        def taken(self, **_):
            raise AzureConflictError("taken")

        monkeypatch.setattr(AzureSpeechHook, "create_batch_synthesis", taken)

        with pytest.raises(AzureConflictError):
            _operator().execute(block_context)

    @BOTH
    def test_a_changed_request_and_another_run_are_bought(self, azure, block_context, api):
        ids = {_operator(api, wait_for_completion=False).execute(block_context)["job_id"]}
        ids.add(_operator(api, inputs="Another text.", wait_for_completion=False).execute(block_context)["job_id"])
        block_context["ti"].run_id = "another"
        ids.add(_operator(api, wait_for_completion=False).execute(block_context)["job_id"])

        assert len(ids) == 3

    @BOTH
    def test_a_job_that_failed_is_bought_anew(self, azure, block_context, api):
        azure.order_fault("fail", api, reason="The lab is on fire")
        with pytest.raises(AzureJobFailedError, match="The lab is on fire"):
            _operator(api).execute(block_context)

        assert _operator(api).execute(block_context)["status"] == "Succeeded"

    def test_after_so_many_failed_jobs_none_is_bought_any_more(self, azure, block_context):
        azure.order_fault("fail", BATCH, count=MOST_FAILED_JOBS, reason="The lab is on fire")
        for _ in range(MOST_FAILED_JOBS):
            with pytest.raises(AzureJobFailedError):
                _operator().execute(block_context)
        jobs = azure.bought(BATCH)

        with pytest.raises(AirflowFailException, match=r"5 jobs.*on fire.*delete the jobs"):
            _operator().execute(block_context)
        assert azure.bought(BATCH) == jobs

    def test_a_first_attempt_that_can_say_so_does_not_read_the_list(self, azure, block_context):
        lists = azure.calls(PREVIEW, "ListBatchSyntheses")

        _operator(PREVIEW, wait_for_completion=False).execute(block_context)

        assert azure.calls(PREVIEW, "ListBatchSyntheses") == lists

    def test_a_job_that_was_deleted_is_bought_anew_when_it_is_old_enough_to_be_known(self, azure, block_context):
        first = _operator(PREVIEW).execute(block_context)
        azure.hook.delete_job(api=PREVIEW, job_id=first["job_id"])
        block_context["task_state_store"].values[STATE_KEY]["started_at"] -= azure_synthesis.UNSEEN_SECONDS

        assert _operator(PREVIEW).execute(block_context)["job_id"] != first["job_id"]

    def test_a_young_job_that_the_service_does_not_know_is_asked_about_again(self, azure, block_context):
        first = _operator(PREVIEW).execute(block_context)
        azure.hook.delete_job(api=PREVIEW, job_id=first["job_id"])
        jobs = azure.bought(PREVIEW)

        with pytest.raises(AzureJobNotFoundError, match=f"{first['job_id']}.*delete the key '{STATE_KEY}'"):
            _operator(PREVIEW).execute(block_context)
        assert azure.bought(PREVIEW) == jobs


class TestAnIdOfTheUser:
    def test_it_is_used_and_adopted_by_the_next_attempt(self, azure, block_context):
        first = _operator(synthesis_id="emma-1", description="For Emma.").execute(block_context)
        jobs = azure.bought(BATCH)

        again = _operator(synthesis_id="emma-1", description="For Emma.").execute(block_context)

        assert first["job_id"] == again["job_id"] == "emma-1"
        assert again["description"].startswith("For Emma. [")
        assert azure.bought(BATCH) == jobs

    def test_a_job_of_that_id_from_another_request_is_not_taken_for_it(self, azure, block_context):
        _operator(synthesis_id="emma-1").execute(block_context)
        jobs = azure.bought(BATCH)

        with pytest.raises(AirflowFailException, match=r"emma-1 already.*another request"):
            _operator(synthesis_id="emma-1", inputs="Another text.").execute(block_context)
        assert azure.bought(BATCH) == jobs

    def test_a_failed_job_of_that_id_has_to_be_deleted(self, azure, block_context):
        azure.order_fault("fail", BATCH, reason="The lab is on fire")
        with pytest.raises(AzureJobFailedError):
            _operator(synthesis_id="emma-1").execute(block_context)

        with pytest.raises(AirflowFailException, match=r"on fire.*emma-1 cannot be used again before it is deleted"):
            _operator(synthesis_id="emma-1").execute(block_context)


class TestFailures:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"inputs": []}, "no inputs"),
            ({"inputs": ["fine", ""]}, "Input 2 of 2"),
            ({"inputs": None}, "either inputs or inputs_file, and not both"),
            ({"inputs": 5, "split_paragraphs": True}, "inputs is no text"),
            ({"voice": ""}, "needs a voice"),
            ({"input_kind": "html"}, "'html'"),
            ({"input_kind": None}, "input_kind is None"),
            ({"time_to_live": None}, "time_to_live is None"),
            ({"output_format": "wav"}, "outputFormat"),
            ({"time_to_live": 745}, "744"),
            ({"synthesis_id": "-no-"}, "3 to 64"),
            ({"display_name": "Emma"}, "has no display_name"),
            ({"custom_properties": {"a": "b"}}, "has no custom_properties"),
            ({"api_version": "2030-01-01"}, "2030-01-01"),
            ({"api_version": "3.1-preview1", "synthesis_id": "abc"}, "has no synthesis_id"),
            ({"word_boundary_enabled": "maybe"}, "word_boundary_enabled"),
            ({"azure_speech_conn_id": "nobody_pays"}, "nobody_pays"),
            ({"inputs": None, "inputs_file": "/no/such/file.txt"}, "/no/such/file.txt"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    def test_what_cannot_be_put_right_by_another_attempt_fails_at_once_and_costs_nothing(
        self, azure, block_context, change, said
    ):
        jobs = azure.bought(BATCH), azure.bought(PREVIEW)

        with pytest.raises(AirflowFailException, match=said):
            _operator(**change).execute(block_context)

        assert (azure.bought(BATCH), azure.bought(PREVIEW)) == jobs

    @BOTH
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"voice": "xx-XX-NobodyNeural"}, "xx-XX-NobodyNeural"),
            ({"inputs": "<speak>never closed", "input_kind": "SSML"}, "not well-formed"),
        ],
        ids=["voice", "SSML"],
    )
    def test_a_job_that_the_service_fails_for_what_was_asked_fails_at_once(
        self, azure, block_context, api, change, said
    ):
        with pytest.raises(AirflowFailException, match=said):
            _operator(api, **change).execute(block_context)

    @BOTH
    @pytest.mark.parametrize(
        ("key", "said"),
        [("f0-aaaa1111", "tier|Standard|F0"), ("revoked-bbbb2222", "key"), ("region-canadaeast-c3333", "region")],
    )
    def test_a_resource_that_may_not_fails_at_once(self, azure, block_context, monkeypatch, api, key, said):
        azure.key = key
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", azure.connection())

        with pytest.raises(AirflowFailException, match=said):
            _operator(api).execute(block_context)

    @BOTH
    def test_throttling_is_waited_out(self, azure, block_context, api):
        jobs = azure.bought(api)
        azure.order_fault("throttle", api, operation=CREATE[api], seconds=0)

        assert _operator(api).execute(block_context)["status"] == "Succeeded"
        assert azure.bought(api) == jobs + 1

    def test_waiting_that_takes_too_long_fails_the_attempt_and_the_next_one_adopts(self, azure, block_context):
        azure.order_fault("stuck_not_started", BATCH, seconds=1)
        with pytest.raises(AzureWaitTimeoutError, match="goes on at the service"):
            _operator(timeout=0.1).execute(block_context)
        jobs = azure.bought(BATCH)

        assert _operator().execute(block_context)["status"] == "Succeeded"
        assert azure.bought(BATCH) == jobs

    def test_killing_it_says_that_the_job_goes_on(self, azure, block_context, monkeypatch):
        operator = _operator()
        warnings = []

        def killed(*_, **__):
            monkeypatch.setattr(operator.log, "warning", lambda message, *args: warnings.append(message % args))
            operator.on_kill()
            raise KeyboardInterrupt

        monkeypatch.setattr(azure_synthesis, "wait_for_job", killed)
        with pytest.raises(KeyboardInterrupt):
            operator.execute(block_context)

        assert "cannot cancel" in warnings[0]


class TestRoom:
    """The service has as many unfinished jobs as it takes."""

    @pytest.fixture(autouse=True)
    def full(self, monkeypatch):
        create = AzureSpeechHook.create_batch_synthesis
        refusals = iter([True, True])

        def crowded(self, **arguments):
            if next(refusals, False):
                raise AzureActiveJobsError("200 jobs are active")
            return create(self, **arguments)

        monkeypatch.setattr(AzureSpeechHook, "create_batch_synthesis", crowded)
        monkeypatch.setattr(azure_synthesis, "ROOM_INTERVAL", 0.05)

    @BOTH
    def test_on_a_worker_it_waits_for_room(self, azure, block_context, api):
        jobs = azure.bought(api)

        assert _operator(api).execute(block_context)["status"] == "Succeeded"
        assert azure.bought(api) == jobs + 1

    @BOTH
    def test_deferred_it_holds_no_worker_while_it_waits_for_room(self, azure, block_context, api):
        step = _operator(api, deferrable=True, wait_for_completion=False).execute
        for _ in range(2):
            with pytest.raises(TaskDeferred) as deferred:
                step(block_context)
            resumed = _operator(api, deferrable=True, wait_for_completion=False)
            method, kwargs = getattr(resumed, deferred.value.method_name), deferred.value.kwargs
            step = lambda context, m=method, k=kwargs: m(context, event=None, **k)  # noqa: E731

        assert json.loads(json.dumps(kwargs)) == kwargs
        assert step(block_context)["job_id"]

    def test_when_the_time_is_over_the_attempt_fails(self, azure, block_context):
        with pytest.raises(AzureActiveJobsError):
            _operator(timeout=0).execute(block_context)


class TestDeferring:
    @BOTH
    def test_it_defers_with_its_connection_and_resumes_from_the_event(self, azure, block_context, api):
        azure.order_fault("stuck_not_started", api)
        before = time.time()

        with pytest.raises(TaskDeferred) as deferred:
            _operator(api, deferrable=True, poll_interval=20, timeout=200, region="eastus").execute(block_context)

        trigger = deferred.value.trigger
        assert isinstance(trigger, AzureSynthesisTrigger)
        arguments = trigger.serialize()[1]
        assert (arguments["api"], arguments["region"]) == (str(api), "eastus")
        assert before + 200 <= arguments["end_time"] <= time.time() + 200
        assert deferred.value.timeout.total_seconds() > 200
        resumed = getattr(_operator(api), deferred.value.method_name)
        facts = {"job_id": "j-1", "status": "Succeeded", "api": str(api)}
        assert resumed(block_context, {"status": "succeeded", "job_id": "j-1", "job": facts}) == facts

    def test_what_is_finished_already_is_not_deferred_for(self, azure, block_context):
        _operator().execute(block_context)

        assert _operator(deferrable=True).execute(block_context)["status"] == "Succeeded"

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"status": "failed", "job": {"job_id": "j-1", "error_message": "eels"}}, AzureJobFailedError),
            ({"status": "timeout", "message": "too long"}, AzureWaitTimeoutError),
            ({"status": "error", "message": "wire cut"}, AzureWaitBrokenError),
            ({"status": "refused", "message": "no rights"}, AirflowFailException),
            (None, AzureWaitBrokenError),
        ],
    )
    def test_an_event_that_is_not_a_success_fails_the_attempt(self, block_context, event, kind):
        with pytest.raises(kind):
            _operator().execute_complete(block_context, event and {"job_id": "j-1", **event})


def test_neither_key_nor_text_nor_signature_is_logged_or_kept(azure, block_context, caplog, capsys):
    container = f"{azure.cloud.speech_url}/nowhere/audio?sp=racwdl&se=2030-01-01&sig=c2lnbmF0dXJl"
    with caplog.at_level("DEBUG"), pytest.raises(AzureJobFailedError, match="InaccessibleCustomerStorage") as raised:
        _operator(inputs="A manuscript.", destination_container_url=container).execute(block_context)
    with caplog.at_level("DEBUG"):
        facts = _operator(inputs="A manuscript.").execute(block_context)

    kept = json.dumps([block_context["task_state_store"].values, block_context["ti"].xcoms, facts])
    # What an operator logs goes to the output, and what the libraries log to the handlers.
    printed = capsys.readouterr().out
    assert f"Bought Azure job {facts['job_id']}" in printed
    assert caplog.records
    for secret in (azure.key, "manuscript", "sig=", "c2lnbmF0dXJl"):
        assert secret not in caplog.text + printed + str(raised.value) + kept


def test_the_container_s_address_is_no_template_field_and_is_rendered_all_the_same(block_context):
    operator = _operator(destination_container_url="{{ url }}")
    block_context["url"] = "https://mine.blob.core.windows.net/audio?sig=x"

    assert "destination_container_url" not in operator.template_fields
    assert operator._properties(BATCH, block_context)["destinationContainerUrl"] == block_context["url"]


SIGNED = "https://mine.blob.core.windows.net/audio?sp=racwdl&sig=c2lnbmF0dXJl"


@pytest.mark.parametrize("name", ["destinationContainerUrl", "DestinationContainerURL"])
def test_the_container_s_address_is_refused_among_the_properties_before_the_dag_is_stored(name):
    with pytest.raises(PermanentNarrationError, match="as the argument destination_container_url") as raised:
        _operator(properties={name: SIGNED})

    assert "c2lnbmF0dXJl" not in str(raised.value)


def test_nor_may_a_template_put_it_there(azure, block_context):
    jobs, operator = azure.bought(BATCH), _operator(properties="{{ properties }}")
    operator.properties = {"destinationContainerUrl": SIGNED}

    with pytest.raises(AirflowFailException, match="as the argument destination_container_url"):
        operator.execute(block_context)
    assert azure.bought(BATCH) == jobs


def test_a_dag_is_stored_without_the_container_s_address_and_a_mapped_operator_takes_a_template():
    with DAG("books", schedule=None) as dag:
        _operator(task_id="one", destination_container_url=SIGNED)
        AzureBatchSynthesisCreateOperator.partial(
            task_id="many", voice=VOICE, destination_container_url="{{ var.value.container_url }}"
        ).expand(inputs=[["One."], ["Two."]])

    stored = DagSerialization.to_json(dag)

    assert "c2lnbmF0dXJl" not in stored
    assert "var.value.container_url" in stored
    mapped = dag.get_task("many").unmap({"inputs": ["One."]})
    context = {"var": {"value": {"container_url": SIGNED}}}
    assert mapped._properties(BATCH, context)["destinationContainerUrl"] == SIGNED
