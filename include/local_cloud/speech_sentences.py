"""Where the sentences of a request begin and end, by what was spoken of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from include.local_cloud.speech_rendering import SENTENCE_BREAK, Record

_QUOTES = "\"'“”„‟‘’‚«»‹›"
_CLOSING = _QUOTES + ")\\]}」』】）"
_OPENING = _QUOTES + "(\\[{¿¡「『【（"
# What ends a sentence, with the quotes and brackets around it. A French guillemet may stand apart.
_TAIL = re.compile(
    rf"[{_CLOSING}]*\s*[.!?…]+(?:[{_CLOSING}]|[.!?…]|\s[»›](?=\s|$))*(?=\s|$)|[{_CLOSING}]*[。！？؟।]+[{_CLOSING}]*"
)
# What ends it where nothing can follow: any signs that stand at the last word.
_LAST_TAIL = re.compile(r"\S*(?:\s[»›])?")
_HEAD = re.compile(rf"(?:[«‹]\s|[{_OPENING}])*$")


def sentences(record: Record) -> Iterator[tuple[int, int, int]]:
    """Moment, first byte and the byte after the last of each sentence.

    A sentence begins with its first character, opening quotes included, and ends behind its closing signs and
    quotes. Direct speech belongs to the sentence that goes on in lower case behind it: “Yes!” he said.
    """
    text = "".join(character.character for character in record.characters)
    words = record.words
    opened: tuple[int, int] | None = None
    head = text[: words[0].first] if words else ""
    for number, word in enumerate(words):
        if opened is None:
            # Signs before a break belong to what was before it.
            head = head.rpartition(SENTENCE_BREAK)[2]
            begin = word.first - (len(head) - _head(head))
            # An opening quote stands outside an alias, which has no place of its own for it.
            start = record.characters[begin].start if begin < word.first else word.start
            opened = word.sample, start
        following = words[number + 1] if number + 1 < len(words) else None
        gap = text[word.last : len(text) if following is None else max(word.last, following.first)]
        end = _end(gap, is_last=following is None, goes_on=following is not None and text[following.first].islower())
        if end is None:
            continue
        last = record.characters[word.last + end - 1].end if end else word.end
        yield *opened, max(word.end, last)
        opened = None
        head = gap[end:]


def _head(before: str) -> int:
    found = _HEAD.search(before)
    return found.start() if found else len(before)


def _end(gap: str, *, is_last: bool, goes_on: bool) -> int | None:
    """How much of what follows a word belongs to the sentence that ends with it; ``None`` if none ends."""
    within, broken, _ = gap.partition(SENTENCE_BREAK)
    tail = _TAIL.match(within)
    if broken or is_last:
        found = tail or _LAST_TAIL.match(within)
        return found.end() if found else 0
    if tail is None:
        return None
    rest = gap[tail.end() :]
    if goes_on and not any(sign in rest for sign in _QUOTES):
        return None
    return tail.end()
