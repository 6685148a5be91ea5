from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from narration.errors import NarrationError
from narration.notices.failures import FAILURE, LONGEST_REASON, Failure, reason_of, remember_failure
from narration.notices.notice import Event
from narration.operators.cost import BudgetExceededError, CostLimits
from narration.operators.policy import road_defaults


class TaskInstance(SimpleNamespace):
    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed = {key: value}


def remembered(**context: Any) -> dict[str, Any]:
    ti = TaskInstance(task_id="synthesize", rendered_map_index="Chapter 2 and on: 5 paragraphs", pushed={})
    remember_failure({"ti": ti, **context})  # type: ignore[typeddict-item,typeddict-unknown-key]
    return ti.pushed


def test_a_task_that_fails_leaves_its_reason_and_its_label():
    pushed = remembered(exception=NarrationError("Paragraph 3 was refused. Change it."))

    failure = Failure.read(pushed[FAILURE], task_id="synthesize", map_index=4)
    assert str(failure) == "synthesize, Chapter 2 and on: 5 paragraphs: Paragraph 3 was refused. Change it."
    assert (failure.map_index, failure.event) == (4, Event.FAILURE)


def test_being_over_the_budget_is_known_from_the_exception():
    with pytest.raises(BudgetExceededError) as raised:
        CostLimits(budget_characters=10).check(11, price=None)

    pushed = remembered(exception=raised.value)

    assert pushed[FAILURE]["event"] == "over_budget"
    assert "11 billable characters" in pushed[FAILURE]["reason"]
    assert "'budget_characters'" in pushed[FAILURE]["reason"]


def test_where_no_exception_is_known_nothing_is_written():
    # Airflow calls so for a killed worker, from a process that would wait for ever for leave to write.
    assert remembered() == {}


def test_the_tasks_of_the_road_remember():
    assert road_defaults()["on_failure_callback"] is remember_failure


def test_of_a_foreign_exception_the_name_is_told():
    assert reason_of(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
    assert reason_of(KeyboardInterrupt()) == "KeyboardInterrupt:"


def test_a_signed_address_is_not_remembered():
    assert reason_of(ValueError("GET https://host/a?sig=abc failed")) == "ValueError: GET https://host/a failed"


def test_a_long_reason_ends_after_a_sentence():
    text = "The first sentence is of some length. " * 40

    told = reason_of(NarrationError(text))

    assert len(told) <= LONGEST_REASON + 2
    assert told.endswith("length. …")


def test_a_task_that_has_left_nothing_is_named_by_its_index():
    assert Failure.read(None, task_id="synthesize", map_index=3).name == "synthesize 3"
