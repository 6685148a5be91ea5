"""A Dag for the tests alone: a night with three documents, which may be late, and of which one may fail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, Param, task, task_group

from narration.errors import PermanentNarrationError
from narration.notices.callbacks import notices, push_notice
from narration.notices.deadline import nightly_deadline
from narration.notices.nightly import NotNarrated, nightly_notice
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
        push_notice(
            context,
            nightly_notice(
                narrated=[name for number, name in enumerate(NAMES) if number not in failed],
                failed=[NotNarrated(name=NAMES[at], reason=it.reason, event=it.event) for at, it in failed.items()],
                cost="USD 0.032 for 2,000 characters",
                night="2026-11-27",
            ),
        )
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
