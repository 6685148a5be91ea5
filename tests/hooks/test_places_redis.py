from __future__ import annotations

import time

import pytest

from narration.hooks import limits_server, places_redis
from narration.hooks.places import Place, Rate
from narration.hooks.places_redis import RedisPlaces

MINUTE = Rate(requests=1, seconds=60, margin=0)
SHORT = Rate(requests=1, seconds=0.1, margin=0)


@pytest.fixture
def places(server) -> RedisPlaces:
    return RedisPlaces(server=server, name="test")


def taken(places: RedisPlaces, rate: Rate = MINUTE, *, at_once: bool = False) -> Place | None:
    place = places.take(rate, at_once=at_once)
    return None if isinstance(place, float) else place


@pytest.fixture
def at_once_again(monkeypatch):
    """Do not leave a Redis alone that did not answer."""
    monkeypatch.setattr(limits_server, "_ASK_AGAIN", 0)


def test_machines_whose_clocks_differ_share_one_count(places, server, monkeypatch):
    assert taken(places, at_once=True)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    elsewhere = RedisPlaces(server=server, name="test")
    monkeypatch.setattr(places_redis.time, "monotonic", lambda: 1e9)

    wait = elsewhere.take(MINUTE, at_once=True)

    assert isinstance(wait, float)
    assert 55 < wait <= 60


def test_whoever_must_wait_is_told_for_how_long(places):
    two = Rate(requests=2, seconds=60, margin=0.5)
    first, second = taken(places, two), taken(places, two)
    assert first
    assert second
    first.answered(ago=40)
    second.answered(ago=20)

    assert places.take(two, at_once=False) == pytest.approx(20.5, abs=5)
    # With the lower quota both must have left.
    assert places.take(Rate(requests=1, seconds=60, margin=0.5), at_once=False) == pytest.approx(40.5, abs=5)


def test_a_place_without_an_answer_is_looked_at_again_soon(places):
    assert taken(places, SHORT)
    time.sleep(0.12)

    assert places.take(SHORT, at_once=False) == pytest.approx(0.01)


def test_all_that_it_writes_expires_by_itself(places, redis):
    first = taken(places, Rate(requests=5, seconds=2, margin=0))
    assert first
    first.answered(ago=0)
    assert taken(places, Rate(requests=5, seconds=2, margin=0))

    with redis.client() as client:
        left = {key.decode(): client.pttl(key) for key in client.scan_iter()}

    assert set(left) == set(places.keys)
    assert 0 < left[places.keys[1]] <= 3_000
    assert 0 < left[places.keys[0]] <= 123_000


def test_a_question_that_is_asked_again_because_no_answer_came_takes_no_second_place(places, redis, monkeypatch):
    monkeypatch.setattr(places_redis, "uuid4", lambda: type("Name", (), {"hex": "the-same"}))

    assert taken(places)
    assert taken(places)

    with redis.client() as client:
        assert client.zcard(places.keys[0]) == 1


def test_what_lies_in_the_future_because_the_clock_was_set_back_counts_as_of_now(places, redis):
    with redis.client() as client:
        seconds, _ = client.time()
        client.zadd(places.keys[0], {"held": (seconds + 3600) * 1_000_000})
        client.zadd(places.keys[1], {"arrived": (seconds + 3600) * 1_000_000})
    two = Rate(requests=2, seconds=60, margin=0)

    assert places.take(two, at_once=False) == pytest.approx(60, abs=5)


def test_a_place_that_is_given_back_is_free_whether_it_was_held_or_counted(places):
    for at_once in (False, True):
        place = taken(places, at_once=at_once)
        assert place
        assert taken(places) is None
        place.give_back()

    assert taken(places)


@pytest.mark.usefixtures("at_once_again")
def test_after_redis_was_started_anew_and_has_forgotten_all_it_counts_again(places, redis):
    assert taken(places)
    redis.kill()
    redis.start()

    assert taken(places)
    assert taken(places) is None


def test_after_redis_was_emptied_an_answer_counts_all_the_same(places, redis):
    place = taken(places)
    with redis.client() as client:
        client.flushall()
    assert place
    place.answered(ago=0)

    assert taken(places) is None


@pytest.mark.usefixtures("at_once_again")
def test_an_answer_that_came_while_redis_did_not_answer_is_told_later(places, redis, monkeypatch):
    place = taken(places, SHORT)
    assert place
    with monkeypatch.context() as patch:
        patch.setattr(places._server, "ask", _away)
        place.answered(ago=0)
    time.sleep(0.12)
    # Another one, so that not the same call tells it and is told.
    assert taken(places, SHORT) is None

    assert taken(places, SHORT)


def _away(question):
    raise limits_server.RedisAwayError


def test_connections_that_redis_has_closed_meanwhile_are_made_anew_without_a_word(places, redis, caplog):
    many = Rate(requests=9, seconds=60, margin=0)
    assert taken(places, many)
    with redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)

    assert taken(places, many)
    assert not caplog.records


def test_the_oldest_redis_that_is_supported_needs_no_newer_protocol(places, redis):
    assert taken(places)

    with redis.client() as client:
        assert {each["resp"] for each in client.client_list() if each["cmd"].startswith("eval")} == {"2"}


def test_counts_of_other_names_know_nothing_of_each_other(places, server):
    assert taken(places)

    assert taken(RedisPlaces(server=server, name="other"))


def test_a_redis_that_needs_a_moment_is_waited_for(places, redis, caplog):
    with redis.client() as client:
        client.client_pause(300)

    assert taken(places)
    assert not caplog.records
