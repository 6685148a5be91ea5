from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyArgumentError, PollyTaskNotFoundError, PollyUnavailableError
from narration.sensors import polly
from narration.sensors.polly import PollySpeechSynthesisTaskSensor
from narration.triggers.polly import PollySpeechSynthesisTaskTrigger


def _start():
    return PollyHook().start_speech_synthesis_task(
        Text="It is a truth universally acknowledged.",
        OutputFormat="mp3",
        VoiceId="Joanna",
        OutputS3BucketName="narration-output",
    )["TaskId"]


def _sensor(task_id, **change):
    return PollySpeechSynthesisTaskSensor(
        **{"task_id": "wait", "synthesis_task_id": task_id, "deferrable": False, "poke_interval": 0.05, **change}
    )


BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "defer"])


@BOTH
def test_a_completed_task_gives_its_facts_without_waiting(aws_connection, task_context, deferrable):
    task_id = _start()
    PollyHook().wait_for_speech_synthesis_task(task_id, waiter_delay=0.05)

    facts = _sensor(task_id, deferrable=deferrable).execute(task_context)

    assert json.loads(json.dumps(facts)) == facts
    assert (facts["task_id"], facts["task_status"]) == (task_id, "completed")


def test_poking_goes_on_until_it_is_completed(aws_connection, task_context):
    aws_connection.order_fault("stuck_scheduled", seconds=0.3)

    assert _sensor(_start()).execute(task_context)["task_status"] == "completed"


@BOTH
def test_a_failed_task_fails_the_sensor_for_good_with_polly_s_reason(aws_connection, task_context, deferrable):
    aws_connection.order_fault("fail", reason="The bucket is full of eels")
    task_id = _start()
    while PollyHook().get_speech_synthesis_task(task_id)["TaskStatus"] != "failed":
        pass

    with pytest.raises(AirflowFailException, match=f"{task_id}.*full of eels"):
        _sensor(task_id, deferrable=deferrable).execute(task_context)


@pytest.fixture
def no_patience(monkeypatch):
    """The first minutes of the waiting, in which Polly need not know the task, are over."""
    monkeypatch.setattr(polly, "UNSEEN_SECONDS", 0)


@BOTH
def test_an_unknown_task_fails_the_sensor_for_good_and_says_why_it_may_be_unknown(
    aws_connection, task_context, no_patience, deferrable
):
    with pytest.raises(AirflowFailException, match="72 hours"):
        _sensor("long-forgotten", deferrable=deferrable).execute(task_context)


@BOTH
@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_a_failure_skips_instead_when_asked_to(aws_connection, task_context, no_patience, deferrable, flag):
    with pytest.raises(AirflowSkipException):
        _sensor("long-forgotten", deferrable=deferrable, **{flag: True}).execute(task_context)


@BOTH
@pytest.mark.parametrize("fault", ["throttle", "error_500"])
def test_a_polly_that_does_not_answer_is_no_failure(aws_connection, task_context, monkeypatch, deferrable, fault):
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        json.dumps(aws_connection.connection(config_kwargs={"retries": {"total_max_attempts": 1}})),
    )
    task_id = _start()
    aws_connection.order_fault(fault, operation="GetSpeechSynthesisTask")
    sensor = _sensor(task_id, deferrable=deferrable)

    if deferrable:
        with pytest.raises(TaskDeferred):
            sensor.execute(task_context)
    else:
        assert sensor.execute(task_context)["task_status"] == "completed"


@BOTH
def test_a_task_that_polly_does_not_know_in_the_first_minutes_is_waited_for(
    aws_connection, task_context, monkeypatch, deferrable
):
    task_id = _start()
    read = PollyHook.get_speech_synthesis_task
    lags = iter([True])

    def lagging(self, task_id):
        if next(lags, False):
            raise PollyTaskNotFoundError("unknown", "SynthesisTaskNotFoundException")
        return read(self, task_id)

    monkeypatch.setattr(PollyHook, "get_speech_synthesis_task", lagging)
    sensor = _sensor(task_id, deferrable=deferrable)

    if deferrable:
        with pytest.raises(TaskDeferred):
            sensor.execute(task_context)
    else:
        assert sensor.execute(task_context)["task_status"] == "completed"


def test_a_task_that_polly_does_not_know_after_the_first_minutes_fails_the_poking(
    aws_connection, task_context, monkeypatch
):
    monkeypatch.setattr(polly, "UNSEEN_SECONDS", 0.2)
    looks = aws_connection.calls("GetSpeechSynthesisTask")

    with pytest.raises(AirflowFailException, match="72 hours"):
        _sensor("long-forgotten").execute(task_context)

    assert aws_connection.calls("GetSpeechSynthesisTask") > looks + 1


