"""Moments of a narration as seen from outside: the bill, the store, the jobs at the services, the states of tasks."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from include.commands.rest import RestError
from narration.store import SUFFIXES

_AUDIO = rf"\.({'|'.join(sorted(set(SUFFIXES.values())))})$"
_BUSY = (0, 500, 503)


def patiently(ask: Callable[[], Any], *, seconds: float = 120) -> Any:
    """Ask a server that may be dead, starting or too busy at the moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except RestError as error:
            if error.status not in _BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


class Outside:
    """
    What can be seen of the narrations without asking their processes.

    :param airflow: the :class:`~tests.e2e.conftest.RunningAirflow` that is watched.
    """

    def __init__(self, airflow: Any) -> None:
        self._airflow = airflow

    def jobs(self) -> int:
        """How many jobs the services have accepted."""
        bill = patiently(lambda: self._airflow.session.cloud.request("GET", "/_local/bill"))
        return sum(charged["jobs"] for charged in bill.values())

    def files(self, folder: str) -> frozenset[str]:
        """The files of a folder of the store and of the folders in it."""
        # Several times faster than pathlib, and asked for many times a second.
        return frozenset(f"{path}/{name}" for path, _, names in os.walk(self._airflow.store / folder) for name in names)

    def intents(self) -> frozenset[tuple[str, str]]:
        """The purchases that are begun and not answered: order and clip."""
        found: set[tuple[str, str]] = set()
        for record in (self._airflow.store / "orders").glob("*.record.json"):
            found.update((record.name, key) for key in json.loads(record.read_text())["intents"])
        return frozenset(found)

    def unpublished(self, suffix: str) -> frozenset[str]:
        """Finished files of narrations that have no manifest."""
        files = self.files("narrations")
        return frozenset(
            path for path in files if path.endswith(suffix) and f"{os.path.dirname(path)}/manifest.json" not in files
        )

    def waiting(self) -> frozenset[tuple[Any, ...]]:
        """The task instances that wait without a worker."""
        query = {"state": "deferred", "limit": 200}
        found = patiently(
            lambda: self._airflow.api.request("GET", "/api/v2/dags/~/dagRuns/~/taskInstances", query=query)
        )
        names = ("dag_id", "dag_run_id", "task_id", "map_index", "try_number")
        return frozenset(tuple(ti[name] for name in names) for ti in found["task_instances"])

    def azure_jobs(self) -> frozenset[tuple[str, str]]:
        """The jobs that Azure keeps, as API and name."""
        jobs = patiently(lambda: self._airflow.session.cloud.request("GET", "/_local/azure/jobs"))["jobs"]
        return frozenset((job["api"], str(job.get("id"))) for job in jobs)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """
    A moment that can be seen from outside.

    :param look: what is looked at.
    :param came: tells from two looks in a row whether it came between them.
    :param every: seconds between two looks.
    :param begins_anew: whether only a narration that is started now is sure to come by.
    """

    name: str
    look: Callable[[Outside], Any]
    came: Callable[[Any, Any], bool]
    every: float = 0.02
    begins_anew: bool = False

    def await_in(self, outside: Outside, *, timeout: float) -> bool:
        """:return: whether it came within the timeout (seconds)."""
        deadline = time.monotonic() + timeout
        earlier = self.look(outside)
        while time.monotonic() < deadline:
            time.sleep(self.every)
            now = self.look(outside)
            if self.came(earlier, now):
                return True
            earlier = now
        return False


def _something_new(earlier: Iterable[Any], now: Iterable[Any]) -> bool:
    return bool(frozenset(now) - frozenset(earlier))


def _something_gone(earlier: Iterable[Any], now: Iterable[Any]) -> bool:
    return bool(frozenset(earlier) - frozenset(now))


def _in(folder: str, *, like: str) -> Callable[[Outside], frozenset[str]]:
    pattern = re.compile(like)
    return lambda outside: frozenset(path for path in outside.files(folder) if pattern.search(path))


DELETED = Moment(name="a job was deleted at Azure", look=Outside.azure_jobs, came=_something_gone)

MOMENTS = (
    Moment(name="a document was read", look=_in("documents", like=r"\.json$"), came=_something_new, begins_anew=True),
    Moment(name="a plan was written", look=_in("plans", like=r"\.json$"), came=_something_new, begins_anew=True),
    Moment(
        name="a clip was claimed", look=_in("clips", like=r"\.claim-1\.json$"), came=_something_new, begins_anew=True
    ),
    Moment(name="an intent was written", look=Outside.intents, came=_something_new, begins_anew=True),
    Moment(name="the bill grew", look=Outside.jobs, came=lambda earlier, now: now > earlier, begins_anew=True),
    Moment(name="a task was deferred", look=Outside.waiting, came=_something_new, every=0.2),
    Moment(name="a trigger fired", look=Outside.waiting, came=_something_gone, every=0.2),
    Moment(name="audio was written", look=_in("clips", like=_AUDIO), came=_something_new),
    Moment(name="a clip entered the store", look=_in("clips", like=r"/\w+\.json$"), came=_something_new),
    Moment(name="an MP3 without manifest", look=lambda o: o.unpublished(".mp3"), came=_something_new),
    Moment(name="an M4B without manifest", look=lambda o: o.unpublished(".m4b"), came=_something_new),
    DELETED,
)
