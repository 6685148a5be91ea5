"""The life of a job after it was accepted: NotStarted, Running, then Succeeded or Failed."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from include.local_cloud.agenda import Agenda
from include.local_cloud.azure.blobs import SERVICE_ACCOUNT, Blob, BlobStore
from include.local_cloud.azure.jobs import NOT_STARTED, Job, JobLedger
from include.local_cloud.clock import Clock
from include.local_cloud.trouble import Trouble

log = logging.getLogger(__name__)
# Jobs made at the same time; each has its inputs spoken by the processes that all of them share.
_SLOTS = 4
_AGAIN_AFTER = 5.0
_JOBS = "The state of the Azure jobs"


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of a job.

    :param status: ``Succeeded`` or ``Failed``.
    :param result: what its description gains, in the API's own terms. The place of its blobs goes into
        ``folder``: ``{"account", "container", "prefix"}`` of the service's own storage, removed with the job.
    :param billed: characters of the inputs that succeeded.
    :param files: the blobs to publish at the end of the job.
    """

    status: str
    result: Mapping[str, Any]
    billed: int
    files: tuple[tuple[Blob, Path], ...] = field(default=())


class Maker(Protocol):
    """Makes the jobs of one service; may be asked again for a job whose end was never recorded."""

    async def make(self, job: Job, inputs: list[str], folder: Path) -> Made:
        """Everything is made below ``folder``, which is removed afterwards.

        A job that cannot be made is a result like any other, with the status Failed. Only trouble with the disk
        may raise: OSError and sqlite3.Error have the job tried again.
        """
        ...


class JobWorker(Agenda[Job]):
    """Carries accepted jobs to their end, in order of creation, and picks up after a restart.

    Runs in the server's event loop. While the disk cannot be written, jobs wait and are tried every few seconds.

    :param makers: service -> what makes its jobs; more can be put in before the start.
    """

    def __init__(
        self, *, ledger: JobLedger, blobs: BlobStore, clock: Clock, trouble: Trouble, makers: dict[str, Maker]
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._trouble = trouble
        self.makers = makers
        super().__init__(clock=clock, slots=_SLOTS)

    def start(self) -> None:
        """Begin; call in the running event loop."""
        self._blobs.clear_scratch()
        self._begin(self._ledger.unfinished())

    def sweep(self) -> None:
        """Delete the jobs whose time to live is over, with their results."""
        expired = self._ledger.expired(now=self._clock.now())
        if expired:
            self.delete(*expired)

    def delete(self, *jobs: Job) -> None:
        """Delete jobs and the results in the service's own storage; what went to a customer's container stays."""
        self._ledger.delete(jobs)
        for job in jobs:
            if folder := job.result.get("folder"):
                self._blobs.remove(**folder)

    async def _carry(self, job: Job) -> None:
        """What is accepted is never dropped: whatever goes wrong, the job is tried again."""
        folder: Path | None = None
        try:
            try:
                folder = self._blobs.scratch()
                if job.status == NOT_STARTED:
                    job = self._ledger.begin(job, now=self._clock.now())
                made = await self.makers[job.service].make(job, self._ledger.inputs_of(job), folder)
            finally:
                self._slots.release()
            await self._sleep_until(job.end_after)
            for blob, file in made.files:
                await asyncio.to_thread(self._blobs.put, blob, file)
            self._ledger.finish(job, status=made.status, result=made.result, billed=made.billed, now=self._clock.now())
            self._trouble.ended(_JOBS)
            log.debug("Job %s %s.", job.job_id, made.status)
            return
        except (OSError, sqlite3.Error) as error:
            self._trouble.began(_JOBS, error)
        except Exception:
            log.exception("Carrying on the job %s went wrong; it is tried again.", job.job_id)
        finally:
            if folder is not None:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self.add(job, not_before=self._clock.now() + _AGAIN_AFTER)


def service_folder(*, container: str, prefix: str) -> dict[str, str]:
    """The ``folder`` of a result that lies in the service's own storage."""
    return {"account": SERVICE_ACCOUNT, "container": container, "prefix": prefix}
