"""Between the plan and the first purchase: ask a person where the run says so, and end a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from narration import logs
from narration.operators.observed import ObservedMixin
from narration.operators.parameters import NarrationParameters
from narration.operators.run_note import push_note
from narration.synthesis.estimate import price_from_facts
from narration.synthesis.prices import money

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApproveCostOperator(ObservedMixin, ApprovalOperator):
    """
    Let a run go on to its purchases, or not.

    A plan that costs no more than ``approve_above`` goes on at once. A dearer one waits, without a worker and without a
    trigger, until somebody approves or rejects it under *Required Actions* in the UI, or over the REST API
    (``PATCH …/taskInstances/approve/-1/hitlDetails``). Rejected, or a dry run, everything that follows is skipped and
    the run succeeds, having bought nothing.

    :param service: the speech service that the Dag stands for.
    :param plan_task_id: the task that planned, with its ``summary`` in XCom.
    """

    ui_color = "#f5f0df"

    def __init__(self, *, service: str, plan_task_id: str = "plan", **kwargs: Any) -> None:
        super().__init__(
            subject="Buy this narration?",
            # Those that come after a mapped task that has nothing to do run all the same; here they must not.
            ignore_downstream_trigger_rules=True,
            **kwargs,
        )
        self.service = service
        self.plan_task_id = plan_task_id

    def execute(self, context: Context) -> Any:
        parameters = NarrationParameters.of(context["params"], service=self.service)
        summary: Any = context["ti"].xcom_pull(task_ids=self.plan_task_id, key="summary")
        logs.add(document=summary["title"])
        if parameters.cost.dry_run:
            self.log.info("A dry run: nothing is bought.")
            return self._skip_the_rest(context)
        price = price_from_facts(summary)
        characters = summary["characters_to_buy"]
        if not parameters.cost.needs_approval(characters, price=price):
            self.log.info("Nobody has to approve this plan.")
            return None
        amount = price.describe(characters) if price is not None else ""
        self.subject = f"Buy {characters:,} characters for {amount}?"
        self.body = question(summary, amount=amount, parameters=parameters)
        self.log.info("%s Waiting for a person, under Required Actions.", self.subject)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        chosen = event.get("chosen_options") or []
        who = _name_of(event.get("responded_by_user"))
        if chosen == [self.REJECT]:
            push_note(context, f"Rejected by {who}: nothing was bought.")
        elif chosen == [self.APPROVE]:
            self.log.info("Approved by %s.", who)
            context["ti"].xcom_push(key="approved_by", value=who)
        return super().execute_complete(context, event)

    def _skip_the_rest(self, context: Context) -> None:
        tasks = [task for task in context["task"].get_flat_relatives(upstream=False) if not task.is_teardown]
        self.skip(ti=context["ti"], tasks=tasks)


def question(summary: Mapping[str, Any], *, amount: str, parameters: NarrationParameters) -> str:
    """Write what a person needs to decide, in Markdown."""
    price = price_from_facts(summary)
    rows = [
        ("Document", f"{summary['title']}, `{parameters.document}`"),
        ("Voice", f"{parameters.voice}"),
        ("Paragraphs", f"{summary['paragraphs']:,}, of which {summary['clips']:,} are different"),
        ("In the store", f"{summary['stored']:,} clips, {summary['characters_stored']:,} characters"),
        (
            "Bought before, not fetched yet",
            f"{summary['on_order']:,} clips, {summary['characters_on_order']:,} characters",
        ),
        ("**To buy**", f"**{summary['to_buy']:,} clips, {summary['characters_to_buy']:,} characters, {amount}**"),
        ("Price", str(price)),
    ]
    if price is not None and summary["characters_to_buy_at_most"] > summary["characters_to_buy"]:
        rows.append(("At most", price.describe(summary["characters_to_buy_at_most"])))
    if price is not None and parameters.cost.budget is not None:
        rows.append(("Budget", money(parameters.cost.budget, currency=price.currency)))
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {_cell(value)} |" for name, value in rows)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _name_of(user: Any) -> str:
    if isinstance(user, Mapping):
        return str(user.get("name") or user.get("id") or "somebody")
    return str(getattr(user, "name", None) or getattr(user, "id", None) or "nobody (the time was over)")
