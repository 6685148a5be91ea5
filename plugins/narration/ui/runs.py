"""What Airflow's database knows of a run of the road: its task instances, their orders, and what they failed for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from narration.synthesis.failed import FAILED_PARAGRAPHS, FailedParagraph

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PLAN, SYNTHESIZE = "plan", "synthesize"
"""
The tasks of a road, alone or in a task group: ``plan`` returns orders, ``synthesize`` beside it brings them about.

Either ``synthesize`` is mapped over the orders of one ``plan``, or both are mapped, over documents.
"""
_KEY = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class OrderPlace:
    """
    Where an order lies.

    :param label: as the UI calls it.
    :param storage: the location of the store.
    """

    order_id: str
    label: str
    storage: str


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """
    What is known of one task instance.

    :param label: what Airflow calls it among its kind; empty if it has no name yet.
    :param state: Airflow's word for it; empty before it is scheduled.
    :param orders: that it sees through, or has planned.
    :param failed: the paragraphs that it failed for.
    :param done: clips in the store; ``None`` if it has not said so.
    :param total: clips in all.
    """

    task_id: str
    map_index: int
    label: str
    state: str
    orders: tuple[OrderPlace, ...]
    failed: tuple[FailedParagraph, ...]
    done: int | None = None
    total: int | None = None

    @property
    def is_of_a_road(self) -> bool:
        """Whether tasks that are called so have to do with orders."""
        return _last(self.task_id) in (PLAN, SYNTHESIZE)

    @property
    def sees_orders_through(self) -> bool:
        """Whether it brings its orders about, and has not only planned them."""
        return self.task_id.rpartition(".")[2] != PLAN

    @property
    def name(self) -> str:
        """What to call it for people."""
        if self.label:
            return self.label
        if len(self.orders) == 1:
            return self.orders[0].label
        return self.task_id if self.map_index < 0 else f"{self.task_id} [{self.map_index}]"


def run_exists(session: Session, *, dag_id: str, run_id: str) -> bool:
    """Tell whether Airflow knows a run."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    return session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)) is not None


def tasks_of(
    session: Session, *, dag_id: str, run_id: str, task_id: str | None = None, map_index: int | None = None
) -> list[TaskFacts]:
    """
    Give the task instances of a run that have to do with orders, in the order of the document.

    :param task_id: only those of this task.
    :param map_index: only this one.
    """
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    # A name where the task has given itself one, and otherwise the index.
    label: Any = TaskInstance.rendered_map_index
    query = select(TaskInstance.task_id, TaskInstance.map_index, label.label("label"), TaskInstance.state)
    query = query.where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    if task_id is not None:
        query = query.where(TaskInstance.task_id == task_id)
    if map_index is not None:
        query = query.where(TaskInstance.map_index == map_index)
    found = [
        row
        for row in session.execute(query.order_by(TaskInstance.task_id, TaskInstance.map_index))
        if task_id is not None or _last(row.task_id) in (PLAN, SYNTHESIZE)
    ]
    tasks = {row.task_id for row in found}
    plans = {_plan_of(name) for name in tasks}
    returned = _xcoms(session, dag_id=dag_id, run_id=run_id, task_ids=plans, key="return_value")
    failed = _xcoms(session, dag_id=dag_id, run_id=run_id, task_ids=tasks, key=FAILED_PARAGRAPHS)
    progress = _progress(session, dag_id=dag_id, run_id=run_id, task_ids=tasks)
    orders = {
        (row.task_id, row.map_index): _orders(returned, task_id=row.task_id, map_index=row.map_index) for row in found
    }
    if not all(orders.values()):
        rendered = _rendered(session, dag_id=dag_id, run_id=run_id, task_ids=tasks)
        orders = {which: places or rendered.get(which, ()) for which, places in orders.items()}
    return [
        TaskFacts(
            task_id=row.task_id,
            map_index=row.map_index,
            label="" if row.label in (None, str(row.map_index)) else row.label,
            state=str(row.state or ""),
            orders=orders[row.task_id, row.map_index],
            failed=_failed(failed.get((row.task_id, row.map_index))),
            **progress.get((row.task_id, row.map_index), {}),
        )
        for row in found
    ]


