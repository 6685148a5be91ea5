"""Where a paragraph stands."""

from __future__ import annotations

import pytest

from narration.synthesis.failed import FailedParagraph
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord
from narration.ui.states import ParagraphState, counted, failed_only, paragraphs_of
from tests.ui.conftest import clip, order_of

WANTED = clip(1)
ORDER = order_of(WANTED)
KEY = WANTED.clip_key


def job(state, *, at=1.0, **more):
    return Job(job_id=f"j-{state}-{at}", clip_keys=(KEY,), state=state, created_at=at, **more)


def shown(*jobs, stored=(), failed=(), **record):
    known = OrderRecord(jobs={each.job_id: each for each in jobs}, **record)
    (paragraph,) = paragraphs_of(ORDER, record=known, stored=stored, failed=failed)
    return paragraph


REFUSED = FailedParagraph(place=WANTED.place, text=WANTED.text, excerpt="", reason="Refused.", clip_key=KEY)


@pytest.mark.parametrize(
    ("paragraph", "state"),
    [
        (shown(), ParagraphState.UNBOUGHT),
        (shown(intents={KEY: (1.0, "monday")}), ParagraphState.BUYING),
        (shown(job(JobState.ACTIVE)), ParagraphState.ACTIVE),
        (shown(job(JobState.SUCCEEDED)), ParagraphState.MADE),
        (shown(job(JobState.FAILED, reason="Hoarse.")), ParagraphState.TRIED),
        (shown(job(JobState.FAILED), job(JobState.ACTIVE, at=2.0)), ParagraphState.ACTIVE),
        (shown(failed=[REFUSED]), ParagraphState.FAILED),
        (shown(job(JobState.FAILED), failed=[REFUSED]), ParagraphState.FAILED),
        # Another run has bought it since.
        (shown(job(JobState.ACTIVE), failed=[REFUSED]), ParagraphState.ACTIVE),
        (shown(job(JobState.SUCCEEDED), stored={KEY}, failed=[REFUSED]), ParagraphState.STORED),
    ],
)
def test_a_paragraph_is_what_is_known_of_it_last(paragraph, state):
    assert paragraph.state is state


def test_the_reason_is_the_one_of_the_last_job():
    paragraph = shown(
        job(JobState.FAILED, at=2.0, reason="The second."), job(JobState.FAILED, at=1.0, reason="The first.")
    )

    assert paragraph.reason == "The second."


def test_audio_that_was_not_accepted_is_a_failure_with_its_reason():
    made = job(JobState.SUCCEEDED)
    record = OrderRecord(jobs={made.job_id: made})
    record.reject(made, KEY, reason="It is silent.", flawed=True)

    (paragraph,) = paragraphs_of(ORDER, record=record, stored=())

    assert (paragraph.state, paragraph.reason) == (ParagraphState.TRIED, "It is silent.")


def test_a_paragraph_that_never_became_a_clip_has_an_anchor_of_its_own():
    first, second = failed_only([REFUSED, FailedParagraph(place="Two", text="x", excerpt="x", reason="No.")])

    assert first.anchor == KEY[:12]
    assert second.anchor == "failed-2"


def test_states_are_counted_the_worst_first():
    counts = counted([shown(stored={KEY}), shown(failed=[REFUSED]), shown(stored={KEY})])

    assert list(counts.items()) == [(ParagraphState.FAILED, 1), (ParagraphState.STORED, 2)]
