"""A Dag for the tests alone, as users write them: it starts from finished narrations and hands their files on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, task

NARRATIONS = Asset("narrations")

with DAG(dag_id="after_narrations", schedule=[NARRATIONS], catchup=False, tags=["tests"]):

    @task
    def hand_on(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        return [event.extra for event in triggering_asset_events[NARRATIONS]]

    hand_on()
