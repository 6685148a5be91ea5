"""Waiting for an Azure synthesis job without holding a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError, AzureSpeechError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_waiting import job_facts, pause_after, timed_out


class AzureSynthesisTrigger(BaseTrigger):
    """
    Wait until a synthesis job of any of Azure's three APIs is finished.

    It only reads, so it may run twice or anew on another triggerer. It asks for its own job, and takes turns with
    everything else that talks to the resource. The first look is one interval after the start, because whoever defers
    has just looked. Throttling and an unreachable service do not end the waiting; ``end_time`` does, after one last
    look.

    The single event holds ``status``, ``job_id`` and ``message``, and for the first two of these also ``job`` (see
    :func:`narration.hooks.azure_waiting.job_facts`, which holds no signed URL):

    * ``succeeded``, ``failed``: what the service said.
    * ``not_found``: the service does not know the job; it was deleted, or its time to live is over.
    * ``timeout``: ``end_time`` has passed, and the job goes on at the service.
    * ``refused``: the service will not answer this connection, or there is none; another attempt would fail the same
      way.
    * ``error``: the waiting broke off; another attempt may pass.

    :param api: a value of :class:`narration.hooks.azure_api.SynthesisApi`.
    :param job_id: the job's id.
    :param end_time: when to stop waiting, in seconds since the epoch: it must hold in another process too.
    :param poll_interval: seconds between two looks.
    :param azure_speech_conn_id: as the operator's.
    :param region: as the operator's.
    """

    def __init__(
        self,
        *,
        api: str,
        job_id: str,
        end_time: float,
        poll_interval: float = 30,
        azure_speech_conn_id: str = "azure_speech_default",
        region: str | None = None,
    ) -> None:
        super().__init__()
        self.api = SynthesisApi(api)
        self.job_id = job_id
        self.end_time = end_time
        self.poll_interval = poll_interval
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "api": self.api.value,
                "job_id": self.job_id,
                "end_time": self.end_time,
                "poll_interval": self.poll_interval,
                "azure_speech_conn_id": self.azure_speech_conn_id,
                "region": self.region,
            },
        )

    def hook(self) -> AzureSpeechHook:
        """Create the hook that this trigger reads with."""
        return AzureSpeechHook(azure_speech_conn_id=self.azure_speech_conn_id, region=self.region)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(await self._outcome())

    async def on_kill(self) -> None:
        """Cancel nothing: Azure cannot delete a job that waits or runs, and what is paid for is worth keeping."""
        self.log.info(
            "Nobody waits for Azure job %s here any more. Azure cannot cancel it: it goes on, and the next attempt "
            "adopts it.",
            self.job_id,
        )

    async def _outcome(self) -> dict[str, Any]:
        hook = self.hook()
        try:
            return await self._watch(hook)
        except AzureJobNotFoundError as error:
            return self._event("not_found", str(error))
        except PermanentNarrationError as error:
            return self._event("refused", str(error))
        except NarrationError as error:
            return self._event("error", str(error))
        finally:
            await hook.close()

    async def _watch(self, hook: AzureSpeechHook) -> dict[str, Any]:
        trouble, pause = "", self.poll_interval
        while True:
            await asyncio.sleep(max(0.0, min(pause, self.end_time - time.time())))
            try:
                job = await hook.get_job_async(api=self.api, job_id=self.job_id)
            except AzureSpeechError as error:
                self.log.warning("Azure job %s: %s", self.job_id, error)
                trouble, pause = f" The last look failed: {error}", pause_after(error, poll_interval=self.poll_interval)
            else:
                self.log.info("Azure job %s is %s", self.job_id, job.status)
                trouble, pause = "", self.poll_interval
                if job.is_finished:
                    return self._finished(job)
            if time.time() >= self.end_time:
                return self._event("timeout", timed_out(self.job_id, trouble=trouble))

    def _finished(self, job: AzureJob) -> dict[str, Any]:
        return self._event(job.status.lower(), f"Azure job {job.job_id} is {job.status}", job=job_facts(job))

    def _event(self, status: str, message: str, **more: Any) -> dict[str, Any]:
        return {"status": status, "job_id": self.job_id, "message": message, **more}
