"""What is remembered of a document of an inbox, and what follows from it for a run that meets it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Literal, Self

State = Literal["taken", "published", "failed"]


@dataclass(frozen=True, kw_only=True)
class DocumentRecord:
    """
    The last thing that happened to a document.

    :param document: its path below the inbox.
    :param version: changes when the document or its profile does.
    :param file: changes when the document does.
    :param run_id: the run that took it.
    :param dag_id: the Dag of that run.
    :param number: how often it was taken, counted from one.
    :param state: taken by that run, published by it, or found by it not to be narratable as it is.
    :param at: when, in ISO 8601.
    :param reason: why it failed.
    :param narration: the name of what was published.
    :param storage: where that lies.
    """

    document: str
    version: str
    file: str
    run_id: str
    dag_id: str
    number: int
    state: State
    at: str
    reason: str = ""
    narration: str = ""
    storage: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give it as it is kept."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what was kept; what an earlier release did not keep is empty."""
        given: dict[str, Any] = {field.name: value.get(field.name) or "" for field in fields(cls)}
        return cls(**{**given, "number": int(given["number"] or 0)})


class Verdict(Enum):
    """What a run does about a document that it meets."""

    NARRATE = "narrate"
    PUBLISHED = "published"
    """It was narrated and did not change."""
    HOPELESS = "hopeless"
    """It cannot be narrated as it is, and neither the document nor its profile changed since."""
    TAKEN = "taken"
    """Another run took it: if that is over, it ended without the document."""


def judge(
    record: DocumentRecord | None, *, version: str, file: str, run_id: str, own: bool, again: bool = False
) -> Verdict:
    """
    Say what a run does about a document.

    A run narrates anew what is its own whenever the document or its profile changed. Of earlier intervals it takes
    what was left undone, and what is another document now; a profile that changed buys nothing of what was narrated.

    :param record: what is remembered of the document.
    :param version: of the document with its profile, now.
    :param file: of the document alone, now.
    :param run_id: the run that asks.
    :param own: whether the document belongs to the run's own interval, and could be looked at.
    :param again: whether those that were narrated are wanted too.
    """
    if record is None:
        return Verdict.NARRATE
    mine = record.run_id == run_id
    if record.state == "taken":
        return Verdict.NARRATE if mine else Verdict.TAKEN
    if record.state == "failed":
        # Whoever sets a run going anew means its documents; a later run need not try in vain every night.
        unchanged = record.version == version
        return Verdict.HOPELESS if unchanged and not mine and not own else Verdict.NARRATE
    if own:
        return Verdict.PUBLISHED if record.version == version and not again else Verdict.NARRATE
    # A record of an earlier release does not know the file.
    return Verdict.PUBLISHED if record.file in (file, "") else Verdict.NARRATE
