"""Before known jobs count as gone: is this the resource that bought them?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from narration.errors import NarrationError
from narration.synthesis.keys import order_of
from narration.synthesis.reconcile import Job, JobState

_YOUNG_SECONDS = 86_400.0
_MOST_NAMED = 3


class JobsNotFoundError(NarrationError):
    """The resource knows none of the jobs that were bought: it may be another one than theirs."""


def check_presence(
    hints: Sequence[Job], seen: Sequence[Job], *, longest_life: float, resource: Callable[[], str]
) -> None:
    """
    Make sure that jobs which the service does not know are not bought again at, or because of, a wrong resource.

    A key of another resource, a mistyped region or a gateway in between make every job unknown at once. One that is
    known shows that the resource is the right one. A single job that is some days old may have been deleted, and what
    was once taken for gone is not asked about a second time.

    :param hints: the jobs as they were remembered.
    :param seen: the same ones as the service sees them now.
    :param longest_life: seconds after which the service deletes a job by itself.
    :param resource: tells which one was asked, for the message.
    :raises JobsNotFoundError: nothing was bought, and nothing is noted of the jobs.
    """
    asked = [
        (hint, job)
        for hint, job in zip(hints, seen, strict=True)
        if hint.state is not JobState.FAILED or hint.not_found
    ]
    if not all(job.not_found for _, job in asked):
        return
    now = time.time()
    ages = {job.job_id: now - (job.created_at or now) for hint, job in asked if not hint.not_found}
    doubtful = [job for _, job in asked if ages.get(job.job_id, longest_life) < longest_life]
    if not doubtful or (len(asked) == 1 and ages[doubtful[0].job_id] >= _YOUNG_SECONDS):
        return
    named = ", ".join(job.job_id for job in doubtful[:_MOST_NAMED])
    records = ", ".join(sorted({f"orders/{order_of(job.job_key)}.record.json" for job in doubtful}))
    raise JobsNotFoundError(
        f"Azure Speech ({resource()}) knows none of the {len(asked)} job(s) that were bought and whose audio is not in "
        f"the storage yet ({named}). Is this the resource that bought them? Check key, region and address in the "
        "connection; nothing is bought again meanwhile. If the jobs were really deleted, remove the record of the "
        f"order from the storage ({records}) and start again: then they are bought anew."
    )
