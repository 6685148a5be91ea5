"""What the tasks of the road have in common for those who watch: log lines that name the document, and lineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from narration import logs
from narration.operators.lineage import LineageMixin

if TYPE_CHECKING:
    from airflow.sdk import Context


class ObservedMixin(LineageMixin):
    """Put before an operator, it names what the task is about in every log line from before its first to its last."""

    def about(self, context: Context) -> Mapping[str, Any]:
        """Say what the task is about, in the words of :data:`narration.logs.WORDS`, before anything was read."""
        location = str(context["params"].get("document") or "")
        return {"document": location.partition("?")[0].rstrip("/").rpartition("/")[2]}

    def pre_execute(self, context: Any) -> None:
        # Not in execute: that runs in a context of its own, and the lines of what Airflow does after it, the one with
        # the exception among them, would name nothing.
        logs.begin(**self.about(context))
        super().pre_execute(context)  # type: ignore[misc]
