"""Paragraphs too long for one request, split where a reader would draw breath."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from lxml import etree

from narration.document.model import SSML, DocumentError, Paragraph, is_speakable
from narration.document.ssml import Writer, end_tag, parse_ssml, start_tag, tag_of

# How far back from the limit a sentence end is looked for before the search goes further; longer than any sentence
# of ordinary prose, short enough that the segmenter takes milliseconds.
_WINDOW = 3000
# What the segmenter sees behind the limit, to tell "Mr." from the end of a sentence there.
_LOOKAHEAD = 200

_SENTENCE = re.compile(r"[.!?…。！？؟۔।]+[\"'”’»)\]」』]*(?=\s|\Z)|[。！？]+[”’」』]*")
# Ends that no abbreviation can be mistaken for.
_CERTAIN = re.compile(r"(?:(?<=\w{4})\.|(?<=\w)[!?…]+)[\"'”’»)\]]*(?=\s+[\"'“‘«(¿¡]*[^\W\d_a-z])")
_CLAUSE = re.compile(r"[,;:—–)\]][\"'”’»]*(?=\s)|—|[，、；：]")
_SPACE = re.compile(r"(?<=\S)(?=\s)")

# Elements that may be closed at the end of one piece and opened again in the next without changing how they sound.
_DIVISIBLE = frozenset({
    "speak", "p", "s", "prosody", "lang", "emphasis", "voice", "amazon:domain", "amazon:effect", "amazon:emotion",
    "amazon:auto-breaths", "mstts:express-as",
})  # fmt: skip


def split_at_sentences(
    paragraph: Paragraph, *, limit: int, measure: Callable[[str], int], language: str = "en"
) -> tuple[Paragraph, ...]:
    """Split a paragraph that measures more than a service takes at once.

    Pieces are filled up to the limit and end with a sentence; where one sentence is longer than the limit, with a
    clause, then a word, then a character as readers count them. Put together again they are the paragraph, apart
    from white space at the cuts. Markup around the text is repeated in each piece; only what cannot be divided
    (``<say-as>``, ``<sub>``, ``<phoneme>``) stays whole. Where a piece would consist of signs that nobody can speak
    it takes a word from the piece before, or is dropped when that cannot be: a clip of nothing is not bought.

    :param paragraph: plain text or SSML
    :param limit: the most that ``measure`` may give for a piece
    :param measure: counts what the service counts; must not become less when text is added
    :param language: BCP 47 tag of the text, for abbreviations that end in a full stop
    :return: the paragraph itself when it fits; the first piece keeps ``scene_break_before``
    :raises DocumentError: something indivisible exceeds the limit; names the line
    """
    if measure(paragraph.text) <= limit:
        return (paragraph,)
    whole: _Whole = _Markup(paragraph) if paragraph.text_type == SSML else _Text(paragraph.text)
    pieces = list(_cut(whole, limit=limit, measure=measure, language=language, line=paragraph.line))
    pieces = _without_silence(pieces, whole, fits=lambda start, end: measure(whole.render(start, end)) <= limit)
    return tuple(
        replace(
            paragraph,
            text=whole.render(start, end),
            scene_break_before=paragraph.scene_break_before and position == 0,
        )
        for position, (start, end) in enumerate(pieces)
    )


class _Whole(Protocol):
    """A text that can be cut: offsets count the characters spoken, without markup."""

    plain: str

    def floor(self, offset: int) -> int:
        """Return the last offset, up to this one, at which a cut is possible."""

    def render(self, start: int, end: int) -> str:
        """Return what lies between two offsets as the text of a paragraph."""

    def speakable(self, start: int, end: int) -> bool: ...


class _Text:
    """Plain text."""

    def __init__(self, text: str) -> None:
        self.plain = text

    def floor(self, offset: int) -> int:
        return offset

    def render(self, start: int, end: int) -> str:
        return self.plain[start:end].strip()

    def speakable(self, start: int, end: int) -> bool:
        return is_speakable(self.plain[start:end])


class _Markup:
    """SSML, flattened into tags, runs of text and indivisible elements, each with its span of spoken characters."""

    def __init__(self, paragraph: Paragraph) -> None:
        root = parse_ssml(paragraph.text, source=f"paragraph of line {paragraph.line}")
        self._spans: list[tuple[int, int, str | etree._Element, str]] = []
        self._whole: list[tuple[int, int]] = []
        self._parts: list[str] = []
        self._length = 0
        self._flatten(root)
        self.plain = "".join(self._parts)

    def _flatten(self, element: etree._Element) -> None:
        start = self._length
        if tag_of(element) not in _DIVISIBLE or not (len(element) or element.text):
            self._add_text(str(etree.XPath("string()")(element)))
            self._spans.append((start, self._length, element, "whole"))
            self._whole.append((start, self._length))
            return
        opening = len(self._spans)
        self._spans.append((start, start, element, "open"))
        self._flatten_text(element.text)
        for child in element:
            self._flatten(child)
            self._flatten_text(child.tail)
        self._spans[opening] = (start, self._length, element, "open")
        self._spans.append((start, self._length, element, "close"))

    def _flatten_text(self, text: str | None) -> None:
        if text:
            start = self._length
            self._add_text(text)
            self._spans.append((start, self._length, text, "text"))

    def _add_text(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def floor(self, offset: int) -> int:
        return next((start for start, end in self._whole if start < offset < end), offset)

    def speakable(self, start: int, end: int) -> bool:
        return is_speakable(self.plain[start:end]) or any(
            first < last and start <= first < end for first, last in self._whole
        )

    def render(self, start: int, end: int) -> str:
        writer = Writer()
        for first, last, content, kind in self._spans:
            if first == last:
                # Breaks and marks go with what follows them, the last of all with what precedes.
                inside = start <= first < end or first == end == self._length
            else:
                inside = first < end and last > start
            if not inside:
                continue
            if isinstance(content, str):
                writer.text(content[max(start - first, 0) : end - first])
            elif kind == "whole":
                writer.element(content)
            else:
                writer.tag(start_tag(content) if kind == "open" else end_tag(content))
        return str(writer)


def _cut(
    whole: _Whole, *, limit: int, measure: Callable[[str], int], language: str, line: int
) -> Iterator[tuple[int, int]]:
    start, length = 0, len(whole.plain)
    while start < length:
        most = _furthest(whole, start, limit=limit, measure=measure)
        if most <= start:
            raise DocumentError(_too_long(whole, start, limit=limit, line=line))
        end = length if most >= length else _best_cut(whole, start, most, language=language)
        yield start, end
        start = end


def _furthest(whole: _Whole, start: int, *, limit: int, measure: Callable[[str], int]) -> int:
    """Return the furthest offset up to which the text from ``start`` keeps the limit; ``start`` if none does."""
    low, high = start, len(whole.plain)
    step = 64
    while low + step < high and measure(whole.render(start, whole.floor(low + step))) <= limit:
        low += step
        step *= 2
    high = min(high, low + step)
    while low < high:
        middle = (low + high + 1) // 2
        floor = whole.floor(middle)
        if floor <= start or measure(whole.render(start, floor)) <= limit:
            low = middle
        else:
            high = middle - 1
    floor = whole.floor(low)
    return floor if floor > start and measure(whole.render(start, floor)) <= limit else start


def _best_cut(whole: _Whole, start: int, most: int, *, language: str) -> int:
    def usable(offset: int) -> bool:
        return start < offset <= most and whole.floor(offset) == offset and whole.speakable(start, offset)

    window = _WINDOW
    while True:
        begin = max(start, most - window)
        ends = [begin + end for end in _sentence_ends(whole.plain[begin : most + _LOOKAHEAD], language)]
        found = [end for end in ends if usable(end)]
        if found and found[-1] - start > (most - start) / 2:
            return found[-1]
        # The segmenter takes a quotation for one sentence, however many are in it; that wastes a request.
        certain = [match.end() for match in _CERTAIN.finditer(whole.plain, begin, most + 1) if usable(match.end())]
        if found or certain:
            return max(found[-1:] + certain[-1:])
        if begin == start:
            break
        window *= 4
    for pattern in (_CLAUSE, _SPACE):
        # The end of the string must not pass for the end of a word, hence one character more.
        found = [match.end() for match in pattern.finditer(whole.plain, start, most + 1) if usable(match.end())]
        if found:
            return found[-1]
    cut = next((offset for offset in range(most, start, -1) if usable(offset) and _parts(whole.plain, offset)), None)
    return cut if cut is not None else most


def _sentence_ends(text: str, language: str) -> list[int]:
    """Return the offsets behind the sentences of a text, without the last one, which may go on."""
    segmenter = _segmenter(language.split("-")[0].lower())
    ends = []
    position = 0
    for sentence in _segment(segmenter, text) if segmenter is not None else ():
        words = sentence.strip()
        found = text.find(words, position) if words else -1
        if found >= 0:
            position = found + len(words)
            ends.append(position)
    if not ends:
        ends = [match.end() for match in _SENTENCE.finditer(text)]
    return [end for end in ends if end < len(text.rstrip())]


def _segment(segmenter: Any, text: str) -> list[str]:
    try:
        return segmenter.segment(text)
    except (re.error, IndexError):
        # pysbd builds patterns out of the text and trips over some of them; plain punctuation then has to do.
        return []


@lru_cache(maxsize=8)
def _segmenter(language: str) -> Any:
    """Return pysbd's segmenter for a language, ``None`` when it has none. Loaded only when something is split."""
    import pysbd
    from pysbd.languages import LANGUAGE_CODES

    return pysbd.Segmenter(language=language, clean=False) if language in LANGUAGE_CODES else None


