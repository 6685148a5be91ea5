"""The sample documents that the project demonstrates itself with."""

from __future__ import annotations

from pathlib import Path

from narration.document.model import Document
from narration.document.reading import read_document

TEXTS = Path(__file__).resolve().parents[2] / "include" / "texts"


def read(name: str) -> Document:
    return read_document((TEXTS / name).read_bytes(), source=name)


def test_the_sample_story_has_three_chapters_and_some_2000_words():
    document = read("the-lighthouse-keepers-ledger.txt")
    words = sum(len(paragraph.text.split()) for paragraph in document.paragraphs)
    assert document.title == "The Lighthouse Keeper's Ledger"
    assert len(document.chapters) == 3
    assert 1900 <= words <= 2100
    assert sum(paragraph.scene_break_before for paragraph in document.paragraphs) == 1
    assert document.left_out == ()


def test_the_sample_of_ssml_has_two_chapters():
    document = read("sample.ssml")
    assert [chapter.title for chapter in document.chapters] == ["The Forecast", "A Note from the Keeper"]
    assert {paragraph.text_type for paragraph in document.paragraphs} == {"ssml"}
    assert document.language == "en-GB"
