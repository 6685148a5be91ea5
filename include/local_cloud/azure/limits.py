"""Requests per stretch of time: a window that slides, per resource and API."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from include.local_cloud.azure.quotas import Window
from include.local_cloud.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Whether a request may go on, and what is left.

    :param reset: when the window is empty again, epoch seconds.
    :param retry_after: whole seconds until a request will be admitted; 0 when this one is.
    """

    admitted: bool
    limit: int
    remaining: int
    reset: float
    retry_after: int


class RequestLimits:
    """Counts the requests that were admitted; a refused one costs nothing."""

    def __init__(self, *, windows: Mapping[str, Window], clock: Clock) -> None:
        self._windows = windows
        self._clock = clock
        self._admitted: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def admit(self, *, service: str, account: str) -> Admission:
        """Take a place in the window, or say when there will be one."""
        window = self._windows[service]
        now = self._clock.now()
        admitted = self._admitted[service, account]
        while admitted and admitted[0] <= now - window.seconds:
            admitted.popleft()
        if len(admitted) >= window.requests:
            wait = admitted[0] + window.seconds - now
            return Admission(
                admitted=False,
                limit=window.requests,
                remaining=0,
                reset=admitted[-1] + window.seconds,
                retry_after=max(1, math.ceil(wait)),
            )
        admitted.append(now)
        return Admission(
            admitted=True,
            limit=window.requests,
            remaining=window.requests - len(admitted),
            reset=now + window.seconds,
            retry_after=0,
        )
