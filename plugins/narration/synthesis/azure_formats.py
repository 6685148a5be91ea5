"""
The output formats of Azure AI Speech that this project can decode, and which API makes which.

Sources: the service's page on its REST API for text to speech ("Audio outputs") for batch synthesis, and the Long
Audio page ("Audio output formats"). Left out: formats without a header, which say nothing that a RIFF file does not
say better, and those that :mod:`narration.audio` does not decode (AMR, SILK, WebM).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BATCH_FORMATS = (
    "audio-24khz-160kbitrate-mono-mp3",
    "audio-24khz-96kbitrate-mono-mp3",
    "audio-24khz-48kbitrate-mono-mp3",
    "audio-48khz-192kbitrate-mono-mp3",
    "audio-48khz-96kbitrate-mono-mp3",
    "audio-16khz-128kbitrate-mono-mp3",
    "audio-16khz-64kbitrate-mono-mp3",
    "audio-16khz-32kbitrate-mono-mp3",
    "riff-24khz-16bit-mono-pcm",
    "riff-48khz-16bit-mono-pcm",
    "riff-44100hz-16bit-mono-pcm",
    "riff-22050hz-16bit-mono-pcm",
    "riff-8khz-16bit-mono-pcm",
    "riff-8khz-8bit-mono-alaw",
    "riff-8khz-8bit-mono-mulaw",
    "ogg-24khz-16bit-mono-opus",
    "ogg-48khz-16bit-mono-opus",
    "ogg-16khz-16bit-mono-opus",
)
"""What batch synthesis makes, in both its versions; the default first."""

LONG_AUDIO_FORMATS = (
    "audio-24khz-160kbitrate-mono-mp3",
    "audio-24khz-96kbitrate-mono-mp3",
    "audio-24khz-48kbitrate-mono-mp3",
    "audio-16khz-128kbitrate-mono-mp3",
    "audio-16khz-64kbitrate-mono-mp3",
    "audio-16khz-32kbitrate-mono-mp3",
    "riff-24khz-16bit-mono-pcm",
    "riff-48khz-16bit-mono-pcm",
    "riff-16khz-16bit-mono-pcm",
    "riff-8khz-16bit-mono-pcm",
)
"""What the Long Audio API makes; the default first, which batch synthesis has too."""

DEFAULT_FORMAT = BATCH_FORMATS[0]

_NAME = re.compile(r"(?P<container>audio|riff|ogg)-(?P<rate>\d+)(?P<unit>khz|hz)-.*-(?P<codec>mp3|pcm|alaw|mulaw|opus)")
_CLIP_FORMATS = {"mp3": "mp3", "pcm": "wav", "alaw": "wav", "mulaw": "wav", "opus": "ogg_opus"}
_OPUS_RATE = 48000


@dataclass(frozen=True, kw_only=True)
class DecodedFormat:
    """
    What an output format is to :mod:`narration.audio`.

    :param audio_format: name of the clip format.
    :param sample_rate: samples per second (Hz) after decoding.
    """

    audio_format: str
    sample_rate: int


def decoded_format(name: str) -> DecodedFormat:
    """
    Read what an output format's own name says of it.

    :param name: one of :data:`BATCH_FORMATS` or :data:`LONG_AUDIO_FORMATS`.
    :raises ValueError: if it is no such name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not an output format that can be decoded")
    rate = int(found["rate"]) * (1000 if found["unit"] == "khz" else 1)
    audio_format = _CLIP_FORMATS[found["codec"]]
    # Whatever rate went into an Opus encoder, its decoder gives 48,000 samples per second (RFC 7845).
    return DecodedFormat(audio_format=audio_format, sample_rate=_OPUS_RATE if audio_format == "ogg_opus" else rate)


def describe(name: str) -> str:
    """Describe an output format for a person."""
    words = name.split("-")
    rate = words[1].replace("khz", " kHz").replace("hz", " Hz")
    if words[0] == "audio":
        return f"MP3, {rate}, {words[2].removesuffix('kbitrate')} kbit/s"
    kinds = {"pcm": "WAV, lossless", "alaw": "WAV, A-law (telephone)", "mulaw": "WAV, µ-law (telephone)"}
    return f"{kinds.get(words[-1], 'Ogg Opus')}, {rate}"
