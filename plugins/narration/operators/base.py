"""What the tasks of every road share: whose parameters they work with, and how a document says that it failed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.errors import NarrationError
from narration.operators.observed import ObservedMixin
from narration.operators.parameters import NarrationParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

FAILURE = "failure"
"""
The XCom in which a task of a document says why it failed: ``{"document", "map_index", "task", "reason", "event"}``.
"""
_LONGEST_REASON = 2000


class RoadOperator(ObservedMixin, BaseOperator):
    """
    A task of a Dag that narrates.

    It works either for a whole run, whose form says everything, or for one of many documents of a run.

    :param service: the speech service that the Dag stands for; not needed with a ``request``.
    :param request: one of those that :class:`~narration.operators.find.FindDocumentsOperator` returned; default: the
        parameters of the run.
    """

    template_fields: tuple[str, ...] = ("request",)

    def __init__(self, *, service: str = "", request: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.request = request

    def about(self, context: Context) -> Mapping[str, Any]:
        return super().about(context) if self.request is None else {"document": self.request["name"]}

    @abstractmethod
    def work(self, context: Context) -> Any:
        """Do what the task is for."""

    def execute(self, context: Context) -> Any:
        with self.telling(context):
            return self.work(context)

    def parameters(self, context: Context) -> NarrationParameters:
        """
        Read what this task works with.

        :raises narration.errors.PermanentNarrationError: if it cannot be worked with.
        """
        if self.request is None:
            return NarrationParameters.of(context["params"], service=self.service)
        return NarrationParameters.of(self.request["params"], service=self.request["service"])

    def buyer(self, context: Context) -> str:
        """Name for whom this buys, a run or one document of it; what it bought is on its bill."""
        run_id = str(context["run_id"])
        return run_id if self.request is None else f"{run_id}/{self.request['name']}"

    def pulled(self, context: Context, *, task_id: str, key: str = "return_value") -> Any:
        """Pull from another task of the road; for one of many documents, from the task of the same document."""
        ti: Any = context["ti"]
        if self.request is None:
            return ti.xcom_pull(task_ids=task_id, key=key)
        return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=ti.map_index)

    def marked(self, context: Context, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Name with facts the document that they are about, and its place in the map, for the report of the run."""
        if self.request is None:
            return dict(facts)
        return {**facts, "document": self.request["name"], "map_index": context["ti"].map_index}

    @contextmanager
    def telling(self, context: Context) -> Iterator[None]:
        """
        Let the run's report know why a document failed, whatever its task is doing inside.

        What lies in the document or its profile is also kept beside the store's clips: later runs need not try it again
        unless one of them changes. Credentials, buckets and long waits are no fault of a document.
        """
        from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

        try:
            yield
        except (AirflowSkipException, DownstreamTasksSkipped):
            raise
        except Exception as error:
            if isinstance(self.request, Mapping):
                reason = (str(error) or type(error).__name__)[:_LONGEST_REASON]
                failure = self.marked(context, {"task": self.task_id, "reason": reason})
                failure["event"] = error.notice if isinstance(error, NarrationError) else NarrationError.notice
                context["ti"].xcom_push(key=FAILURE, value=failure)
                # A dry run takes no document.
                if _is_of_document(error) and "number" in self.request:
                    self._keep_failure(reason)
            raise

    def _keep_failure(self, reason: str) -> None:
        from narration.operators.inbox_records import InboxRecords

        InboxRecords.of(self.request).failed(self.request, reason=reason)


def _is_of_document(error: Exception) -> bool:
    """Tell what only another document or another profile can mend."""
    from narration.document.model import DocumentError
    from narration.inbox.errors import ProfileError
    from narration.operators.cost import BudgetExceededError
    from narration.operators.parameters import ParameterError
    from narration.operators.reconciling import ParagraphsFailedError

    return isinstance(
        error,
        DocumentError | ProfileError | BudgetExceededError | ParameterError | ParagraphsFailedError,
    )
