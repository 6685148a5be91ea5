"""Which jobs of an Azure resource are unfinished, asked for in the cheaper of two ways."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from narration.hooks.azure_api import LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from narration.services.azure_listing import Stretch, from_newest

_PAGES_UNTIL_KNOWN = 2


@dataclass(frozen=True, kw_only=True)
class AzureSight:
    """
    What one look saw; to be handed to the next.

    :param unfinished: ids of unfinished jobs.
    :param pages: requests that a listing took to meet all the jobs asked about, or would take at least; ``None`` if
        nothing was listed yet.
    :param length: how long the list is, or 0 if that is not known.
    """

    unfinished: frozenset[str] = frozenset()
    pages: int | None = None
    length: int = 0


async def unfinished_jobs(
    hook: AzureSpeechHook, *, api: SynthesisApi, job_ids: Collection[str], last: AzureSight | None = None
) -> AzureSight:
    """
    Tell which of some jobs are unfinished.

    One request for each job, or a listing from the newest job back: whichever takes fewer requests, as far as the
    last look showed. Azure lists finished jobs too, tens of thousands of them at worst, so a listing that turns out to
    be the dearer way is given up. A job that was not met in the list is asked for.

    :param job_ids: the jobs asked about; the answer may hold others.
    :param last: what the last look saw.
    """
    last = last or AzureSight()
    missing = set(job_ids)
    unfinished: set[str] = set()
    pages, length = last.pages, last.length
    if len(missing) > (_PAGES_UNTIL_KNOWN if pages is None else pages):

        def visit(job: AzureJob) -> None:
            if job.is_active:
                unfinished.add(job.job_id)
            missing.discard(job.job_id)

        def enough(_: Stretch) -> bool:
            return not missing

        walk, pages = from_newest(length=length, visit=visit, enough=enough), 0
        try:
            skip = next(walk)
            while pages < len(job_ids):
                pages += 1
                skip = walk.send(await _page(hook, api=api, skip=skip))
        except StopIteration as end:
            length = end.value.length or length
        finally:
            walk.close()
    for job_id in sorted(missing):
        with suppress(AzureJobNotFoundError):
            job = await hook.get_job_async(api=api, job_id=job_id)
            if job.is_active:
                unfinished.add(job_id)
    return AzureSight(unfinished=frozenset(unfinished), pages=pages, length=length)


async def _page(hook: AzureSpeechHook, *, api: SynthesisApi, skip: int) -> list[AzureJob]:
    page: list[AzureJob] = []
    async for job in hook.list_jobs_async(api=api, page_size=LIST_PAGE_SIZE, skip=skip):
        page.append(job)
        if len(page) == LIST_PAGE_SIZE:
            break
    return page
