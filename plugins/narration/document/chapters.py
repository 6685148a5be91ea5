"""Blocks of a plain text -> chapters: headings found, contents lists left out, nothing spoken lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from narration.document.headings import (
    Heading,
    is_contents,
    is_list_entry,
    is_title_row,
    looks_like_title,
    numeral,
    recognise,
    same_words,
)
from narration.document.layout import Block
from narration.document.model import BODY, HEADING, Chapter, LeftOut, Paragraph, is_speakable

# Numerals standing alone number chapters only when there is something between them; less is a list.
_SHORTEST_CHAPTER = 300
# So many blank lines end a list of contents.
_WIDE_GAP = 4


@dataclass
class _Item:
    """A block with what was found out about it."""

    block: Block
    heading: Heading | None = None


@dataclass
class _Section:
    """A heading (none for what stands before the first) with the blocks under it."""

    heading: _Item | None
    body: list[_Item] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Chapters found in a text.

    :param chapters: never empty chapters, in order
    :param left_out: contents lists and paragraphs that nobody could speak
    :param title: the title page's title, when the text begins with one
    :param author: the title page's author
    """

    chapters: tuple[Chapter, ...]
    left_out: tuple[LeftOut, ...]
    title: str | None = None
    author: str | None = None


def find_chapters(
    blocks: Sequence[Block], *, title: str, per_line: bool = False, skip_to_contents: bool = False
) -> Outline:
    """Divide a text into chapters.

    A heading is a short line of its own that names a part of a book in one of some twenty languages, or a numeral
    in a series. Headings without text under them are spoken before the next heading that has some. Three or more of
    one kind in a row, or the lines under "Contents", are a list of contents and left out. What stands before the
    first heading is a chapter called after the document.

    :param blocks: the text
    :param title: name of the opening chapter
    :param per_line: the text has one paragraph to a line, so that a line below a heading may well be a paragraph
    :param skip_to_contents: leave out what stands before a list of contents, up to the first heading
    """
    left_out: list[LeftOut] = []
    spoken: list[Block] = []
    scene_break = False
    for block in blocks:
        if is_speakable(block.text):
            spoken.append(replace(block, scene_break_before=block.scene_break_before or scene_break))
            scene_break = False
        else:
            scene_break = scene_break or block.scene_break_before
            left_out.append(_left_out("nothing in it that can be spoken", block, block))
    items = _join_titles(_number_headings([_Item(block, _heading_of(block)) for block in spoken]), per_line=per_line)
    items = _without_contents(items, left_out, skip_to_contents=skip_to_contents)
    sections = _sections(items)
    page_title, author = _title_page(sections)
    chapters = _assemble(sections, title=page_title or title)
    return Outline(chapters=chapters, left_out=tuple(left_out), title=page_title, author=author)


def _heading_of(block: Block) -> Heading | None:
    if len(block.rows) == 1 or all(recognise(row) is None for row in block.rows[1:]):
        found = recognise(block.text)
        if found is None and block.underlined and len(block.text) <= 100:
            return Heading(text=block.text, kind="underlined", level=3, has_title=True)
        return found
    return None


def _number_headings(items: list[_Item]) -> list[_Item]:
    """Find chapters that have a number for a heading: I, II, III … or 1. Title, 2. Title …, in order, with text."""
    candidates = []
    for position, item in enumerate(items):
        if item.heading is None and len(item.block.rows) <= 3 and item.block.gap_before:
            found = _number_of(item.block)
            following = items[position + 1] if position + 1 < len(items) else None
            if found is not None and following is not None and following.block.gap_before:
                candidates.append((position, *found))
    for titled in (False, True):
        _accept_series(items, [entry for entry in candidates if bool(entry[2]) == titled])
    return items


def _number_of(block: Block) -> tuple[int, str] | None:
    """Read "XIV. A Title" or, from two or three rows, "XIV" and the title below it."""
    found = numeral(block.rows[0] if len(block.rows) > 1 else block.text)
    if found is None or len(block.rows) == 1:
        return found
    title = " ".join(block.rows[1:])
    return None if found[1] or len(title) > 80 or not looks_like_title(title.rstrip(".")) else (found[0], title)


