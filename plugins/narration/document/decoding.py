"""Bytes of a text document -> str, or an error that says which byte is wrong and what to do."""

from __future__ import annotations

from narration.document.model import DocumentError

# The first bytes of files that people do hand over by mistake. (offset, bytes, what it is)
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "a PDF file"),
    (30, b"mimetypeapplication/epub+zip", "an EPUB file"),
    (0, b"PK\x03\x04", "a ZIP archive (Word, EPUB and OpenDocument files are such archives)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file"),
    (0, b"{\\rtf", "an RTF file"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"ID3", "an MP3 file"),
    (0, b"OggS", "an Ogg sound file"),
    (0, b"fLaC", "a FLAC sound file"),
    (8, b"WAVEfmt ", "a WAV sound file"),
    (4, b"ftyp", "an MP4 file"),
    (0, b"\x1f\x8b", "a gzip-compressed file"),
    (0, b"BZh", "a bzip2-compressed file"),
    (0, b"\xfd7zXZ\x00", "an xz-compressed file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (60, b"BOOKMOBI", "a Mobipocket (Kindle) file"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
)

# Signatures that a text could begin with ("ID3 tags are …"): believed only with a NUL byte near by.
_ALSO_WORDS = frozenset({b"GIF8", b"ID3", b"OggS", b"fLaC", b"WAVEfmt ", b"ftyp", b"BZh", b"BOOKMOBI"})

# UTF-32 first: its little-endian mark begins with UTF-16's.
_OTHER_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def decode_text(data: bytes, *, source: str) -> str:
    """Return the text of a UTF-8 file, without any byte-order marks at its start.

    All leading U+FEFF go: vendors' own sample scripts write two of them, and each would be billed.

    :param data: the whole file
    :param source: named in errors
    :raises DocumentError: nothing in it; a binary file; another encoding than UTF-8 (first bad byte, line, column)
    """
    if not data:
        raise DocumentError(f"{source}: the file is empty (0 bytes). Give a document with text in it.")
    for mark, name in _OTHER_MARKS:
        if data.startswith(mark):
            raise DocumentError(
                f"{source}: the file is {name} (byte-order mark {mark.hex(' ').upper()} at byte 0, line 1). "
                f"Save it as UTF-8, or convert it: iconv -f {name} -t UTF-8 IN > OUT"
            )
    _refuse_binary(data, source=source)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong_encoding(data, error.start, source=source) from error
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise DocumentError(
            f"{source}: the file holds {len(data)} bytes of white space and nothing to speak. "
            "Give a document with text in it."
        )
    return text


def position_of(data: bytes, offset: int) -> tuple[int, int]:
    """Return line and column (both from 1; the column in characters where they decode) of a byte offset."""
    before = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    start_of_line = before.rfind(b"\n") + 1
    column = len(before[start_of_line:].decode("utf-8", errors="replace").lstrip("\ufeff")) + 1
    return before.count(b"\n") + 1, column


def _refuse_binary(data: bytes, *, source: str) -> None:
    for offset, signature, name in _SIGNATURES:
        if data.startswith(signature, offset) and (signature not in _ALSO_WORDS or b"\0" in data[:4096]):
            raise DocumentError(
                f"{source}: this is {name}, not a text document (recognised at byte {offset}). "
                "Save or export it as plain text in UTF-8."
            )
    nul = data.find(b"\0")
    if nul < 0:
        return
    line, column = position_of(data, nul)
    head = data[:2000]
    if max(head[0::2].count(0), head[1::2].count(0)) > len(head) * 0.3:
        raise DocumentError(
            f"{source}: the file looks like UTF-16 without a byte-order mark (NUL byte at byte {nul}, line {line}, "
            f"column {column}). Save it as UTF-8."
        )
    raise DocumentError(
        f"{source}: this is a binary file, not a text document (NUL byte at byte {nul}, line {line}, "
        f"column {column}). Save or export the document as plain text in UTF-8."
    )


def _wrong_encoding(data: bytes, offset: int, *, source: str) -> DocumentError:
    line, column = position_of(data, offset)
    place = f"byte 0x{data[offset]:02X} at line {line}, column {column} (byte offset {offset})"
    if len(data) - offset < 4 and data[offset] >= 0xC2 and all(0x80 <= byte < 0xC0 for byte in data[offset + 1 :]):
        return DocumentError(
            f"{source}: the file ends in the middle of a UTF-8 character, {place}. "
            "It was probably cut off: fetch or save it again."
        )
    # Between 0x80 and 0x9F Latin-1 has only control codes; there Windows puts quotation marks and dashes.
    guess = "WINDOWS-1252" if any(0x80 <= byte < 0xA0 for byte in data) else "ISO-8859-1"
    return DocumentError(
        f"{source}: the file is not UTF-8: {place}. It may be {guess} (Latin-1 family). "
        f"Save it as UTF-8, or convert it: iconv -f {guess} -t UTF-8 IN > OUT"
    )
