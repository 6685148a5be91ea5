"""What there is to say of a run that has ended: read from what its tasks have left behind."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from narration.notices.failures import FAILURE, Failure
from narration.notices.notice import Event, Notice

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

NOTICE = "notice"
"""The XCom of a task that has its own words for the end of its run."""

MOST_FAILURES = 5
"""So many are told in words, the rest is counted."""

MOST_REPORTED = 1024
"""The longest mapped task that Airflow allows by default (``[core] max_map_length``)."""

RUN_NOTE = "run_note"
"""As in :mod:`narration.operators.run_note`, which this room does not import."""

_KEPT = "What was bought is kept. Once the cause is mended, start the Dag again: it buys only what is missing."
# The tasks of the road, see :mod:`narration.operators.road`, the last first.
_READ, _PLAN, _APPROVE, _PUBLISH = "read", "plan", "approve", "publish"
_ENDED_BY = {
    "timed_out": "The run took longer than the Dag allows (dagrun_timeout).",
    "all_tasks_deadlocked": "No task could go on: each one waits for another. See the run.",
}


class Remains(Protocol):
    """What a run has left behind."""

    def xcom(self, *, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Give a value that a task has pushed, or ``None``."""

    def failed(self, *, task_ids: Collection[str]) -> list[tuple[str, int]]:
        """Give task id and map index of every task instance that has failed."""


