"""What became of each paragraph of an order, from what the store and the order's record know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from narration.synthesis.failed import FailedParagraph
from narration.synthesis.orders import Order
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord

_GRACE_SECONDS = 600.0


class ParagraphState(StrEnum):
    """Where a paragraph stands, in words for people, the worst first."""

    FAILED = "failed"
    TRIED = "failed, and is tried again"
    MADE = "made, not fetched yet"
    ACTIVE = "being made"
    BUYING = "being bought"
    UNBOUGHT = "not bought yet"
    STORED = "in the store"

    @property
    def is_trouble(self) -> bool:
        """Whether a person should look."""
        return self in (ParagraphState.FAILED, ParagraphState.TRIED)


@dataclass(frozen=True, kw_only=True)
class ShownParagraph:
    """
    One paragraph of the page.

    :param anchor: what it is called within the page's address.
    :param place: chapter, paragraph and line.
    :param reason: why it failed; empty otherwise.
    :param characters: that it is billed for, as estimated; ``None`` if nobody has counted.
    :param text: as it is, or would be, sent to the service.
    """

    anchor: str
    place: str
    state: ParagraphState
    reason: str
    characters: int | None
    text: str


def paragraphs_of(
    order: Order, *, record: OrderRecord, stored: Collection[str], failed: Iterable[FailedParagraph] = ()
) -> list[ShownParagraph]:
    """
    Say of each paragraph of an order where it stands, in the order of the document.

    What the service is known to make counts before what a task said when it failed: a later run may have bought it.

    :param stored: keys of the clips that the store holds.
    :param failed: paragraphs that the task instance failed for.
    """
    reasons = {each.clip_key: each.reason for each in failed if each.clip_key}
    parts: dict[str, list[Job]] = {}
    for part in record.judged(record.jobs.values(), grace=_GRACE_SECONDS):
        for key in part.clip_keys:
            parts.setdefault(key, []).append(part)

    shown = []
    for clip in order.clips:
        key = clip.clip_key
        state, reason = _state(
            parts.get(key, ()),
            is_stored=key in stored,
            is_intended=key in record.intents,
            failed=reasons.get(key),
        )
        shown.append(
            ShownParagraph(
                anchor=key[:12],
                place=clip.place,
                state=state,
                reason=reason,
                characters=clip.characters,
                text=clip.text,
            )
        )
    return shown


def _state(
    parts: Collection[Job], *, is_stored: bool, is_intended: bool, failed: str | None
) -> tuple[ParagraphState, str]:
    states = {part.state for part in parts}
    if is_stored:
        return ParagraphState.STORED, ""
    if JobState.SUCCEEDED in states:
        return ParagraphState.MADE, ""
    if JobState.ACTIVE in states:
        return ParagraphState.ACTIVE, ""
    if failed is not None:
        return ParagraphState.FAILED, failed
    if parts:
        last = max(parts, key=lambda part: part.created_at or 0.0)
        return ParagraphState.TRIED, last.reason
    return (ParagraphState.BUYING if is_intended else ParagraphState.UNBOUGHT), ""


def failed_only(failed: Iterable[FailedParagraph]) -> list[ShownParagraph]:
    """Show the paragraphs that a task named when it failed: all that is known where there is no order to read."""
    return [
        ShownParagraph(
            anchor=each.clip_key[:12] or f"failed-{number}",
            place=each.place,
            state=ParagraphState.FAILED,
            reason=each.reason,
            characters=None,
            text=each.text,
        )
        for number, each in enumerate(failed, start=1)
    ]


def counted(paragraphs: Iterable[ShownParagraph]) -> Mapping[ParagraphState, int]:
    """Count paragraphs by their state; states that no paragraph is in are left out."""
    counts = dict.fromkeys(ParagraphState, 0)
    for paragraph in paragraphs:
        counts[paragraph.state] += 1
    return {state: count for state, count in counts.items() if count}
