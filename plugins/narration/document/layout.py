"""Where the paragraphs of a plain text begin and end.

Plain text has no paragraphs, only lines. People write them in three ways, and mix them: lines wrapped at some
width with blank lines between paragraphs; one paragraph to a line; wrapped lines whose first is indented. Which of
them a text follows is measured once for the whole text and then applied block by block (a block is a run of lines
without a blank one).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from narration.document.model import LeftOut

# A line longer than this was never wrapped: it is a paragraph by itself.
LONGEST_WRAPPED_LINE = 200

_LINE_END = re.compile(r"\r\n|\r|\n")
# Ends of lines that editors do not count as lines: vertical tab, form feed, NEL, line and paragraph separators.
_INNER_BREAK = re.compile("([\v\f\x85\u2028\u2029])")
# What XML 1.0, and so Polly, cannot carry, and DEL. Tab, line ends and the breaks above are dealt with before.
_UNSPOKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
# C1 codes in UTF-8 come from Windows-1252 that somebody converted as Latin-1; HTML reads them the same way.
_C1 = re.compile("[\x80-\x84\x86-\x9f]")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\ufeff"))

_ORNAMENT = re.compile(r"[\s*#~=_+\-‐-―•·∙⋅◦●○◆◇■□▪▫★☆✦✧✱✲✳✴✵✶✷✸✹✺✻✼✽❀❁❃❋❖❦❧☙❡⁂⁎⁑⁕※§†‡]+")
_UNDERLINE = re.compile(r"\s*(?:={3,}|-{3,})\s*")
_BULLET = re.compile(r"(?:[-*•‣◦–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])\s+\S")
_SENTENCE_END = re.compile(r"[.!?…。！？:：;»”\"’'」』)\]]\s*\Z")
_RUNS_ON = re.compile(r"[,;:\-–—、，；]\s*\Z")
# Scripts written without spaces between words: a line end inside them is nothing, not a space.
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1780-\u17ff\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff5e\U00020000-\U0003ffff]"
)
_SUSPENDED = re.compile(r"(?:and|or|und|oder|et|ou|y|o|e|en|of)\b")


class Line(NamedTuple):
    """One line of the source, its number counted from 1 as editors do, white space at its end removed."""

    number: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, or what may turn out to be a heading or a line of a contents list.

    :param text: the lines joined
    :param rows: the lines apart, white space at both ends removed
    :param first_line: first line in the source, from 1
    :param last_line: last line in the source
    :param gap_before: blank lines before it; 0 when it follows directly
    :param scene_break_before: an ornament stood before it
    :param underlined: a row of ``===`` or ``---`` stood directly below it
    """

    text: str
    rows: tuple[str, ...]
    first_line: int
    last_line: int
    gap_before: int = 0
    scene_break_before: bool = False
    underlined: bool = False


def split_lines(text: str) -> tuple[list[Line], list[LeftOut]]:
    """Cut a text into lines and free it of what cannot be spoken or sent.

    Form feed and paragraph separator count as a blank line, vertical tab, NEL and U+2028 as a line end; the numbers
    stay those of the file. Other control characters are dropped (they have no sound, and the XML that services
    build around a text cannot carry them) and reported; soft hyphens, zero-width spaces and stray byte-order marks
    are dropped silently.
    """
    lines: list[Line] = []
    left_out: list[LeftOut] = []
    for number, raw in enumerate(_LINE_END.split(text), start=1):
        cleaned = raw
        if not raw.isascii():
            cleaned = _C1.sub(lambda match: match[0].encode("latin-1").decode("cp1252", "ignore"), cleaned)
            cleaned = cleaned.translate(_INVISIBLE)
        if not cleaned.isprintable():
            dropped = {f"U+{ord(character):04X}" for character in _UNSPOKEN.findall(cleaned)}
            if dropped:
                cleaned = _UNSPOKEN.sub("", cleaned)
                reason = f"control characters that cannot be spoken ({', '.join(sorted(dropped))})"
                left_out.append(LeftOut(reason=reason, first_line=number, last_line=number))
        for part in _INNER_BREAK.split(cleaned):
            if part in ("\f", "\u2029"):
                lines.append(Line(number, ""))
            elif not (part and _INNER_BREAK.match(part)):
                lines.append(Line(number, part.expandtabs().rstrip()))
    return lines, left_out


def is_ornament(text: str) -> bool:
    """Tell whether a line is a scene break such as ``* * *``, ``---``, ``⁂`` or ``#``."""
    return bool(text.strip()) and _ORNAMENT.fullmatch(text) is not None


def find_blocks(lines: Sequence[Line], *, stands_alone: Callable[[str], bool]) -> tuple[list[Block], Layout]:
    """Group lines into paragraphs.

    :param lines: the part of the document to narrate
    :param stands_alone: recognises a line that is a heading by its words, even without blank lines around it
    """
    runs = list(_runs(lines))
    layout = _measure([run.lines for run in runs])
    blocks: list[Block] = []
    for run in runs:
        gap, scene_break = run.gap_before, run.scene_break_before
        groups = list(layout.paragraphs(run.lines, stands_alone=stands_alone))
        for position, group in enumerate(groups):
            rows = tuple(line.text.strip() for line in group)
            blocks.append(
                Block(
                    text=join_rows(rows),
                    rows=rows,
                    first_line=group[0].number,
                    last_line=group[-1].number,
                    gap_before=gap,
                    scene_break_before=scene_break,
                    underlined=run.underlined and position == len(groups) - 1,
                )
            )
            gap, scene_break = 0, False
    return blocks, layout


