"""SynthesizeSpeech: at once, shorter, and on a bill of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_helpers import Admin


def speak(polly: Any, **arguments: Any) -> Any:
    return polly.synthesize_speech(**{"OutputFormat": "mp3", "Text": "Hello.", "VoiceId": "Joanna"} | arguments)


def test_the_audio_comes_with_its_type_and_its_price(polly: Any, admin: Admin) -> None:
    before = admin.get("bill")["polly_synchronous"]
    answer = speak(polly, Engine="neural")
    assert json.loads(answer["AudioStream"].read()) == ["Joanna", "en-US", "mp3", 24000, 0, "Hello."]
    assert (answer["ContentType"], answer["RequestCharacters"]) == ("audio/mpeg", 6)
    after = admin.get("bill")["polly_synchronous"]
    assert (after["jobs"] - before["jobs"], after["characters"] - before["characters"]) == (1, 6)


@pytest.mark.parametrize(
    ("output_format", "content_type"),
    [("ogg_vorbis", "audio/ogg"), ("pcm", "audio/pcm"), ("mulaw", "audio/mulaw"), ("alaw", "audio/alaw")],
)
def test_every_format_has_its_content_type(polly: Any, output_format: str, content_type: str) -> None:
    assert speak(polly, OutputFormat=output_format)["ContentType"] == content_type


def test_marks_are_lines_of_json(polly: Any) -> None:
    answer = speak(polly, OutputFormat="json", SpeechMarkTypes=["word"])
    assert answer["ContentType"] == "application/x-json-stream"


def test_it_takes_3000_billed_characters_and_higher_sample_rates(polly: Any) -> None:
    speak(polly, Text="x" * 3000, SampleRate="44100")
    with pytest.raises(polly.exceptions.TextLengthExceededException):
        speak(polly, Text="x" * 3001)
    with pytest.raises(polly.exceptions.TextLengthExceededException):
        speak(polly, Text=f"<speak>{'<p>x</p>' * 800}</speak>", TextType="ssml")


def test_refusals_are_those_of_tasks(polly: Any) -> None:
    with pytest.raises(polly.exceptions.InvalidSsmlException):
        speak(polly, Text="<speak>", TextType="ssml")
    with pytest.raises(ClientError, match="ValidationException"):
        speak(polly, VoiceId="Nobody")
