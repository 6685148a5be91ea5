from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from narration.notices.callbacks import RunNotifier, notices, push_notice
from narration.notices.notice import Event, Notice
from narration.notices.runs import NOTICE
from tests.sinks import Webhook

OPTION = "AIRFLOW__NARRATION__NOTICES"


def test_a_dag_without_notices_is_as_it_was():
    assert notices() == {}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ('{"success": ["slack:chat"]}', {"on_success_callback": True}),
        ('{"failure": ["slack:chat"]}', {"on_failure_callback": False}),
        ('{"over_budget": ["slack:chat"]}', {"on_failure_callback": False}),
        ('{"deadline": ["slack:chat"]}', {}),
    ],
)
def test_a_dag_gets_the_callbacks_for_what_somebody_is_told_of(
    option: str, expected: dict[str, bool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(OPTION, option)

    assert {name: callback.succeeded for name, callback in notices().items()} == expected


def test_a_dag_with_words_of_its_own_may_find_a_failure_in_a_run_that_succeeded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(OPTION, '{"failure": ["slack:chat"]}')

    assert set(notices(told_by="report")) == {"on_success_callback", "on_failure_callback"}


def test_an_option_that_cannot_be_used_is_logged_and_breaks_no_dag(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(OPTION, "nonsense")

    assert notices() == {}
    assert f"{OPTION} is not JSON" in caplog.text


def test_the_note_of_a_run_says_that_the_option_cannot_be_used(monkeypatch: pytest.MonkeyPatch):
    from narration.listeners import whole_note

    monkeypatch.setenv(OPTION, '{"failure": ["teams:ops"]}')

    assert whole_note("For Ada.", "10 characters.").startswith("For Ada.\n\nNarration: 10 characters. AIRFLOW__NARR")
    assert "'teams:ops' is of no known kind" in whole_note(None, "10 characters.")


def test_the_callback_tells_what_there_is_to_tell(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    dag = DAG("narrate_polly", schedule=None)
    with Webhook().running() as webhook:
        assert isinstance(webhook, Webhook)
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", webhook.connection)
        monkeypatch.setenv(OPTION, '{"failure": ["slack:chat"]}')
        # As Airflow calls it: with the context, whatever is in it.
        RunNotifier(succeeded=False)({"dag": dag, "run_id": "r", "reason": "timed_out"})

        (text,) = webhook.messages
    assert text.startswith("*Failed: narrate_polly*\n\nThe run took longer")
    assert "sent to slack:chat" in caplog.text


def test_a_task_leaves_its_words_for_the_end_of_the_run():
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda *, key, value: pushed.update({key: value}))
    notice = Notice(event=Event.SUCCESS, title="3 narrated")

    push_notice({"ti": ti}, notice)  # type: ignore[typeddict-item]

    assert Notice.from_dict(pushed[NOTICE]) == notice
