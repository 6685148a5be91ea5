"""What a nightly run says when all of its documents have come to their end."""

from __future__ import annotations

from typing import Any

import pytest

from narration.notices.notice import Event, Notice
from narration.operators.report import DocumentsFailedError, NightReportOperator

FOUND = {
    "inbox": "/inbox",
    "interval": ["2026-11-23T00:00:00+00:00", "2026-11-24T00:00:00+00:00"],
    **{"documents": [], "late": [], "unchanged": [], "strange": [], "other": 0},
}


class Told:
    """The XComs of a run, as a task that is not mapped pulls them from tasks that are."""

    def __init__(self, *, found: Any, **told: list[Any]) -> None:
        self._found = found
        self._told = told
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        if task_ids == "find":
            return self._found
        values = self._told.get(f"{task_ids.removeprefix('narrate.')}_{key}", [])
        return values[0] if len(values) == 1 else values or None

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def report(ti: Told, *, dry_run: bool = False) -> dict[str, Any]:
    return NightReportOperator(task_id="report").execute({"ti": ti, "params": {"dry_run": dry_run}})


def narrated(name: str) -> dict[str, Any]:
    return {"document": name, "title": name, "manifest_uri": f"file:///store/{name}"}


def bill(characters: int, amount: float | None, currency: str = "USD") -> dict[str, Any]:
    return {"characters_billed": characters, "amount_billed": amount, "currency": currency}


def test_it_tells_what_was_narrated_and_what_it_cost():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt"], "unchanged": ["c.txt"]},
        publish_return_value=[narrated("a.txt"), narrated("b.txt")],
        publish_bill=[bill(1000, 0.016), bill(500, 0.008)],
    )

    result = report(ti)

    assert (result["characters_billed"], result["amounts"]) == (1500, ["USD 0.024"])
    assert ti.pushed["run_note"] == "2 document(s) narrated, 1,500 characters billed, USD 0.024. 1 narrated already."


def test_currencies_are_not_added_up_and_an_unknown_price_is_left_out():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "b.txt", "c.txt"]},
        publish_return_value=[narrated(name) for name in ("a.txt", "b.txt", "c.txt")],
        publish_bill=[bill(10, 1), bill(10, 2, "EUR"), bill(10, None)],
    )

    assert report(ti)["amounts"] == ["EUR 2.00", "USD 1.00"]


def test_it_fails_and_names_each_document_that_could_not_be_narrated_with_its_reason():
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "bad.txt", "lost.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill(10, 1)],
        read_failure=[{"document": "bad.txt", "task": "narrate.read", "reason": "It is no text."}],
    )

    with pytest.raises(DocumentsFailedError) as error:
        report(ti)

    assert "1 document(s) narrated" in str(error.value)
    assert "2 failed: bad.txt: It is no text; lost.txt: its task ended without a word" in str(error.value)
    assert [each["document"] for each in ti.pushed["report"]["failed"]] == ["bad.txt", "lost.txt"]


def test_people_are_told_of_the_night_in_the_words_of_the_report():
    over = {"document": "dear.txt", "task": "narrate.plan", "reason": "It would cost USD 2.", "event": "over_budget"}
    ti = Told(
        found={**FOUND, "documents": ["a.txt", "dear.txt"], "unchanged": ["c.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill(1000, 0.016)],
        plan_failure=[over],
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
    ti = Told(found={**FOUND, "documents": ["a.txt"]})

    report(ti, dry_run=True)

    notice = Notice.from_dict(ti.pushed["notice"])
    assert (notice.event, notice.title) == (Event.SUCCESS, "Dry run of a night")
    assert notice.lines == (ti.pushed["run_note"],)


def test_what_failed_at_first_and_was_narrated_in_the_end_has_not_failed():
    ti = Told(
        found={**FOUND, "documents": ["a.txt"]},
        publish_return_value=[narrated("a.txt")],
        publish_bill=[bill(10, 1)],
        plan_failure=[{"document": "a.txt", "task": "narrate.plan", "reason": "The service did not answer."}],
    )

    assert report(ti)["failed"] == []


def test_what_was_said_before_the_inbox_was_looked_through_again_is_not_said_twice():
    # After a clear the map may be shorter; Airflow keeps the words of those that fell out of it.
    old = {"look": "monday"}
    new = {"look": "tuesday"}
    ti = Told(
        found={**FOUND, **new, "documents": ["bad.txt"], "unchanged": ["a.txt"]},
        publish_return_value=[{**narrated("bad.txt"), **new}, {**narrated("a.txt"), **old}],
        publish_bill=[{**bill(10, 1), **new}, {**bill(99, 9), **old}],
        read_failure=[{"document": "bad.txt", "task": "narrate.read", "reason": "It is no text.", **old}],
    )

    result = report(ti)

    assert [each["document"] for each in result["narrated"]] == ["bad.txt"]
    assert (result["characters_billed"], result["failed"]) == (10, [])


def test_a_night_without_documents_succeeds_and_says_where_it_looked():
    ti = Told(found={**FOUND, "unchanged": ["a.txt"], "other": 3})

    report(ti)

    assert ti.pushed["run_note"] == (
        "Nothing to narrate in /inbox from 2026-11-23T00:00:00+00:00 to 2026-11-24T00:00:00+00:00: 1 narrated already, "
        "3 file(s) belong to other runs or are profiles."
    )


def test_a_dry_run_says_what_the_night_would_cost():
    summary = {"title": "Emma", "characters_to_buy": 1000, "amount_to_buy": 0.016, "currency": "USD"}
    ti = Told(found={**FOUND, "documents": ["a.txt", "b.txt"]}, plan_summary=[summary, summary])

    report(ti, dry_run=True)

    assert ti.pushed["run_note"] == ("Dry run, nothing was bought. 2 document(s), 2,000 characters to buy, USD 0.032.")


def test_a_dry_run_fails_for_what_a_real_one_would_fail_for():
    summary = {"title": "Emma", "characters_to_buy": 1000, "amount_to_buy": 0.016, "currency": "USD"}
    failure = {"document": "b.txt", "task": "narrate.plan", "reason": "It is over the budget."}
    ti = Told(found={**FOUND, "documents": ["a.txt", "b.txt"]}, plan_summary=[summary], plan_failure=[failure])

    with pytest.raises(DocumentsFailedError, match=r"1 failed: b\.txt: It is over the budget"):
        report(ti, dry_run=True)


def test_an_inbox_that_could_not_be_looked_through_fails():
    with pytest.raises(DocumentsFailedError, match="'find'"):
        report(Told(found=None))
