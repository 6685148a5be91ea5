"""Reading long lists whose order nobody documents, without reading all of them."""

from __future__ import annotations

import random

import pytest

from narration.hooks.azure_errors import AzureSpeechError
from narration.services.azure_listing import Reading, count_active, read_since
from tests.services.azure_lists import API, Resource, job, jobs, ordered

ORDERS = pytest.mark.parametrize("order", ["oldest-first", "newest-first"])


def read(resource: Resource, *, since: float | None, length: int = 0, known: set[str] = frozenset()):
    met: list[str] = []
    reading = read_since(
        resource, api=API, since=since, length=length, known=known, visit=lambda job: met.append(job.job_id)
    )
    return set(met), reading


@ORDERS
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 149, 150, 151, 200, 999, 1000, 3050])
@pytest.mark.parametrize("length", [0, 50, 100, 950, 4000])
def test_everything_since_a_moment_is_read_whatever_the_length_of_the_list(order, count, length):
    resource = ordered(count, order)
    since = 1000.0 + count - 30

    met, reading = read(resource, since=since, length=length, known={f"job-{count - 20}"})

    assert {job.job_id for job in resource.jobs if job.created_at >= since} <= met
    assert reading.is_complete


@pytest.mark.parametrize(("order", "pages"), [("oldest-first", 4), ("newest-first", 2)])
def test_only_the_end_of_a_list_that_was_read_before_is_read_again(order, pages):
    resource = ordered(20_000, order)

    met, _ = read(resource, since=1000.0 + 19_950, length=19_960, known={"job-19940"})

    assert resource.pages <= pages
    assert {f"job-{number}" for number in range(19_950, 20_000)} <= met


@ORDERS
@pytest.mark.parametrize("count", [99, 100, 101, 198, 199, 200, 1000])
def test_a_list_is_read_whole_with_little_overlap(order, count):
    resource = ordered(count, order)

    met, reading = read(resource, since=None)

    assert len(met) == count
    assert reading == Reading(length=count, is_complete=True)
    assert resource.pages <= count // 99 + 1


def test_the_length_of_a_list_with_the_newest_at_its_end_is_told():
    assert read(ordered(3050, "oldest-first"), since=4040.0, length=3000, known={"job-3000"})[1].length == 3050


def test_a_list_that_got_shorter_because_old_jobs_were_deleted_hides_nothing_new():
    resource = ordered(1000, "oldest-first")
    resource.jobs = resource.jobs[700:]

    met, reading = read(resource, since=1000.0 + 980, length=1000, known={"job-970"})

    assert {f"job-{number}" for number in range(980, 1000)} <= met
    assert reading == Reading(length=300, is_complete=True)


class TestWhileTheListChanges:
    @ORDERS
    @pytest.mark.parametrize("deleted", [1, 2, 5, 30])
    def test_jobs_that_are_deleted_meanwhile_hide_no_others(self, order, deleted):
        resource = ordered(3000, order)
        start = 0 if order == "oldest-first" else 700

        def delete() -> None:
            # From the front, and from the middle of what was read or will be.
            del resource.jobs[start : start + deleted]

        resource.after_page = delete
        met, reading = read(resource, since=None)

        assert {job.job_id for job in resource.jobs} <= met
        assert reading.is_complete

    def test_jobs_that_are_bought_meanwhile_hide_no_others(self):
        resource = ordered(2000, "newest-first")
        bought = iter(range(2000, 9000))
        resource.after_page = lambda: resource.jobs.insert(0, job(next(bought)))

        met, reading = read(resource, since=None)

        assert {f"job-{number}" for number in range(2000)} <= met
        assert reading.is_complete

    def test_deletions_while_the_end_is_read_backwards_hide_nothing(self):
        resource = ordered(3000, "oldest-first")
        resource.after_page = lambda: resource.jobs.__delitem__(slice(0, 7))

        met, reading = read(resource, since=1000.0 + 2000, length=2900, known={"job-1990"})

        assert {f"job-{number}" for number in range(2000, 3000)} <= met
        assert reading.is_complete

    def test_jobs_that_appear_before_all_others_while_the_end_is_read_backwards_hide_nothing(self):
        resource = ordered(3000, "oldest-first")

        def insert() -> None:
            if resource.pages == 3:
                resource.jobs[:0] = [job(-number) for number in range(150, 0, -1)]

        resource.after_page = insert
        met, _ = read(resource, since=1000.0 + 2000, length=3000, known={"job-1990"})

        assert {f"job-{number}" for number in range(2000, 3000)} <= met

    def test_a_job_that_moves_to_the_front_while_the_rest_is_read_is_met(self):
        made = jobs(1000)
        random.Random(3).shuffle(made)
        resource = Resource(made)
        moving = made[800]

        def move() -> None:
            if resource.pages == 4:
                resource.jobs.remove(moving)
                resource.jobs.insert(0, moving)

        resource.after_page = move
        met, reading = read(resource, since=None)

        assert moving.job_id in met
        assert not reading.is_complete

    def test_a_list_that_never_shows_anything_else_is_not_read_for_ever(self):
        class Same(Resource):
            def list_jobs(self, **_):
                self.pages += 1
                return iter(self.jobs)

        for made in (jobs(100), jobs(100)[::-1]):
            with pytest.raises(AzureSpeechError, match="goes on and on"):
                read(Same(made), since=None)


