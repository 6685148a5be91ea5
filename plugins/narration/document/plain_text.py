"""The reader of plain text."""

from __future__ import annotations

import re

from narration.document import gutenberg
from narration.document.chapters import find_chapters
from narration.document.decoding import decode_text
from narration.document.headings import stands_alone
from narration.document.layout import find_blocks, split_lines
from narration.document.model import Document, DocumentError
from narration.document.naming import title_from_source

_MARKUP = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!DOCTYPE\s+html|<html[\s>])", re.IGNORECASE)


class PlainTextReader:
    """Reads UTF-8 text: paragraphs, chapters and scene breaks by the ways people write them.

    Byte-order mark, CRLF, CR and LF, U+2028 and form feeds are understood. White space inside a paragraph becomes
    one space each; soft hyphens and control characters, which have no sound, are dropped. In Project Gutenberg's
    texts the licence, the title page and the marks for italics are left out.

    :raises DocumentError: not UTF-8, binary, HTML, or nothing in it that can be spoken
    """

    name = "text"
    suffixes: tuple[str, ...] = (".txt", ".text", ".asc", ".md")

    def accepts(self, data: bytes, source: str) -> bool:
        """Anything that no other reader takes is read as text, or refused with the reason."""
        return True

    def read(self, data: bytes, *, source: str, title: str | None = None) -> Document:
        text = decode_text(data, source=source)
        if _MARKUP.match(text[:500]):
            raise DocumentError(
                f"{source}: line 1 begins an HTML page, whose tags would be spoken. Save the page as plain text."
            )
        lines, left_out = split_lines(text)
        etext = gutenberg.unwrap(lines)
        blocks, layout = find_blocks(etext.lines if etext else lines, stands_alone=stands_alone)
        if etext is not None:
            left_out.extend(etext.left_out)
            blocks, front = gutenberg.without_front_matter(blocks, etext)
            left_out.extend(front)
        known = title or (etext.title if etext else None)
        outline = find_chapters(
            blocks,
            title=known or title_from_source(source),
            per_line=layout.per_line,
            skip_to_contents=etext is not None,
        )
        if not outline.chapters:
            raise DocumentError(
                f"{source}: nothing in the {len(lines)} lines can be spoken: no letter or digit outside of what is "
                "left out (licence, illustrations, ornaments). Give a document with text in it."
            )
        left_out.extend(outline.left_out)
        return Document(
            title=known or outline.title or title_from_source(source),
            source=source,
            chapters=outline.chapters,
            author=(etext.author if etext else None) or outline.author,
            language=etext.language if etext else None,
            left_out=tuple(sorted(left_out, key=lambda entry: (entry.first_line, entry.last_line))),
        )
