"""A Dag for the tests alone: a night with three documents, which may be late, and of which one may fail."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, Param, task, task_group

from narration.errors import PermanentNarrationError
from narration.notices.callbacks import notices, push_notice
from narration.notices.deadline import nightly_deadline
from narration.notices.nightly import NarratedDocument, Outcome, nightly_notice
from narration.notices.runs import failures_so_far
from narration.operators.policy import road_defaults

NAMES = ("ada.txt", "bell.txt", "curie.txt")


class UnreadableError(PermanentNarrationError):
    """A document that nobody can read."""


with DAG(
    dag_id="night_of_tests",
    schedule=None,
    params={"unreadable": Param(None, type=["null", "string"]), "late": False},
    default_args=road_defaults(),
    deadline=nightly_deadline(),
    **notices(told_by="report"),
    tags=["tests"],
):

    @task
    def find() -> list[str]:
        return list(NAMES)

    @task_group
    def narrate(name: str) -> None:
        @task(map_index_template="{{ name }}")
        def read(name: str, params: dict[str, Any]) -> None:
            from airflow.sdk import get_current_context

            get_current_context()["name"] = name  # type: ignore[typeddict-unknown-key]
            if name == params["unreadable"]:
                raise UnreadableError(f"{name} is no text. Put a text in its place.")

        read(name)

    @task(trigger_rule="all_done")
    def report(**context: Any) -> None:
        failed = {failure.map_index: failure for failure in failures_so_far(context)}
        documents = [
            NarratedDocument(name=name, outcome=Outcome.FAILED, reason=failed[number].reason)
            if number in failed
            else NarratedDocument(name=name, outcome=Outcome.NARRATED, characters=1000, amount=Decimal("0.016"))
            for number, name in enumerate(NAMES)
        ]
        push_notice(context, nightly_notice(documents, night="2026-11-27"))
        if failed:
            raise UnreadableError("Not every document was narrated.")

    wait = TimeDeltaSensor(
        task_id="wait",
        delta=timedelta(seconds=75),
        deferrable=True,
    )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def is_late(params: dict[str, Any]) -> bool:
        return bool(params["late"])

    is_late() >> wait >> report() << narrate.expand(name=find())
