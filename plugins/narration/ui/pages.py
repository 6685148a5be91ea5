"""The HTML of the pages; every text that is shown is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from narration.links.paragraphs import URL_PREFIX, page_address
from narration.ui.orders import ShownOrder
from narration.ui.runs import SYNTHESIZE, TaskFacts
from narration.ui.states import ShownParagraph, counted, failed_only

PARAGRAPHS_PER_PAGE = 500
"""Paragraphs without trouble that one page shows; those with trouble are on the first one, all of them."""

_TROUBLED = ("failed", "upstream_failed")


@dataclass(frozen=True, kw_only=True)
class Page:
    """
    What every page knows.

    :param root: the path under which the application lies.
    :param is_tab: whether it is shown within Airflow's own page, where a link leads nowhere.
    """

    root: str
    dag_id: str
    run_id: str
    is_tab: bool = False

    @property
    def airflow(self) -> str:
        """The path of Airflow itself, without a slash at its end."""
        return self.root.removesuffix(URL_PREFIX)

    @property
    def run_address(self) -> str:
        """The overview of the run."""
        return f"{self.root}/dags/{quote(self.dag_id, safe='')}/runs/{quote(self.run_id, safe='')}"

    @property
    def run_in_airflow(self) -> str:
        """The run in Airflow's own UI."""
        return f"{self.airflow}/dags/{quote(self.dag_id, safe='')}/runs/{quote(self.run_id, safe='')}"

    def task_address(self, facts: TaskFacts) -> str:
        """The page of a task instance."""
        address = page_address(dag_id=self.dag_id, run_id=self.run_id, task_id=facts.task_id, map_index=facts.map_index)
        return f"{self.airflow}/{address}"

    def task_in_airflow(self, facts: TaskFacts) -> str:
        """The task instance in Airflow's own UI."""
        mapped = f"/mapped/{facts.map_index}" if facts.map_index >= 0 else ""
        return f"{self.run_in_airflow}/tasks/{quote(facts.task_id, safe='')}{mapped}"


def run_page(page: Page, *, tasks: Sequence[TaskFacts]) -> str:
    """Show a run: its orders, those that failed first, and what the plan refused."""
    rows = [facts for facts in tasks if facts.sees_orders_through]
    return _render(
        "run.html",
        page=page,
        rows=sorted(rows, key=lambda facts: (facts.state not in _TROUBLED, facts.map_index)),
        objections=[facts for facts in tasks if not facts.sees_orders_through and facts.failed],
        synthesize=SYNTHESIZE,
    )


def task_page(page: Page, *, facts: TaskFacts, orders: Sequence[ShownOrder], number: int) -> str:
    """
    Show a task instance: its paragraphs, those that failed first.

    :param number: which part of the paragraphs without trouble to show, from 1.
    """
    shown = [paragraph for order in orders for paragraph in order.paragraphs]
    unreadable = [order for order in orders if order.unreadable]
    trouble = [paragraph for paragraph in shown if paragraph.state.is_trouble]
    known = {paragraph.anchor for paragraph in shown}
    # What the task said itself is all that is known of an order that cannot be read, and of what never became one.
    trouble.extend(each for each in failed_only(facts.failed) if each.anchor not in known)
    rest = [paragraph for paragraph in shown if not paragraph.state.is_trouble]
    pages = max(1, -(-len(rest) // PARAGRAPHS_PER_PAGE))
    number = min(number, pages)
    return _render(
        "task.html",
        page=page,
        facts=facts,
        orders=orders,
        unreadable=unreadable,
        counts=counted(shown),
        total=len(shown),
        trouble=trouble if number == 1 else [],
        rest=_part(rest, number),
        number=number,
        pages=pages,
    )


def message_page(*, root: str, title: str, message: str) -> str:
    """Say something instead of a page."""
    return _render("message.html", airflow=root.removesuffix(URL_PREFIX), title=title, message=message)


def _part(paragraphs: Sequence[ShownParagraph], number: int) -> Sequence[ShownParagraph]:
    return paragraphs[(number - 1) * PARAGRAPHS_PER_PAGE : number * PARAGRAPHS_PER_PAGE]


def _render(name: str, **what: Any) -> str:
    return _templates().get_template(name).render(**what)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