def _parts(text: str, offset: int) -> bool:
    """Tell whether two characters as readers count them meet at an offset (the essentials of Unicode's UAX 29)."""
    before, after = text[offset - 1], text[offset]
    if unicodedata.category(after).startswith("M") or after in "\u200d\u200c" or before == "\u200d":
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return False
    if "\u1160" <= after <= "\u11ff" and "\u1100" <= before <= "\ud7a3":
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        run = offset
        while run > 0 and _is_flag_letter(text[run - 1]):
            run -= 1
        return (offset - run) % 2 == 0
    return True


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _without_silence(
    pieces: list[tuple[int, int]], whole: _Whole, *, fits: Callable[[int, int], bool]
) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in pieces:
        if whole.speakable(start, end):
            kept.append((start, end))
            continue
        if not kept:
            continue
        before, _ = kept[-1]
        words = [match.end() for match in _SPACE.finditer(whole.plain, before, start)]
        for cut in reversed(words):
            if whole.floor(cut) == cut and whole.speakable(cut, start) and whole.speakable(before, cut):
                if fits(cut, end):
                    kept[-1:] = [(before, cut), (cut, end)]
                break
    return kept


def _too_long(whole: _Whole, start: int, *, limit: int, line: int) -> str:
    text = whole.plain[start : start + 40].strip()
    return (
        f"line {line}: the part beginning {text!r} cannot be divided and is over the limit of {limit} by itself. "
        "Divide the element (<say-as>, <sub>, <phoneme> …) that holds it, or shorten it."
    )
