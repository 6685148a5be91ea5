"""Wait for a synthesis task at Amazon Polly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from narration.hooks.aws_connection import AwsConnectionMixin, failing_at_once
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyTaskFailedError,
    PollyTaskNotFoundError,
    PollyUnavailableError,
    PollyWaitTimeoutError,
)
from narration.hooks.polly_tasks import COMPLETED, FAILED, UNSEEN_SECONDS, read_event, task_facts, task_failed
from narration.links.polly import PollyConsoleLink, PollyOutputObjectLink, persist_links
from narration.sensors.failing import failing_as_asked

if TYPE_CHECKING:
    from airflow.sdk import Context


class PollySpeechSynthesisTaskSensor(AwsConnectionMixin, BaseSensorOperator):
    """
    Wait until a synthesis task is completed, and return its facts.

    See :func:`narration.hooks.polly_tasks.task_facts` for what it returns. Looking costs nothing, so retries do not
    either. A task that Polly failed, or does not know (it forgets a task 72 hours after it was started), fails the
    sensor without further attempts, or skips it with ``soft_fail``: looking again cannot change either. Only in the
    first 5 minutes of the waiting may Polly not know the task, because its answers may lag behind the start.
    Throttling and an unreachable Polly only lengthen the waiting.

    .. seealso::
        https://docs.aws.amazon.com/polly/latest/API/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, for example ``start.output["task_id"]`` of a
        :class:`narration.operators.polly.PollyStartSpeechSynthesisTaskOperator` (templated).
    :param deferrable: Wait in the triggerer, holding no worker (default: ``[operators] default_deferrable``).
    :param poke_interval: Seconds between two looks (default: 30). Polly answers 10 looks per second for a whole
        account and Region, and poking sensors take no turns with anybody: let many of them look seldom, or defer,
        for then all that wait at one account share one look.
    :param completion_queue_url: URL of an SQS queue that is subscribed to the SNS topic which the task was started
        with (templated; default: none). The sensor then ends within moments of Polly's notice, and asks Polly only
        every ``fallback_interval``. A notice is a hint: Polly has the last word, so one that is lost, late, doubled,
        early or forged does no harm. Should the queue be unusable, the sensor waits as it does without one, and says
        why in its log. Only for ``deferrable=True``: a poking sensor would take other sensors' messages, so it
        ignores the queue. See ``docs/polly-notifications.md`` for the topic, the queue and the permissions.
    :param fallback_interval: Seconds between two looks while notices are awaited (default: 300).
    :param aws_conn_id: Airflow connection (templated; default: ``aws_default``).
    :param region_name: AWS Region of the synthesis task (templated; default: the connection's).
    :param verify: TLS verification, or a CA bundle (templated).
    :param botocore_config: Settings of the botocore client.
    """

    template_fields: Sequence[str] = (
        "aws_conn_id",
        "completion_queue_url",
        "region_name",
        "synthesis_task_id",
        "verify",
    )
    ui_color = "#efe8f8"
    operator_extra_links = (PollyOutputObjectLink(), PollyConsoleLink())

    def __init__(
        self,
        *,
        synthesis_task_id: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 30,
        completion_queue_url: str | None = None,
        fallback_interval: timedelta | float = 300,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.synthesis_task_id = synthesis_task_id
        self.deferrable = deferrable
        self.completion_queue_url = completion_queue_url
        if isinstance(fallback_interval, timedelta):
            fallback_interval = fallback_interval.total_seconds()
        if fallback_interval <= 0:
            raise PollyArgumentError("fallback_interval is in seconds and above 0; 300 is usual.")
        self.fallback_interval = fallback_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._linked = False
        self._first_look: float | None = None

    @failing_at_once()
    def poke(self, context: Context) -> PokeReturnValue:
        try:
            task = self.hook.get_speech_synthesis_task(self.synthesis_task_id)
        except PollyUnavailableError as error:
            self.log.warning("Polly task %s: %s", self.synthesis_task_id, error)
            return PokeReturnValue(is_done=False)
        except PollyTaskNotFoundError as error:
            if self._waiting_since(context) + UNSEEN_SECONDS <= time.time():
                raise
            self.log.warning("Polly task %s is not known yet: %s", self.synthesis_task_id, error)
            return PokeReturnValue(is_done=False)
        self.log.info("Polly task %s is %s", self.synthesis_task_id, task["TaskStatus"])
        if not self._linked:
            persist_links(context=context, operator=self, hook=self.hook, task=task)
            self._linked = True
        if task["TaskStatus"] == FAILED:
            raise AirflowFailException(str(task_failed(task)))
        return PokeReturnValue(is_done=task["TaskStatus"] == COMPLETED, xcom_value=task_facts(task))

    def _waiting_since(self, context: Context) -> float:
        """When this attempt began to wait, in seconds since the epoch."""
        # Rescheduled, each look is a process of its own.
        rescheduled = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        if rescheduled is not None:
            return rescheduled.timestamp()
        if self._first_look is None:
            self._first_look = time.time()
        return self._first_look

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            if self.completion_queue_url:
                self.log.info("completion_queue_url is used by deferrable sensors only: Polly is asked instead.")
            return super().execute(context)
        from narration.triggers.polly import PollySpeechSynthesisTaskTrigger

        with failing_as_asked(self):
            look = self.poke(context)
        if look.is_done:
            return look.xcom_value
        self.defer(
            trigger=PollySpeechSynthesisTaskTrigger(
                task_id=self.synthesis_task_id,
                end_time=time.time() + self.timeout,
                poll_interval=self.poke_interval,
                completion_queue_url=self.completion_queue_url or None,
                fallback_interval=self.fallback_interval,
                **self.connection_arguments,
            ),
            method_name="execute_complete",
            # A net below the trigger's own end, for a triggerer that is gone.
            timeout=timedelta(seconds=self.timeout + self.poke_interval + 60),
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the trigger's event."""
        with failing_as_asked(self):
            try:
                with failing_at_once():
                    return read_event(event)
            except PollyTaskFailedError as error:
                raise AirflowFailException(str(error)) from error
            except PollyWaitTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error
