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
from narration.operators.road import TASK_DOCS
from narration.operators.synthesize import SynthesizeOrdersOperator

_FIND = """Looks through the inbox and reads the profiles: which documents this run narrates, and how. Buys nothing.

**If it fails:** the inbox or its profile cannot be used; the last line of its log says why. Mend it and clear this
task."""
_REPORT = """Says what was narrated, what was not and why, and what it cost: in its log and in the run's note. Buys
nothing.

**If it fails:** it names each document that failed, with its reason; the others are published."""
# Airflow's column holds 250 characters, and PostgreSQL refuses more with the whole state of the task.
_DOCUMENT = "{{ task.request['name'][-250:] }}"


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
        read = ReadDocumentOperator(
            task_id="read", doc_md=TASK_DOCS["read"], request=request, map_index_template=_DOCUMENT
        )
        plan = PlanNarrationOperator(
            task_id="plan",
            doc_md=TASK_DOCS["plan"],
            request=request,
            document=read.output,
            map_index_template=_DOCUMENT,
        )
        synthesize = SynthesizeOrdersOperator(
            task_id="synthesize",
            doc_md=TASK_DOCS["synthesize"],
            request=request,
            orders=plan.output,
            wait_timeout=wait_timeout,
            pool=POOL,
            map_index_template=_DOCUMENT,
        )
        assemble = AssembleNarrationOperator(
            task_id="assemble",
            doc_md=TASK_DOCS["assemble"],
            request=request,
            plan=XComArg(plan, key="plan"),
            map_index_template=_DOCUMENT,
        )
        publish = PublishNarrationOperator(
            task_id="publish",
            doc_md=TASK_DOCS["publish"],
            request=request,
            assembled=assemble.output,
            orders_task_id="narrate.synthesize",
            plan_task_id="narrate.plan",
            outlets=[NARRATIONS],
            map_index_template=_DOCUMENT,
        )
        synthesize >> assemble >> publish

    find = FindDocumentsOperator(task_id="find", doc_md=_FIND, timezone=timezone)
    report = NightReportOperator(task_id="report", doc_md=_REPORT, trigger_rule="all_done", retries=0)
    narrate.expand(request=find.output) >> report
    find >> report
