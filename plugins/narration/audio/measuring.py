"""Measuring a clip before it may enter the store: a job that says it succeeded is a claim, and this tests it."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from narration.audio.decoding import decode_clip
from narration.audio.errors import ClipDefect

__all__ = ["ClipDefect", "ClipFacts", "measure_clip", "plausible_seconds"]

#: A clip that is never louder than this (0.001 of full scale is -60 dBFS) is silence with dither.
SILENT_PEAK = 0.001

#: Nobody, at any prosody rate a service offers, says more weighted characters in a second.
FASTEST_CHARACTERS_PER_SECOND = 45.0

#: A service may cut the silence around a very short word.
SHORT_TEXT_GRACE_SECONDS = 0.15

#: Slower than one character in this time is no speech any more, even at the slowest prosody rate.
SLOWEST_SECONDS_PER_CHARACTER = 1.5

#: SSML breaks (up to 10 s each) make a clip longer and are not in its spoken text.
LONG_PAUSES_GRACE_SECONDS = 60.0

# One Han character is a syllable or more, a kana or Hangul character less than one: they take longer than a letter.
_HAN_WEIGHT = 3
_SYLLABLE_WEIGHT = 2


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What was measured of a clip.

    :param audio_format: name of the clip format
    :param sample_rate: the clip's own rate in Hz
    :param samples: decoded length in samples at that rate
    :param peak: largest absolute sample, 1.0 being full scale
    :param bytes: size of the encoded clip
    :param sha256: of the encoded clip, in hexadecimal
    """

    audio_format: str
    sample_rate: int
    samples: int
    peak: float
    bytes: int
    sha256: str

    @property
    def duration_seconds(self) -> float:
        """Decoded length in seconds."""
        return self.samples / self.sample_rate


def measure_clip(data: bytes, *, audio_format: str, sample_rate: int, spoken_text: str) -> ClipFacts:
    """Decode a clip, hold it against the text it should speak, and return its facts.

    :param data: all bytes of the clip
    :param audio_format: a name in :data:`~narration.audio.formats.CLIP_FORMATS`
    :param sample_rate: the rate in Hz that was ordered
    :param spoken_text: what should be heard, without any markup
    :raises ClipDefect: the clip cannot be decoded, has another rate or shape, is silent though there is something
        to say, or is too short or too long to be this text
    """
    import numpy as np

    samples = decode_clip(data, audio_format=audio_format, sample_rate=sample_rate)
    # The lowest 16-bit sample has no positive counterpart, so the two ends are compared as Python integers.
    peak = max(int(np.max(samples)), -int(np.min(samples))) / 32768
    facts = ClipFacts(
        audio_format=audio_format,
        sample_rate=sample_rate,
        samples=int(samples.size),
        peak=peak,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    _check_against_text(facts, spoken_text=spoken_text)
    return facts


def plausible_seconds(spoken_text: str) -> tuple[float, float] | None:
    """Return the shortest and longest time in seconds that speaking the text can take, or None if nothing is spoken.

    The bounds are wide on purpose. They are there to notice half a sentence or the audio of another paragraph, not
    to judge a voice: prosody may double the speed or slow it down to a fifth, and breaks may add any pause.
    """
    weight = sum(_spoken_weight(character) for character in spoken_text)
    if weight == 0:
        return None
    visible = sum(1 for character in spoken_text if not character.isspace())
    shortest = max(0.0, weight / FASTEST_CHARACTERS_PER_SECOND - SHORT_TEXT_GRACE_SECONDS)
    return shortest, visible * SLOWEST_SECONDS_PER_CHARACTER + LONG_PAUSES_GRACE_SECONDS


def _check_against_text(facts: ClipFacts, *, spoken_text: str) -> None:
    bounds = plausible_seconds(spoken_text)
    if bounds is None:
        return
    shortest, longest = bounds
    spoken = sum(1 for character in spoken_text if character.isalnum())
    if facts.peak < SILENT_PEAK:
        raise ClipDefect(
            f"The clip of {facts.duration_seconds:.2f} s is silent (peak {facts.peak:.5f} of full scale), but its text "
            f"has {spoken} letters and digits to speak; check that the voice speaks the text's language."
        )
    if facts.duration_seconds < shortest:
        raise ClipDefect(
            f"The clip lasts {facts.duration_seconds:.2f} s; its text with {spoken} letters and digits cannot be "
            f"spoken in less than {shortest:.2f} s: it is incomplete or speaks another text."
        )
    if facts.duration_seconds > longest:
        raise ClipDefect(
            f"The clip lasts {facts.duration_seconds:.2f} s; its text with {spoken} letters and digits cannot take "
            f"more than {longest:.2f} s: it speaks another text."
        )


def _spoken_weight(character: str) -> int:
    if not character.isalnum():
        return 0
    if character < "ᄀ":
        return 1
    name = unicodedata.name(character, "")
    if name.startswith("CJK "):
        return _HAN_WEIGHT
    if name.startswith(("HIRAGANA", "KATAKANA", "HANGUL SYLLABLE")):
        return _SYLLABLE_WEIGHT
    return 1
