"""Audio made for the tests: tones, and the encoded clips a service would deliver."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

CODECS = {
    "mp3": ("mp3", "libmp3lame"),
    "ogg_opus": ("ogg", "libopus"),
    "wav": ("wav", "pcm_s16le"),
}


def make_tone(*, hertz: float, samples: int, rate: int, level: float = 0.25) -> np.ndarray:
    """A sine that starts and ends at a loud sample, as a badly cut clip does."""
    phase = 2 * np.pi * hertz * np.arange(samples) / rate + np.pi / 2
    return np.rint(np.sin(phase) * level * 32767).astype(np.int16)


def encode(samples: np.ndarray, *, audio_format: str, rate: int, channels: int = 1) -> bytes:
    if audio_format == "pcm":
        return samples.astype("<i2").tobytes()
    if audio_format == "ogg_vorbis":
        import soundfile

        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, format="OGG", subtype="VORBIS")
        return buffer.getvalue()
    container_name, codec = CODECS[audio_format]
    layout = "mono" if channels == 1 else "stereo"
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if audio_format != "wav":
            stream.bit_rate = 48_000
        interleaved = np.repeat(samples, channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def decode_file(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])


def strength(samples: np.ndarray, *, hertz: float, rate: int) -> float:
    """The amplitude of one frequency in the samples (Goertzel's figure, computed as a dot product)."""
    if samples.size == 0:
        return 0.0
    samples = samples.astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(samples.size) / rate)
    return float(2 * abs(np.dot(samples, wave)) / samples.size)


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    return make_tone


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    return encode


@pytest.fixture(scope="session")
def decoded() -> Callable[[Path], np.ndarray]:
    return decode_file


@pytest.fixture(scope="session")
def strength_of() -> Callable[..., float]:
    return strength
