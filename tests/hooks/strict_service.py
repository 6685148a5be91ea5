"""A service that counts arrivals in a sliding window, and refuses one too many."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable


class StrictCounter:
    """
    Count arrivals.

    :param requests: allowed in one window.
    :param seconds: length of the window.
    """

    def __init__(self, *, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self.arrivals: list[float] = []
        self.refused = 0
        self._window: deque[float] = deque()

    def arrive(self, now: float | None = None) -> None:
        """Count one that arrives now, or arrived then."""
        now = time.monotonic() if now is None else now
        while self._window and self._window[0] <= now - self.seconds:
            self._window.popleft()
        self.refused += len(self._window) >= self.requests
        self._window.append(now)
        self.arrivals.append(now)

    @classmethod
    def of(cls, moments: Iterable[float], *, requests: int, seconds: float) -> StrictCounter:
        """Count what several processes have noted."""
        counter = cls(requests=requests, seconds=seconds)
        for moment in sorted(moments):
            counter.arrive(moment)
        return counter
