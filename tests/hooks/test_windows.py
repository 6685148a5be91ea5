from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from typing import Any

import pytest

from narration.hooks.places import Place, Places
from narration.hooks.places_file import FilePlaces
from narration.hooks.places_redis import RedisPlaces
from narration.hooks.windows import SharedWindow, shared_window
from tests.hooks.sharing import all_of, moments_of
from tests.hooks.strict_service import StrictCounter


@pytest.fixture(params=["one machine", "several machines"])
def places(request, tmp_path) -> Places:
    """Wherever places are counted, the rules are the same."""
    if request.param == "one machine":
        return FilePlaces(tmp_path / "window.sqlite")
    return RedisPlaces(server=request.getfixturevalue("server"), name="window")


def window(places: Places, *, requests: int = 5, seconds: float = 0.2) -> SharedWindow:
    return SharedWindow(places=places, requests=requests, seconds=seconds)


def try_to_take(limit: SharedWindow) -> Place | None:
    place = limit._places.take(limit.rate, at_once=False)
    return None if isinstance(place, float) else place


def test_the_first_turns_are_taken_at_once_and_the_next_one_window_later(places):
    limit = window(places)
    start = time.monotonic()

    for _ in range(5):
        with limit.turn():
            pass
    assert time.monotonic() - start < 0.2

    with limit.turn():
        pass
    assert time.monotonic() - start >= 0.2


def test_a_strict_service_refuses_nobody_though_requests_need_different_times_to_arrive(places):
    limit, service = window(places), StrictCounter(requests=5, seconds=0.2)

    for number in range(40):
        with limit.turn():
            # The first of each five is slow on its way, the others are not: a limiter that counts its own turns
            # would let the sixth arrive too early.
            time.sleep(0.03 if number % 5 == 0 else 0)
            service.arrive()

    assert service.refused == 0


async def test_the_same_holds_on_the_event_loop(places):
    limit, service = window(places), StrictCounter(requests=5, seconds=0.2)

    async def ask(number: int) -> None:
        async with limit.aturn():
            await asyncio.sleep(0.02 if number % 2 else 0)
            service.arrive()

    await asyncio.gather(*(ask(number) for number in range(30)))

    assert service.refused == 0
    assert len(service.arrivals) == 30


def test_a_request_without_an_answer_keeps_its_place(places):
    limit = window(places, requests=1, seconds=0.05)
    start = time.monotonic()

    with limit.turn():
        assert try_to_take(limit) is None
        time.sleep(0.15)
        # Its window is over since it left, but nobody knows when it arrived.
        assert try_to_take(limit) is None

    with limit.turn():
        assert time.monotonic() - start >= 0.2


def test_a_place_is_given_back_when_the_request_failed(places):
    limit = window(places, requests=1, seconds=0.05)

    with pytest.raises(ConnectionError), limit.turn():
        raise ConnectionError

    with limit.turn():
        pass


def test_the_place_of_somebody_who_was_killed_is_free_again_in_the_end(places, monkeypatch):
    for module in ("places_file", "places_redis"):
        monkeypatch.setattr(f"narration.hooks.{module}._LONGEST_HOLD", 0.05)
    limit = window(places, requests=1, seconds=0.05)

    assert try_to_take(limit)

    with limit.turn():
        pass


def test_a_service_that_counts_strictly_refuses_none_of_eight_processes_with_ways_of_all_lengths(places):
    moments = moments_of(places, processes=8, turns=10, requests=10, seconds=0.4, longest_way=0.04)

    service = StrictCounter.of(moments, requests=10, seconds=0.4)
    assert (len(moments), service.refused) == (80, 0)


def test_a_fork_goes_on_with_the_same_count(places):
    limit = window(places, requests=2, seconds=60)
    with limit.turn():
        pass
    process = multiprocessing.get_context("fork").Process(target=try_to_take, args=(limit,))
    process.start()
    process.join()

    assert process.exitcode == 0
    assert try_to_take(limit) is None


def test_a_fork_and_the_process_that_made_it_do_not_disturb_each_other(places):
    limit = window(places, requests=1000, seconds=60)
    assert try_to_take(limit)

    def take_many() -> None:
        all_of(try_to_take(limit) for _ in range(100))

    process = multiprocessing.get_context("fork").Process(target=take_many)
    process.start()
    take_many()
    process.join()

    assert process.exitcode == 0
    left = window(places, requests=201, seconds=60)
    assert try_to_take(left) is None


