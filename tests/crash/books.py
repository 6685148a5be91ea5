"""Documents for the scenarios: words that no other scenario has, as long as a service needs them to be."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

_WORDS = [
    "harbour",
    "lantern",
    "window",
    "letter",
    "river",
    "morning",
    "captain",
    "garden",
    "silver",
    "thunder",
    "castle",
    "candle",
    "meadow",
    "journey",
    "whisper",
    "forest",
    "bridge",
    "island",
    "winter",
    "kitchen",
    "shadow",
    "engine",
    "copper",
    "violet",
    "saddle",
    "mirror",
    "pillow",
    "ticket",
    "rocket",
    "basket",
]
_LONG_AUDIO_LETTERS = 125


@dataclass(frozen=True, kw_only=True)
class Book:
    """
    A document.

    :param chapters: headings, each with its paragraphs.
    """

    chapters: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def texts(self) -> list[str]:
        """Everything that is spoken, in order."""
        return [text for heading, paragraphs in self.chapters for text in (heading, *paragraphs)]

    def write(self, path: Path) -> Path:
        """Write it as plain text."""
        path.write_text("\n\n".join(self.texts) + "\n", encoding="utf-8")
        return path

    def swapped(self) -> Book:
        """The same with its chapters the other way round."""
        return Book(chapters=tuple(reversed(self.chapters)))

    def edited(self, dice: random.Random, *, word: str, long: bool) -> Book:
        """Another document that shares most of its paragraphs: one is new, one has gone, chapters may be swapped."""
        chapters = [(heading, list(paragraphs)) for heading, paragraphs in self.chapters]
        where = dice.choice(chapters)[1]
        where.insert(dice.randrange(len(where) + 1), _paragraph(dice, word=word, place="new", long=long))
        chapters[0][1].pop(dice.randrange(len(chapters[0][1])))
        if dice.random() < 0.5:
            chapters.reverse()
        return Book(chapters=tuple((heading, tuple(paragraphs)) for heading, paragraphs in chapters))


def write_book(dice: random.Random, *, word: str, long: bool, sizes: tuple[int, ...] = ()) -> Book:
    """
    Make up a document.

    :param word: that no other scenario has; it is in every paragraph.
    :param long: so long that each order of four paragraphs has more than the 400 characters of Long Audio.
    :param sizes: paragraphs of each chapter; otherwise it is drawn.
    """
    sizes = sizes or ((4, 4) if long else (dice.randint(2, 4), dice.randint(2, 4)))
    chapters = []
    for number, size in enumerate(sizes, start=1):
        paragraphs = [_paragraph(dice, word=word, place=f"{number}.{each}", long=long) for each in range(size)]
        chapters.append((f"Chapter {number}: The {word}", tuple(paragraphs)))
    return Book(chapters=tuple(chapters))


def _paragraph(dice: random.Random, *, word: str, place: str, long: bool) -> str:
    said = f"In {word}, place {place}:"
    while len(said) < (_LONG_AUDIO_LETTERS if long else dice.randint(24, 60)):
        said += f" {dice.choice(_WORDS)}"
    return f"{said}."
