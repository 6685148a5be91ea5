"""Until when something may be done that must not be done later, by two clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """
    A moment after which nothing may be bought any more, because others no longer reckon with it.

    Two clocks, since neither will do alone: the monotonic one stands still while the machine is suspended, and the
    clock of the wall may be set back. Whichever comes first counts.

    :param wall: seconds since the epoch.
    :param monotonic: by the clock of :func:`time.monotonic`.
    """

    wall: float
    monotonic: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The moment that is so many seconds from now."""
        return cls(wall=time.time() + seconds, monotonic=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds until then; negative once it is over."""
        return min(self.wall - time.time(), self.monotonic - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether it is too late."""
        return self.left <= 0.0
