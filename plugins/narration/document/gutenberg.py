"""What Project Gutenberg puts around and into the texts that it publishes.

Header and footer, the names in the header, credits and title page, ``[Illustration]`` blocks and the underscores
that stand for italics: https://www.gutenberg.org/policy/license.html and the etexts themselves, old and new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from narration.document.headings import is_contents, is_list_entry, recognise, same_words
from narration.document.layout import Block, Line
from narration.document.model import LeftOut

_START = re.compile(r"\s*\*\*\*\s*START OF (?:THIS|THE) PROJECT GUTENBERG.*", re.IGNORECASE)
_SMALL_PRINT = re.compile(r"\s*\*+\s*END\s*\**\s*THE SMALL PRINT.*", re.IGNORECASE)
_END = re.compile(
    r"\s*(?:\*\*\*\s*END OF (?:THIS|THE) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg).*", re.IGNORECASE
)
_NAMES = re.compile(
    r"\W*(?:The )?Project Gutenberg(?:'s|’s)? E-?(?:text|book) of (?P<title>.*?)(?:,? by (?P<author>.*?))?[\s*]*",
    re.IGNORECASE,
)
_FIELD = re.compile(r"(Title|Author|Language):\s*(.*)", re.IGNORECASE)
_CREDIT = re.compile(
    r"\W*(?:(?:this )?(?:e-?text|e-?book|file|book|html version|text file|transcription)\s+(?:was\s+)?"
    r"(?:prepared|produced|created|transcribed|scanned)|"
    r"(?:produced|transcribed|scanned|prepared|proofread) (?:by|from)|"
    r"there is an illustrated edition|(?:original )?transcriber.{0,2}s?.? notes?\b|credits:|updated:|"
    r"images? (?:generously|courtesy)|this text is a combination of etexts|distributed proofread|"
    r"(?:etext|\[?e-?book) [#n]|cover\W*\Z|note: (?:project gutenberg|images of))",
    re.IGNORECASE,
)
_IMPRINT = re.compile(
    r"\W*(?:copyright|published|printed|all rights reserved|illustrated|with illustrations|first edition|author of|"
    r"translated|edited|london|new york|\d{4}\W*\Z)",
    re.IGNORECASE,
)
# Blocks at the beginning among which credits are looked for, or a tenth of the book if that is more.
_FIRST_PAGES = 20
_LONGEST_TITLE_ROW = 80
_MARKER_ROWS = 4
_LONGEST_ILLUSTRATION = 40

_LANGUAGES = {
    "afrikaans": "af", "arabic": "ar", "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "czech": "cs",
    "danish": "da", "dutch": "nl", "english": "en", "esperanto": "eo", "estonian": "et", "finnish": "fi",
    "french": "fr", "galician": "gl", "german": "de", "greek": "el", "hebrew": "he", "hungarian": "hu",
    "icelandic": "is", "irish": "ga", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la",
    "norwegian": "no", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr",
    "slovenian": "sl", "spanish": "es", "swedish": "sv", "tagalog": "tl", "turkish": "tr", "welsh": "cy",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Etext:
    """A Project Gutenberg text without its wrapping.

    :param lines: the book, underscores and illustrations removed
    :param left_out: header, footer and illustrations
    :param title: from the header
    :param author: from the header
    :param language: from the header, as a BCP 47 tag
    """

    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]
    title: str | None
    author: str | None
    language: str | None


def unwrap(lines: Sequence[Line]) -> Etext | None:
    """Return the book inside a Project Gutenberg text; ``None`` when it is none."""
    start = _last_header_line(lines)
    end = next((i for i in range(start + 1, len(lines)) if _END.match(lines[i].text)), len(lines))
    if start < 0 and end == len(lines):
        return None
    left_out = []
    if start >= 0:
        left_out.append(_left_out("Project Gutenberg header", lines[: start + 1]))
    if end < len(lines):
        left_out.append(_left_out("Project Gutenberg footer", lines[end:]))
    book, illustrations = _without_illustrations(lines[start + 1 : end])
    fields = _fields(lines[: start + 1])
    language = re.split(r"[,;/(]| and ", fields.get("language", ""), maxsplit=1)[0].strip().lower()
    return Etext(
        lines=tuple(Line(line.number, _without_underscores(line.text)) for line in book),
        left_out=(*left_out, *illustrations),
        title=fields.get("title"),
        author=fields.get("author"),
        language=_LANGUAGES.get(language),
    )


def without_front_matter(blocks: Sequence[Block], etext: Etext) -> tuple[list[Block], list[LeftOut]]:
    """Leave out credits, cover notes and title page, as far as they stand before the book's first words.

    The contents list is left out where chapters are found; what stands between it and the title page goes here.
    """
    blocks, notes = _without_credits(blocks)
    title, author = same_words(etext.title or ""), same_words(etext.author or "")
    names = {title, author, f"by {author}", f"{title} by {author}"} - {"", "by ", " by "}
    names_end = 0
    for position, block in enumerate(blocks):
        if same_words(block.text) in names:
            names_end = position + 1
        elif not all(map(_is_title_page_row, block.rows)):
            break
        elif recognise(block.text) is not None or is_contents(block.rows[0]):
            # Lines that are no sentences and stand before a heading are the title page, whatever they say.
            names_end = position
            break
    if not names_end:
        return blocks, notes
    reason = "Project Gutenberg title page"
    entry = LeftOut(reason=reason, first_line=blocks[0].first_line, last_line=blocks[names_end - 1].last_line)
    return blocks[names_end:], [*notes, entry]


def _without_credits(blocks: Sequence[Block]) -> tuple[list[Block], list[LeftOut]]:
    """Leave out the notes of those who made the etext, wherever in its first pages they stand."""
    kept: list[Block] = []
    left_out: list[LeftOut] = []
    for position, block in enumerate(blocks):
        early = position < max(_FIRST_PAGES, len(blocks) // 10)
        if early and (_CREDIT.match(block.text) or (not kept and _is_number_note(block.text))):
            reason = "Project Gutenberg credits and notes"
            left_out.append(LeftOut(reason=reason, first_line=block.first_line, last_line=block.last_line))
        else:
            kept.append(block)
    return kept, left_out


def _is_title_page_row(row: str) -> bool:
    if len(row) > _LONGEST_TITLE_ROW:
        return False
    return is_list_entry(row) or _IMPRINT.match(row) is not None or not row.endswith((".", "!", "?", "”", '"', ":"))


def _is_number_note(text: str) -> bool:
    return re.fullmatch(r"\W*(?:e-?book|etext)?\W*\d+\W*", text, re.IGNORECASE) is not None


def _last_header_line(lines: Sequence[Line]) -> int:
    for position, line in enumerate(lines):
        if _SMALL_PRINT.match(line.text):
            return position
        if _START.match(line.text):
            # A long title runs over several lines, the last of which ends in asterisks.
            for last in range(position, min(position + _MARKER_ROWS, len(lines))):
                if lines[last].text.endswith("***") and (last > position or line.text.count("***") > 1):
                    return _after_small_print(lines, last)
                if not lines[last].text:
                    break
            return _after_small_print(lines, position)
    return -1


def _after_small_print(lines: Sequence[Line], start: int) -> int:
    """Texts of 2003 have the old legal notice below the new mark."""
    for position in range(start + 1, min(start + 400, len(lines))):
        if _SMALL_PRINT.match(lines[position].text):
            return position
    return start


def _fields(header: Sequence[Line]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = None
    for line in header:
        match = _FIELD.match(line.text)
        if match is not None:
            name = match[1].lower()
            fields.setdefault(name, match[2].strip())
        elif name is not None and line.text and line.indent:
            fields[name] = f"{fields[name]} {line.text.strip()}".strip()
        else:
            name = None
    for line in header[:20]:
        match = _NAMES.fullmatch(line.text)
        if match is not None:
            for name, value in match.groupdict().items():
                fields.setdefault(name, value or "")
    if title := _NAMES.fullmatch(fields.get("title", "")):
        fields["title"] = title["title"]
    # Old headers append remarks: "Charles Dickens  [The rest of Dickens is forthcoming]".
    cleaned = {name: " ".join(re.sub(r"\s\[.*\]", "", value).split()) for name, value in fields.items()}
    return {name: value for name, value in cleaned.items() if value}


def _without_illustrations(lines: Sequence[Line]) -> tuple[list[Line], list[LeftOut]]:
    kept = list(lines)
    left_out = []
    position = 0
    while position < len(kept):
        opening = re.match(r"\s*\[Illustration\b", kept[position].text, re.IGNORECASE)
        last = _closing_row(kept, position) if opening is not None else None
        if last is not None:
            left_out.append(_left_out("illustration", kept[position : last + 1]))
            for row in range(position, last):
                kept[row] = Line(kept[row].number, "")
            kept[last] = Line(kept[last].number, _after_bracket(kept[last].text, whole=last == position))
            position = last
        position += 1
    return kept, left_out


def _closing_row(lines: Sequence[Line], start: int) -> int | None:
    depth = 0
    for position in range(start, min(start + _LONGEST_ILLUSTRATION, len(lines))):
        for character in lines[position].text:
            depth += (character == "[") - (character == "]")
            if character == "]" and depth == 0:
                return position
    return None


def _after_bracket(text: str, *, whole: bool) -> str:
    """Return what stands behind the bracket that closes; inner pairs are skipped when the line holds them whole."""
    depth = 0 if whole else 1
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "]" and depth == 0:
            return text[position + 1 :].strip()
    return ""


def _without_underscores(text: str) -> str:
    """Remove the underscores of ``_emphasis_``; rows of them, which stand for a name left blank, remain."""
    return re.sub(r"(?<!_)_(?!_)", "", text) if "_" in text else text


def _left_out(reason: str, lines: Sequence[Line]) -> LeftOut:
    return LeftOut(reason=reason, first_line=lines[0].number, last_line=lines[-1].number)
