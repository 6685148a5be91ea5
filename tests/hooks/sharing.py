"""Several processes at one limit."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from narration.hooks import limits_server
from narration.hooks.limits import SharedLimiter
from narration.hooks.limits_server import LimitServer
from narration.hooks.places import Places
from narration.hooks.places_file import FilePlaces
from narration.hooks.places_redis import RedisPlaces
from narration.hooks.windows import SharedWindow
from tests.redis_server import ENCODED


def all_of(places: Iterable[object | None]) -> None:
    assert all(places)


def moments_of(
    places: Places, *, processes: int, turns: int, requests: int, seconds: float, longest_way: float
) -> list[float]:
    """When the requests of so many processes arrived, each of which took a way of a length of its own."""
    work = partial(_requests, _again(places), turns, requests, seconds, longest_way)
    return _side_by_side(work, processes=processes)


def calls_of(places: Places, *, processes: int, turns: int, per_second: int) -> list[tuple[float, float]]:
    """Between which two moments each of the calls of so many processes was counted."""
    return _side_by_side(partial(_calls, _again(places), turns, per_second), processes=processes)


def _again(places: Places) -> Callable[[], Places]:
    """The same count, for a process that has nothing else in common."""
    if isinstance(places, FilePlaces):
        return partial(FilePlaces, places.path)
    assert isinstance(places, RedisPlaces)
    port = places._server.client.connection_pool.connection_kwargs["port"]
    return partial(_places_in_redis, port, places.keys[0].split(":")[2])


def _places_in_redis(port: int, name: str) -> RedisPlaces:
    # Without Airflow's masking of secrets, whose import would take each process seconds.
    client = limits_server._client_of(f"redis://:{ENCODED}@127.0.0.1:{port}/1")
    assert client is not None
    return RedisPlaces(server=LimitServer(client=client, where="the tests"), name=name)


def _side_by_side(work: Callable[..., None], *, processes: int) -> list[Any]:
    context = multiprocessing.get_context("spawn")
    together, moments = context.Barrier(processes), context.SimpleQueue()
    running = [context.Process(target=work, args=(number, together, moments)) for number in range(processes)]
    for process in running:
        process.start()
    found = [moment for _ in running for moment in moments.get()]
    for process in running:
        process.join()
    return found


def _requests(
    make: Callable[[], Places],
    turns: int,
    requests: int,
    seconds: float,
    longest_way: float,
    number: int,
    together: Any,
    moments: Any,
) -> None:
    limit, chance = SharedWindow(places=make(), requests=requests, seconds=seconds), random.Random(number)
    found = []
    together.wait(60)
    for _ in range(turns):
        with limit.turn():
            time.sleep(chance.uniform(0, longest_way))
            found.append(time.monotonic())
            time.sleep(chance.uniform(0, longest_way))
    moments.put(found)


def _calls(make: Callable[[], Places], turns: int, per_second: int, number: int, together: Any, moments: Any) -> None:
    asked = []
    places = make()
    take = places.take

    def note(*args: Any, **kwargs: Any) -> Any:
        asked.append(time.monotonic())
        return take(*args, **kwargs)

    places.take = note  # type: ignore[method-assign]
    limit = SharedLimiter(places=places, per_second=per_second)
    found = []
    together.wait(60)
    for _ in range(turns):
        limit.take()
        found.append((asked[-1], time.monotonic()))
    moments.put(found)


def wait_until(what: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
