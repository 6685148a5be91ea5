"""The alert for a night that is not over when it should be."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from narration.errors import PermanentNarrationError
from narration.notices.notice import Event, Notice
from narration.notices.runs import duration, run_url
from narration.notices.sending import send
from narration.notices.settings import SECTION, notice_settings

if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert

log = logging.getLogger(__name__)

KEY = "nightly_deadline"
OPTION = "AIRFLOW__NARRATION__NIGHTLY_DEADLINE"
"""The environment variable that says how long a night may take."""

DEFAULT = timedelta(hours=6)
OFF = ("off", "none", "0")

_RUNS_LOOKED_AT = 60
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", re.IGNORECASE)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


class DeadlineError(PermanentNarrationError):
    """The option does not say how long a night may take."""


def nightly_deadline(*, schedule: str = "") -> DeadlineAlert | None:
    """
    Give the alert of a Dag whose runs are to be over in time: ``DAG(…, deadline=nightly_deadline())``.

    Counted from the end of the run's interval, so that a night that never starts is late as well. The option says how
    long (``6h``, ``90m``, ``1h30m``; a number alone is minutes; ``off`` for no alert). One that cannot be read is
    logged, and 6 hours hold.

    Airflow knows when an interval begins, which is the run's logical date, and not when it ends; so the longest time
    between two runs is added. Not counted from when a run was queued: in Airflow 3.3.2 a run with such an alert cannot
    be cleared before the alert is over (``TypeError`` in ``_recalculate_dagrun_queued_at_deadlines``). A run without a
    logical date has no deadline.

    :param schedule: cron expression of the Dag; empty for one whose runs are about the moment of their logical date.

    Airflow's triggerer calls :func:`tell_of_deadline` when the time is over. ``airflow dags test`` has no triggerer,
    and in Airflow 3.3.2 breaks off at the end of a successful run whose Dag has an alert: there, none is given.
    """
    if sys.argv[1:3] == ["dags", "test"]:
        return None
    from airflow.sdk import conf
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    try:
        allowed = parse_deadline(str(conf.get(SECTION, KEY, fallback="")))
    except DeadlineError as error:
        log.warning("%s", error)
        allowed = DEFAULT
    if allowed is None:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=longest_interval(schedule) + allowed,
        callback=AsyncCallback(tell_of_deadline, kwargs={"allowed_seconds": allowed.total_seconds()}),
    )


def longest_interval(schedule: str) -> timedelta:
    """
    Give the longest time between two runs.

    :param schedule: cron expression, or a preset such as ``@daily``; empty for no time at all, and so is one that
        Airflow will refuse when it reads the Dag.
    """
    from croniter import CroniterError, croniter

    if not schedule.strip():
        return timedelta()
    try:
        moments = croniter(schedule, datetime(2026, 1, 1, tzinfo=UTC))
        times = [moments.get_next(datetime) for _ in range(_RUNS_LOOKED_AT)]
    except (CroniterError, ValueError, KeyError):
        return timedelta()
    return max(after - before for before, after in itertools.pairwise(times))


def parse_deadline(text: str) -> timedelta | None:
    """
    Read the option.

    :return: ``None`` for no deadline.
    :raises DeadlineError: if it says nothing that can be understood.
    """
    text = text.strip()
    if not text:
        return DEFAULT
    if text.lower() in OFF:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        text = f"{text}m"
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise DeadlineError(f"{OPTION} is {text!r}, so 6 hours hold. Write for example 6h, 90m or 1h30m; or off.")
    allowed = timedelta()
    for number, unit in parts:
        allowed += timedelta(**{_UNITS[unit.lower()]: float(number)})
    if allowed <= timedelta():
        raise DeadlineError(f"{OPTION} is {text!r}, so 6 hours hold. Write off if there is to be no deadline.")
    return allowed


async def tell_of_deadline(*, allowed_seconds: float, context: Mapping[str, Any] | None = None) -> str:
    """
    Tell people that a run is late. Runs in the triggerer and never raises: Airflow would log the run's whole conf.

    :param allowed_seconds: how long the run might have taken.
    :param context: what Airflow knows of the run: ``dag_run``, as its REST API gives it, and ``deadline``.
    :return: what was done, which Airflow keeps with the callback.
    """
    try:
        notice = late_notice(context or {}, allowed=timedelta(seconds=allowed_seconds))
        if notice is None:
            return "Not late, or a backfill: nobody was told."
        settings = notice_settings()
        # In a thread: the notifiers wait for their servers, and here all triggers wait for each other.
        reached = await asyncio.to_thread(send, notice, settings=settings)
    except Exception as error:
        log.error("A run is late and nobody could be told: %s", type(error).__name__, exc_info=True)
        return f"Failed: {type(error).__name__}"
    log.warning("%s", "\n".join((notice.title, *notice.lines)))
    return f"Told {', '.join(map(str, reached)) or 'nobody'}."


def late_notice(context: Mapping[str, Any], *, allowed: timedelta) -> Notice | None:
    """
    Say that a run is late.

    Airflow calls also for a run that has failed in time, because it takes back only the deadlines of those that
    succeeded. And all runs of a backfill are queued at once, so most of them are late by their nature: nobody is told.
    """
    run: Mapping[str, Any] = context.get("dag_run") or {}
    due = _moment((context.get("deadline") or {}).get("deadline_time"))
    ended = _moment(run.get("end_date"))
    dag_id, run_id = str(run.get("dag_id") or "a Dag"), str(run.get("dag_run_id") or "")
    if ended is not None and due is not None and ended <= due:
        log.info("%s %s had ended before its deadline; nobody is told.", dag_id, run_id)
        return None
    if run.get("run_type") == "backfill":
        log.info("%s %s is of a backfill and past its deadline; nobody is told.", dag_id, run_id)
        return None
    queued, started = _moment(run.get("queued_at")), _moment(run.get("start_date"))
    state = str(run.get("state") or "")
    lines = [f"It should have been over within {duration(allowed.total_seconds())} and is {_state(state, ended)}."]
    if state == "queued" and started is None:
        lines.append("It has not even started: is the Dag paused, are other runs in its way, does the scheduler run?")
    elif ended is None:
        lines.append(
            "It goes on; nothing is stopped. Look for tasks that wait for room at the service, or for a person to "
            "approve a price."
        )
    facts = {
        "Queued": _written(queued),
        "Started": _written(started),
        "Deadline": _written(due),
        "Run": run_url(dag_id=dag_id, run_id=run_id) if run_id else "",
    }
    return Notice(
        event=Event.DEADLINE,
        title=f"Late: {dag_id}",
        lines=tuple(lines),
        facts={name: value for name, value in facts.items() if value},
    )


def _state(state: str, ended: datetime | None) -> str:
    if ended is not None:
        return f"{state or 'over'} only since {_written(ended)}"
    return f"still {state}" if state else "not over"


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None


def _written(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else ""
