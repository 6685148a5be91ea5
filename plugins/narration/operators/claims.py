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
    :param order_id: the order of this attempt.
    :param run_id: the run of this attempt; for people.
    :param hidden_inputs: whether the service's jobs do not show what they make. What another order may have bought is
        then looked up in its record, and looked for, before its claim counts as lapsed.
    """

    store: Store
    order_id: str
    run_id: str
    hidden_inputs: bool = False
    _numbers: dict[str, int] = field(default_factory=dict)
    _purchases: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

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
                job = self._job(other)
                record.join(OrderRecord(jobs={job.job_id: job}))
            else:
                record.intents[key] = (float(other["at"]), "")
            if other is not None:
                record.purchases.update(self._unasked(key, other, record=record))
        return mine

    def _claim(self, key: str, *, record: OrderRecord, now: float, settle_seconds: float) -> dict[str, Any] | None:
        number = 1
        while not self.store.claim(key, number=number, value=self._value(now)):
            other = self.store.read_claim(key, number=number)
            lapsed = self._lapsed(other, record=record, now=now, settle_seconds=settle_seconds)
            if not lapsed or self._unasked(key, other, record=record):
                return other
            number += 1
        self._numbers[key] = number
        return None

    def _value(self, now: float) -> dict[str, Any]:
        return {"at": now, "order": self.order_id, "run": self.run_id}

    @staticmethod
    def _lapsed(claim: dict[str, Any], *, record: OrderRecord, now: float, settle_seconds: float) -> bool:
        if claim.get("released") or claim["at"] + settle_seconds <= now:
            return True
        if not claim.get("job"):
            return False
        job_id = claim["job"]["job_id"]
        known = record.jobs.get(job_id)
        return job_id in record.defects or (known is not None and known.state is JobState.FAILED)

    def _unasked(self, key: str, claim: dict[str, Any], *, record: OrderRecord) -> dict[str, tuple[str, ...]]:
        """Give the purchases of another order that may make a clip and that nobody here has looked for yet."""
        if not self.hidden_inputs or claim.get("released") or claim.get("order") in (None, self.order_id):
            return {}
        purchases = self._purchases_of(claim["order"])
        return {name: keys for name, keys in purchases.items() if key in keys and name not in record.purchases}

    def _purchases_of(self, order_id: str) -> dict[str, tuple[str, ...]]:
        if order_id not in self._purchases:
            self._purchases[order_id] = OrderRecord.from_dict(self.store.read_record(order_id)).purchases
        return self._purchases[order_id]

    def _job(self, claim: dict[str, Any]) -> Job:
        """Read the job of a claim; which clips a job with many of them makes stands in its order's record."""
        data = claim["job"]
        keys = self._purchases_of(claim["order"]).get(data["job_key"]) if data["job_key"] else None
        return Job(**{**data, "clip_keys": keys or tuple(data["clip_keys"]), "state": JobState(data["state"])})

    def settle(self, keys: Iterable[str], *, jobs: Iterable[Job], lost: Collection[str], now: float) -> None:
        """Write down what came of the claims: a job, doubt, or nothing."""
        made = {key: job for job in jobs for key in job.clip_keys}

        def write(key: str) -> None:
            outcome = self._value(now)
            if key in made:
                # Not the other clips of the job: a thousand claims of a thousand keys each are a lot to write.
                outcome["job"] = {**asdict(made[key]), "clip_keys": [key]}
            elif key not in lost:
                outcome["released"] = True
            self.store.update_claim(key, number=self._numbers[key], value=outcome)

        self.store.parallel(write, keys)
