"""Where the master may be cut for encoding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from narration.audio.segments import SILENCE_AFTER_CUT, SILENCE_BEFORE_CUT, cut_blocks, plan_segments
from narration.audio.timeline import Pauses, Piece, build_timeline

RATE = 24000


def timeline_of(*, lengths, pause_ms=500):
    pieces = [
        Piece(clip_key=str(index), chapter=0, samples=length, sample_rate=RATE) for index, length in enumerate(lengths)
    ]
    return build_timeline(pieces, pauses=Pauses(paragraph_ms=pause_ms), sample_rate=RATE)


def test_a_short_book_is_one_segment():
    timeline = timeline_of(lengths=[RATE, RATE])

    assert plan_segments(timeline, seconds=60) == ((0, timeline.total_samples, True),)


def test_a_long_book_is_cut_in_its_pauses_at_about_the_wished_length():
    timeline = timeline_of(lengths=[10 * RATE] * 30)

    segments = plan_segments(timeline, seconds=60)

    assert len(segments) == 5
    assert all(segment.fresh for segment in segments)
    starts = {entry.start - SILENCE_AFTER_CUT for entry in timeline.entries}
    assert {segment.start for segment in segments[1:]} <= starts


def test_where_there_is_no_pause_the_encoder_goes_on():
    timeline = timeline_of(lengths=[500 * RATE, 10 * RATE], pause_ms=0)

    segments = plan_segments(timeline, seconds=60)

    assert [segment.fresh for segment in segments] == [True] + [False] * (len(segments) - 1)
    assert max(segment.end - segment.start for segment in segments) <= 120 * RATE


def test_after_a_very_long_paragraph_the_next_pause_starts_afresh():
    segments = plan_segments(timeline_of(lengths=[200 * RATE, 60 * RATE, 60 * RATE]), seconds=60)

    assert [segment.fresh for segment in segments] == [True, False, False, True, True]


@given(
    lengths=st.lists(st.integers(min_value=1, max_value=20 * RATE), min_size=1, max_size=40),
    pause_ms=st.integers(min_value=0, max_value=1000),
    seconds=st.floats(min_value=0.5, max_value=30),
)
def test_segments_cover_everything_once_and_fresh_ones_start_in_silence(lengths, pause_ms, seconds):
    timeline = timeline_of(lengths=lengths, pause_ms=pause_ms)

    segments = plan_segments(timeline, seconds=seconds)

    assert segments[0].start == 0
    assert segments[0].fresh
    assert segments[-1].end == timeline.total_samples
    assert all(before.end == after.start for before, after in pairwise(segments))
    assert all(0 < segment.end - segment.start <= 2 * seconds * RATE for segment in segments)
    for segment in segments[1:]:
        if segment.fresh:
            near = (segment.start - SILENCE_BEFORE_CUT, segment.start + SILENCE_AFTER_CUT)
            assert not any(entry.start < near[1] and entry.end > near[0] for entry in timeline.entries)


def test_blocks_of_any_size_become_segments_without_losing_a_sample():
    timeline = timeline_of(lengths=[RATE] * 6)
    segments = plan_segments(timeline, seconds=1)
    master = np.arange(timeline.total_samples).astype(np.int16)
    blocks = np.split(master, range(0, master.size, 7777))

    arrays = list(cut_blocks(blocks, segments=segments))

    assert [array.size for array in arrays] == [segment.end - segment.start for segment in segments]
    assert np.array_equal(np.concatenate(arrays), master)
