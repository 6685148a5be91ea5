"""The digest of a night: many documents, one notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from narration.notices.notice import Event, Notice

MOST_FAILED = 20
MOST_NARRATED = 20
"""So many are named, the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class NotNarrated:
    """
    A document of a night that was not narrated.

    :param name: by which people know it.
    :param reason: why, in a few sentences.
    :param event: :attr:`Event.OVER_BUDGET` if that is why.
    """

    name: str
    reason: str
    event: Event = Event.FAILURE

    def __str__(self) -> str:
        return f"{self.name}, {_word(self.event)}: {self.reason}"


def nightly_notice(
    *,
    narrated: Sequence[str],
    failed: Sequence[NotNarrated] = (),
    unchanged: int = 0,
    cost: str = "",
    night: str = "",
) -> Notice:
    """
    Say what became of all documents of a night: ``12 narrated, 1 failed``, each failure with its name and reason.

    It is a success if none has failed, and over the budget if nothing else has happened to those that were not
    narrated.

    :param narrated: the documents, by the names that people know.
    :param unchanged: how many needed no work.
    :param cost: what the night cost, in words.
    :param night: which one it was, in words.
    """
    over = sum(document.event is Event.OVER_BUDGET for document in failed)
    counts = [(len(narrated), "narrated"), (unchanged, "unchanged"), (over, _word(Event.OVER_BUDGET))]
    counts.append((len(failed) - over, _word(Event.FAILURE)))
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    event = Event.SUCCESS
    if failed:
        event = Event.OVER_BUDGET if over == len(failed) else Event.FAILURE
    lines = [str(document) for document in failed[:MOST_FAILED]]
    if len(failed) > MOST_FAILED:
        lines.append(f"And {len(failed) - MOST_FAILED:,} more.")
    facts = {"Narrated": _named(narrated), "Cost": cost}
    return Notice(
        event=event,
        title=f"{f'Night of {night}' if night else 'Nightly narration'}: {told or 'no documents'}",
        lines=tuple(lines),
        facts={name: value for name, value in facts.items() if value},
    )


def _word(event: Event) -> str:
    return "over the budget" if event is Event.OVER_BUDGET else "failed"


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NARRATED
    return "; ".join([*names[:MOST_NARRATED], *([f"and {more:,} more"] if more > 0 else [])])
