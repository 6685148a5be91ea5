"""Clips and a timeline become the finished narration: an MP3, an M4B, or both."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from narration.audio.encoding import BITRATES_KBPS, M4B, MP3, EncodedSegment, Encoding, OutputFile, encode_segment
from narration.audio.errors import AssemblyError
from narration.audio.formats import MASTER_SAMPLE_RATES
from narration.audio.mixing import mix
from narration.audio.segments import SEGMENT_SECONDS, Segment, cut_blocks, plan_segments
from narration.audio.tags import Tags
from narration.audio.timeline import Piece, Timeline
from narration.audio.verifying import verify_file
from narration.threads import Threads

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

__all__ = ["AssemblyError", "AssemblyReport", "Tags", "assemble"]

# The share of the work that is encoding; the rest is verification.
_ENCODING_SHARE = 0.92


# More threads would mean more segments in memory; the clips, decoded in one thread, could not feed them anyway.
_MOST_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class AssemblyReport:
    """What was written.

    :param samples: length of the master in samples
    :param duration_seconds: the same in seconds
    :param mp3_bytes: size of the MP3 file; ``None`` if none was wanted
    :param m4b_bytes: size of the M4B file; likewise
    """

    samples: int
    duration_seconds: float
    mp3_bytes: int | None
    m4b_bytes: int | None


def assemble(
    timeline: Timeline,
    *,
    pieces: Sequence[Piece],
    load_clip: Callable[[str], Samples],
    mp3_path: Path | None,
    m4b_path: Path | None,
    tags: Tags,
    chapter_titles: Sequence[str],
    bitrate_kbps: int = 64,
    progress: Callable[[float], None] | None = None,
    verify: Literal["full", "headers"] = "full",
    threads: int | None = None,
    segment_seconds: float = SEGMENT_SECONDS,
) -> AssemblyReport:
    """Join the clips sample by sample, encode the master once to each file, and verify each.

    The master streams: at no time is more of it in memory than one clip and a few minutes. Every clip is loaded once
    for each of its pieces, in the calling thread; further threads encode, see :mod:`narration.audio.segments`.

    :param timeline: where every piece lies
    :param pieces: the pieces the timeline was built from
    :param load_clip: gives the decoded samples of a clip key, at the piece's own rate
    :param mp3_path: file to write, on an ordinary file system (headers are written last); ``None`` for no MP3
    :param m4b_path: likewise
    :param tags: what players show about the narration
    :param chapter_titles: title of every chapter, by chapter index
    :param bitrate_kbps: of each file; one of :data:`~narration.audio.encoding.BITRATES_KBPS`
    :param progress: called in the calling thread with the share done, from 0 to 1, about once for each minute of audio
    :param verify: ``full`` decodes the files to the end; ``headers`` trusts their headers
    :param threads: how many segments are encoded at once; by default one for each usable core, at most 8
    :param segment_seconds: about how much audio a thread encodes at a time; with the threads it decides the memory
    :raises AssemblyError: no file is wanted, a clip does not fit its place, a file cannot be written, or one does not
        pass verification. Whatever was raised, no file is left behind.
    """
    _check_request(timeline, chapter_titles=chapter_titles, bitrate_kbps=bitrate_kbps)
    threads = max(1, threads or min(_usable_cores(), _MOST_THREADS))
    segments = plan_segments(timeline, seconds=segment_seconds)
    encoding = Encoding(sample_rate=timeline.sample_rate, bitrate_kbps=bitrate_kbps)
    targets = [(kind, path) for kind, path in ((MP3, mp3_path), (M4B, m4b_path)) if path is not None]
    if not targets:
        raise AssemblyError("Neither an MP3 nor an M4B is wanted; choose one of them, or both.")
    report = progress or (lambda share: None)
    try:
        files: list[OutputFile] = []
        try:
            for kind, path in targets:
                files.append(
                    OutputFile(
                        path,
                        kind=kind,
                        encoding=encoding,
                        timeline=timeline,
                        tags=tags,
                        chapter_titles=chapter_titles,
                    )
                )
            blocks = mix(timeline, pieces=pieces, load_clip=load_clip)
            _encode(blocks, files=files, segments=segments, encoding=encoding, threads=threads, report=report)
            for file in files:
                file.complete()
        except BaseException:
            for file in files:
                file.discard()
            raise
        _verify([path for _, path in targets], timeline=timeline, decode=verify == "full")
        report(1.0)
        return AssemblyReport(
            samples=timeline.total_samples,
            duration_seconds=timeline.duration_seconds,
            mp3_bytes=None if mp3_path is None else mp3_path.stat().st_size,
            m4b_bytes=None if m4b_path is None else m4b_path.stat().st_size,
        )
    except BaseException:
        # Also when the task is killed by a signal that Python sees: half a book must never look like a whole one.
        for _, path in targets:
            path.unlink(missing_ok=True)
        raise


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_request(timeline: Timeline, *, chapter_titles: Sequence[str], bitrate_kbps: int) -> None:
    if bitrate_kbps not in BITRATES_KBPS:
        known = ", ".join(str(rate) for rate in BITRATES_KBPS)
        raise AssemblyError(f"{bitrate_kbps} kbit/s is not a bit rate that every file can have; use one of {known}.")
    if timeline.sample_rate not in MASTER_SAMPLE_RATES:
        raise AssemblyError(
            f"MP3 and M4B cannot both have {timeline.sample_rate} samples per second; use master_sample_rate()."
        )
    for span in timeline.chapters:
        if span.chapter >= len(chapter_titles):
            raise AssemblyError(
                f"Chapter {span.chapter} has no title: {len(chapter_titles)} titles were handed over, one for each "
                "chapter of the document is needed."
            )


def _encode(
    blocks: Iterable[Samples],
    *,
    files: Sequence[OutputFile],
    segments: Sequence[Segment],
    encoding: Encoding,
    threads: int,
    report: Callable[[float], None],
) -> None:
    """Encode segment after segment for every file on the threads, and put the packets into the files in order."""
    work: deque[list[Future[EncodedSegment]]] = deque()
    written = 0

    def write_next() -> None:
        nonlocal written
        for file, future in zip(files, work.popleft(), strict=True):
            file.add(future.result().packets)
        report(_ENCODING_SHARE * segments[written].end / segments[-1].end)
        written += 1

    before: list[Future[EncodedSegment] | None] = [None] * len(files)
    with Threads(max_workers=threads, thread_name_prefix="encode") as pool:
        try:
            for samples, segment, following in zip(
                cut_blocks(blocks, segments=segments), segments, (*segments[1:], None), strict=True
            ):
                futures = [
                    pool.submit(
                        encode_segment,
                        samples,
                        kind=file.kind,
                        segment=segment,
                        following=following,
                        before=None if segment.fresh else predecessor,
                        encoding=encoding,
                    )
                    for file, predecessor in zip(files, before, strict=True)
                ]
                work.append(futures)
                before = list(futures)
                # One segment more than the threads can work on, so that none waits while packets are written.
                if len(work) > 1 + threads // len(files):
                    write_next()
            while work:
                write_next()
        except BaseException:
            # The pool waits for its threads, so what they have not begun is called off before the error goes on.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _verify(paths: Sequence[Path], *, timeline: Timeline, decode: bool) -> None:
    with Threads(max_workers=len(paths), thread_name_prefix="verify") as pool:
        checks = [pool.submit(verify_file, path, timeline=timeline, decode=decode) for path in paths]
        for check in checks:
            check.result()
