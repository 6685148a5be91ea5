"""Paragraphs of plain text in the ways that people write them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.document.model import Document, DocumentError, is_speakable
from narration.document.reading import read_document

VOCABULARY = (
    "the keeper looked at the water and the water looked back at him because it was late in a year that had seen "
    "many storms and few ships so that nobody in the village would have wondered had the lamp gone out for good"
)
WORDS = VOCABULARY.split()


def read(text: str) -> Document:
    return read_document(text.encode(), source="book.txt", text_type="text")


def texts(text: str) -> list[str]:
    return [paragraph.text for paragraph in read(text).paragraphs]


def sentence(generator: random.Random, words: int) -> str:
    return " ".join(generator.choice(WORDS) for _ in range(words)).capitalize() + "."


def wrap(text: str, width: int = 60, first: str = "", other: str = "") -> str:
    rows, row = [], first
    for word in text.split():
        if len(row) + len(word) + 1 > width:
            rows.append(row.rstrip())
            row = other
        row += word + " "
    return "\n".join([*rows, row.rstrip()])


@pytest.fixture
def prose() -> list[str]:
    generator = random.Random(7)
    return [
        " ".join(sentence(generator, generator.randint(5, 25)) for _ in range(generator.randint(1, 6)))
        for _ in range(40)
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeff\ufeff"])
def test_wrapped_lines_with_blank_lines_between_paragraphs_are_joined(prose, newline, start):
    text = start + "\n\n".join(map(wrap, prose)).replace("\n", newline) + newline
    assert texts(text) == prose


def test_one_paragraph_per_line_without_blank_lines_is_recognised(prose):
    assert texts("\n".join(prose)) == prose


def test_one_short_paragraph_per_line_is_recognised():
    generator = random.Random(3)
    lines = [sentence(generator, generator.randint(2, 14)) for _ in range(60)]
    assert texts("\n".join(lines)) == lines


def test_one_paragraph_per_line_with_a_blank_line_here_and_there_is_recognised(prose):
    assert texts("\n".join(prose[:20]) + "\n\n" + "\n".join(prose[20:])) == prose


def test_an_indented_first_line_begins_a_paragraph_where_there_are_no_blank_lines(prose):
    assert texts("\n".join(wrap(paragraph, first="    ") for paragraph in prose)) == prose


def test_a_text_indented_as_a_whole_is_not_taken_for_indented_paragraphs(prose):
    text = "\n\n".join(wrap(paragraph, first="      ", other="      ") for paragraph in prose)
    assert texts(text) == prose


def test_an_indented_quotation_inside_wrapped_text_stays_one_paragraph(prose):
    quotation = wrap(prose[0] + " " + prose[1], first="        ", other="        ")
    text = "\n\n".join([*map(wrap, prose), quotation])
    assert texts(text) == [*prose, f"{prose[0]} {prose[1]}"]


def test_sentences_on_lines_of_their_own_are_joined_where_blank_lines_part_paragraphs():
    generator = random.Random(5)
    paragraphs = [[sentence(generator, 9) for _ in range(4)] for _ in range(12)]
    assert texts("\n\n".join("\n".join(lines) for lines in paragraphs)) == [" ".join(lines) for lines in paragraphs]


def test_a_text_of_one_line_is_one_paragraph():
    assert texts("Hello there.") == ["Hello there."]


def test_form_feeds_and_paragraph_separators_part_paragraphs():
    assert texts("One one.\fTwo two.\n\f\nThree.\u2029Four.\u2028\u2028Five.") == [
        "One one.", "Two two.", "Three.", "Four.", "Five.",
    ]  # fmt: skip


def test_lines_are_numbered_as_editors_number_them():
    document = read("One.\r\n\r\nTwo.\f\u2028Three.\r\rFour.")
    assert [paragraph.line for paragraph in document.paragraphs] == [1, 3, 3, 5]


def test_white_space_of_every_kind_becomes_one_space():
    assert texts("a\t b\u00a0\u2003c  d") == ["a b c d"]


def test_soft_hyphens_and_zero_width_spaces_disappear():
    assert texts("Donau\u00addampf\u200bschiff\ufefffahrt") == ["Donaudampfschifffahrt"]


def test_control_characters_are_dropped_and_reported():
    document = read("One.\n\nT\x07wo\x1b.\n\x1a")
    assert [paragraph.text for paragraph in document.paragraphs] == ["One.", "Two."]
    assert [(entry.first_line, entry.reason) for entry in document.left_out] == [
        (3, "control characters that cannot be spoken (U+0007, U+001B)"),
        (4, "control characters that cannot be spoken (U+001A)"),
    ]


def test_windows_punctuation_hidden_in_control_codes_is_restored():
    assert texts("It\x92s \x93so\x94.") == ["It’s “so”."]


def test_a_word_hyphenated_at_the_end_of_a_line_keeps_its_hyphen():
    text = "A good-\nhumoured man in a two-\nand three-storey house--\nand a barn—\nburnt."
    assert texts(text) == ["A good-humoured man in a two- and three-storey house--and a barn—burnt."]


def test_wrapped_chinese_is_joined_without_spaces():
    assert texts("在很久很久以前，有一位国王\n住在山上的城堡里。\n\n他有三个女儿。") == [
        "在很久很久以前，有一位国王住在山上的城堡里。", "他有三个女儿。",
    ]  # fmt: skip


def test_items_of_a_list_are_paragraphs_of_their_own(prose):
    items = ["- the lamp,", "- the oil, which was\n  bought in town,", "- the ledger."]
    text = "\n\n".join([*map(wrap, prose), "\n".join(items)])
    assert texts(text)[-3:] == ["- the lamp,", "- the oil, which was bought in town,", "- the ledger."]


def test_lines_broken_on_purpose_are_not_merged(prose):
    address = "Mrs. A. Kestrel\nHarbour Street 4\nGannet Point"
    assert texts("\n\n".join([*map(wrap, prose), address]))[-3:] == address.split("\n")


def test_verse_is_joined_where_a_line_runs_on(prose):
    verse = "The lamp is lit,\nThe ship is in,\nAnd all is well."
    assert texts("\n\n".join([*map(wrap, prose), verse]))[-1] == "The lamp is lit, The ship is in, And all is well."


@pytest.mark.parametrize("ornament", ["* * *", "***", "---", "⁂", "#", "~", "=====", "• • •", "_____", "❦"])
def test_an_ornament_is_a_scene_break_and_no_paragraph(ornament):
    document = read(f"Before.\n\n{ornament}\n\nAfter.\n\nLast.")
    assert [(paragraph.text, paragraph.scene_break_before) for paragraph in document.paragraphs] == [
        ("Before.", False), ("After.", True), ("Last.", False),
    ]  # fmt: skip
    assert document.left_out == ()


def test_a_scene_break_between_lines_without_blank_ones_counts_too(prose):
    document = read("\n".join([*prose[:10], "* * *", *prose[10:]]))
    assert [paragraph.scene_break_before for paragraph in document.paragraphs].index(True) == 10


def test_a_paragraph_that_nobody_could_speak_is_left_out_and_reported():
    document = read("Before.\n\n“…”\n\n* * *\n\n?!\n\nAfter.")
    assert [(paragraph.text, paragraph.scene_break_before) for paragraph in document.paragraphs] == [
        ("Before.", False), ("After.", True),
    ]  # fmt: skip
    assert [(entry.first_line, entry.last_line) for entry in document.left_out] == [(3, 3), (7, 7)]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=300))
def test_any_text_is_read_or_refused_and_every_paragraph_is_one_speakable_line(text):
    try:
        document = read(text)
    except DocumentError:
        return
    for paragraph in document.paragraphs:
        assert is_speakable(paragraph.text)
        assert paragraph.text == " ".join(paragraph.text.split())
    assert all(chapter.paragraphs for chapter in document.chapters)
    assert Document.from_dict(document.to_dict()) == document


@given(st.lists(st.text(alphabet="abcdeXYZ .,!?—-'", min_size=1, max_size=90), min_size=1, max_size=30), st.randoms())
def test_no_letter_is_ever_lost_or_moved(lines, generator):
    text = "".join(line + generator.choice(["\n", "\n\n", "\n", "\n\n\n"]) for line in lines)
    letters = [character for character in text if character.isalpha()]
    if letters:
        assert [character for character in "".join(texts(text)) if character.isalpha()] == letters
