"""
What Narration does when a Dag run begins and ends: it sees that its pool exists, and writes the run's note.

A task whose pool does not exist is never started, and nothing but the scheduler's log says so: the run would stay as it
is for ever. So the pool is made when a run begins, in the size of :data:`POOL_SLOTS`; who has made it is left alone.

Airflow gives tasks no call for the note of their run, so what they want it to say is taken over where the run ends: in
the scheduler, or in the API server for a run that a person ends. Both tell of it in the middle of a transaction that
holds locks and must neither be committed nor broken by somebody else. So everything is written after that transaction,
in one of its own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from narration.notices.settings import notice_settings

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)

POOL = "narration"
"""The pool of the tasks that have jobs; as in :mod:`narration.operators.policy`, which this room does not import."""
POOL_SLOTS = 64

RUN_NOTE = "run_note"
"""The XCom that holds it; as in :mod:`narration.operators.run_note`, which this room does not import."""
LONGEST_NOTE = 1000
"""Characters that Airflow's database has room for."""

_HEADING = "Narration: "
_OURS = re.compile(rf"(?:^|\n\n){_HEADING}.*\Z", re.DOTALL)


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Write the note of a run that succeeded."""
    write_note_later(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """Write the note of a run that failed, for example because its plan was over the budget."""
    write_note_later(dag_run)


@hookimpl
def on_dag_run_running(dag_run: DagRun) -> None:
    """Make the pool of a run that begins, if its Dag names the pool and nobody has made it."""
    dag = dag_run.dag
    if dag is not None and any(task.pool == POOL for task in dag.tasks):
        _later(dag_run, make_pool, what=f"The pool {POOL!r} could not be made")


def write_note_later(dag_run: DagRun) -> None:
    """Write the note of a run as soon as the transaction that ends the run is committed."""
    key = dag_run.id
    # A note is not worth a scheduler; what it would say is in the run's XCom all the same.
    _later(dag_run, lambda session: write_note(key, session=session), what="The note of a Dag run could not be written")


def _later(dag_run: DagRun, act: Callable[[Any], None], *, what: str) -> None:
    """Do something in a transaction of its own as soon as the one that the run is in is committed."""
    from sqlalchemy import event
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return

    def do(_: Any) -> None:
        from airflow.utils.session import create_session
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with create_session(scoped=False) as own:
                act(own)
        except SQLAlchemyError:
            log.warning("%s.", what, exc_info=True)

    event.listen(session, "after_commit", do, once=True)


def make_pool(session: Any) -> None:
    """
    Make the pool unless it exists.

    :param session: is not committed here.
    """
    from airflow.models.pool import Pool
    from sqlalchemy import select

    if session.scalar(select(Pool.id).where(Pool.pool == POOL)) is None:
        session.add(
            Pool(
                pool=POOL,
                slots=POOL_SLOTS,
                description="Orders under way at speech services, waiting ones included. Made by Narration.",
                include_deferred=True,
            )
        )
        log.warning(
            "There was no pool %r, and Airflow never starts a task whose pool is missing. It was made with %d slots; "
            "change them under Admin, Pools.",
            POOL,
            POOL_SLOTS,
        )


def write_note(dag_run_id: int, *, session: Any) -> None:
    """
    Put what the tasks of a run said last into its note, below what a person has written there.

    :param dag_run_id: the run's key in Airflow's database.
    :param session: is not committed here.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    last = session.scalars(
        select(XComModel)
        .where(XComModel.dag_run_id == dag_run_id, XComModel.key == RUN_NOTE)
        .order_by(XComModel.timestamp.desc())
        .limit(1)
    ).first()
    if last is None:
        return
    dag_run = session.get(DagRun, dag_run_id)
    dag_run.note = whole_note(dag_run.note, str(XComModel.deserialize_value(last)))


def whole_note(present: str | None, ours: str) -> str:
    """
    Give the note of a run, and in it why nobody was told of the run: here looks who waits for a notice in vain.

    :param present: the note as it is.
    :param ours: what the tasks of the run say.
    """
    return joined_note(present, " ".join([ours, *notice_settings().problems]))


def joined_note(present: str | None, ours: str) -> str:
    """
    Join what a person has written with what the run says of itself.

    :param present: the note as it is; what an earlier end of the same run added to it is replaced.
    :param ours: what the run says now.
    """
    theirs = _OURS.sub("", present or "").rstrip()
    said = f"{_HEADING}{ours}"
    if theirs:
        said = f"{theirs}\n\n{said}"
    return said if len(said) <= LONGEST_NOTE else said[: LONGEST_NOTE - 1] + "…"
