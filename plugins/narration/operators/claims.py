"""Who may buy a clip: a claim in the store, which of several runs and workers only one gets."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.store import Store


@dataclass(kw_only=True)
class Claims:
    """
    The claims that one attempt holds.

    The record of an order keeps two attempts at the same order apart, but only nearly, and two orders that share a
    paragraph not at all. A claim is one file for each clip and purchase, created in one step. It lapses like an
    intent: when it is older than the service takes to show a job in its list, or when the job that it led to failed.
    A claim that has lapsed is followed by the next number, which again only one gets.

    :param store: shared by everybody who may buy the same clip.
    :param owner: names the attempt in the claim, for people.
    """

    store: Store
    owner: str
    _numbers: dict[str, int] = field(default_factory=dict)

    def take(self, keys: Iterable[str], *, record: OrderRecord, now: float, settle_seconds: float) -> list[str]:
        """
        Claim clips, and tell the record of those that somebody else is buying or has just bought.

        :return: the clips that are ours to buy.
        """
        todo = list(keys)
        held = self.store.parallel(
            lambda key: self._claim(key, record=record, now=now, settle_seconds=settle_seconds), todo
        )
        mine = []
        for key, other in zip(todo, held, strict=True):
            if other is None:
                mine.append(key)
            elif other.get("job"):
                job = _job(other["job"])
                record.join(OrderRecord(jobs={job.job_id: job}))
            else:
                record.intents[key] = (float(other["at"]), "")
        return mine

    def _claim(self, key: str, *, record: OrderRecord, now: float, settle_seconds: float) -> dict[str, Any] | None:
        number = 1
        while not self.store.claim(key, number=number, value={"at": now, "owner": self.owner}):
            other = self.store.read_claim(key, number=number)
            if not self._lapsed(other, record=record, now=now, settle_seconds=settle_seconds):
                return other
            number += 1
        self._numbers[key] = number
        return None

    @staticmethod
    def _lapsed(claim: dict[str, Any], *, record: OrderRecord, now: float, settle_seconds: float) -> bool:
        if claim.get("released") or claim["at"] + settle_seconds <= now:
            return True
        if not claim.get("job"):
            return False
        job_id = claim["job"]["job_id"]
        known = record.jobs.get(job_id)
        return job_id in record.rejected or (known is not None and known.state is JobState.FAILED)

    def settle(self, keys: Iterable[str], *, jobs: Iterable[Job], lost: Collection[str], now: float) -> None:
        """Write down what came of the claims: a job, doubt, or nothing."""
        made = {key: asdict(job) for job in jobs for key in job.clip_keys}

        def write(key: str) -> None:
            outcome: dict[str, Any] = {"at": now, "owner": self.owner}
            if key in made:
                outcome["job"] = made[key]
            elif key not in lost:
                outcome["released"] = True
            self.store.update_claim(key, number=self._numbers[key], value=outcome)

        self.store.parallel(write, keys)


def _job(data: dict[str, Any]) -> Job:
    return Job(**{**data, "clip_keys": tuple(data["clip_keys"]), "state": JobState(data["state"])})
