"""Paragraphs that could not be narrated, as a task names them for people: in its message, and for the page of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

FAILED_PARAGRAPHS = "failed_paragraphs"
"""The XCom in which a task names the paragraphs that it failed for."""

MOST_KEPT = 50
"""Paragraphs that are named there: XCom is a table of Airflow's database and no place for books."""
LONGEST_TEXT = 2000
"""Characters of a text that are kept there; the whole text lies in the order, in the store."""

_LONGEST_EXCERPT = 80


@dataclass(frozen=True, kw_only=True)
class FailedParagraph:
    """
    A paragraph that could not be narrated.

    :param place: where a reader finds it, for example ``Chapter 3, paragraph 12 (line 408 of book.txt)``.
    :param text: what was, or would have been, sent to the service.
    :param excerpt: how its words begin; see :func:`excerpt_of`.
    :param reason: why, in the words of the service or of its rules.
    :param clip_key: its clip's key; empty for a paragraph that never became one.
    """

    place: str
    text: str
    excerpt: str
    reason: str
    clip_key: str = ""

    def __str__(self) -> str:
        return f"{self.place}, “{self.excerpt}”: {self.reason}" if self.excerpt else f"{self.place}: {self.reason}"


def excerpt_of(text: str) -> str:
    """Give the beginning of a text on one line, to find it by: at most 80 characters, cut between two words."""
    line = " ".join(text[: 4 * _LONGEST_EXCERPT].split())
    if len(line) <= _LONGEST_EXCERPT and len(text) <= 4 * _LONGEST_EXCERPT:
        return line
    cut = line[: _LONGEST_EXCERPT - 1]
    begin, _, _ = cut.rpartition(" ")
    return f"{begin if len(begin) > _LONGEST_EXCERPT // 2 else cut}…"


def kept(paragraphs: Iterable[FailedParagraph]) -> list[dict[str, Any]]:
    """Give failed paragraphs as JSON types, within the limits of what XCom should hold."""
    facts = []
    for paragraph in list(paragraphs)[:MOST_KEPT]:
        text = paragraph.text
        short = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
        facts.append({**asdict(paragraph), "text": short})
    return facts
