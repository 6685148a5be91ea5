"""The six tasks of every ``narrate_*`` Dag and what follows what: a Dag file adds its form and its words."""

from __future__ import annotations

from datetime import timedelta

from narration.operators.approve import ApproveCostOperator
from narration.operators.assemble import AssembleNarrationOperator
from narration.operators.assets import NARRATIONS
from narration.operators.plan import PlanNarrationOperator
from narration.operators.policy import POOL
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from narration.operators.synthesize import SynthesizeOrderOperator


def narration_tasks(*, service: str, wait_timeout: timedelta = timedelta(hours=24), orders_at_once: int = 32) -> None:
    """
    Put the tasks that narrate a document into the Dag that is being built.

    :param service: the service that the Dag stands for; :mod:`narration.operators.parameters` knows how its form is
        read.
    :param wait_timeout: how long an order waits for its jobs before it gives up.
    :param orders_at_once: how many orders of a run are seen through at a time, waiting ones included.
    """
    read = ReadDocumentOperator(task_id="read", service=service)
    plan = PlanNarrationOperator(task_id="plan", service=service, document=read.output)
    approve = ApproveCostOperator(task_id="approve", service=service)
    synthesize = SynthesizeOrderOperator.partial(
        task_id="synthesize",
        wait_timeout=wait_timeout,
        max_active_tis_per_dagrun=orders_at_once,
        pool=POOL,
        map_index_template="{{ task.order['label'] }}",
    ).expand(order=plan.output)
    assemble = AssembleNarrationOperator(
        task_id="assemble",
        service=service,
        plan="{{ ti.xcom_pull(task_ids='plan', key='plan') }}",
        # No orders are left to map over when the store holds everything, and then synthesize is skipped.
        trigger_rule="none_failed",
    )
    publish = PublishNarrationOperator(
        task_id="publish",
        service=service,
        assembled=assemble.output,
        orders_task_id="synthesize",
        outlets=[NARRATIONS],
    )
    plan >> approve >> synthesize >> assemble >> publish
