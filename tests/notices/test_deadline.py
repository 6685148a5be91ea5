from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.callback import CallbackTrigger

from narration.notices.deadline import DEFAULT, DeadlineError, late_notice, nightly_deadline, parse_deadline
from narration.notices.notice import Event
from tests.sinks import Webhook

OPTION = "AIRFLOW__NARRATION__NIGHTLY_DEADLINE"
QUEUED = datetime(2026, 11, 28, 0, 0, tzinfo=UTC)
DUE = QUEUED + timedelta(hours=6)


def context(**run: Any) -> dict[str, Any]:
    """What Airflow hands over: the run as its REST API gives it."""
    return {
        "dag_run": {
            "dag_id": "narrate_nightly",
            "dag_run_id": "scheduled__2026-11-28T00:00:00+00:00",
            "run_type": "scheduled",
            "state": "running",
            "queued_at": "2026-11-28T00:00:00Z",
            "start_date": "2026-11-28T00:00:01Z",
            "end_date": None,
            "conf": {"token": "not-to-be-told"},
            **run,
        },
        "deadline": {"id": "1", "deadline_time": DUE},
    }


def late(**run: Any) -> Any:
    return late_notice(context(**run), allowed=timedelta(hours=6))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DEFAULT),
        ("6h", timedelta(hours=6)),
        ("90", timedelta(minutes=90)),
        ("90 min", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5 hours", timedelta(minutes=90)),
        ("2 days", timedelta(days=2)),
        ("45s", timedelta(seconds=45)),
        ("off", None),
        ("0", None),
    ],
)
def test_the_time_is_written_as_people_write_it(text: str, expected: timedelta | None):
    assert parse_deadline(text) == expected


@pytest.mark.parametrize("text", ["soon", "6 parsecs", "6h and a bit", "-1h", "0h"])
def test_what_is_no_time_is_refused_with_examples(text: str):
    with pytest.raises(DeadlineError, match=r"NIGHTLY_DEADLINE is .* off"):
        parse_deadline(text)


def test_a_time_that_cannot_be_read_is_logged_and_six_hours_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(OPTION, "soon")

    alert = nightly_deadline()

    assert alert is not None
    assert alert.interval == timedelta(hours=6)
    assert f"{OPTION} is 'soon', so 6 hours hold." in caplog.text


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [("0 0 * * *", 24), ("@daily", 24), ("0 3 * * 1-5", 72), ("@hourly", 1), ("", 0), ("no cron", 0)],
)
def test_it_is_counted_from_the_end_of_the_longest_interval(schedule: str, hours: int):
    alert = nightly_deadline(schedule=schedule)

    assert alert is not None
    assert alert.interval == timedelta(hours=hours + 6)


def test_off_means_no_alert_and_a_dag_takes_that(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(OPTION, "off")

    assert nightly_deadline() is None
    assert DAG("night", schedule=None, deadline=nightly_deadline()).deadline in (None, [])


def test_the_alert_reaches_the_scheduler_and_comes_back():
    dag = DAG("night", schedule=None, deadline=nightly_deadline())

    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))

    (alert,) = stored["dag"]["deadline"]
    told = json.dumps(alert)
    assert "narration.notices.deadline.tell_of_deadline" in told
    assert "21600" in told


def test_a_late_run_is_told_with_its_times():
    notice = late()

    assert (notice.event, notice.title) == (Event.DEADLINE, "Late: narrate_nightly")
    assert notice.lines[0] == "It should have been over within 6 h and is still running."
    assert notice.facts["Queued"] == "2026-11-28 00:00:00 UTC"
    assert notice.facts["Deadline"] == "2026-11-28 06:00:00 UTC"
    assert notice.facts["Run"].endswith("/dags/narrate_nightly/runs/scheduled__2026-11-28T00%3A00%3A00%2B00%3A00")
    assert "not-to-be-told" not in str(notice)


def test_a_run_that_has_not_begun_says_where_to_look():
    notice = late(state="queued", start_date=None)

    assert "is still queued." in notice.lines[0]
    assert "is the Dag paused" in notice.lines[1]
    assert "Started" not in notice.facts


def test_a_run_that_ended_after_its_deadline_was_late():
    notice = late(state="success", end_date="2026-11-28T06:00:01Z")

    assert notice.lines == ("It should have been over within 6 h and is success only since 2026-11-28 06:00:01 UTC.",)


def test_a_run_that_failed_in_time_is_not_late():
    # Airflow takes back the deadlines of runs that succeeded, and of no others.
    assert late(state="failed", end_date="2026-11-28T05:59:59Z") is None


def test_a_run_of_a_backfill_is_not_late():
    # A year of them is queued in one moment.
    assert late(run_type="backfill", state="queued") is None


def test_a_run_of_which_nothing_is_known_is_late_all_the_same():
    notice = late_notice({}, allowed=timedelta(minutes=5))

    assert notice is not None
    assert notice.lines == (
        "It should have been over within 5 min and is not over.",
        notice.lines[1],
    )


async def called_by_airflow() -> list[Any]:
    """Run the callback as the triggerer does, from what the Dag's alert says."""
    alert = nightly_deadline()
    assert alert is not None
    kwargs = {**alert.callback.kwargs, "context": context()}
    trigger = CallbackTrigger(callback_path=alert.callback.path, callback_kwargs=kwargs)
    return [event.payload async for event in trigger.run()]


async def test_the_triggerer_can_tell_everybody(monkeypatch: pytest.MonkeyPatch):
    with Webhook().running() as webhook:
        assert isinstance(webhook, Webhook)
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", webhook.connection)
        monkeypatch.setenv("AIRFLOW__NARRATION__NOTICES", '{"failure": ["slack:chat"]}')

        events = await called_by_airflow()

        assert webhook.messages[0].startswith("*Late: narrate_nightly*")
    assert events[-1] == {"state": "success", "body": "Told slack:chat."}


async def test_without_notices_it_is_only_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)

    events = await called_by_airflow()

    assert events[-1] == {"state": "success", "body": "Told nobody."}
    assert "Late: narrate_nightly" in caplog.text


async def test_what_goes_wrong_is_logged_without_the_conf_of_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("narration.notices.deadline.send", lambda *_, **__: 1 / 0)

    events = await called_by_airflow()

    assert events[-1]["body"] == "Failed: ZeroDivisionError"
    assert "nobody could be told" in caplog.text
    assert "not-to-be-told" not in caplog.text
