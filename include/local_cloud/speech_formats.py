"""Samples at the engine's rate become the bytes of one of Polly's output formats."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

import av
import numpy as np
import soundfile

FORMATS = ("mp3", "ogg_vorbis", "ogg_opus", "pcm", "mulaw", "alaw")

# libsndfile's Vorbis encoder keeps a whole write on the stack and crashes on minutes of audio.
_VORBIS_BLOCK_SECONDS = 1
_VORBIS_COMPRESSION_LEVEL = 0.8
# Cheaper settings of the encoders: twice to three times as fast, and the speech is synthetic anyway.
_MP3_OPTIONS = {"compression_level": "7"}
_OPUS_OPTIONS = {"compression_level": "5"}
_MP3_BITRATES = {8000: 24_000, 16000: 32_000, 22050: 48_000, 24000: 48_000, 44100: 64_000, 48000: 64_000}
_OPUS_BITRATE = 32_000
_TELEPHONE_CODECS = {"mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}


class UnsupportedFormatError(ValueError):
    """The output format is none of those this module writes, or cannot have the asked sample rate."""


def encode(blocks: Iterable[np.ndarray], *, source_rate: int, output_format: str, sample_rate: int) -> bytes:
    """Resample and encode.

    :param blocks: 16-bit mono samples in pieces of any length
    :param source_rate: samples per second of ``blocks``
    :param output_format: one of :data:`FORMATS`
    :param sample_rate: samples per second of the result; 48,000 for ``ogg_opus`` and 8,000 for ``mulaw``/``alaw``
    :raises UnsupportedFormatError: for anything else
    """
    resampled = resample(blocks, source_rate=source_rate, sample_rate=sample_rate)
    if output_format == "pcm":
        return b"".join(block.astype("<i2").tobytes() for block in resampled)
    if output_format == "mp3":
        bitrate = _MP3_BITRATES.get(sample_rate)
        if bitrate is None:
            raise UnsupportedFormatError(f"mp3 cannot have {sample_rate} Hz; choose one of {sorted(_MP3_BITRATES)}")
        return _encode_container(
            resampled, container="mp3", codec="libmp3lame", rate=sample_rate, bitrate=bitrate, options=_MP3_OPTIONS
        )
    if output_format == "ogg_vorbis":
        return _encode_vorbis(resampled, rate=sample_rate)
    if output_format == "ogg_opus":
        if sample_rate != 48000:
            raise UnsupportedFormatError(f"ogg_opus is 48000 Hz, not {sample_rate}")
        return _encode_container(
            resampled, container="ogg", codec="libopus", rate=sample_rate, bitrate=_OPUS_BITRATE, options=_OPUS_OPTIONS
        )
    if output_format in _TELEPHONE_CODECS:
        if sample_rate != 8000:
            raise UnsupportedFormatError(f"{output_format} is 8000 Hz, not {sample_rate}")
        return _encode_telephone(resampled, codec=_TELEPHONE_CODECS[output_format])
    raise UnsupportedFormatError(f"{output_format!r} is not an audio format; choose one of {', '.join(FORMATS)}")


def resample(blocks: Iterable[np.ndarray], *, source_rate: int, sample_rate: int) -> Iterator[np.ndarray]:
    """The same sound at another rate."""
    if source_rate == sample_rate:
        yield from (block for block in blocks if block.size)
        return
    resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate)
    for block in blocks:
        if block.size:
            for frame in resampler.resample(_frame(block, rate=source_rate)):
                yield frame.to_ndarray()[0]
    for frame in resampler.resample(None):
        yield frame.to_ndarray()[0]


def _frame(block: np.ndarray, *, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(block, dtype=np.int16)[None, :], format="s16", layout="mono"
    )
    frame.sample_rate = rate
    return frame


def _encode_container(
    blocks: Iterable[np.ndarray], *, container: str, codec: str, rate: int, bitrate: int, options: dict[str, str]
) -> bytes:
    buffer = io.BytesIO()
    write_container(buffer, blocks, container=container, codec=codec, rate=rate, bitrate=bitrate, options=options)
    return buffer.getvalue()


def write_container(
    target: BinaryIO,
    blocks: Iterable[np.ndarray],
    *,
    container: str,
    codec: str,
    rate: int,
    bitrate: int | None,
    options: dict[str, str],
) -> int:
    """Encode into a container; the number of samples."""
    # Without bitexact the muxer stamps its version and a random stream number into the file.
    with av.open(target, "w", format=container, container_options={"fflags": "+bitexact"}) as output:
        stream = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout="mono", options=options))
        if bitrate is not None:
            stream.bit_rate = bitrate
        adapter = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        written = 0
        for block in blocks:
            frame = _frame(block, rate=rate)
            frame.pts = written
            written += block.size
            for adapted in adapter.resample(frame):
                output.mux(stream.encode(adapted))
        for adapted in adapter.resample(None):
            output.mux(stream.encode(adapted))
        output.mux(stream.encode(None))
    return written


def _encode_vorbis(blocks: Iterable[np.ndarray], *, rate: int) -> bytes:
    buffer = io.BytesIO()
    step = rate * _VORBIS_BLOCK_SECONDS
    with soundfile.SoundFile(
        buffer,
        "w",
        samplerate=rate,
        channels=1,
        format="OGG",
        subtype="VORBIS",
        compression_level=_VORBIS_COMPRESSION_LEVEL,
    ) as output:
        for block in blocks:
            for start in range(0, block.size, step):
                output.write(block[start : start + step])
    return buffer.getvalue()


def _encode_telephone(blocks: Iterable[np.ndarray], *, codec: str) -> bytes:
    encoder = cast(av.AudioCodecContext, av.CodecContext.create(codec, "w"))
    encoder.sample_rate = 8000
    encoder.layout = "mono"
    encoder.format = "s16"
    encoded = bytearray()
    for block in blocks:
        for packet in encoder.encode(_frame(block, rate=8000)):
            encoded += bytes(packet)
    return bytes(encoded)
