"""From a document and a voice profile to the clips that its narration is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from narration.document.model import Document, DocumentError, Paragraph
from narration.document.ssml import plain_text_of
from narration.synthesis.failed import FailedParagraph, excerpt_of
from narration.synthesis.keys import clip_key, digest
from narration.synthesis.orders import WantedClip
from narration.synthesis.profile import VoiceProfile

_MOST_OBJECTIONS_NAMED = 10
_UNPREDICTABLE = re.compile(r"<(?:break|sub|prosody|say-as|phoneme|audio|mstts:|amazon:effect)")


class UnspeakableError(DocumentError):
    """
    Paragraphs would be refused by the service as they are; nothing was bought.

    :param paragraphs: all of them; the message names the first ones.
    """

    def __init__(self, message: str, paragraphs: Sequence[FailedParagraph] = ()) -> None:
        super().__init__(message)
        self.paragraphs = tuple(paragraphs)


class ServiceRules(Protocol):
    """What a service accepts in one request, and how it counts."""

    max_size: int

    def size(self, text: str, text_type: str) -> int:
        """Measure a paragraph as the service's length limits do; at most :attr:`max_size` fits one request."""

    def billable_characters(self, text: str, text_type: str) -> int:
        """Estimate what the service bills for a paragraph."""

    def character_bounds(self, text: str, text_type: str) -> tuple[int, int]:
        """
        Give the fewest and the most characters that the service may bill for a paragraph.

        The estimate lies between them. They differ where the vendor's words can be read in more than one way.
        """

    def objections(self, text: str, text_type: str) -> Iterator[str]:
        """Say why the service would refuse a paragraph; nothing if it should accept it."""


@dataclass(frozen=True, kw_only=True)
class PlannedParagraph:
    """
    One paragraph of the narration, in its place.

    :param clip: the clip that speaks it.
    :param chapter: number of its chapter, from 0.
    :param role: ``heading`` or ``body``.
    :param scene_break_before: whether a longer pause comes before it.
    """

    clip: WantedClip
    chapter: int
    role: str
    scene_break_before: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    Everything that one narration is made from, in order.

    :param title: of the document.
    :param author: of the document, if known.
    :param source: where the document came from.
    :param profile: the voice profile.
    :param chapter_titles: one for each chapter.
    :param paragraphs: in the order in which they are heard.
    :param pauses: milliseconds, by name, as in :class:`narration.audio.timeline.Pauses`.
    :param left_out: what of the source is not narrated, with reasons.
    """

    title: str
    author: str | None
    language: str | None
    source: str
    profile: VoiceProfile
    chapter_titles: tuple[str, ...]
    paragraphs: tuple[PlannedParagraph, ...]
    pauses: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[Mapping[str, Any], ...] = ()

    @property
    def narration_key(self) -> str:
        """Name the narration by all that can be heard or seen in it."""
        return digest(
            {
                "narration": 1,
                "title": self.title,
                "author": self.author,
                "chapters": self.chapter_titles,
                "pauses": dict(self.pauses),
                "clips": [[p.clip.clip_key, p.chapter, p.role, p.scene_break_before] for p in self.paragraphs],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as JSON types."""
        return {
            "title": self.title,
            "author": self.author,
            "language": self.language,
            "source": self.source,
            "profile": self.profile.to_dict(),
            "chapter_titles": list(self.chapter_titles),
            "paragraphs": [asdict(paragraph) for paragraph in self.paragraphs],
            "pauses": dict(self.pauses),
            "left_out": [dict(item) for item in self.left_out],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what :meth:`to_dict` gave."""
        fields = dict(data)
        fields["profile"] = VoiceProfile.from_dict(fields["profile"])
        fields["chapter_titles"] = tuple(fields["chapter_titles"])
        fields["paragraphs"] = tuple(
            PlannedParagraph(**{**paragraph, "clip": WantedClip(**paragraph["clip"])})
            for paragraph in fields["paragraphs"]
        )
        fields["left_out"] = tuple(fields["left_out"])
        return cls(**fields)


def plan_narration(
    document: Document, *, profile: VoiceProfile, rules: ServiceRules, pauses: Mapping[str, int]
) -> Plan:
    """
    Turn a document into the clips of its narration.

    A paragraph over the service's limit is split at sentences. Paragraphs that the service would refuse are named,
    all of them at once, before anything is bought.

    :raises UnspeakableError: naming the places and what to change.
    """
    paragraphs: list[PlannedParagraph] = []
    objections: list[FailedParagraph] = []
    for number, chapter in enumerate(document.chapters):
        for position, paragraph in enumerate(chapter.paragraphs, start=1):
            place = f"{chapter.title}, paragraph {position}"
            if paragraph.line:
                place += f" (line {paragraph.line} of {document.source})"
            reasons = list(dict.fromkeys(rules.objections(paragraph.text, paragraph.text_type)))
            if reasons:
                objections.append(_refused(paragraph, place=place, reasons=reasons))
                continue
            for piece in _within_limit(paragraph, rules=rules, language=document.language):
                paragraphs.append(
                    PlannedParagraph(
                        clip=_wanted(piece, profile=profile, rules=rules, place=place),
                        chapter=number,
                        role=piece.role,
                        scene_break_before=piece.scene_break_before,
                    )
                )
    if objections:
        more = len(objections) - _MOST_OBJECTIONS_NAMED
        raise UnspeakableError(
            f"{len(objections)} paragraph(s) of {document.source} cannot be spoken as they are; nothing was bought:\n"
            + "\n".join(str(objection) for objection in objections[:_MOST_OBJECTIONS_NAMED])
            + (f"\nand {more} more" if more > 0 else ""),
            objections,
        )
    return Plan(
        title=document.title,
        author=document.author,
        language=document.language,
        source=document.source,
        profile=profile,
        chapter_titles=tuple(chapter.title for chapter in document.chapters),
        paragraphs=tuple(paragraphs),
        pauses=pauses,
        left_out=tuple(asdict(item) for item in document.left_out),
    )


def _within_limit(paragraph: Paragraph, *, rules: ServiceRules, language: str | None) -> tuple[Paragraph, ...]:
    if rules.size(paragraph.text, paragraph.text_type) <= rules.max_size:
        return (paragraph,)
    from narration.document.sentences import split_at_sentences

    return split_at_sentences(
        paragraph,
        limit=rules.max_size,
        measure=lambda text: rules.size(text, paragraph.text_type),
        language=(language or "en").split("-")[0],
    )


def _refused(paragraph: Paragraph, *, place: str, reasons: Sequence[str]) -> FailedParagraph:
    return FailedParagraph(
        place=place, text=paragraph.text, excerpt=excerpt_of(_spoken(paragraph)), reason="; ".join(reasons)
    )


def _spoken(paragraph: Paragraph) -> str:
    """Give the words of a paragraph, without markup."""
    return plain_text_of(paragraph.text) if paragraph.text_type == "ssml" else paragraph.text


def _wanted(paragraph: Paragraph, *, profile: VoiceProfile, rules: ServiceRules, place: str) -> WantedClip:
    return WantedClip(
        clip_key=clip_key(profile=profile, text=paragraph.text, text_type=paragraph.text_type),
        text=paragraph.text,
        text_type=paragraph.text_type,
        spoken_text=_spoken(paragraph),
        characters=rules.billable_characters(paragraph.text, paragraph.text_type),
        place=place,
        predictable=paragraph.text_type != "ssml" or not _UNPREDICTABLE.search(paragraph.text),
    )
