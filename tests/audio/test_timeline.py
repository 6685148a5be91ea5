"""Where everything lies in the master."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.audio.timeline import (
    WHOLE_SAMPLES,
    Pauses,
    Piece,
    TimelineError,
    build_timeline,
    samples_at,
)
from narration.errors import PermanentNarrationError

PAUSES = Pauses(paragraph_ms=100, heading_ms=200, scene_ms=300, chapter_ms=400, lead_in_ms=50, lead_out_ms=60)


def piece(*, chapter=0, role="body", scene=False, samples=1000, rate=10_000):
    return Piece(
        clip_key=f"clip-{chapter}",
        chapter=chapter,
        role=role,
        scene_break_before=scene,
        samples=samples,
        sample_rate=rate,
    )


def gaps(*pieces):
    timeline = build_timeline(pieces, pauses=PAUSES, sample_rate=10_000)
    return [after.start - before.end for before, after in pairwise(timeline.entries)]


def test_the_pause_follows_from_what_stands_on_both_sides():
    assert gaps(piece(), piece()) == [1000]
    assert gaps(piece(role="heading"), piece()) == [2000]
    assert gaps(piece(), piece(role="heading")) == [1000]
    assert gaps(piece(), piece(scene=True)) == [3000]
    assert gaps(piece(role="heading"), piece(scene=True)) == [3000]
    assert gaps(piece(), piece(chapter=1, scene=True)) == [4000]


def test_the_lead_in_comes_first_and_the_lead_out_last():
    timeline = build_timeline([piece(scene=True)], pauses=PAUSES, sample_rate=10_000)

    assert timeline.entries[0].start == 500
    assert timeline.entries[0].end == 1500
    assert timeline.total_samples >= 1500 + 600


def test_the_end_is_rounded_up_to_a_whole_codec_frame():
    timeline = build_timeline([piece(samples=977)], pauses=PAUSES, sample_rate=10_000)

    assert timeline.total_samples % WHOLE_SAMPLES == 0
    assert timeline.total_samples - (500 + 977 + 600) < WHOLE_SAMPLES
    assert timeline.duration_seconds == timeline.total_samples / 10_000


def test_a_chapter_starts_with_the_first_sample_of_its_first_piece_and_the_first_chapter_at_0():
    pieces = [piece(role="heading"), piece(), piece(chapter=1), piece(chapter=1), piece(chapter=4)]

    timeline = build_timeline(pieces, pauses=PAUSES, sample_rate=10_000)

    first, second, third = timeline.chapters
    assert [chapter.chapter for chapter in timeline.chapters] == [0, 1, 4]
    assert first.start == 0
    assert first.end == second.start == timeline.entries[2].start
    assert second.end == third.start == timeline.entries[4].start
    assert third.end == timeline.total_samples


def test_a_clip_at_another_rate_takes_the_rounded_length_at_the_rate_of_the_master():
    timeline = build_timeline([piece(samples=22_051, rate=22_050)], pauses=PAUSES, sample_rate=24_000)

    assert timeline.entries[0].end - timeline.entries[0].start == round(22_051 * 24_000 / 22_050) == 24_001


def test_a_clip_may_be_heard_in_several_places():
    timeline = build_timeline([piece(), piece(), piece()], pauses=PAUSES, sample_rate=10_000)

    assert [entry.piece for entry in timeline.entries] == [0, 1, 2]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([], "no paragraph with a clip"),
        ([piece(samples=0)], r"Piece 0 \(clip clip-0, chapter 0\) has 0 samples"),
        ([piece(rate=0)], "0 Hz; measure the clip again"),
        ([piece(chapter=1), piece(chapter=0)], r"Piece 1 .* after a later chapter; .* reading order"),
        ([piece(chapter=-1)], "reading order"),
    ],
)
def test_pieces_that_cannot_be_laid_out_are_named(pieces, message):
    with pytest.raises(TimelineError, match=message) as caught:
        build_timeline(pieces, pauses=PAUSES, sample_rate=10_000)
    assert isinstance(caught.value, PermanentNarrationError)


@pytest.mark.parametrize("value", [-1, 60_001, 0.5, True, "500"])
def test_a_pause_that_is_no_sensible_number_of_milliseconds_is_refused(value):
    with pytest.raises(TimelineError, match=r"pause scene_ms is .* whole milliseconds from 0 to 60000"):
        Pauses(scene_ms=value)


milliseconds = st.integers(min_value=0, max_value=5000)
any_pauses = st.builds(
    Pauses,
    paragraph_ms=milliseconds,
    heading_ms=milliseconds,
    scene_ms=milliseconds,
    chapter_ms=milliseconds,
    lead_in_ms=milliseconds,
    lead_out_ms=milliseconds,
)
any_pieces = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=2),
        st.sampled_from(["heading", "body"]),
        st.booleans(),
        st.integers(min_value=1, max_value=10**8),
        st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000]),
    ),
    min_size=1,
    max_size=30,
)


@given(raw=any_pieces, pauses=any_pauses, rate=st.sampled_from([16000, 22050, 24000, 44100, 48000]))
def test_nothing_overlaps_and_the_whole_is_the_sum_of_its_parts(raw, pauses, rate):
    chapter = 0
    pieces = []
    for step, role, scene, samples, own_rate in raw:
        chapter += step
        pieces.append(piece(chapter=chapter, role=role, scene=scene, samples=samples, rate=own_rate))

    timeline = build_timeline(pieces, pauses=pauses, sample_rate=rate)

    assert [entry.piece for entry in timeline.entries] == list(range(len(pieces)))
    silent = 0
    position = 0
    previous = None
    for entry, played in zip(timeline.entries, pieces, strict=True):
        pause = samples_at(samples=pauses.before(previous=previous, piece=played), from_rate=1000, to_rate=rate)
        assert entry.start == position + pause
        assert entry.end > entry.start
        assert abs((entry.end - entry.start) - played.samples * rate / played.sample_rate) <= 1
        silent += pause
        position = entry.end
        previous = played
    heard = sum(entry.end - entry.start for entry in timeline.entries)
    lead_out = samples_at(samples=pauses.lead_out_ms, from_rate=1000, to_rate=rate)
    assert 0 <= timeline.total_samples - (heard + silent + lead_out) < WHOLE_SAMPLES
    spans = timeline.chapters
    assert spans[0].start == 0
    assert spans[-1].end == timeline.total_samples
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert [span.chapter for span in spans] == sorted({played.chapter for played in pieces})
