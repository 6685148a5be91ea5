from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
import time
from collections import deque
from pathlib import Path

import pytest

from narration.errors import NarrationError
from narration.hooks.windows import SharedWindow, shared_window


class StrictCounter:
    """A service that counts arrivals in a sliding window and refuses one too many."""

    def __init__(self, *, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self.arrivals: list[float] = []
        self.refused = 0
        self._window: deque[float] = deque()

    def arrive(self) -> None:
        now = time.monotonic()
        while self._window and self._window[0] <= now - self.seconds:
            self._window.popleft()
        self.refused += len(self._window) >= self.requests
        self._window.append(now)
        self.arrivals.append(now)


def window(folder: Path, *, requests: int = 5, seconds: float = 0.2) -> SharedWindow:
    return SharedWindow(path=folder / "window.sqlite", requests=requests, seconds=seconds)


def test_the_first_turns_are_taken_at_once_and_the_next_one_window_later(tmp_path):
    limit = window(tmp_path)
    start = time.monotonic()

    for _ in range(5):
        with limit.turn():
            pass
    assert time.monotonic() - start < 0.2

    with limit.turn():
        pass
    assert time.monotonic() - start >= 0.2


def test_a_strict_service_refuses_nobody_though_requests_need_different_times_to_arrive(tmp_path):
    limit, service = window(tmp_path), StrictCounter(requests=5, seconds=0.2)

    for number in range(40):
        with limit.turn():
            # The first of each five is slow on its way, the others are not: a limiter that counts its own turns
            # would let the sixth arrive too early.
            time.sleep(0.03 if number % 5 == 0 else 0)
            service.arrive()

    assert service.refused == 0


async def test_the_same_holds_on_the_event_loop(tmp_path):
    limit, service = window(tmp_path), StrictCounter(requests=5, seconds=0.2)

    async def ask(number: int) -> None:
        async with limit.aturn():
            await asyncio.sleep(0.02 if number % 2 else 0)
            service.arrive()

    await asyncio.gather(*(ask(number) for number in range(30)))

    assert service.refused == 0
    assert len(service.arrivals) == 30


def test_a_request_without_an_answer_keeps_its_place(tmp_path):
    limit = window(tmp_path, requests=1, seconds=0.05)
    start = time.monotonic()

    with limit.turn():
        taken, _ = limit._take()
        assert taken is None
        time.sleep(0.15)
        # Its window is over since it left, but nobody knows when it arrived.
        taken, _ = limit._take()
        assert taken is None

    with limit.turn():
        assert time.monotonic() - start >= 0.2


def test_a_place_is_given_back_when_the_request_failed(tmp_path):
    limit = window(tmp_path, requests=1, seconds=0.05)

    with pytest.raises(ConnectionError), limit.turn():
        raise ConnectionError

    with limit.turn():
        pass


def test_the_place_of_somebody_who_was_killed_is_free_again_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("narration.hooks.windows._LONGEST_HOLD", 0.05)
    limit = window(tmp_path, requests=1, seconds=0.05)

    assert limit._take()[0] is not None

    with limit.turn():
        pass


def test_what_was_written_before_the_machine_was_started_anew_holds_no_place(tmp_path):
    limit = window(tmp_path, requests=1, seconds=60)
    assert limit._take()[0] is not None
    with sqlite3.connect(limit._path) as database:
        database.execute("UPDATE turns SET taken = taken + 1e6")

    assert limit._take()[0] is not None


def _take_turns(path: str, turns: int, requests: int, seconds: float, arrived: multiprocessing.Queue) -> None:
    limit = SharedWindow(path=Path(path), requests=requests, seconds=seconds)
    for _ in range(turns):
        with limit.turn():
            arrived.put(time.monotonic())


def test_all_processes_of_a_machine_share_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    arrived: multiprocessing.Queue = context.Queue()
    arguments = (str(tmp_path / "window.sqlite"), 15, 5, 0.3, arrived)
    processes = [context.Process(target=_take_turns, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    moments = sorted(arrived.get(timeout=30) for _ in range(30))
    for process in processes:
        process.join()

    assert all(later - earlier > 0.3 for earlier, later in zip(moments, moments[5:], strict=False))


def test_a_fork_goes_on_with_the_same_count(tmp_path):
    limit = window(tmp_path, requests=2, seconds=60)
    with limit.turn():
        pass
    process = multiprocessing.get_context("fork").Process(target=limit._take)
    process.start()
    process.join()

    assert process.exitcode == 0
    assert limit._take()[0] is None


def test_who_is_limited_is_the_account_and_the_call():
    def limiter(account: str, call: str, requests: int = 5) -> SharedWindow:
        return shared_window(account=account, call=call, requests=requests, seconds=1)

    assert limiter("a", "long-audio-v3.0") is limiter("a", "long-audio-v3.0")
    assert limiter("a", "long-audio-v3.0")._path != limiter("b", "long-audio-v3.0")._path
    assert limiter("a", "long-audio-v3.0")._path != limiter("a", "batch")._path
    # A new quota must not begin a second count beside the old one.
    assert limiter("a", "long-audio-v3.0")._path == limiter("a", "long-audio-v3.0", requests=9)._path


def test_a_lower_quota_counts_what_was_sent_under_the_higher_one(tmp_path):
    higher, lower = window(tmp_path, requests=4, seconds=0.2), window(tmp_path, requests=1, seconds=0.2)
    start = time.monotonic()
    for _ in range(4):
        with higher.turn():
            pass

    with lower.turn():
        assert time.monotonic() - start >= 0.2


async def test_whoever_is_cancelled_while_waiting_takes_no_place(tmp_path):
    limit = window(tmp_path, requests=1, seconds=0.3)
    async with limit.aturn():
        pass
    start = time.monotonic()

    async def wait() -> None:
        async with limit.aturn():
            raise AssertionError("it got a turn")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async with limit.aturn():
        assert time.monotonic() - start < 0.6


async def test_whoever_is_cancelled_while_a_place_is_being_taken_gives_it_back(tmp_path, monkeypatch):
    limit = window(tmp_path, requests=1, seconds=60)
    take, taken = limit._take, threading.Event()

    def take_slowly() -> tuple[int | None, float]:
        time.sleep(0.05)
        result = take()
        taken.set()
        return result

    monkeypatch.setattr(limit, "_take", take_slowly)

    async def wait() -> None:
        async with limit.aturn():
            raise AssertionError("it got a turn")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(taken.wait, 5)

    for _ in range(100):
        if take()[0] is not None:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the place is still taken")


@pytest.mark.parametrize(
    ("latency", "deducted"), [(0.2, 0.18), (0.05, 0.03), (0.04, 0.02), (0.03, 0.015), (0.002, 0.001)]
)
def test_of_a_long_way_all_but_20_ms_is_deducted_and_of_a_short_one_half(tmp_path, latency, deducted):
    limit = window(tmp_path)
    for _ in range(30):
        found = limit._deducted(latency)

    assert found == pytest.approx(deducted)


def test_nothing_is_deducted_before_enough_answers_were_seen(tmp_path):
    limit = window(tmp_path)

    assert not any(limit._deducted(0.2) for _ in range(19))
    assert limit._deducted(0.2)


def test_the_first_quick_answer_after_slow_ones_counts_itself(tmp_path):
    limit = window(tmp_path)
    for _ in range(30):
        limit._deducted(0.5)

    # It cannot have arrived half a second before its answer: it had not left then.
    assert limit._deducted(0.05) == pytest.approx(0.03)


async def test_a_strict_service_far_away_refuses_nobody_though_the_ways_there_and_back_differ(tmp_path):
    limit, service = window(tmp_path, requests=5, seconds=0.1), StrictCounter(requests=5, seconds=0.1)

    async def ask(number: int) -> None:
        async with limit.aturn():
            # A round trip of 60 ms, quicker by up to 8 ms each way now and then.
            await asyncio.sleep(0.03 - 0.008 * (number % 3 == 0))
            service.arrive()
            await asyncio.sleep(0.03 - 0.008 * (number % 3 == 1))

    await asyncio.gather(*(ask(number) for number in range(50)))

    assert service.refused == 0


def test_a_file_that_cannot_be_counted_in_is_named_with_a_way_out(tmp_path):
    (tmp_path / "window.sqlite").write_bytes(b"not a database" * 100)

    with pytest.raises(NarrationError, match=r"window\.sqlite.*remove the file"), window(tmp_path).turn():
        pass


def test_a_file_that_somebody_cleaned_away_is_made_anew(tmp_path):
    limit = window(tmp_path)
    with limit.turn():
        pass
    limit._path.unlink()

    with limit.turn():
        pass

    assert limit._path.exists()
