from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from narration.hooks.limits import SharedLimiter, shared_limiter
from narration.hooks.places import Places
from narration.hooks.places_file import FilePlaces
from narration.hooks.places_redis import RedisPlaces
from tests.hooks.sharing import calls_of


@pytest.fixture(params=["one machine", "several machines"])
def places(request, tmp_path) -> Places:
    """Wherever places are counted, the rules are the same."""
    if request.param == "one machine":
        return FilePlaces(tmp_path / "limit.sqlite")
    return RedisPlaces(server=request.getfixturevalue("server"), name="limit")


@pytest.fixture
def limiter(own_limits):
    return lambda **change: shared_limiter(**{"account": "polly:a:", "call": "read", "per_second": 10, **change})


def test_all_threads_and_processes_of_a_machine_share_one_account_s_calls(limiter):
    def calls(count: int) -> None:
        for _ in range(count):
            limiter().take()

    begun = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(calls, (5, 5)))
        # As another process would, which has only the file in common.
        shared_limiter.cache_clear()
        list(pool.map(calls, (1, 1)))

    assert time.monotonic() - begun > 0.9


def test_other_accounts_and_other_calls_have_limits_of_their_own(limiter):
    for _ in range(10):
        limiter().take()
    begun = time.monotonic()

    limiter(account="polly:b:").take()
    limiter(call="start:neural").take()

    assert time.monotonic() - begun < 0.9


def test_a_new_quota_counts_what_went_under_the_old_one(limiter):
    for _ in range(5):
        limiter().take()
    begun = time.monotonic()

    limiter(per_second=5).take()

    assert time.monotonic() - begun > 0.9


def test_a_user_without_a_name_can_be_limited_too(limiter, monkeypatch):
    # Containers often run as a number that no user has.
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))

    limiter().take()


def test_a_second_s_calls_go_at_once_and_the_next_one_a_second_later(places):
    limit = SharedLimiter(places=places, per_second=4)
    begun = time.monotonic()

    for _ in range(4):
        limit.take()
    assert time.monotonic() - begun < 0.5

    limit.take()
    assert time.monotonic() - begun >= 1


def test_a_call_needs_no_answer_to_make_room(places):
    limit = SharedLimiter(places=places, per_second=1)

    for _ in range(2):
        limit.take()

    # A place that was held for its answer would not be free for two minutes.
    assert not isinstance(places.take(SharedLimiter(places=places, per_second=2).rate, at_once=True), float)


async def test_the_event_loop_takes_its_turns_from_the_same_count(places):
    limit = SharedLimiter(places=places, per_second=4)
    begun = time.monotonic()
    await asyncio.to_thread(limit.take)

    await asyncio.gather(*(limit.atake() for _ in range(3)))
    assert time.monotonic() - begun < 0.9

    await limit.atake()
    assert time.monotonic() - begun >= 1


def test_in_no_second_do_eight_processes_call_more_often_than_is_allowed(places):
    calls = calls_of(places, processes=8, turns=5, per_second=20)

    assert len(calls) == 40
    # However busy the machine is, a call was counted between these two moments.
    for begin, _ in calls:
        assert sum(begin <= earliest and latest < begin + 1 for earliest, latest in calls) <= 20
