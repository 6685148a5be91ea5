"""
Which jobs kept at a service are of no more use, and so may be deleted to make room.

Pure. The operator lists the jobs, asks the stores what the project knows of them, and deletes what is left over here.

**When a job is of no more use.** A job that succeeded holds audio that was paid for. It is of no more use when each of
its clips is in the store, or is one of which the order's record says that this very job made no audio
(:class:`Defect`): nobody could collect such a clip from the job, so it does not keep the job for ever. Audio that is
there and was not accepted does keep it, until the clip came from another job: it may be all that was ever paid for. A
job that failed holds no audio; it is of no more use when its order has noted the failure, for then the reason and the
count of failures are in the record, or when its clips came from another job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from narration.synthesis.keys import job_key, order_of
from narration.synthesis.reconcile import JobState
from narration.synthesis.record import OrderRecord

_MOST_ATTEMPTS = 100


class Kept(StrEnum):
    """Why a job is not deleted."""

    UNFINISHED = "unfinished"
    FOREIGN = "not_of_this_project"
    YOUNG = "too_young"
    UNKNOWN = "no_record_in_these_stores"
    DAMAGED = "record_unreadable"
    UNCOLLECTED = "clips_not_in_store"
    UNACCEPTED = "audio_not_accepted"
    UNNOTED = "failure_not_noted"
    NOT_NEEDED = "within_target"


EXPLANATIONS = {
    Kept.UNFINISHED: "it waits or runs, and the service deletes only finished jobs",
    Kept.FOREIGN: "its name is not one of this project's; 'delete_foreign' deletes those too",
    Kept.YOUNG: "it finished less than 'min_age' ago",
    Kept.UNKNOWN: (
        "it is this project's, but none of the given stores has a record of its purchase: it belongs to another "
        "store. Name that one in 'storages' too, or set 'delete_uncollected'"
    ),
    Kept.DAMAGED: "the record of its order cannot be read; the log names it",
    Kept.UNCOLLECTED: (
        "not all of its clips are in the store. Run its document again to collect them, or set 'delete_uncollected'"
    ),
    Kept.UNACCEPTED: (
        "it has audio that was not accepted, and no other job gave those clips either. Listen to it, or set "
        "'delete_uncollected'"
    ),
    Kept.UNNOTED: (
        "it failed, and its order has not noted that yet. Run its document again, or set 'delete_uncollected'"
    ),
    Kept.NOT_NEEDED: "no more jobs than the target were left",
}


@dataclass(frozen=True, kw_only=True)
class StoredJob:
    """
    One job that the service keeps.

    :param job_id: the service's id.
    :param job_key: the name of this project's purchase; empty for a job that is not this project's.
    :param state: anything that is not surely over is active.
    :param created_at: when the service accepted it, seconds since the epoch; ``None`` when it does not say.
    :param last_action_at: when it last changed, which for a finished job is its end; ``None`` likewise.
    """

    job_id: str
    job_key: str
    state: JobState
    created_at: float | None
    last_action_at: float | None

    @property
    def order_id(self) -> str:
        """The order that bought it; empty for a job that is not this project's."""
        return order_of(self.job_key)


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """
    What may be deleted.

    :param target: how many jobs, in any state, may stay at the service.
    :param min_age: seconds that a job is kept after its end.
    :param delete_uncollected: whether this project's jobs are deleted even if their clips are not in a store.
    :param delete_foreign: whether jobs are deleted that are not this project's.
    """

    target: int
    min_age: float = 3600.0
    delete_uncollected: bool = False
    delete_foreign: bool = False


def oldest_first(jobs: Iterable[StoredJob]) -> list[StoredJob]:
    """
    Put jobs into the order in which they are to be deleted, each once.

    A list that grows while its pages are read may show the same job twice. What has no date goes last.
    """
    distinct = {job.job_id: job for job in jobs}
    return sorted(distinct.values(), key=lambda job: float("inf") if job.created_at is None else job.created_at)


def kept_at_sight(job: StoredJob, *, policy: RetentionPolicy, now: float) -> Kept | None:
    """
    Tell why a job is kept, as far as its own description says.

    :return: ``None`` if it may be deleted, for which a job of this project must also be of no more use.
    """
    if job.state is JobState.ACTIVE:
        return Kept.UNFINISHED
    if not job.order_id and not policy.delete_foreign:
        return Kept.FOREIGN
    ended = job.last_action_at if job.last_action_at is not None else job.created_at
    if ended is not None and now - ended < policy.min_age:
        return Kept.YOUNG
    return None


def asks_the_stores(job: StoredJob, *, policy: RetentionPolicy) -> bool:
    """Tell whether it matters what the stores hold of a job."""
    return bool(job.order_id) and not policy.delete_uncollected


def needed_clips(job: StoredJob, record: OrderRecord) -> tuple[str, ...] | None:
    """
    Name the clips that one store must hold for a job to be of no more use to it.

    :param record: of the job's order, in that store.
    :return: ``None`` if the record does not say what the job makes.
    """
    clips = record.purchases.get(job.job_key) or _adopted(job, record)
    if clips is None:
        return None
    known = record.jobs.get(job.job_id)
    if job.state is JobState.FAILED and known is not None and known.state is JobState.FAILED:
        return ()
    defects = record.defects.get(job.job_id, {})
    return tuple(key for key in clips if key not in defects or defects[key].flawed)


def unaccepted_clips(job: StoredJob, record: OrderRecord) -> frozenset[str]:
    """Name the clips of which a job has audio that was not accepted."""
    return frozenset(key for key, defect in record.defects.get(job.job_id, {}).items() if defect.flawed)


def _adopted(job: StoredJob, record: OrderRecord) -> tuple[str, ...] | None:
    """
    Give what a job makes that the order adopted without having bought it: another store's run of the document did.

    The job key is a hash of the clips, which tells whether they are all of them.
    """
    known = record.jobs.get(job.job_id)
    if known is None or known.job_key != job.job_key:
        return None
    names = (job_key(order=job.order_id, clip_keys=known.clip_keys, attempt=n) for n in range(_MOST_ATTEMPTS))
    return known.clip_keys if job.job_key in names else None


def kept_for_use(
    job: StoredJob, *, needed: Collection[str] | None, held: Collection[str], unaccepted: Collection[str] = ()
) -> Kept | None:
    """
    Tell why a job of this project is kept, by what one store knows of it.

    :param needed: what :func:`needed_clips` named.
    :param held: clips that the store holds.
    :param unaccepted: what :func:`unaccepted_clips` named.
    :return: ``None`` if it is of no more use to this store.
    """
    if needed is None:
        return Kept.UNKNOWN
    missing = set(needed) - set(held)
    if not missing:
        return None
    if missing <= set(unaccepted):
        return Kept.UNACCEPTED
    return Kept.UNNOTED if job.state is JobState.FAILED else Kept.UNCOLLECTED


def kept_for_any(verdicts: Iterable[Kept | None]) -> Kept | None:
    """
    Put together what several stores say of one job.

    A store that does not know the job says nothing about it. Every one that does must have no more use for it: two
    stores may share a job, because the same document bought with the same connection is the same order.
    """
    known = [verdict for verdict in verdicts if verdict is not Kept.UNKNOWN]
    if not known:
        return Kept.UNKNOWN
    return next((verdict for verdict in known if verdict is not None), None)
