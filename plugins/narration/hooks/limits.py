"""So many calls in any second, counted when they leave: one limit for one account, shared by all who use it."""

from __future__ import annotations

from functools import lru_cache

from narration.hooks.places import Places, Rate, atake_place, take_place
from narration.hooks.places_shared import SharedPlaces

#: Between two of our seconds, for ways to the service of different lengths (seconds).
_MARGIN = 0.02


class SharedLimiter:
    """
    Let through at most ``per_second`` calls in any second, however many threads and processes ask.

    For a service that refills its quota all the time and forgives a call that arrives a little early, as Polly does:
    a call counts when it leaves. Where a service counts strictly, use :class:`narration.hooks.windows.SharedWindow`.

    :param places: where everybody counts.
    :param per_second: calls in any second.
    """

    def __init__(self, *, places: Places, per_second: int) -> None:
        self.rate = Rate(requests=per_second, seconds=1.0, margin=_MARGIN)
        self._places = places

    def take(self) -> None:
        """Wait for a turn; call the service thereafter."""
        take_place(self._places, self.rate, at_once=True)

    async def atake(self) -> None:
        """Wait for a turn on the event loop, which is never blocked; call the service thereafter."""
        await atake_place(self._places, self.rate, at_once=True)


@lru_cache(maxsize=64)
def shared_limiter(*, account: str, call: str, per_second: int) -> SharedLimiter:
    """
    Give the limiter of one kind of call of one account.

    Who shares the count is said in :mod:`narration.hooks.places_shared`.

    :param account: who is limited.
    :param call: the kind of call.
    :param per_second: calls allowed in any second.
    """
    return SharedLimiter(places=SharedPlaces(account=account, call=call), per_second=per_second)