def test_two_event_loops_share_it(places):
    limit, service = window(places), StrictCounter(requests=5, seconds=0.2)

    async def ask() -> None:
        async with limit.aturn():
            service.arrive()

    async def ask_often() -> None:
        await asyncio.gather(*(ask() for _ in range(10)))

    threads = [threading.Thread(target=asyncio.run, args=(ask_often(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(service.arrivals), service.refused) == (20, 0)


async def test_the_event_loop_goes_on_while_a_count_is_slow(places, monkeypatch):
    limit = window(places)
    take, ticks = places.take, 0

    def take_slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.2)
        return take(*args, **kwargs)

    monkeypatch.setattr(places, "take", take_slowly)

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with limit.aturn():
        ticking.cancel()

    assert ticks > 5


@pytest.mark.usefixtures("own_limits")
def test_who_is_limited_is_the_account_and_the_call():
    def name(account: str, call: str, requests: int = 5) -> str:
        return shared_window(account=account, call=call, requests=requests, seconds=1)._places.name

    assert name("a", "long-audio-v3.0") == name("a", "long-audio-v3.0")
    assert name("a", "long-audio-v3.0") != name("b", "long-audio-v3.0")
    assert name("a", "long-audio-v3.0") != name("a", "batch")
    # A new quota must not begin a second count beside the old one.
    assert name("a", "long-audio-v3.0") == name("a", "long-audio-v3.0", requests=9)


def test_a_lower_quota_counts_what_was_sent_under_the_higher_one(places):
    higher, lower = window(places, requests=4, seconds=0.2), window(places, requests=1, seconds=0.2)
    start = time.monotonic()
    for _ in range(4):
        with higher.turn():
            pass

    with lower.turn():
        assert time.monotonic() - start >= 0.2


async def test_whoever_is_cancelled_while_waiting_takes_no_place(places):
    limit = window(places, requests=1, seconds=0.3)
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


async def test_whoever_is_cancelled_while_a_place_is_being_taken_gives_it_back(places, monkeypatch):
    limit = window(places, requests=1, seconds=60)
    take, taken = places.take, threading.Event()

    def take_slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.05)
        result = take(*args, **kwargs)
        taken.set()
        return result

    monkeypatch.setattr(places, "take", take_slowly)

    async def wait() -> None:
        async with limit.aturn():
            raise AssertionError("it got a turn")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(taken.wait, 5)
    monkeypatch.undo()

    for _ in range(100):
        if try_to_take(limit):
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the place is still taken")


@pytest.mark.parametrize(
    ("latency", "deducted"), [(0.2, 0.18), (0.05, 0.03), (0.04, 0.02), (0.03, 0.015), (0.002, 0.001)]
)
def test_of_a_long_way_all_but_20_ms_is_deducted_and_of_a_short_one_half(places, latency, deducted):
    limit = window(places)
    for _ in range(30):
        found = limit._deducted(latency)

    assert found == pytest.approx(deducted)


def test_nothing_is_deducted_before_enough_answers_were_seen(places):
    limit = window(places)

    assert not any(limit._deducted(0.2) for _ in range(19))
    assert limit._deducted(0.2)


def test_the_first_quick_answer_after_slow_ones_counts_itself(places):
    limit = window(places)
    for _ in range(30):
        limit._deducted(0.5)

    # It cannot have arrived half a second before its answer: it had not left then.
    assert limit._deducted(0.05) == pytest.approx(0.03)


async def test_a_strict_service_far_away_refuses_nobody_though_the_ways_there_and_back_differ(places):
    limit, service = window(places, requests=5, seconds=0.1), StrictCounter(requests=5, seconds=0.1)

    async def ask(number: int) -> None:
        async with limit.aturn():
            # A round trip of 60 ms, quicker by up to 8 ms each way now and then.
            await asyncio.sleep(0.03 - 0.008 * (number % 3 == 0))
            service.arrive()
            await asyncio.sleep(0.03 - 0.008 * (number % 3 == 1))

    await asyncio.gather(*(ask(number) for number in range(50)))

    assert service.refused == 0
