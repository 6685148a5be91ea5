"""The digest of a night: many documents, one notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from narration.notices.notice import Event, Notice
from narration.synthesis.prices import money

MOST_FAILED = 20
MOST_NARRATED = 20
"""So many are named, the rest is counted."""


class Outcome(StrEnum):
    """What became of a document."""

    NARRATED = "narrated"
    UNCHANGED = "unchanged"
    OVER_BUDGET = "over budget"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class NarratedDocument:
    """
    One document of a night.

    :param name: by which people know it.
    :param reason: why it was not narrated, in a sentence or two.
    :param characters: billable ones that were bought for it.
    :param amount: what they cost; ``None`` if no price is known.
    :param currency: of the amount.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    characters: int = 0
    amount: Decimal | None = None
    currency: str = "USD"


def nightly_notice(documents: Iterable[NarratedDocument], *, night: str = "") -> Notice:
    """
    Say what became of all documents of a night: ``12 narrated, 1 failed``, each failure with its name and reason.

    It is a success if none has failed, and over the budget if nothing else has happened to those that were not
    narrated.

    :param night: the interval, in words for people.
    """
    documents = list(documents)
    counts = Counter(document.outcome for document in documents)
    told = ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in Outcome if counts[outcome])
    bad = [document for document in documents if document.outcome in (Outcome.FAILED, Outcome.OVER_BUDGET)]
    event = Event.SUCCESS
    if bad:
        event = Event.FAILURE if counts[Outcome.FAILED] else Event.OVER_BUDGET
    lines = [f"{document.name}, {document.outcome}: {document.reason}" for document in bad[:MOST_FAILED]]
    if len(bad) > MOST_FAILED:
        lines.append(f"And {len(bad) - MOST_FAILED:,} more.")
    narrated = [document.name for document in documents if document.outcome is Outcome.NARRATED]
    facts = {"Narrated": _named(narrated), "Cost": _cost(documents)}
    return Notice(
        event=event,
        title=f"{f'Night of {night}' if night else 'Nightly narration'}: {told or 'no documents'}",
        lines=tuple(lines),
        facts={name: value for name, value in facts.items() if value},
    )


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NARRATED
    return "; ".join([*names[:MOST_NARRATED], *([f"and {more:,} more"] if more > 0 else [])])


def _cost(documents: Sequence[NarratedDocument]) -> str:
    characters = sum(document.characters for document in documents)
    if not documents:
        return ""
    if not characters:
        return "nothing was bought"
    amounts: dict[str, Decimal] = {}
    unpriced = 0
    for document in documents:
        if document.amount is not None:
            amounts[document.currency] = amounts.get(document.currency, Decimal(0)) + document.amount
        elif document.characters:
            unpriced += document.characters
    said = " and ".join(money(amount, currency=currency) for currency, amount in sorted(amounts.items()))
    if not said:
        return f"{characters:,} characters, without a known price"
    return f"{said} for {characters:,} characters{f', {unpriced:,} of them without a known price' if unpriced else ''}"
