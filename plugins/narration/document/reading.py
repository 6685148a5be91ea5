"""Which reader reads a document: the one door through which documents come in."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

from narration.document.model import Document, DocumentError
from narration.document.plain_text import PlainTextReader
from narration.document.ssml_document import SsmlReader


class Reader(Protocol):
    """What a format's reader has to offer.

    A reader for EPUB, Markdown, HTML or DOCX is one class of this shape, put into :data:`READERS` before the reader
    of plain text, which takes whatever is left.
    """

    name: str
    suffixes: tuple[str, ...]

    def accepts(self, data: bytes, source: str) -> bool:
        """Tell from the bytes whether the document is in this reader's format."""
        ...

    def read(self, data: bytes, *, source: str, title: str | None = None) -> Document:
        """Read it, or raise :class:`~narration.document.model.DocumentError` naming the place and the remedy."""
        ...


# Asked in this order; the bytes decide before the suffix does, because people rename files.
READERS: tuple[Reader, ...] = (SsmlReader(), PlainTextReader())


def read_document(data: bytes, *, source: str, text_type: str = "auto", title: str | None = None) -> Document:
    """Read a document.

    :param data: the whole file
    :param source: path or URI as the user named it; its suffix helps to choose the reader, and errors name it
    :param text_type: ``auto``, or the name of the reader to use (``text``, ``ssml``)
    :param title: overrides the title that the document gives itself
    :raises DocumentError: naming source, place and remedy
    """
    title = " ".join(title.split()) if title else None
    return _reader_for(data, source=source, text_type=text_type).read(data, source=source, title=title or None)


def _reader_for(data: bytes, *, source: str, text_type: str) -> Reader:
    if text_type != "auto":
        for reader in READERS:
            if reader.name == text_type:
                return reader
        known = ", ".join(["auto", *(reader.name for reader in READERS)])
        raise DocumentError(f"{source}: unknown text type {text_type!r}. Choose one of: {known}.")
    *special, fallback = READERS
    for reader in special:
        if reader.accepts(data, source):
            return reader
    suffix = _suffix(source)
    return next((reader for reader in special if suffix in reader.suffixes), fallback)


def _suffix(source: str) -> str:
    path = urlsplit(source).path if "://" in source else source
    match = re.search(r"\.[A-Za-z0-9]+\Z", path)
    return match[0].lower() if match else ""
