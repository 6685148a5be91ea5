"""What was to be paid against what was paid: the estimate of the plan, and the service's own count of each job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord

MOST_NAMED = 20
"""Differences that a bill names one by one."""
_MOST_PLACES = 3


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    A job for which the service counted something else than was expected.

    :param job_id: the service's id.
    :param characters_estimated: billable characters that were expected for what the job gave.
    :param characters_billed: billable characters as the service counted them.
    :param paragraphs: places of some of the paragraphs that it was to make.
    :param reason: why part of it was paid in vain, if that is it; empty if only the count differs.
    """

    job_id: str
    characters_estimated: int
    characters_billed: int
    paragraphs: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        where = f" ({'; '.join(self.paragraphs)})" if self.paragraphs else ""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"job {self.job_id}{where} was billed {self.characters_billed:,} characters instead of "
            f"{self.characters_estimated:,}{why}"
        )


@dataclass(frozen=True, kw_only=True)
class Bill:
    """
    What some jobs cost.

    :param jobs: how many.
    :param characters_estimated: billable characters that were expected for what they gave.
    :param characters_billed: as the service counted them; our own count for a job of which it does not tell.
    :param uncounted: jobs of which the service did not tell (any more) what it counted.
    :param differences: the jobs whose two counts differ, at most :data:`MOST_NAMED` of them.
    :param different: how many differ in all.
    """

    jobs: int = 0
    characters_estimated: int = 0
    characters_billed: int = 0
    uncounted: int = 0
    differences: tuple[Difference, ...] = ()
    different: int = 0

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            jobs=self.jobs + other.jobs,
            characters_estimated=self.characters_estimated + other.characters_estimated,
            characters_billed=self.characters_billed + other.characters_billed,
            uncounted=self.uncounted + other.uncounted,
            differences=(*self.differences, *other.differences)[:MOST_NAMED],
            different=self.different + other.different,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the bill as JSON types."""
        data = asdict(self)
        data["differences"] = [{**asdict(each), "paragraphs": list(each.paragraphs)} for each in self.differences]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bill:
        """Read back what :meth:`to_dict` gave."""
        differences = (Difference(**{**each, "paragraphs": tuple(each["paragraphs"])}) for each in data["differences"])
        return cls(**{**data, "differences": tuple(differences)})

    @property
    def warnings(self) -> tuple[str, ...]:
        """Name the jobs that differ, and say how many more there are."""
        more = self.different - len(self.differences)
        return (*map(str, self.differences), *((f"and {more} more jobs",) if more > 0 else ()))


def bill_of(
    jobs: Iterable[Job],
    *,
    record: OrderRecord,
    made_by: Mapping[str, str],
    characters: Mapping[str, int],
    places: Mapping[str, str],
    extra: Callable[[Sequence[str]], int] = lambda _: 0,
) -> Bill:
    """
    Hold what the service counted for jobs against what was expected of them, once every clip is in the store.

    Expected are the characters of the clips that came from a job. So what failed and was billed all the same, gave
    audio that was not accepted, or was bought although another job made it, shows as a difference with its reason.

    :param jobs: whole, as the record has them.
    :param record: of their order; knows what was wrong with which.
    :param made_by: the job that each clip in the store came from, by clip key.
    :param characters: our own count of each clip, by clip key. A job with other clips is taken at the service's word.
    :param places: where each paragraph stands, by clip key.
    :param extra: characters that a job with these clips has besides theirs, such as those for a minimum length.
    """
    total = Bill()
    for job in jobs:
        total += _bill_of_job(job, record=record, made_by=made_by, characters=characters, places=places, extra=extra)
    return total


def _bill_of_job(
    job: Job,
    *,
    record: OrderRecord,
    made_by: Mapping[str, str],
    characters: Mapping[str, int],
    places: Mapping[str, str],
    extra: Callable[[Sequence[str]], int],
) -> Bill:
    made = [key for key in job.clip_keys if made_by.get(key) == job.job_id]
    if all(key in characters for key in job.clip_keys):
        estimated = sum(characters[key] for key in made) + extra(job.clip_keys) if made else 0
        billed = estimated if job.characters is None else job.characters
    else:
        estimated = billed = job.characters or 0
    differences: tuple[Difference, ...] = ()
    if estimated != billed:
        differences = (
            Difference(
                job_id=job.job_id,
                characters_estimated=estimated,
                characters_billed=billed,
                paragraphs=tuple(places[key] for key in job.clip_keys[:_MOST_PLACES] if key in places),
                reason=_reason(job, record=record, made=made, made_by=made_by),
            ),
        )
    return Bill(
        jobs=1,
        characters_estimated=estimated,
        characters_billed=billed,
        uncounted=int(job.characters is None and bool(made)),
        differences=differences,
        different=len(differences),
    )


def _reason(job: Job, *, record: OrderRecord, made: Sequence[str], made_by: Mapping[str, str]) -> str:
    """Say why a job was paid for more than it gave, if it is known."""
    parts = record.judged([job], grace=0.0)
    reasons = dict.fromkeys(part.reason for part in parts if part.state is JobState.FAILED and part.reason)
    if reasons:
        return "; ".join(list(reasons)[:_MOST_PLACES])
    others = dict.fromkeys(made_by[key] for key in job.clip_keys if key not in made and key in made_by)
    return f"the audio came from job {', '.join(list(others)[:_MOST_PLACES])}" if others else ""
