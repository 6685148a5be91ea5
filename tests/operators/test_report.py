"""What a nightly run says when all of its documents have come to their end."""

from __future__ import annotations

from typing import Any

import pytest

from narration.notices.notice import Event, Notice
from narration.operators.report import DocumentsFailedError, NightReportOperator

TASKS = ("read", "plan", "synthesize", "assemble", "publish")
DRY = dict.fromkeys(("a.txt", "b.txt"), "synthesize skipped")
NONE: dict[str, Any] = {"number": 0, "names": []}
ONE: dict[str, Any] = {"number": 1, "names": ["c.txt"]}
FOUND = {
    "inbox": "/inbox",
    "interval": ["2026-11-23T00:00:00+00:00", "2026-11-24T00:00:00+00:00"],
    **{"documents": [], "late": [], "returned": [], "unchanged": NONE, "elsewhere": NONE, "other": 0},
}


class Told:
    """
    A run, as its last task sees it.

    :param ends: how the five tasks of each document ended; what is left out succeeded.
    :param told: what they said, by task and key; of each document the first time that it is named, in its place.
    """

    dag_id, run_id = "narrate_nightly", "a night"

    def __init__(self, *, found: Any, ends: dict[str, str] | None = None, **told: list[Any]) -> None:
        self._found = found
        self._names = found["documents"] if found else []
        self._ends = ends or {}
        self._told = told
        self.pushed: dict[str, Any] = {}

    def get_task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, run_ids) == (self.dag_id, [self.run_id])
        assert task_ids == [f"narrate.{task}" for task in TASKS]
        states: dict[str, str | None] = {}
        for place, name in enumerate(self._names):
            ended, state = self._ends.get(name, "publish success").split()
            for task in TASKS:
                before = TASKS.index(task) <= TASKS.index(ended)
                after = "skipped" if state == "skipped" else "upstream_failed"
                last = (None if state == "none" else state) if task == ended else "success"
                states[f"narrate.{task}_{place}"] = last if before else after
        return {self.run_id: states} if states else {}

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        if task_ids == "find":
            return self._found
        values = self._told.get(f"{task_ids.removeprefix('narrate.')}_{key}", [])
        placed = [
            {"map_index": self._names.index(value["document"]) if value["document"] in self._names else 99, **value}
            for value in values
        ]
        return placed[0] if len(placed) == 1 else placed or None

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def report(ti: Told, *, dry_run: bool = False) -> dict[str, Any]:
    return NightReportOperator(task_id="report").execute({"ti": ti, "params": {"dry_run": dry_run}})


def narrated(name: str) -> dict[str, Any]:
    return {"document": name, "title": name, "manifest_uri": f"file:///store/{name}"}


def bill(name: str, characters: int, amount: float | None, currency: str = "USD") -> dict[str, Any]:
    return {"document": name, "characters_billed": characters, "amount_billed": amount, "currency": currency}


def priced(name: str) -> dict[str, Any]:
    return {"document": name, "characters_to_buy": 1000, "amount_to_buy": 0.016, "currency": "USD"}


def test_it_tells_what_was_narrated_and_what_it_cost():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt"], "unchanged": ONE},
        publish_return_value=[narrated("a.txt"), narrated("b.txt")],
        publish_bill=[bill("a.txt", 1000, 0.016), bill("b.txt", 500, 0.008)],
    )

    result = report(ti)

    assert (result["characters_billed"], result["amounts"]) == (1500, ["USD 0.024"])
    assert ti.pushed["run_note"] == "2 document(s) narrated, 1,500 characters billed, USD 0.024. 1 narrated already."


def test_currencies_are_not_added_up_and_an_unknown_price_is_left_out():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt", "c.txt"]},
        publish_return_value=[narrated(name) for name in ("a.txt", "b.txt", "c.txt")],
        publish_bill=[bill("a.txt", 10, 1), bill("b.txt", 10, 2, "EUR"), bill("c.txt", 10, None)],
    )

    assert report(ti)["amounts"] == ["EUR 2.00", "USD 1.00"]


