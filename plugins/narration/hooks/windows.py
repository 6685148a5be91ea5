"""So many requests in any window: one limit for one account, shared by all who use it, exactly kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache, partial

from narration.hooks.places import Place, Places, Rate, atake_place, take_place
from narration.hooks.places_shared import SharedPlaces

#: Between two of our windows, for what clocks and roundings do (seconds).
_MARGIN = 0.002
#: How many answers are remembered for the shortest time that one takes, and how many make that reliable.
_LATENCIES, _ENOUGH_LATENCIES = 100, 20
#: The most of that shortest time that is left undeducted (seconds).
_UNDEDUCTED = 0.02


class SharedWindow:
    """
    Let through at most ``requests`` requests in any ``seconds``, however many threads and processes ask.

    A server that counts in a sliding window counts when a request *arrives*, and the first of two may take longer on
    its way than the second. So a limiter that counts its own turns is either too slow or, now and then, too fast by
    the difference, and that one time is a 429. Here a turn lasts until the answer is there, which is proof that the
    request had arrived, and its place is free one window later. So much would make a distant service slower by a
    whole round trip each window, so a part of what every answer takes at least is deducted again
    (:meth:`_deducted`).

    :param places: where everybody counts.
    :param requests: requests in one window.
    :param seconds: length of the window.
    """

    def __init__(self, *, places: Places, requests: int, seconds: float) -> None:
        self.rate = Rate(requests=requests, seconds=seconds, margin=_MARGIN)
        self._places = places
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place; send the request within."""
        place = take_place(self._places, self.rate, at_once=False)
        start = time.monotonic()
        try:
            yield
        finally:
            self._answered(place, start, time.monotonic())

    @asynccontextmanager
    async def aturn(self) -> AsyncIterator[None]:
        """Wait for a place on the event loop, which is never blocked; send the request within."""
        place = await atake_place(self._places, self.rate, at_once=False)
        start = time.monotonic()
        try:
            yield
        finally:
            # Not awaited: whoever is cancelled here must not wait, and the moment is known already.
            answered = partial(self._answered, place, start, time.monotonic())
            asyncio.get_running_loop().run_in_executor(None, answered)

    def _answered(self, place: Place, start: float, end: float) -> None:
        deducted = self._deducted(end - start)
        place.answered(ago=time.monotonic() - end + deducted)

    def _deducted(self, latency: float) -> float:
        """
        How long before its answer a request has counted as arrived, at no risk for the one that takes its place.

        It arrived before its answer by the answer's way back, and the next request, sent one window later, will be
        under way too. So the way back of the one and the way there of the other may be deducted: a round trip, made
        of two halves that were not measured together. Either may be quicker than in the quickest whole round trip
        that was seen, hence 20 ms less than that, which is more than ways of one length differ by. Of a round trip
        of less than 40 ms, where 20 ms are too much to leave or more than all of it, half is deducted.

        If the way suddenly becomes shorter by more than that, the service may refuse a request, which is then
        repeated; nothing is lost by it. This very request counts as one that was seen, because its way back was not
        longer than all of it.
        """
        with self._lock:
            self._latencies.append(latency)
            if len(self._latencies) < _ENOUGH_LATENCIES:
                return 0.0
            shortest = min(self._latencies)
        return max(shortest / 2, shortest - _UNDEDUCTED)


@lru_cache(maxsize=64)
def shared_window(*, account: str, call: str, requests: int, seconds: float) -> SharedWindow:
    """
    Give the limit of one kind of call of one account.

    Callers send their request within ``turn()`` or, on an event loop, ``aturn()``. Who shares the count is said in
    :mod:`narration.hooks.places_shared`.

    :param account: who is limited.
    :param call: the kind of call.
    :param requests: calls allowed in any window.
    :param seconds: length of the window.
    """
    return SharedWindow(places=SharedPlaces(account=account, call=call), requests=requests, seconds=seconds)
