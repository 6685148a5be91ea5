"""Buying what nobody has bought: claims, intents, names that are looked for, and jobs of other accounts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from narration import metrics
from narration.errors import NarrationError, PermanentNarrationError
from narration.operators.claims import Claims
from narration.operators.collect import Collector
from narration.synthesis.keys import job_key
from narration.synthesis.reconcile import JobState, decide
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.hooks.deadline import Deadline
    from narration.services.base import Batch, Ledger, Purchases, SpeechService
    from narration.store import Store, StoredClip
    from narration.synthesis.orders import Order, WantedClip
    from narration.synthesis.reconcile import Job


@dataclass(kw_only=True)
class Bought:
    """
    What came of one portion.

    :param jobs: jobs that were bought, or found to be bought already.
    :param stored: clips that came from a job of another account.
    :param awaited: clips that a job of another account is still making.
    :param full: whether the service has no room for more.
    """

    jobs: list[Job] = field(default_factory=list)
    stored: dict[str, StoredClip] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    full: bool = False


class Buyer:
    """
    Look and buy for one order, during one look.

    Nothing is bought of which this very look has not asked whether it exists: what came to be known since, through the
    record or a claim, waits for the next look.

    :param save: writes the record, joined with what others wrote meanwhile.
    :param read: reads the record anew.
    :param grace: how long the audio of a finished job may be missing (seconds).
    """

    def __init__(
        self,
        *,
        store: Store,
        service: SpeechService,
        order: Order,
        run_id: str,
        grace: float,
        read: Callable[[], OrderRecord],
        save: Callable[[OrderRecord], None],
        log: Any,
    ) -> None:
        self._store = store
        self._service = service
        self._order = order
        self._run_id = run_id
        self._grace = grace
        self._read = read
        self._write = save
        self._log = log
        self._by_key = {clip.clip_key: clip for clip in order.clips}
        self._looked_at = 0.0
        self._looked_for: set[str] = set()
        self._uncounted: list[Job] = []

    # -- looking -------------------------------------------------------------------------------------------------

    def look(self, missing: Sequence[WantedClip], *, record: OrderRecord) -> Ledger:
        """Ask the service which jobs make the missing clips, and take over what it says."""
        self._looked_at = time.time()
        intended = self._intended(missing, record=record)
        self._looked_for = set(intended)
        ledger = self._service.find_jobs(
            missing,
            known=record.known({clip.clip_key for clip in missing}, grace=self._grace),
            listed_at=record.listed_at,
            intended=intended,
        )
        found = self._adopt(ledger.jobs, record=record)
        if ledger.listed:
            record.listed_at = self._looked_at
        if found:
            self._log.info("Adopted %d job(s) that the service knew: nothing is paid for them again.", len(found))
        self._save(record)
        return ledger

    def unsettled(self, record: OrderRecord) -> dict[str, float]:
        """
        Give the clips whose purchase is in doubt.

        As of the beginning of the look: an answer that was long in coming does not know what was bought meanwhile.
        """
        return record.unsettled(now=self._looked_at, settle_seconds=self._service.settle_seconds)

    def _intended(self, missing: Sequence[WantedClip], *, record: OrderRecord) -> dict[str, tuple[str, ...]]:
        """
        Name the purchases to look for at a service that does not show what its jobs make.

        An order that was never looked for before may have been bought all the same, by a run whose record is gone:
        its names are made from what it holds, and so are known.
        """
        if not self._service.hidden_inputs:
            return {}
        found = record.intended(clip.clip_key for clip in missing)
        if record.listed_at is None:
            for clips in (missing, self._order.clips):
                found.update({batch.job_key: _keys(batch) for batch in self._batches(clips, record=record)})
        return found

    def _batches(self, clips: Sequence[WantedClip], *, record: OrderRecord) -> list[Batch]:
        """Divide clips into jobs, each under the name of this purchase."""
        from narration.services.base import Batch

        over = {job.job_key for job in record.jobs.values()}
        batches = []
        for group in self._service.batches(clips, profile=self._order.profile):
            keys = [clip.clip_key for clip in group]
            names = (job_key(order=self._order.order_id, clip_keys=keys, attempt=n) for n in itertools.count())
            name = next(name for name in names if name not in over) if self._service.hidden_inputs else ""
            batches.append(Batch(job_key=name, clips=tuple(group)))
        return batches

    # -- buying --------------------------------------------------------------------------------------------------

    def buy(self, keys: Sequence[str], *, record: OrderRecord, refused: dict[str, str]) -> Bought:
        """
        Buy one portion: claim the clips, write down the intent, buy, write down the answer.

        Looks into the record again before, and claims each clip in the store: another run of the same document, a
        document that shares paragraphs with it, or an attempt that Airflow took for dead may be buying the same.
        """
        from narration.hooks.deadline import Deadline

        bought = Bought()
        record.join(self._read())
        taken = {key for job in record.elsewhere if job.state is not JobState.FAILED for key in job.clip_keys}
        taken.update(self.unsettled(record))
        if self._service.hidden_inputs:
            unasked = (name for name in record.intended(keys) if name not in self._looked_for)
            taken.update(key for name in unasked for key in record.purchases[name])
        claims = Claims(
            store=self._store,
            service=self._service,
            order_id=self._order.order_id,
            run_id=self._run_id,
            looked_at=self._looked_at,
            looked_for=frozenset(self._looked_for),
        )
        wanted = [key for key in keys if key not in taken]
        # From before the first claim on, so that nothing is sent when any of them may have lapsed.
        until = Deadline.after(self._service.settle_seconds / 2)
        mine = claims.take(wanted, record=record)
        if claims.elsewhere:
            free = self._from_elsewhere(claims.elsewhere, bought=bought)
            mine = [*mine, *claims.take(free, record=record, free=True)]
            mine = [key for key in wanted if key in set(mine)]
        if mine:
            self._buy_claimed(mine, claims=claims, until=until, record=record, refused=refused, bought=bought)
        else:
            self._save(record)
        return bought

    def _buy_claimed(
        self,
        mine: Sequence[str],
        *,
        claims: Claims,
        until: Deadline,
        record: OrderRecord,
        refused: dict[str, str],
        bought: Bought,
    ) -> None:
        batches = self._never_bought([self._by_key[key] for key in mine], record=record, bought=bought)
        if until.left < self._service.settle_seconds / 4:
            # Looking took so long that little time is left for the purchase; the next look is quicker.
            batches = []
        keys = [key for batch in batches for key in _keys(batch)]
        if not keys:
            claims.settle(mine, jobs=bought.jobs, lost=(), now=time.time())
            self._save(record)
            return
        if self._service.hidden_inputs:
            record.purchases.update({batch.job_key: _keys(batch) for batch in batches})
        record.intend(keys, now=time.time(), run_id=self._run_id)
        self._save(record)
        purchases = self._service.buy(batches, profile=self._order.profile, until=until)
        bought.jobs.extend(purchases.jobs)
        bought.full = purchases.full
        self._write_down(purchases, keys=keys, mine=mine, claims=claims, record=record, bought=bought)
        for key, reason in purchases.refused.items():
            refused[key] = reason
            self._log.error("%s was refused: %s", self._by_key[key].place, reason)
        if purchases.lost:
            self._log.warning(
                "The answer to %d purchase(s) was lost. The service is asked for them before they are bought again.",
                len(purchases.lost),
            )
        if purchases.failure is not None:
            raise purchases.failure

    def _write_down(
        self,
        purchases: Purchases,
        *,
        keys: Sequence[str],
        mine: Sequence[str],
        claims: Claims,
        record: OrderRecord,
        bought: Bought,
    ) -> None:
        for job in purchases.jobs:
            record.bought(job, run_id=self._run_id)
            self._uncounted.append(job)
        lost = set(purchases.lost)
        record.answered(key for key in keys if key not in lost)
        # The doubt begins when the answer did not come, which may be long after the portion was begun.
        record.intend(lost, now=time.time(), run_id=self._run_id)
        claims.settle(mine, jobs=bought.jobs, lost=lost, now=time.time())
        self._save(record)

    def _never_bought(self, clips: Sequence[WantedClip], *, record: OrderRecord, bought: Bought) -> list[Batch]:
        """
        Divide clips into jobs that nobody has bought under their names.

        A name that this look has not asked for may be that of a purchase whose record is gone; it is asked for now.
        """
        todo = list(clips)
        while True:
            batches = self._batches(todo, record=record)
            unasked = {batch.job_key: _keys(batch) for batch in batches if batch.job_key not in self._looked_for}
            if not self._service.hidden_inputs or not unasked:
                return batches
            ledger = self._service.find_jobs(todo, known=(), listed_at=None, intended=unasked)
            self._looked_for.update(unasked)
            if self._adopt(ledger.jobs, record=record):
                self._log.info("Adopted %d job(s) that no record knew of.", len(ledger.jobs))
            bought.jobs.extend(ledger.jobs)
            made = {key for job in ledger.jobs if job.state is not JobState.FAILED for key in job.clip_keys}
            todo = [clip for clip in todo if clip.clip_key not in made]

    # -- counting ------------------------------------------------------------------------------------------------

    def _adopt(self, jobs: Sequence[Job], *, record: OrderRecord) -> tuple[str, ...]:
        """Take over what the service says; a purchase of this buyer's whose answer was lost is counted after all."""
        had_buyer = set(record.buyers)
        had_failed = {job.job_id for job in record.jobs.values() if job.state is JobState.FAILED}
        found = record.adopt(jobs)
        ours = [job for job in jobs if record.buyers.get(job.job_id) == self._run_id]
        self._uncounted.extend(job for job in ours if job.job_id not in had_buyer)
        failed = [job for job in ours if job.state is JobState.FAILED and job.job_id not in had_failed]
        metrics.failed(service=self._service.name, jobs=len(failed))
        metrics.adopted(service=self._service.name, jobs=len(set(found) - {job.job_id for job in ours}))
        return found

    def _save(self, record: OrderRecord) -> None:
        """Write the record; only what is on record is counted as bought, so that no other attempt counts it again."""
        self._write(record)
        uncounted, self._uncounted = self._uncounted, []
        metrics.bought(
            service=self._service.name,
            engine=self._order.profile.engine,
            jobs=len(uncounted),
            clips=sum(len(job.clip_keys) for job in uncounted),
            characters=sum(map(self._characters, uncounted)),
        )

    def _characters(self, job: Job) -> int:
        """Give what a job is billed for: as the service says, or as it will say."""
        if job.characters is not None:
            return job.characters
        clips = [self._by_key[key] for key in job.clip_keys if key in self._by_key]
        extra = self._service.extra_characters(clips, profile=self._order.profile)
        return sum(clip.characters for clip in clips) + extra

    # -- jobs of other accounts ----------------------------------------------------------------------------------

    def _from_elsewhere(self, claims: Mapping[str, Mapping[str, Any]], *, bought: Bought) -> list[str]:
        """
        See to clips that somebody bought through another service, connection or region.

        The sound is the same, so what is finished there is fetched from there, and what is being made is waited for.

        :param claims: the claim of each clip; one that is younger than that service's doubt is believed.
        :return: the clips that are not being made there either.
        """
        groups: dict[str, list[str]] = {}
        for key, claim in claims.items():
            groups.setdefault(f"{claim['account']} {claim['order']}", []).append(key)
        free: list[str] = []
        for keys in groups.values():
            claim = claims[keys[0]]
            try:
                free.extend(self._from_account({key: claims[key] for key in keys}, bought=bought))
            except NarrationError as error:
                kind = PermanentNarrationError if isinstance(error, PermanentNarrationError) else NarrationError
                raise kind(
                    f"{self._by_key[keys[0]].place} was bought through {claim['account']}, which cannot be asked for "
                    f"it now: {error} Nothing is bought a second time meanwhile."
                ) from error
        return free

    def _from_account(self, claims: Mapping[str, Mapping[str, Any]], *, bought: Bought) -> list[str]:
        from narration.services.registry import make_service

        keys = tuple(claims)
        claim = claims[keys[0]]
        service = make_service(claim["service"], claim["connection"])
        record = OrderRecord.from_dict(self._store.read_record(claim["order"]))
        ledger = service.find_jobs(
            [self._by_key[key] for key in keys],
            known=record.known(keys, grace=self._grace),
            listed_at=record.listed_at,
            intended=record.intended(keys) if service.hidden_inputs else {},
        )
        record.adopt(ledger.jobs)
        # Whoever claimed a clip a moment ago may be about to write down what it buys, and to buy it.
        since = self._looked_at - service.settle_seconds
        just_claimed = {key for key, each in claims.items() if not each.get("job") and each["at"] > since}
        unsettled = just_claimed.union(record.unsettled(now=self._looked_at, settle_seconds=service.settle_seconds))
        collector = Collector(
            store=self._store,
            service=service,
            order=self._order,
            stored=set(self._by_key) - set(keys),
            log=self._log,
            bought_for=claim["order"],
        )
        while True:
            decision = decide(
                wanted=tuple(keys),
                stored=bought.stored,
                jobs=record.judged(record.jobs.values(), grace=self._grace),
                unsettled=unsettled,
            )
            todo = [job for job in decision.collect if job.job_id not in record.missing_since]
            if not todo:
                break
            bought.stored.update(collector.collect([record.whole(job) for job in todo], record=record))
            if collector.failure is not None:
                raise collector.failure
        made = {key for job in (*decision.wait, *decision.collect) for key in job.clip_keys}
        awaited = {key for key in keys if key not in bought.stored and (key in made or key in decision.unsettled)}
        bought.awaited |= awaited
        return [key for key in keys if key not in bought.stored and key not in awaited]


def _keys(batch: Batch) -> tuple[str, ...]:
    return tuple(clip.clip_key for clip in batch.clips)
