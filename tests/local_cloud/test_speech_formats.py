from __future__ import annotations

import io

import av
import numpy as np
import pytest

from include.local_cloud.speech import SpeechRequest, UnsupportedFormatError, render_speech
from include.local_cloud.speech_formats import encode

SOURCE_RATE = 22050


def tone(seconds: float) -> np.ndarray:
    moments = np.arange(int(SOURCE_RATE * seconds)) / SOURCE_RATE
    return (12000 * np.sin(2 * np.pi * 330 * moments)).astype(np.int16)


def encoded(audio: np.ndarray, *, output_format: str, sample_rate: int, block: int = 7000) -> bytes:
    blocks = (audio[start : start + block] for start in range(0, audio.size, block))
    return encode(blocks, source_rate=SOURCE_RATE, output_format=output_format, sample_rate=sample_rate)


def decoded(data: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]), rate


@pytest.mark.parametrize(
    ("output_format", "sample_rate"),
    [(name, rate) for name in ("mp3", "ogg_vorbis") for rate in (8000, 16000, 22050, 24000)] + [("ogg_opus", 48000)],
)
def test_compressed_formats_keep_rate_length_and_tone(output_format: str, sample_rate: int) -> None:
    audio, rate = decoded(encoded(tone(3.3), output_format=output_format, sample_rate=sample_rate))
    assert rate == sample_rate
    assert audio.size / rate == pytest.approx(3.3, abs=0.05)
    spectrum = np.abs(np.fft.rfft(audio.astype(float)))
    assert np.argmax(spectrum) * rate / audio.size == pytest.approx(330, abs=2)


@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_pcm_is_headerless_16_bit_and_loses_no_sample(sample_rate: int) -> None:
    data = encoded(tone(2), output_format="pcm", sample_rate=sample_rate)
    assert len(data) // 2 == pytest.approx(2 * sample_rate, abs=2)
    assert np.abs(np.frombuffer(data, dtype="<i2").astype(int)).max() == pytest.approx(12000, rel=0.05)


@pytest.mark.parametrize(("output_format", "codec"), [("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")])
def test_telephone_formats_are_headerless_bytes(output_format: str, codec: str) -> None:
    data = encoded(tone(2), output_format=output_format, sample_rate=8000)
    assert len(data) == pytest.approx(16000, abs=2)
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8000, "mono"
    (frame,) = context.decode(av.Packet(data))
    assert np.abs(frame.to_ndarray().astype(int)).max() == pytest.approx(12000, rel=0.08)


def test_minutes_of_audio_in_one_block_become_vorbis() -> None:
    audio, rate = decoded(encoded(tone(200), output_format="ogg_vorbis", sample_rate=8000, block=10**9))
    assert audio.size / rate == pytest.approx(200, abs=0.05)


@pytest.mark.parametrize(
    ("output_format", "sample_rate"), [("flac", 16000), ("mp3", 11025), ("ogg_opus", 24000), ("mulaw", 16000)]
)
def test_what_polly_does_not_write_is_refused(output_format: str, sample_rate: int) -> None:
    with pytest.raises(UnsupportedFormatError):
        encoded(tone(0.1), output_format=output_format, sample_rate=sample_rate)


@pytest.mark.parametrize("output_format", ["mp3", "ogg_opus"])
def test_nothing_random_is_written(output_format: str) -> None:
    rate = 48000 if output_format == "ogg_opus" else 24000
    first, second = (encoded(tone(0.5), output_format=output_format, sample_rate=rate) for _ in range(2))
    assert first == second


def spoken_seconds(*, output_format: str, sample_rate: int) -> float:
    data = render_speech(
        SpeechRequest(
            text="The same words take the same time.",
            text_type="text",
            voice_id="Amy",
            language_code="en-GB",
            gender="Female",
            engine="neural",
            output_format=output_format,
            sample_rate=sample_rate,
        )
    )
    headerless = {"pcm": 2, "mulaw": 1, "alaw": 1}
    if output_format in headerless:
        return len(data) / headerless[output_format] / sample_rate
    return decoded(data)[0].size / sample_rate


@pytest.mark.parametrize(
    ("output_format", "sample_rate"),
    [("mp3", 24000), ("ogg_vorbis", 22050), ("ogg_opus", 48000), ("pcm", 16000), ("alaw", 8000)],
)
def test_a_request_has_the_same_length_in_every_format(output_format: str, sample_rate: int) -> None:
    length = spoken_seconds(output_format=output_format, sample_rate=sample_rate)
    assert length == pytest.approx(spoken_seconds(output_format="mulaw", sample_rate=8000), abs=0.05)
