"""One look at an account's unfinished jobs per tick, shared by every trigger of a triggerer that waits on it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

from narration import logs, metrics
from narration.triggers.admission import Admission

log = logging.getLogger(__name__)

_PAUSE_PER_LOOK = 4.0
# Less than the time by which Airflow's own timeout of a deferral is later than the end of the waiting.
_LONGEST_PAUSE = 120.0

Look = Callable[[frozenset[str]], Awaitable[frozenset[str]]]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """
    What one sweep saw.

    :param outstanding: ids of unfinished jobs; empty when the sweep failed.
    :param error: why the sweep failed, if it did.
    """

    outstanding: frozenset[str] = frozenset()
    error: str | None = None


class SharedSweep:
    """
    Ask a service once per tick which jobs are unfinished, and tell everybody who waits.

    The cost of waiting is one listing per tick and account, however many orders wait: Polly allows ten Get and List
    calls per second for a whole account, which a thousand waiting tasks that asked for themselves would use up many
    times over. The sweep runs while somebody watches and ends with its last watcher. From the end of one look to the
    next it rests for the shortest interval of its watchers, and longer when the account is so busy that a look takes
    long: looking takes up at most a fifth of the time, unless that would make a pause of more than two minutes.

    :param account: the account, for logs and metrics.
    :param look: tells which of the jobs that somebody waits for are unfinished; may name others too.
    :param close: closes what ``look`` keeps open; called when the last watcher has gone.
    """

    _running: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, SharedSweep]]] = WeakKeyDictionary()

    def __init__(
        self,
        *,
        account: str,
        look: Look,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._account = account
        self._look = look
        self._close = close
        self._changed = asyncio.Condition()
        self._begun = 0
        self._finished = 0
        self._last = Sighting()
        self._intervals: list[float] = []
        self._job_ids: Counter[str] = Counter()
        self._admission = Admission()
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def watching(
        cls,
        key: Hashable,
        *,
        look: Look,
        interval: float,
        job_ids: Collection[str] = (),
        wants_room: bool = False,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[SharedSweep]:
        """
        Join the sweep of an account, starting it if nobody watches yet.

        :param key: the account; watchers with the same key share one sweep, at the shortest of their intervals.
        :param job_ids: jobs that this watcher waits for.
        :param wants_room: whether it was told that the service is full, and will ask :meth:`admit`.
        """
        sweeps = cls._running.setdefault(asyncio.get_running_loop(), {})
        sweep = sweeps.get(key)
        if sweep is None:
            sweep = sweeps[key] = cls(account=str(key), look=look, close=close)
            # In a context of its own: it outlives the trigger that began it, in whose log its lines would be lost.
            sweep._task = asyncio.create_task(sweep._run(), context=contextvars.Context())
        sweep._intervals.append(interval)
        sweep._job_ids.update(job_ids)
        if wants_room:
            sweep._admission.join(now=asyncio.get_running_loop().time())
        sweep._joined.set()
        try:
            yield sweep
        finally:
            sweep._intervals.remove(interval)
            sweep._job_ids.subtract(job_ids)
            if wants_room:
                sweep._admission.leave()
            if not sweep._intervals:
                sweeps.pop(key, None)
                if sweep._task is not None:
                    sweep._task.cancel()
                    await asyncio.gather(sweep._task, return_exceptions=True)
                metrics.waiting(account=sweep._account, jobs=0)
                if sweep._close is not None:
                    await sweep._close()

    async def sightings(self) -> AsyncIterator[Sighting]:
        """
        Give every sighting whose look began after this call.

        The look that may be under way is skipped: it may have begun before the watcher's jobs were bought, and not
        to see them would then mean nothing.
        """
        seen = self._begun
        while True:
            async with self._changed:
                while self._finished <= seen:
                    await self._changed.wait()
                seen = self._finished
                sighting = self._last
            yield sighting

    def admit(self, *, max_active_jobs: int) -> bool:
        """Let one of those who wait for room go and try; see :class:`~narration.triggers.admission.Admission`."""
        if self._last.error is not None:
            return False
        room = max_active_jobs - len(self._last.outstanding)
        return self._admission.admit(now=asyncio.get_running_loop().time(), room=room)

    async def _until_due(self, *, ended: float, took: float) -> None:
        """Wait for the next look; somebody who joins with a shorter interval brings it forward."""
        while True:
            pause = max(min(self._intervals, default=0.0), min(_PAUSE_PER_LOOK * took, _LONGEST_PAUSE))
            due = ended + pause
            self._joined.clear()
            try:
                async with asyncio.timeout_at(due):
                    await self._joined.wait()
            except TimeoutError:
                return

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        logs.begin(account=self._account)
        took = 0.0
        unfinished: frozenset[str] = frozenset()
        while True:
            await self._until_due(ended=loop.time(), took=took)
            self._begun += 1
            begun = loop.time()
            asked = frozenset(+self._job_ids)
            logs.add(jobs=len(asked))
            finished = 0
            try:
                sighting = Sighting(outstanding=await self._look(asked))
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Whatever it is, the watchers decide how long to bear it; the sweep goes on.
                log.warning("The status sweep failed and is repeated: %s: %s", type(error).__name__, error)
                sighting = Sighting(error=f"{type(error).__name__}: {error}")
            else:
                # Those that nobody asks about any more need not have finished.
                finished = len((unfinished & asked) - sighting.outstanding)
                unfinished = sighting.outstanding
                metrics.waiting(account=self._account, jobs=len(asked & unfinished))
            took = loop.time() - begun
            async with self._changed:
                self._last = sighting
                self._finished = self._begun
                self._admission.looked(finished=finished)
                self._changed.notify_all()
