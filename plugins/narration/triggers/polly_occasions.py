"""When to ask Polly about one task: when a sweep no longer sees it, or a notice has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from narration.services.base import SpeechService
from narration.triggers.polly_inbox import Watch
from narration.triggers.sweep import SharedSweep, Sighting

# A task that comes back within a moment of its deferral is sometimes failed by Airflow 3.3.2, whose scheduler still
# holds the executor's report of the attempt that deferred.
_FIRST_LOOK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """
    How often the account's unfinished tasks are looked at, in seconds between two looks.

    :param poll_interval: without a queue; while the queue cannot be used; and after a notice that came before Polly
        knew of the end.
    :param fallback_interval: while notices are awaited.
    """

    poll_interval: float
    fallback_interval: float


async def occasions(
    *,
    service: SpeechService,
    task_id: str,
    rhythm: Rhythm,
    watch: Watch | None = None,
    warn: Callable[[str | None], None] = lambda trouble: None,
) -> AsyncGenerator[None]:
    """
    Say, again and again, that it is worth asking Polly about a task. Close it when it is not needed any more.

    With a queue there is one sweep soon after the start: a notice may have come before anybody waited for it.

    :param service: lists the unfinished tasks.
    :param watch: tells of notices; without it there are only sweeps.
    :param warn: told when the queue becomes unusable (why), and when it is usable again (None).
    """
    told = looked = False
    trouble: str | None = None

    def interval() -> float:
        if watch is None:
            return rhythm.poll_interval
        if not looked:
            return min(rhythm.poll_interval, _FIRST_LOOK_SECONDS)
        return rhythm.poll_interval if told or trouble else rhythm.fallback_interval

    while True:
        joined = interval()
        async with SharedSweep.watching(
            service.account, look=service.outstanding_jobs, interval=joined, close=service.close
        ) as sweep:
            async with aclosing(_happenings(sweep, watch)) as happenings:
                async for sighting in happenings:
                    if watch is not None and watch.trouble != trouble:
                        trouble = watch.trouble
                        warn(trouble)
                    looked = looked or sighting is not None
                    notice = watch is not None and looked and watch.take_notice()
                    told = told or notice
                    # Over, or the account may not list, or the list failed: ask about this one.
                    unseen = sighting is not None and (sighting.error or task_id not in sighting.outstanding)
                    if notice or unseen:
                        yield
                    if interval() != joined:
                        break


async def _happenings(sweep: SharedSweep, watch: Watch | None) -> AsyncGenerator[Sighting | None]:
    """Give each sighting, and None when something about the watch has changed."""
    sightings = sweep.sightings()

    async def next_sighting() -> Sighting:
        return await anext(sightings)

    def next_change() -> asyncio.Task[object]:
        return asyncio.create_task(asyncio.Event().wait() if watch is None else watch.changed())

    looking, changing = asyncio.create_task(next_sighting()), next_change()
    try:
        while True:
            await asyncio.wait({looking, changing}, return_when=asyncio.FIRST_COMPLETED)
            if changing.done():
                changing = next_change()
                yield None
            if looking.done():
                sighting = looking.result()
                looking = asyncio.create_task(next_sighting())
                yield sighting
    finally:
        looking.cancel()
        changing.cancel()
        await asyncio.gather(looking, changing, return_exceptions=True)
