"""What Long Audio takes for a script, and what it refuses of one, in the words of the vendor's page."""

from __future__ import annotations

import pytest

from include.local_cloud.azure.billing import SSML, billable
from include.local_cloud.azure.errors import AzureError
from include.local_cloud.azure.long_audio_script import LongAudioScript, check_length, check_voices, read_script

BOM = b"\xef\xbb\xbf"
NO_BOM = "The voice synthesis only supports the text file in the UTF-8 encoding with the byte-order marker."
NO_SSML = "Only valid SSML inputs are allowed in the voice synthesis request."
TOO_SHORT = "The input file should be more than 400 characters."


def ssml(text: str, *, voice: str = "en-US-AriaNeural") -> str:
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
        f'<voice name="{voice}">{text}</voice></speak>'
    )


def script(text: str) -> LongAudioScript:
    return read_script(BOM + text.encode(), fewer_than=10_000)


def length(text: str) -> None:
    check_length(script(text), billed=lambda paragraph: billable(paragraph, kind=SSML))


def refusal(call: object, *arguments: object, **named: object) -> tuple[int, str | None, str]:
    with pytest.raises(AzureError) as error:
        call(*arguments, **named)  # type: ignore[operator]
    return error.value.status, error.value.inner_code, error.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        b"",
        "Über".encode("latin-1"),
        "text".encode("utf-16"),
        BOM[:2],
        BOM + b"\xff broken",
    ],
    ids=["no mark", "empty", "latin-1", "utf-16", "half a mark", "broken after the mark"],
)
def test_only_utf_8_with_a_byte_order_mark_is_taken(content: bytes) -> None:
    assert refusal(read_script, content, fewer_than=10_000) == (400, "NoUtf8WithBom", NO_BOM)


@pytest.mark.parametrize("marks", [1, 2, 3])
def test_all_byte_order_marks_at_the_beginning_are_stripped(marks: int) -> None:
    read = read_script(BOM * marks + b"First.\nSecond.", fewer_than=10_000)

    assert read.paragraphs == ("First.", "Second.")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_with_something_on_it_is_a_paragraph(end: str) -> None:
    read = script(end.join(["", "First.", "", "   ", "\t", "Second.", " Third. ", ""]))

    assert read.paragraphs == ("First.", "Second.", " Third. ")
    assert not read.is_ssml


def test_other_separators_of_unicode_end_no_paragraph() -> None:
    assert len(script("One\u2028still\x0bthe\x85same\x0cparagraph").paragraphs) == 1


def test_there_have_to_be_fewer_than_ten_thousand_paragraphs() -> None:
    message = "The number of paragraphs in the input file should be less than 10,000."

    assert len(script("a\n" * 9_999).paragraphs) == 9_999
    assert len(script("a\n\n \n" * 9_999).paragraphs) == 9_999
    assert refusal(script, "a\n" * 10_000) == (400, "InvalidPayload", message)


def test_plain_text_needs_more_than_400_characters_and_line_ends_are_none() -> None:
    length("a" * 401)
    length("\n".join(["a" * 200, "b" * 201]))
    length("é" * 401)

    assert refusal(length, "a" * 399) == (400, "InvalidPayload", TOO_SHORT)
    assert refusal(length, "a" * 400) == (400, "InvalidPayload", TOO_SHORT)
    assert refusal(length, "\r\n".join(["a" * 200, "b" * 200])) == (400, "InvalidPayload", TOO_SHORT)
    assert refusal(length, "") == (400, "InvalidPayload", TOO_SHORT)


def test_han_ideographs_count_once_in_plain_text_and_twice_in_ssml() -> None:
    assert refusal(length, "山" * 400)[2] == TOO_SHORT
    length(ssml("山" * 201, voice="zh-CN-XiaoxiaoNeural"))


def test_ssml_needs_more_than_400_billable_characters_over_all_paragraphs() -> None:
    # Much longer as a file, since neither <speak> nor <voice> counts.
    assert refusal(length, ssml("a" * 400)) == (400, "InvalidPayload", TOO_SHORT)
    length(ssml("a" * 401))
    length("\n".join([ssml("a" * 200), ssml("b" * 201)]))


def test_the_elements_that_are_billed_count_towards_the_400() -> None:
    length(ssml("a" * 390 + '<break time="1s"/>'))


def test_ssml_is_recognised_by_its_first_paragraph() -> None:
    assert script(ssml("Hello.")).is_ssml
    assert script('<?xml version="1.0"?>' + ssml("Hello.")).is_ssml
    assert script("\n\n  " + ssml("Hello.")).is_ssml
    assert not script("Some said <speak> was an element.\nIt is.").is_ssml
    assert not script("<speakers> are not SSML").is_ssml


@pytest.mark.parametrize(
    "text",
    [
        "<speak>",
        "<speak><voice name='en-US-AriaNeural'>&nbsp;</voice></speak>",
        "<speak>No voice at all.</speak>",
        "<speak><voice>Nameless.</voice></speak>",
        ssml("First.") + "\nSecond, not SSML.",
        ssml("First.") + ssml("Second on the same line."),
        "<speak>\n<voice name='en-US-AriaNeural'>\nOver several lines.\n</voice>\n</speak>",
        "<?xml version='1.0'?><!DOCTYPE speak [<!ENTITY a 'b'>]>" + ssml("&a;"),
        "<?xml version='1.0'?><voice name='en-US-AriaNeural'>No speak.</voice>",
        ssml("<mstts:silence type='Leading' value='1s'/").replace("</voice>", ""),
    ],
)
def test_ssml_that_is_not_one_valid_document_a_line_is_refused(text: str) -> None:
    assert refusal(script, text) == (400, "InvalidPayload", NO_SSML)


def test_the_prefix_of_an_element_needs_no_declaration() -> None:
    read = script(ssml("<mstts:silence type='Leading' value='1s'/>Hello."))

    assert read.voices == ("en-US-AriaNeural",)


def test_plain_text_has_one_voice() -> None:
    check_voices(script("Hello."), models=["en-US-AriaNeural"])

    assert refusal(check_voices, script("Hello."), models=["en-US-AriaNeural", "en-US-GuyNeural"]) == (
        400,
        "InvalidPayload",
        NO_SSML,
    )


def test_the_voices_of_ssml_have_to_be_those_of_the_request() -> None:
    both = script(ssml("One.") + "\n" + ssml("Two.", voice="en-us-guyneural"))
    missing = "The voice name {} is not found in the input file."

    check_voices(both, models=["en-US-AriaNeural", "en-US-GuyNeural"])
    assert refusal(check_voices, script(ssml("One.")), models=["en-US-JennyNeural"]) == (
        400,
        "InvalidPayload",
        missing.format("en-US-JennyNeural"),
    )
    assert refusal(check_voices, both, models=["en-US-AriaNeural"])[2] == missing.format("en-us-guyneural")


def test_background_audio_is_noticed_but_not_refused() -> None:
    heard = ssml("Hello.").replace("<voice", '<mstts:backgroundaudio src="https://host/a.wav"/><voice')

    assert script(heard).background_audio
    assert not script(ssml('<audio src="https://host/a.wav"/>Hello.')).background_audio
