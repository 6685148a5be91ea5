"""The task that sees orders through: reconcile until every clip of them is in the store."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from narration import logs
from narration.errors import PermanentNarrationError
from narration.links.paragraphs import ParagraphsLink
from narration.operators.base import RoadOperator
from narration.operators.reconciling import (
    OrderReconciler,
    ParagraphsFailedError,
    Progress,
    Waiting,
    about_order,
)
from narration.synthesis.failed import FAILED_PARAGRAPHS, kept

if TYPE_CHECKING:
    from airflow.sdk import Context

_LONGEST_SAFETY_NET = timedelta(minutes=5)


class WaitTimeoutError(PermanentNarrationError):
    """Jobs were still unfinished after the longest wait; they go on at the service."""


class SynthesisOperator(RoadOperator):
    """
    Bring about every clip of some orders of one service, whatever state they are found in.

    Compares what is wanted with what is in the store and at the service, collects what is finished, buys what nobody
    has bought, defers while something is being made, and begins again. A retry, a clear, another run of the same
    document are the same loop met at another point and buy nothing twice. Buying happens here, on a worker; the
    trigger only looks.

    The link *Paragraphs* leads to what became of each paragraph. Those that the service refused, or that failed too
    often, are pushed to XCom as ``failed_paragraphs``, for that page.

    :param poll_interval: seconds between two sweeps of the account while waiting, at least 5: Airflow 3.3.2 sometimes
        fails a task that comes back from a deferral within a moment.
    :param wait_timeout: how long to wait for jobs before giving up (they are adopted by the next attempt).
    :param max_failures: failed jobs per paragraph and run after which it is not bought again.
    :param audio_grace: how long the audio of a finished job may be missing before the job counts as failed.
    """

    ui_color = "#f5e8df"
    operator_extra_links = (ParagraphsLink(),)

    def __init__(
        self,
        *,
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
        self.poll_interval = poll_interval
        self.wait_timeout = wait_timeout
        self.max_failures = max_failures
        self.audio_grace = audio_grace

    @abstractmethod
    def wanted(self) -> Sequence[Mapping[str, Any]]:
        """Give the orders, as :class:`~narration.operators.plan.PlanNarrationOperator` returned them."""

    @abstractmethod
    def result(self, outcomes: Sequence[dict[str, Any]]) -> Any:
        """Make the task's result of those of its orders."""

    # -- the loop ------------------------------------------------------------------------------------------------

    def work(self, context: Context) -> Any:
        ParagraphsLink.persist_page(context=context, operator=self)
        return self._reconcile(context, end_time=time.time() + self.wait_timeout.total_seconds(), refused={})

    def resume(
        self,
        context: Context,
        event: Mapping[str, Any],
        end_time: float | None = None,
        refused: dict[str, str] | None = None,
    ) -> Any:
        """
        Go on after the trigger fired; what the event says only goes into the log.

        :param end_time: when the waiting that this deferral belongs to ends. ``dag.test()`` drops what a deferral
            carries; waiting then begins anew.
        """
        if event["status"] == "error":
            self.log.warning("The trigger could not ask the service: %s", event.get("message"))
        if end_time is None:
            end_time = time.time() + self.wait_timeout.total_seconds()
        with self.telling(context):
            return self._reconcile(context, end_time=end_time, refused=refused or {})

    def _reconcile(self, context: Context, *, end_time: float, refused: dict[str, str]) -> Any:
        reconcilers = [self._reconciler(order, context) for order in self.wanted()]
        waiting: list[Waiting] = []
        failures: list[PermanentNarrationError] = []
        faults: list[Exception] = []
        seen: list[OrderReconciler] = []
        for reconciler in reconcilers:
            # One order that cannot be completed keeps nobody from what the others have bought.
            with logs.about(**reconciler.about):
                try:
                    still = reconciler.reconcile(refused=refused)
                except PermanentNarrationError as failure:
                    failures.append(failure)
                    if isinstance(failure, ParagraphsFailedError):
                        seen.append(reconciler)
                except Exception as fault:
                    faults.append(fault)
                    if len(faults) > 1:
                        # Airflow logs the first one. What fails for two will fail for the others.
                        self.log.exception("This order could not be seen through either.")
                        break
                else:
                    seen.append(reconciler)
                    if still is not None:
                        waiting.append(still)
        self._tell_failed(context, seen, failures=failures, refused=refused)
        if faults:
            # Airflow tries again, and what waits is adopted then.
            raise faults[0]
        if waiting:
            self._wait(waiting, failures=failures, first=reconcilers[0], end_time=end_time, refused=refused)
        if len(failures) > 1:
            raise type(failures[0])(" ".join(str(failure) for failure in failures))
        if failures:
            raise failures[0]
        outcomes = []
        for reconciler in reconcilers:
            with logs.about(**reconciler.about):
                outcomes.append(reconciler.outcome())
            reconciler.tell(self.lineage)
        return self.result(outcomes)

    def _wait(
        self,
        waiting: Sequence[Waiting],
        *,
        failures: Sequence[Exception],
        first: OrderReconciler,
        end_time: float,
        refused: dict[str, str],
    ) -> None:
        from narration.triggers.jobs import JobsTrigger

        now = time.time()
        if now >= end_time:
            reasons = "; ".join(reason for order in waiting for reason in order.reasons)
            known = "".join(f" {failure}" for failure in failures)
            raise WaitTimeoutError(
                f"After {self.wait_timeout}: {reasons}. Clear this task to wait on; it adopts what it finds.{known}"
            )
        full = any(order.full for order in waiting)
        job_ids = list(dict.fromkeys(job_id for order in waiting for job_id in order.job_ids))
        self.log.info(
            "Waiting for %d job(s) without a worker.%s",
            len(job_ids),
            " The service has no room for another one; the rest is bought when some are finished." if full else "",
        )
        service = first.service
        self.defer(
            trigger=JobsTrigger(
                service=service.name,
                connection=service.connection(),
                job_ids=job_ids,
                poll_interval=self.poll_interval,
                end_time=end_time,
                look_again_at=min(
                    (order.look_again_at for order in waiting if order.look_again_at is not None), default=None
                ),
                max_active_jobs=service.max_active_jobs if full else None,
                about=logs.current(),
            ),
            method_name="resume",
            kwargs={"end_time": end_time, "refused": refused},
            timeout=timedelta(seconds=end_time - now) + _LONGEST_SAFETY_NET,
        )

    def _reconciler(self, order: Mapping[str, Any], context: Context) -> OrderReconciler:
        return OrderReconciler(
            order=order,
            buyer=self.buyer(context),
            failures_counted_since=_started(context),
            max_failures=self.max_failures,
            audio_grace=self.audio_grace.total_seconds(),
            progress=lambda progress: self._show_progress(context, str(order["order_id"]), progress),
            log=self.log,
        )

    # -- what people see -----------------------------------------------------------------------------------------

    def _tell_failed(
        self,
        context: Context,
        reconcilers: Sequence[OrderReconciler],
        *,
        failures: Sequence[PermanentNarrationError],
        refused: Mapping[str, str],
    ) -> None:
        """Name the paragraphs that are known to fail for the page, also while others are still being made."""
        failed = {each.clip_key: each for reconciler in reconcilers for each in reconciler.failed(refused)}
        for failure in failures:
            if isinstance(failure, ParagraphsFailedError):
                failed.update({each.clip_key: each for each in failure.paragraphs})
        if failed:
            context["ti"].xcom_push(key=FAILED_PARAGRAPHS, value=kept(failed.values()))
        if failed and failures:
            self.log.error(
                "The text of what failed is under Paragraphs: a tab of this task, and a link under its Details."
            )

    @cached_property
    def _progress(self) -> dict[str, Progress]:
        return {}

    def _show_progress(self, context: Context, order_id: str, progress: Progress) -> None:
        """Show how far the orders are in the task's own state, which the UI and the REST API can read."""
        state: Any = context.get("task_state_store")
        if state is None:
            return
        self._progress[order_id] = progress
        known = self._progress.values()
        state.set(
            "progress",
            {
                "done": sum(one.done for one in known),
                "total": sum(one.total for one in known),
                "billed_characters": sum(one.billed_characters for one in known),
            },
        )

    def on_kill(self) -> None:
        self.log.warning(
            "The task was stopped. What it bought goes on at the service, which cannot cancel it; the next attempt "
            "adopts it."
        )


