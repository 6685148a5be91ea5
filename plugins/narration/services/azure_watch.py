"""Which jobs of an Azure resource are unfinished, asked for in the cheaper of two ways."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from narration.hooks.azure_api import LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_speech import AzureSpeechHook

_PAGES_UNTIL_KNOWN = 2


@dataclass(frozen=True, kw_only=True)
class AzureSight:
    """
    What one look saw.

    :param unfinished: ids of unfinished jobs.
    :param pages_to_list: requests that a listing took to meet all the jobs asked about, or would take at least; to be
        handed to the next look.
    """

    unfinished: frozenset[str]
    pages_to_list: int | None


async def unfinished_jobs(
    hook: AzureSpeechHook, *, api: SynthesisApi, job_ids: Collection[str], pages_to_list: int | None
) -> AzureSight:
    """
    Tell which of some jobs are unfinished.

    One request for each job, or a listing of them all: whichever takes fewer requests, as far as the last look
    showed. Azure lists finished jobs too, tens of thousands of them at worst, so a listing that turns out to be the
    dearer way is given up.

    :param job_ids: the jobs asked about; the answer may hold others.
    :param pages_to_list: from the last look; ``None`` at first.
    """
    missing = set(job_ids)
    unfinished: set[str] = set()
    if len(missing) > (_PAGES_UNTIL_KNOWN if pages_to_list is None else pages_to_list):
        entries, most = 0, len(missing) * LIST_PAGE_SIZE
        async for job in hook.list_jobs_async(api=api):
            entries += 1
            if job.is_active:
                unfinished.add(job.job_id)
            missing.discard(job.job_id)
            if not missing or entries >= most:
                break
        else:
            # All there is was listed: what was not among it is gone.
            missing.clear()
        pages_to_list = -(-entries // LIST_PAGE_SIZE) or 1
    for job_id in sorted(missing):
        with suppress(AzureJobNotFoundError):
            job = await hook.get_job_async(api=api, job_id=job_id)
            if job.is_active:
                unfinished.add(job_id)
    return AzureSight(unfinished=frozenset(unfinished), pages_to_list=pages_to_list)
