"""Who may buy a clip: a claim in the store, which of several runs and workers only one gets."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.services.base import SpeechService
    from narration.store import Store


_MOST_VANISHED = 100


@dataclass(kw_only=True)
class Claims:
    """
    The claims that one attempt holds.

    The record of an order keeps two attempts at the same order apart, but only nearly, and two orders that share a
    paragraph not at all. A claim is one file for each clip and purchase, created in one step. It lapses like an
    intent: when it is older than the service takes to show a job in its list, or when the job that it led to failed.
    One that led to a job which this look has not asked about does not lapse: that job is asked about first.
    A claim that has lapsed is followed by the next number, which again only one gets.

    :param store: shared by everybody who may buy the same clip.
    :param service: the adapter of the account that would buy.
    :param order_id: the order of this attempt.
    :param run_id: the run of this attempt; for people.
    :param looked_at: when the service was asked which jobs there are; claims are judged as of that moment.
    :param looked_for: names of purchases that it was asked for. What another order may have bought under another name
        is looked for before its claim counts as lapsed.
    :param elsewhere: claims of other accounts that :meth:`take` met, by clip: their jobs are not in this account's
        list, so they do not lapse by themselves.
    """

    store: Store
    service: SpeechService
    order_id: str
    run_id: str
    looked_at: float
    looked_for: frozenset[str] = frozenset()
    elsewhere: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    _numbers: dict[str, int] = field(default_factory=dict, init=False)
    _at: dict[str, float] = field(default_factory=dict, init=False)
    _records: dict[str, OrderRecord | None] = field(default_factory=dict, init=False)

    def take(self, keys: Iterable[str], *, record: OrderRecord, free: bool = False) -> list[str]:
        """
        Claim clips, and tell the record of those that somebody else is buying or has just bought.

        :param free: the clips are known not to be made through another account, whatever claims there are.
        :return: the clips that are ours to buy.
        """
        todo = list(keys)
        held = self.store.parallel(lambda key: self._claim(key, record=record, free=free), todo)
        mine = []
        for key, other in zip(todo, held, strict=True):
            if other is None:
                mine.append(key)
            elif self._is_elsewhere(other):
                self.elsewhere[key] = other
            else:
                if other.get("job"):
                    job = self._job(other)
                    record.join(OrderRecord(jobs={job.job_id: job}))
                else:
                    record.intents[key] = (float(other["at"]), "")
                record.purchases.update(self._unasked(key, other))
        return mine

    def _claim(self, key: str, *, record: OrderRecord, free: bool) -> dict[str, Any] | None:
        number, vanished = 1, 0
        while True:
            at = time.time()
            if self.store.claim(key, number=number, value=self._value(at)):
                self._numbers[key], self._at[key] = number, at
                return None
            try:
                other = self.store.read_claim(key, number=number)
            except FileNotFoundError:
                # Given back just now; nobody gives back for ever.
                vanished += 1
                if vanished > _MOST_VANISHED:
                    raise
                continue
            if self._is_elsewhere(other):
                if not free and not other.get("released"):
                    return other
            elif not self._lapsed(other, record=record) or self._unasked(key, other):
                return other
            number += 1

    def _value(self, now: float) -> dict[str, Any]:
        return {
            "at": now,
            "order": self.order_id,
            "run": self.run_id,
            "account": self.service.account,
            "service": self.service.name,
            "connection": self.service.connection(),
        }

    def _is_elsewhere(self, claim: Mapping[str, Any]) -> bool:
        return claim["account"] != self.service.account

    def _lapsed(self, claim: Mapping[str, Any], *, record: OrderRecord) -> bool:
        is_old = claim["at"] + self.service.settle_seconds <= self.looked_at
        if claim.get("released") or not claim.get("job"):
            return bool(claim.get("released")) or is_old
        job_id = claim["job"]["job_id"]
        known = record.jobs.get(job_id)
        if known is None:
            # Nobody has asked for it in this look, however old it is, because a record was overwritten that knew of it.
            # This order's own purchases are found by their names; and a record that is not there at all was removed by
            # a person, who wants the clips bought anew.
            return is_old and (claim["order"] == self.order_id or self._record_of(claim["order"]) is None)
        return is_old or job_id in record.defects or known.state is JobState.FAILED

    def _unasked(self, key: str, claim: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """Give the purchases of another order that may make a clip and that this look has not asked for."""
        if not self.service.hidden_inputs or claim.get("released") or claim["order"] == self.order_id:
            return {}
        purchases = self._purchases_of(claim["order"])
        return {name: keys for name, keys in purchases.items() if key in keys and name not in self.looked_for}

    def _purchases_of(self, order_id: str) -> dict[str, tuple[str, ...]]:
        record = self._record_of(order_id)
        return {} if record is None else record.purchases

    def _record_of(self, order_id: str) -> OrderRecord | None:
        if order_id not in self._records:
            data = self.store.read_record(order_id)
            self._records[order_id] = None if data is None else OrderRecord.from_dict(data)
        return self._records[order_id]

    def _job(self, claim: Mapping[str, Any]) -> Job:
        """Read the job of a claim; which clips a job with many of them makes stands in its order's record."""
        data = claim["job"]
        keys = self._purchases_of(claim["order"]).get(data["job_key"]) if data["job_key"] else None
        return Job(**{**data, "clip_keys": keys or tuple(data["clip_keys"]), "state": JobState(data["state"])})

    def settle(self, keys: Iterable[str], *, jobs: Iterable[Job], lost: Collection[str], now: float) -> None:
        """Write down what came of the claims: a job or doubt; a claim from which nothing came is given back."""
        made = {key: job for job in jobs if job.state is not JobState.FAILED for key in job.clip_keys}

        def write(key: str) -> None:
            outcome = self._value(now)
            if key in made:
                # Not the other clips of the job: a thousand claims of a thousand keys each are a lot to write.
                outcome["job"] = {**asdict(made[key]), "clip_keys": [key]}
            elif key not in lost:
                if now - self._at[key] < self.service.settle_seconds / 2:
                    # Nobody can have passed it yet, so it can go without a trace.
                    self.store.drop_claim(key, number=self._numbers[key])
                    return
                outcome["released"] = True
            self.store.update_claim(key, number=self._numbers[key], value=outcome)

        self.store.parallel(write, keys)
