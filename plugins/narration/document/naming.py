"""What to call a document whose text does not say."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_SMALL_WORDS = (
    "a", "an", "and", "as", "at", "but", "by", "de", "der", "die", "du", "for", "from", "in", "la", "le", "of", "on",
    "or", "the", "to", "und", "with", "y",
)  # fmt: skip


def title_from_source(source: str) -> str:
    """Turn the last part of a path or URI into a title: ``s3://b/pride-and-prejudice.txt`` -> Pride and Prejudice."""
    path = unquote(urlsplit(source).path) if "://" in source else source
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    stem = re.sub(r"(?<=.)\.[A-Za-z0-9]{1,8}\Z", "", name)
    words = re.sub(r"[_\s]+|(?<=\w)-(?=\w)", " ", stem).split()
    if not words:
        return "Untitled"
    return " ".join(
        word if not word.islower() or (position and word in _SMALL_WORDS) else word[0].upper() + word[1:]
        for position, word in enumerate(words)
    )