class SynthesizeOrderOperator(SynthesisOperator):
    """
    See one order through: the task that the ``narrate_*`` Dags map over their orders.

    Returns ``{"order_id", "clips", "bought", "bought_characters", "bill"}``, the last three for purchases of this run
    alone; ``bill`` is a :class:`~narration.synthesis.billing.Bill`.

    :param order: one of the orders that :class:`~narration.operators.plan.PlanNarrationOperator` returned.
    """

    template_fields = ("request", "order")

    def __init__(self, *, order: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order

    def about(self, context: Context) -> Mapping[str, Any]:
        return about_order(self.order)

    def wanted(self) -> Sequence[Mapping[str, Any]]:
        return [self.order]

    def result(self, outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        (outcome,) = outcomes
        return outcome


class SynthesizeOrdersOperator(SynthesisOperator):
    """
    See all orders of one document through in one task: what a mapped task group has in the place of a mapped task.

    Returns a list of what :class:`SynthesizeOrderOperator` returns, an order each. Skips itself, and so what follows,
    in a dry run.

    :param orders: what :class:`~narration.operators.plan.PlanNarrationOperator` returned.
    """

    template_fields = ("request", "orders")

    def __init__(self, *, orders: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.orders = orders

    def work(self, context: Context) -> Any:
        if self.parameters(context).cost.dry_run:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("A dry run: nothing is bought.")
        return super().work(context)

    def wanted(self) -> Sequence[Mapping[str, Any]]:
        return list(self.orders)

    def result(self, outcomes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(outcomes)


def _started(context: Context) -> float:
    """When a person or the schedule last set the run going: failures from before do not count against it."""
    run: Any = context["dag_run"]
    moment = run.start_date or run.run_after
    return moment.timestamp() if moment is not None else 0.0
