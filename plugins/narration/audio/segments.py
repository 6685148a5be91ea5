"""Where the master is cut so that several cores can encode it at once.

An encoder that is started anew in the middle of a pause is in the state that a running one would be in, because it
has heard nothing but silence either way. So a book cut in its pauses can be encoded piece by piece, in any order, and
the packets put together again: every frame around a cut is silent, and nothing is heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from narration.audio.timeline import Timeline

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

#: Length a segment should have, in seconds. Shorter ones cost more starts, longer ones more memory.
SEGMENT_SECONDS = 60

#: Silent samples needed before a cut: what an encoder holds back (1105 samples in LAME) and a transform overlaps must
#: be over before the last packet that is kept; and cuts are rounded down to a frame of up to 1152 samples.
SILENCE_BEFORE_CUT = 4608

#: Silent samples left after a cut.
SILENCE_AFTER_CUT = 1024


class Segment(NamedTuple):
    """A stretch of the master from sample ``start`` up to, not including, ``end``.

    A segment that is not ``fresh`` goes on with the encoder of the one before, since there was no pause to cut in.
    """

    start: int
    end: int
    fresh: bool


def plan_segments(timeline: Timeline, *, seconds: float) -> tuple[Segment, ...]:
    """Cut the whole timeline into segments, in pauses where possible.

    No segment is longer than twice the wished length, so that memory stays bounded when there are no pauses.

    :param timeline: what to cut
    :param seconds: the length that a segment should have; a longer one only waits for the next pause
    """
    wished = max(1, int(seconds * timeline.sample_rate))
    pauses = [
        after.start - SILENCE_AFTER_CUT
        for before, after in pairwise(timeline.entries)
        if after.start - before.end >= SILENCE_BEFORE_CUT + SILENCE_AFTER_CUT
    ]
    segments: list[Segment] = []
    start, fresh = 0, True
    for cut in (*pauses, timeline.total_samples):
        last = cut == timeline.total_samples
        while cut - start > 2 * wished:
            segments.append(Segment(start, start + wished, fresh))
            start, fresh = start + wished, False
        if last or cut - start >= wished:
            segments.append(Segment(start, cut, fresh))
            start, fresh = cut, True
    return tuple(segments)


def cut_blocks(blocks: Iterable[Samples], *, segments: Sequence[Segment]) -> Iterator[Samples]:
    """Regroup a stream of blocks of any size into one array for each segment."""
    import numpy as np

    stream = iter(blocks)
    rest = np.zeros(0, dtype=np.int16)
    for segment in segments:
        parts = []
        missing = segment.end - segment.start
        while missing > 0:
            block = rest if rest.size else next(stream)
            parts.append(block[:missing])
            rest = block[missing:]
            missing -= parts[-1].size
        yield np.concatenate(parts)
