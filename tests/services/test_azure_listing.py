"""Reading long lists whose order nobody documents, without reading all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_jobs import AzureJob
from narration.services.azure_listing import count_active, newest_jobs

API = SynthesisApi.LONG_AUDIO


class Resource:
    """A list as the service pages it, in an order that the local cloud may not be set to."""

    def __init__(self, jobs: list[AzureJob]) -> None:
        self.jobs = jobs
        self.pages = 0

    def list_jobs(self, *, api: SynthesisApi, page_size: int = 100, skip: int = 0) -> Iterator[AzureJob]:
        while True:
            self.pages += 1
            page = self.jobs[skip : skip + page_size]
            yield from page
            skip += page_size
            if skip >= len(self.jobs):
                return


def jobs(count: int, *, active: int = 0) -> list[AzureJob]:
    """Jobs from the oldest to the newest, one a second; the newest are active."""
    return [
        AzureJob(
            api=API,
            job_id=f"job-{number}",
            status="Running" if number >= count - active else "Succeeded",
            created_at=1000.0 + number,
        )
        for number in range(count)
    ]


def ordered(count: int, order: str, **more: int) -> Resource:
    made = jobs(count, **more)
    if order == "newest-first":
        made.reverse()
    elif order == "anyhow":
        random.Random(7).shuffle(made)
        made[0], made[99 if count > 99 else -1] = made[99 if count > 99 else -1], made[0]
    return Resource(made)


ORDERS = pytest.mark.parametrize("order", ["oldest-first", "newest-first"])


@ORDERS
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 999, 1000, 3050])
@pytest.mark.parametrize("known", [0, 50, 100, 950, 4000])
def test_everything_since_a_moment_is_read_whatever_the_length_of_the_list(order, count, known):
    resource = ordered(count, order)
    since = 1000.0 + count - 30

    reading = newest_jobs(resource, api=API, since=since, length=known)

    wanted = {job.job_id for job in resource.jobs if job.created_at >= since}
    assert wanted <= {job.job_id for job in reading.jobs}


@pytest.mark.parametrize(("order", "pages"), [("oldest-first", 4), ("newest-first", 2)])
def test_only_the_end_of_a_list_that_was_read_before_is_read_again(order, pages):
    resource = ordered(20_000, order)

    reading = newest_jobs(resource, api=API, since=1000.0 + 19_950, length=19_960)

    assert resource.pages <= pages
    assert {f"job-{number}" for number in range(19_950, 20_000)} <= {job.job_id for job in reading.jobs}


def test_the_length_that_is_remembered_is_that_of_the_list():
    resource = ordered(3050, "oldest-first")

    assert newest_jobs(resource, api=API, since=1000.0, length=0).length == 3050
    assert newest_jobs(resource, api=API, since=4040.0, length=3000).length == 3050


def test_a_list_that_got_shorter_because_old_jobs_were_deleted_hides_nothing_new():
    resource = ordered(1000, "oldest-first")
    resource.jobs = resource.jobs[700:]

    reading = newest_jobs(resource, api=API, since=1000.0 + 980, length=1000)

    assert {f"job-{number}" for number in range(980, 1000)} <= {job.job_id for job in reading.jobs}


@ORDERS
@pytest.mark.parametrize("count", [0, 5, 100, 150, 1000])
@pytest.mark.parametrize("active", [0, 3, 100, 130])
def test_the_active_ones_are_counted_from_the_newest_back(order, count, active):
    resource = ordered(count, order, active=active)

    assert count_active(resource, api=API, at_most=300) == min(count, active)


@ORDERS
def test_counting_stops_where_it_does_not_matter_any_more_and_reads_little(order):
    busy, idle = ordered(20_000, order, active=5000), ordered(20_000, order, active=20)

    assert count_active(busy, api=API, at_most=300) == 300
    assert count_active(idle, api=API, at_most=300) == 20
    assert max(busy.pages, idle.pages) <= 22


def test_a_list_in_no_order_is_counted_whole():
    made = jobs(1000, active=40)
    random.Random(7).shuffle(made)
    # The first page must not look like an order.
    made[99] = AzureJob(api=API, job_id=made[99].job_id, status=made[99].status, created_at=made[0].created_at)

    assert count_active(Resource(made), api=API, at_most=300) == 40
