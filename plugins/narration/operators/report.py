"""The last task of a nightly run: what was narrated, what was not and why, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.errors import PermanentNarrationError
from narration.notices.callbacks import push_notice
from narration.notices.nightly import NotNarrated, nightly_notice
from narration.notices.notice import Event, Notice
from narration.operators.base import FAILURE
from narration.operators.run_note import push_note
from narration.synthesis.prices import money

if TYPE_CHECKING:
    from airflow.sdk import Context

_TASKS = ("read", "plan", "synthesize", "assemble", "publish")
_MOST_NAMED = 20
_LONGEST_REASON = 300


class DocumentsFailedError(PermanentNarrationError):
    """Some documents of a run could not be narrated; the others are published."""


class NightReportOperator(BaseOperator):
    """
    Say what became of the documents of a run, and fail if one of them could not be narrated.

    Runs when all documents have come to their end, good or bad, and does nothing but tell: it may be cleared at any
    time.

    Returns ``{"narrated": [{"document", "title", "manifest_uri", …}], "failed": [{"document", "task", "reason"}],
    "unchanged", "late", "characters_billed", "amounts"}``, the last as texts such as ``USD 1.20``.

    :param find_task_id: the task that found the documents.
    :param group_id: the mapped task group that narrated them.
    :raises DocumentsFailedError: naming every document that failed, and its reason.
    """

    ui_color = "#dff5e4"

    def __init__(self, *, find_task_id: str = "find", group_id: str = "narrate", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.find_task_id = find_task_id
        self.group_id = group_id

    def execute(self, context: Context) -> dict[str, Any]:
        found: Any = context["ti"].xcom_pull(task_ids=self.find_task_id, key="found")
        if found is None:
            raise DocumentsFailedError("The inbox could not be looked through; the task 'find' says why in its log.")
        look = found.get("look")
        narrated = self._of_all(context, ("publish",), look=look)
        bills = self._of_all(context, ("publish",), key="bill", look=look)
        dry = bool(context["params"]["dry_run"])
        ends = {each["document"] for each in narrated}
        reasons = {
            each["document"]: each
            for each in self._of_all(context, _TASKS, key=FAILURE, look=look)
            if each["document"] not in ends
        }
        failed = [
            reasons.get(name, {"document": name, "task": "", "reason": "its task ended without a word; see its log"})
            for name in found["documents"]
            if name in reasons or (name not in ends and not dry)
        ]
        result = {
            "narrated": narrated,
            "failed": failed,
            "unchanged": found["unchanged"],
            "late": found["late"],
            "characters_billed": sum(bill["characters_billed"] for bill in bills),
            "amounts": _amounts(bills),
        }
        note = night_note(result, found=found)
        if dry:
            plans = self._of_all(context, ("plan",), key="summary", look=look)
            note = f"{dry_note(plans)} {note if failed else ''}".rstrip()
        self.log.info("%s", note)
        push_note(context, note)
        push_notice(context, dry_notice(note, failed=bool(failed)) if dry else night_notice(result, found=found))
        context["ti"].xcom_push(key="report", value=result)
        if failed:
            raise DocumentsFailedError(
                f"{note} Mend what is named and clear the run: what is narrated is left alone, and nothing is paid "
                "twice."
            )
        return result

    def _of_all(
        self, context: Context, tasks: Sequence[str], *, look: Any, key: str = "return_value"
    ) -> list[Mapping[str, Any]]:
        """Pull what the tasks of all documents have said since the inbox was last looked through."""
        told: list[Mapping[str, Any]] = []
        for task in tasks:
            values: Any = context["ti"].xcom_pull(task_ids=f"{self.group_id}.{task}", key=key)
            # One value comes alone, and none as nothing.
            told += [values] if isinstance(values, Mapping) else [value for value in values or () if value is not None]
        return [each for each in told if each.get("look") == look]


def night_note(result: Mapping[str, Any], *, found: Mapping[str, Any]) -> str:
    """Say in a few sentences what became of the documents of a run."""
    narrated, failed, unchanged = result["narrated"], result["failed"], result["unchanged"]
    parts = []
    if not narrated and not failed:
        start, end = found["interval"]
        nothing = f"Nothing to narrate in {found['inbox']} from {start} to {end}"
        rest = [f"{len(unchanged)} narrated already"] if unchanged else []
        rest += [f"{found['other']} file(s) belong to other runs or are profiles"] if found["other"] > 0 else []
        return f"{nothing}{': ' if rest else ''}{', '.join(rest)}."
    if narrated:
        cost = ", ".join(result["amounts"])
        parts.append(
            f"{len(narrated)} document(s) narrated, {result['characters_billed']:,} characters billed"
            f"{f', {cost}' if cost else ''}."
        )
    if unchanged:
        parts.append(f"{len(unchanged)} narrated already.")
    if failed:
        named = "; ".join(f"{each['document']}: {_shortened(each['reason'])}" for each in failed[:_MOST_NAMED])
        more = len(failed) - _MOST_NAMED
        parts.append(f"{len(failed)} failed: {named}{f'; and {more} more' if more > 0 else ''}.")
    return " ".join(parts)


def night_notice(result: Mapping[str, Any], *, found: Mapping[str, Any]) -> Notice:
    """Say to people what became of the documents of a run; those to be told of a failure if one has failed."""
    start, end = found["interval"]
    notice = nightly_notice(
        narrated=[f"{each['title']} ({each['document']}): {each['manifest_uri']}" for each in result["narrated"]],
        failed=[
            NotNarrated(
                name=each["document"],
                reason=_shortened(each["reason"]),
                event=Event(each.get("event", Event.FAILURE)),
            )
            for each in result["failed"]
        ],
        unchanged=len(result["unchanged"]),
        cost=", ".join([f"{result['characters_billed']:,} characters billed", *result["amounts"]]),
        night=start[:10],
    )
    return notice.with_facts({"Inbox": f"{found['inbox']}, from {start} to {end}"})


def dry_notice(note: str, *, failed: bool) -> Notice:
    """Say to people what the documents of a run would cost."""
    event = Event.FAILURE if failed else Event.SUCCESS
    return Notice(event=event, title="Dry run of a night", lines=(note,))


def dry_note(summaries: Sequence[Mapping[str, Any]]) -> str:
    """Say in a sentence what documents would cost."""
    characters = sum(summary["characters_to_buy"] for summary in summaries)
    amounts = _amounts(summaries, name="amount_to_buy")
    cost = f", {', '.join(amounts)}" if amounts else ""
    return f"Dry run, nothing was bought. {len(summaries)} document(s), {characters:,} characters to buy{cost}."


def _amounts(facts: Iterable[Mapping[str, Any]], *, name: str = "amount_billed") -> list[str]:
    """Add up what has a price, a sum for each currency."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in facts:
        if each.get(name) is not None:
            sums[str(each["currency"])] += Decimal(str(each[name]))
    return [money(amount, currency=currency) for currency, amount in sorted(sums.items())]


def _shortened(reason: str) -> str:
    return reason.rstrip(".") if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
