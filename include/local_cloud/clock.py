"""The cloud's own clock: wall time, plus whatever it was moved forward."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Epoch seconds that a test or the admin endpoint can move forward.

    Everything timed in the cloud (creation dates, the 72 hours of a task, token
    buckets, latencies) reads this one clock, so moving it moves all of them.

    :param source: where real time comes from; a constant makes a frozen clock.
    :param offset: seconds already moved forward, as kept in the state.
    """

    def __init__(self, *, source: Callable[[], float] = time.time, offset: float = 0.0) -> None:
        self._source = source
        self._offset = offset
        self._listeners: list[Callable[[float], None]] = []

    @property
    def offset(self) -> float:
        return self._offset

    def now(self) -> float:
        return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        """Move forward. Backwards is refused: creation order must stay the order of time."""
        if seconds < 0:
            raise ValueError(f"The clock only moves forward, and {seconds} is negative.")
        self._offset += seconds
        for listener in list(self._listeners):
            listener(self._offset)

    def on_advance(self, listener: Callable[[float], None]) -> None:
        """Call ``listener(offset)`` after every move, in the thread that moved it."""
        self._listeners.append(listener)