def test_rescheduled_looks_count_the_first_minutes_from_the_first_of_them(aws_connection, task_context, monkeypatch):
    first = datetime.now(tz=UTC)
    monkeypatch.setattr(task_context["ti"], "get_first_reschedule_date", lambda context: first, raising=False)
    arguments = {"mode": "reschedule", "poke_interval": 60}

    assert not _sensor("unknown", **arguments).poke(task_context).is_done

    first -= timedelta(seconds=polly.UNSEEN_SECONDS)
    with pytest.raises(AirflowFailException, match="72 hours"):
        _sensor("unknown", **arguments).poke(task_context)


def test_poking_ends_at_its_timeout(aws_connection, task_context):
    aws_connection.order_fault("stuck_scheduled")

    with pytest.raises(AirflowSensorTimeout):
        _sensor(_start(), timeout=0.1).execute(task_context)


class TestDeferring:
    def test_the_queue_goes_with_the_trigger(self, aws_connection, task_context):
        aws_connection.order_fault("stuck_scheduled")
        queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"
        sensor = _sensor(
            _start(), deferrable=True, completion_queue_url=queue_url, fallback_interval=timedelta(minutes=10)
        )

        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(task_context)

        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["completion_queue_url"], arguments["fallback_interval"]) == (queue_url, 600)

    @pytest.mark.parametrize("queue_url", [None, ""])
    def test_without_a_queue_the_trigger_knows_of_none(self, aws_connection, task_context, queue_url):
        aws_connection.order_fault("stuck_scheduled")

        with pytest.raises(TaskDeferred) as deferred:
            _sensor(_start(), deferrable=True, completion_queue_url=queue_url).execute(task_context)

        assert deferred.value.trigger.completion_queue_url is None

    def test_it_defers_while_the_task_is_under_way_and_resumes_from_the_event(self, aws_connection, task_context):
        aws_connection.order_fault("stuck_scheduled")
        task_id = _start()
        sensor = _sensor(task_id, deferrable=True, poke_interval=15, timeout=600)

        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(task_context)

        assert isinstance(deferred.value.trigger, PollySpeechSynthesisTaskTrigger)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["task_id"], arguments["poll_interval"]) == (task_id, 15)
        facts = {"task_id": task_id, "task_status": "completed"}
        event = {"status": "completed", "task_id": task_id, "task": facts}
        resumed = _sensor(task_id).resume_execution(deferred.value.method_name, {"event": event}, task_context)
        assert resumed == facts

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"status": "failed", "task": {"task_id": "t-1"}}, AirflowFailException),
            ({"status": "not_found"}, AirflowFailException),
            ({"status": "refused"}, AirflowFailException),
            ({"status": "timeout"}, AirflowSensorTimeout),
        ],
        ids=lambda value: value["status"] if isinstance(value, dict) else "",
    )
    @pytest.mark.parametrize("flag", [None, "soft_fail", "never_fail"])
    def test_an_end_that_is_final_fails_or_skips_as_the_flags_say(self, task_context, event, kind, flag):
        sensor = _sensor("t-1", **({flag: True} if flag else {}))
        event = {"task_id": "t-1", "message": "said so", **event}

        with pytest.raises(AirflowSkipException if flag else kind):
            sensor.resume_execution("execute_complete", {"event": event}, task_context)

    @pytest.mark.parametrize(
        ("flag", "kind"),
        [(None, PollyUnavailableError), ("soft_fail", PollyUnavailableError), ("never_fail", AirflowSkipException)],
    )
    def test_a_broken_off_wait_is_for_the_next_attempt(self, task_context, flag, kind):
        sensor = _sensor("t-1", **({flag: True} if flag else {}))

        with pytest.raises(kind):
            sensor.resume_execution(
                "execute_complete",
                {"event": {"status": "error", "task_id": "t-1", "message": "wire cut"}},
                task_context,
            )


def test_the_synthesis_task_id_and_the_queue_are_templates():
    sensor = _sensor("{{ submitted }}", completion_queue_url="{{ queue }}")

    sensor.render_template_fields({"submitted": "t-1", "queue": "https://sqs.example/1/notices"})

    assert (sensor.synthesis_task_id, sensor.completion_queue_url) == ("t-1", "https://sqs.example/1/notices")


def test_a_poking_sensor_leaves_the_queue_to_others_and_says_so(board, task_context, capsys):
    board.cloud.order_fault("stuck_scheduled", seconds=0.3)
    task_id = board.start()
    receives = board.receives()

    facts = _sensor(task_id, completion_queue_url=board.queue_url).execute(task_context)

    assert facts["task_status"] == "completed"
    assert board.receives() == receives
    # The topic is told a moment after Polly answers that the task is completed.
    while not board.messages():
        time.sleep(0.01)
    assert "completion_queue_url is used by deferrable sensors only" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", [0, -1, timedelta(0)])
def test_looking_for_ever_or_never_is_refused_when_the_dag_is_parsed(seconds):
    with pytest.raises(PollyArgumentError, match="fallback_interval"):
        _sensor("t-1", fallback_interval=seconds)
