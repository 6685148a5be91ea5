"""What a Dag file writes so that people are told how its runs end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from narration.notices.notice import Event, Notice
from narration.notices.runs import NOTICE, notice_of_end
from narration.notices.sending import send
from narration.notices.settings import notice_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunNotifier:
    """
    Tell people that a run has ended; an ``on_success_callback`` or ``on_failure_callback`` of a Dag.

    Airflow calls it once for each end of a run, after the fact, where it reads Dag files. What it says comes from the
    XComs of the run's tasks, whichever of them have failed: one notice, and not one for each.

    :param succeeded: which of the two callbacks this is.
    :param told_by: the task that has left words of its own, see :func:`push_notice`.
    """

    # Not a BaseNotifier: with a context from ``airflow dags test`` that breaks off before it notifies.
    succeeded: bool
    told_by: str | None = None

    def __call__(self, context: Context) -> None:
        settings = notice_settings()
        for problem in settings.problems:
            log.error("%s", problem)
        send(notice_of_end(context, succeeded=self.succeeded, told_by=self.told_by), settings=settings)


def notices(*, told_by: str | None = None) -> dict[str, Any]:
    """
    Give the arguments with which a Dag tells people how its runs end: ``DAG(…, **notices())``.

    Nothing is added for what nobody is told of. An option that cannot be used is logged, and its other parts are used:
    a Dag file is never unreadable for it.

    :param told_by: the task that has words of its own for the end of a run, see :func:`push_notice`.
    """
    settings = notice_settings()
    for problem in settings.problems:
        log.warning("%s", problem)
    arguments: dict[str, Any] = {}
    # A task may find that a run that succeeded has something in it that failed.
    if settings.of(Event.SUCCESS) or (told_by and settings.targets):
        arguments["on_success_callback"] = RunNotifier(succeeded=True, told_by=told_by)
    if settings.of(Event.FAILURE) or settings.of(Event.OVER_BUDGET):
        arguments["on_failure_callback"] = RunNotifier(succeeded=False, told_by=told_by)
    return arguments


def push_notice(context: Context, notice: Notice) -> None:
    """Leave words for the end of this run, which the Dag's callback finds if it was made with ``told_by``."""
    context["ti"].xcom_push(key=NOTICE, value=notice.to_dict())
