"""Which reader is chosen, what it refuses, and what a document looks like from outside."""

from __future__ import annotations

import json
import time

import pytest

from narration.document.model import Chapter, Document, DocumentError, LeftOut, Paragraph, is_speakable
from narration.document.naming import title_from_source
from narration.document.reading import READERS, read_document
from narration.errors import PermanentNarrationError


def refusal(data: bytes, *, source: str = "book.txt", text_type: str = "auto") -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(data, source=source, text_type=text_type)
    return str(caught.value)


def test_a_document_survives_json():
    document = Document(
        title="T",
        source="s",
        author="A",
        language="en",
        chapters=(Chapter(title="One", paragraphs=(Paragraph(text="x", role="heading", line=3),)),),
        left_out=(LeftOut(reason="r", first_line=1, last_line=2),),
    )
    assert Document.from_dict(json.loads(json.dumps(document.to_dict()))) == document


def test_an_empty_file_is_refused():
    assert "empty (0 bytes)" in refusal(b"")


@pytest.mark.parametrize("data", [b" \n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n \xc2\xa0\n"])
def test_a_file_of_white_space_is_refused(data):
    assert "white space" in refusal(data)


def test_a_file_of_ornaments_and_punctuation_is_refused():
    assert "nothing in the" in refusal("* * *\n\n…\n\n---\n".encode())


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF file"),
        (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/epub+zip", "an EPUB file"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture"),
        (b"ID3\x04\0\0\0\0", "an MP3 file"),
        (b"{\\rtf1\\ansi Hello}", "an RTF file"),
    ],
)
def test_a_known_binary_format_is_named(data, name):
    message = refusal(data)
    assert name in message
    assert "plain text in UTF-8" in message


def test_a_text_that_begins_like_a_sound_file_is_still_a_text():
    assert read_document(b"ID3 tags are small.", source="x").chapters[0].paragraphs[0].text == "ID3 tags are small."


def test_an_unknown_binary_file_is_refused_with_the_place_of_its_first_nul():
    message = refusal(b"ab\ncd\0ef" + b"xyz" * 100)
    assert "binary" in message
    assert "byte 5, line 2, column 3" in message


def test_latin_1_is_refused_with_line_column_and_offset_of_the_first_bad_byte():
    message = refusal("Erste Zeile\r\nZwölf\r\n".encode("latin-1"))
    assert "byte 0xF6 at line 2, column 3 (byte offset 15)" in message
    assert "ISO-8859-1" in message
    assert "Save it as UTF-8" in message


def test_the_column_of_a_bad_byte_counts_characters_not_bytes():
    assert "line 1, column 4" in refusal("\ufeffäöü".encode() + b"\xe9 ")


def test_windows_quotation_marks_are_recognised_as_windows_1252():
    assert "WINDOWS-1252" in refusal("“Hello” she said.".encode("cp1252"))


def test_a_file_cut_inside_a_character_is_called_cut_off():
    assert "cut off" in refusal("Hello ü".encode()[:-1])


@pytest.mark.parametrize(
    ("codec", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-16-le", "UTF-16 without a byte-order mark")]
)
def test_utf_16_and_utf_32_are_named(codec, name):
    message = refusal("Hello, world. This is text.".encode(codec))
    assert name in message
    assert "UTF-8" in message


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html>", "<html lang='en'>", "\n<!doctype HTML>"])
def test_an_html_page_is_refused_because_its_tags_would_be_spoken(page):
    assert "HTML" in refusal(f"{page}<p>Hello</p></html>".encode())


def test_every_refusal_is_permanent_and_names_the_source():
    assert issubclass(DocumentError, PermanentNarrationError)
    assert refusal(b"", source="s3://bucket/book.txt").startswith("s3://bucket/book.txt: ")


def test_an_unknown_text_type_lists_the_known_ones():
    assert "auto, ssml, text" in refusal(b"Hello", text_type="rtf")


@pytest.mark.parametrize(
    "text",
    [
        "<speak>Hello</speak>",
        '\ufeff<?xml version="1.0"?>\n<!-- a --><!-- b -->\n<speak version="1.1">Hello</speak>',
        "  \n<speak\n>Hello</speak>",
    ],
)
def test_what_begins_with_speak_is_ssml(text):
    document = read_document(text.encode(), source="x.txt")
    assert [paragraph.text_type for paragraph in document.paragraphs] == ["ssml"]


@pytest.mark.parametrize("text", ["a < b and <speak>", "<speaker> said nothing", "<!-- c --> hello", "<p>Hello</p>"])
def test_text_that_merely_contains_angle_brackets_is_text(text):
    document = read_document(text.encode(), source="x.txt")
    assert [(paragraph.text_type, paragraph.text) for paragraph in document.paragraphs] == [("text", text)]


def test_ssml_may_be_read_as_text_when_asked_for():
    (paragraph,) = read_document(b"<speak>a</speak>", source="x", text_type="text").paragraphs
    assert (paragraph.text_type, paragraph.text) == ("text", "<speak>a</speak>")


@pytest.mark.parametrize(("source", "text_type"), [("x.txt", "ssml"), ("x.ssml", "auto")])
def test_plain_text_given_as_ssml_is_refused_with_the_remedy(source, text_type):
    message = refusal(b"\n Hello", source=source, text_type=text_type)
    assert "line 2, column 2" in message
    assert "text type 'text'" in message


def test_many_comments_without_speak_do_not_slow_the_choice_of_a_reader():
    begin = time.perf_counter()
    read_document(b"<!-- a -->" * 5000 + b"x", source="x")
    assert time.perf_counter() - begin < 1


def test_the_reader_of_plain_text_is_asked_last():
    assert READERS[-1].name == "text"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("/books/pride-and-prejudice.txt", "Pride and Prejudice"),
        ("s3://bucket/a%20b/the_end_of_the_road.txt", "The End of the Road"),
        ("file:///x/MyBook.v2.txt", "MyBook.v2"),
        ("C:\\texts\\report 2024.ssml", "Report 2024"),
        ("README", "README"),
        ("s3://bucket/", "Untitled"),
    ],
)
def test_a_file_name_makes_a_readable_title(source, title):
    assert title_from_source(source) == title


def test_a_given_title_wins():
    assert read_document(b"Hello.", source="x.txt", title="  My \n book ").title == "My book"


@pytest.mark.parametrize("text", ["a", "7", "你", "Ω", "½", "€", "—&—", "٣"])
def test_letters_digits_and_spoken_signs_are_speakable(text):
    assert is_speakable(text)


@pytest.mark.parametrize("text", ["", " ", "…", "***", "—", "?!", "“”", "\u0301", "❦", "😀"])
def test_punctuation_ornaments_and_marks_are_not_speakable(text):
    assert not is_speakable(text)


def test_a_book_of_800_kilobytes_is_read_within_a_second():
    paragraph = "It was the sort of morning on which nothing whatever could be expected to happen to anybody.\n" * 8
    book = "".join(f"Chapter {n}\n\n" + f"{paragraph}\n" * 18 for n in range(1, 61)).encode()
    assert len(book) > 800_000
    begin = time.process_time()
    document = read_document(book, source="book.txt")
    assert time.process_time() - begin < 1
    assert len(document.chapters) == 60
