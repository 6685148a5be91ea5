"""The Airflow asset that every published narration updates, so that other Dags can start from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

NARRATIONS = Asset("narrations", group="narration")
"""
Updated by each ``publish`` of a ``narrate_*`` Dag. A Dag with ``schedule=[Asset("narrations")]`` starts from it, and
finds what was published in the ``extra`` of ``triggering_asset_events``.
"""

_TOLD = ("title", "document", "narration_uri", "manifest_uri", "mp3_uri", "m4b_uri", "duration_seconds")


def tell_of_narration(context: Context, result: Mapping[str, Any]) -> None:
    """
    Say with the asset's event what was published.

    :param result: what :class:`~narration.operators.publish.PublishNarrationOperator` returns.
    """
    events: Any = context.get("outlet_events")
    if events is not None:
        events[NARRATIONS].extra = {name: result[name] for name in _TOLD if result.get(name) is not None}
