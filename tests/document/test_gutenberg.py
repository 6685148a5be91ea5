"""Project Gutenberg's texts: what is left out, what is read from the header, and that the book itself is whole."""

from __future__ import annotations

import pytest

from narration.document.model import Document
from narration.document.reading import read_document

BODY = (
    "It is a rule of lights, that whoever keeps one must be in want\nof a _second_ chair for the guest who never comes."
)
SPOKEN = (
    "It is a rule of lights, that whoever keeps one must be in want of a second chair for the guest who never comes."
)

HEADER = """\ufeff
The Project Gutenberg EBook of The Second Chair, by Ann Kestrel

This eBook is for the use of anyone anywhere.

Title: The Second Chair
       A Romance

Author: Ann Kestrel

Language: {language}

*** START OF {word} PROJECT GUTENBERG EBOOK THE SECOND CHAIR ***



Produced by Nobody in Particular

cover



      The Second Chair

      By Ann Kestrel

"""
FOOTER = "\n\n\n{end}\n\nUpdated editions will replace the previous one.\n\nChapter 99\n\nSECTION 1. Terms of use.\n"


def book(*, contents: bool = True, chapters: int = 4) -> str:
    numbers = range(1, chapters + 1)
    listed = "        CONTENTS\n\n" + "".join(f"         Chapter {number}\n\n" for number in numbers) + "\n\n\n"
    return (listed if contents else "\n\n") + "\n\n\n\n".join(
        f"      Chapter {number}\n\n{BODY}\n\n{BODY}" for number in numbers
    )


def read(text: str) -> Document:
    return read_document(text.replace("\n", "\r\n").encode(), source="1342-0.txt")


def etext(
    body: str, *, word: str = "THIS", end: str = "*** END OF THIS PROJECT GUTENBERG EBOOK ***", language="English"
):
    return HEADER.format(word=word, language=language) + body + FOOTER.format(end=end)


@pytest.mark.parametrize("contents", [True, False])
@pytest.mark.parametrize("word", ["THIS", "THE"])
@pytest.mark.parametrize(
    "end",
    [
        "*** END OF THIS PROJECT GUTENBERG EBOOK THE SECOND CHAIR ***",
        "*** END OF THE PROJECT GUTENBERG EBOOK THE SECOND CHAIR ***",
        "***END OF THE PROJECT GUTENBERG EBOOK THE SECOND CHAIR***",
        "End of the Project Gutenberg EBook of The Second Chair, by Ann Kestrel",
        "End of Project Gutenberg's The Second Chair, by Ann Kestrel",
    ],
)
def test_only_the_book_is_narrated(contents, word, end):
    document = read(etext(book(contents=contents), word=word, end=end))
    assert [chapter.title for chapter in document.chapters] == ["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 4"]
    for chapter in document.chapters:
        assert [paragraph.text for paragraph in chapter.paragraphs] == [chapter.title, SPOKEN, SPOKEN]


def test_title_author_and_language_come_from_the_header():
    document = read(etext(book()))
    assert (document.title, document.author, document.language) == ("The Second Chair A Romance", "Ann Kestrel", "en")


@pytest.mark.parametrize(("language", "tag"), [("German", "de"), ("English, French", "en"), ("Klingon", None)])
def test_the_language_becomes_a_tag(language, tag):
    assert read(etext(book(), language=language)).language == tag


def test_everything_left_out_is_reported_with_its_lines():
    text = etext(book())
    document = read(text)
    lines = text.split("\n")
    reasons = {entry.reason: (entry.first_line, entry.last_line) for entry in document.left_out}
    assert reasons["Project Gutenberg header"][0] == 1
    assert "START OF" in lines[reasons["Project Gutenberg header"][1] - 1]
    assert "END OF" in lines[reasons["Project Gutenberg footer"][0] - 1]
    assert lines[reasons["list of contents"][0] - 1].strip() == "CONTENTS"
    assert lines[reasons["list of contents"][1] - 1].strip() == "Chapter 4"
    assert lines[reasons["Project Gutenberg title page"][0] - 1].strip() == "The Second Chair"
    numbers = {n for first, last in reasons.values() for n in range(first, last + 1)}
    assert lines.index("      Chapter 1", reasons["list of contents"][1]) + 1 not in numbers


def test_a_preface_before_the_list_of_contents_is_kept():
    document = read(etext(f"PREFACE\n\n{BODY}\n\n\n\n{book()}"))
    assert document.chapters[0].title == "PREFACE"
    assert document.chapters[1].title == "Chapter 1"


def test_a_dedication_before_the_list_of_contents_is_front_matter():
    document = read(etext(f"_To the one who never came._\n\n\n\n{book()}"))
    assert document.chapters[0].title == "Chapter 1"
    assert "front matter" in [entry.reason for entry in document.left_out]


def test_a_book_without_headings_loses_nothing():
    document = read(etext(f"{BODY}\n\n{BODY}"))
    assert [paragraph.text for paragraph in document.paragraphs] == [SPOKEN, SPOKEN]


def test_illustrations_are_left_out_also_over_several_lines():
    body = f"{BODY}\n\n[Illustration: The chair\n[from a drawing]\n\nby nobody]\n\n[Illustration]\n\n{BODY}"
    document = read(etext(f"Chapter 1\n\n{body}\n\nChapter 2\n\n{BODY}"))
    assert len(document.chapters[0].paragraphs) == 3
    assert [entry.last_line - entry.first_line for entry in document.left_out if entry.reason == "illustration"] == [
        3,
        0,
    ]


def test_underscores_for_names_left_blank_remain():
    document = read(etext("Chapter 1\n\nMr. ____ was _un_able to come.\n\nChapter 2\n\nHe _did\nnot_ write."))
    assert [p.text for p in document.paragraphs if p.role == "body"] == [
        "Mr. ____ was unable to come.", "He did not write.",
    ]  # fmt: skip


def test_a_marker_over_two_lines_is_understood():
    text = etext(book()).replace("EBOOK THE SECOND CHAIR ***\n", "EBOOK THE SECOND\nCHAIR ***\n", 1)
    assert read(text).chapters[0].title == "Chapter 1"


def test_the_small_print_of_old_texts_is_left_out():
    head = (
        "The Project Gutenberg Etext of The Second Chair, by Ann Kestrel\n\nPlease take a look.\n\n"
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\n\nYou know: lawyers.\n\n"
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n"
    )
    document = read(f"{head}{book()}\n\nEnd of The Project Gutenberg Etext of The Second Chair\n")
    assert (document.title, document.author) == ("The Second Chair", "Ann Kestrel")
    assert len(document.chapters) == 4


def test_other_texts_keep_their_underscores_and_brackets():
    (paragraph,) = read("Use snake_case, _please_ [Illustration] now.").paragraphs
    assert paragraph.text == "Use snake_case, _please_ [Illustration] now."
