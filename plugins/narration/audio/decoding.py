"""From the bytes of a clip to its samples, refusing whatever is not the whole clip that was ordered."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from narration.audio.containers import check_mp3, check_ogg, check_wav, looks_like
from narration.audio.errors import ClipDefect
from narration.audio.formats import ClipFormat, clip_format

if TYPE_CHECKING:
    import av
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

__all__ = ["ClipDefect", "decode_clip"]

# Most decoders give 32-bit floats. Converting some 20 s at a time keeps a clip of an hour from needing three times its
# size, and one numpy call per frame of 24 ms would be slow.
_BLOCKS_AT_ONCE = 1024

_INTEGRITY_CHECKS = {"mp3": check_mp3, "ogg": check_ogg, "wav": check_wav}


def decode_clip(data: bytes, *, audio_format: str, sample_rate: int) -> Samples:
    """Decode a whole clip from memory.

    :param data: all bytes of the clip as the service delivered them
    :param audio_format: a name in :data:`~narration.audio.formats.CLIP_FORMATS`
    :param sample_rate: the rate in Hz that was ordered; samples without a header are taken to have it
    :return: mono samples, 16 bit, at the clip's own rate
    :raises ClipDefect: the bytes are empty, cut, damaged or of another kind, or their rate or channel count differs
        from what was ordered
    """
    expected = clip_format(audio_format=audio_format, sample_rate=sample_rate)
    if not data:
        raise ClipDefect(f"The clip is empty: 0 bytes where {audio_format} audio was expected.")
    _refuse_other_kinds(data, expected=expected)
    if expected.container is None:
        samples = _decode_headerless(data, expected=expected)
    else:
        _INTEGRITY_CHECKS[expected.container](data)
        samples = _decode_container(data, expected=expected, sample_rate=sample_rate)
    if samples.size == 0:
        raise ClipDefect(f"The clip holds no samples: {len(data)} bytes of {audio_format} decode to nothing.")
    return samples


def _refuse_other_kinds(data: bytes, *, expected: ClipFormat) -> None:
    kind = looks_like(data)
    own = {"mp3": "an MP3 file", "ogg": "an Ogg file", "wav": "a WAV file"}.get(expected.container or "")
    if kind is not None and kind != own:
        raise ClipDefect(f"The clip should be {expected.name} audio, but its {len(data)} bytes start like {kind}.")


def _decode_headerless(data: bytes, *, expected: ClipFormat) -> Samples:
    import numpy as np

    if expected.name == "pcm":
        if len(data) % expected.bytes_per_sample:
            raise ClipDefect(f"The PCM data is cut off: {len(data)} bytes are no whole number of 16-bit samples.")
        return np.frombuffer(data, dtype="<i2").astype(np.int16)
    table = _mulaw_table() if expected.name == "mulaw" else _alaw_table()
    return table[np.frombuffer(data, dtype=np.uint8)]


@cache
def _mulaw_table() -> Samples:
    """Build the 256 values of G.711 mu-law, as 16-bit samples."""
    import numpy as np

    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _alaw_table() -> Samples:
    """Build the 256 values of G.711 A-law, as 16-bit samples."""
    import numpy as np

    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _decode_container(data: bytes, *, expected: ClipFormat, sample_rate: int) -> Samples:
    import av
    import numpy as np

    finished: list[Samples] = []
    blocks: list[NDArray[numpy.generic]] = []
    try:
        with av.open(io.BytesIO(data), mode="r", format=expected.container) as container:
            stream = _only_stream(container, expected=expected, sample_rate=sample_rate)
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise ClipDefect(f"The {expected.name} data is damaged at {_when(packet.pts, packet.time_base)}.")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise ClipDefect(f"The {expected.name} data is damaged at {_when(frame.pts, frame.time_base)}.")
                    _check_shape(
                        frame.sample_rate, frame.layout.nb_channels, expected=expected, sample_rate=sample_rate
                    )
                    blocks.append(frame.to_ndarray().reshape(-1))
                    if len(blocks) == _BLOCKS_AT_ONCE:
                        finished.append(_to_int16(np.concatenate(blocks)))
                        blocks.clear()
    except av.FFmpegError as error:
        raise ClipDefect(
            f"The clip of {len(data)} bytes cannot be decoded as {expected.name}: {error.strerror}."
        ) from error
    if blocks:
        finished.append(_to_int16(np.concatenate(blocks)))
    return np.concatenate(finished) if finished else np.zeros(0, dtype=np.int16)


def _only_stream(container: av.container.InputContainer, *, expected: ClipFormat, sample_rate: int) -> av.AudioStream:
    streams = container.streams.audio
    if len(streams) != 1:
        raise ClipDefect(f"The {expected.name} data holds {len(streams)} audio streams; exactly one was expected.")
    context = streams[0].codec_context
    if context.name not in expected.codecs:
        raise ClipDefect(f"The clip should be {expected.name} audio, but it was encoded with {context.name}.")
    _check_shape(context.sample_rate, context.channels, expected=expected, sample_rate=sample_rate)
    return streams[0]


def _check_shape(found_rate: int, found_channels: int, *, expected: ClipFormat, sample_rate: int) -> None:
    if found_rate != sample_rate:
        raise ClipDefect(f"The {expected.name} clip has {found_rate} samples per second; {sample_rate} were ordered.")
    if found_channels != 1:
        raise ClipDefect(f"The {expected.name} clip has {found_channels} channels; mono was expected.")


def _to_int16(samples: NDArray[numpy.generic]) -> Samples:
    import numpy as np

    if samples.dtype == np.int16:
        return samples.astype(np.int16, copy=False)
    scaled = np.rint(samples.astype(np.float32, copy=False) * np.float32(32768.0))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def _when(pts: int | None, time_base: Fraction | None) -> str:
    return "an unknown time" if pts is None or time_base is None else f"{float(pts * time_base):.2f} s"
