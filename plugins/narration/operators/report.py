"""The last task of a nightly run: what was narrated, what was not and why, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
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
_DONE, _FAILED, _SKIPPED = "success", "failed", "skipped"
_LEFT_BEHIND = (
    "the inbox was looked through again, and its tasks did not follow; clear 'find' together with what comes after it"
)
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
    "unchanged", "elsewhere", "late", "returned", "characters_billed", "amounts"}``; unchanged and elsewhere (under
    way in other runs) are numbers, late and returned names, and amounts texts such as ``USD 1.20``.

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
        dry = bool(context["params"]["dry_run"])
        documents = _Documents(context, names=found["documents"], group_id=self.group_id, dry=dry)
        narrated, failed = documents.said("publish"), documents.failed()
        bills = documents.said("publish", key="bill")
        result = {
            "narrated": narrated,
            "failed": failed,
            "unchanged": found["unchanged"]["number"],
            "elsewhere": found["elsewhere"]["number"],
            "late": found["late"],
            "returned": found["returned"],
            "characters_billed": sum(bill["characters_billed"] for bill in bills),
            "amounts": _amounts(bills),
        }
        note = night_note(result, found=found)
        if dry:
            plans = documents.said("plan", key="summary")
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


class _Documents:
    """
    The documents of a run, each in the tasks of its place in the map.

    What happened is told by the states of the tasks; what they said may be old. Airflow keeps the words of a mapped
    task when the run is cleared, until that task begins again, and for ever if the map became shorter.

    :param names: of the documents, in the order in which they were mapped.
    :param dry: whether they were to be priced only.
    """

    def __init__(self, context: Context, *, names: Sequence[str], group_id: str, dry: bool) -> None:
        ti: Any = context["ti"]
        self._ti = ti
        self._names = names
        self._group_id = group_id
        self._harmless = (_DONE, _SKIPPED) if dry else (_DONE,)
        states = ti.get_task_states(
            dag_id=ti.dag_id, task_ids=[f"{group_id}.{task}" for task in _TASKS], run_ids=[ti.run_id]
        )
        self._states: Mapping[str, str | None] = states.get(ti.run_id, {})

    def said(self, task: str, *, key: str = "return_value") -> list[Mapping[str, Any]]:
        """Give what a task said of those documents for which it succeeded."""
        words = self._words(task, key=key, state=_DONE)
        return [word for place, word in words.items() if word["document"] == self._names[place]]

    def failed(self) -> list[Mapping[str, Any]]:
        """Give why those failed that did: ``{"document", "task", "reason"}``."""
        published = self._words("publish", key="return_value", state=_DONE)
        failures = {task: self._words(task, key=FAILURE, state=_FAILED) for task in _TASKS}
        failed: list[Mapping[str, Any]] = []
        for place, name in enumerate(self._names):
            ends = {task: self._state(task, place) for task in _TASKS}
            task = next((task for task, state in ends.items() if state not in self._harmless), "")
            word = failures[task].get(place) if task else published.get(place)
            if word is not None and word["document"] != name:
                failed.append({"document": name, "task": "", "reason": _LEFT_BEHIND})
            elif task:
                silent = f"the task '{task}' ended without a word ({ends[task] or 'it never began'}); see its log"
                failed.append(word or {"document": name, "task": task, "reason": silent})
        return failed

    def _state(self, task: str, place: int) -> str | None:
        return self._states.get(f"{self._group_id}.{task}_{place}")

    def _words(self, task: str, *, key: str, state: str) -> dict[int, Mapping[str, Any]]:
        """Give what a task said where it ended so, by the places in the map; maybe of what lay there before."""
        words: Any = self._ti.xcom_pull(task_ids=f"{self._group_id}.{task}", key=key)
        # One word comes alone, and none as nothing.
        every = [words] if isinstance(words, Mapping) else [word for word in words or () if word is not None]
        return {
            word["map_index"]: word
            for word in every
            if word["map_index"] < len(self._names) and self._state(task, word["map_index"]) == state
        }


def night_note(result: Mapping[str, Any], *, found: Mapping[str, Any]) -> str:
    """Say in a few sentences what became of the documents of a run."""
    narrated, failed = result["narrated"], result["failed"]
    rest = [f"{result['unchanged']} narrated already"] if result["unchanged"] else []
    rest += [f"{result['elsewhere']} under way in other runs"] if result["elsewhere"] else []
    parts = []
    if not narrated and not failed:
        start, end = found["interval"]
        nothing = f"Nothing to narrate in {found['inbox']} from {start} to {end}"
        rest += [f"{found['other']} file(s) belong to other runs or are profiles"] if found["other"] > 0 else []
        return f"{nothing}{': ' if rest else ''}{', '.join(rest)}."
    if narrated:
        cost = ", ".join(result["amounts"])
        parts.append(
            f"{len(narrated)} document(s) narrated, {result['characters_billed']:,} characters billed"
            f"{f', {cost}' if cost else ''}."
        )
    if rest:
        parts.append(f"{', '.join(rest)}.")
    if failed:
        named = "; ".join(f"{each['document']}: {_shortened(each)}" for each in failed[:_MOST_NAMED])
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
                reason=_shortened(each),
                event=Event(each.get("event", Event.FAILURE)),
            )
            for each in result["failed"]
        ],
        unchanged=result["unchanged"],
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


def _shortened(failure: Mapping[str, Any]) -> str:
    # What is wrong with a file begins with its name, which stands before it here.
    reason = str(failure["reason"]).removeprefix(f"{PurePosixPath(failure['document']).name}: ").rstrip(".")
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