def _last(task_id: str) -> str:
    return task_id.rpartition(".")[2]


def _plan_of(task_id: str) -> str:
    group, point, _ = task_id.rpartition(".")
    return f"{group}{point}{PLAN}"


def _orders(returned: Mapping[tuple[str, int], Any], *, task_id: str, map_index: int) -> tuple[OrderPlace, ...]:
    plan = _plan_of(task_id)
    if (plan, map_index) in returned:
        # Planned at the same index, or nothing is mapped at all.
        planned = returned[plan, map_index]
        return _places(planned) if isinstance(planned, list) else ()
    planned = returned.get((plan, -1))
    if not isinstance(planned, list) or not 0 <= map_index < len(planned):
        return ()
    return _places([planned[map_index]])


def _places(orders: Iterable[Any]) -> tuple[OrderPlace, ...]:
    return tuple(
        OrderPlace(order_id=order["order_id"], label=str(order.get("label", "")), storage=order["storage"])
        for order in orders
        # A page shows what any Dag's XCom names, so it must be no other file's name.
        if isinstance(order, Mapping)
        and isinstance(order.get("storage"), str)
        and _KEY.fullmatch(str(order.get("order_id")))
    )


def _rendered(
    session: Session, *, dag_id: str, run_id: str, task_ids: Iterable[str]
) -> dict[tuple[str, int], tuple[OrderPlace, ...]]:
    """Find the orders in what the tasks were called with, where an XCom backend keeps the plan's answer elsewhere."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from sqlalchemy import select

    query = select(RenderedTaskInstanceFields).where(
        RenderedTaskInstanceFields.dag_id == dag_id,
        RenderedTaskInstanceFields.run_id == run_id,
        RenderedTaskInstanceFields.task_id.in_(sorted(task_ids)),
    )
    found = {}
    for row in session.scalars(query):
        fields = row.rendered_fields or {}
        orders = fields.get("orders") or [fields.get("order")]
        found[row.task_id, row.map_index] = _places(orders) if isinstance(orders, list) else ()
    return found


def _failed(facts: Any) -> tuple[FailedParagraph, ...]:
    names = ("place", "text", "excerpt", "reason", "clip_key")
    return tuple(
        FailedParagraph(**{name: str(each.get(name, "")) for name in names})
        for each in (facts if isinstance(facts, list) else ())
        if isinstance(each, Mapping)
    )


def _xcoms(
    session: Session, *, dag_id: str, run_id: str, task_ids: Iterable[str], key: str
) -> dict[tuple[str, int], Any]:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    query = select(XComModel).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id.in_(sorted(task_ids)),
        XComModel.key == key,
    )
    return {(row.task_id, row.map_index): _value(row.value) for row in session.scalars(query)}


def _value(value: Any) -> Any:
    """Read a value as the database has it: with an XCom backend of its own, an installation may keep it elsewhere."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _progress(
    session: Session, *, dag_id: str, run_id: str, task_ids: Iterable[str]
) -> dict[tuple[str, int], dict[str, int]]:
    from airflow.models.task_state_store import TaskStateStoreModel
    from sqlalchemy import select

    query = select(TaskStateStoreModel).where(
        TaskStateStoreModel.dag_id == dag_id,
        TaskStateStoreModel.run_id == run_id,
        TaskStateStoreModel.task_id.in_(sorted(task_ids)),
        TaskStateStoreModel.key == "progress",
    )
    found = {}
    for row in session.scalars(query):
        progress = _value(row.value)
        if isinstance(progress, Mapping) and "done" in progress and "total" in progress:
            found[row.task_id, row.map_index] = {"done": int(progress["done"]), "total": int(progress["total"])}
    return found
