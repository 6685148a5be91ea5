"""
Two who buy the same thing at the same moment, and one who was taken for dead and comes back.

Real processes, which are let go at one moment, or stand still (SIGSTOP) at a point of :mod:`tests.crash.points` while
their retry goes on and the clocks move. One point of each kind is part of every test run, the others of
``make crash-test``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.books import Book
from tests.crash.races import Stage
from tests.crash.steps import AZURE, SERVICES
from tests.crash.universe import Universe

LONG = pytest.mark.crash


def first_and_more(*points: str) -> list[Any]:
    """The first of some points for every test run, the others for the whole matrix."""
    return [points[0], *(pytest.param(point, marks=LONG) for point in points[1:])]


LONGER_THAN_ANY_DOUBT = 600.0
# Where a worker stands still before it may buy; it wakes when its retry has long bought.
BEFORE_THE_SALE = first_and_more(
    "write.intent.after",
    "begun",
    "write.record.after",
    "write.claim.before",
    "write.claim.after",
    "write.intent.before",
    "write.intent.written",
    "buy.asked",
)
AFTER_THE_SALE = first_and_more("buy.answered", "buy.accepted", "write.answer.before", "write.answer.after")


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Universe]:
    with Universe(folder=tmp_path_factory.mktemp("races")) as universe:
        yield universe


@pytest.fixture
def set_stage(universe: Universe, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Stage]]:
    words = iter(range(1000))
    stages: list[Stage] = []

    def make() -> Stage:
        number = next(words)
        dice = random.Random(f"{request.node.nodeid} {number}")
        word = f"Racewood{dice.randrange(10**7)}"
        stages.append(Stage(universe=universe, folder=tmp_path / f"stage-{number}", word=word))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


@pytest.fixture
def stage(set_stage: Callable[[], Stage]) -> Stage:
    return set_stage()


def one_at_a_time(service: str) -> dict[str, int]:
    """
    Orders for which a worker needs one thread.

    Polly's takes four, which share a lock with all processes of the machine; a sleeper that holds it keeps its retry
    waiting for as long as it sleeps.
    """
    return {"paragraphs_per_order": 1} if service == "polly" else {}


def of(stage: Stage, service: str) -> Book:
    return stage.book(long=service == "azure_long_audio")


@pytest.mark.parametrize("service", SERVICES)
class TestAtTheSameMoment:
    @pytest.mark.parametrize(
        "start_at", first_and_more("write.claim.before", "begun", "write.record.after", "write.intent.before")
    )
    def test_a_document_that_is_started_twice_is_paid_for_once(self, set_stage, service, start_at):
        for _ in range(2):
            stage = set_stage()
            book = of(stage, service)
            stage.together(stage.start(service, book), stage.start(service, book), start_at=start_at)
            stage.compare()

    @LONG
    def test_paragraphs_that_two_documents_share_are_paid_for_once(self, set_stage, service):
        for _ in range(2):
            stage = set_stage()
            book = of(stage, service)
            other = Book(chapters=(*book.swapped().chapters, *_appendix(stage, service)))
            stage.together(stage.start(service, book), stage.start(service, other))
            stage.compare()


def _appendix(stage: Stage, service: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    more = stage.book(long=service == "azure_long_audio")
    return tuple(
        (f"Chapter {number}: More of {stage.word}", tuple(f"More: {text}" for text in paragraphs))
        for number, (_, paragraphs) in enumerate(more.chapters, start=3)
    )


@pytest.mark.parametrize("start_at", first_and_more("write.claim.before", "begun"))
def test_a_document_that_is_started_through_two_apis_with_one_store_is_paid_for_once(set_stage, start_at):
    for first, second in (("azure_batch", "azure_batch_preview"), ("azure_batch_preview", "azure_batch")):
        stage = set_stage()
        book = stage.book(long=False)
        stage.together(stage.start(first, book), stage.start(second, book), start_at=start_at)
        stage.compare()


@pytest.mark.parametrize("service", SERVICES)
class TestAWorkerThatWasTakenForDead:
    @pytest.mark.parametrize("point", BEFORE_THE_SALE)
    def test_buys_nothing_when_it_wakes_after_its_retry_has_bought_everything(self, stage, service, point):
        run = stage.start(service, of(stage, service), **one_at_a_time(service))
        action = stage.until(run, "synthesize")
        sleeping = stage.begin(action, stop_at=point)
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        run.begin_again(action)
        stage.collect(run)
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)

        stage.compare()

    @pytest.mark.parametrize("point", BEFORE_THE_SALE)
    def test_buys_nothing_when_it_wakes_while_its_retry_buys(self, stage, service, point):
        run = stage.start(service, of(stage, service), **one_at_a_time(service))
        action = stage.until(run, "synthesize")
        sleeping = stage.begin(action, stop_at=point)
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        run.begin_again(action)
        retry = stage.begin(action, stop_at="write.intent.after")
        assert stage.universe.wait_for_note(retry)
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)
        stage.universe.go_on(retry)
        stage.end(action, retry)
        stage.collect(run)

        stage.compare()

    @LONG
    def test_pays_a_second_time_only_where_no_id_is_the_clients_if_it_stood_still_when_the_request_was_ready(
        self, stage, service
    ):
        run = stage.start(service, of(stage, service), **one_at_a_time(service))
        action = stage.until(run, "synthesize")
        sleeping = stage.begin(action, stop_at="buy.before")
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        run.begin_again(action)
        stage.collect(run)
        exact, jobs = stage.billed(), stage.jobs()
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)

        assert exact == sum(map(len, run.book.texts))
        # The window that docs/reliability.md describes; benchmarks/purchase_window.py measures how short it is. A busy
        # cloud may take up the late request when the one who sent it is gone.
        bought_again = stage.sees_another_job(jobs, within=2.0 if service == "azure_batch" else 20.0)
        assert bought_again == (service != "azure_batch")

    @pytest.mark.parametrize("point", AFTER_THE_SALE)
    def test_loses_nothing_when_it_wakes_after_the_sale(self, stage, service, point):
        run = stage.start(service, of(stage, service), **one_at_a_time(service))
        action = stage.until(run, "synthesize")
        sleeping = stage.begin(action, stop_at=point)
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        run.begin_again(action)
        stage.collect(run)
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)

        stage.compare()

    @LONG
    @pytest.mark.parametrize("point", ["download.body", "write.audio.half", "write.audio.after", "write.facts.written"])
    def test_spoils_nothing_when_it_wakes_while_it_collects(self, stage, service, point):
        run = stage.start(service, of(stage, service))
        action = stage.until(run, "resume")
        sleeping = stage.begin(action, stop_at=point)
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        run.begin_again(action)
        stage.collect(run)
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)
        stage.finish(run)

        stage.compare()

    @pytest.mark.parametrize(
        "point", first_and_more("write.mp3.half", "assemble.clip", "write.mp3.after", "write.m4b.written")
    )
    def test_spoils_nothing_when_it_wakes_while_it_assembles(self, stage, service, point):
        run = stage.start(service, of(stage, service))
        action = stage.until(run, "assemble")
        sleeping = stage.begin(action, stop_at=point)
        assert stage.universe.wait_for_note(sleeping)

        stage.universe.move(LONGER_THAN_ANY_DOUBT)
        stage.finish(run)
        stage.universe.go_on(sleeping)
        stage.universe.finish(sleeping)

        stage.compare()


@pytest.mark.parametrize("service", SERVICES)
def test_a_mapped_task_that_is_cleared_after_the_document_changed_makes_what_it_now_stands_for(stage, service):
    book = of(stage, service)
    run = stage.start(service, book)
    stage.finish(run)
    # The positions of all orders move: what was the first chapter is the second one now.
    changed = book.swapped()
    changed.write(Path(run.params["document"]))
    run.book, run.document, run.mapped = changed, None, None
    run.assembled = run.published = None
    stage.finish(run)

    stage.compare()


@pytest.mark.parametrize("service", AZURE)
def test_a_job_is_not_deleted_under_a_worker_that_collects_it(stage, service):
    run = stage.start(service, of(stage, service))
    action = stage.until(run, "resume")
    sleeping = stage.begin(action, stop_at="write.facts.after")
    assert stage.universe.wait_for_note(sleeping)

    stage.clean_up()
    stage.universe.go_on(sleeping)
    stage.end(action, sleeping)
    stage.finish(run)

    stage.compare()