def test_it_fails_and_names_each_document_that_could_not_be_narrated_with_its_reason():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "bad.txt", "lost.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill("a.txt", 10, 1)],
        read_failure=[{"document": "bad.txt", "task": "narrate.read", "reason": "bad.txt: It is no text."}],
        ends={"bad.txt": "read failed", "lost.txt": "assemble failed"},
    )

    with pytest.raises(DocumentsFailedError) as error:
        report(ti)

    assert "1 document(s) narrated" in str(error.value)
    assert "2 failed: bad.txt: It is no text; lost.txt: the task 'assemble' ended without a word (failed)" in str(
        error.value
    )
    assert [each["document"] for each in ti.pushed["report"]["failed"]] == ["bad.txt", "lost.txt"]


def test_people_are_told_of_the_night_in_the_words_of_the_report():
    over = {"document": "dear.txt", "task": "narrate.plan", "reason": "It would cost USD 2.", "event": "over_budget"}
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "dear.txt"], "unchanged": ONE},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill("a.txt", 1000, 0.016)],
        plan_failure=[over],
        ends={"dear.txt": "plan failed"},
    )

    with pytest.raises(DocumentsFailedError):
        report(ti)

    notice = Notice.from_dict(ti.pushed["notice"])
    assert notice.event is Event.OVER_BUDGET
    assert notice.title == "Night of 2026-11-23: 1 narrated, 1 unchanged, 1 over the budget"
    assert notice.lines == ("dear.txt, over the budget: It would cost USD 2",)
    assert notice.facts == {
        "Narrated": "a.txt (a.txt): file:///store/a.txt",
        "Cost": "1,000 characters billed, USD 0.016",
        "Inbox": "/inbox, from 2026-11-23T00:00:00+00:00 to 2026-11-24T00:00:00+00:00",
    }


def test_a_dry_night_is_told_as_one():
    ti = Told(found={**FOUND, "documents": ["a.txt"]}, ends=DRY)

    report(ti, dry_run=True)

    notice = Notice.from_dict(ti.pushed["notice"])
    assert (notice.event, notice.title) == (Event.SUCCESS, "Dry run of a night")
    assert notice.lines == (ti.pushed["run_note"],)


