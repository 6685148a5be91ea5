"""The reader of SSML documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lxml import etree

from narration.document.decoding import decode_text
from narration.document.model import SSML, Chapter, Document, DocumentError, LeftOut, Paragraph, is_speakable
from narration.document.naming import title_from_source
from narration.document.ssml import Writer, end_tag, line_of, parse_ssml, says_something, start_tag, tag_of, text_within

# A mark of this name opens a chapter; it shapes no sound and so is not part of any clip.
CHAPTER_MARK = "chapter:"
# Elements that are heard though nothing is said, and must not get lost between two paragraphs.
_SILENT = frozenset({"break", "mark"})

_MARKUP = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|</speak\s*>", re.DOTALL)
_SPEAK = re.compile(r"<speak[\s/>]")
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\])?\s*>", re.DOTALL)


class SsmlReader:
    """Reads a file of one or several ``<speak>`` documents, on one line each or pretty-printed.

    Every ``<p>`` becomes a paragraph, and so does what stands outside of them; a ``<speak>`` without ``<p>`` is one
    paragraph. Each paragraph is a complete ``<speak>`` that repeats the elements around it (``<prosody>``,
    ``<lang>``, ``<amazon:domain>``) with their attributes, so that it sounds as it would have in one piece. Breaks
    and marks between paragraphs go with the next one.

    The file is one chapter, unless it says otherwise: ``<mark name="chapter:The Storm"/>`` before the first word of
    a paragraph opens the chapter "The Storm" there.

    :raises DocumentError: not UTF-8, not well-formed (line and column), document types and entities, chapter marks in
        the middle of a paragraph, or nothing in it that can be spoken
    """

    name = "ssml"
    suffixes: tuple[str, ...] = (".ssml",)

    def accepts(self, data: bytes, source: str) -> bool:
        """Tell whether it begins with ``<speak``, after an XML declaration and comments at most."""
        text = data[:65536].decode("utf-8", errors="ignore").lstrip("\ufeff")
        position = 0
        while (match := _PROLOG.match(text, position)) is not None:
            position = match.end()
        return _SPEAK.match(text, position) is not None

    def read(self, data: bytes, *, source: str, title: str | None = None) -> Document:
        text = decode_text(data, source=source).replace("\r\n", "\n").replace("\r", "\n")
        gathered = _Gathered(source=source)
        language = None
        for markup, line, column in _documents(text):
            root = parse_ssml(markup, source=source, line=line, column=column)
            language = language or root.get("{http://www.w3.org/XML/1998/namespace}lang")
            gathered.add(root, line=line)
        title = title or title_from_source(source)
        return Document(
            title=title,
            source=source,
            chapters=gathered.chapters(title=title),
            language=language,
            left_out=tuple(gathered.left_out),
        )


def _documents(text: str) -> Iterator[tuple[str, int, int]]:
    """Cut a file after each ``</speak>``; yield the parts with the line and column on which they begin."""
    begin, line, last_newline = 0, 1, -1
    ends = [match.end() for match in _MARKUP.finditer(text) if match[0].startswith("</")]
    if not ends or not _only_prolog(text[ends[-1] :]):
        ends.append(len(text))
    for end in ends:
        part = text[begin:end]
        body = part.lstrip()
        skipped = begin + len(part) - len(body)
        line += text.count("\n", begin, skipped)
        last_newline = text.rfind("\n", 0, skipped)
        yield body, line, skipped - last_newline
        line += text.count("\n", skipped, end)
        begin = end


def _only_prolog(text: str) -> bool:
    return not re.sub(r"<!--.*?-->|\s+", "", text, flags=re.DOTALL)


_Run = list[str | etree._Element]


class _Gathered:
    """Paragraphs and chapters found so far."""

    def __init__(self, *, source: str) -> None:
        self.left_out: list[LeftOut] = []
        self._source = source
        self._chapters: list[tuple[str | None, list[Paragraph]]] = [(None, [])]
        self._titles: list[str] = []
        self._titles_line = 0
        self._silent: list[str] = []
        self._line = 1

    def add(self, root: etree._Element, *, line: int) -> None:
        """Take apart one ``<speak>`` that begins on a line of the source."""
        self._line = line
        self._descend(root, [root])

    def chapters(self, *, title: str) -> tuple[Chapter, ...]:
        """Return the chapters; a file without chapter marks is one, called after the document."""
        found = [(name, paragraphs) for name, paragraphs in self._chapters if paragraphs]
        if not found:
            raise DocumentError(
                f"{self._source}: line 1: nothing between the tags can be spoken (no letter or digit). "
                "Put the text to narrate inside <speak>."
            )
        if self._titles:
            reason = f"chapter mark {self._titles[-1]!r} with no paragraph after it"
            self._leave_out(reason, self._titles_line)
        if self._silent:
            last = found[-1][1][-1]
            text = last.text.removesuffix("</speak>") + "".join(self._silent) + "</speak>"
            found[-1][1][-1] = replace(last, text=text)
        return tuple(Chapter(title=name or title, paragraphs=tuple(paragraphs)) for name, paragraphs in found)

    def _descend(self, element: etree._Element, chain: list[etree._Element]) -> None:
        """Take what an element holds apart into its ``<p>`` and the runs between them."""
        run: _Run = [element.text or ""]
        line = line_of(element, line=self._line)
        for child in element:
            is_paragraph = tag_of(child) == "p"
            if is_paragraph or next(child.iter("{*}p"), None) is not None:
                self._take(chain, run, line)
                if is_paragraph:
                    self._take([*chain, child], _contents(child), line_of(child, line=self._line))
                else:
                    self._descend(child, [*chain, child])
                run = []
                line = line_of(child, line=self._line) + text_within(child).count("\n")
            else:
                run.append(child)
            run.append(child.tail or "")
        self._take(chain, run, line)

    def _take(self, chain: Sequence[etree._Element], run: _Run, line: int) -> None:
        """Make a paragraph of a run, or keep for the next one what is heard in it."""
        text = "".join(item if isinstance(item, str) else text_within(item) for item in run)
        line = self._first_line(run, line)
        spoken = is_speakable(text) or any(not isinstance(item, str) and says_something(item) for item in run)
        self._open_chapters(run, line)
        if not spoken:
            for element in _elements(run):
                if tag_of(element) in _SILENT and not _is_chapter_mark(element):
                    self._silent.append(start_tag(element, empty=True))
            if text.strip():
                self._leave_out("nothing in it that can be spoken", line)
            return
        writer = Writer(skip=_is_chapter_mark)
        for element in chain:
            if tag_of(element) == "p":
                self._write_silent(writer)
            writer.tag(start_tag(element))
        self._write_silent(writer)
        for item in run:
            if isinstance(item, str):
                writer.text(item)
            else:
                writer.element(item)
        for element in reversed(chain):
            writer.tag(end_tag(element))
        if self._titles:
            self._chapters.append((". ".join(self._titles), []))
            self._titles = []
        self._chapters[-1][1].append(Paragraph(text=str(writer), text_type=SSML, line=line))

    def _write_silent(self, writer: Writer) -> None:
        for tag in self._silent:
            writer.tag(tag)
        self._silent = []

    def _open_chapters(self, run: _Run, line: int) -> None:
        said = False
        for item in run:
            if isinstance(item, str):
                said = said or is_speakable(item)
                continue
            for event, element in etree.iterwalk(item, events=("start", "end")):
                if event == "start" and _is_chapter_mark(element):
                    self._open_chapter(element, said=said)
                said = said or is_speakable((element.text if event == "start" else element.tail) or "")

    def _open_chapter(self, mark: etree._Element, *, said: bool) -> None:
        line = line_of(mark, line=self._line)
        name = " ".join(mark.get("name", "").removeprefix(CHAPTER_MARK).split())
        if said:
            raise DocumentError(
                f"{self._source}: line {line}: the chapter mark {name!r} stands in the middle of a paragraph. "
                "Put it before the paragraph's first word."
            )
        if name:
            self._titles.append(name)
            self._titles_line = line

    def _first_line(self, run: _Run, line: int) -> int:
        """Return the line of the first thing in a run that is not white space."""
        for item in run:
            if not isinstance(item, str):
                return line_of(item, line=self._line)
            if item.strip():
                return line + item[: len(item) - len(item.lstrip())].count("\n")
            line += item.count("\n")
        return line

    def _leave_out(self, reason: str, line: int) -> None:
        self.left_out.append(LeftOut(reason=reason, first_line=line, last_line=line))


def _contents(element: etree._Element) -> _Run:
    run: _Run = [element.text or ""]
    for child in element:
        run.extend((child, child.tail or ""))
    return run


def _elements(run: _Run) -> Iterator[etree._Element]:
    for item in run:
        if not isinstance(item, str):
            yield from item.iter()


def _is_chapter_mark(element: etree._Element) -> bool:
    return tag_of(element) == "mark" and element.get("name", "").startswith(CHAPTER_MARK)
