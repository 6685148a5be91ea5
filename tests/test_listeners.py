"""The note of a run that has ended."""

from __future__ import annotations

from narration import listeners
from narration.listeners import LONGEST_NOTE, joined_note
from narration.operators import run_note


def test_a_run_without_a_note_says_what_it_cost():
    assert joined_note(None, "10 characters.") == "Narration: 10 characters."


def test_what_a_person_wrote_stays_above():
    assert joined_note("For Ada.\n", "10 characters.") == "For Ada.\n\nNarration: 10 characters."


def test_what_an_earlier_end_of_the_run_said_is_replaced():
    once = joined_note("For Ada.", "Over the budget.\n\nRaise it.")

    assert joined_note(once, "10 characters.") == "For Ada.\n\nNarration: 10 characters."
    assert joined_note(joined_note(None, "One."), "Two.") == "Narration: Two."


def test_a_note_is_never_longer_than_airflow_has_room_for_and_keeps_the_persons_words():
    note = joined_note("p" * 900, "x" * 500)

    assert len(note) == LONGEST_NOTE
    assert note.startswith("p" * 900)
    assert note.endswith("…")


def test_the_listener_and_the_tasks_mean_the_same_xcom():
    assert listeners.RUN_NOTE == run_note.RUN_NOTE
