"""
The reconciling decision: what is wanted against what exists, and so what to do next.

Pure, and the same for every service. The operator asks the service which jobs exist, asks :func:`decide` what
follows, does it, and asks again. A first attempt, a retry, a resumed deferral, a cleared task, a second run of the
same document and a partial failure are all this decision met at another point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class JobState(StrEnum):
    """What the service says of a job, in the words that every service shares."""

    ACTIVE = "active"
    """Accepted, and neither finished nor failed."""
    SUCCEEDED = "succeeded"
    """The service says that its audio can be fetched: a claim, until the clip is verified."""
    FAILED = "failed"
    """Finished without audio, or with audio that did not verify."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """
    One job at the service.

    :param job_id: the service's id.
    :param clip_keys: the clips that it makes.
    :param state: where it stands.
    :param reason: the service's words, for a failed job.
    :param created_at: when the service accepted it, seconds since the epoch; ``None`` when it does not say.
    :param output: where its audio lies, in the service's words; empty if nowhere yet.
    :param characters: billable characters as the service counted them; ``None`` when it does not say.
    :param flawed: whether it failed because its audio was not accepted: the same words in the same voice give the
        same sound, so buying them again seldom helps.
    :param job_key: the name under which an order bought it; empty where the service shows the clip keys themselves.
    :param not_found: whether it counts as failed because the service does not know it (any more), which it has not said
        itself: it may know it again once the right account is asked.
    """

    job_id: str
    clip_keys: tuple[str, ...]
    state: JobState
    reason: str = ""
    created_at: float | None = None
    output: str = ""
    characters: int | None = None
    flawed: bool = False
    job_key: str = ""
    not_found: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """
    What to do next with one order.

    :param collect: finished jobs whose audio is to be fetched, verified and stored.
    :param wait: jobs that are being made (bought earlier by whomever, and so adopted).
    :param buy: clip keys to buy now.
    :param unsettled: clip keys of which nobody knows yet whether their purchase took place.
    :param exhausted: clip keys that failed too often, with the service's last reason.
    """

    collect: tuple[Job, ...] = ()
    wait: tuple[Job, ...] = ()
    buy: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    exhausted: Mapping[str, str] = field(default_factory=dict)

    @property
    def outstanding(self) -> bool:
        """Whether something is on its way, so that waiting makes sense."""
        return bool(self.wait or self.unsettled)


MAX_FLAWED = 2
"""Clips whose audio was not accepted, per paragraph, after which it is not bought again in any run."""


def decide(
    *,
    wanted: Sequence[str],
    stored: Collection[str],
    jobs: Iterable[Job],
    unsettled: Collection[str] = (),
    refused: Collection[str] = (),
    failures_counted_since: float = 0.0,
    max_failures: int = 3,
) -> Decision:
    """
    Compare what is wanted with what exists.

    :param wanted: clip keys of the order.
    :param stored: those that the store holds, verified.
    :param jobs: every job at the service that makes one of them, in any state.
    :param unsettled: keys whose purchase was begun with no answer so far, too recently for the service's list to
        be believed when it does not show them.
    :param refused: keys that the service refused for good in this attempt.
    :param failures_counted_since: failed jobs from before this moment do not count: a person who starts the run
        again after mending the cause is not held to the failures of yesterday. Audio that was not accepted always
        counts: only another text or voice mends that.
    :param max_failures: purchases in vain after which a clip is not bought again.
    """
    held = set(stored)
    succeeded: dict[str, Job] = {}
    active: dict[str, Job] = {}
    failures: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: job.created_at or 0.0):
        for key in job.clip_keys:
            if job.state is JobState.SUCCEEDED:
                succeeded.setdefault(key, job)
            elif job.state is JobState.ACTIVE:
                active.setdefault(key, job)
            elif job.flawed or (job.created_at or failures_counted_since) >= failures_counted_since:
                failures.setdefault(key, []).append(job)

    collect: dict[str, Job] = {}
    wait: dict[str, Job] = {}
    wishes: list[str] = []
    doubtful: list[str] = []
    exhausted: dict[str, str] = {}
    for key in dict.fromkeys(wanted):
        if key in held:
            continue
        if key in succeeded:
            job = succeeded[key]
            collect[job.job_id] = job
        elif key in active:
            job = active[key]
            wait[job.job_id] = job
        elif key in refused:
            continue
        elif key in unsettled:
            doubtful.append(key)
        elif len(failures.get(key, ())) >= max_failures or _flawed(failures.get(key, ())) >= MAX_FLAWED:
            exhausted[key] = failures[key][-1].reason
        else:
            wishes.append(key)

    return Decision(
        collect=tuple(collect.values()),
        wait=tuple(wait.values()),
        buy=tuple(wishes),
        unsettled=tuple(doubtful),
        exhausted=exhausted,
    )


def _flawed(jobs: Iterable[Job]) -> int:
    return sum(job.flawed for job in jobs)