def _accept_series(items: list[_Item], candidates: list[tuple[int, int, str]]) -> None:
    with_body = []
    for index, (position, value, name) in enumerate(candidates):
        end = candidates[index + 1][0] if index + 1 < len(candidates) else len(items)
        if sum(len(item.block.text) for item in items[position + 1 : end] if item.heading is None) >= _SHORTEST_CHAPTER:
            with_body.append((position, value, name))
    values = [value for _, value, _ in with_body]
    # A series in capitals may begin later: the first chapters may say "CHAPTER" before their numbers.
    capitals = len(values) > 2 and all(name.isupper() for _, _, name in with_body)
    # Nor do printers always count right.
    out_of_order = sum(b not in (1, a + 1) for a, b in pairwise(values))
    if (values[:2] != [1, 2] and not capitals) or out_of_order > len(values) // 10:
        return
    # Page numbers come in order too, but in the middle of sentences.
    cut = sum(items[position - 1].block.text[-1:].isalnum() for position, _, _ in with_body[1:])
    if cut * 4 > len(with_body):
        return
    names = {same_words(items[position].block.text) for position, _, _ in with_body}
    for position, _, name in candidates:
        block = items[position].block
        text = block.text if len(block.rows) == 1 else f"{_as_sentence(block.rows[0])} {' '.join(block.rows[1:])}"
        if same_words(block.text) in names:
            items[position].heading = Heading(text=text, kind="numeral", level=3, has_title=bool(name))


def _join_titles(items: list[_Item], *, per_line: bool) -> list[_Item]:
    """Make one heading of "CHAPTER I" and the title on the line below it."""
    joined: list[_Item] = []
    position = 0
    while position < len(items):
        item = items[position]
        below = items[position + 1] if position + 1 < len(items) else None
        after = items[position + 2] if position + 2 < len(items) else None
        if item.heading is not None and below is not None and below.heading is None and after is not None:
            direct = not per_line and below.block.gap_before == 0 and after.block.gap_before > 0
            if is_title_row(below.block, after=item.heading, direct=direct) and after.heading is None:
                item = _joined(item, below, item.heading)
                position += 1
        joined.append(item)
        position += 1
    return joined


def _joined(item: _Item, below: _Item, heading: Heading) -> _Item:
    text = f"{_as_sentence(heading.text)} {below.block.text}"
    block = replace(item.block, text=text, rows=(*item.block.rows, *below.block.rows), last_line=below.block.last_line)
    return _Item(block, replace(heading, text=text, has_title=True))


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":", "—", "。")) else f"{text}."


def _without_contents(items: list[_Item], left_out: list[LeftOut], *, skip_to_contents: bool) -> list[_Item]:
    kept: list[_Item] = []
    position = 0
    while position < len(items):
        item = items[position]
        announced = is_contents(item.block.rows[0]) and item.block.gap_before > 0
        end = _end_of_list(items, position, announced=announced)
        if end - position >= (2 if announced else 3):
            if skip_to_contents and kept and all(before.heading is None for before in kept):
                left_out.append(_left_out("front matter", kept[0].block, kept[-1].block))
                kept = []
            left_out.append(_left_out("list of contents", item.block, items[end - 1].block))
            position = end
            continue
        kept.append(item)
        position += 1
    return kept


def _end_of_list(items: Sequence[_Item], start: int, *, announced: bool) -> int:
    """Return the position after a list of contents beginning at ``start`` (``start`` itself when there is none)."""
    seen: set[str] = set()
    end = start
    for position in range(start, len(items)):
        item = items[position]
        continued = item.heading is not None or (
            len(item.block.rows) <= 3 and recognise(item.block.rows[0]) is not None
        )
        entries = (item.block.text,) if continued else item.block.rows
        again = same_words(item.block.text) in seen
        if announced and position > start + 1 and (again or item.block.gap_before >= _WIDE_GAP):
            return _with_superiors(items, start, position)
        if item.heading is None and not (announced and (continued or all(map(is_list_entry, entries)))):
            return _with_superiors(items, start, end)
        seen.update(map(same_words, entries))
        end = position + 1
    # It reaches the end of the text: then these are all the text there is, not a list of what follows.
    return start


