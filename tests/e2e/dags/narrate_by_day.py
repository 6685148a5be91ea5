"""
Dags for the tests alone: they narrate one document for each day, so that they can be backfilled.

``document`` is a template here: every run of a backfill has the same conf.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG

from narration.operators.forms import form_of
from narration.operators.policy import road_defaults
from narration.operators.road import narration_tasks

# Over before it is parsed: nothing but a backfill starts a run.
FIRST, LAST = pendulum.datetime(2026, 1, 1, tz="UTC"), pendulum.datetime(2026, 3, 31, tz="UTC")


def choose_document(context: Any) -> None:
    """Put the document of the interval in the place of the template."""
    params = context["params"]
    params["document"] = context["task"].render_template(params["document"], context)


for service in ("polly", "azure_batch"):
    with DAG(
        dag_id=f"narrate_by_day_{service}",
        schedule="@daily",
        start_date=FIRST,
        end_date=LAST,
        catchup=False,
        # A Dag with a schedule needs a default for everything.
        params={**form_of(service), "document": "{{ ds }}.txt"},
        default_args={**road_defaults(), "pre_execute": choose_document},
        tags=["tests"],
        max_active_runs=4,
    ):
        narration_tasks(service=service)
