"""The rate of the master, and what the light modules of the room cost to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from narration.audio.errors import TimelineError
from narration.audio.formats import CLIP_FORMATS, master_sample_rate


@pytest.mark.parametrize(
    ("rates", "master"),
    [
        ([24000], 24000),
        ([22050], 22050),
        ([22050, 24000], 24000),
        ([8000], 16000),
        ([8000, 16000, 8000], 16000),
        ([24000, 48000], 48000),
        ([44100], 44100),
        ([17000], 22050),
        ([96000], 48000),
    ],
)
def test_the_master_has_the_highest_rate_of_its_clips_that_both_codecs_know(rates, master):
    assert master_sample_rate(rates) == master


@pytest.mark.parametrize("rates", [[], [0], [24000, -1]])
def test_there_is_no_master_without_clips_or_with_impossible_rates(rates):
    with pytest.raises(TimelineError):
        master_sample_rate(rates)


def test_formats_without_a_container_say_how_long_a_sample_is():
    for clip_format in CLIP_FORMATS.values():
        assert clip_format.headerless == (clip_format.bytes_per_sample > 0)
        assert clip_format.suffix.startswith(".")


def test_laying_out_a_book_needs_neither_numpy_nor_the_codecs():
    plugins = Path(__file__).parents[2] / "plugins"
    code = (
        "import sys; import narration.audio.timeline, narration.audio.formats, narration.audio.measuring, "
        "narration.audio.assembly; sys.exit(bool({'av', 'numpy'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=plugins, check=False).returncode == 0
