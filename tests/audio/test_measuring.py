"""The facts of a clip, and the clips that cannot be their text."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from narration.audio.measuring import ClipDefect, measure_clip, plausible_seconds
from narration.errors import NarrationError, PermanentNarrationError

SENTENCE = "In my younger and more vulnerable years my father gave me some advice."  # 57 letters
RATE = 16000


def measure(samples, *, text=SENTENCE):
    return measure_clip(samples.astype("<i2").tobytes(), audio_format="pcm", sample_rate=RATE, spoken_text=text)


def test_the_facts_are_those_of_the_bytes_and_of_the_decoded_samples(tone, encoded):
    data = encoded(tone(hertz=440, samples=72_123, rate=24000), audio_format="mp3", rate=24000)

    facts = measure_clip(data, audio_format="mp3", sample_rate=24000, spoken_text=SENTENCE)

    assert (facts.audio_format, facts.sample_rate, facts.samples) == ("mp3", 24000, 72_123)
    assert facts.bytes == len(data)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.peak == pytest.approx(0.25, abs=0.03)
    assert facts.duration_seconds == 72_123 / 24000


def test_the_lowest_sample_counts_as_full_scale():
    assert measure(np.array([0, -32768] * 40_000, dtype=np.int16)).peak == 1.0


def test_silence_where_something_should_be_spoken_is_a_defect(tone):
    with pytest.raises(ClipDefect, match=r"of 4\.00 s is silent .* 57 letters"):
        measure(tone(hertz=440, samples=4 * RATE, rate=RATE, level=0.0005))


def test_a_quiet_voice_is_no_silence(tone):
    assert measure(tone(hertz=440, samples=4 * RATE, rate=RATE, level=0.002)).samples == 4 * RATE


@pytest.mark.parametrize("text", ["", " … ", "* * *", "—"])
def test_a_text_without_anything_to_speak_may_be_silent_and_of_any_length(text):
    assert measure(np.zeros(RATE // 10, dtype=np.int16), text=text).peak == 0.0
    assert plausible_seconds(text) is None


def test_half_a_paragraph_is_too_short_to_be_its_text(tone):
    with pytest.raises(ClipDefect, match=r"lasts 1\.00 s; .* cannot be spoken in less than 1\.1\d s"):
        measure(tone(hertz=440, samples=RATE, rate=RATE))


def test_the_audio_of_a_whole_chapter_is_too_long_for_a_heading(tone):
    with pytest.raises(ClipDefect, match=r"lasts 90\.00 s; .* 10 letters .* more than 7\d\.\d\d s"):
        measure(tone(hertz=440, samples=90 * RATE, rate=RATE), text="Chapter Six!")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (SENTENCE, 4.2),
        (SENTENCE, 2.1),  # prosody at 200 percent
        (SENTENCE, 21.0),  # prosody at 20 percent
        ("I", 0.2),
        ("No.", 0.25),
        ("7", 12.0),  # with a break of ten seconds beside it
        ("1234567890123456", 12.0),
        ("人生而自由在尊严和权利上一律平等", 3.2),
        ("人生而自由在尊严和权利上一律平等", 1.6),
        ("すべての人間は生まれながらにして自由である", 3.0),
        ("모든 인간은 태어날 때부터 자유로우며", 2.4),
        ("सभी मनुष्यों को गौरव और अधिकारों", 2.0),
    ],
)
def test_real_speech_is_plausible_in_many_languages_and_at_any_prosody_rate(text, seconds):
    shortest, longest = plausible_seconds(text)

    assert shortest < seconds < longest


def test_a_chinese_character_takes_longer_than_a_letter():
    assert plausible_seconds("人" * 100)[0] > 2 * plausible_seconds("a" * 100)[0]


def test_a_defect_may_be_tried_again():
    assert issubclass(ClipDefect, NarrationError)
    assert not issubclass(ClipDefect, PermanentNarrationError)
