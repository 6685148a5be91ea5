"""The tasks of ``narrate_nightly`` and what follows what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import XComArg, task_group

from narration.operators.assemble import AssembleNarrationOperator
from narration.operators.assets import NARRATIONS
from narration.operators.find import FindDocumentsOperator
from narration.operators.plan import PlanNarrationOperator
from narration.operators.policy import POOL
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from narration.operators.report import NightReportOperator
from narration.operators.synthesize import SynthesizeOrdersOperator

_DOCUMENT = "{{ task.request['name'] }}"


def nightly_tasks(*, timezone: str, wait_timeout: timedelta = timedelta(hours=48)) -> None:
    """
    Put the tasks that narrate the documents of an inbox into the Dag that is being built.

    Each document has five tasks of its own in a mapped task group, so that none waits for another, and none fails with
    another. Inside such a group Airflow cannot map again: one task sees all orders of its document through.

    :param timezone: whose days and hours dated folders are named by.
    :param wait_timeout: how long a document waits for its jobs before it gives up. A job of the Long Audio API may wait
        twelve hours before it begins.
    """

    @task_group(group_id="narrate")
    def narrate(request: Any) -> None:
        read = ReadDocumentOperator(task_id="read", request=request, map_index_template=_DOCUMENT)
        plan = PlanNarrationOperator(
            task_id="plan", request=request, document=read.output, map_index_template=_DOCUMENT
        )
        synthesize = SynthesizeOrdersOperator(
            task_id="synthesize",
            request=request,
            orders=plan.output,
            wait_timeout=wait_timeout,
            pool=POOL,
            map_index_template=_DOCUMENT,
        )
        assemble = AssembleNarrationOperator(
            task_id="assemble", request=request, plan=XComArg(plan, key="plan"), map_index_template=_DOCUMENT
        )
        publish = PublishNarrationOperator(
            task_id="publish",
            request=request,
            assembled=assemble.output,
            orders_task_id="narrate.synthesize",
            plan_task_id="narrate.plan",
            outlets=[NARRATIONS],
            map_index_template=_DOCUMENT,
        )
        synthesize >> assemble >> publish

    find = FindDocumentsOperator(task_id="find", timezone=timezone)
    report = NightReportOperator(task_id="report", trigger_rule="all_done", retries=0)
    narrate.expand(request=find.output) >> report
    find >> report
