"""Chapters of plain text: what is a heading, what is a list of contents, and that nothing spoken gets lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.document.headings import recognise
from narration.document.model import Document
from narration.document.reading import read_document

BODY = (
    "The keeper wrote the hour, the wind and the colour of the water into his ledger, as he had done every evening\n"
    "for eleven years, and then he closed it and put it back upon the shelf above the stove where it belonged."
)


def read(text: str, **options: str) -> Document:
    return read_document(text.encode(), source="the-ledger.txt", text_type="text", **options)


def shape(document: Document) -> list[tuple[str, int]]:
    return [(chapter.title, len(chapter.paragraphs)) for chapter in document.chapters]


def headings(document: Document) -> list[str]:
    return [paragraph.text for paragraph in document.paragraphs if paragraph.role == "heading"]


@pytest.mark.parametrize(
    "line",
    [
        "Chapter 1", "CHAPTER XIV. A Title", "Chapter One", "CHAPTER TWENTY-THREE", "chapter two",
        "Chapter 3: The Storm", "Chapter 3 The Storm", "Chapter 12 – Away", "PART TWO", "Part the Second", "BOOK I",
        "Book the First--Recalled to Life",
        "VOLUME III.", "Letter 4", "Stave One", "ACT II", "SCENE I. A Wood", "THE FIRST CHAPTER",
        "Prologue", "EPILOGUE.", "Preface", "Introduction", "Prologue: The Storm", "Acknowledgements",
        "Kapitel 3", "Erstes Kapitel", "3. Kapitel", "Zweiter Teil", "Kapitel eins", "Vorwort",
        "Chapitre premier", "CHAPITRE II", "Première partie", "Épilogue", "Avant-propos",
        "Capítulo 4", "Capítulo primero", "Primera parte", "Prólogo", "Capitolo I", "Capitolo secondo", "Hoofdstuk 2",
        "Eerste deel", "Глава 5", "Часть вторая", "第一章", "第12章 帰郷", "제 3 장", "序章", "## The Storm",
    ],
)  # fmt: skip
def test_a_heading_is_recognised(line):
    assert recognise(line) is not None


@pytest.mark.parametrize(
    "line",
    [
        "Chapter 3 of his book was dull.", "Chapter 3 of his book was dull", "Chapters 1 to 3", "Chapter and verse.",
        "Part of the ship, part of the crew", "Part company", "Book now", "Letter to a friend", "Act now!",
        "Introduction to the thing", "Prologue and epilogue were the same.", "Conclusions", "The chapter",
        "First of all",
        "I", "He read chapter 3.", "Kapitel für Kapitel las er weiter.", "Volume control", "#hashtag", "# * #", "",
        "Partly cloudy", "Einleitung in die Logik", "1. Apples",
    ],
)  # fmt: skip
def test_a_line_that_only_begins_like_a_heading_is_none(line):
    assert recognise(line) is None


def test_chapters_begin_at_their_headings_which_are_spoken():
    document = read(f"Chapter 1\n\n{BODY}\n\n{BODY}\n\n\nChapter 2\n\n{BODY}\n")
    assert shape(document) == [("Chapter 1", 3), ("Chapter 2", 2)]
    assert [paragraph.role for paragraph in document.paragraphs] == ["heading", "body", "body", "heading", "body"]


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_the_title_on_the_line_below_belongs_to_the_heading(between):
    document = read(f"CHAPTER I{between}The Long Way Home\n\n{BODY}\n\nCHAPTER II.{between}The Return\n\n{BODY}\n")
    assert headings(document) == ["CHAPTER I. The Long Way Home", "CHAPTER II. The Return"]
    assert shape(document) == [("CHAPTER I. The Long Way Home", 2), ("CHAPTER II. The Return", 2)]


def test_a_short_first_paragraph_is_not_taken_for_the_title():
    document = read(f"Chapter 1\n\nIt rained.\n\n{BODY}\n\nChapter 2\n\n“Where are you?”\n\n{BODY}\n")
    assert headings(document) == ["Chapter 1", "Chapter 2"]


def test_a_heading_needs_no_blank_line_below_it():
    document = read(f"Chapter 1\n{BODY}\n\nChapter 2\n{BODY}\n")
    assert shape(document) == [("Chapter 1", 2), ("Chapter 2", 2)]


def test_headings_are_found_where_every_line_is_a_paragraph():
    line = BODY.replace("\n", " ")
    document = read("\n".join(["Chapter 1", line, line, "Chapter 2: The Storm", line]))
    assert shape(document) == [("Chapter 1", 3), ("Chapter 2: The Storm", 2)]


def test_a_wrapped_sentence_about_a_chapter_is_no_heading():
    text = "In the evening he went on with the book from her, and reached\nChapter 3 before the lamp went out. " * 3
    assert shape(read(f"{BODY}\n\n{text}\n\n{BODY}")) == [("The Ledger", 3)]


def test_roman_numerals_standing_alone_in_order_are_headings():
    body = f"{BODY}\n\n{BODY}"
    document = read("".join(f"{number}\n\n{body}\n\n" for number in ("I", "II", "III", "IV")))
    assert shape(document) == [("I", 3), ("II", 3), ("III", 3), ("IV", 3)]


def test_numbers_with_titles_in_order_are_headings():
    body = f"{BODY}\n\n{BODY}"
    document = read(f"1. The Storm\n\n{body}\n\n2. The Calm\n\n{body}\n\n3. The Return\n\n{body}")
    assert shape(document) == [("1. The Storm", 3), ("2. The Calm", 3), ("3. The Return", 3)]


def test_a_numbered_list_is_not_taken_for_chapters():
    document = read(f"{BODY}\n\n1. Oil\n\n2. Wicks\n\n3. Glass\n\n{BODY}")
    assert shape(document) == [("The Ledger", 5)]


def test_page_numbers_in_the_middle_of_sentences_are_not_taken_for_chapters():
    pages = "".join(f"{BODY}\n\n{BODY} and so\n\n{number}\n\n" for number in range(1, 9))
    assert len(read(f"{pages}{BODY}\n\n{BODY}").chapters) == 1


def test_headings_without_text_are_spoken_before_the_next_that_has_some():
    document = read(f"PART ONE\n\nChapter 1\n\n{BODY}\n\nChapter 2\n\n{BODY}\n\nPART TWO\n\nChapter 3\n\n{BODY}")
    assert shape(document) == [("PART ONE. Chapter 1", 3), ("Chapter 2", 2), ("PART TWO. Chapter 3", 3)]
    assert document.left_out == ()


def test_headings_at_the_end_without_text_are_spoken_at_the_end():
    document = read(f"Chapter 1\n\n{BODY}\n\nEpilogue\n")
    assert shape(document) == [("Chapter 1", 3)]
    assert list(document.paragraphs)[-1].text == "Epilogue"


def test_a_text_of_nothing_but_headings_is_spoken():
    assert headings(read("Chapter 1\n\nChapter 2\n\nChapter 3\n")) == ["Chapter 1", "Chapter 2", "Chapter 3"]


def book(numbers: range) -> str:
    return "\n\n\n".join(f"Chapter {number}\n\n{BODY}" for number in numbers)


@pytest.mark.parametrize("announcement", ["CONTENTS\n\n", "Table of Contents\n\n", "INHALT\n\n", ""])
def test_a_list_of_contents_is_left_out_and_reported(announcement):
    contents = announcement + "\n\n".join(f"Chapter {number}" for number in range(1, 6))
    document = read(f"{contents}\n\n\n{book(range(1, 6))}")
    assert shape(document) == [(f"Chapter {number}", 2) for number in range(1, 6)]
    (entry,) = document.left_out
    assert (entry.reason, entry.first_line, entry.last_line) == ("list of contents", 1, 9 + 2 * bool(announcement))


def test_a_list_of_contents_with_titles_and_page_numbers_is_left_out():
    contents = "CONTENTS\n\nPreface . . . . . iii\nChapter 1. The Storm     1\nChapter 2. The Calm .... 12"
    text = f"Preface\n\n{BODY}\n\nChapter 1. The Storm\n\n{BODY}\n\nChapter 2. The Calm\n\n{BODY}"
    document = read(f"{contents}\n\n\n{text}")
    assert shape(document) == [("Preface", 2), ("Chapter 1. The Storm", 2), ("Chapter 2. The Calm", 2)]
    assert [entry.reason for entry in document.left_out] == ["list of contents"]


def test_parts_in_a_list_of_contents_do_not_swallow_the_part_that_follows_it():
    contents = "PART ONE\n\nChapter 1\n\nChapter 2\n\nPART TWO\n\nChapter 3\n\nChapter 4"
    document = read(f"{contents}\n\n\nPART ONE\n\n{book(range(1, 3))}\n\nPART TWO\n\n{book(range(3, 5))}")
    assert shape(document) == [
        ("PART ONE. Chapter 1", 3), ("Chapter 2", 2), ("PART TWO. Chapter 3", 3), ("Chapter 4", 2),
    ]  # fmt: skip


def test_the_word_contents_before_a_paragraph_is_not_a_list():
    assert shape(read(f"CONTENTS\n\n{BODY}\n\n{BODY}")) == [("The Ledger", 3)]


def test_text_before_the_first_heading_is_a_chapter_called_after_the_document():
    text = f"{BODY}\n\n{book(range(1, 3))}"
    assert shape(read(text)) == [("The Ledger", 1), ("Chapter 1", 2), ("Chapter 2", 2)]
    assert shape(read(text, title="Mine"))[0] == ("Mine", 1)


def test_a_text_without_headings_is_one_chapter_called_after_the_document():
    document = read(BODY)
    assert (document.title, shape(document)) == ("The Ledger", [("The Ledger", 1)])


def test_a_title_page_names_the_document_and_is_spoken_first():
    document = read(f"The Keeper’s Ledger\n\nby Ann Kestrel\n\n\n{book(range(1, 3))}")
    assert (document.title, document.author) == ("The Keeper’s Ledger", "Ann Kestrel")
    assert shape(document) == [("Chapter 1", 4), ("Chapter 2", 2)]
    assert headings(document)[:3] == ["The Keeper’s Ledger", "by Ann Kestrel", "Chapter 1"]


def test_markdown_headings_open_chapters_down_to_the_second_level():
    document = read(f"# The Ledger\n\n## One\n\n{BODY}\n\n### A Detail\n\n{BODY}\n\n## Two\n\n{BODY}")
    assert shape(document) == [("The Ledger. One", 5), ("Two", 2)]
    assert headings(document) == ["The Ledger", "One", "A Detail", "Two"]


def test_underlined_headings_open_chapters():
    document = read(f"One\n===\n\n{BODY}\n\nTwo\n---\n\n{BODY}")
    assert shape(document) == [("One", 2), ("Two", 2)]
    assert not any(paragraph.scene_break_before for paragraph in document.paragraphs)


LINES = st.sampled_from(
    ["Chapter 1", "Chapter 2", "PART ONE", "I", "II", "CONTENTS", "Prologue", "1. The Storm", "# One", "* * *", "…",
     "He went out.", "The Title", BODY, "and so on"]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\n\n", "\n\n\n\n"])), min_size=1, max_size=25))
def test_whatever_stands_in_a_text_is_spoken_in_order_or_reported_as_left_out(parts):
    text = "He began.\n\n" + "".join(line + gap for line, gap in parts)
    document = read(text)
    assert all(chapter.paragraphs for chapter in document.chapters)
    left_out = {number for entry in document.left_out for number in range(entry.first_line, entry.last_line + 1)}
    kept = "".join(line for number, line in enumerate(text.split("\n"), 1) if number not in left_out)
    spoken = "".join(paragraph.text for paragraph in document.paragraphs)
    assert [c for c in spoken if c.isalnum()] == [c for c in kept if c.isalnum()]


def test_rows_of_dots_and_spaces_are_read_in_no_time():
    begin = time.perf_counter()
    read("CONTENTS\n\n" + ". " * 70 + "x\n\n" + " ." * 70 + "!\n\n" + BODY)
    assert time.perf_counter() - begin < 1
