"""What the lines of the road's tasks name: the order and the chapter, in whichever room and thread they are written."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from narration import logs
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.polly import PollyHook
from narration.operators.assemble import AssembleNarrationOperator
from narration.operators.plan import PlanNarrationOperator
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from narration.operators.synthesize import SynthesisOperator
from narration.store import Store
from tests.azure_road import AzureRoad

ONLY_BATCH = pytest.mark.parametrize("azure_bench", ["azure_batch"], indirect=True)


@pytest.fixture(autouse=True)
def _in_a_context_of_its_own():
    logs.begin()
    yield
    logs.begin()


def spied(monkeypatch, owner: type, name: str) -> list[dict[str, str]]:
    """What is named whenever a method is called, by whichever thread."""
    seen: list[dict[str, str]] = []
    method: Callable[..., Any] = getattr(owner, name)

    def spy(*args, **kwargs):
        seen.append(logs.current())
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, spy)
    return seen


def in_order(seen: list[dict[str, str]]) -> list[list[tuple[str, str]]]:
    """The same for the same entries, however the threads took turns."""
    return sorted(sorted(entry.items()) for entry in seen)


def as_airflow_does(operator, context):
    """Run a task like Airflow: the hook before it in the process's context, the task itself in a copy of that."""
    operator.pre_execute(context)
    return contextvars.copy_context().run(operator.execute, context)


class TestOrders:
    def test_whatever_is_done_for_an_order_names_the_order_its_chapter_and_its_document(
        self, bench, run, road, monkeypatch
    ):
        starts = spied(monkeypatch, PollyHook, "start_speech_synthesis_task")
        claims = spied(monkeypatch, Store, "create_json")
        road.write(*(bench.text(number) for number in range(4)), chapters=2)
        orders = road.plan(run, paragraphs_per_order=3)
        assert [order["chapter"] for order in orders] == [road.heading(0), road.heading(1)]

        for order in orders:
            with pytest.raises(TaskDeferred):
                as_airflow_does(bench.operator(order), run.context)

        expected = [
            {"order": order["order_id"], "chapter": order["chapter"], "document": "Story"}
            for order in orders
            for _ in range(3)
        ]
        assert in_order(starts) == in_order(claims) == in_order(expected)

    @ONLY_BATCH
    def test_so_it_is_with_azure(self, azure_bench, monkeypatch):
        road = AzureRoad(azure_bench)
        creates = spied(monkeypatch, AzureSpeechHook, "create_batch_synthesis")
        road.write(azure_bench.text(1).strip())
        (order,) = road.plan(azure_bench.run("monday"))

        with pytest.raises(TaskDeferred):
            as_airflow_does(azure_bench.operator(order), azure_bench.run("monday").context)

        assert creates == [{"order": order["order_id"], "chapter": road.heading(0), "document": "Story"}]

    def test_an_order_of_several_chapters_names_the_first_and_the_last(self, bench, run, road):
        road.write(*(bench.text(number) for number in range(3)), chapters=3)

        (order,) = road.plan(run)

        assert order["chapter"] == f"{road.heading(0)} to {road.heading(2)}"

    def test_of_several_orders_in_one_task_each_is_named_in_its_own_lines(self, bench, run, road, monkeypatch):
        starts = spied(monkeypatch, PollyHook, "start_speech_synthesis_task")
        road.write(bench.text(1), bench.text(2), chapters=2)
        orders = road.plan(run, paragraphs_per_order=2)

        class Several(SynthesisOperator):
            def wanted(self):
                return orders

            def buyer(self, context):
                return "monday"

            def result(self, outcomes):
                return outcomes

        with pytest.raises(TaskDeferred) as deferred:
            as_airflow_does(Several(task_id="several"), {**run.context, "params": {"document": "/data/story.txt"}})

        assert [entry["order"] for entry in starts] == [order["order_id"] for order in orders for _ in range(2)]
        # What concerns them all names neither.
        assert deferred.value.trigger.about == {"document": "story.txt"}

    def test_the_trigger_that_waits_names_what_the_task_named(self, bench, run, road):
        bench.cloud.order_fault("object_late", count=9, seconds=1)
        road.write(bench.text(1))
        (order,) = road.plan(run)

        with pytest.raises(TaskDeferred) as deferred:
            as_airflow_does(bench.operator(order), run.context)

        assert deferred.value.trigger.about == {
            "order": order["order_id"],
            "chapter": order["chapter"],
            "document": "Story",
        }


class TestDocuments:
    def test_every_task_names_its_document_by_the_file_first_and_by_the_title_as_soon_as_it_is_known(
        self, bench, run, road, monkeypatch
    ):
        road.write(bench.text(1))
        context = road.context(run)
        named = []

        def done(operator):
            operator.pre_execute(context)
            before = logs.current()
            result = operator.execute(context)
            named.append((operator.task_id, before.get("document"), logs.current().get("document")))
            return result

        document = done(ReadDocumentOperator(task_id="read", service="polly"))
        (order,) = done(PlanNarrationOperator(task_id="plan", service="polly", document=document))
        run.ti.results = bench.see_through(order, run)
        plan = run.ti.xcoms["plan"]
        assembled = done(AssembleNarrationOperator(task_id="assemble", service="polly", plan=plan))
        done(
            PublishNarrationOperator(
                task_id="publish", service="polly", assembled=assembled, orders_task_id="synthesize"
            )
        )

        assert named == [(task, "story.txt", "Story") for task in ("read", "plan", "assemble", "publish")]

    def test_a_task_for_one_of_many_documents_of_a_run_names_that_one_by_its_place_in_the_inbox(self, run):
        request = {"name": "2026/01/05/story.txt", "problem": "", "service": "polly", "params": {}}

        ReadDocumentOperator(task_id="read", request=request).pre_execute({**run.context, "params": {"inbox": "/in"}})

        assert logs.current() == {"document": "2026/01/05/story.txt"}

    def test_no_task_names_what_the_one_before_it_in_the_same_process_named(self, bench, run, road):
        logs.begin(order="3f2a", chapter="I")
        road.write(bench.text(1))

        ReadDocumentOperator(task_id="read", service="polly").pre_execute(road.context(run))

        assert logs.current() == {"document": "story.txt"}

    def test_a_signed_address_is_not_named_with_its_signature(self, run):
        context = {**run.context, "params": {"document": "https://example.org/texts/story.txt?sig=secret"}}

        ReadDocumentOperator(task_id="read", service="polly").pre_execute(context)

        assert logs.current() == {"document": "story.txt"}
