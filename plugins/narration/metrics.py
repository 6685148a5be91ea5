"""
The metrics of this project, sent through Airflow's own statistics: one function for each thing that is counted.

Where they go is Airflow's configuration (``[metrics]``: StatsD, Datadog or OpenTelemetry), which also puts the prefix
``airflow.`` before each name. Where none is configured nothing is sent, and trouble with sending never fails a task.
StatsD without tags shows the sums over all tags. ``dag_id`` is that of the task at work, and is left out where there
is none. No tag holds a secret, a title or an id that grows without bound. docs/observability.md has the table.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from narration.logs import task_field

log = logging.getLogger(__name__)

#: What StatsD's names may not hold, which carry the tags too where StatsD has any.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def bought(*, service: str, engine: str, jobs: int, clips: int, characters: int) -> None:
    """
    Count purchases, at the moment when the service's acceptance is on record, and never again.

    Counters ``narration.jobs_bought``, ``narration.clips_bought`` and ``narration.characters_bought`` (billable
    characters as the service counts them, or by its rule where it tells only later), with the tags ``service``,
    ``engine``, ``dag_id``.
    """
    tags = {"service": service, "engine": engine}
    _count("narration.jobs_bought", jobs, tags)
    _count("narration.clips_bought", clips, tags)
    _count("narration.characters_bought", characters, tags)


def reused(*, service: str, engine: str, clips: int, characters: int) -> None:
    """
    Count what a plan found in the store and so does not buy.

    Counters ``narration.clips_reused`` and ``narration.characters_reused``, tagged as :func:`bought`.
    """
    tags = {"service": service, "engine": engine}
    _count("narration.clips_reused", clips, tags)
    _count("narration.characters_reused", characters, tags)


def adopted(*, service: str, jobs: int) -> None:
    """Count jobs found at the service and taken over: ``narration.jobs_adopted`` (``service``, ``dag_id``)."""
    _count("narration.jobs_adopted", jobs, {"service": service})


def failed(*, service: str, jobs: int) -> None:
    """Count jobs that the service made nothing of: ``narration.jobs_failed`` (``service``, ``dag_id``)."""
    _count("narration.jobs_failed", jobs, {"service": service})


def rejected(*, service: str, clips: int) -> None:
    """
    Count clips that a job should have made and that are not in the store: no audio, or audio that does not verify.

    Counter ``narration.clips_rejected`` (``service``, ``dag_id``).
    """
    _count("narration.clips_rejected", clips, {"service": service})


def throttled(*, service: str, call: str) -> None:
    """Count a call refused because of its rate: ``narration.calls_throttled`` (``service``, ``call``, ``dag_id``)."""
    _count("narration.calls_throttled", 1, {"service": service, "call": call})


def waiting(*, account: str, jobs: int) -> None:
    """
    Say how many unfinished jobs the tasks of this triggerer wait for.

    Gauge ``narration.jobs_waiting``, with the tags ``account`` (connection or resource, no secret) and ``hostname``:
    each triggerer tells its own number, and their sum is the whole.
    """
    _send(lambda stats, tags: stats.gauge("narration.jobs_waiting", jobs, tags=tags), account=account, **_host())


def retention_headroom(*, api: str, jobs: int) -> None:
    """
    Say how many more jobs the resource keeps before it refuses new ones: gauge ``narration.retention_headroom``.

    Tag ``api``; told by the Dag ``azure_retention`` for the API that has such a limit.
    """
    _send(lambda stats, tags: stats.gauge("narration.retention_headroom", jobs, tags=tags), api=api)


def published(*, service: str, seconds: float) -> None:
    """
    Count a narration that was not there before.

    Counters ``narration.narrations_published`` and ``narration.seconds_published`` (of audio, rounded), with the tags
    ``service``, ``dag_id``.
    """
    _count("narration.narrations_published", 1, {"service": service})
    _count("narration.seconds_published", round(seconds), {"service": service})


def job_collected(*, service: str, seconds: float) -> None:
    """
    Time a job from when the service accepted it until its clips were in the store.

    Timer ``narration.job_duration`` (milliseconds), with the tags ``service``, ``dag_id``.
    """
    _send(lambda stats, tags: stats.timing("narration.job_duration", 1000 * seconds, tags=tags), service=service)


@contextmanager
def assembling(*, service: str) -> Iterator[None]:
    """Time the block as the assembly of a narration: ``narration.assembly_duration`` (ms; ``service``, ``dag_id``)."""
    begun = time.monotonic()
    yield
    taken = 1000 * (time.monotonic() - begun)
    _send(lambda stats, tags: stats.timing("narration.assembly_duration", taken, tags=tags), service=service)


def _count(name: str, count: int, tags: dict[str, str]) -> None:
    if count > 0:
        _send(lambda stats, all_tags: stats.incr(name, count, tags=all_tags), **tags)


def _send(act: Callable[[Any, dict[str, str]], None], **tags: str) -> None:
    dag_id = task_field("dag_id") if "hostname" not in tags else None
    try:
        all_tags = {**tags, **({"dag_id": dag_id} if dag_id else {})}
        act(_stats(), {name: _UNSAFE.sub("_", value).strip("_") for name, value in all_tags.items()})
    except Exception as error:
        # A number is not worth a task that has paid for something. One line is enough, because all the others fail too.
        _complain(f"{type(error).__name__}: {error}")


@cache
def _stats() -> Any:
    """
    Give Airflow's statistics for tasks, configured.

    Airflow configures them in the process of a task. The triggerer has statistics of its own, and in it, and in
    ``dag.test()``, nobody configures these; to do so twice changes nothing.
    """
    from airflow.sdk import conf
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    stats.initialize(
        factory=get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on", fallback=True)
    )
    return stats


@cache
def _host() -> dict[str, str]:
    return {"hostname": socket.gethostname()}


@cache
def _complain(why: str) -> None:
    log.warning("Metrics of this process could not be sent (%s). Check [metrics] in Airflow's settings.", why)
