"""
Dags for the tests alone: they narrate one document for each day, so that they can be backfilled.

``document`` is a template here: every run of a backfill has the same conf.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG

from narration.operators.form import (
    cost_params,
    document_params,
    paragraphs_per_order_param,
    pause_params,
    storage_param,
)
from narration.operators.form_azure import connection_params, output_format_param, speaking_params, voice_params
from narration.operators.parameters import configured
from narration.operators.parameters_azure import API_VERSIONS
from narration.operators.policy import road_defaults
from narration.operators.road import narration_tasks
from narration.synthesis.azure_formats import BATCH_FORMATS

# Over before it is parsed: nothing but a backfill starts a run.
FIRST, LAST = pendulum.datetime(2026, 1, 1, tz="UTC"), pendulum.datetime(2026, 3, 31, tz="UTC")

polly: dict[str, Any] = {
    "voice": "Joanna",
    "engine": "neural",
    "language_code": None,
    "lexicons": [],
    "output_format": "ogg_vorbis",
    "sample_rate": "auto",
    "output_bucket": configured("polly_bucket"),
    "aws_conn_id": "aws_default",
}
azure_batch: dict[str, Any] = {
    **voice_params(),
    **speaking_params(),
    **output_format_param(BATCH_FORMATS),
    "api_version": next(iter(API_VERSIONS)),
    **connection_params(),
}


def choose_document(context: Any) -> None:
    """Put the document of the interval in the place of the template."""
    params = context["params"]
    params["document"] = context["task"].render_template(params["document"], context)


for service, own in {"polly": polly, "azure_batch": azure_batch}.items():
    with DAG(
        dag_id=f"narrate_by_day_{service}",
        schedule="@daily",
        start_date=FIRST,
        end_date=LAST,
        catchup=False,
        params={
            **document_params(),
            # A Dag with a schedule needs a default for everything.
            "document": "{{ ds }}.txt",
            **own,
            **paragraphs_per_order_param(),
            **cost_params(),
            **pause_params(),
            **storage_param(),
        },
        default_args={**road_defaults(), "pre_execute": choose_document},
        tags=["tests"],
        max_active_runs=4,
    ):
        narration_tasks(service=service)
