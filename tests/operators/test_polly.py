from __future__ import annotations

import io
import json
import logging
import time

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from tenacity import wait_none

from narration.hooks import polly_retry
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import (
    PollyReplyLostError,
    PollyTaskFailedError,
    PollyTaskNotFoundError,
    PollyTaskUnseenError,
    PollyThrottledError,
    PollyUnavailableError,
    PollyWaitTimeoutError,
)
from narration.operators import polly
from narration.operators.polly import STATE_KEY, PollyStartSpeechSynthesisTaskOperator
from narration.triggers.polly import PollySpeechSynthesisTaskTrigger

SECRET = "local-secret-that-no-log-may-show"


def _operator(**change):
    arguments = {
        "task_id": "start",
        "text": "It is a truth universally acknowledged.",
        "output_format": "mp3",
        "output_s3_bucket_name": "narration-output",
        "voice_id": "Joanna",
        "deferrable": False,
        "waiter_delay": 0.05,
        **change,
    }
    return PollyStartSpeechSynthesisTaskOperator(**arguments)


@pytest.fixture(autouse=True)
def _no_real_waits_for_throttling(monkeypatch):
    monkeypatch.setattr(polly_retry, "wait_random_exponential", lambda **_: wait_none())


class TestStarting:
    def test_it_waits_and_returns_json_facts_of_the_completed_task(self, aws_connection, task_context):
        facts = _operator().execute(task_context)

        assert json.loads(json.dumps(facts)) == facts
        assert facts["task_status"] == "completed"
        assert facts["request_characters"] == 39
        bucket, key = PollyHook.parse_output_uri(facts["output_uri"])
        assert aws_connection.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 1000

    def test_without_waiting_it_returns_the_accepted_task(self, aws_connection, task_context):
        aws_connection.order_fault("stuck_scheduled")

        facts = _operator(wait_for_completion=False).execute(task_context)

        assert facts["task_status"] == "scheduled"
        assert facts["output_uri"].endswith(f"{facts['task_id']}.mp3")

    def test_every_argument_of_the_api_reaches_polly(self, aws_connection, task_context):
        PollyHook().put_lexicon(
            name="blocks",
            content='<?xml version="1.0"?><lexicon version="1.0" alphabet="ipa" xml:lang="en-IN" '
            'xmlns="http://www.w3.org/2005/01/pronunciation-lexicon"><lexeme><grapheme>W3C</grapheme>'
            "<alias>consortium</alias></lexeme></lexicon>",
        )
        topic = aws_connection.client("sns").create_topic(Name="narrated")["TopicArn"]

        facts = _operator(
            text="<speak>Hello W3C.<mark name='here'/></speak>",
            text_type="ssml",
            output_format="json",
            speech_mark_types=["word", "ssml"],
            voice_id="Kajal",
            engine="neural",
            language_code="en-IN",
            lexicon_names=["blocks"],
            output_s3_key_prefix="marks/hello",
            sample_rate=22050,
            sns_topic_arn=topic,
            wait_for_completion=False,
        ).execute(task_context)

        assert {name: facts[name] for name in ("engine", "language_code", "lexicon_names", "speech_mark_types")} == {
            "engine": "neural",
            "language_code": "en-IN",
            "lexicon_names": ["blocks"],
            "speech_mark_types": ["word", "ssml"],
        }
        assert (facts["text_type"], facts["sample_rate"], facts["sns_topic_arn"]) == ("ssml", "22050", topic)
        assert PollyHook.parse_output_uri(facts["output_uri"])[1].startswith(f"marks/hello.{facts['task_id']}.")

    def test_templates_that_render_empty_are_not_sent(self, aws_connection, task_context):
        facts = _operator(engine="", language_code="", sample_rate="", lexicon_names=[], sns_topic_arn="").execute(
            task_context
        )

        assert "engine" not in facts

    def test_a_file_is_read_when_the_task_runs(self, aws_connection, task_context, tmp_path):
        operator = _operator(text=None, text_file=str(tmp_path / "later.txt"))
        (tmp_path / "later.txt").write_text("Written after the Dag was parsed; {{ not a template }}.")

        assert operator.execute(task_context)["request_characters"] == 55

    def test_a_text_that_ends_like_a_file_name_is_still_text(self, aws_connection, task_context):
        operator = _operator(text="Please read notes.txt", output_s3_key_prefix="texts/notes.ssml")
        operator.render_template_fields({})

        assert operator.execute(task_context)["request_characters"] == 21

    def test_templates_are_rendered(self):
        operator = _operator(
            text="{{ greeting }}, {{ name }}.", aws_conn_id="{{ payer }}", lexicon_names=["{{ name }}"]
        )

        operator.render_template_fields({"greeting": "Hello", "name": "Emma", "payer": "publisher"})

        assert (operator.text, operator.aws_conn_id, operator.lexicon_names) == ("Hello, Emma.", "publisher", ["Emma"])


