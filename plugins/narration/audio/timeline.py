"""Where every clip lies in the finished narration, in whole samples of the master.

Nothing here reads audio: the lengths come from the clips' facts, and the assembly must then produce exactly what the
timeline says. So captions, chapter marks and the manifest can be written from the timeline alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from narration.audio.errors import TimelineError
from narration.audio.formats import master_sample_rate

__all__ = [
    "ChapterSpan",
    "Entry",
    "Pauses",
    "Piece",
    "Timeline",
    "TimelineError",
    "build_timeline",
    "master_sample_rate",
]

#: The master is as long as a whole number of AAC frames; the lead-out is extended by at most one of them. Not every
#: player drops the rest of a half-used last frame, and the decoded length would then differ from the header's.
WHOLE_SAMPLES = 1024

#: A pause longer than this is a mistake in the unit (seconds typed as milliseconds and so on), not a wish.
LONGEST_PAUSE_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """How long the narrator is silent, in whole milliseconds.

    Exactly one pause stands between two pieces. Where several apply, the first of this order counts: between
    chapters, at a scene break, after a heading, between paragraphs.

    :param paragraph_ms: between two paragraphs
    :param heading_ms: after a heading
    :param scene_ms: where a scene break (such as ``* * *``) stood in the text
    :param chapter_ms: between the last paragraph of a chapter and the first of the next
    :param lead_in_ms: before the first piece
    :param lead_out_ms: after the last piece
    :raises TimelineError: a pause is negative, not whole, or longer than :data:`LONGEST_PAUSE_MS`
    """

    paragraph_ms: int = 500
    heading_ms: int = 900
    scene_ms: int = 1400
    chapter_ms: int = 1800
    lead_in_ms: int = 500
    lead_out_ms: int = 1000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST_PAUSE_MS:
                raise TimelineError(
                    f"The pause {field.name} is {value!r}; give whole milliseconds from 0 to {LONGEST_PAUSE_MS}."
                )

    def before(self, *, previous: Piece | None, piece: Piece) -> int:
        """Return the pause in milliseconds between two neighbouring pieces (or before the first one)."""
        if previous is None:
            return self.lead_in_ms
        if piece.chapter != previous.chapter:
            return self.chapter_ms
        if piece.scene_break_before:
            return self.scene_ms
        if previous.role == "heading":
            return self.heading_ms
        return self.paragraph_ms


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One paragraph's place in the book and the measured length of its clip.

    The same clip may stand in several pieces: a sentence that occurs twice in a book is bought once.

    :param clip_key: the clip to be heard here
    :param chapter: index of the chapter, counted from 0
    :param role: ``heading`` or ``body``
    :param scene_break_before: whether a scene break stood before the paragraph
    :param samples: length of the clip in samples at its own rate
    :param sample_rate: the clip's own rate in Hz
    """

    clip_key: str
    chapter: int
    role: str = "body"
    scene_break_before: bool = False
    samples: int
    sample_rate: int


class Entry(NamedTuple):
    """Where one piece is heard: from sample ``start`` up to, not including, sample ``end`` of the master."""

    piece: int
    start: int
    end: int


class ChapterSpan(NamedTuple):
    """Where one chapter is heard, in samples of the master; the next chapter starts at ``end``."""

    chapter: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The whole narration, laid out.

    :param sample_rate: of the master, in Hz; the unit of every other figure is one sample of it
    :param total_samples: length with lead-in and lead-out, a multiple of :data:`WHOLE_SAMPLES`
    :param entries: one per piece, in order; what lies between them is silence
    :param chapters: one per chapter that has a piece, in order, without gaps from 0 to ``total_samples``. A chapter
        starts with the first sample of its first piece, so that a listener who jumps to it hears speech at once;
        only the first chapter starts at 0, because players expect the marks to cover the whole file.
    """

    sample_rate: int
    total_samples: int
    entries: tuple[Entry, ...]
    chapters: tuple[ChapterSpan, ...]

    @property
    def duration_seconds(self) -> float:
        """Length of the narration in seconds."""
        return self.total_samples / self.sample_rate

    def seconds(self, samples: int) -> float:
        """Convert samples of the master to seconds."""
        return samples / self.sample_rate


def samples_at(*, samples: int, from_rate: int, to_rate: int) -> int:
    """Return the length that a clip has at another rate: ``samples * to_rate / from_rate``, rounded half up."""
    return (2 * samples * to_rate + from_rate) // (2 * from_rate)


def build_timeline(pieces: Sequence[Piece], *, pauses: Pauses, sample_rate: int) -> Timeline:
    """Lay the pieces out one after another with the pauses between them.

    :param pieces: in reading order; their chapter indices never go down
    :param pauses: the voice profile's pauses
    :param sample_rate: of the master in Hz, see :func:`~narration.audio.formats.master_sample_rate`
    :raises TimelineError: no pieces, chapters out of order, or a piece without audio
    """
    if not pieces:
        raise TimelineError("There is nothing to lay out: the document has no paragraph with a clip.")
    if sample_rate <= 0:
        raise TimelineError(f"The master cannot have {sample_rate} samples per second; use master_sample_rate().")
    entries: list[Entry] = []
    firsts: list[tuple[int, int]] = []
    position = 0
    previous: Piece | None = None
    for index, piece in enumerate(pieces):
        _check(index=index, piece=piece, previous=previous)
        pause = pauses.before(previous=previous, piece=piece)
        start = position + samples_at(samples=pause, from_rate=1000, to_rate=sample_rate)
        length = samples_at(samples=piece.samples, from_rate=piece.sample_rate, to_rate=sample_rate)
        position = start + max(length, 1)
        entries.append(Entry(index, start, position))
        if previous is None or piece.chapter != previous.chapter:
            firsts.append((piece.chapter, start if firsts else 0))
        previous = piece
    total = position + samples_at(samples=pauses.lead_out_ms, from_rate=1000, to_rate=sample_rate)
    total = -(-total // WHOLE_SAMPLES) * WHOLE_SAMPLES
    ends = [start for _, start in firsts[1:]] + [total]
    return Timeline(
        sample_rate=sample_rate,
        total_samples=total,
        entries=tuple(entries),
        chapters=tuple(ChapterSpan(chapter, start, end) for (chapter, start), end in zip(firsts, ends, strict=True)),
    )


def _check(*, index: int, piece: Piece, previous: Piece | None) -> None:
    place = f"Piece {index} (clip {piece.clip_key}, chapter {piece.chapter})"
    if piece.samples <= 0 or piece.sample_rate <= 0:
        raise TimelineError(
            f"{place} has {piece.samples} samples at {piece.sample_rate} Hz; measure the clip again, it holds no audio."
        )
    if piece.chapter < 0 or (previous is not None and piece.chapter < previous.chapter):
        raise TimelineError(f"{place} comes after a later chapter; hand the pieces over in reading order.")
