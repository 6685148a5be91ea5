"""What every line of a task names: bound once, and seen in the lines of everybody."""

from __future__ import annotations

import contextvars
import logging

import pytest
from structlog.contextvars import bound_contextvars

from narration import logs
from narration.threads import Threads


@pytest.fixture(autouse=True)
def _in_a_context_of_its_own():
    logs.begin()
    yield
    logs.begin()


def test_what_a_task_is_about_is_named_until_another_one_begins():
    logs.begin(order="3f2a", chapter="Chapter II", document=None)
    assert logs.current() == {"order": "3f2a", "chapter": "Chapter II"}

    logs.begin(document="Story")
    assert logs.current() == {"document": "Story"}


def test_a_better_name_takes_the_place_of_the_first_and_nothing_names_nothing():
    logs.begin(document="story.txt")
    logs.add(document="A Story", order="")

    assert logs.current() == {"document": "A Story"}


def test_a_block_is_about_something_only_while_it_lasts():
    logs.begin(document="Story")
    with logs.about(order="3f2a", chapter="I"):
        assert logs.current() == {"document": "Story", "order": "3f2a", "chapter": "I"}

    assert logs.current() == {"document": "Story"}


def test_a_title_of_any_length_makes_no_line_of_any_length():
    logs.begin(document="word " * 1000)

    assert len(logs.current()["document"]) == 120
    assert logs.current()["document"].endswith("…")


def test_only_our_own_words_are_ours():
    with bound_contextvars(dag_id="narrate_polly", map_index=3):
        assert logs.current() == {}
        assert logs.task_field("dag_id") == "narrate_polly"
        assert logs.task_field("map_index") == "3"
    assert logs.task_field("dag_id") is None


def test_threads_and_copies_of_the_context_name_it_too():
    logs.begin(order="3f2a")

    with Threads(2) as pool:
        assert list(pool.map(lambda _: logs.current(), range(3))) == [{"order": "3f2a"}] * 3
    assert contextvars.copy_context().run(logs.current) == {"order": "3f2a"}


def test_the_lines_of_other_libraries_name_it_in_airflows_own_format(tmp_path):
    import json

    from airflow.sdk.log import logging_processors

    logs.begin(order="3f2a", document="Story")
    record = logging.LogRecord("urllib3", logging.INFO, __file__, 1, "Resetting dropped connection", (), None)
    event = {"event": record.getMessage(), "level": "info"}
    for processor in logging_processors(json_output=True):
        event = processor(None, "info", event)

    line = json.loads(event)
    assert (line["order"], line["document"], line["event"]) == ("3f2a", "Story", "Resetting dropped connection")