@dataclass(frozen=True, kw_only=True)
class RunRemains:
    """
    What a run has left behind in Airflow's database, asked for as tasks and callbacks of Dags may.

    What cannot be read is logged and counts as not being there: a notice with less in it is better than none.
    """

    dag_id: str
    run_id: str

    def xcom(self, *, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        from airflow.sdk.execution_time.xcom import XCom

        try:
            return XCom.get_one(key=key, dag_id=self.dag_id, task_id=task_id, run_id=self.run_id, map_index=map_index)
        except Exception as error:
            log.warning("The XCom %s of %s cannot be read: %s: %s", key, task_id, type(error).__name__, error)
            return None

    def failed(self, *, task_ids: Collection[str]) -> list[tuple[str, int]]:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        try:
            states = RuntimeTaskInstance.get_task_states(dag_id=self.dag_id, run_ids=[self.run_id])
        except Exception as error:
            log.warning("The states of tasks cannot be read: %s: %s", type(error).__name__, error)
            return []
        found = [
            instance_of(name, task_ids=task_ids)
            for name, state in states.get(self.run_id, {}).items()
            if state == "failed"
        ]
        return sorted(found)


def instance_of(name: str, *, task_ids: Collection[str]) -> tuple[str, int]:
    """Tell a task id and a map index apart in what Airflow writes for both: ``synthesize_3``."""
    task_id, _, number = name.rpartition("_")
    if name not in task_ids and task_id in task_ids and number.isdigit():
        return task_id, int(number)
    return name, -1


def failures_of(remains: Remains, *, task_ids: Collection[str], most: int) -> tuple[Failure, ...]:
    """
    Give every failed task instance of a run with its reason.

    :param task_ids: those of the Dag.
    :param most: of how many to look up the reason; of the rest it is not known.
    """
    return tuple(
        Failure.read(
            remains.xcom(task_id=task_id, key=FAILURE, map_index=map_index) if number < most else None,
            task_id=task_id,
            map_index=map_index,
        )
        for number, (task_id, map_index) in enumerate(remains.failed(task_ids=task_ids))
    )


def failures_so_far(context: Context) -> tuple[Failure, ...]:
    """Give every task instance of this run that has failed by now, with its reason; for a task that reports."""
    dag = context["dag"]
    remains = RunRemains(dag_id=dag.dag_id, run_id=str(context["run_id"]))
    return failures_of(remains, task_ids=frozenset(dag.task_ids), most=MOST_REPORTED)


def notice_of_end(context: Context, *, succeeded: bool, told_by: str | None = None) -> Notice:
    """
    Say how a run has ended.

    :param context: that of a Dag's callback. Airflow may leave out everything but the Dag, the run id and a reason.
    :param told_by: a task that has left a notice of its own under :data:`NOTICE`.
    """
    dag, run_id = context["dag"], str(context["run_id"])
    remains = RunRemains(dag_id=dag.dag_id, run_id=run_id)
    ended = RunEnd(
        remains=remains,
        task_ids=frozenset(dag.task_ids),
        dag_id=dag.dag_id,
        params=dict(context.get("params") or {}),
        reason=str(context.get("reason") or ""),
        last_task_id=getattr(context.get("ti"), "task_id", None),
    )
    notice = ended.told(told_by, succeeded=succeeded) if told_by else None
    if notice is None:
        notice = ended.success() if succeeded else ended.failure()
    return notice.with_facts({"Run": run_url(dag_id=dag.dag_id, run_id=run_id)})


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """
    A run that has ended, and what to say of it.

    :param task_ids: those of the Dag.
    :param params: of the run; empty if they are not known.
    :param reason: Airflow's own word for why it has ended.
    :param last_task_id: the task that Airflow holds to have been the last, or to blame.
    """

    remains: Remains
    task_ids: Collection[str]
    dag_id: str
    params: Mapping[str, Any]
    reason: str = ""
    last_task_id: str | None = None

    def told(self, task_id: str, *, succeeded: bool) -> Notice | None:
        """Give the words that a task has left, if it has come so far."""
        value = self.remains.xcom(task_id=task_id, key=NOTICE) if task_id in self.task_ids else None
        if not isinstance(value, Mapping):
            return None
        notice = Notice.from_dict(value)
        if succeeded or notice.event is not Event.SUCCESS:
            return notice
        # Something has failed after the task had spoken.
        failure = self.failure()
        return Notice(
            event=failure.event,
            title=notice.title,
            lines=(*failure.lines, *notice.lines),
            facts={**notice.facts, **failure.facts},
        )

    def success(self) -> Notice:
        """Say what was narrated, what it cost and where it lies; or what was not done, and why."""
        published = self._xcom(_PUBLISH)
        said = self._note()
        if not isinstance(published, Mapping):
            if self.params.get("dry_run"):
                title = f"Dry run: {self._title()}"
            else:
                title = f"Not narrated: {self._title()}" if _PUBLISH in self.task_ids else f"Done: {self.dag_id}"
            return Notice(event=Event.SUCCESS, title=title, lines=said, facts=self._document())
        facts = {
            **self._document(),
            "Length": (
                f"{duration(published['duration_seconds'])}, {published['chapters']:,} chapters, "
                f"{published['paragraphs']:,} paragraphs"
            ),
            "MP3": published["mp3_uri"],
            "M4B": published["m4b_uri"],
            "Manifest": published["manifest_uri"],
        }
        return Notice(event=Event.SUCCESS, title=f"Narrated: {published['title']}", lines=said, facts=facts)

    def failure(self) -> Notice:
        """Say which tasks have failed and why; and of a plan that was over the budget just that."""
        failures = failures_of(self.remains, task_ids=self.task_ids, most=MOST_FAILURES)
        if not failures and self.last_task_id and self.reason not in _ENDED_BY:
            failures = (Failure(task_id=self.last_task_id),)
        if failures and all(failure.event is Event.OVER_BUDGET for failure in failures):
            return Notice(
                event=Event.OVER_BUDGET,
                title=f"Over the budget: {self._title()}",
                lines=tuple(failure.reason for failure in failures),
                facts=self._document(),
            )
        lines = [str(failure) for failure in failures[:MOST_FAILURES]]
        if len(failures) > MOST_FAILURES:
            lines.append(f"And {len(failures) - MOST_FAILURES:,} more.")
        if ended := _ENDED_BY.get(self.reason):
            lines.insert(0, ended)
        if not lines:
            lines.append("Airflow does not say which task is to blame. See the run.")
        if isinstance(self._xcom(_PLAN, "summary"), Mapping):
            lines.append(_KEPT)
        return Notice(event=Event.FAILURE, title=f"Failed: {self._title()}", lines=tuple(lines), facts=self._document())

    def _note(self) -> tuple[str, ...]:
        """Give what the tasks of the road said last about the cost."""
        for task_id in (_PUBLISH, _APPROVE, _PLAN):
            if note := self._xcom(task_id, RUN_NOTE):
                return (str(note),)
        return ()

    def _title(self) -> str:
        for task_id, key in ((_PLAN, "summary"), (_READ, "return_value")):
            value = self._xcom(task_id, key)
            if isinstance(value, Mapping) and value.get("title"):
                return str(value["title"])
        if title := self.params.get("title"):
            return str(title)
        document = str(self.params.get("document") or "")
        name = (urlsplit(document).path if "://" in document else document).rstrip("/").rpartition("/")[2]
        return name or self.dag_id

    def _document(self) -> dict[str, str]:
        document = self.params.get("document")
        return {"Document": str(document)} if document else {}

    def _xcom(self, task_id: str, key: str = "return_value") -> Any:
        return self.remains.xcom(task_id=task_id, key=key) if task_id in self.task_ids else None


def run_url(*, dag_id: str, run_id: str) -> str:
    """Give the address of a run in Airflow's UI, as ``[api] base_url`` has it."""
    from airflow.sdk import conf

    base = str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")
    return f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def duration(seconds: float) -> str:
    """Write a length of time for people: ``1 h 5 min``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
