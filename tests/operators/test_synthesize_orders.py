"""One task that sees all orders of a document through, as a nightly run has it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from narration.operators.forms import form_of
from narration.operators.inbox_records import InboxRecords
from narration.operators.reconciling import OrderReconciler, ParagraphRefusedError
from narration.operators.synthesize import SynthesizeOrdersOperator, WaitTimeoutError
from tests.road import START, event_of


def request_of(bench: Any, name: str = "story.txt", **change: Any) -> dict[str, Any]:
    params = {field: param.value for field, param in form_of("polly").items()}
    return {
        "name": name,
        "service": "polly",
        "params": {**params, "document": name, "storage": bench.storage, **change},
        **{"version": "1", "file": "1", "number": 1, "run_id": "a night", "dag_id": "narrate_nightly"},
        "records": {"storage": bench.storage, "key": "inbox"},
        "problem": None,
    }


def operator(bench: Any, orders: list[dict[str, Any]], **change: Any) -> SynthesizeOrdersOperator:
    made = SynthesizeOrdersOperator(task_id="synthesize", request=request_of(bench, **change), orders=orders)
    made.poll_interval = 0.03
    return made


def spoilt(bench: Any, name: str) -> Any:
    """A paragraph that Polly refuses."""
    return bench.clip(f"<speak>Too long a break.<break time='20s'/>{name} {bench.word}</speak>", text_type="ssml")


def see_through(bench: Any, run: Any, orders: list[dict[str, Any]], **change: Any) -> Any:
    step = lambda: operator(bench, orders, **change).execute(run.context)  # noqa: E731
    for _ in range(20):
        try:
            return step()
        except TaskDeferred as deferred:
            event, kwargs = event_of(deferred), deferred.kwargs
            step = lambda e=event, k=kwargs: operator(bench, orders, **change).resume(run.context, e, **k)  # noqa: E731
    raise AssertionError("the orders were not finished after 20 looks")


def test_all_orders_are_bought_at_the_first_look_and_waited_for_together(bench, run):
    orders = [bench.order(bench.text("a"), bench.text("b")), bench.order(bench.text("c"))]
    before = bench.calls(START)

    with pytest.raises(TaskDeferred) as deferred:
        operator(bench, orders).execute(run.context)

    assert bench.calls(START) - before == 3
    assert len(deferred.value.trigger.job_ids) == 3


def test_every_order_has_its_result_and_its_bill(bench, run):
    orders = [bench.order(bench.text("a"), bench.text("b")), bench.order(bench.text("c"))]

    results = see_through(bench, run, orders)

    assert [result["order_id"] for result in results] == [order["order_id"] for order in orders]
    assert sum(result["bill"]["characters_billed"] for result in results) == bench.billed
    assert run.state.values["progress"]["done"] == 3


def test_a_document_without_orders_is_finished_at_once(bench, run):
    assert operator(bench, []).execute(run.context) == []


def test_documents_that_share_an_order_do_not_share_its_bill(bench, run):
    order = bench.stories(2)

    first = see_through(bench, run, [order], name="one.txt")
    second = see_through(bench, run, [order], name="two.txt")

    assert (first[0]["bill"]["jobs"], second[0]["bill"]["jobs"]) == (2, 0)


def test_an_order_that_is_refused_keeps_nobody_from_the_others_and_is_named_in_the_end(bench, run):
    refused = bench.order(spoilt(bench, "a"))
    good = bench.stories(2)

    with pytest.raises(ParagraphRefusedError, match="refused 1 paragraph"):
        see_through(bench, run, [refused, good])

    assert bench.stored(good) == 2
    failure = run.ti.xcoms["failure"]
    assert (failure["document"], failure["task"]) == ("story.txt", "synthesize")
    assert "refused 1 paragraph" in failure["reason"]
    record = InboxRecords(store=bench.store, key="inbox").document("story.txt")
    assert (record.state, record.version) == ("failed", "1")


def test_two_orders_that_are_refused_are_both_named(bench, run):
    orders = [bench.order(spoilt(bench, name)) for name in ("a", "b")]

    with pytest.raises(ParagraphRefusedError) as error:
        see_through(bench, run, orders)

    assert str(error.value).count("refused 1 paragraph") == 2


def test_a_dry_run_buys_nothing_and_skips_what_follows(bench, run):
    before = bench.calls(START)

    with pytest.raises(AirflowSkipException):
        operator(bench, [bench.stories(1)], dry_run=True).execute(run.context)

    assert bench.calls(START) == before
    assert "failure" not in run.ti.xcoms


def test_a_service_that_does_not_answer_is_no_failure_of_the_document_for_good(bench, run, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        '{"conn_type": "aws", "login": "a", "password": "b", "extra": {'
        '"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}}',
    )
    order = bench.stories(1)

    with pytest.raises(Exception, match=r"."):
        operator(bench, [order]).execute(run.context)

    assert run.ti.xcoms["failure"]["document"] == "story.txt"
    assert InboxRecords(store=bench.store, key="inbox").document("story.txt") is None


def test_an_order_whose_service_fails_for_now_keeps_nobody_from_the_others(bench, run, monkeypatch):
    first, second = bench.order(bench.text("a")), bench.order(bench.text("b"))
    reconcile = OrderReconciler.reconcile

    def faulty(reconciler: OrderReconciler, **about: Any) -> Any:
        if reconciler.about["order"] == first["order_id"]:
            raise ConnectionError("the service does not answer")
        return reconcile(reconciler, **about)

    before = bench.calls(START)
    with monkeypatch.context() as patch:
        patch.setattr(OrderReconciler, "reconcile", faulty)
        with pytest.raises(ConnectionError, match="does not answer"):
            operator(bench, [first, second]).execute(run.context)

    assert bench.calls(START) - before == 1
    assert len(see_through(bench, run, [first, second])) == 2
    assert bench.calls(START) - before == 2


def test_a_service_that_does_not_answer_is_not_asked_for_every_order(bench, run, monkeypatch):
    asked = []

    def dead(reconciler: OrderReconciler, **_: Any) -> Any:
        asked.append(reconciler)
        raise ConnectionError("the service does not answer")

    monkeypatch.setattr(OrderReconciler, "reconcile", dead)

    with pytest.raises(ConnectionError):
        operator(bench, [bench.stories(1) for _ in range(4)]).execute(run.context)

    assert len(asked) == 2


def test_a_wait_that_ends_too_late_names_what_was_refused_meanwhile(bench, run):
    waited = operator(bench, [bench.order(spoilt(bench, "a")), bench.stories(1)])
    waited.wait_timeout = timedelta(0)

    with pytest.raises(WaitTimeoutError, match="refused 1 paragraph") as error:
        waited.execute(run.context)

    assert "Clear this task to wait on" in str(error.value)
