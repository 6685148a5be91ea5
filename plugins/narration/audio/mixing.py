"""The master as a stream of blocks: silence and clips in the order and at the samples of the timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from narration.audio.errors import AssemblyError
from narration.audio.timeline import Piece, Timeline

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

#: Length of the raised-cosine fade at both edges of every clip; a clip cut off at a loud sample would click.
FADE_MS = 5

#: Samples in a block at most: small enough that a queue of them is no memory, large enough for few Python calls.
BLOCK_SAMPLES = 65_536

#: How far the resampler's output may differ from the timeline (filter edges and rounding), in samples.
RESAMPLING_SLACK = 64


def mix(timeline: Timeline, *, pieces: Sequence[Piece], load_clip: Callable[[str], Samples]) -> Iterator[Samples]:
    """Yield the master from its first to its last sample, exactly ``timeline.total_samples`` in all.

    Only the clip being played is in memory.

    :param timeline: built from the same pieces
    :param pieces: what the timeline's entries refer to
    :param load_clip: gives the decoded samples of a clip key, at the piece's own rate
    :raises AssemblyError: the pieces are not those of the timeline, or a clip is not as long as its piece says
    """
    import numpy as np

    if len(pieces) != len(timeline.entries):
        raise AssemblyError(
            f"The timeline was built from {len(timeline.entries)} pieces, {len(pieces)} were handed over; "
            "build it again."
        )
    silence = np.zeros(BLOCK_SAMPLES, dtype=np.int16)
    position = 0
    for entry in timeline.entries:
        piece = pieces[entry.piece]
        yield from _silence(silence, entry.start - position)
        clip = _load(piece, load_clip=load_clip)
        clip = fit(clip, piece=piece, samples=entry.end - entry.start, sample_rate=timeline.sample_rate)
        fade_edges(clip, sample_rate=timeline.sample_rate)
        for start in range(0, clip.size, BLOCK_SAMPLES):
            yield clip[start : start + BLOCK_SAMPLES]
        position = entry.end
    yield from _silence(silence, timeline.total_samples - position)


def _silence(silence: Samples, samples: int) -> Iterator[Samples]:
    while samples > 0:
        yield silence[:samples]
        samples -= BLOCK_SAMPLES


def _load(piece: Piece, *, load_clip: Callable[[str], Samples]) -> Samples:
    import numpy as np

    clip = load_clip(piece.clip_key)
    if clip.dtype != np.int16 or clip.ndim != 1:
        raise AssemblyError(f"Clip {piece.clip_key} was loaded as {clip.dtype} with {clip.ndim} axes, not 16-bit mono.")
    if clip.size != piece.samples:
        raise AssemblyError(
            f"Clip {piece.clip_key} has {clip.size} samples, its facts say {piece.samples}: the stored clip was "
            "replaced. Measure it again and build the timeline anew."
        )
    return clip


def fit(clip: Samples, *, piece: Piece, samples: int, sample_rate: int) -> Samples:
    """Return a copy of the clip at the master's rate that is exactly as long as its place in the timeline.

    :raises AssemblyError: the length differs by more than the rounding of the resampler
    """
    import numpy as np

    if piece.sample_rate == sample_rate:
        fitted = clip.copy()
    else:
        fitted = _resample(clip, from_rate=piece.sample_rate, to_rate=sample_rate)
    missing = samples - fitted.size
    if abs(missing) > (0 if piece.sample_rate == sample_rate else RESAMPLING_SLACK):
        raise AssemblyError(
            f"Clip {piece.clip_key} takes {fitted.size} samples at {sample_rate} Hz, the timeline has room for "
            f"{samples}; build the timeline from the clips' present facts."
        )
    return np.pad(fitted, (0, missing)) if missing > 0 else fitted[:samples]


def _resample(clip: Samples, *, from_rate: int, to_rate: int) -> Samples:
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=to_rate)
    frames: list[av.AudioFrame] = []
    for start in range(0, clip.size, BLOCK_SAMPLES):
        frame = av.AudioFrame.from_ndarray(
            clip[start : start + BLOCK_SAMPLES].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = from_rate
        frames.extend(resampler.resample(frame))
    frames.extend(resampler.resample(None))
    # A clip of a few samples is shorter than the filter and may yield no frame at all.
    parts = [np.zeros(0, dtype=np.int16), *(frame.to_ndarray().reshape(-1) for frame in frames)]
    return np.concatenate(parts).astype(np.int16, copy=False)


def fade_edges(clip: Samples, *, sample_rate: int) -> None:
    """Fade the clip in and out, in place; its first and last sample become silent."""
    import numpy as np

    length = min(sample_rate * FADE_MS // 1000, clip.size // 2)
    if length == 0:
        return
    rising = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)
    clip[:length] = np.rint(clip[:length] * rising)
    clip[-length:] = np.rint(clip[-length:] * rising[::-1])
