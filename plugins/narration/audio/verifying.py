"""Opening a finished file again and holding it against the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from narration.audio.errors import AssemblyError
from narration.audio.timeline import Timeline

if TYPE_CHECKING:
    from av.container.core import Chapter

#: How far lengths and chapter marks in a finished file may be from the timeline, in seconds.
TOLERANCE_SECONDS = 0.050


def verify_file(path: Path, *, timeline: Timeline, decode: bool) -> None:
    """Check length, rate and chapters of a finished file.

    :param path: an MP3 or M4B file
    :param timeline: what it must correspond to
    :param decode: whether to decode the whole file and count its samples too (some 30 s for a book of 13 hours)
    :raises AssemblyError: the file cannot be read, or does not correspond to the timeline
    """
    import av

    try:
        with av.open(str(path.absolute()), mode="r") as container:
            stream = container.streams.audio[0]
            if stream.codec_context.sample_rate != timeline.sample_rate:
                raise _differs(path, "sample rate", stream.codec_context.sample_rate, timeline.sample_rate)
            if container.duration is None:
                raise AssemblyError(f"The finished file {path.name} does not say how long it is; assemble it again.")
            _check_seconds(path, "length in its header", container.duration / 1_000_000, timeline.duration_seconds)
            _check_chapters(path, container.chapters(), timeline=timeline)
            if decode:
                samples = sum(frame.samples for frame in container.decode(stream))
                _check_seconds(path, "decoded length", samples / timeline.sample_rate, timeline.duration_seconds)
    except av.FFmpegError as error:
        raise AssemblyError(
            f"The finished file {path.name} cannot be read again: {error.strerror}. Was the disk full?"
        ) from error


def _check_chapters(path: Path, chapters: Sequence[Chapter], *, timeline: Timeline) -> None:
    if len(chapters) != len(timeline.chapters):
        raise _differs(path, "number of chapters", len(chapters), len(timeline.chapters))
    for chapter, span in zip(chapters, timeline.chapters, strict=True):
        start = float(chapter["start"] * (chapter["time_base"] or 0))
        _check_seconds(path, f"start of chapter {span.chapter}", start, timeline.seconds(span.start))


def _check_seconds(path: Path, what: str, found: float, expected: float) -> None:
    if abs(found - expected) > TOLERANCE_SECONDS:
        raise _differs(path, what, f"{found:.3f} s", f"{expected:.3f} s")


def _differs(path: Path, what: str, found: object, expected: object) -> AssemblyError:
    return AssemblyError(f"The finished file {path.name} is wrong: {what} is {found}, {expected} was laid out.")
