"""The task that sees one order through: reconcile until every clip of it is in the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.errors import PermanentNarrationError
from narration.operators.collect import Collector
from narration.operators.purchasing import Buyer
from narration.operators.records import read_record
from narration.synthesis.billing import bill_of
from narration.synthesis.reconcile import decide

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.services.base import SpeechService
    from narration.store import Store, StoredClip
    from narration.synthesis.orders import Order, WantedClip
    from narration.synthesis.reconcile import Decision, Job
    from narration.synthesis.record import OrderRecord

_LONGEST_SAFETY_NET = timedelta(minutes=5)
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


class ParagraphRefusedError(PermanentNarrationError):
    """The service refused paragraphs for good; the rest of the order is in the store."""


class PurchasesInVainError(PermanentNarrationError):
    """Paragraphs failed at the service as often as is bearable; they are not bought again in this run."""


class WaitTimeoutError(PermanentNarrationError):
    """Jobs were still unfinished after the longest wait; they go on at the service."""


class SynthesizeOrderOperator(BaseOperator):
    """
    Bring about every clip of one order, whatever state it is found in.

    Compares what is wanted with what is in the store and at the service, collects what is finished, buys what nobody
    has bought, defers while something is being made, and begins again. A retry, a clear, another run of the same
    document are the same loop met at another point and buy nothing twice. Buying happens here, on a worker; the
    trigger only looks.

    Returns ``{"order_id", "clips", "bought", "bought_characters", "bill"}``, the last three for purchases of this run
    alone; ``bill`` is a :class:`~narration.synthesis.billing.Bill`.

    :param order: one of the orders that :class:`~narration.operators.plan.PlanNarrationOperator` returned.
    :param poll_interval: seconds between two sweeps of the account while waiting, at least 5: Airflow 3.3.2 sometimes
        fails a task that comes back from a deferral within a moment.
    :param wait_timeout: how long to wait for jobs before giving up (they are adopted by the next attempt).
    :param max_failures: failed jobs per paragraph and run after which it is not bought again.
    :param audio_grace: how long the audio of a finished job may be missing before the job counts as failed.
    """

    template_fields = ("order",)
    ui_color = "#f5e8df"

    def __init__(
        self,
        *,
        order: Mapping[str, Any],
        poll_interval: float = 5.0,
        wait_timeout: timedelta = timedelta(hours=24),
        max_failures: int = 3,
        audio_grace: timedelta = timedelta(minutes=10),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if poll_interval < 5:
            raise ValueError("poll_interval must be at least 5 seconds")
        if max_failures < 1:
            raise ValueError("max_failures must be at least 1")
        self.order = order
        self.poll_interval = poll_interval
        self.wait_timeout = wait_timeout
        self.max_failures = max_failures
        self.audio_grace = audio_grace

    # -- the loop ------------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> dict[str, Any]:
        return self._reconcile(context, end_time=time.time() + self.wait_timeout.total_seconds(), refused={})

    def resume(
        self,
        context: Context,
        event: Mapping[str, Any],
        end_time: float | None = None,
        refused: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """
        Go on after the trigger fired; what the event says only goes into the log.

        :param end_time: when the waiting that this deferral belongs to ends. ``dag.test()`` drops what a deferral
            carries; waiting then begins anew.
        """
        if event["status"] == "error":
            self.log.warning("The trigger could not ask the service: %s", event.get("message"))
        if end_time is None:
            end_time = time.time() + self.wait_timeout.total_seconds()
        return self._reconcile(context, end_time=end_time, refused=refused or {})

    def _reconcile(self, context: Context, *, end_time: float, refused: dict[str, str]) -> dict[str, Any]:
        run_id = str(context["run_id"])
        grace = self.audio_grace.total_seconds()
        record = self._read_record()
        stored = self._store.clips(self._by_key)
        self._show_progress(context, stored)
        missing = [clip for key, clip in self._by_key.items() if key not in stored]
        if not missing:
            return self._outcome(record, stored=stored, run_id=run_id)

        buyer = self._buyer(run_id)
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
                failures_counted_since=_started(context),
                max_failures=self.max_failures,
            )

        def collected(decision: Decision) -> Decision:
            while todo := [job for job in decision.collect if job.job_id not in looked_into]:
                # Again, because another job may take the place of one whose audio turns out to be bad.
                looked_into.update(job.job_id for job in todo)
                whole = [record.whole(job) for job in todo]
                stored.update(self._collect(whole, record=record, context=context, stored=stored))
                decision = decided(record.judged([*jobs, *record.elsewhere], grace=grace))
            return decision

        decision = collected(decided(record.acceptable([*jobs, *record.elsewhere])))
        self._stop_if_unacceptable(record, stored)
        if decision.buy:
            self._service.check_unchanged(self._wanted.profile)
        full = False
        for portion in _portions(decision.buy, self._service.portion):
            bought = buyer.buy(portion, record=record, refused=refused)
            jobs.extend(bought.jobs)
            stored.update(bought.stored)
            awaited |= bought.awaited
            full = bought.full
            if full:
                break
        decision = collected(decided(record.judged([*jobs, *record.elsewhere], grace=grace)))

        if decision.outstanding or decision.buy or decision.collect:
            self._wait(decision, record=record, end_time=end_time, refused=refused, full=full)
        self._stop_if_hopeless(decision, refused=refused)
        self._show_progress(context, stored)
        return self._outcome(record, stored=stored, run_id=run_id)

    # -- what the decision asks for ------------------------------------------------------------------------------

    def _collect(
        self, jobs: Sequence[Job], *, record: OrderRecord, context: Context, stored: Mapping[str, StoredClip]
    ) -> dict[str, StoredClip]:
        """Fetch, verify and store, a portion at a time; what went wrong is in the record."""
        collector = Collector(store=self._store, service=self._service, order=self._wanted, stored=stored, log=self.log)
        collected: dict[str, StoredClip] = {}
        for portion in _portions(jobs, _COLLECTED_AT_ONCE):
            collected.update(collector.collect(portion, record=record))
            self._show_progress(context, {**stored, **collected})
        self._save(record)
        if collector.failure is not None:
            raise collector.failure
        return collected

    def _wait(
        self, decision: Decision, *, record: OrderRecord, end_time: float, refused: dict[str, str], full: bool
    ) -> None:
        from narration.triggers.jobs import JobsTrigger

        now = time.time()
        waiting = [job for job in decision.wait if job.job_id not in record.missing_since]
        if now >= end_time:
            raise WaitTimeoutError(self._why_timed_out(decision))
        moments = []
        for key in decision.unsettled:
            if key not in record.intents:
                # Bought through another account, whose jobs the trigger does not see.
                moments.append(now + _LOOK_AGAIN_ELSEWHERE)
                continue
            # The service shows most jobs at once: look soon, then less and less often, until the doubt ends.
            at = record.intents[key][0]
            moments.append(min(at + self._service.settle_seconds, now + max(_LOOK_FOR_LOST_ANSWER, now - at)))
        if len(waiting) < len(decision.wait) or decision.collect:
            moments.append(now + _LOOK_AGAIN_FOR_AUDIO)
        if decision.buy:
            moments.append(now + self._look_again_after(full=full))
        self.log.info(
            "Waiting for %d job(s) without a worker.%s",
            len(decision.wait),
            " The service has no room for another one; the rest is bought when some are finished." if full else "",
        )
        self.defer(
            trigger=JobsTrigger(
                service=self._service.name,
                connection=self._service.connection(),
                job_ids=[job.job_id for job in waiting],
                poll_interval=self.poll_interval,
                end_time=end_time,
                look_again_at=min(moments) if moments else None,
                max_active_jobs=self._service.max_active_jobs if full else None,
            ),
            method_name="resume",
            kwargs={"end_time": end_time, "refused": refused},
            timeout=timedelta(seconds=end_time - now) + _LONGEST_SAFETY_NET,
        )

    def _look_again_after(self, *, full: bool) -> float:
        """
        Say when to try to buy again what could not be bought (seconds).

        When a queue is full the trigger sees that there is room, and this is for the case that it does not; when it
        is something else that the service has enough of, nobody sees it.
        """
        if not full:
            return _LOOK_AGAIN_WHEN_THROTTLED
        return _LOOK_AGAIN_WHEN_FULL if self._service.max_active_jobs is None else _LOOK_AGAIN_AT_THE_LATEST

    def _why_timed_out(self, decision: Decision) -> str:
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
        return f"After {self.wait_timeout}: {'; '.join(reasons)}. Clear this task to wait on; it adopts what it finds."

    def _stop_if_unacceptable(self, record: OrderRecord, stored: Mapping[str, StoredClip]) -> None:
        """Stop before clips are bought a second time when it is plain that they would be no better."""
        flawed = {
            key: defect.reason
            for defects in record.defects.values()
            for key, defect in defects.items()
            if defect.flawed and key in self._by_key and key not in stored
        }
        if len(flawed) >= _MANY_FLAWED and len(flawed) * _FLAWED_SHARE > len(self._by_key):
            raise PurchasesInVainError(
                f"The audio of {len(flawed)} of {len(self._by_key)} paragraphs was not accepted, and they are not "
                f"bought again: {self._named(flawed)}. Does the voice speak the language of the document?"
            )

    def _stop_if_hopeless(self, decision: Decision, *, refused: Mapping[str, str]) -> None:
        if refused:
            raise ParagraphRefusedError(
                f"The service refused {len(refused)} paragraph(s) for good; nothing was paid for them. Change them and "
                f"start again: {self._named(refused)}"
            )
        if decision.exhausted:
            raise PurchasesInVainError(
                f"{len(decision.exhausted)} paragraph(s) failed {self.max_failures} times at the service, or twice "
                f"gave audio that was not accepted: {self._named(decision.exhausted)}. Mend the cause and start the "
                "Dag again."
            )

    def _named(self, reasons: Mapping[str, str]) -> str:
        named = [f"{self._by_key[key].place}: {reason}" for key, reason in list(reasons.items())[:_MOST_NAMED]]
        more = len(reasons) - len(named)
        return "; ".join(named) + (f"; and {more} more" if more > 0 else "")

    # -- helpers -------------------------------------------------------------------------------------------------

    @cached_property
    def _store(self) -> Store:
        from narration.store import Store

        return Store(location=self.order["storage"])

    @cached_property
    def _service(self) -> SpeechService:
        from narration.services.registry import make_service

        return make_service(self.order["service"], self.order["connection"])

    @cached_property
    def _wanted(self) -> Order:
        from narration.synthesis.orders import Order

        return Order.from_dict(self._store.read_order(self.order["order_id"]))

    @cached_property
    def _by_key(self) -> dict[str, WantedClip]:
        return {clip.clip_key: clip for clip in self._wanted.clips}

    def _buyer(self, run_id: str) -> Buyer:
        return Buyer(
            store=self._store,
            service=self._service,
            order=self._wanted,
            run_id=run_id,
            grace=self.audio_grace.total_seconds(),
            read=self._read_record,
            save=self._save,
            log=self.log,
        )

    def _read_record(self) -> OrderRecord:
        return read_record(self._store, self._wanted.order_id)

    def _save(self, record: OrderRecord) -> None:
        """Write the record, with what another run or attempt may have written since it was read."""
        record.join(self._read_record())
        self._store.write_record(self._wanted.order_id, record.to_dict())

    def _show_progress(self, context: Context, stored: Mapping[str, StoredClip]) -> None:
        """Show how far the order is in the task's own state, which the UI and the REST API can read."""
        state = context.get("task_state_store")
        if state is not None:
            billed = sum(clip.characters for clip in stored.values())
            state.set("progress", {"done": len(stored), "total": len(self._by_key), "billed_characters": billed})

    def _outcome(self, record: OrderRecord, *, stored: Mapping[str, StoredClip], run_id: str) -> dict[str, Any]:
        bill = bill_of(
            [record.jobs[job_id] for job_id, buyer in record.buyers.items() if buyer == run_id],
            record=record,
            made_by={key: clip.job_id for key, clip in stored.items()},
            characters={key: clip.characters for key, clip in self._by_key.items()},
            places={key: clip.place for key, clip in self._by_key.items()},
            extra=lambda keys: self._service.extra_characters(
                [self._by_key[key] for key in keys], profile=self._wanted.profile
            ),
        )
        for warning in bill.warnings:
            self.log.warning("The service's count differs from the estimate: %s.", warning)
        return {
            "order_id": self._wanted.order_id,
            "clips": len(self._by_key),
            "bought": bill.jobs,
            "bought_characters": bill.characters_billed,
            "bill": bill.to_dict(),
        }

    def on_kill(self) -> None:
        self.log.warning(
            "The task was stopped. What it bought goes on at the service, which cannot cancel it; the next attempt "
            "adopts it."
        )


def _started(context: Context) -> float:
    """When a person or the schedule last set the run going: failures from before do not count against it."""
    run: Any = context["dag_run"]
    moment = run.start_date or run.run_after
    return moment.timestamp() if moment is not None else 0.0


def _portions(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    todo = list(items)
    return (todo[start : start + size] for start in range(0, len(todo), size))
