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

TASK_DOCS = {
    "read": """Checks the form, reads the document and finds its chapters. Buys nothing.

**If it fails:** the last line of its log names the field or the line to correct. Start the Dag again.""",
    "plan": """Looks what the store holds and what the service offers, and prices the rest: the log and the XCom
`summary` say what would be bought and for how much. Buys nothing.

**If it fails:** over the budget, it names both amounts. If paragraphs cannot be spoken as they are, the tab
*Paragraphs* shows their text.""",
    "approve": """Waits for a person under *Required Actions* if the plan costs more than the field *Ask above* of
the form; ends a dry run. Holds no worker while it waits. Buys nothing.""",
    "synthesize": """Buys the paragraphs of one order, waits for them without a worker, checks the audio and puts it
into the store. **This task spends the money**, once for each paragraph: a retry or a clear adopts what was bought.

The tab *Paragraphs* shows each paragraph, what became of it, and its text.

**If it fails:** the log and that tab name the paragraphs and the service's reason. Change them, or mend the cause,
and start the Dag again; the others are kept.""",
    "assemble": """Joins the clips and encodes the MP3 and the M4B. Buys nothing.

**If it fails:** a missing or altered clip is named; start the Dag again, and it is fetched or bought. If the disk
or the store is full, make room and clear this task.""",
    "publish": """Writes the manifest, which is what publishes the narration, and holds what the service billed
against the estimate: XCom `bill`, and the run's note. Links lead to the narration where its storage has a
console.""",
}
"""What each task is for, what it spends, and what to do when it fails, as the UI shows it."""


def narration_tasks(*, service: str, wait_timeout: timedelta = timedelta(hours=24), orders_at_once: int = 32) -> None:
    """
    Put the tasks that narrate a document into the Dag that is being built.

    :param service: the service that the Dag stands for; :mod:`narration.operators.parameters` knows how its form is
        read.
    :param wait_timeout: how long an order waits for its jobs before it gives up.
    :param orders_at_once: how many orders of a run are seen through at a time, waiting ones included.
    """
    read = ReadDocumentOperator(task_id="read", service=service, doc_md=TASK_DOCS["read"])
    plan = PlanNarrationOperator(task_id="plan", service=service, document=read.output, doc_md=TASK_DOCS["plan"])
    approve = ApproveCostOperator(task_id="approve", service=service, doc_md=TASK_DOCS["approve"])
    synthesize = SynthesizeOrderOperator.partial(
        task_id="synthesize",
        doc_md=TASK_DOCS["synthesize"],
        wait_timeout=wait_timeout,
        max_active_tis_per_dagrun=orders_at_once,
        pool=POOL,
        map_index_template="{{ task.order['label'] }}",
    ).expand(order=plan.output)
    assemble = AssembleNarrationOperator(
        task_id="assemble",
        service=service,
        doc_md=TASK_DOCS["assemble"],
        plan="{{ ti.xcom_pull(task_ids='plan', key='plan') }}",
        # No orders are left to map over when the store holds everything, and then synthesize is skipped.
        trigger_rule="none_failed",
    )
    publish = PublishNarrationOperator(
        task_id="publish",
        service=service,
        doc_md=TASK_DOCS["publish"],
        assembled=assemble.output,
        orders_task_id="synthesize",
        outlets=[NARRATIONS],
    )
    plan >> approve >> synthesize >> assemble >> publish
