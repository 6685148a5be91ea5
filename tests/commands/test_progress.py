"""The line on the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest

from include.commands.progress import Display, Progress, clock, measure

PLAN = {"paragraphs": 100, "to_buy": 60, "stored": 40, "orders": 2}


def instance(task: str, state: str | None, *, map_index: int = -1, try_number: int = 1) -> dict[str, Any]:
    return {"task_id": task, "state": state, "map_index": map_index, "try_number": try_number}


def progress_of(*instances: dict[str, Any], plan: Any = None, orders: Any = (), billed: int = 0) -> Progress:
    return measure(run={"state": "running"}, instances=instances, plan=plan, orders=orders, billed=billed)


def test_a_run_that_was_not_picked_up_yet_waits_for_the_scheduler() -> None:
    assert measure(run={"state": "queued"}, instances=[], plan=None, orders=[], billed=0).stage == (
        "Waiting for the scheduler"
    )


def test_the_stage_is_the_first_task_that_is_not_finished() -> None:
    progress = progress_of(instance("read", "success"), instance("plan", "running"), instance("assemble", None))
    assert progress.stage == "Planning"


def test_paragraphs_in_the_store_count_as_done() -> None:
    progress = progress_of(
        instance("synthesize", "deferred", map_index=0),
        instance("synthesize", "running", map_index=1),
        plan=PLAN,
        orders=[
            {"done": 10, "total": 30, "billed_characters": 700},
            {"done": 5, "total": 30, "billed_characters": 300},
        ],
    )
    assert (progress.paragraphs_done, progress.paragraphs) == (55, 100)
    assert (progress.orders_done, progress.orders) == (0, 2)
    assert progress.billed_characters == 1000


def test_what_was_bought_before_and_is_not_fetched_yet_is_not_done() -> None:
    progress = progress_of(instance("synthesize", "running", map_index=0), plan={**PLAN, "to_buy": 20, "on_order": 40})
    assert progress.paragraphs_done == 40


def test_a_run_that_waits_for_a_person_says_so_and_where() -> None:
    progress = progress_of(instance("plan", "success"), instance("approve", "awaiting_input"), plan=PLAN)
    assert "Required Actions" in progress.stage


def test_all_paragraphs_are_done_when_all_orders_are() -> None:
    progress = progress_of(
        instance("synthesize", "success", map_index=0),
        instance("synthesize", "success", map_index=1),
        instance("assemble", "running"),
        plan=PLAN,
        orders=[{"done": 29, "total": 30}],
    )
    assert progress.paragraphs_done == 100
    assert progress.stage == "Joining the audio"


def test_joining_the_audio_says_how_far_it_is() -> None:
    joining = (instance("synthesize", "success", map_index=0), instance("assemble", "running"))
    measured = measure(
        run={"state": "running"}, instances=joining, plan=PLAN, orders=[], billed=7, assembled={"percent": 43}
    )
    assert measured.line(elapsed=83).startswith("Joining the audio · 43 % · 100 of 100 paragraphs · ")


@pytest.mark.parametrize("assembled", [None, {}, {"percent": None}, {"percent": "some"}])
def test_joining_the_audio_says_no_figure_that_it_does_not_have(assembled: Any) -> None:
    measured = measure(
        run={"state": "running"},
        instances=[instance("assemble", "running")],
        plan=None,
        orders=[],
        billed=0,
        assembled=assembled,
    )
    assert measured.line(elapsed=83) == "Joining the audio · 1:23"


def test_the_stage_after_it_has_no_percentage() -> None:
    publishing = [instance("assemble", "success"), instance("publish", "running")]
    measured = measure(
        run={"state": "running"}, instances=publishing, plan=None, orders=[], billed=0, assembled={"percent": 99}
    )
    assert measured.line(elapsed=83) == "Publishing · 1:23"


def test_the_bill_counts_when_the_orders_have_not_reported_yet() -> None:
    assert progress_of(instance("synthesize", "running", map_index=0), plan=PLAN, billed=1234).billed_characters == 1234


def test_the_line_reads_as_a_sentence_of_figures() -> None:
    progress = Progress(
        stage="Narrating", orders_done=1, orders=21, paragraphs_done=812, paragraphs=2044, billed_characters=301512
    )
    assert progress.line(elapsed=83) == (
        "Narrating · 812 of 2,044 paragraphs · 1 of 21 orders · 301,512 characters billed · 1:23"
    )


def test_time_is_shown_in_hours_only_when_there_are_any() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 60, 3599, 3600, 36061)] == [
        "0:00",
        "0:59",
        "1:00",
        "59:59",
        "1:00:00",
        "10:01:01",
    ]


class TestTheDisplay:
    def test_writes_over_the_same_line_of_a_terminal(self) -> None:
        stream = io.StringIO()
        display = Display(stream=stream, tty=True)
        display.show("one", key="a")
        display.show("two", key="a")
        display.say("done")
        assert stream.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kdone\n"

    def test_writes_plain_lines_elsewhere_when_the_stage_changes_or_time_has_passed(self) -> None:
        stream = io.StringIO()
        now = [0.0]
        display = Display(stream=stream, tty=False, monotonic=lambda: now[0])
        for second, line, stage in [(0, "a1", "a"), (1, "a2", "a"), (2, "b1", "b"), (31, "b2", "b"), (32, "b3", "b")]:
            now[0] = second
            display.show(line, key=stage)
        assert stream.getvalue().split() == ["a1", "b1", "b3"]

    def test_goes_on_in_silence_when_nobody_reads_any_more(self) -> None:
        class Broken(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        display = Display(stream=Broken(), tty=False)
        display.say("one")
        display.say("two")
