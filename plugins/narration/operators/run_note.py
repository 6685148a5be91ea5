"""The note that a run of the road leaves on itself: what it was to cost, and what it did cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

RUN_NOTE = "run_note"
"""The XCom from which the run's note is taken when the run has ended; the last task that wrote one is heard."""


def push_note(context: Context, text: str) -> None:
    """
    Say what the note of this run should say by now.

    A task cannot write a note itself: Airflow's API for tasks has no call for it. :mod:`narration.listeners` does, when
    the run has ended.
    """
    context["ti"].xcom_push(key=RUN_NOTE, value=text)