def join_rows(rows: Iterable[str]) -> str:
    """Join wrapped lines: one space between them, none after a hyphen or dash, none in Chinese or Japanese."""
    joined = ""
    for row in rows:
        row = " ".join(row.split())
        if not joined or not row or _joins_directly(joined, row):
            joined += row
        else:
            joined += " " + row
    return joined


def _joins_directly(before: str, after: str) -> bool:
    last, first = before[-1], after[0]
    if last in "-‐‑" and before[-2:-1].isalpha() and first.isalpha():
        # "good-/humoured" keeps its hyphen, and so does a word the printer cut: which it was, nobody can tell.
        return _SUSPENDED.match(after) is None
    if last == "—" or before.endswith("--"):
        return not before.rstrip("—-").endswith(" ") and first.isalnum()
    return _NO_SPACES.match(last) is not None and _NO_SPACES.match(first) is not None


@dataclass
class _Run:
    """Lines without a blank line or an ornament between them."""

    lines: list[Line]
    gap_before: int
    scene_break_before: bool
    underlined: bool = False


def _runs(lines: Sequence[Line]) -> Iterable[_Run]:
    current: list[Line] = []
    gap, scene_break = 1, False
    run: _Run | None = None
    for line in lines:
        blank = not line.text
        if not blank and not is_ornament(line.text):
            if run is None:
                run = _Run(current, gap, scene_break)
            current.append(line)
            continue
        underline = not blank and len(current) == 1 and _UNDERLINE.fullmatch(line.text) is not None
        if run is not None:
            run.underlined = underline
            yield run
            run, current, gap, scene_break = None, [], 0, False
        gap += 1
        scene_break = scene_break or not (blank or underline)
    if run is not None:
        yield run


@dataclass(frozen=True)
class Layout:
    """How this text marks its paragraphs.

    :param per_line: every line is a paragraph
    :param indented: an indented line begins a paragraph
    :param base: the indentation of ordinary lines
    :param width: the width that lines were wrapped at
    """

    per_line: bool
    indented: bool
    base: int
    width: int

    def paragraphs(self, lines: list[Line], *, stands_alone: Callable[[str], bool]) -> Iterable[list[Line]]:
        deliberate = not self.per_line and self._broken_on_purpose(lines)
        quoted = all(line.indent > self.base for line in lines)
        group = [lines[0]]
        for before, line in pairwise(lines):
            apart = (
                self.per_line
                or (self.indented and line.indent > self.base and not (quoted and self._full(before, line)))
                or self._is_a_heading(before, line, stands_alone)
                or (stands_alone(line.text.strip()) and not self._full(before, line) and not _lower(line))
                or (max(len(before.text), len(line.text)) > LONGEST_WRAPPED_LINE and not _lower(line))
                or self._new_item(group, line)
                or (deliberate and not _RUNS_ON.search(before.text) and not _lower(line))
            )
            if apart:
                yield group
                group = []
            group.append(line)
        yield group

    def _is_a_heading(self, line: Line, following: Line, stands_alone: Callable[[str], bool]) -> bool:
        return stands_alone(line.text.strip()) and not self._full(line, following) and not _lower(following)

    def _full(self, line: Line, following: Line) -> bool:
        """Tell whether the next word had no room on the line, so that its end means nothing."""
        return len(line.text) + 1 + len(following.text.split(maxsplit=1)[0]) > self.width * 0.8

    def _broken_on_purpose(self, lines: list[Line]) -> bool:
        """Verse, addresses, lists: every line ends long before it had to, and none begins in lower case."""
        return (
            len(lines) > 1
            and not any(self._full(line, following) for line, following in pairwise(lines))
            and not any(_lower(line) for line in lines[1:])
        )

    def _new_item(self, group: list[Line], line: Line) -> bool:
        return _BULLET.match(group[0].text.lstrip()) is not None and _BULLET.match(line.text.lstrip()) is not None


def _lower(line: Line) -> bool:
    return line.text.lstrip()[:1].islower()


def _measure(runs: Sequence[list[Line]]) -> Layout:
    lines = [line for run in runs for line in run]
    indents = sorted(line.indent for line in lines)
    # The indentation of a fifth of the lines is the page's margin; quotations and verse stand further in.
    base = indents[len(indents) // 5] if indents else 0
    pairs = [
        (line, following)
        for run in runs
        for line, following in pairwise(run)
        if max(len(line.text), len(following.text)) <= LONGEST_WRAPPED_LINE
    ]
    longer = sum(len(run) - 1 for run in runs) - len(pairs)
    lengths = sorted(len(line.text) for line, _ in pairs)
    width = lengths[int(len(lengths) * 0.95)] if lengths else 0
    if longer > len(pairs):
        return Layout(per_line=True, indented=False, base=base, width=width)
    inner = [line for run in runs if len(run) > 2 for line in run[1:]]
    # Only a step from the margin inwards begins a paragraph; a quotation is indented line after line.
    starts = sum(line.indent > base >= before.indent for run in runs if len(run) > 2 for before, line in pairwise(run))
    if len(lines) > 3 * len(runs) and 0.05 * len(inner) < starts < 0.7 * len(inner):
        return Layout(per_line=False, indented=True, base=base, width=width)
    running_on = sum(_lower(following) or not _SENTENCE_END.search(line.text) for line, following in pairs)
    # Lines that are whole sentences: paragraphs of their own, unless blank lines already part the text finely.
    per_line = running_on < 0.35 * len(pairs) and len(lines) > 6 * len(runs)
    return Layout(per_line=per_line, indented=False, base=base, width=width)
