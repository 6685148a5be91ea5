"""Places in a window of time: what a limit gives out, wherever it keeps its count."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial

#: How often a caller looks again while every place is held by a request without an answer (seconds).
_LOOK_AGAIN = 0.01
_LOOK_AGAIN_AT_THE_EARLIEST = 0.001


@dataclass(frozen=True, kw_only=True)
class Rate:
    """
    How many requests are let through.

    :param requests: requests in one window.
    :param seconds: length of the window.
    :param margin: seconds between two windows, for what clocks, roundings and ways of different lengths do.
    """

    requests: int
    seconds: float
    margin: float


class Place(ABC):
    """One request's place."""

    @abstractmethod
    def answered(self, *, ago: float) -> None:
        """
        Say when the request arrived; the place is free one window after that.

        Raises nothing: the request was sent, and a place of which nothing is heard is given up for dead.

        :param ago: seconds.
        """

    @abstractmethod
    def give_back(self) -> None:
        """Free the place at once: no request was sent."""


class Places(ABC):
    """The places of one kind of call of one account, counted in one spot for all who can reach it."""

    @abstractmethod
    def take(self, rate: Rate, *, at_once: bool) -> Place | float:
        """
        Take a place, or say after how many seconds to ask again. Blocks for as long as it takes to ask.

        :param at_once: the request counts as arrived now; otherwise it holds its place until :meth:`Place.answered`.
        :raises narration.errors.NarrationError: there is no counting, with what to do about it.
        """


def take_place(places: Places, rate: Rate, *, at_once: bool) -> Place:
    """Wait for a place; see :meth:`Places.take`."""
    while isinstance(place := places.take(rate, at_once=at_once), float):
        time.sleep(place)
    return place


async def atake_place(places: Places, rate: Rate, *, at_once: bool) -> Place:
    """Wait for a place on the event loop, which is never blocked; see :meth:`Places.take`."""
    loop = asyncio.get_running_loop()
    while True:
        taking = loop.run_in_executor(None, partial(places.take, rate, at_once=at_once))
        try:
            place = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(partial(_give_back, loop))
            raise
        if not isinstance(place, float):
            return place
        await asyncio.sleep(place)


def _give_back(loop: asyncio.AbstractEventLoop, taking: asyncio.Future[Place | float]) -> None:
    """Free the place that was taken for somebody who no longer wants it."""
    if not taking.cancelled() and not taking.exception() and not isinstance(place := taking.result(), float):
        loop.run_in_executor(None, place.give_back)


def pause(seconds: float, *, unanswered: bool) -> float:
    """
    Say when to ask again.

    :param seconds: until the next place is free, if whoever holds it is answered at once.
    :param unanswered: somebody holds a place without an answer.
    """
    return max(seconds, _LOOK_AGAIN if unanswered else _LOOK_AGAIN_AT_THE_EARLIEST)