def _with_superiors(items: Sequence[_Item], start: int, end: int) -> int:
    """Give back to the text the headings at the end of a list that belong to what follows: PART ONE, Chapter 1."""
    kinds: set[str] = set()
    level = 99
    following = items[end].heading if end < len(items) else None
    if following is not None:
        kinds, level = {following.kind}, following.level
    while end > start:
        heading = items[end - 1].heading
        if heading is None or heading.kind in kinds or heading.level >= level:
            break
        if following is None and _is_entry_of(items, end - 1):
            break
        kinds.add(heading.kind)
        level = heading.level
        end -= 1
    kinds_left = [item.heading.kind for item in items[start:end] if item.heading is not None]
    if len(set(kinds_left)) == len(kinds_left) and not is_contents(items[start].block.rows[0]):
        return start
    return end


def _is_entry_of(items: Sequence[_Item], position: int) -> bool:
    """Tell whether the last heading before running text still belongs to the list above it.

    It comes again in the book then, and stands as close to the line above as the others do.
    """
    item = items[position]
    words = same_words(item.block.text)
    again = any(other.heading and same_words(other.block.text) == words for other in items[position + 1 :])
    return again and item.block.gap_before <= items[position - 1].block.gap_before


def _sections(items: Sequence[_Item]) -> list[_Section]:
    sections = [_Section(None)]
    for item in items:
        if item.heading is not None and item.heading.opens_chapter:
            sections.append(_Section(item))
        else:
            sections[-1].body.append(item)
    return sections


def _title_page(sections: list[_Section]) -> tuple[str | None, str | None]:
    """Read title and author where nothing but them stands before the first heading; they then join its chapter."""
    opening = sections[0].body
    if len(sections) == 1 or not 1 <= len(opening) <= 2:
        return None, None
    rows = [row for item in opening for row in item.block.rows]
    author = None
    if len(rows) == 2 and rows[1].casefold().startswith("by "):
        author = rows.pop()[3:].strip()
    if len(rows) != 1 or len(rows[0]) > 80 or not looks_like_title(rows[0]):
        return None, None
    for item in opening:
        text = ". ".join(item.block.rows)
        item.heading = Heading(text=text, kind="title", level=0, has_title=True)
    return rows[0], author


def _assemble(sections: Sequence[_Section], *, title: str) -> tuple[Chapter, ...]:
    chapters: list[Chapter] = []
    waiting: list[_Item] = []
    for section in sections:
        if section.heading is not None:
            waiting.append(section.heading)
        if section.heading is None and all(item.heading is not None for item in section.body):
            waiting.extend(section.body)
        elif section.body:
            named = [item for item in waiting if item.heading is not None and item.heading.kind != "title"]
            name = ". ".join(_as_name(item.heading.text) for item in named if item.heading) or title
            chapters.append(Chapter(title=name, paragraphs=tuple(map(_paragraph, [*waiting, *section.body]))))
            waiting = []
    if waiting:
        rest = tuple(map(_paragraph, waiting))
        if chapters:
            chapters[-1] = replace(chapters[-1], paragraphs=chapters[-1].paragraphs + rest)
        else:
            chapters.append(Chapter(title=title, paragraphs=rest))
    return tuple(chapters)


def _as_name(text: str) -> str:
    return text.rstrip(" .:") or text


def _paragraph(item: _Item) -> Paragraph:
    return Paragraph(
        text=item.heading.text if item.heading is not None else item.block.text,
        role=HEADING if item.heading is not None else BODY,
        line=item.block.first_line,
        scene_break_before=item.block.scene_break_before,
    )


def _left_out(reason: str, first: Block, last: Block) -> LeftOut:
    return LeftOut(reason=reason, first_line=first.first_line, last_line=last.last_line)
