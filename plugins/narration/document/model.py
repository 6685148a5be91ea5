"""What a reader hands over: a document of chapters of paragraphs, and what it left out on purpose."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from narration.errors import PermanentNarrationError

TEXT = "text"
SSML = "ssml"
HEADING = "heading"
BODY = "body"

# Signs without a letter or digit that a voice still says: "&", "50 %" cut to "%", "€". Ornaments ("*", "#", "~")
# and emoji are not among them: bought alone they come back as silence.
_SPOKEN_SIGNS = frozenset("%‰&@§©®™№°±×÷√∞")


class DocumentError(PermanentNarrationError):
    """A document cannot be read as it is.

    The message names the source, the place in it (line and column, or byte offset) and what to do about it.
    """


def is_speakable(text: str) -> bool:
    """Tell whether a voice would say anything: a letter or digit of any script, or a sign that is read out."""
    return any(
        character.isalnum() or character in _SPOKEN_SIGNS or unicodedata.category(character) == "Sc"
        for character in text
    )


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """The unit of work, of caching and of error messages.

    :param text: plain text on one line, or one complete ``<speak>…</speak>`` in canonical form
    :param text_type: ``text`` or ``ssml``
    :param role: ``heading`` (spoken, followed by a longer pause) or ``body``
    :param line: first line in the source, counted from 1
    :param scene_break_before: an ornament such as ``* * *`` stood before it; heard as a longer pause, never bought
    """

    text: str
    text_type: str = TEXT
    role: str = BODY
    line: int = 0
    scene_break_before: bool = False


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Paragraphs under one title; never empty in what :func:`narration.document.reading.read_document` returns."""

    title: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Lines of the source (counted from 1, both ends included) that are deliberately not narrated, and why."""

    reason: str
    first_line: int
    last_line: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text ready to be narrated.

    :param title: what the narration is called
    :param source: where the text came from, as the user named it
    :param chapters: in reading order, each with at least one paragraph
    :param author: who wrote it, where the source says so
    :param language: BCP 47 tag (``en``, ``de-AT``), where the source says so
    :param left_out: what was deliberately not narrated, in order of lines
    """

    title: str
    source: str
    chapters: tuple[Chapter, ...]
    author: str | None = None
    language: str | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def paragraphs(self) -> Iterator[Paragraph]:
        """All paragraphs in reading order."""
        return (paragraph for chapter in self.chapters for paragraph in chapter.paragraphs)

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON-serialisable dictionaries and lists."""
        return {
            "title": self.title,
            "source": self.source,
            "author": self.author,
            "language": self.language,
            "chapters": [
                {"title": chapter.title, "paragraphs": [asdict(paragraph) for paragraph in chapter.paragraphs]}
                for chapter in self.chapters
            ],
            "left_out": [asdict(entry) for entry in self.left_out],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Document:
        """Restore what :meth:`to_dict` returned."""
        return cls(
            title=data["title"],
            source=data["source"],
            author=data["author"],
            language=data["language"],
            chapters=tuple(
                Chapter(
                    title=chapter["title"],
                    paragraphs=tuple(Paragraph(**paragraph) for paragraph in chapter["paragraphs"]),
                )
                for chapter in data["chapters"]
            ),
            left_out=tuple(LeftOut(**entry) for entry in data["left_out"]),
        )
