"""The audio output formats of Azure Speech: what can be made here, and how it is written to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from include.local_cloud.speech_formats import resample, write_container

DEFAULT_FORMAT = "riff-24khz-16bit-mono-pcm"
# Cheaper settings of the encoders: twice to three times as fast, and the speech is synthetic anyway.
_OPTIONS = {"libmp3lame": {"compression_level": "7"}, "libopus": {"compression_level": "5"}}
_OPUS_BITRATE = 32_000
_READ_SAMPLES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class AudioFormat:
    """One output format.

    :param extension: of the files in a result zip. Only ``wav`` is documented; the others are as seen, or a guess.
    :param container: what PyAV calls the file format.
    :param codec: what it calls the encoder.
    :param rate: samples per second.
    :param bitrate: bits per second, for formats that have a choice.
    """

    name: str
    extension: str
    container: str
    codec: str
    rate: int
    bitrate: int | None = None


def _pcm() -> Iterator[AudioFormat]:
    rates = {
        "8khz": 8000,
        "16khz": 16000,
        "24khz": 24000,
        "48khz": 48000,
        "22050hz": 22050,
        "44100hz": 44100,
    }
    for kind, extension, container in (("riff", "wav", "wav"), ("raw", "raw", "s16le")):
        for written, rate in rates.items():
            yield AudioFormat(
                name=f"{kind}-{written}-16bit-mono-pcm",
                extension=extension,
                container=container,
                codec="pcm_s16le",
                rate=rate,
            )
    for law in ("alaw", "mulaw"):
        for kind, extension, container in (("riff", "wav", "wav"), ("raw", "raw", law)):
            yield AudioFormat(
                name=f"{kind}-8khz-8bit-mono-{law}",
                extension=extension,
                container=container,
                codec=f"pcm_{law}",
                rate=8000,
            )


def _compressed() -> Iterator[AudioFormat]:
    for kilohertz, bitrates in ((16, (32, 64, 128)), (24, (48, 96, 160)), (48, (96, 192))):
        for bitrate in bitrates:
            yield AudioFormat(
                name=f"audio-{kilohertz}khz-{bitrate}kbitrate-mono-mp3",
                extension="mp3",
                container="mp3",
                codec="libmp3lame",
                rate=kilohertz * 1000,
                bitrate=bitrate * 1000,
            )
    opus = [(f"ogg-{rate}khz-16bit-mono-opus", "ogg", rate, _OPUS_BITRATE) for rate in (16, 24, 48)]
    opus += [(f"webm-{rate}khz-16bit-mono-opus", "webm", rate, _OPUS_BITRATE) for rate in (16, 24)]
    opus += [("webm-24khz-16bit-24kbps-mono-opus", "webm", 24, 24_000)]
    for name, container, kilohertz, bits in opus:
        yield AudioFormat(
            name=name, extension=container, container=container, codec="libopus", rate=kilohertz * 1000, bitrate=bits
        )


# Documented, but not made here: amr-wb, truesilk, and the opus packets without a container.
FORMATS = {audio.name: audio for audio in (*_pcm(), *_compressed())}
LONG_AUDIO_FORMATS = (
    "riff-8khz-16bit-mono-pcm",
    "riff-16khz-16bit-mono-pcm",
    "riff-24khz-16bit-mono-pcm",
    "riff-48khz-16bit-mono-pcm",
    "audio-16khz-32kbitrate-mono-mp3",
    "audio-16khz-64kbitrate-mono-mp3",
    "audio-16khz-128kbitrate-mono-mp3",
    "audio-24khz-48kbitrate-mono-mp3",
    "audio-24khz-96kbitrate-mono-mp3",
    "audio-24khz-160kbitrate-mono-mp3",
)


def headerless(audio: AudioFormat) -> AudioFormat:
    """What pieces of a file in this format are kept in until they are joined."""
    return FORMATS[f"raw-{_written(audio.rate)}-16bit-mono-pcm"]


def write_audio(blocks: Iterable[np.ndarray], *, source_rate: int, audio: AudioFormat, to: Path) -> int:
    """Resample, encode and write a file.

    :param blocks: 16-bit mono samples in pieces of any length.
    :param source_rate: their samples per second.
    :return: how long it sounds, in milliseconds.
    """
    resampled = resample(blocks, source_rate=source_rate, sample_rate=audio.rate)
    with to.open("wb") as file:
        if audio.container == "s16le":
            samples = 0
            for block in resampled:
                file.write(block.astype("<i2").tobytes())
                samples += block.size
        else:
            samples = write_container(
                file,
                resampled,
                container=audio.container,
                codec=audio.codec,
                rate=audio.rate,
                bitrate=audio.bitrate,
                options=_OPTIONS.get(audio.codec, {}),
            )
    return round(samples * 1000 / audio.rate)


def read_headerless(file: Path) -> Iterator[np.ndarray]:
    """The samples of a file in a format of :func:`headerless`, in pieces."""
    with file.open("rb") as opened:
        while data := opened.read(_READ_SAMPLES * 2):
            yield np.frombuffer(data, dtype="<i2")


def _written(rate: int) -> str:
    return f"{rate // 1000}khz" if rate % 1000 == 0 else f"{rate}hz"
