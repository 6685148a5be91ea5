"""One pass over one order: compare what is wanted with what there is, collect, adopt and buy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from narration import metrics
from narration.errors import PermanentNarrationError
from narration.operators.collect import Collector
from narration.operators.purchasing import Buyer
from narration.operators.records import read_record
from narration.synthesis.billing import bill_of
from narration.synthesis.failed import FailedParagraph, excerpt_of
from narration.synthesis.reconcile import decide

if TYPE_CHECKING:
    from narration.operators.lineage import Lineage
    from narration.services.base import SpeechService
    from narration.store import Store, StoredClip
    from narration.synthesis.orders import Order, WantedClip
    from narration.synthesis.reconcile import Decision, Job
    from narration.synthesis.record import OrderRecord

_LOOK_AGAIN_WHEN_THROTTLED = 30.0
_LOOK_AGAIN_WHEN_FULL = 600.0
_LOOK_AGAIN_AT_THE_LATEST = 3600.0
_LOOK_AGAIN_FOR_AUDIO = 15.0
_LOOK_FOR_LOST_ANSWER = 10.0
_LOOK_AGAIN_ELSEWHERE = 60.0
_MOST_NAMED = 5
_COLLECTED_AT_ONCE = 32
_MANY_FLAWED = 3
_FLAWED_SHARE = 5


class ParagraphsFailedError(PermanentNarrationError):
    """
    An order cannot be completed, because of some of its paragraphs.

    :param paragraphs: all of them; the message names the first ones.
    """

    def __init__(self, message: str, paragraphs: Sequence[FailedParagraph] = ()) -> None:
        super().__init__(message)
        self.paragraphs = tuple(paragraphs)


class ParagraphRefusedError(ParagraphsFailedError):
    """The service refused paragraphs for good; the rest of the order is in the store."""


class PurchasesInVainError(ParagraphsFailedError):
    """Paragraphs failed at the service as often as is bearable; they are not bought again in this run."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """
    What an order waits for.

    :param job_ids: jobs at the service that are unfinished.
    :param look_again_at: when to look again even if they are not finished (seconds since the epoch); ``None`` for
        never.
    :param full: whether the service had no room for another job.
    :param reasons: what is not there yet, in words.
    """

    job_ids: tuple[str, ...]
    look_again_at: float | None
    full: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """
    How far an order is.

    :param done: clips in the store.
    :param total: clips in all.
    :param billed_characters: characters that those in the store were billed for.
    """

    done: int
    total: int
    billed_characters: int


class OrderReconciler:
    """
    Bring an order nearer to its end, whatever state it is found in.

    :param order: one of the orders that :class:`~narration.operators.plan.PlanNarrationOperator` returned.
    :param buyer: for whom this buys: a run, or one document of a run. What it bought is on its bill.
    :param failures_counted_since: failed jobs from before this moment do not count (seconds since the epoch).
    :param max_failures: failed jobs per paragraph after which it is not bought again.
    :param audio_grace: how long the audio of a finished job may be missing before the job counts as failed (seconds).
    :param progress: is told how far the order is.
    """

    def __init__(
        self,
        *,
        order: Mapping[str, Any],
        buyer: str,
        failures_counted_since: float,
        max_failures: int,
        audio_grace: float,
        progress: Callable[[Progress], None],
        log: Any,
    ) -> None:
        self._order = order
        self._buyer_name = buyer
        self._failures_counted_since = failures_counted_since
        self._max_failures = max_failures
        self._grace = audio_grace
        self._progress = progress
        self._log = log
        self._stored: dict[str, StoredClip] = {}
        self._own_jobs: frozenset[str] = frozenset()
        self._bought_characters = 0
        self.about = about_order(order)

    def reconcile(self, *, refused: dict[str, str]) -> Waiting | None:
        """
        Look once, and do what can be done.

        :param refused: what the service refused for good, with its reasons, by clip key, in this and other orders; is
            added to.
        :return: what is still to be waited for; ``None`` if every clip is in the store.
        :raises ParagraphRefusedError: if nothing is left to wait for and the service refused paragraphs.
        :raises PurchasesInVainError: if paragraphs fail again and again.
        """
        record = self._read_record()
        stored = self._stored = self._store.clips(self._by_key)
        self._show_progress(stored)
        missing = [clip for key, clip in self._by_key.items() if key not in stored]
        if not missing:
            return None

        buyer = self._buyer()
        jobs = list(buyer.look(missing, record=record).jobs)
        awaited: set[str] = set()
        looked_into: set[str] = set()

        def decided(seen: list[Job]) -> Decision:
            return decide(
                wanted=tuple(self._by_key),
                stored=stored,
                jobs=seen,
                unsettled=awaited.union(buyer.unsettled(record)),
                refused=refused,
                failures_counted_since=self._failures_counted_since,
                max_failures=self._max_failures,
            )

        def collected(decision: Decision) -> Decision:
            while todo := [job for job in decision.collect if job.job_id not in looked_into]:
                # Again, because another job may take the place of one whose audio turns out to be bad.
                looked_into.update(job.job_id for job in todo)
                whole = [record.whole(job) for job in todo]
                stored.update(self._collect(whole, record=record, stored=stored))
                decision = decided(record.judged([*jobs, *record.elsewhere], grace=self._grace))
            return decision

        decision = collected(decided(record.acceptable([*jobs, *record.elsewhere])))
        self._stop_if_unacceptable(record, stored)
        if decision.buy:
            self.service.check_unchanged(self._wanted.profile)
        full = False
        for portion in _portions(decision.buy, self.service.portion):
            bought = buyer.buy(portion, record=record, refused=refused)
            jobs.extend(bought.jobs)
            stored.update(bought.stored)
            awaited |= bought.awaited
            full = bought.full
            if full:
                break
        decision = collected(decided(record.judged([*jobs, *record.elsewhere], grace=self._grace)))

        if decision.outstanding or decision.buy or decision.collect:
            return self._waiting(decision, record=record, full=full)
        self._stop_if_hopeless(decision, refused=refused)
        self._show_progress(stored)
        return None

    def outcome(self) -> dict[str, Any]:
        """Give what a finished order is and what it cost; see :class:`SynthesizeOrderOperator`'s result."""
        record = self._read_record()
        self._own_jobs = frozenset(job_id for job_id, buyer in record.buyers.items() if buyer == self._buyer_name)
        bill = bill_of(
            [record.jobs[job_id] for job_id in record.buyers if job_id in self._own_jobs],
            record=record,
            made_by={key: clip.job_id for key, clip in self._stored.items()},
            characters={key: clip.characters for key, clip in self._by_key.items()},
            places={key: clip.place for key, clip in self._by_key.items()},
            extra=lambda keys: self.service.extra_characters(
                [self._by_key[key] for key in keys], profile=self._wanted.profile
            ),
        )
        self._bought_characters = bill.characters_billed
        for warning in bill.warnings:
            self._log.warning("The service's count differs from the estimate: %s.", warning)
        return {
            "order_id": self._wanted.order_id,
            "clips": len(self._by_key),
            "bought": bill.jobs,
            "bought_characters": bill.characters_billed,
            "bill": bill.to_dict(),
        }

    def tell(self, lineage: Lineage) -> None:
        """Say what a finished order was made from and what it cost, after :meth:`outcome`."""
        order_id, profile = self._wanted.order_id, self._wanted.profile
        lineage.reads(self._store.uri_of("orders", f"{order_id}.json"), description=str(self._order.get("label", "")))
        lineage.makes(self._store.uri_of("orders", f"{order_id}.record.json"), description="The clips of the order")
        bought = sum(clip.job_id in self._own_jobs for clip in self._stored.values())
        jobs = {clip.job_id for clip in self._stored.values()} | set(lineage.facts.get("jobs", ()))
        lineage.says(
            title=self._order.get("document"),
            service=self.service.name,
            voice=profile.voice,
            engine=profile.engine,
            language=profile.language_code,
            audioFormat=profile.audio_format,
            jobs=sorted(jobs),
        )
        lineage.adds(
            clips=len(self._stored),
            clipsBought=bought,
            clipsReused=len(self._stored) - bought,
            charactersBought=self._bought_characters,
        )

    # -- what the decision asks for ------------------------------------------------------------------------------

    def _collect(
        self, jobs: Sequence[Job], *, record: OrderRecord, stored: Mapping[str, StoredClip]
    ) -> dict[str, StoredClip]:
        """Fetch, verify and store, a portion at a time; what went wrong is in the record."""
        collector = Collector(store=self._store, service=self.service, order=self._wanted, stored=stored, log=self._log)
        collected: dict[str, StoredClip] = {}
        for portion in _portions(jobs, _COLLECTED_AT_ONCE):
            found = collector.collect(portion, record=record)
            self._time(portion, found, record=record)
            collected.update(found)
            self._show_progress({**stored, **collected})
        self._save(record)
        if collector.failure is not None:
            raise collector.failure
        return collected

    def _time(self, jobs: Sequence[Job], found: Mapping[str, StoredClip], *, record: OrderRecord) -> None:
        """Time the jobs of this buyer that gave something; others may have been finished for weeks."""
        now = time.time()
        gave = {clip.job_id for clip in found.values()}
        for job in jobs:
            if job.job_id in gave and job.created_at and record.buyers.get(job.job_id) == self._buyer_name:
                metrics.job_collected(service=self.service.name, seconds=max(0.0, now - job.created_at))

    def _waiting(self, decision: Decision, *, record: OrderRecord, full: bool) -> Waiting:
        now = time.time()
        waiting = [job for job in decision.wait if job.job_id not in record.missing_since]
        moments = []
        for key in decision.unsettled:
            if key not in record.intents:
                # Bought through another account, whose jobs the trigger does not see.
                moments.append(now + _LOOK_AGAIN_ELSEWHERE)
                continue
            # The service shows most jobs at once: look soon, then less and less often, until the doubt ends.
            at = record.intents[key][0]
            moments.append(min(at + self.service.settle_seconds, now + max(_LOOK_FOR_LOST_ANSWER, now - at)))
        if len(waiting) < len(decision.wait) or decision.collect:
            moments.append(now + _LOOK_AGAIN_FOR_AUDIO)
        if decision.buy:
            moments.append(now + self._look_again_after(full=full))
        return Waiting(
            job_ids=tuple(job.job_id for job in waiting),
            look_again_at=min(moments) if moments else None,
            full=full,
            reasons=self._reasons(decision),
        )

    def _look_again_after(self, *, full: bool) -> float:
        """
        Say when to try to buy again what could not be bought (seconds).

        When a queue is full the trigger sees that there is room, and this is for the case that it does not; when it
        is something else that the service has enough of, nobody sees it.
        """
        if not full:
            return _LOOK_AGAIN_WHEN_THROTTLED
        return _LOOK_AGAIN_WHEN_FULL if self.service.max_active_jobs is None else _LOOK_AGAIN_AT_THE_LATEST

    def _reasons(self, decision: Decision) -> tuple[str, ...]:
        reasons = []
        if decision.wait:
            named = ", ".join(job.job_id for job in decision.wait[:_MOST_NAMED])
            reasons.append(
                f"{len(decision.wait)} job(s) were still unfinished ({named}); they go on at the service and stay "
                "paid for"
            )
        unbought = [*decision.buy, *decision.unsettled]
        if unbought:
            places = "; ".join(self._by_key[key].place for key in unbought[:_MOST_NAMED])
            reasons.append(
                f"{len(unbought)} paragraph(s) could not be bought, because the service had no room or did not answer "
                f"({places})"
            )
        return tuple(reasons)

    def _stop_if_unacceptable(self, record: OrderRecord, stored: Mapping[str, StoredClip]) -> None:
        """Stop before clips are bought a second time when it is plain that they would be no better."""
        flawed = {
            key: defect.reason
            for defects in record.defects.values()
            for key, defect in defects.items()
            if defect.flawed and key in self._by_key and key not in stored
        }
        if len(flawed) >= _MANY_FLAWED and len(flawed) * _FLAWED_SHARE > len(self._by_key):
            failed = self.failed(flawed)
            raise PurchasesInVainError(
                f"The audio of {len(flawed)} of {len(self._by_key)} paragraphs was not accepted, and they are not "
                f"bought again:\n{_named(failed)}\nDoes the voice speak the language of the document?",
                failed,
            )

    def _stop_if_hopeless(self, decision: Decision, *, refused: Mapping[str, str]) -> None:
        own = self.failed(refused)
        if own:
            raise ParagraphRefusedError(
                f"The service refused {len(own)} paragraph(s) for good; nothing was paid for them. Change them and "
                f"start again:\n{_named(own)}",
                [*own, *self.failed(decision.exhausted)],
            )
        if decision.exhausted:
            failed = self.failed(decision.exhausted)
            raise PurchasesInVainError(
                f"{len(failed)} paragraph(s) failed {self._max_failures} times at the service, or twice "
                f"gave audio that was not accepted:\n{_named(failed)}\nMend the cause and start the Dag again.",
                failed,
            )

    def failed(self, reasons: Mapping[str, str]) -> list[FailedParagraph]:
        """
        Name the paragraphs of this order among those that failed.

        :param reasons: why, by clip key.
        """
        return [
            FailedParagraph(
                place=self._by_key[key].place,
                text=self._by_key[key].text,
                excerpt=excerpt_of(self._by_key[key].spoken_text),
                reason=reason,
                clip_key=key,
            )
            for key, reason in reasons.items()
            if key in self._by_key
        ]

    @cached_property
    def _store(self) -> Store:
        from narration.store import Store

        return Store(location=self._order["storage"])

    @cached_property
    def service(self) -> SpeechService:
        """Who is asked and who is paid."""
        from narration.services.registry import make_service

        return make_service(self._order["service"], self._order["connection"])

    @cached_property
    def _wanted(self) -> Order:
        from narration.synthesis.orders import Order

        return Order.from_dict(self._store.read_order(self._order["order_id"]))

    @cached_property
    def _by_key(self) -> dict[str, WantedClip]:
        return {clip.clip_key: clip for clip in self._wanted.clips}

    def _buyer(self) -> Buyer:
        return Buyer(
            store=self._store,
            service=self.service,
            order=self._wanted,
            run_id=self._buyer_name,
            grace=self._grace,
            read=self._read_record,
            save=self._save,
            log=self._log,
        )

    def _read_record(self) -> OrderRecord:
        return read_record(self._store, self._wanted.order_id)

    def _save(self, record: OrderRecord) -> None:
        """Write the record, with what another run or attempt may have written since it was read."""
        record.join(self._read_record())
        self._store.write_record(self._wanted.order_id, record.to_dict())

    def _show_progress(self, stored: Mapping[str, StoredClip]) -> None:
        billed = sum(clip.characters for clip in stored.values())
        self._progress(Progress(done=len(stored), total=len(self._by_key), billed_characters=billed))


def _named(paragraphs: Sequence[FailedParagraph]) -> str:
    more = len(paragraphs) - _MOST_NAMED
    named = "\n".join(str(paragraph) for paragraph in paragraphs[:_MOST_NAMED])
    return f"{named}\nand {more} more" if more > 0 else named


def about_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """Say what an order is about, in the words of :data:`narration.logs.WORDS`."""
    # The label of an order from before the plan named chapters begins with one.
    chapter = order.get("chapter") or order.get("label")
    return {"order": order["order_id"], "chapter": chapter, "document": order.get("document")}


def _portions(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    todo = list(items)
    return (todo[start : start + size] for start in range(0, len(todo), size))
