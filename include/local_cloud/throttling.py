"""Token buckets: the calls per second that a service grants."""

from __future__ import annotations

from collections.abc import Mapping

from include.local_cloud.clock import Clock
from include.local_cloud.settings import Rate


class Throttle:
    """One bucket per Region and quota; refilled continuously by the cloud's clock."""

    def __init__(self, *, rates: Mapping[str, Rate], clock: Clock) -> None:
        self._rates = rates
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def admits(self, *, region: str, quota: str) -> bool:
        """Take one token, or say that there is none."""
        rate = self._rates[quota]
        now = self._clock.now()
        tokens, since = self._buckets.get((region, quota), (rate.burst, now))
        tokens = min(rate.burst, tokens + max(0.0, now - since) * rate.per_second)
        admitted = tokens >= 1.0
        self._buckets[region, quota] = (tokens - 1.0 if admitted else tokens, now)
        return admitted
