from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from narration.notices.failures import FAILURE, Failure
from narration.notices.notice import Event, Notice
from narration.notices.runs import MOST_FAILURES, NOTICE, RunEnd, duration, instance_of, notice_of_end, run_url

ROAD = ("read", "plan", "approve", "synthesize", "assemble", "publish")
PUBLISHED = {
    "title": "The Ledger",
    "narration_uri": "s3://store/narrations/x",
    "manifest_uri": "s3://store/narrations/x/manifest.json",
    "mp3_uri": "s3://store/narrations/x/the-ledger.mp3",
    "m4b_uri": "s3://store/narrations/x/the-ledger.m4b",
    "duration_seconds": 663.4,
    "chapters": 4,
    "paragraphs": 46,
}
OVER = "The plan would cost USD 2.00, which is USD 1.00 more than the budget of USD 1.00 allows."


@dataclass
class Left:
    """What a run has left behind, written down by the test."""

    values: dict[tuple[str, int, str], Any] = field(default_factory=dict)
    failures: list[tuple[str, int]] = field(default_factory=list)
    asked: int = 0

    def put(self, task_id: str, key: str, value: Any, *, map_index: int = -1) -> None:
        self.values[task_id, map_index, key] = value

    def fail(self, task_id: str, reason: str | None, *, map_index: int = -1, event: Event = Event.FAILURE) -> None:
        self.failures.append((task_id, map_index))
        if reason is not None:
            value = Failure(task_id=task_id, reason=reason, event=event, label=f"part {map_index}").to_dict()
            self.put(task_id, FAILURE, value, map_index=map_index)

    def xcom(self, *, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        self.asked += 1
        return self.values.get((task_id, map_index, key))

    def failed(self, *, task_ids: Collection[str]) -> list[tuple[str, int]]:
        return self.failures


def end_of(left: Left, *, task_ids: Collection[str] = ROAD, **more: Any) -> RunEnd:
    params = {"document": "s3://texts/ledger.txt?sig=x", "title": None, **more.pop("params", {})}
    return RunEnd(remains=left, task_ids=task_ids, dag_id="narrate_polly", params=params, **more)


@pytest.fixture
def left() -> Left:
    return Left()


def test_a_success_says_what_it_cost_and_where_everything_lies(left: Left):
    left.put("publish", "return_value", PUBLISHED)
    left.put("publish", "run_note", "The service billed 10 characters, USD 0.00016; 10 were planned.")
    left.put("plan", "run_note", "10 characters to buy.")

    notice = end_of(left).success()

    assert (notice.event, notice.title) == (Event.SUCCESS, "Narrated: The Ledger")
    assert notice.lines == ("The service billed 10 characters, USD 0.00016; 10 were planned.",)
    assert notice.facts == {
        "Document": "s3://texts/ledger.txt?sig=x",
        "Length": "11 min 3 s, 4 chapters, 46 paragraphs",
        "MP3": "s3://store/narrations/x/the-ledger.mp3",
        "M4B": "s3://store/narrations/x/the-ledger.m4b",
        "Manifest": "s3://store/narrations/x/manifest.json",
    }


def test_a_dry_run_and_a_rejected_plan_say_that_nothing_was_narrated(left: Left):
    left.put("plan", "summary", {"title": "The Ledger"})
    left.put("plan", "run_note", "10 characters to buy.")

    assert end_of(left, params={"dry_run": True}).success().title == "Dry run: The Ledger"

    left.put("approve", "run_note", "Rejected by ada: nothing was bought.")

    notice = end_of(left).success()
    assert notice.title == "Not narrated: The Ledger"
    assert notice.lines == ("Rejected by ada: nothing was bought.",)


def test_five_failed_orders_are_one_notice_and_the_rest_is_counted(left: Left):
    left.put("plan", "summary", {"title": "The Ledger"})
    for number in range(MOST_FAILURES + 3):
        left.fail("synthesize", f"Paragraph {number} was refused.", map_index=number)

    notice = end_of(left).failure()

    assert (notice.event, notice.title) == (Event.FAILURE, "Failed: The Ledger")
    assert notice.lines[0] == "synthesize, part 0: Paragraph 0 was refused."
    assert notice.lines[MOST_FAILURES] == "And 3 more."
    assert notice.lines[-1].startswith("What was bought is kept.")
    assert len(notice.lines) == MOST_FAILURES + 2


def test_of_a_thousand_failures_only_the_told_ones_are_looked_up(left: Left):
    for number in range(1000):
        left.fail("synthesize", "Refused.", map_index=number)

    end_of(left).failure()

    assert left.asked < 15


def test_a_plan_over_the_budget_is_an_event_of_its_own_and_no_failure(left: Left):
    left.put("plan", "summary", {"title": "The Ledger"})
    left.fail("plan", OVER, event=Event.OVER_BUDGET)

    notice = end_of(left).failure()

    assert (notice.event, notice.title, notice.lines) == (Event.OVER_BUDGET, "Over the budget: The Ledger", (OVER,))


def test_a_run_in_which_something_else_has_failed_too_is_a_failure(left: Left):
    left.fail("plan", OVER, event=Event.OVER_BUDGET)
    left.fail("other", "Broken.")

    assert end_of(left).failure().event is Event.FAILURE


def test_a_task_whose_worker_was_killed_has_left_no_reason_and_is_named_all_the_same(left: Left):
    left.fail("assemble", None)

    (line,) = end_of(left).failure().lines

    assert line.startswith("assemble: it left no reason. Its worker may have been killed")


@pytest.mark.parametrize(
    ("reason", "said"),
    [("timed_out", "took longer than the Dag allows"), ("all_tasks_deadlocked", "each one waits")],
)
def test_a_run_without_a_failed_task_says_what_airflow_says(left: Left, reason: str, said: str):
    (line,) = end_of(left, reason=reason, last_task_id="assemble").failure().lines

    assert said in line


def test_what_airflow_holds_to_be_the_cause_is_named_when_nothing_can_be_read(left: Left):
    # As in `airflow dags test`, which has nobody to ask.
    (line,) = end_of(left, last_task_id="read", reason="task_failure").failure().lines

    assert line.startswith("read: it left no reason.")


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({}, "ledger.txt"),
        ({"title": "Mine"}, "Mine"),
        ({"document": "/books/ada.txt"}, "ada.txt"),
        ({"document": ""}, "narrate_polly"),
    ],
)
def test_a_run_that_has_not_read_its_document_is_called_after_what_was_asked_for(left: Left, params: Any, title: str):
    assert end_of(left, params=params).failure().title == f"Failed: {title}"


