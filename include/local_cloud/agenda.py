"""What was accepted and is to be carried to its end: one thing after another, by the cloud's own clock."""

from __future__ import annotations

import asyncio
import heapq
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

from include.local_cloud.clock import Clock

log = logging.getLogger(__name__)
_LONGEST_SLEEP = 3600.0


class Due(Protocol):
    """Something with a moment before which it does not begin, and a place in the order of creation."""

    @property
    def begin_after(self) -> float: ...
    @property
    def seq(self) -> int: ...


Item = TypeVar("Item", bound=Due)


class Agenda(ABC, Generic[Item]):
    """Carries things on in the server's event loop, in order of creation, so many at a time.

    :param clock: the cloud's clock; when it is moved, what has become due begins.
    :param slots: how many are carried on at once. Whoever carries one on gives its slot back.
    """

    def __init__(self, *, clock: Clock, slots: int) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(slots)
        self._waiting: list[tuple[float, int, Item]] = []
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[None]] = set()
        clock.on_advance(self._clock_moved)

    @abstractmethod
    async def _carry(self, item: Item) -> None:
        """Carry one on to its end, and give back its slot."""

    def _begin(self, items: Iterable[Item]) -> None:
        """Begin, with what an earlier process left; call in the running event loop."""
        self._loop = asyncio.get_running_loop()
        for item in items:
            self.add(item)
        self._spawn(self._dispatch())

    async def stop(self) -> None:
        self._loop = None
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def add(self, item: Item, *, not_before: float = 0.0) -> None:
        heapq.heappush(self._waiting, (max(item.begin_after, not_before), item.seq, item))
        self._wake()

    def _clock_moved(self, _: float) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _spawn(self, work: Any) -> None:
        running = asyncio.get_running_loop().create_task(work)
        self._running.add(running)
        running.add_done_callback(self._finished)

    def _finished(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        if not running.cancelled() and running.exception() is not None:
            log.error("Carrying on went wrong.", exc_info=running.exception())

    async def _sleep_until(self, moment: float) -> None:
        while (left := moment - self._clock.now()) > 0:
            await self._change(left)

    async def _change(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, _LONGEST_SLEEP)):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _dispatch(self) -> None:
        while True:
            await self._slots.acquire()
            while not self._waiting or self._waiting[0][0] > self._clock.now():
                left = self._waiting[0][0] - self._clock.now() if self._waiting else _LONGEST_SLEEP
                await self._change(left)
            _, _, item = heapq.heappop(self._waiting)
            self._spawn(self._carry(item))
