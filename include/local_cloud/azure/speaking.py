"""One input spoken: its audio in a file, and what was said when. Runs in a speech process."""

from __future__ import annotations

import html
import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from include.local_cloud.azure.billing import PLAIN_TEXT
from include.local_cloud.azure.formats import AudioFormat, write_audio
from include.local_cloud.azure.ssml import (
    AzureSsmlReader,
    SsmlInvalid,
    check_ssml,
    engine_voice_of,
    expressed,
    known_voice,
    styled,
)
from include.local_cloud.speech import SpeechRequest
from include.local_cloud.speech_espeak import SAMPLE_RATE
from include.local_cloud.speech_lexicons import Lexicon
from include.local_cloud.speech_rendering import LEAD_OUT_MS, Performance, Record
from include.local_cloud.speech_script import PARAGRAPH_PAUSE_MS, ScriptBuilder, Style
from include.local_cloud.speech_sentences import sentences

_TAG = re.compile(r"<[^>]*>")
_WORD = re.compile(r"\w+(?:['’.\-]\w+)*")
_LINE_END = re.compile(r"\s*[\r\n]\s*")


@dataclass(frozen=True, kw_only=True)
class InputSpeech:
    """One input to speak.

    :param number: its place among the inputs of the job, from 1.
    :param text: plain text, or one ``<speak>`` document.
    :param kind: ``PlainText`` or ``SSML``.
    :param voice: for plain text; SSML names its own.
    :param prosody: ``rate``, ``pitch``, ``volume`` and ``style`` for plain text.
    :param custom_voices: names of custom voices that exist too.
    :param boundaries: whether words and sentences are wanted; costs time.
    """

    number: int
    text: str = field(repr=False)
    kind: str
    voice: str = ""
    audio: AudioFormat
    to: Path
    prosody: Mapping[str, str] = field(default_factory=dict)
    custom_voices: tuple[str, ...] = ()
    boundaries: bool = False


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A word, a sign or a sentence: where it begins and how long it sounds, in milliseconds."""

    text: str
    offset: int
    duration: int
    is_word: bool = True


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What came of an input.

    :param size: bytes of the file.
    :param milliseconds: how long it sounds.
    :param error: why it could not be spoken; there is no file then.
    """

    number: int
    file: Path
    size: int = 0
    milliseconds: int = 0
    words: tuple[Boundary, ...] = ()
    sentences: tuple[Boundary, ...] = ()
    error: str | None = None


def speak_input(speech: InputSpeech) -> Spoken:
    """Write the audio. The same input gives the same file in every process and at any time."""
    try:
        builder = _builder(speech)
    except SsmlInvalid as error:
        return Spoken(number=speech.number, file=speech.to, error=str(error))
    performance = Performance(builder.build(), recorded=speech.boundaries)
    milliseconds = write_audio(performance.blocks(), source_rate=SAMPLE_RATE, audio=speech.audio, to=speech.to)
    words: tuple[Boundary, ...] = ()
    spoken_sentences: tuple[Boundary, ...] = ()
    if speech.boundaries:
        data = speech.text.lstrip("\ufeff").encode("utf-8", "replace")
        end = max(0, milliseconds - LEAD_OUT_MS)
        words = tuple(_words(performance.record, data=data, kind=speech.kind, end=end))
        spoken_sentences = tuple(_sentences(performance.record, data=data, kind=speech.kind, words=words))
    return Spoken(
        number=speech.number,
        file=speech.to,
        size=speech.to.stat().st_size,
        milliseconds=milliseconds,
        words=words,
        sentences=spoken_sentences,
    )


