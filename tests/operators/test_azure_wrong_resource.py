"""An order whose connection leads to another resource for a while, over HTTP: nothing is bought twice."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from narration.services.azure_presence import JobsNotFoundError
from tests.road import event_of


@pytest.fixture
def bench(azure_bench):
    return azure_bench


@pytest.fixture
def run(bench):
    return bench.run("monday")


def moved(monkeypatch, clock, *modules):
    for module in modules:
        monkeypatch.setattr(f"narration.{module}.time", SimpleNamespace(time=clock, monotonic=time.monotonic))


def ahead(bench):
    """By how much the cloud's clock is ahead of ours: other tests move it."""
    return bench.cloud._call("GET", "clock")["now"] - time.time()


def test_the_job_is_waited_for_until_the_right_resource_is_back(bench, run, monkeypatch, clock):
    order = bench.stories(2)
    waiting = bench.first_look(order, run)
    event = event_of(waiting)
    clock.forward(ahead(bench) + 1000)
    moved(monkeypatch, clock, "services.azure_common")
    key = bench.key
    bench.key += "-another"
    bench.connect(monkeypatch)
    with pytest.raises(JobsNotFoundError):
        bench.resume(order, run, waiting, event)
    bench.key = key
    bench.connect(monkeypatch)

    bench.see_through(order, run)

    assert (bench.bought, bench.stored(order)) == (1, 2)


def test_a_job_that_was_deleted_is_bought_again_once_the_record_is_removed_as_the_message_says(
    bench, run, monkeypatch, clock
):
    order = bench.stories(2)
    event_of(bench.first_look(order, run))
    for job in bench.record(order)["jobs"]:
        bench.adapter.hook.delete_job(api=bench.adapter.api, job_id=job["job_id"])
    clock.forward(ahead(bench) + 1000)
    moved(monkeypatch, clock, "services.azure_common", "operators.purchasing", "operators.claims")
    with pytest.raises(JobsNotFoundError) as caught:
        bench.operator(order).execute(run.context)
    record = f"orders/{order['order_id']}.record.json"
    assert record in str(caught.value)
    (bench.folder / "store" / record).unlink()

    bench.see_through(order, run)

    assert (bench.bought, bench.stored(order)) == (2, 2)
