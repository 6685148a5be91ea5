"""What buying a job has in common at Azure's three synthesis APIs: adopt or buy, wait for room, wait for the audio."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.errors import NarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import AzureSpeechConnectionMixin
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechRefusedError,
)
from narration.hooks.azure_jobs import FAILED, AzureJob
from narration.hooks.azure_waiting import AzureJobsFailedError, job_facts, job_failed, read_event, wait_for_job
from narration.hooks.failing import failing_at_once
from narration.operators.azure_request import SynthesisRequest
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

#: The key under which an attempt leaves what it bought for the next one, in the task state store.
STATE_KEY = "azure_synthesis_job"
#: How many jobs of one task instance may fail before no other is bought for the same request.
MOST_FAILED_JOBS = 5
#: Seconds between two tries while the service has as many unfinished jobs as it takes.
ROOM_INTERVAL = 60.0
#: A job that its buyer knows and the service does not is not bought again before it is so old, in seconds.
UNSEEN_SECONDS = 300


class AzureSynthesisCreateBase(AzureSpeechConnectionMixin, BaseOperator):
    """
    Buy one job, and wait for it. What is bought, and how it is found again, is the subclass's.

    :param wait_for_completion: see the subclasses, as for all that follow.
    :param deferrable: wait in the triggerer.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds (or a timedelta) that the attempt may wait, for room and for the audio together.
    """

    ui_color = "#dcebf7"

    def __init__(
        self,
        *,
        wait_for_completion: bool,
        deferrable: bool,
        poll_interval: float,
        timeout: float | timedelta,
        azure_speech_conn_id: str,
        region: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region
        self._waiting_for: str | None = None
        #: Whether this attempt knows that no earlier one bought anything.
        self._has_looked = False

    @abstractmethod
    def _request(self, context: Context) -> SynthesisRequest:
        """Read the arguments into a request, and refuse what the service would."""

    @abstractmethod
    def _adopt_or_buy(self, context: Context, request: SynthesisRequest) -> AzureJob:
        """Find the job that an earlier attempt bought for the same request, or buy it."""

    def execute(self, context: Context) -> dict[str, Any]:
        return self._bring_about(context, end_time=time.time() + self.timeout)

    def resume_buying(self, context: Context, event: Any = None, *, end_time: float) -> dict[str, Any]:
        """Try again, because there may be room now; this is a new instance."""
        self._has_looked = True
        return self._bring_about(context, end_time=end_time)

    @failing_at_once()
    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the trigger's event; this is a new instance, so everything comes from the event."""
        return self._finished(read_event(event))

    def on_kill(self) -> None:
        if self._waiting_for:
            self.log.warning(
                "Azure cannot cancel synthesis job %s: it goes on and is paid for. The next attempt adopts it.",
                self._waiting_for,
            )

    @failing_at_once()
    def _bring_about(self, context: Context, *, end_time: float) -> dict[str, Any]:
        request = self._request(context)
        try:
            job = self._when_there_is_room(lambda: self._adopt_or_buy(context, request), end_time=end_time)
        except AzureSpeechRefusedError as error:
            raise _with_formats(error, request) from error
        if job.is_finished or not self.wait_for_completion:
            return self._finished(job_facts(job))
        self._waiting_for = job.job_id
        if self.deferrable:
            self._defer_for_audio(job, end_time=end_time)
        job = wait_for_job(
            self.hook,
            api=job.api,
            job_id=job.job_id,
            poll_interval=self.poll_interval,
            end_time=end_time,
            log=self.log,
        )
        return self._finished(job_facts(job))

    def _when_there_is_room(self, buy: Callable[[], AzureJob], *, end_time: float) -> AzureJob:
        """Buy, and wait while the service has as many unfinished jobs as it takes; nothing is bought by trying."""
        while True:
            try:
                return buy()
            except AzureActiveJobsError as error:
                left = end_time - time.time()
                if left <= 0:
                    raise
                pause = min(max(ROOM_INTERVAL, error.retry_after or 0), left)
                self.log.info("No room for another job: %s Trying again in %.0f s.", error, pause)
                if self.deferrable:
                    self._defer_for_room(pause, end_time=end_time)
                time.sleep(pause)

    def _defer_for_room(self, pause: float, *, end_time: float) -> None:
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.defer(
            trigger=TimeDeltaTrigger(timedelta(seconds=pause)),
            method_name="resume_buying",
            kwargs={"end_time": end_time},
        )

    def _defer_for_audio(self, job: AzureJob, *, end_time: float) -> None:
        from narration.triggers.azure_synthesis import AzureSynthesisTrigger

        left = max(0.0, end_time - time.time())
        self.defer(
            trigger=AzureSynthesisTrigger(
                api=job.api.value,
                job_id=job.job_id,
                end_time=end_time,
                poll_interval=self.poll_interval,
                **self.connection_arguments,
            ),
            method_name="execute_complete",
            # A net below the trigger's own end, for a triggerer that is gone.
            timeout=timedelta(seconds=left + self.poll_interval + 60),
        )

    def _finished(self, facts: dict[str, Any]) -> dict[str, Any]:
        if facts["status"] == FAILED:
            raise job_failed(facts)
        if facts.get("failed_audios"):
            self.log.warning(
                "Azure job %s succeeded, but %s of its inputs did not become audio; its result says which and why.",
                facts["job_id"],
                facts["failed_audios"],
            )
        self.log.info("Azure job %s is %s", facts["job_id"], facts["status"])
        return facts

    # -- what the subclasses adopt and buy with ------------------------------------------------------------------

    def _asker(self, context: Context) -> tuple[str, str, str, int]:
        ti = context["ti"]
        return ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index

    @property
    def _payer(self) -> tuple[str, str | None]:
        return self.azure_speech_conn_id, self.region or None

    def _adopt_or_buy_named(
        self, context: Context, request: SynthesisRequest, create: Callable[[], str | AzureJob]
    ) -> AzureJob:
        """
        Buy a job whose id the service chooses, unless an earlier attempt did.

        Such a job carries its key in its name, so it is found in the service's own list. That list may be 200 pages
        long, so it is only read if something may have been sent already.
        """
        record, job = self._recall(context, request), None
        failed = int(record.get("failed", 0)) if record else 0
        if record and "job_id" in record:
            job = self._known(record, request)
            failed += job is not None and job.status == FAILED
        elif self._may_have_been_sent(context, record):
            job, listed = self._look_for(request)
            failed = max(failed, listed)
            if job is not None and job.status != FAILED:
                self._remember(context, request, job_id=job.job_id, failed=failed)
        if job is not None and job.status != FAILED:
            self.log.info("Adopting Azure job %s (%s) of an earlier attempt", job.job_id, job.status)
            return job
        self._check_failures(failed, job)
        self._has_looked = True
        self._remember(context, request, failed=failed)
        try:
            created = create()
        except AzureReplyLostError as error:
            self.log.warning("%s Looking for the job now.", error)
            job, _ = self._look_for(request)
            if job is None or job.status == FAILED:
                raise
        except NarrationError:
            # Certainly nothing was bought, so there is nothing for the next attempt to look for.
            if record is None:
                self._forget(context)
            raise
        else:
            job = created if isinstance(created, AzureJob) else self._accepted(context, request, created, failed)
        self._remember(context, request, job_id=job.job_id, failed=failed)
        self.log.info("Bought Azure job %s (%s)", job.job_id, request.api)
        return job

    def _accepted(self, context: Context, request: SynthesisRequest, job_id: str, failed: int) -> AzureJob:
        """Ask for a job of which only the id is known; first of all that is written down, for it is paid for."""
        self._remember(context, request, job_id=job_id, failed=failed)
        return self.hook.get_job(api=request.api, job_id=job_id)

    def _known(self, record: dict[str, Any], request: SynthesisRequest) -> AzureJob | None:
        """Ask for the job that an earlier attempt wrote down."""
        job_id, age = record["job_id"], time.time() - record["started_at"]
        try:
            return self.hook.get_job(api=request.api, job_id=job_id)
        except AzureJobNotFoundError as error:
            if age < UNSEEN_SECONDS:
                raise AzureJobNotFoundError(
                    f"{error} An earlier attempt bought it {age:.0f} seconds ago, so nothing is bought again; the next "
                    f"attempt asks again. If it was deleted on purpose, delete the key {STATE_KEY!r} from this task's "
                    "state to buy once more."
                ) from error
            self.log.info("Azure no longer knows job %s of an earlier attempt; buying anew", job_id)
            return None

    def _look_for(self, request: SynthesisRequest) -> tuple[AzureJob | None, int]:
        """
        Ask the service's own list for the job that the request became.

        :return: the job, a failed one only if there is no other, and how many failed.
        """
        found = [job for job in self.hook.list_jobs(api=request.api) if request.is_named_in(job)]
        failed = [job for job in found if job.status == FAILED]
        usable = [job for job in found if job.status != FAILED]
        self.log.info("Azure lists %d jobs for this request, and %d that failed", len(usable), len(failed))
        if usable:
            # All of them are this task's, and the same: the one that is furthest.
            return min(usable, key=lambda job: (job.is_active, job.created_at or 0.0)), len(failed)
        return max(failed, key=lambda job: job.created_at or 0.0, default=None), len(failed)

    def _check_failures(self, failed: int, job: AzureJob | None) -> None:
        """Refuse to buy again once so many jobs failed; ``job`` is one of them."""
        if job is None:
            return
        reason = job_failed(job_facts(job))
        if failed >= MOST_FAILED_JOBS:
            raise too_many_failed(reason)
        self.log.warning("%s Buying anew.", reason)

    def _may_have_been_sent(self, context: Context, record: dict[str, Any] | None) -> bool:
        """Whether an earlier attempt may have sent the request."""
        if record is not None:
            return True
        # Only a first attempt that would have written it down is sure that nothing was sent.
        is_first = context.get("task_state_store") is not None and getattr(context["ti"], "try_number", None) == 1
        return not self._has_looked and not is_first

    def _recall(self, context: Context, request: SynthesisRequest) -> dict[str, Any] | None:
        """Read what an earlier attempt wrote down about this very request."""
        store = context.get("task_state_store")
        record: Any = store.get(STATE_KEY) if store else None
        if not isinstance(record, dict) or not isinstance(record.get("started_at"), int | float):
            return None
        if record.get("key") != request.key:
            self.log.info("An earlier attempt asked Azure for something else; its job is left alone")
            return None
        return record

    def _remember(
        self, context: Context, request: SynthesisRequest, *, job_id: str | None = None, failed: int = 0
    ) -> None:
        """
        Write down for the next attempt what this one is about to buy, or has bought.

        :param failed: how many jobs of the same request failed before this one.
        """
        store = context.get("task_state_store")
        if store is not None:
            record: dict[str, JsonValue] = {"key": request.key, "started_at": time.time(), "failed": failed}
            if job_id:
                record["job_id"] = job_id
            store.set(STATE_KEY, record)

    def _forget(self, context: Context) -> None:
        store = context.get("task_state_store")
        if store is not None:
            store.delete(STATE_KEY)


def too_many_failed(reason: object) -> AzureJobsFailedError:
    """Say that so many jobs of one task instance failed that no other is bought."""
    return AzureJobsFailedError(
        f"{MOST_FAILED_JOBS} jobs for this task failed, and no other is bought. The last one: {reason} To buy again on "
        "purpose, delete the jobs or change the request."
    )


def _with_formats(error: AzureSpeechRefusedError, request: SynthesisRequest) -> AzureSpeechRefusedError:
    """Name the formats of the API where one that is none of them may be why it refused."""
    known = LONG_AUDIO_FORMATS if request.api is SynthesisApi.LONG_AUDIO else BATCH_FORMATS
    if not request.output_format or request.output_format in known or "format" not in str(error).lower():
        return error
    return AzureSpeechRefusedError(f"{error} Formats that it has are {', '.join(known)}.")
