from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from include.local_cloud.speech import SpeechRequest, render_speech

RATE = 16000


def rendered(text: str, *, output_format: str = "json", types: tuple[str, ...] = ()) -> bytes:
    return render_speech(
        SpeechRequest(
            text=text,
            text_type="ssml" if text.startswith("<speak") else "text",
            voice_id="Joanna",
            language_code="en-US",
            gender="Female",
            engine="neural",
            output_format=output_format,
            sample_rate=RATE,
            speech_mark_types=types,
        )
    )


def marks(text: str, *types: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in rendered(text, types=types).splitlines()]


def values(text: str, kind: str) -> list[str]:
    return [mark["value"] for mark in marks(text, kind)]


TEXTS = [
    "Mary had a little lamb. Its fleece was white as snow!",
    "Naïve café — “quoted” words… 漢字 and 😀.\r\nIt’s 10:30, o'clock: $3.50?",
    '<speak>Mary had <break time="300ms"/>a <mark name="animal"/>lamb &amp; <sub alias="a goat">g</sub>.</speak>',
    "<speak><p>Größe <emphasis>zählt</emphasis>.</p><p><s>One</s> <s>two</s></p></speak>",
    "word " * 900,
]


@pytest.mark.parametrize("text", TEXTS)
def test_values_stand_at_their_bytes_in_the_request(text: str) -> None:
    data = text.encode()
    found = marks(text, "word", "sentence")
    assert found
    for mark in found:
        assert data[mark["start"] : mark["end"]].decode() == mark["value"]


@pytest.mark.parametrize("text", TEXTS)
def test_times_rise_and_lie_inside_the_audio(text: str) -> None:
    times = [mark["time"] for mark in marks(text, "word", "sentence", "ssml", "viseme")]
    length = len(rendered(text, output_format="pcm")) / 2 / RATE * 1000
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= length


def test_every_word_has_a_mark_in_order() -> None:
    text = "Mr. Smith paid $3.50 at 10:30 for 1,234 e-mail lists; it's o'clock."
    assert values(text, "word") == [
        *("Mr", "Smith", "paid", "$3.50", "at", "10:30", "for", "1,234", "e-mail", "lists", "it's", "o'clock"),
    ]


def test_no_word_is_lost_in_a_long_text() -> None:
    words = [f"word{number}" for number in range(700)]
    assert values(" ".join(words), "word") == words


def test_the_guides_example_has_the_guides_places() -> None:
    mary = 'Mary had <break time="300ms"/>a little <mark name="animal"/>lamb'
    text = f'<speak><prosody volume="+20dB">{mary}</prosody></speak>'
    found = marks(text, "sentence", "word", "ssml")
    assert [(mark["type"], mark["start"], mark["end"]) for mark in found] == [
        ("sentence", 31, 95),
        ("word", 31, 35),
        ("word", 36, 39),
        ("word", 40, 61),
        ("word", 61, 62),
        ("word", 63, 69),
        ("ssml", 70, 91),
        ("word", 91, 95),
    ]
    assert found[6]["value"] == "animal"
    assert found[6]["time"] == found[7]["time"]
    assert found[4]["time"] - found[3]["time"] == pytest.approx(300, abs=30)


def test_sentences_end_with_their_signs_and_titles_do_not_end_them() -> None:
    text = "Mr. Smith came in. He said e.g. this: “Go!” Did he?\n\nA new paragraph"
    assert values(text, "sentence") == [
        "Mr. Smith came in.",
        "He said e.g. this: “Go!”",
        "Did he?",
        "A new paragraph",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("„Das ist gut.“ Er ging. „Ja!“, sagte sie.", ["„Das ist gut.“", "Er ging.", "„Ja!“, sagte sie."]),
        ("She reached the “end”… Then she slept.", ["She reached the “end”…", "Then she slept."]),
        ("“Yes!” he said. “No.”", ["“Yes!” he said.", "“No.”"]),
        ('"Yes!" He left. "No," she said.', ['"Yes!"', "He left.", '"No," she said.']),
        ("‘Go.’ “Where?” (Nowhere.) ¿Qué? Done", ["‘Go.’", "“Where?”", "(Nowhere.)", "¿Qué?", "Done"]),
        ("« Oui ! » Il part. Fin »", ["« Oui ! »", "Il part.", "Fin »"]),
        ("“A quote”\n\n“Another”", ["“A quote”", "“Another”"]),
        ("Well… maybe. It costs $3.50. Ok!?", ["Well… maybe.", "It costs $3.50.", "Ok!?"]),
        ("「はい。」彼は言った。", ["「はい。」", "彼は言った。"]),
        (
            '<speak>A <emphasis>lamb</emphasis>. <sub alias="Its">I.</sub> fleece.</speak>',
            ["A <emphasis>lamb</emphasis>.", "I.</sub> fleece."],
        ),
        ("<speak><p>“Go.</p><p>Now”</p> Then.</speak>", ["“Go.", "Now”", "Then."]),
        (
            '<speak>He <prosody amazon:max-duration="9s">ran</prosody>. '
            '“<lang xml:lang="fr-FR">Oui</lang>!” No.</speak>',
            ['He <prosody amazon:max-duration="9s">ran</prosody>.', '“<lang xml:lang="fr-FR">Oui</lang>!”', "No."],
        ),
    ],
)
def test_sentences_begin_with_their_opening_and_end_with_their_closing_signs(text: str, expected: list[str]) -> None:
    assert values(text, "sentence") == expected


def test_visemes_have_no_place_and_end_in_silence() -> None:
    found = marks("Mary had a little lamb.", "viseme")
    assert all(set(mark) == {"time", "type", "value"} for mark in found)
    shapes = [mark["value"] for mark in found]
    assert shapes[:4] == ["p", "E", "r", "i"]
    assert shapes[-1] == "sil"


def test_only_the_asked_types_are_written() -> None:
    assert {mark["type"] for mark in marks(TEXTS[2], "word")} == {"word"}
    assert marks("No marks in this.", "ssml") == []


def test_a_word_mark_lies_where_the_word_begins() -> None:
    text = '<speak>One<break time="2s"/>two<break time="1s"/>three</speak>'
    audio = np.abs(np.frombuffer(rendered(text, output_format="pcm"), dtype="<i2").astype(int)) > 100
    loud = np.flatnonzero(audio)
    begins = [loud[0], *(loud[1:][np.diff(loud) > RATE // 2])]
    times = [mark["time"] for mark in marks(text, "word") if not mark["value"].startswith("<")]
    assert times == pytest.approx([place * 1000 / RATE for place in begins], abs=30)


def test_a_mark_at_the_end_lies_at_the_end() -> None:
    text = '<speak>The end.<mark name="last"/></speak>'
    (mark,) = marks(text, "ssml")
    assert mark["value"] == "last"
    assert mark["time"] > marks(text, "word")[-1]["time"]


def test_lines_are_compact_json_ending_in_a_newline() -> None:
    data = rendered("One/two", types=("sentence",))
    assert data.endswith(b"\n")
    assert b'"value":"One\\/two"}' in data