class TestAnotherAttemptDoesNotBuyAgain:
    def test_it_adopts_the_task_that_an_earlier_attempt_bought(self, aws_connection, task_context):
        first = _operator(wait_for_completion=False).execute(task_context)
        bill = aws_connection.bill()

        second = _operator().execute(task_context)

        assert second["task_id"] == first["task_id"]
        assert second["task_status"] == "completed"
        assert aws_connection.bill() == bill

    def test_the_intent_is_written_down_before_anything_is_sent(self, aws_connection, task_context, monkeypatch):
        seen = []

        def start(self, **arguments):
            seen.append(dict(task_context["task_state_store"].values[STATE_KEY]))
            raise KeyboardInterrupt  # the worker dies here

        monkeypatch.setattr(PollyHook, "start_speech_synthesis_task", start)
        with pytest.raises(KeyboardInterrupt):
            _operator().execute(task_context)

        assert seen[0]["started_at"] <= time.time()
        assert "task_id" not in seen[0]

    @pytest.mark.parametrize("prefix", [None, "books/emma", ""])
    def test_a_worker_that_dies_between_buying_and_writing_down_is_followed_by_one_that_adopts(
        self, aws_connection, task_context, prefix
    ):
        text = f"A sentence that only this test buys: {prefix}"
        facts = _operator(text=text, output_s3_key_prefix=prefix, wait_for_completion=False).execute(task_context)
        del task_context["task_state_store"].values[STATE_KEY]["task_id"]
        bill = aws_connection.bill()

        again = _operator(text=text, output_s3_key_prefix=prefix).execute(task_context)

        assert again["task_id"] == facts["task_id"]
        assert aws_connection.bill() == bill
        assert task_context["task_state_store"].values[STATE_KEY]["task_id"] == facts["task_id"]

    @pytest.mark.parametrize("prefix", [None, "books/persuasion"])
    def test_a_start_whose_answer_is_lost_is_found_in_the_list_at_once(self, aws_connection, task_context, prefix):
        jobs = aws_connection.bill()["jobs"]
        aws_connection.order_fault("drop_reply", operation="StartSpeechSynthesisTask")

        facts = _operator(text=f"Lost and found {prefix}", output_s3_key_prefix=prefix).execute(task_context)

        assert facts["task_status"] == "completed"
        assert aws_connection.bill()["jobs"] == jobs + 1

    def test_a_lost_start_that_is_not_listed_yet_is_looked_for_again_by_the_next_attempt(
        self, aws_connection, task_context, monkeypatch
    ):
        jobs = aws_connection.bill()["jobs"]
        aws_connection.order_fault("drop_reply", operation="StartSpeechSynthesisTask")
        with monkeypatch.context() as patch:
            patch.setattr(PollyHook, "list_speech_synthesis_tasks", lambda self: iter(()))
            with pytest.raises(PollyReplyLostError):
                _operator(text="Not listed yet.").execute(task_context)

        facts = _operator(text="Not listed yet.").execute(task_context)

        assert facts["task_status"] == "completed"
        assert aws_connection.bill()["jobs"] == jobs + 1

    def test_a_start_that_was_lost_and_not_bought_is_bought_by_the_next_attempt(self, aws_connection, task_context):
        jobs = aws_connection.bill()["jobs"]
        aws_connection.order_fault("error_500", operation="StartSpeechSynthesisTask")
        with pytest.raises(PollyReplyLostError):
            _operator(text="Never accepted.").execute(task_context)
        assert aws_connection.bill()["jobs"] == jobs

        _operator(text="Never accepted.").execute(task_context)

        assert aws_connection.bill()["jobs"] == jobs + 1

    def test_of_several_tasks_that_fit_none_is_adopted(self, aws_connection, task_context):
        shared = {"text": "Two of a kind.", "output_s3_key_prefix": "shared", "wait_for_completion": False}
        others = {_operator(**shared).execute({"ti": task_context["ti"]})["task_id"] for _ in range(2)}
        _operator(**shared).execute(task_context)
        del task_context["task_state_store"].values[STATE_KEY]["task_id"]

        facts = _operator(**shared).execute(task_context)

        assert facts["task_id"] not in others

    def test_a_changed_request_is_bought_and_not_confused_with_the_earlier_one(self, aws_connection, task_context):
        first = _operator(text="Chapter one.", wait_for_completion=False).execute(task_context)

        second = _operator(text="Chapter two.", wait_for_completion=False).execute(task_context)

        assert second["task_id"] != first["task_id"]

    @pytest.mark.parametrize("fate", ["failed", "forgotten"])
    def test_a_task_that_polly_failed_or_forgot_is_started_anew(self, aws_connection, task_context, fate):
        if fate == "failed":
            aws_connection.order_fault("fail", reason="Disk of the bucket is full")
            with pytest.raises(PollyTaskFailedError, match="Disk of the bucket is full"):
                _operator(text="Fails once.").execute(task_context)
        else:
            _operator(text="Fails once.", wait_for_completion=False).execute(task_context)
            task_context["task_state_store"].values[STATE_KEY]["task_id"] = "forgotten-after-72-hours"
            task_context["task_state_store"].values[STATE_KEY]["started_at"] -= 72 * 3600
        before = task_context["task_state_store"].values[STATE_KEY]["task_id"]

        facts = _operator(text="Fails once.").execute(task_context)

        assert facts["task_status"] == "completed"
        assert facts["task_id"] != before

    @pytest.mark.parametrize("hours", [0, 1, 70])
    def test_a_young_task_that_polly_does_not_know_is_asked_about_again_and_not_bought_again(
        self, aws_connection, task_context, monkeypatch, hours
    ):
        first = _operator(text=f"Bought {hours} hours ago.", wait_for_completion=False).execute(task_context)
        task_context["task_state_store"].values[STATE_KEY]["started_at"] -= hours * 3600
        bill = aws_connection.bill()

        def lagging(self, task_id):
            raise PollyTaskNotFoundError("unknown", "SynthesisTaskNotFoundException")

        with monkeypatch.context() as patch:
            patch.setattr(PollyHook, "get_speech_synthesis_task", lagging)
            with pytest.raises(PollyTaskUnseenError, match=f"{first['task_id']}.*delete the key '{STATE_KEY}'"):
                _operator(text=f"Bought {hours} hours ago.").execute(task_context)

        assert _operator(text=f"Bought {hours} hours ago.").execute(task_context)["task_id"] == first["task_id"]
        assert aws_connection.bill() == bill

    def test_a_task_s_age_is_counted_from_its_own_start_and_not_from_an_earlier_one_in_vain(
        self, aws_connection, task_context
    ):
        aws_connection.order_fault("error_500", operation="StartSpeechSynthesisTask")
        with pytest.raises(PollyReplyLostError):
            _operator(text="Bought at last.").execute(task_context)
        task_context["task_state_store"].values[STATE_KEY]["started_at"] -= 80 * 3600

        _operator(text="Bought at last.").execute(task_context)

        assert abs(task_context["task_state_store"].values[STATE_KEY]["started_at"] - time.time()) < 60

    def test_waiting_on_a_worker_bears_an_answer_that_lags_behind_the_start(
        self, aws_connection, task_context, monkeypatch
    ):
        wait = PollyHook._wait
        lags = iter([True, True])

        def lagging(self, task_id, **arguments):
            if next(lags, False):
                raise PollyTaskNotFoundError("unknown", "SynthesisTaskNotFoundException")
            wait(self, task_id, **arguments)

        monkeypatch.setattr(PollyHook, "_wait", lagging)

        assert _operator(text="Not known at once.").execute(task_context)["task_status"] == "completed"

    def test_an_unreachable_polly_is_not_taken_for_a_forgotten_task(self, aws_connection, task_context, monkeypatch):
        _operator(wait_for_completion=False).execute(task_context)
        jobs = aws_connection.bill()["jobs"]

        def unreachable(self, task_id):
            raise PollyUnavailableError("wire cut")

        with monkeypatch.context() as patch:
            patch.setattr(PollyHook, "get_speech_synthesis_task", unreachable)
            with pytest.raises(PollyUnavailableError):
                _operator().execute(task_context)

        assert aws_connection.bill()["jobs"] == jobs

    def test_where_there_is_no_state_store_it_works_and_says_what_that_means(self, aws_connection, task_context):
        del task_context["task_state_store"]

        assert _operator().execute(task_context)["task_status"] == "completed"


