"""What it costs to see which of many jobs are unfinished."""

from __future__ import annotations

import asyncio

import pytest

from narration.services.azure_watch import AzureSight, unfinished_jobs
from tests.services.azure_lists import API, Resource, job, ordered


def look(resource: Resource, ids: list[str], last: AzureSight | None = None) -> tuple[AzureSight, int]:
    """Look once; what was seen, and the requests that it took."""
    before = resource.requests
    sight = asyncio.run(unfinished_jobs(resource, api=API, job_ids=ids, last=last))
    return sight, resource.requests - before


@pytest.mark.parametrize(("order", "first", "later"), [("newest-first", 2, 2), ("oldest-first", 24, 4)])
def test_many_new_jobs_at_the_newest_end_of_a_long_list_cost_a_few_requests(order, first, later):
    resource = ordered(20_000, order, active=120)
    ids = [f"job-{number}" for number in range(19_880, 20_000)]

    sight, requests = look(resource, ids)
    assert sight.unfinished == set(ids)
    assert requests <= first

    for _ in range(2):
        sight, requests = look(resource, ids, sight)
        assert sight.unfinished == set(ids)
        assert requests <= later


def test_a_list_in_no_order_is_given_up_when_asking_for_each_is_cheaper():
    resource = ordered(20_000, "anyhow", active=40)
    ids = [f"job-{number}" for number in range(19_960, 20_000)]

    sight, requests = look(resource, ids)
    assert set(ids) <= sight.unfinished
    assert requests <= 80

    sight, requests = look(resource, ids, sight)
    assert sight.unfinished == set(ids)
    assert requests == 40


@pytest.mark.parametrize("order", ["newest-first", "oldest-first", "anyhow"])
def test_what_the_list_does_not_show_is_asked_for_and_gone_only_if_it_is_not_known(order):
    resource = ordered(150, order, active=3)
    hidden = job(500, status="NotStarted")
    resource.get_job = lambda *, api, job_id, get=resource.get_job: (
        hidden if job_id == hidden.job_id else get(api=api, job_id=job_id)
    )

    sight, _ = look(resource, ["job-149", "job-500", "job-9000", "job-3", "job-4", "job-5"])

    assert {"job-149", "job-500"} <= sight.unfinished
    assert not {"job-9000", "job-3"} & sight.unfinished


def test_a_few_are_asked_for_one_by_one():
    resource = ordered(20_000, "oldest-first", active=2)

    assert look(resource, ["job-19999", "job-1"]) == (AzureSight(unfinished=frozenset({"job-19999"})), 2)
