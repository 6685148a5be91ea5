"""How a paragraph that failed is named."""

from __future__ import annotations

from narration.synthesis.failed import LONGEST_TEXT, MOST_KEPT, FailedParagraph, excerpt_of, kept


def paragraph(**change):
    facts = {"place": "Chapter I, paragraph 2", "text": "It rained.", "excerpt": "It rained.", "reason": "No."}
    return FailedParagraph(**{**facts, **change})


def test_a_short_text_is_quoted_whole_and_on_one_line():
    assert excerpt_of("It rained\n  all day.") == "It rained all day."


def test_a_long_text_is_cut_between_two_words_within_80_characters():
    excerpt = excerpt_of("The lighthouse keeper wrote down every ship that passed, and every ship that did not. " * 9)

    assert excerpt == "The lighthouse keeper wrote down every ship that passed, and every ship that…"
    assert len(excerpt) <= 80


def test_a_text_without_spaces_is_cut_where_it_must_be():
    assert excerpt_of("雨" * 500) == "雨" * 79 + "…"


def test_it_reads_as_place_beginning_and_reason():
    assert str(paragraph()) == "Chapter I, paragraph 2, “It rained.”: No."
    assert str(paragraph(excerpt="")) == "Chapter I, paragraph 2: No."


def test_xcom_is_no_place_for_books():
    facts = kept(paragraph(text="x" * 9999) for _ in range(MOST_KEPT + 1))

    assert len(facts) == MOST_KEPT
    assert len(facts[0]["text"]) == LONGEST_TEXT
    assert facts[0]["text"].endswith("…")
