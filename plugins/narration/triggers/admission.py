"""How many of those who wait for room at a service are let go to try, and when."""

from __future__ import annotations

_LONGEST_PAUSE = 60.0
_SOON = 60.0
_MOST_PER_LOOK = 8


class Admission:
    """
    Let those who wait for room at a service go and try: slowly, unless room was seen to appear.

    A look sees the jobs that are waited for here, and not what others have under way. So room is certain only where
    one of the jobs seen has finished: as many may go as did. Beyond that it is tried out: one a minute goes, and twice
    as many each time that a minute passes in which nobody comes back. Each that is turned away costs the start of a
    worker.

    Whoever begins to wait was told a moment ago that the service is full. So one that begins soon after others were
    let go is taken for one of them.

    All moments are seconds on any clock that only goes forward.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._seen_free = 0
        self._admitted_this_look = 0
        self._pause = _LONGEST_PAUSE
        self._next = 0.0
        self._last: float | None = None
        self._trying_since: float | None = None

    def join(self, *, now: float) -> None:
        """Somebody begins to wait for room."""
        self._waiting += 1
        if self._last is not None and now - self._last <= _SOON:
            self._seen_free = 0
            self._slow_down(self._last)
        elif self._waiting == 1:
            self._slow_down(now)

    def leave(self) -> None:
        """Somebody no longer waits."""
        self._waiting -= 1

    def looked(self, *, finished: int) -> None:
        """
        Begin anew after a look.

        :param finished: jobs that were unfinished at the look before and are asked about still.
        """
        self._admitted_this_look = 0
        self._seen_free += finished

    def admit(self, *, now: float, room: int) -> bool:
        """
        Let one go.

        :param room: how many more jobs the service took at most when it was looked at.
        """
        if self._admitted_this_look >= min(room, _MOST_PER_LOOK):
            return False
        if self._trying_since is not None and now - self._trying_since >= _SOON:
            self._pause /= 2
            self._trying_since = now
        if self._seen_free:
            self._seen_free -= 1
        elif now >= self._next:
            # What was not used in a minute is not made up for.
            self._next = max(self._next, now - _LONGEST_PAUSE) + self._pause
        else:
            return False
        self._admitted_this_look += 1
        self._last = now
        if self._trying_since is None:
            self._trying_since = now
        return True

    def _slow_down(self, since: float) -> None:
        self._pause = _LONGEST_PAUSE
        self._next = max(self._next, since + self._pause)
        self._trying_since = None
