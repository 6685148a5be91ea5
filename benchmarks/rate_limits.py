"""How near the shared limits come to what they allow, and whether they ever allow more.

Claim: N processes with one limit together make nearly all the calls that it allows, whether they share it on one
machine (SQLite) or through Redis, and in no stretch of a second more than that. There are two kinds of limit. ``calls``
counts when a call leaves (Polly): 97 % and more. ``window`` counts when a request has surely arrived (Azure): 92 % and
more, when ways of 0 to 40 ms there and back (``--way``) make it wait for the slowest of them in each window.

A process notes two moments around each call between which it was counted, so a busy machine cannot make it look as if
too much had been allowed; ``most_in_a_window`` counts the calls that surely fall into one stretch. The clock begins
with the first call, when all processes are ready, and the rate is that of whole windows after the first.

Run: ``.venv/bin/python benchmarks/rate_limits.py --processes 8 --per-second 40``; with ``--redis
redis://127.0.0.1:6379/9`` through that Redis (a database that may be emptied), without it on one machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "plugins")]

from narration.hooks.limits import SharedLimiter  # noqa: E402
from narration.hooks.limits_server import LimitServer  # noqa: E402
from narration.hooks.places import Places, Rate  # noqa: E402
from narration.hooks.places_file import FilePlaces  # noqa: E402
from narration.hooks.places_redis import RedisPlaces  # noqa: E402
from narration.hooks.windows import SharedWindow  # noqa: E402


class Noted(Places):
    """Places that remember when they were last asked."""

    def __init__(self, places: Places) -> None:
        self.asked, self._places = 0.0, places

    def take(self, rate: Rate, *, at_once: bool) -> Any:
        self.asked = time.monotonic()
        return self._places.take(rate, at_once=at_once)


def open_places(where: str, name: str) -> Places:
    """Give a count by what a process can be told."""
    if "://" not in where:
        return FilePlaces(Path(where) / f"{name}.sqlite")
    from redis import Redis

    return RedisPlaces(server=LimitServer(client=Redis.from_url(where, protocol=2), where=where), name=name)


def work(number: int, options: argparse.Namespace, where: str, together: Any, results: Any) -> None:
    """Call as often as the limit lets this process."""
    places, chance = Noted(open_places(where, options.kind)), random.Random(number)
    limiter = SharedLimiter(places=places, per_second=options.per_second)
    window = SharedWindow(places=places, requests=options.per_second, seconds=1.0)
    # What the first use costs is no part of it.
    open_places(where, "other").take(limiter.rate, at_once=True)
    together.wait(300)
    calls, used, end = [], time.process_time(), time.monotonic() + options.seconds
    while time.monotonic() < end:
        if options.kind == "calls":
            limiter.take()
            calls.append((places.asked, time.monotonic()))
        else:
            with window.turn():
                time.sleep(chance.uniform(0, options.way))
                arrived = time.monotonic()
                time.sleep(chance.uniform(0, options.way))
            calls.append((arrived, arrived))
    results.put((calls, time.process_time() - used))


def measure(options: argparse.Namespace, where: str) -> dict[str, Any]:
    """Have the processes work side by side, and say what came of it."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(options.processes), context.SimpleQueue()
    processes = [
        context.Process(target=work, args=(number, options, where, together, results))
        for number in range(options.processes)
    ]
    for process in processes:
        process.start()
    done = [results.get() for _ in processes]
    for process in processes:
        process.join()
    calls = sorted(call for found, _ in done for call in found)
    # Whoever waits when time is up calls once more, and then too few wait to fill a window.
    ends = min(found[-1][1] for found, _ in done)
    moments = sorted(latest for _, latest in calls if latest < ends)
    # A window's calls come together; whoever counts from first to last counts one window too many or too few.
    later = [moment for moment in moments if moment > moments[0] + 0.5]
    most = max(sum(begin <= early and late < begin + 1 for early, late in calls) for begin, _ in calls)
    return {
        "where": "redis" if "://" in where else "one machine",
        "kind": options.kind,
        "processes": options.processes,
        "allowed_per_second": options.per_second,
        "calls_per_second": round(len(later) / (later[-1] - moments[0]), 2),
        "most_in_a_window": most,
        "cpu_ms_per_call": round(1000 * sum(used for _, used in done) / len(calls), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("calls", "window"), default="calls")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--per-second", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--way", type=float, default=0.04)
    parser.add_argument("--redis", help="address of a Redis database; default: one machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, options.redis or folder)))


if __name__ == "__main__":
    main()
