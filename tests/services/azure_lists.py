"""A list of jobs as the service pages it, in orders and with changes that the local cloud does not have."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_jobs import AzureJob

API = SynthesisApi.LONG_AUDIO


class Resource:
    """
    Stands in for the hook.

    :param jobs: in the order of the list.
    """

    def __init__(self, jobs: list[AzureJob]) -> None:
        self.jobs = jobs
        self.account = uuid4().hex
        self.pages = 0
        self.gets = 0
        self.after_page: Callable[[], object] = lambda: None

    @property
    def requests(self) -> int:
        return self.pages + self.gets

    def list_jobs(self, *, api: SynthesisApi, page_size: int = 100, skip: int = 0) -> Iterator[AzureJob]:
        while True:
            self.pages += 1
            page = self.jobs[skip : skip + page_size]
            skip += page_size
            is_last = skip >= len(self.jobs)
            self.after_page()
            yield from page
            if is_last:
                return

    async def list_jobs_async(
        self, *, api: SynthesisApi, page_size: int = 100, skip: int = 0
    ) -> AsyncIterator[AzureJob]:
        for job in self.list_jobs(api=api, page_size=page_size, skip=skip):
            yield job

    def get_job(self, *, api: SynthesisApi, job_id: str) -> AzureJob:
        self.gets += 1
        for job in self.jobs:
            if job.job_id == job_id:
                return job
        raise AzureJobNotFoundError("There is none.")

    async def get_job_async(self, *, api: SynthesisApi, job_id: str) -> AzureJob:
        return self.get_job(api=api, job_id=job_id)


def job(number: int, *, status: str = "Succeeded", at: float | None = None, last: float | None = None) -> AzureJob:
    return AzureJob(
        api=API,
        job_id=f"job-{number}",
        status=status,
        display_name=f"narration-{number}",
        created_at=1000.0 + number if at is None else at,
        last_action_at=last,
    )


def jobs(count: int, *, active: int = 0) -> list[AzureJob]:
    """Jobs from the oldest to the newest, one a second; the newest are active."""
    return [job(number, status="Running" if number >= count - active else "Succeeded") for number in range(count)]


def ordered(count: int, order: str, **more: int) -> Resource:
    made = jobs(count, **more)
    if order == "newest-first":
        made.reverse()
    elif order == "anyhow":
        random.Random(7).shuffle(made)
    return Resource(made)