def test_a_dag_of_other_tasks_is_called_by_its_name(left: Left):
    notice = end_of(left, task_ids=("a", "b"), params={"document": None}).success()

    assert notice == Notice(event=Event.SUCCESS, title="Done: narrate_polly")
    assert left.asked == 0


def test_a_task_may_have_words_of_its_own(left: Left):
    own = Notice(event=Event.FAILURE, title="12 narrated, 1 failed", lines=("ada.txt: refused.",))
    left.put("report", NOTICE, own.to_dict())

    assert end_of(left, task_ids=("report",)).told("report", succeeded=True) == own
    assert end_of(left, task_ids=("report",)).told("report", succeeded=False) == own
    assert end_of(left, task_ids=ROAD).told("report", succeeded=True) is None


def test_what_fails_after_those_words_makes_a_failure_of_them(left: Left):
    left.put("report", NOTICE, Notice(event=Event.SUCCESS, title="12 narrated", lines=("Cheap.",)).to_dict())
    left.fail("after", "Broken.")

    notice = end_of(left, task_ids=("report", "after"), params={"document": None}).told("report", succeeded=False)

    assert notice is not None
    assert (notice.event, notice.title) == (Event.FAILURE, "12 narrated")
    assert notice.lines == ("after, part -1: Broken.", "Cheap.")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read", ("read", -1)),
        ("synthesize_3", ("synthesize", 3)),
        ("group.read_12", ("group.read", 12)),
        ("chapter_2", ("chapter_2", -1)),
        ("gone_1", ("gone_1", -1)),
    ],
)
def test_a_task_id_and_a_map_index_are_told_apart(name: str, expected: tuple[str, int]):
    assert instance_of(name, task_ids={"read", "synthesize", "group.read", "chapter", "chapter_2"}) == expected


def test_a_context_of_which_airflow_has_left_out_almost_everything_is_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    dag = SimpleNamespace(dag_id="narrate_polly", task_ids=list(ROAD))

    notice = notice_of_end({"dag": dag, "run_id": "manual__2026-11-28T00:00:00+00:00"}, succeeded=False)  # type: ignore[typeddict-item]

    assert notice.title == "Failed: narrate_polly"
    assert notice.facts == {
        "Run": "https://airflow.example.com/team/dags/narrate_polly/runs/manual__2026-11-28T00%3A00%3A00%2B00%3A00"
    }


def test_a_run_has_an_address_even_where_nobody_has_set_one():
    assert run_url(dag_id="d", run_id="r").endswith("/dags/d/runs/r")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3905, "1 h 5 min")]
)
def test_lengths_are_written_for_people(seconds: float, said: str):
    assert duration(seconds) == said
