from __future__ import annotations

import json
from dataclasses import replace

import pytest

from narration.document.model import Chapter, Document, DocumentError, LeftOut, Paragraph
from narration.synthesis.planning import Plan, plan_narration
from narration.synthesis.polly_rules import PollyRules
from narration.synthesis.profile import VoiceProfile

PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="mp3", sample_rate=24000
)
PAUSES = {"paragraph_ms": 500}


def book(*paragraphs: Paragraph, **change) -> Document:
    chapter = Chapter(title="One", paragraphs=paragraphs)
    return Document(**{"title": "Story", "source": "story.txt", "chapters": (chapter,), **change})


def planned(document: Document, *, profile: VoiceProfile = PROFILE, pauses=PAUSES) -> Plan:
    rules = PollyRules(engine=profile.engine, voice=profile.voice)
    return plan_narration(document, profile=profile, rules=rules, pauses=pauses)


def test_every_paragraph_becomes_a_clip_in_its_place():
    first = Chapter(
        title="One", paragraphs=(Paragraph(text="One", role="heading", line=1), Paragraph(text="A.", line=3))
    )
    second = Chapter(title="Two", paragraphs=(Paragraph(text="B.", line=9, scene_break_before=True),))

    plan = planned(book(chapters=(first, second)))

    facts = [(p.clip.text, p.chapter, p.role, p.scene_break_before, p.clip.place) for p in plan.paragraphs]
    assert facts == [
        ("One", 0, "heading", False, "One, paragraph 1 (line 1 of story.txt)"),
        ("A.", 0, "body", False, "One, paragraph 2 (line 3 of story.txt)"),
        ("B.", 1, "body", True, "Two, paragraph 1 (line 9 of story.txt)"),
    ]
    assert plan.chapter_titles == ("One", "Two")


def test_a_plan_survives_json():
    plan = planned(
        book(
            Paragraph(text="<speak>Fish &amp; chips</speak>", text_type="ssml"),
            author="A. N. Other",
            language="en",
            left_out=(LeftOut(reason="licence", first_line=1, last_line=9),),
        )
    )

    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))

    assert again == plan
    assert again.narration_key == plan.narration_key
    assert again.paragraphs[0].clip.spoken_text == "Fish & chips"


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Another"},
        {"author": "A. N. Other"},
        {"chapters": (Chapter(title="1", paragraphs=(Paragraph(text="A."),)),)},
        {"chapters": (Chapter(title="One", paragraphs=(Paragraph(text="A.", role="heading"),)),)},
        {"chapters": (Chapter(title="One", paragraphs=(Paragraph(text="A.", scene_break_before=True),)),)},
    ],
)
def test_what_is_seen_or_heard_names_the_narration(change):
    document = book(Paragraph(text="A."))

    assert planned(replace(document, **change)).narration_key != planned(document).narration_key


def test_pauses_name_the_narration_and_not_the_clips():
    document = book(Paragraph(text="A."))
    one, other = planned(document), planned(document, pauses={"paragraph_ms": 900})

    assert one.narration_key != other.narration_key
    assert one.paragraphs[0].clip.clip_key == other.paragraphs[0].clip.clip_key


def test_where_a_document_comes_from_names_neither():
    document = book(Paragraph(text="A.", line=3))
    moved = book(Paragraph(text="A.", line=77), source="copy.txt")

    assert planned(moved).narration_key == planned(document).narration_key


def test_a_paragraph_over_the_limit_is_split_at_sentences_and_says_what_it_said():
    sentence = "The quick brown fox jumps over the lazy dog and finds that it was not so lazy after all. "
    text = (sentence * 2500).strip()
    assert len(text) > 2 * 100_000

    plan = planned(book(Paragraph(text=text, line=12)))

    pieces = [paragraph.clip.text for paragraph in plan.paragraphs]
    assert len(pieces) == 3
    assert all(len(piece) <= 100_000 and piece.endswith("after all.") for piece in pieces)
    assert " ".join(pieces) == text
    assert {paragraph.clip.place for paragraph in plan.paragraphs} == {"One, paragraph 1 (line 12 of story.txt)"}


def test_ssml_over_the_limit_is_split_too():
    rules = PollyRules(engine="neural", voice="Joanna")
    rules.max_size = 1000
    sentence = "<s>Fish &amp; chips are never enough for a long winter evening by the sea.</s>"
    paragraph = Paragraph(text=f"<speak>{sentence * 20}</speak>", text_type="ssml", line=12)

    plan = plan_narration(book(paragraph), profile=PROFILE, rules=rules, pauses=PAUSES)

    assert len(plan.paragraphs) == 2
    assert all(rules.size(p.clip.text, "ssml") <= 1000 for p in plan.paragraphs)
    assert sum(p.clip.text.count("winter evening") for p in plan.paragraphs) == 20


def test_all_paragraphs_that_cannot_be_spoken_are_named_at_once():
    bad = "<speak>It <emphasis>is</emphasis></speak>"
    paragraphs = [Paragraph(text=bad, text_type="ssml", line=number) for number in range(1, 13)]

    with pytest.raises(DocumentError) as refused:
        planned(book(Paragraph(text="Fine."), *paragraphs))

    message = str(refused.value)
    assert "12 paragraph(s) of story.txt" in message
    assert "nothing was bought" in message
    assert "One, paragraph 2 (line 1 of story.txt), “It is”: the neural engine does not support <emphasis>" in message
    assert message.endswith("and 2 more")


def test_a_tag_used_twice_in_a_paragraph_is_named_once():
    bad = "<speak><emphasis>a</emphasis><emphasis>b</emphasis></speak>"

    with pytest.raises(DocumentError) as refused:
        planned(book(Paragraph(text=bad, text_type="ssml")))

    assert str(refused.value).count("<emphasis>") == 1