class TestFailures:
    def test_throttling_is_waited_out(self, aws_connection, task_context):
        jobs = aws_connection.bill()["jobs"]
        aws_connection.order_fault("throttle", operation="StartSpeechSynthesisTask", count=3)

        assert _operator().execute(task_context)["task_status"] == "completed"
        assert aws_connection.bill()["jobs"] == jobs + 1

    def test_throttling_that_does_not_end_fails_the_attempt_and_leaves_nothing_to_look_for(
        self, aws_connection, task_context, monkeypatch
    ):
        monkeypatch.setattr(polly, "THROTTLED_SECONDS", 0)
        aws_connection.order_fault("throttle", operation="StartSpeechSynthesisTask", count=100)

        with pytest.raises(PollyThrottledError):
            _operator().execute(task_context)

        assert STATE_KEY not in task_context["task_state_store"].values

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"voice_id": "Nobody"}, "Nobody"),
            ({"engine": "long-form"}, "DescribeVoices"),
            ({"text": "<speak>never closed", "text_type": "ssml"}, "InvalidSsmlException"),
            ({"output_s3_bucket_name": "no-such-bucket-anywhere"}, "s3:PutObject"),
            ({"text": "x" * 100_001}, "100,001"),
            ({"text": ""}, "empty"),
            ({"text": None}, "either text or text_file"),
            ({"text_file": "/both.txt"}, "either text or text_file"),
            ({"text": None, "text_file": "/no/such/file.txt"}, "/no/such/file.txt"),
            ({"aws_conn_id": "nobody_pays"}, "nobody_pays"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_cannot_be_put_right_by_another_attempt_fails_at_once_and_costs_nothing(
        self, aws_connection, task_context, change, said
    ):
        bill = aws_connection.bill()

        with pytest.raises(AirflowFailException, match=said):
            _operator(**change).execute(task_context)

        assert aws_connection.bill() == bill
        assert STATE_KEY not in task_context["task_state_store"].values

    def test_waiting_that_takes_too_long_fails_the_attempt_and_the_next_one_adopts(self, aws_connection, task_context):
        aws_connection.order_fault("stuck_scheduled", seconds=1)
        with pytest.raises(PollyWaitTimeoutError):
            _operator(waiter_delay=0.01, waiter_max_attempts=2).execute(task_context)
        bill = aws_connection.bill()

        assert _operator().execute(task_context)["task_status"] == "completed"
        assert aws_connection.bill() == bill

    def test_killing_it_says_that_the_synthesis_goes_on(self, aws_connection, task_context, monkeypatch):
        operator = _operator()
        warnings = []

        def killed(self, task_id, **_):
            monkeypatch.setattr(operator.log, "warning", lambda message, *args: warnings.append(message % args))
            operator.on_kill()
            raise KeyboardInterrupt

        monkeypatch.setattr(PollyHook, "wait_for_speech_synthesis_task", killed)
        with pytest.raises(KeyboardInterrupt):
            operator.execute(task_context)

        assert "cannot cancel" in warnings[0]


class TestDeferring:
    def test_it_defers_with_its_connection_and_resumes_from_the_event(self, aws_connection, task_context):
        aws_connection.order_fault("stuck_scheduled")
        before = time.time()

        with pytest.raises(TaskDeferred) as deferred:
            _operator(deferrable=True, waiter_delay=20, waiter_max_attempts=10, region_name="us-east-1").execute(
                task_context
            )

        trigger = deferred.value.trigger
        assert isinstance(trigger, PollySpeechSynthesisTaskTrigger)
        arguments = trigger.serialize()[1]
        assert arguments["task_id"] == task_context["task_state_store"].values[STATE_KEY]["task_id"]
        assert arguments["poll_interval"] == 20
        assert before + 200 <= arguments["end_time"] <= time.time() + 200
        assert deferred.value.timeout.total_seconds() > 200
        resumed = getattr(_operator(), deferred.value.method_name)
        facts = {"task_id": "t-1", "task_status": "completed", "output_uri": "s3://b/k"}
        assert resumed(task_context, {"status": "completed", "task_id": "t-1", "task": facts}) == facts

    def test_what_is_completed_already_is_not_deferred_for(self, aws_connection, task_context):
        _operator().execute(task_context)

        assert _operator(deferrable=True).execute(task_context)["task_status"] == "completed"

    def test_it_need_not_wait_at_all(self, aws_connection, task_context):
        assert _operator(deferrable=True, wait_for_completion=False).execute(task_context)["task_id"]

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"status": "failed", "task": {"task_id": "t-1", "task_status_reason": "eels"}}, PollyTaskFailedError),
            ({"status": "timeout", "message": "too long"}, PollyWaitTimeoutError),
            ({"status": "error", "message": "wire cut"}, PollyUnavailableError),
            ({"status": "not_found", "message": "unknown"}, AirflowFailException),
            ({"status": "refused", "message": "no rights"}, AirflowFailException),
            (None, PollyUnavailableError),
        ],
    )
    def test_an_event_that_is_not_a_completion_fails_the_attempt(self, task_context, event, kind):
        with pytest.raises(kind):
            _operator().execute_complete(task_context, event and {"task_id": "t-1", **event})

    def test_whether_it_defers_follows_the_configuration(self):
        import inspect

        default = inspect.signature(PollyStartSpeechSynthesisTaskOperator.__init__).parameters["deferrable"].default

        assert default is False


def test_neither_the_secret_nor_the_text_nor_a_signature_is_logged(aws_connection, task_context, capfd):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        aws_connection.order_fault("throttle", operation="StartSpeechSynthesisTask")
        aws_connection.order_fault("drop_reply", operation="StartSpeechSynthesisTask")
        _operator(text="A manuscript that is not published yet.").execute(task_context)
        aws_connection.order_fault("error_500", operation="StartSpeechSynthesisTask")
        with pytest.raises(PollyReplyLostError) as raised:
            _operator(text="Another manuscript.").execute(task_context)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)

    everything = written.getvalue() + "".join(capfd.readouterr()) + str(raised.value)
    assert "Polly task" in everything
    for secret in (SECRET, "manuscript", "Signature=", "X-Amz-Signature", "Credential="):
        assert secret not in everything
    assert "manuscript" not in json.dumps(task_context["task_state_store"].values)
    assert SECRET not in json.dumps(task_context["ti"].xcoms)
