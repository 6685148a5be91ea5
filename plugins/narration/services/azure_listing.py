"""Going through an Azure resource's jobs without reading more of a long list than is needed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from narration.hooks.azure_api import LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook


@dataclass(frozen=True, kw_only=True)
class Reading:
    """
    A part of a list.

    :param jobs: in no particular order, some maybe twice.
    :param length: how many jobs the list has, as far as this reading tells.
    """

    jobs: list[AzureJob]
    length: int


def newest_jobs(hook: AzureSpeechHook, *, api: SynthesisApi, since: float, length: int) -> Reading:
    """
    Read all jobs that were created since some moment, and maybe older ones.

    The lists have no filter and their order is not documented. Once their first page shows one, only the end with
    the newest jobs is read.

    :param since: seconds since the epoch.
    :param length: how long the list was when it was last read.
    """
    first = _page(hook, api=api, skip=0)
    newest_first = _is_newest_first(first)
    if len(first) < LIST_PAGE_SIZE:
        return Reading(jobs=first, length=len(first))
    if newest_first is not False:
        jobs = first
        for job in hook.list_jobs(api=api, skip=LIST_PAGE_SIZE):
            if newest_first and _is_before(job, since):
                return Reading(jobs=jobs, length=length)
            jobs.append(job)
        return Reading(jobs=jobs, length=len(jobs))
    skip = max(0, length - LIST_PAGE_SIZE)
    page = jobs = list(hook.list_jobs(api=api, skip=skip))
    end = skip + len(jobs)
    # Backwards, which is also safe while somebody deletes old jobs: what moves up is read a second time.
    while skip > 0 and not any(_is_before(job, since) for job in page):
        skip = max(0, skip - LIST_PAGE_SIZE)
        page = _page(hook, api=api, skip=skip)
        jobs = [*jobs, *page]
        end = max(end, skip + len(page)) if page else skip
    return Reading(jobs=jobs, length=end)


def count_active(hook: AzureSpeechHook, *, api: SynthesisApi, at_most: int) -> int:
    """
    Count unfinished jobs, and stop at a number beyond which it does not matter.

    Looks from the newest jobs back to the first whole page on which everything is finished: jobs are made about in
    the order in which they came.
    """
    first = _page(hook, api=api, skip=0)
    newest_first = _is_newest_first(first)
    active, skip, step = 0, 0, LIST_PAGE_SIZE
    if len(first) == LIST_PAGE_SIZE and newest_first is False:
        skip, step = _last_page(hook, api=api), -LIST_PAGE_SIZE
    while active < at_most:
        page = first if skip == 0 else _page(hook, api=api, skip=skip)
        here = sum(job.is_active for job in page)
        active += here
        is_last = len(page) < LIST_PAGE_SIZE if step > 0 else skip == 0
        if is_last or (not here and newest_first is not None and len(page) == LIST_PAGE_SIZE):
            break
        skip += step
    return min(active, at_most)


def _page(hook: AzureSpeechHook, *, api: SynthesisApi, skip: int) -> list[AzureJob]:
    return list(islice(hook.list_jobs(api=api, page_size=LIST_PAGE_SIZE, skip=skip), LIST_PAGE_SIZE))


def _is_before(job: AzureJob, moment: float) -> bool:
    return job.created_at is not None and job.created_at < moment


def _is_newest_first(page: list[AzureJob]) -> bool | None:
    """Tell the order of a list from its first page; ``None`` if that does not show it."""
    moments = [job.created_at for job in page if job.created_at is not None]
    if not moments or moments[0] == moments[-1]:
        return None
    return moments[0] > moments[-1]


def _last_page(hook: AzureSpeechHook, *, api: SynthesisApi) -> int:
    """Find where the last page of a list begins that has several: how many jobs there are, Azure does not say."""

    def reaches(page: int) -> bool:
        return next(iter(hook.list_jobs(api=api, page_size=1, skip=page * LIST_PAGE_SIZE)), None) is not None

    last, beyond = 0, 1
    while reaches(beyond):
        last, beyond = beyond, beyond * 2
    while beyond - last > 1:
        middle = (last + beyond) // 2
        last, beyond = (middle, beyond) if reaches(middle) else (last, middle)
    return last * LIST_PAGE_SIZE
