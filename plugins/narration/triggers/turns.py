"""Turns for single calls to one account, so that many triggers that wake at once do not run into its quota."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import ClassVar
from weakref import WeakKeyDictionary


class Turns:
    """
    Space calls evenly, among all who take turns under one key in one event loop.

    A limit across processes has to be kept in a file, and to lock that would block the event loop. What several
    triggerers do together is left to the service's throttling, and to the retries that follow it.
    """

    _next: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, float]]] = WeakKeyDictionary()

    @classmethod
    async def take(cls, key: Hashable, *, per_second: float) -> None:
        """
        Wait for the next turn.

        :param key: whose quota it is.
        :param per_second: turns in a second; the first one after a pause comes at once.
        """
        loop = asyncio.get_running_loop()
        turns = cls._next.setdefault(loop, {})
        due = max(loop.time(), turns.get(key, 0.0))
        turns[key] = due + 1 / per_second
        await asyncio.sleep(due - loop.time())