def speak_with(render: Callable[[SpeechRequest], bytes], speech: InputSpeech) -> Spoken:
    """The same with another maker of sounds, which is asked for headerless audio; words are spread out evenly."""
    try:
        _builder(speech)
    except SsmlInvalid as error:
        return Spoken(number=speech.number, file=speech.to, error=str(error))
    is_plain = speech.kind == PLAIN_TEXT
    name = _voice_name(speech)
    voice = known_voice(name, custom_voices=speech.custom_voices)
    request = SpeechRequest(
        text=speech.text,
        text_type="text" if is_plain else "ssml",
        voice_id=name,
        language_code=voice.locale if voice else "en-US",
        gender=voice.gender if voice else "Female",
        engine="neural",
        output_format="pcm",
        sample_rate=speech.audio.rate,
    )
    made = render(request)
    samples = np.frombuffer(made[: len(made) // 2 * 2], dtype="<i2")
    milliseconds = write_audio([samples], source_rate=speech.audio.rate, audio=speech.audio, to=speech.to)
    said = speech.text if is_plain else html.unescape(_TAG.sub(" ", speech.text))
    found = _WORD.findall(said) if speech.boundaries else []
    share = milliseconds // max(1, len(found))
    words = tuple(Boundary(text=word, offset=place * share, duration=share) for place, word in enumerate(found))
    sentence = Boundary(text=" ".join(said.split()), offset=0, duration=milliseconds)
    return Spoken(
        number=speech.number,
        file=speech.to,
        size=speech.to.stat().st_size,
        milliseconds=milliseconds,
        words=words,
        sentences=(sentence,) if words else (),
    )


def _builder(speech: InputSpeech) -> ScriptBuilder:
    """
    :raises SsmlInvalid: when the service would not speak this.
    """
    text = speech.text.lstrip("\ufeff")
    is_plain = speech.kind == PLAIN_TEXT
    name = _voice_name(speech)
    voice = known_voice(name, custom_voices=speech.custom_voices)
    if voice is None:
        raise SsmlInvalid(f"The voice {name!r} is not supported.")
    builder = ScriptBuilder(
        voice=engine_voice_of(voice),
        language_code=voice.locale,
        lexicon=Lexicon((), language_code=voice.locale),
    )
    if is_plain:
        builder.style = expressed(styled(Style(), speech.prosody), speech.prosody.get("style", ""))
        _lines(text, builder)
    else:
        AzureSsmlReader(text, builder, custom_voices=speech.custom_voices).read()
    return builder


def _voice_name(speech: InputSpeech) -> str:
    """The voice that begins."""
    if speech.kind == PLAIN_TEXT:
        return speech.voice
    return check_ssml(speech.text, custom_voices=speech.custom_voices).voice_names[0]


def _lines(text: str, builder: ScriptBuilder) -> None:
    """Plain text, in which every line is a paragraph."""
    ends = list(itertools.accumulate(len(character.encode("utf-8", "replace")) for character in text))
    starts = [0, *ends[:-1]]
    begin = 0
    for found in _LINE_END.finditer(text):
        builder.text(text[begin : found.start()], starts[begin : found.start()], ends[begin : found.start()])
        builder.pause(PARAGRAPH_PAUSE_MS, exact=False)
        begin = found.end()
    builder.text(text[begin:], starts[begin:], ends[begin:])


def _words(record: Record, *, data: bytes, kind: str, end: int) -> Iterator[Boundary]:
    """Words, and the signs behind them, which have no sound of their own."""
    silences = [phoneme.sample for phoneme in record.phonemes if not phoneme.ipa]
    shown = "".join(character.character for character in record.characters)
    for place, word in enumerate(record.words):
        following = record.words[place + 1] if place + 1 < len(record.words) else None
        until = end * SAMPLE_RATE // 1000 if following is None else following.sample
        quiet = bisect_left(silences, word.sample + 1)
        if quiet < len(silences):
            until = min(until, silences[quiet])
        offset, stop = _ms(word.sample), max(_ms(word.sample), _ms(until))
        yield Boundary(text=_slice(data, word.start, word.end, kind=kind), offset=offset, duration=stop - offset)
        gap = shown[word.last : len(shown) if following is None else max(word.last, following.first)]
        next_offset = end if following is None else _ms(following.sample)
        for sign in gap:
            if sign.isprintable() and not sign.isspace() and not sign.isalnum():
                yield Boundary(text=sign, offset=stop, duration=max(0, next_offset - stop), is_word=False)


def _sentences(record: Record, *, data: bytes, kind: str, words: tuple[Boundary, ...]) -> Iterator[Boundary]:
    spoken = [word for word in words if word.is_word]
    places = [word.start for word in record.words]
    for sample, start, end in sentences(record):
        last = bisect_left(places, end) - 1
        stop = spoken[last].offset + spoken[last].duration if 0 <= last < len(spoken) else _ms(sample)
        offset = _ms(sample)
        yield Boundary(
            text=" ".join(_slice(data, start, end, kind=kind).split()), offset=offset, duration=max(0, stop - offset)
        )


def _slice(data: bytes, start: int, end: int, *, kind: str) -> str:
    text = data[start:end].decode("utf-8", "replace")
    return text if kind == PLAIN_TEXT else html.unescape(_TAG.sub("", text))


def _ms(sample: int) -> int:
    return sample * 1000 // SAMPLE_RATE
