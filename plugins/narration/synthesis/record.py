"""The record of an order: what was intended, answered, and found to be bad. A cache, never the truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from narration.synthesis.reconcile import Job, JobState

CLOCK_SKEW_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Defect:
    """
    Why a job that says it succeeded did not give one of its clips.

    :param reason: in words for people.
    :param flawed: whether there was audio, and it was not accepted; otherwise the service made none.
    """

    reason: str
    flawed: bool


@dataclass(kw_only=True)
class OrderRecord:
    """
    What is remembered of one order between attempts.

    :param jobs: jobs known for the order, by id, as they were last seen.
    :param buyers: the Airflow run that bought a job, by job id, as far as known: for the bill, not for decisions.
    :param intents: clips about to be bought: when (seconds since the epoch) and by which run. Written before the
        purchase and removed with its answer, so what is left says: look at the service's list before you buy.
    :param purchases: what the order meant to buy with one job, by job key: clip keys in the order of the job's inputs.
        Written before the purchase, for services that do not show what a job's inputs were.
    :param defects: what was wrong with clips of finished jobs, by job id and clip key.
    :param missing_since: when the audio of a finished job was first found not to be there, by job id, and when it
        was last looked for in vain.
    :param listed_at: when the service's list was last gone through for this order.
    :param elsewhere: jobs that came to be known by :meth:`join`; not kept.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    buyers: dict[str, str] = field(default_factory=dict)
    intents: dict[str, tuple[float, str]] = field(default_factory=dict)
    purchases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defects: dict[str, dict[str, Defect]] = field(default_factory=dict)
    missing_since: dict[str, tuple[float, float]] = field(default_factory=dict)
    listed_at: float | None = None
    elsewhere: list[Job] = field(default_factory=list, compare=False)
    _settled: set[tuple[str, tuple[float, str]]] = field(default_factory=set, init=False, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Give the record as JSON types."""
        return {
            "jobs": [asdict(job) for job in self.jobs.values()],
            "buyers": self.buyers,
            "intents": {key: list(intent) for key, intent in self.intents.items()},
            "purchases": {key: list(clips) for key, clips in self.purchases.items()},
            "defects": {
                job_id: {key: asdict(defect) for key, defect in defects.items()}
                for job_id, defects in self.defects.items()
            },
            "missing_since": {job_id: list(looks) for job_id, looks in self.missing_since.items()},
            "listed_at": self.listed_at,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> OrderRecord:
        """Read back what :meth:`to_dict` gave; ``None`` gives an empty record."""
        if data is None:
            return cls()
        jobs = [
            Job(**{**job, "clip_keys": tuple(job["clip_keys"]), "state": JobState(job["state"])})
            for job in data["jobs"]
        ]
        return cls(
            jobs={job.job_id: job for job in jobs},
            buyers=dict(data["buyers"]),
            intents={key: (float(at), str(run)) for key, (at, run) in data["intents"].items()},
            purchases={key: tuple(clips) for key, clips in data["purchases"].items()},
            defects={
                job_id: {key: Defect(**defect) for key, defect in defects.items()}
                for job_id, defects in data["defects"].items()
            },
            missing_since={job_id: (first, last) for job_id, (first, last) in data["missing_since"].items()},
            listed_at=data["listed_at"],
        )

    def intend(self, keys: Iterable[str], *, now: float, run_id: str) -> None:
        """Note that clips are about to be bought."""
        self.intents.update(dict.fromkeys(keys, (now, run_id)))

    def answered(self, keys: Iterable[str]) -> None:
        """Note that the service answered, one way or the other."""
        for key in keys:
            if key in self.intents:
                self._settled.add((key, self.intents.pop(key)))

    def bought(self, job: Job, *, run_id: str) -> None:
        """Note a purchase that the service confirmed."""
        self.jobs[job.job_id] = job
        self.buyers[job.job_id] = run_id
        self.answered(job.clip_keys)

    def join(self, other: OrderRecord) -> None:
        """Take over what another run, or an attempt that was taken for dead, has written meanwhile."""
        new = [job for job in other.jobs.values() if job.job_id not in self.jobs]
        self.elsewhere.extend(new)
        self.jobs.update({job.job_id: job for job in new})
        self.buyers = {**other.buyers, **self.buyers}
        self.purchases = {**other.purchases, **self.purchases}
        for job_id, defects in other.defects.items():
            self.defects[job_id] = {**defects, **self.defects.get(job_id, {})}
        for key, intent in other.intents.items():
            if (key, intent) not in self._settled:
                self.intents[key] = max(intent, self.intents.get(key, intent))

    def adopt(self, jobs: Iterable[Job]) -> tuple[str, ...]:
        """
        Take over what the service says.

        A job for which a purchase was begun without an answer is that purchase: it settles the intent and is put
        down to the run that began it.

        :return: ids of jobs that were not known before.
        """
        new = []
        for job in jobs:
            new_here = job.job_id not in self.jobs
            if new_here:
                new.append(job.job_id)
            for key in job.clip_keys:
                at, run_id = self.intents.get(key, (float("inf"), ""))
                # The clocks of the worker and of the service differ; a job that is older still is another purchase.
                meant = job.created_at is not None and job.created_at >= at - CLOCK_SKEW_SECONDS
                if new_here and meant:
                    self.buyers[job.job_id] = run_id
                if meant or job.state is not JobState.FAILED:
                    self.answered([key])
            if new_here or job.state is not JobState.FAILED or job.job_id not in self.defects:
                # What was bad about a job's audio is kept apart from what the service says of the job.
                self.jobs[job.job_id] = job
        return tuple(new)

    def judged(self, jobs: Iterable[Job], *, grace: float) -> list[Job]:
        """
        See jobs as they count for the decision, after their audio was asked for.

        Audio that was not accepted makes a job a failed one for its clip. Audio that is not there yet keeps a job
        active, and makes it a failed one once it was looked for in vain for ``grace`` seconds: time during which nobody
        looked, because nothing ran, does not count.
        """
        return [self._after_looking(job, grace=grace) for job in self.acceptable(jobs)]

    def acceptable(self, jobs: Iterable[Job]) -> list[Job]:
        """
        See jobs as they count before their audio is asked for.

        For a clip that turned out to be bad, a job that succeeded counts as one that failed; for its other clips it
        remains what it is.
        """
        return [part for job in jobs for part in self._parts(job)]

    def _parts(self, job: Job) -> Iterator[Job]:
        defects = self.defects.get(job.job_id, {})
        sound = tuple(key for key in job.clip_keys if key not in defects)
        if sound:
            yield replace(job, clip_keys=sound)
        for key in job.clip_keys:
            if key in defects:
                defect = defects[key]
                yield replace(job, clip_keys=(key,), state=JobState.FAILED, reason=defect.reason, flawed=defect.flawed)

    def known(self, missing: Collection[str], *, grace: float) -> list[Job]:
        """
        Give the jobs that are known, whole, for the service to check.

        One that is of no more use for any of the missing clips, because its audio was bad or never came, is shown as
        failed: it is not worth asking about, and another one may be.
        """
        jobs = []
        for job in self.jobs.values():
            parts = [part for part in self.judged([job], grace=grace) if set(part.clip_keys) & set(missing)]
            if parts and all(part.state is JobState.FAILED for part in parts):
                job = replace(job, state=JobState.FAILED, reason=parts[-1].reason)
            jobs.append(job)
        return jobs

    def whole(self, job: Job) -> Job:
        """Give a job with all its clips, of which :meth:`acceptable` may have left some out."""
        return replace(job, clip_keys=self.jobs[job.job_id].clip_keys) if job.job_id in self.jobs else job

    def reject(self, job: Job, clip_key: str, *, reason: str, flawed: bool) -> None:
        """Note that a job did not give one of its clips."""
        self.defects.setdefault(job.job_id, {})[clip_key] = Defect(reason=reason, flawed=flawed)

    def intended(self, clip_keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Give the purchases that make one of the clips."""
        wanted = set(clip_keys)
        return {key: clips for key, clips in self.purchases.items() if wanted & set(clips)}

    def missed(self, job: Job, *, now: float) -> None:
        """Note that the audio of a finished job was looked for in vain."""
        first, _ = self.missing_since.get(job.job_id, (now, now))
        self.missing_since[job.job_id] = (first, now)

    def _after_looking(self, job: Job, *, grace: float) -> Job:
        if job.state is not JobState.SUCCEEDED or job.job_id not in self.missing_since:
            return job
        first, last = self.missing_since[job.job_id]
        waited = last - first
        if waited < grace:
            return replace(job, state=JobState.ACTIVE)
        reason = f"completed, but its audio had not appeared after {round(waited)} s"
        return replace(job, state=JobState.FAILED, reason=reason)

    def unsettled(self, *, now: float, settle_seconds: float) -> dict[str, float]:
        """Give the keys whose purchase is in doubt, each with the moment at which the doubt ends."""
        ends = {key: at + settle_seconds for key, (at, _) in self.intents.items()}
        return {key: end for key, end in ends.items() if end > now}
