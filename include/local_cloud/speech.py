"""Real speech for the local cloud: what a synthesis request asks for becomes the bytes that Polly would store."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from include.local_cloud.speech_espeak import SAMPLE_RATE, SpeechEngineError
from include.local_cloud.speech_formats import UnsupportedFormatError, encode
from include.local_cloud.speech_lexicons import Lexicon
from include.local_cloud.speech_marks import speech_marks
from include.local_cloud.speech_rendering import Performance
from include.local_cloud.speech_script import Script, ScriptBuilder
from include.local_cloud.speech_ssml import SsmlError, read_ssml
from include.local_cloud.speech_voices import engine_voice

__all__ = ["SpeechEngineError", "SpeechRequest", "SsmlError", "UnsupportedFormatError", "render_speech"]


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """One synthesis request, already validated by the service.

    :param text: plain text, or one ``<speak>`` document
    :param text_type: ``text`` or ``ssml``
    :param voice_id: Polly's name of the voice; decides its timbre, pitch and pace
    :param language_code: the Polly language code to speak in
    :param gender: ``Female`` or ``Male``
    :param engine: Polly's engine; all sound alike here
    :param output_format: ``mp3``, ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or ``json`` for
        speech marks
    :param sample_rate: samples per second of the result
    :param lexicons: PLS documents, the most important first
    :param speech_mark_types: for ``json``: any of ``sentence``, ``ssml``, ``viseme`` and ``word``
    """

    text: str
    text_type: str
    voice_id: str
    language_code: str
    gender: str
    engine: str
    output_format: str
    sample_rate: int
    lexicons: tuple[str, ...] = ()
    speech_mark_types: tuple[str, ...] = ()


def render_speech(request: SpeechRequest) -> bytes:
    """The bytes of the output object. The same request gives the same samples in every process and at any time.

    A text with nothing to say gives a moment of silence.

    :raises SsmlError: if the SSML is not well-formed
    :raises UnsupportedFormatError: for a format or a rate that Polly's asynchronous tasks do not have
    :raises SpeechEngineError: if espeak-ng is not installed properly
    """
    script = _script(request)
    if request.output_format == "json":
        performance = Performance(script, recorded=True)
        for _ in performance.blocks():
            pass
        return speech_marks(performance.record, text=request.text, types=request.speech_mark_types)
    return encode(
        Performance(script).blocks(),
        source_rate=SAMPLE_RATE,
        output_format=request.output_format,
        sample_rate=request.sample_rate,
    )


def _script(request: SpeechRequest) -> Script:
    builder = ScriptBuilder(
        voice=engine_voice(voice_id=request.voice_id, language_code=request.language_code, gender=request.gender),
        language_code=request.language_code,
        lexicon=Lexicon(request.lexicons, language_code=request.language_code),
    )
    if request.text_type == "ssml":
        read_ssml(request.text, builder)
    else:
        ends = list(itertools.accumulate(len(character.encode("utf-8", "replace")) for character in request.text))
        builder.paragraphs(request.text, [0, *ends[:-1]], ends)
    return builder.build()
