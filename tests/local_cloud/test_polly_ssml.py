"""SSML as each engine takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.ssml import billable_characters_of_ssml, check_ssml
from include.local_cloud.polly.voices import VOICES

ENGINES = ("standard", "neural", "long-form", "generative")
EVERYWHERE = [
    '<break time="10s"/>',
    '<break time="500ms" strength="weak"/>',
    "<break/>",
    '<lang xml:lang="fr-FR">x</lang>',
    "<p><s>x</s></p>",
    '<sub alias="y">x</sub>',
    '<w role="amazon:VB">read</w>',
    '<mark name="here"/>',
    '<phoneme alphabet="ipa" ph="pɪˈkɑːn">x</phoneme>',
    '<prosody rate="slow" volume="+6dB">x</prosody>',
    '<prosody rate="20%">x</prosody>',
    '<say-as interpret-as="date" format="mdy">x</say-as>',
    "a &amp; b &#8212;",
    "<!-- a comment -->",
]
STANDARD_ONLY = [
    '<emphasis level="strong">x</emphasis>',
    '<prosody pitch="high">x</prosody>',
    '<prosody amazon:max-duration="2s">x</prosody>',
    "<amazon:auto-breaths>x</amazon:auto-breaths>",
    '<amazon:effect name="whispered">x</amazon:effect>',
    '<amazon:effect phonation="soft">x</amazon:effect>',
    '<amazon:effect vocal-tract-length="+10%">x</amazon:effect>',
]
NOWHERE = [
    '<audio src="https://example.org/a.mp3"/>',
    '<voice name="Amy">x</voice>',
    '<lexicon uri="x"/>',
    "<lookup>x</lookup>",
    "<b>x</b>",
    "<speak>x</speak>",
    '<break time="11s"/>',
    '<break time="long"/>',
    '<break strength="enormous"/>',
    '<prosody rate="19%">x</prosody>',
    '<prosody rate="-81%">x</prosody>',
    "<prosody>x</prosody>",
    "<sub>x</sub>",
    '<say-as format="mdy">x</say-as>',
    '<phoneme alphabet="klingon" ph="x">x</phoneme>',
    '<amazon:effect name="shouted">x</amazon:effect>',
    '<amazon:domain name="weather">x</amazon:domain>',
    "a & b",
    "a < b",
    "&nbsp;",
    "<p>x",
    "<p>x</s>",
]


def accepts(inner: str, *, engine: str, voice: str = "Joanna") -> bool:
    return accepts_whole(f"<speak>{inner}</speak>", engine=engine, voice=voice)


def accepts_whole(text: str, *, engine: str = "standard", voice: str = "Joanna") -> bool:
    try:
        check_ssml(text, engine=engine, voice=VOICES[voice])
    except PollyError as error:
        refusal = error
    else:
        return True
    assert refusal.name == "InvalidSsmlException"
    assert "line 1, column" in refusal.message or "line 2, column" in refusal.message
    return False


@pytest.mark.parametrize("inner", EVERYWHERE)
def test_every_engine_takes_the_common_tags(inner: str) -> None:
    assert [engine for engine in ENGINES if accepts(inner, engine=engine)] == list(ENGINES)


@pytest.mark.parametrize("inner", STANDARD_ONLY)
def test_some_tags_are_for_the_standard_engine_only(inner: str) -> None:
    assert [engine for engine in ENGINES if accepts(inner, engine=engine)] == ["standard"]


@pytest.mark.parametrize("inner", NOWHERE)
def test_no_engine_takes_what_is_unsupported_or_malformed(inner: str) -> None:
    assert [engine for engine in ENGINES if accepts(inner, engine=engine)] == []


def test_range_compression_is_for_all_but_the_generative_engine() -> None:
    inner = '<amazon:effect name="drc">x</amazon:effect>'
    assert [engine for engine in ENGINES if accepts(inner, engine=engine)] == ["standard", "neural", "long-form"]


def test_the_news_style_is_for_the_neural_engine_and_four_voices() -> None:
    inner = '<amazon:domain name="news">x</amazon:domain>'
    assert [engine for engine in ENGINES if accepts(inner, engine=engine)] == ["neural"]
    speaking = {voice for voice in VOICES if accepts(inner, engine="neural", voice=voice)}
    assert speaking == {"Amy", "Joanna", "Lupe", "Matthew"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "<p>x</p>",
        "<speak>x</speak><speak>y</speak>",
        '<!DOCTYPE speak [<!ENTITY x "y">]><speak>&x;</speak>',
        "<speak>x</speak> trailing",
    ],
)
def test_the_whole_text_must_be_one_speak_element(text: str) -> None:
    assert not accepts_whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "<speak/>",
        '<?xml version="1.0" encoding="utf-16"?><speak>x</speak>',
        '<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">x</speak>',
        "<speak>x</speak>\n",
    ],
)
def test_declarations_and_namespaces_are_tolerated(text: str) -> None:
    assert accepts_whole(text)


def test_the_refusal_names_the_place() -> None:
    with pytest.raises(PollyError, match=r"<audio> is not supported \(line 2, column 3\)"):
        check_ssml('<speak>\n  <audio src="x"/></speak>', engine="standard", voice=VOICES["Joanna"])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_escaped_text_is_billed_by_its_code_points(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert billable_characters_of_ssml(f"<speak><p>{escaped}</p></speak>", entities="decoded") == len(text)


@pytest.mark.parametrize("reference", ["&amp;", "&#233;", "&#x1F600;", "&#127;", "&#x85;", "&#xFDD0;"])
def test_a_reference_counts_as_the_one_character_that_it_stands_for(reference):
    ssml = f"<speak>a{reference}b</speak>"

    assert billable_characters_of_ssml(ssml, entities="decoded") == 3
    assert billable_characters_of_ssml(ssml, entities="raw") == 2 + len(reference)