def test_what_failed_at_first_and_was_narrated_in_the_end_has_not_failed():
    ti = Told(
        found={**FOUND, "documents": ["a.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill("a.txt", 10, 1)],
        plan_failure=[{"document": "a.txt", "task": "narrate.plan", "reason": "The service did not answer."}],
    )

    assert report(ti)["failed"] == []


def test_what_fell_out_of_the_map_has_said_nothing():
    # After a clear the map may be shorter; Airflow keeps the words of those that fell out of it.
    ti = Told(
        found={**FOUND, "documents": ["bad.txt"], "unchanged": ONE},
        publish_return_value=[narrated("bad.txt"), {**narrated("bad.txt"), "map_index": 1}, narrated("a.txt")],
        publish_bill=[bill("bad.txt", 10, 1), {**bill("bad.txt", 10, 1), "map_index": 1}, bill("a.txt", 99, 9)],
        read_failure=[{"document": "bad.txt", "map_index": 1, "task": "narrate.read", "reason": "It is no text."}],
    )

    result = report(ti)

    assert [each["document"] for each in result["narrated"]] == ["bad.txt"]
    assert (result["characters_billed"], result["failed"]) == (10, [])


def test_old_words_of_a_task_that_did_not_begin_again_do_not_count():
    ti = Told(
        found={**FOUND, "documents": ["a.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill("a.txt", 10, 1)],
        ends={"a.txt": "assemble failed"},
    )

    with pytest.raises(DocumentsFailedError, match=r"1 failed: a\.txt: the task 'assemble' ended without a word"):
        report(ti)
    assert ti.pushed["report"]["characters_billed"] == 0


@pytest.mark.parametrize("end", ["publish success", "read failed"])
def test_when_only_the_look_through_the_inbox_was_cleared_it_says_what_else_to_clear(end):
    # Airflow leaves the tasks as they were, in the places of other documents.
    ti = Told(
        found={**FOUND, "documents": ["b.txt"], "unchanged": ONE},
        publish_return_value=[{**narrated("a.txt"), "map_index": 0}],
        publish_bill=[{**bill("a.txt", 10, 1), "map_index": 0}],
        read_failure=[{"document": "a.txt", "map_index": 0, "task": "narrate.read", "reason": "It is no text."}],
        ends={"b.txt": end},
    )

    with pytest.raises(DocumentsFailedError, match=r"1 failed: b\.txt: .*clear 'find' together with what comes after"):
        report(ti)
    assert ti.pushed["report"]["characters_billed"] == 0


def test_when_only_the_look_was_cleared_and_nothing_moved_the_words_still_hold():
    ti = Told(
        found={**FOUND, "documents": ["b.txt"]},
        read_failure=[{"document": "b.txt", "task": "narrate.read", "reason": "It is no text."}],
        ends={"b.txt": "read failed"},
    )

    with pytest.raises(DocumentsFailedError, match=r"b\.txt: It is no text"):
        report(ti)


@pytest.mark.parametrize(("end", "state"), [("read skipped", "skipped"), ("read none", "it never began")])
def test_what_somebody_skipped_or_never_began_was_not_narrated(end, state):
    with pytest.raises(DocumentsFailedError, match=rf"a\.txt: the task 'read' ended without a word \({state}\)"):
        report(Told(found={**FOUND, "documents": ["a.txt"]}, ends={"a.txt": end}))


def test_what_other_runs_have_under_way_is_counted():
    ti = Told(found={**FOUND, "unchanged": ONE, "elsewhere": {"number": 2, "names": ["x.txt", "y.txt"]}})

    report(ti)

    assert ti.pushed["run_note"].endswith(": 1 narrated already, 2 under way in other runs.")


def test_a_night_without_documents_succeeds_and_says_where_it_looked():
    ti = Told(found={**FOUND, "unchanged": ONE, "other": 3})

    report(ti)

    assert ti.pushed["run_note"] == (
        "Nothing to narrate in /inbox from 2026-11-23T00:00:00+00:00 to 2026-11-24T00:00:00+00:00: 1 narrated already, "
        "3 file(s) belong to other runs or are profiles."
    )


def test_a_dry_run_says_what_the_night_would_cost():
    summary = {
        "document": "a.txt",
        "title": "Emma",
        "characters_to_buy": 1000,
        "amount_to_buy": 0.016,
        "currency": "USD",
    }
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt"]},
        plan_summary=[summary, {**summary, "document": "b.txt"}],
        ends=DRY,
    )

    report(ti, dry_run=True)

    assert ti.pushed["run_note"] == ("Dry run, nothing was bought. 2 document(s), 2,000 characters to buy, USD 0.032.")


def test_a_dry_run_fails_for_what_a_real_one_would_fail_for():
    summary = {
        "document": "a.txt",
        "title": "Emma",
        "characters_to_buy": 1000,
        "amount_to_buy": 0.016,
        "currency": "USD",
    }
    failure = {"document": "b.txt", "task": "narrate.plan", "reason": "It is over the budget."}
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt"]},
        plan_summary=[summary],
        plan_failure=[failure],
        ends={**DRY, "b.txt": "plan failed"},
    )

    with pytest.raises(DocumentsFailedError, match=r"1 failed: b\.txt: It is over the budget"):
        report(ti, dry_run=True)


def test_an_inbox_that_could_not_be_looked_through_fails():
    with pytest.raises(DocumentsFailedError, match="'find'"):
        report(Told(found=None))
