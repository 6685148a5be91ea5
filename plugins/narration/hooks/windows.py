"""So many requests in any window: one limit for one account, shared by every process of a machine, exactly kept."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import lru_cache, partial
from pathlib import Path

from narration.errors import NarrationError
from narration.hooks.machine import shared_folder
from narration.synthesis.keys import digest

log = logging.getLogger(__name__)

#: Between two of our windows, for what clocks and roundings do (seconds).
_MARGIN = 0.002
#: How often a caller looks again while every place is held by a request without an answer (seconds).
_LOOK_AGAIN = 0.01
#: How long a request may hold its place without an answer; the holder may have been killed (seconds).
_LONGEST_HOLD = 120.0
#: How many answers are remembered for the shortest time that one takes, and how many make that reliable.
_LATENCIES, _ENOUGH_LATENCIES = 100, 20
#: The most of that shortest time that is left undeducted (seconds).
_UNDEDUCTED = 0.02

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    taken REAL NOT NULL,
    arrived REAL
)
"""


class SharedWindow:
    """
    Let through at most ``requests`` requests in any ``seconds``, however many threads and processes ask.

    A server that counts in a sliding window counts when a request *arrives*, and the first of two may take longer on
    its way than the second. So a limiter that counts its own turns is either too slow or, now and then, too fast by
    the difference, and that one time is a 429. Here a turn lasts until the answer is there, which is proof that the
    request had arrived, and its place is free one window later. So much would make a distant service slower by a
    whole round trip each window, so a part of what every answer takes at least is deducted again
    (:meth:`_deducted`).

    pyrate-limiter, which keeps Polly's limit, has no such second moment: it writes a turn down when it is taken and
    cannot change it afterwards, and it would block the event loop on its file lock. Hence SQLite itself, whose own
    lock works between processes.

    :param path: the SQLite file that everybody shares.
    :param requests: requests in one window.
    :param seconds: length of the window.
    """

    def __init__(self, *, path: Path, requests: int, seconds: float) -> None:
        self.requests = requests
        self.seconds = seconds
        self._path = path
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place; send the request within."""
        while True:
            taken, wait = self._take()
            if taken is not None:
                break
            time.sleep(wait)
        start = time.monotonic()
        try:
            yield
        finally:
            self._answered(taken, start, time.monotonic())

    @asynccontextmanager
    async def aturn(self) -> AsyncIterator[None]:
        """Wait for a place on the event loop, which is never blocked; send the request within."""
        loop = asyncio.get_running_loop()
        while True:
            taking = loop.run_in_executor(None, self._take)
            try:
                taken, wait = await asyncio.shield(taking)
            except asyncio.CancelledError:
                taking.add_done_callback(partial(self._give_back, loop))
                raise
            if taken is not None:
                break
            await asyncio.sleep(wait)
        start = time.monotonic()
        try:
            yield
        finally:
            # Not awaited: whoever is cancelled here must not wait, and the moment is known already.
            loop.run_in_executor(None, self._answered, taken, start, time.monotonic())

    def _take(self) -> tuple[int | None, float]:
        """Take a place, or say how long there will be none."""
        try:
            return self._take_from_file()
        except sqlite3.Error as error:
            raise NarrationError(
                f"The rate limit that this machine shares cannot be counted in {self._path} ({error}). Make room on "
                "that disk, or remove the file; it is made anew."
            ) from error

    def _take_from_file(self) -> tuple[int | None, float]:
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            now = time.monotonic()
            # What lies in the future was written before the machine was started anew.
            database.execute(
                "DELETE FROM turns WHERE taken > :now OR arrived <= :free OR taken <= :dead",
                {"now": now, "free": now - self.seconds - _MARGIN, "dead": now - self.seconds - _LONGEST_HOLD},
            )
            held = database.execute("SELECT taken, arrived FROM turns").fetchall()
            if len(held) < self.requests:
                taken = database.execute("INSERT INTO turns (taken) VALUES (?)", (now,)).lastrowid
                database.execute("COMMIT")
                return taken, 0.0
            database.execute("COMMIT")
        return None, self._wait(held, now)

    def _wait(self, held: list[tuple[float, float | None]], now: float) -> float:
        frees = sorted((taken if arrived is None else arrived) + self.seconds + _MARGIN for taken, arrived in held)
        # Somebody must leave before there is room; with fewer places than before (a lower quota) more than one.
        return max(frees[len(held) - self.requests] - now, _LOOK_AGAIN if self._unanswered(held) else 0.001)

    @staticmethod
    def _unanswered(held: list[tuple[float, float | None]]) -> bool:
        return any(arrived is None for _, arrived in held)

    def _give_back(self, loop: asyncio.AbstractEventLoop, taking: asyncio.Future[tuple[int | None, float]]) -> None:
        """Free the place that was taken for somebody who no longer wants it."""
        if not taking.cancelled() and not taking.exception() and (taken := taking.result()[0]) is not None:
            loop.run_in_executor(None, self._write, "DELETE FROM turns WHERE id = ?", (taken,))

    def _answered(self, taken: int, start: float, end: float) -> None:
        self._write("UPDATE turns SET arrived = ? WHERE id = ?", (end - self._deducted(end - start), taken))

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

    def _write(self, statement: str, values: tuple[float, ...]) -> None:
        try:
            with self._opened() as database:
                database.execute(statement, values)
        except sqlite3.Error as error:
            # The request was sent; its place stays taken until it is given up for dead.
            log.warning("The end of a turn could not be written to %s: %s", self._path, error)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # Opened for each use: a connection survives neither a fork nor a change of threads.
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as database:
            # A limit need not survive a power cut.
            database.execute("PRAGMA synchronous=OFF")
            # Each time, because whoever cleans the temporary folder may have taken the file away.
            database.execute(_SCHEMA)
            yield database


@lru_cache(maxsize=64)
def shared_window(*, account: str, call: str, requests: int, seconds: float) -> SharedWindow:
    """
    Give the limit of one kind of call of one account.

    Callers send their request within ``turn()`` or, on an event loop, ``aturn()``. The count is kept in a SQLite file
    in the temporary folder, so that every process of a machine shares it; the service's own throttling, which every
    caller also honours, is what holds between machines.

    :param account: who is limited.
    :param call: the kind of call.
    :param requests: calls allowed in any window.
    :param seconds: length of the window.
    """
    # Not the rate: processes with an older quota must go on sharing with those that have the new one.
    name = digest({"account": account, "call": call})[:16]
    return SharedWindow(path=shared_folder() / f"window-{name}.sqlite", requests=requests, seconds=seconds)
