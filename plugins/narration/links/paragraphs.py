"""The way from a task in Airflow's UI to its paragraphs, and from one that failed to its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from narration.links.stored import StoredLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

URL_PREFIX = "/narration"
"""Where the plugin mounts the page of :mod:`narration.ui`."""


class ParagraphsLink(StoredLink):
    """
    Open the page that shows the paragraphs of a task: what became of each, why it failed, and its text.

    A task writes it down when it begins, so it is there while the task runs, waits and when it has failed.
    """

    name = "Paragraphs"
    key = "narration_paragraphs"

    @classmethod
    def persist_page(cls, *, context: Context, operator: BaseOperator) -> None:
        """Write the address of the task instance's page down."""
        ti: Any = context["ti"]
        url = page_address(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index)
        cls.persist(context=context, operator=operator, url=url)


TAB = {
    "name": "Paragraphs",
    "href": f"{URL_PREFIX.strip('/')}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/tasks/{{TASK_ID}}?map_index={{MAP_INDEX}}",
    "destination": "task_instance",
    "url_route": "narration_paragraphs",
}
"""
The same page as a tab of the task instance. Airflow 3.3 shows a tab on the task instances of all Dags, and fills in no
index where a task has none.
"""


def page_address(*, dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> str:
    """
    Give the address of a task instance's page.

    It begins without a slash and without a host: the UI resolves it against its own address, so that it also leads
    there when Airflow lies under a path of a host, and whatever a worker believes that Airflow is called.
    """
    parts = ("dags", dag_id, "runs", run_id, "tasks", task_id)
    path = "/".join(quote(part, safe="") for part in (URL_PREFIX.strip("/"), *parts))
    return path if map_index is None or map_index < 0 else f"{path}?map_index={map_index}"
