"""Over-long paragraphs: split where sentences end, never over the limit, nothing lost."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narration.document.model import DocumentError, Paragraph, is_speakable
from narration.document.sentences import split_at_sentences
from narration.document.ssml import parse_ssml, plain_text_of


def split(text: str, limit: int, *, language: str = "en") -> list[str]:
    pieces = split_at_sentences(Paragraph(text=text), limit=limit, measure=len, language=language)
    return [piece.text for piece in pieces]


def outside_tags(text: str) -> int:
    return len(re.sub(r"<[^>]*>", "", text))


def split_ssml(text: str, limit: int) -> list[str]:
    paragraph = Paragraph(text=text, text_type="ssml", line=7)
    return [piece.text for piece in split_at_sentences(paragraph, limit=limit, measure=outside_tags)]


def test_a_paragraph_within_the_limit_stays_itself():
    paragraph = Paragraph(text="One. Two.", role="heading", line=3)
    assert split_at_sentences(paragraph, limit=9, measure=len) == (paragraph,)


def test_sentences_are_packed_up_to_the_limit():
    assert split("One is here. Two is here. Three is here. Four.", 26) == [
        "One is here. Two is here.", "Three is here. Four.",
    ]  # fmt: skip


def test_abbreviations_do_not_end_sentences():
    assert split("We met Mr. Smith and Dr. Jones at No. 5. They left.", 42) == [
        "We met Mr. Smith and Dr. Jones at No. 5.", "They left.",
    ]  # fmt: skip


def test_a_sentence_over_the_limit_is_cut_at_a_clause_then_at_a_word_then_anywhere():
    assert split("One two three, four five six seven eight.", 20) == ["One two three,", "four five six seven", "eight."]
    assert split("abcdefghij klm", 4) == ["abcd", "efgh", "ij", "klm"]


def test_characters_as_readers_count_them_are_not_cut():
    assert split("e\u0301" * 4 + "👩‍👩‍👧" + "🇩🇪🇫🇷", 5)[:2] == ["e\u0301e\u0301", "e\u0301e\u0301"]
    assert split("a🇩🇪🇫🇷", 4) == ["a🇩🇪"]


def test_chinese_is_split_at_its_own_full_stops():
    assert split("你好吗。我很好。谢谢你。再见。", 9, language="zh") == ["你好吗。我很好。", "谢谢你。再见。"]


def test_a_language_without_rules_of_its_own_is_split_at_punctuation():
    assert split("Yksi on. Kaksi on. Kolme.", 18, language="fi-FI") == ["Yksi on. Kaksi on.", "Kolme."]


def test_pieces_keep_role_and_line_and_only_the_first_the_scene_break():
    paragraph = Paragraph(text="One is. Two is.", line=4, scene_break_before=True)
    first, second = split_at_sentences(paragraph, limit=8, measure=len)
    assert (first.scene_break_before, second.scene_break_before) == (True, False)
    assert (first.line, second.line) == (4, 4)


def test_a_piece_that_nobody_could_speak_takes_a_word_along():
    assert split("One two three ???????", 14) == ["One two", "three ???????"]


def test_200_000_characters_are_split_in_seconds_at_sentence_ends():
    text = "The keeper looked at the water, and Mr. Finch looked at him. " * 3400
    pieces = split(text.strip(), 100_000)
    assert len(pieces) == 3
    assert all(piece.endswith(".") and not piece.endswith("Mr.") for piece in pieces)


def test_the_segmenter_is_loaded_only_when_something_is_split():
    code = "import sys, narration.document.sentences, narration.document.reading; print('pysbd' in sys.modules)"
    path = ":".join(sys.path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert done.stdout.strip() == "False"


TEXT = st.text(alphabet="abcDE.!? ,;—-“”\"'()0…。你é\u0301👍🇩🇪\u200d", min_size=1, max_size=120)


def letters(pieces: list[str]) -> list[str]:
    return [character for character in "".join(pieces) if character.isalnum()]


@settings(deadline=None)
@given(TEXT, st.integers(1, 40))
def test_nothing_speakable_is_lost_order_is_kept_and_the_limit_holds(text, limit):
    text = " ".join(text.split())
    if not is_speakable(text):
        return
    pieces = split(text, limit)
    assert all(len(piece) <= limit for piece in pieces)
    assert all(is_speakable(piece) and piece == piece.strip() for piece in pieces)
    assert letters(pieces) == letters([text])
    if len(pieces) > 1 and all(is_speakable(part) for part in text.split()):
        assert "".join(pieces).count(".") <= text.count(".")


@settings(deadline=None)
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=8), min_size=1, max_size=40), st.integers(8, 60))
def test_pieces_put_together_are_the_text(words, limit):
    text = " ".join(words) + "."
    assert " ".join(split(text, max(limit, 9))) == text


def test_markup_is_repeated_around_every_piece_of_ssml():
    text = '<speak xml:lang="en"><prosody rate="slow"><p>One is here. <s>Two</s> is here.</p></prosody></speak>'
    around = '<speak xml:lang="en"><prosody rate="slow"><p>{}</p></prosody></speak>'
    assert split_ssml(text, 14) == [
        around.format("One is here."), around.format("<s>Two</s> is here."),
    ]  # fmt: skip


def test_breaks_go_with_what_follows_and_the_last_with_what_precedes():
    text = '<speak>One is.<break time="1s"/> Two is.<break time="2s"/></speak>'
    assert split_ssml(text, 8) == [
        "<speak>One is.</speak>", '<speak><break time="1s"/>Two is.<break time="2s"/></speak>',
    ]  # fmt: skip


def test_indivisible_elements_stay_whole():
    text = '<speak>Call <say-as interpret-as="telephone">555 12 34 56</say-as> now please</speak>'
    assert split_ssml(text, 13) == [
        "<speak>Call</speak>",
        '<speak><say-as interpret-as="telephone">555 12 34 56</say-as></speak>',
        "<speak>now please</speak>",
    ]


def test_an_indivisible_element_over_the_limit_is_refused_with_its_line():
    with pytest.raises(DocumentError, match=r"line 7: .*'5551234567'"):
        split_ssml('<speak>Call <say-as interpret-as="telephone">5551234567</say-as></speak>', 6)


def test_escaped_characters_survive_the_cut():
    assert split_ssml("<speak>A &amp; B are. C &lt; D is.</speak>", 16) == [
        "<speak>A &amp; B are.</speak>", "<speak>C &lt; D is.</speak>",
    ]  # fmt: skip


PART = st.sampled_from(
    ["One two. ", "three, four ", "<emphasis>five six. seven</emphasis> ", "<s>Eight nine.</s> ", "<break/>",
     '<sub alias="x">ten</sub> ', "<prosody rate='slow'>a <s>b c.</s> d</prosody> ", "… "]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PART, min_size=1, max_size=15), st.integers(12, 50))
def test_ssml_pieces_are_well_formed_within_the_limit_and_complete(parts, limit):
    text = f"<speak><p>Begin. {''.join(parts)}</p></speak>"
    pieces = split_ssml(text, limit)
    assert letters([plain_text_of(piece) for piece in pieces]) == letters([plain_text_of(text)])
    if len(pieces) > 1:
        assert all(outside_tags(piece) <= limit for piece in pieces)
        breaks = sum(len(parse_ssml(piece, source="x").findall(".//break")) for piece in pieces)
        assert breaks == text.count("<break/>")
