"""Between the plan and the first purchase: who is asked, what, and what follows from the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped, TaskAwaitingInput

from narration.operators.approve import ApproveCostOperator


class TaskInstance:
    """Of ``approve``: hands on what the plan said."""

    id = "an id"
    map_index = -1

    def __init__(self, plan: Any) -> None:
        self._plan = plan
        self.xcoms: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        return self._plan.ti.xcoms[key]

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class Gate:
    """The task in a Dag, with two tasks behind it, and what it asks Airflow to show."""

    def __init__(self, road, run, monkeypatch) -> None:
        self._road, self._run = road, run
        self.asked: dict[str, Any] = {}
        monkeypatch.setattr(
            "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **detail: self.asked.update(detail)
        )
        with DAG("gate", schedule=None):
            self.operator = ApproveCostOperator(task_id="approve", service="polly")
            publish = BaseOperator(task_id="publish", trigger_rule="none_failed")
            self.operator >> BaseOperator(task_id="synthesize") >> publish
        self.ti = TaskInstance(run)

    def context(self, **change: Any) -> dict[str, Any]:
        ti = self.ti
        return {**self._road.context(self._run, **change), "ti": ti, "task_instance": ti, "task": self.operator}

    def execute(self, **change: Any) -> Any:
        self._road.plan(self._run, **change)
        return self.operator.execute(self.context(**change))

    def answer(self, choice: str) -> Any:
        event = {
            "chosen_options": [choice],
            "params_input": {},
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "7", "name": "Ada"},
        }
        return self.operator.execute_complete(self.context(), event)


@pytest.fixture
def gate(road, run, bench, monkeypatch) -> Gate:
    road.write(bench.text(1), bench.text(2))
    return Gate(road, run, monkeypatch)


@pytest.mark.parametrize("change", [{}, {"approve_above": 1000}, {"approve_above": None}])
def test_a_plan_within_the_amount_goes_on_at_once(gate, change):
    assert gate.execute(**change) is None
    assert gate.asked == {}


def test_a_dearer_plan_is_shown_with_every_figure_and_waits_without_a_trigger(gate, bench):
    with pytest.raises(TaskAwaitingInput):
        gate.execute(approve_above=0.0001, budget=5)

    characters = gate._run.ti.xcoms["summary"]["characters_to_buy"]
    assert gate.asked["subject"].startswith(f"Buy {characters} characters for USD 0.00")
    assert gate.asked["options"] == ["Approve", "Reject"]
    for figure in (
        "Story",
        "Joanna",
        f"3 clips, {characters} characters",
        "USD 16.00 per million",
        "Budget | USD 5.00",
    ):
        assert figure in gate.asked["body"]
    assert bench.bought == 0


def test_nobody_is_asked_when_nothing_is_bought(gate, road, run, bench):
    road.narrate(run)
    again = Gate.execute(gate, approve_above=0)

    assert again is None
    assert gate.asked == {}


def test_an_approved_plan_goes_on_and_says_who_approved(gate):
    with pytest.raises(TaskAwaitingInput):
        gate.execute(approve_above=0)

    gate.answer("Approve")

    assert gate.ti.xcoms["approved_by"] == "Ada"


def test_a_rejected_plan_skips_everything_that_follows_and_says_who_rejected(gate):
    with pytest.raises(TaskAwaitingInput):
        gate.execute(approve_above=0)

    with pytest.raises(DownstreamTasksSkipped) as skipped:
        gate.answer("Reject")

    assert set(skipped.value.tasks) == {"synthesize", "publish"}
    assert gate.ti.xcoms["run_note"] == "Rejected by Ada: nothing was bought."


def test_a_dry_run_skips_everything_that_follows(gate):
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        gate.execute(dry_run=True, approve_above=0)

    assert set(skipped.value.tasks) == {"synthesize", "publish"}
    assert gate.asked == {}


def test_a_title_that_looks_like_a_table_breaks_no_table(gate):
    with pytest.raises(TaskAwaitingInput):
        gate.execute(approve_above=0, title="A | B\nC")

    assert "A \\| B C" in gate.asked["body"]
    assert all(line.startswith("|") for line in gate.asked["body"].splitlines())


def test_the_user_may_be_an_object_or_missing(gate):
    from narration.operators.approve import _name_of

    assert _name_of(SimpleNamespace(id="7", name=None)) == "7"
    assert _name_of(None).startswith("nobody")
