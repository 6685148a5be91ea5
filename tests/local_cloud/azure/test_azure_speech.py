"""Real speech in Azure's formats, and its rules about SSML and billing, without a server in between."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from include.local_cloud.azure import lenient_json, timestamps
from include.local_cloud.azure.billing import billable
from include.local_cloud.azure.formats import FORMATS, LONG_AUDIO_FORMATS, AudioFormat
from include.local_cloud.azure.speaking import InputSpeech, Spoken, speak_input
from include.local_cloud.azure.ssml import SsmlInvalid, check_ssml
from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import COMPACT, INDENTED, Batch, download, ssml

WAVE = FORMATS["riff-24khz-16bit-mono-pcm"]
SENTENCE = "The rainbow has seven colors."


@pytest.fixture
def speak(tmp_path: Path) -> Callable[..., Spoken]:
    def speak(text: str, *, kind: str = "PlainText", audio: AudioFormat = WAVE, **more: object) -> Spoken:
        voice = "en-US-JennyNeural" if kind == "PlainText" else ""
        settings = {"number": 1, "voice": voice, "to": tmp_path / f"0001.{audio.extension}", "boundaries": True} | more
        return speak_input(InputSpeech(text=text, kind=kind, audio=audio, **settings))  # type: ignore[arg-type]

    return speak


def sounding(content: bytes, *, form: str | None = None, rate: int | None = None) -> tuple[int, float]:
    """Sample rate and seconds, as an independent decoder finds them."""
    options = {"sample_rate": str(rate)} if form and rate else {}
    with av.open(io.BytesIO(content), format=form, options=options) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.rate, samples / stream.rate


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_can_be_decoded_at_its_rate_and_is_as_long_as_it_says(
    speak: Callable[..., Spoken], name: str
) -> None:
    audio = FORMATS[name]
    spoken = speak(SENTENCE, audio=audio)
    raw = audio.container if audio.extension == "raw" else None
    rate, seconds = sounding(spoken.file.read_bytes(), form=raw, rate=audio.rate)
    # Opus always decodes at 48 kHz.
    assert rate == (48_000 if audio.codec == "libopus" else audio.rate)
    assert seconds == pytest.approx(spoken.milliseconds / 1000, abs=0.12)
    assert 1.2 < seconds < 3
    assert spoken.size == spoken.file.stat().st_size


def test_all_formats_of_long_audio_exist() -> None:
    assert set(LONG_AUDIO_FORMATS) <= set(FORMATS)


def test_words_and_sentences_have_their_moments(speak: Callable[..., Spoken]) -> None:
    spoken = speak(ssml(f"{SENTENCE} Is it <break time='1s'/> true?"), kind="SSML")
    assert [word.text for word in spoken.words if word.is_word] == [
        *"The rainbow has seven colors Is it true".split()  # noqa: SIM905
    ]
    assert [word.text for word in spoken.words if not word.is_word] == [".", "?"]
    offsets = [word.offset for word in spoken.words]
    assert offsets == sorted(offsets)
    assert all(word.offset + word.duration <= spoken.milliseconds for word in spoken.words)
    assert [sentence.text for sentence in spoken.sentences] == [SENTENCE, "Is it true?"]
    it, true = spoken.words[-3], spoken.words[-2]
    assert true.offset - it.offset > 1_000


def test_azure_tags_are_heard(speak: Callable[..., Spoken]) -> None:
    def length(inside: str) -> int:
        return speak(ssml(inside).replace("<speak ", "<speak xmlns:mstts='m' "), kind="SSML").milliseconds

    plain = length(SENTENCE)
    assert length(f"<prosody rate='-40%'>{SENTENCE}</prosody>") > plain * 1.3
    assert length(f"<prosody rate='1.5'>{SENTENCE}</prosody>") < plain * 0.85
    assert length(f"{SENTENCE}<break strength='x-strong'/>{SENTENCE}") >= 2 * plain + 700
    assert length(f"<mstts:silence type='Leading-exact' value='2s'/>{SENTENCE}") >= plain + 1_900
    assert length(f"<mstts:express-as style='sad'>{SENTENCE}</mstts:express-as>") > plain
    assert length(f"<bookmark mark='here'/>{SENTENCE}") == plain
    assert length("<sub alias='a very long name indeed'>x</sub>") > length("x")


def test_voices_and_languages_sound_different(speak: Callable[..., Spoken]) -> None:
    sounds = set()
    for voice in ("en-US-JennyNeural", "en-US-GuyNeural", "de-DE-KatjaNeural"):
        sounds.add(speak(ssml("Hotel.", voice=voice), kind="SSML").file.read_bytes())
    assert len(sounds) == 3


def test_the_same_input_gives_the_same_file(speak: Callable[..., Spoken]) -> None:
    audio = FORMATS["audio-24khz-96kbitrate-mono-mp3"]
    assert speak(SENTENCE, audio=audio).file.read_bytes() == speak(SENTENCE, audio=audio).file.read_bytes()


def test_each_line_of_plain_text_is_a_paragraph(speak: Callable[..., Spoken]) -> None:
    assert speak("One\r\ntwo").milliseconds > speak("One two").milliseconds + 300


@pytest.mark.parametrize("text", ["...", " ", "\n", ssml("  "), ssml("<break time='1s'/>")])
def test_nothing_to_say_is_a_success_without_sentences(speak: Callable[..., Spoken], text: str) -> None:
    spoken = speak(text, kind="SSML" if text.startswith("<") else "PlainText")
    assert spoken.error is None
    assert spoken.sentences == ()
    assert spoken.size


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", "not well-formed"),
        ("<speak>no voice</speak>", "no voice"),
        ("<voice name='en-US-JennyNeural'>x</voice>", "root"),
        ("<!DOCTYPE x><speak/>", "document type"),
        (ssml("x", voice="en-US-NobodyNeural"), "NobodyNeural"),
        (ssml("x") + ssml("y"), "not well-formed"),
        (ssml("<mstts:express-as>x"), "not well-formed"),
    ],
)
def test_ssml_that_the_service_does_not_take_is_told_apart(text: str, names: str) -> None:
    with pytest.raises(SsmlInvalid, match=names):
        check_ssml(text)


@pytest.mark.parametrize(
    ("text", "kind", "characters"),
    [
        (COMPACT, "SSML", 29),
        (INDENTED, "SSML", 33),
        ('<speak>Hi<break time="1s"/>你</speak>', "SSML", 22),
        ("Hi you", "PlainText", 6),
        ("你好", "PlainText", 4),
        ("ひらがな 한글", "PlainText", 7),
        ("😀", "PlainText", 1),
        ("a\r\n\r\nb", "PlainText", 6),
        ("\ufeffabc", "PlainText", 3),
        ("<speak>", "PlainText", 7),
        ("<?xml version='1.0'?><speak><voice name='a>b'>x</voice></speak>", "SSML", 1),
        ("<speak><voices>x</voices></speak>", "SSML", 18),
    ],
)
def test_billable_characters(text: str, kind: str, characters: int) -> None:
    assert billable(text, kind=kind) == characters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": "x,]",}', {"a": "x,]"}),
        ('{"a": "line\n\ttab"}', {"a": "line\n\ttab"}),
        ('{"a": 1, // why\n}', {"a": 1}),
        ('{"a": "// no comment", /* one */ "b": "\\",}"}', {"a": "// no comment", "b": '",}'}),
        ('\ufeff{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
    ],
)
def test_json_is_read_as_the_service_reads_it(text: str, value: object) -> None:
    assert lenient_json.loads(text.encode()) == value


@pytest.mark.parametrize("text", ['{"a" 1}', "[1,,2]", "", '{"a": Infinity}', '"', r'"\ud800"'])
def test_real_garbage_stays_garbage(text: str) -> None:
    with pytest.raises(lenient_json.MalformedJson):
        lenient_json.loads(text.encode())


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(0, "PT0S"), (3_125, "PT3.125S"), (357_252, "PT5M57.252S"), (3_600_000, "PT1H"), (90_061_000, "P1DT1H1M1S")],
)
def test_durations_are_written_as_on_the_pages(milliseconds: int, written: str) -> None:
    assert timestamps.duration(milliseconds) == written
    assert timestamps.read_duration(written) == milliseconds / 1000


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "31D", "P1Y", "-P1D", "P1.5D"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert timestamps.read_duration(text) is None


def test_a_whole_job_speaks_for_real(azure_cloud: Callable[..., LocalCloud]) -> None:
    cloud = azure_cloud(render=None)
    batch = Batch(cloud.speech_url)
    output = {"outputFormat": "audio-24khz-48kbitrate-mono-mp3", "wordBoundaryEnabled": True}
    job = batch.ended(batch.plain(None, SENTENCE, "And more.", properties=output | {"concatenateResult": True}))
    files = download(job)
    rate, seconds = sounding(files["0001.mp3"])
    assert rate == 24_000
    assert seconds == pytest.approx(job["properties"]["durationInMilliseconds"] / 1000, abs=0.12)
    assert sorted(files) == ["0001.mp3", "0001.word.json", "summary.json"]
