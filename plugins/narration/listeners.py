"""
What Narration does when a Dag run has ended: it takes over what its tasks want the run's note to say.

Airflow gives tasks no call for that, so it is done where the run ends: in the scheduler, or in the API server for a run
that a person ends. Both tell of it in the middle of a transaction that holds locks and must neither be committed nor
broken by somebody else. So the note is written after that transaction, in one of its own.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)

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


def write_note_later(dag_run: DagRun) -> None:
    """Write the note of a run as soon as the transaction that ends the run is committed."""
    from sqlalchemy import event
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    key = dag_run.id

    def write(_: Any) -> None:
        from airflow.utils.session import create_session
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with create_session(scoped=False) as own:
                write_note(key, session=own)
        except SQLAlchemyError:
            # A note is not worth a scheduler; what it would say is in the run's XCom all the same.
            log.warning("The note of a Dag run could not be written.", exc_info=True)

    event.listen(session, "after_commit", write, once=True)


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
    dag_run.note = joined_note(dag_run.note, str(XComModel.deserialize_value(last)))


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
