"""Whether a voice, engine, language, format and text go together; shared by tasks and synchronous speech."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.regions import REGIONS_OF_ENGINE
from include.local_cloud.polly.ssml import billable_characters_of_ssml, check_ssml
from include.local_cloud.polly.voices import VOICES, Voice
from include.local_cloud.settings import PollyReadings

_TASK_RATES = {
    "mp3": (8000, 16000, 22050, 24000),
    "ogg_vorbis": (8000, 16000, 22050, 24000),
    "ogg_opus": (48000,),
    "pcm": (8000, 16000),
    "mulaw": (8000,),
    "alaw": (8000,),
}
_SPEECH_RATES = _TASK_RATES | dict.fromkeys(("mp3", "ogg_vorbis"), (8000, 16000, 22050, 24000, 44100, 48000))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Characters per request, and the sample rates of each format."""

    billed_characters: int
    total_characters: int
    sample_rates: Mapping[str, tuple[int, ...]]


TASK_LIMITS = Limits(billed_characters=100_000, total_characters=200_000, sample_rates=_TASK_RATES)
SPEECH_LIMITS = Limits(billed_characters=3_000, total_characters=6_000, sample_rates=_SPEECH_RATES)


@dataclass(frozen=True, kw_only=True)
class Speech:
    """A request that may be synthesised, with every default filled in."""

    text: str
    text_type: str
    voice: Voice
    engine: str
    language_code: str
    output_format: str
    sample_rate: int
    lexicon_names: tuple[str, ...]
    speech_mark_types: tuple[str, ...]
    billed_characters: int


def check_speech(given: Mapping[str, Any], *, region: str, limits: Limits, readings: PollyReadings) -> Speech:
    """Apply every rule but those about lexicons, buckets and topics.

    :param given: members that satisfy the front end's constraints.
    :raises PollyError: the rule that is broken.
    """
    engine = given.get("Engine", "standard")
    voice = _voice(given["VoiceId"], engine=engine, region=region, readings=readings)
    language_code = given.get("LanguageCode", voice.language_code)
    if not voice.speaks(language_code):
        raise PollyError(
            "LanguageNotSupportedException", f"The voice {voice.id} does not speak the language {language_code}."
        )
    text_type = given.get("TextType", "text")
    marks = tuple(given.get("SpeechMarkTypes", ()))
    output_format = given["OutputFormat"]
    _check_marks(marks, output_format=output_format, text_type=text_type, engine=engine)
    sample_rate = _sample_rate(given.get("SampleRate"), output_format=output_format, engine=engine, limits=limits)
    text = given["Text"]
    if len(text) > limits.total_characters:
        raise _too_long(limits)
    billed = len(text)
    if text_type == "ssml":
        check_ssml(text, engine=engine, voice=voice)
        billed = billable_characters_of_ssml(text, entities=readings.ssml_entities)
    if billed > limits.billed_characters:
        raise _too_long(limits)
    return Speech(
        text=text,
        text_type=text_type,
        voice=voice,
        engine=engine,
        language_code=language_code,
        output_format=output_format,
        sample_rate=sample_rate,
        lexicon_names=tuple(given.get("LexiconNames", ())),
        speech_mark_types=marks,
        billed_characters=billed,
    )


def _voice(voice_id: str, *, engine: str, region: str, readings: PollyReadings) -> Voice:
    if region not in REGIONS_OF_ENGINE[engine]:
        raise PollyError("EngineNotSupportedException", f"The engine {engine} is not supported in the Region {region}.")
    voice = VOICES.get(voice_id)
    if voice is None or engine not in voice.engines:
        raise PollyError(readings.wrong_engine, f"This voice does not support the selected engine: {engine}")
    return voice


def _check_marks(marks: tuple[str, ...], *, output_format: str, text_type: str, engine: str) -> None:
    if marks and output_format != "json":
        raise PollyError(
            "MarksNotSupportedForFormatException",
            f"Speech marks are not supported for the output format {output_format}; they need json.",
        )
    if output_format == "json" and not marks:
        raise PollyError("ValidationException", "The output format json needs at least one of SpeechMarkTypes.")
    if "ssml" in marks and text_type != "ssml":
        raise PollyError(
            "SsmlMarksNotSupportedForTextTypeException", "Speech marks of type ssml need the text type ssml."
        )
    if marks and engine == "generative":
        raise PollyError("ValidationException", "Speech marks are not supported by generative voices.")


def _sample_rate(given: str | None, *, output_format: str, engine: str, limits: Limits) -> int:
    if output_format == "json":
        # Marks carry times, not samples: any rate of an audio format is tolerated.
        valid = tuple(sorted({rate for rates in limits.sample_rates.values() for rate in rates}))
    else:
        valid = limits.sample_rates[output_format]
    if given is None:
        if output_format in {"mp3", "ogg_vorbis", "json"}:
            return 22050 if engine == "standard" else 24000
        return 16000 if output_format == "pcm" else valid[0]
    if given not in {str(rate) for rate in valid}:
        listed = ", ".join(str(rate) for rate in valid)
        raise PollyError(
            "InvalidSampleRateException", f"The sample rate {given!r} is not valid for {output_format}; use {listed}."
        )
    return int(given)


def _too_long(limits: Limits) -> PollyError:
    return PollyError(
        "TextLengthExceededException",
        f"Maximum text length has been exceeded: at most {limits.billed_characters} billed characters"
        f" and {limits.total_characters} characters in total.",
    )
