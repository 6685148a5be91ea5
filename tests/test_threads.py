"""Work that is handed to threads knows what its task is about."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from narration.store import Store
from narration.threads import Threads

ABOUT: ContextVar[str] = ContextVar("ABOUT", default="nothing")


@pytest.fixture
def named():
    token = ABOUT.set("chapter one")
    yield
    ABOUT.reset(token)


def test_work_runs_in_the_context_of_whoever_handed_it_in(named):
    with Threads(3) as pool:
        seen = list(pool.map(lambda _: (ABOUT.get(), threading.current_thread() is threading.main_thread()), range(9)))

    assert set(seen) == {("chapter one", False)}


def test_what_one_piece_of_work_sets_the_next_one_does_not_see(named):
    with Threads(1) as pool:
        pool.submit(ABOUT.set, "chapter two").result()

        assert pool.submit(ABOUT.get).result() == "chapter one"


def test_errors_and_results_come_back_as_from_any_pool():
    with Threads(2) as pool:
        assert pool.submit(divmod, 7, 3).result() == (2, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result()


def test_the_store_works_side_by_side_in_the_context_of_the_task(named):
    assert Store.parallel(lambda _: ABOUT.get(), range(20)) == ["chapter one"] * 20