class TestOrdersThatAreNotThoseOfCreation:
    def test_a_list_in_no_order_is_read_whole_and_vouches_for_nothing(self):
        resource = ordered(1000, "anyhow")

        met, reading = read(resource, since=1990.0, length=1000, known={"job-995"})

        assert len(met) == 1000
        assert not reading.is_complete

    @ORDERS
    def test_two_dates_are_no_order(self, order):
        made = [job(number, at=2000.0) for number in range(1000)]
        made[0] = job(0, at=3000.0 if order == "newest-first" else 500.0)
        made[700] = job(700, at=9000.0)

        met, _ = read(Resource(made), since=8000.0, length=1000, known={"job-0"})

        assert "job-700" in met

    @ORDERS
    def test_an_order_that_ends_after_the_first_page_is_not_believed(self, order):
        resource = ordered(1000, order)
        new = job(5000)
        resource.jobs.insert(500, new)

        met, reading = read(resource, since=1000.0 + 200, length=1000, known={"job-150"})

        assert new.job_id in met
        assert not reading.is_complete

    def test_an_order_that_only_the_first_page_has_costs_little_more_than_none(self):
        resource = ordered(3000, "oldest-first")
        rest = resource.jobs[100:]
        random.Random(7).shuffle(rest)
        resource.jobs[100:] = rest

        met, _ = read(resource, since=1000.0 + 2900, length=3000, known={"job-2800"})

        assert len(met) == 3000
        assert resource.pages <= 30 + 5

    def test_a_page_of_jobs_that_finished_late_is_not_taken_for_the_newest_ones(self):
        # By the last action: what finished last stands first, and it was created long ago.
        late = [job(number, at=1000.0 - number) for number in range(150)]
        rest = [job(number, at=9000.0 - number) for number in range(1000, 1500)]
        new = job(5000, at=9500.0)

        met, _ = read(Resource([*late, new, *rest]), since=8500.0, length=650, known={"job-1000", "job-1001"})

        assert new.job_id in met

    def test_a_list_by_the_last_action_is_read_down_to_where_nothing_has_happened_since(self):
        # All of them finished in the order of their creation, after the new one had been bought.
        late = [job(900 - number, last=9600.0 - number) for number in range(300)]
        new = job(5000, at=9100.0, last=9100.0)
        rest = [job(300 - number, last=8000.0 - number) for number in range(300)]

        met, _ = read(Resource([*late, new, *rest]), since=9000.0, length=601, known={"job-900"})

        assert new.job_id in met

    @ORDERS
    def test_the_newest_known_one_that_was_deleted_leads_further_down(self, order):
        resource = ordered(1000, order)

        met, reading = read(resource, since=1990.0, length=1000, known={"gone", "job-700"})

        assert "job-700" in met
        assert reading.is_complete


class TestCounting:
    @ORDERS
    @pytest.mark.parametrize("count", [0, 5, 100, 101, 150, 1000])
    @pytest.mark.parametrize("active", [0, 3, 100, 130])
    def test_the_active_ones_are_counted_from_the_newest_back(self, order, count, active):
        resource = ordered(count, order, active=active)

        assert count_active(resource, api=API, at_most=300) == min(count, active)

    @ORDERS
    def test_counting_stops_where_it_does_not_matter_any_more_and_reads_little(self, order):
        busy, idle = ordered(20_000, order, active=5000), ordered(20_000, order, active=20)

        assert count_active(busy, api=API, at_most=300) == 300
        assert count_active(idle, api=API, at_most=300) == 20
        assert max(busy.pages, idle.pages) <= 24

    @pytest.mark.parametrize("finished", [1, 51])
    def test_some_that_finished_early_at_the_very_end_hide_no_others(self, finished):
        resource = ordered(1001, "oldest-first", active=101)
        resource.jobs[-finished:] = [job(number) for number in range(1001 - finished, 1001)]

        assert count_active(resource, api=API, at_most=300) == 101 - finished

    @pytest.mark.parametrize("seed", range(5))
    def test_a_list_in_no_order_is_counted_whole(self, seed):
        made = jobs(1000, active=40)
        random.Random(seed).shuffle(made)

        assert count_active(Resource(made), api=API, at_most=300) == 40
