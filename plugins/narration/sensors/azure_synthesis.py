"""Wait for a synthesis job at Azure, whichever of the three APIs made it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import AzureSpeechConnectionMixin
from narration.hooks.azure_errors import AzureJobNotFoundError, AzureSpeechError
from narration.hooks.azure_jobs import FAILED
from narration.hooks.azure_waiting import (
    AzureJobFailedError,
    AzureWaitTimeoutError,
    job_facts,
    job_failed,
    read_event,
)
from narration.hooks.failing import failing_at_once
from narration.sensors.failing import failing_as_asked

if TYPE_CHECKING:
    from airflow.sdk import Context


class AzureSynthesisSensorBase(AzureSpeechConnectionMixin, BaseSensorOperator):
    """
    Wait until a job has succeeded, and return its facts (see :func:`narration.hooks.azure_waiting.job_facts`).

    Looking costs nothing, so retries do not either. A job that the service failed, or does not know, fails the sensor
    without further attempts and with the service's reason, or skips it with ``soft_fail``: looking again cannot
    change either. Throttling and an unreachable service only lengthen the waiting.

    :param job_id: see the subclasses, as for all that follow.
    :param deferrable: Wait in the triggerer, holding no worker (default: ``[operators] default_deferrable``).
    :param poke_interval: Seconds between two looks (default: 30). All that talk to one resource share its rate limit.
    :param azure_speech_conn_id: Airflow connection (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = ("azure_speech_conn_id", "job_id", "region")
    ui_color = "#e6f1fa"

    def __init__(
        self,
        *,
        job_id: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 30,
        azure_speech_conn_id: str = "azure_speech_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.job_id = job_id
        self.deferrable = deferrable
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region

    @property
    @abstractmethod
    def api(self) -> SynthesisApi:
        """Which API knows the job."""

    @failing_at_once()
    def poke(self, context: Context) -> PokeReturnValue:
        try:
            job = self.hook.get_job(api=self.api, job_id=self.job_id)
        except AzureSpeechError as error:
            self.log.warning("Azure job %s: %s", self.job_id, error)
            return PokeReturnValue(is_done=False)
        except AzureJobNotFoundError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Azure job %s is %s", self.job_id, job.status)
        if job.status == FAILED:
            raise AirflowFailException(str(job_failed(job_facts(job))))
        return PokeReturnValue(is_done=job.is_finished, xcom_value=job_facts(job))

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        from narration.triggers.azure_synthesis import AzureSynthesisTrigger

        with failing_as_asked(self):
            look = self.poke(context)
        if look.is_done:
            return look.xcom_value
        self.defer(
            trigger=AzureSynthesisTrigger(
                api=self.api.value,
                job_id=self.job_id,
                end_time=time.time() + self.timeout,
                poll_interval=self.poke_interval,
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
            except (AzureJobFailedError, AzureJobNotFoundError) as error:
                raise AirflowFailException(str(error)) from error
            except AzureWaitTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error
