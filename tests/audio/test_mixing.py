"""The master before it is encoded: exact, without clicks, and never whole in memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from narration.audio.errors import AssemblyError
from narration.audio.mixing import BLOCK_SAMPLES, mix
from narration.audio.timeline import Pauses, Piece, build_timeline

RATE = 24000
PAUSES = Pauses(paragraph_ms=40, heading_ms=60, scene_ms=80, chapter_ms=100, lead_in_ms=20, lead_out_ms=30)


def lay_out(clips, *, pauses=PAUSES, rate=RATE):
    pieces = [
        Piece(clip_key=key, chapter=0, samples=samples.size, sample_rate=clip_rate)
        for key, (samples, clip_rate) in clips.items()
    ]
    return pieces, build_timeline(pieces, pauses=pauses, sample_rate=rate)


def master_of(clips, *, pauses=PAUSES, rate=RATE):
    pieces, timeline = lay_out(clips, pauses=pauses, rate=rate)
    return np.concatenate(list(mix(timeline, pieces=pieces, load_clip=lambda key: clips[key][0]))), timeline


@pytest.fixture
def clips(tone):
    return {
        f"clip-{index}": (tone(hertz=300 + 200 * index, samples=9000 + 777 * index, rate=RATE), RATE)
        for index in range(5)
    }


def test_the_master_has_exactly_the_samples_of_the_timeline(clips):
    master, timeline = master_of(clips)

    assert master.dtype == np.int16
    assert master.size == timeline.total_samples


def test_every_clip_stands_unchanged_at_its_place_apart_from_its_edges(clips):
    master, timeline = master_of(clips)

    for entry, (samples, _) in zip(timeline.entries, clips.values(), strict=True):
        placed = master[entry.start : entry.end]
        assert np.array_equal(placed[120:-120], samples[120:-120])


def test_between_the_clips_every_sample_is_zero(clips):
    master, timeline = master_of(clips)

    assert not master[: timeline.entries[0].start].any()
    assert not master[timeline.entries[-1].end :].any()
    for before, after in pairwise(timeline.entries):
        assert not master[before.end : after.start].any()


@pytest.mark.parametrize("gap", [0, 40])
def test_no_seam_jumps_more_than_the_sound_beside_it(clips, gap):
    pauses = Pauses(paragraph_ms=gap, heading_ms=0, scene_ms=0, chapter_ms=0, lead_in_ms=0, lead_out_ms=0)
    master, timeline = master_of(clips, pauses=pauses)
    jumps = np.abs(np.diff(master.astype(int)))

    for entry in timeline.entries:
        inside = jumps[entry.start + 200 : entry.end - 200].max()
        assert jumps[entry.start : entry.start + 150].max() <= inside
        assert jumps[entry.end - 150 : entry.end].max() <= inside
        assert master[entry.start] == 0
        assert master[entry.end - 1] == 0


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_a_clip_at_another_rate_keeps_its_place_and_its_pitch(rate, tone):
    reference = tone(hertz=440, samples=RATE, rate=RATE)
    master, timeline = master_of({"clip": (tone(hertz=440, samples=rate, rate=rate), rate)})

    entry = timeline.entries[0]
    placed = master[entry.start : entry.end]
    assert placed.size == RATE
    assert np.abs(placed[300:-300].astype(int) - reference[300:-300]).max() <= 4


def test_the_caller_s_clips_are_left_as_they_were(clips):
    before = {key: samples.copy() for key, (samples, _) in clips.items()}

    master_of(clips)

    assert all(np.array_equal(before[key], samples) for key, (samples, _) in clips.items())


def test_blocks_are_small_whatever_the_length_of_clip_and_pause(tone):
    clips = {"long": (tone(hertz=440, samples=10 * BLOCK_SAMPLES + 1, rate=RATE), RATE)}
    pieces, timeline = lay_out(clips, pauses=Pauses(lead_in_ms=60_000))

    sizes = [block.size for block in mix(timeline, pieces=pieces, load_clip=lambda key: clips[key][0])]

    assert min(sizes) > 0
    assert max(sizes) == BLOCK_SAMPLES
    assert sum(sizes) == timeline.total_samples


def test_one_clip_is_loaded_at_a_time_and_only_when_it_is_its_turn(clips):
    pieces, timeline = lay_out(clips)
    loaded = []

    def load_clip(key):
        loaded.append(key)
        return clips[key][0]

    blocks = mix(timeline, pieces=pieces, load_clip=load_clip)

    next(blocks)
    assert loaded == []
    next(blocks)
    assert loaded == ["clip-0"]


@pytest.mark.parametrize("samples", [1, 2, 7, 239])
def test_a_clip_shorter_than_its_fades_is_still_as_long_as_the_timeline_says(samples):
    for rate in (8000, RATE):
        master, timeline = master_of({"tiny": (np.full(samples, 9000, dtype=np.int16), rate)})
        assert master.size == timeline.total_samples


def test_a_clip_that_changed_since_it_was_measured_is_named(clips):
    pieces, timeline = lay_out(clips)
    replaced = {key: samples for key, (samples, _) in clips.items()} | {"clip-3": np.zeros(10, dtype=np.int16)}

    with pytest.raises(AssemblyError, match=r"Clip clip-3 has 10 samples, its facts say 11331"):
        list(mix(timeline, pieces=pieces, load_clip=replaced.__getitem__))


def test_a_timeline_of_other_pieces_is_refused(clips):
    pieces, timeline = lay_out(clips)
    longer = [Piece(clip_key=piece.clip_key, chapter=0, samples=48_000, sample_rate=RATE) for piece in pieces]

    with pytest.raises(AssemblyError, match="built from 5 pieces, 4 were handed over"):
        list(mix(timeline, pieces=pieces[:4], load_clip=lambda key: clips[key][0]))
    with pytest.raises(
        AssemblyError, match="Clip clip-0 takes 48000 samples at 24000 Hz, the timeline has room for 9000"
    ):
        list(mix(timeline, pieces=longer, load_clip=lambda key: np.zeros(48_000, dtype=np.int16)))


def test_samples_of_another_type_are_refused(clips):
    pieces, timeline = lay_out(clips)

    with pytest.raises(AssemblyError, match="was loaded as float32 with 1 axes, not 16-bit mono"):
        list(mix(timeline, pieces=pieces, load_clip=lambda key: clips[key][0].astype(np.float32)))
