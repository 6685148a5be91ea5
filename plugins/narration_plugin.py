"""The one file that Airflow loads from plugins/ by itself: what Narration adds to the UI."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from narration import listeners
from narration.links.azure import AzureSynthesisResultLink
from narration.links.polly import PollyConsoleLink, PollyOutputObjectLink


class NarrationPlugin(AirflowPlugin):
    """Register the links that the blocks put on a task, and what writes the note of a run that has ended."""

    name = "narration"
    operator_extra_links = [  # noqa: RUF012  (Airflow's own shape)
        PollyOutputObjectLink(),
        PollyConsoleLink(),
        AzureSynthesisResultLink(),
    ]
    listeners = [listeners]  # noqa: RUF012
