"""SSML as Azure takes it: what makes an input fail, and what the speech engine makes of its tags."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from xml.parsers import expat

from include.local_cloud.azure.voices import Voice, find_voice
from include.local_cloud.speech_espeak import EngineVoice
from include.local_cloud.speech_script import ScriptBuilder, Style
from include.local_cloud.speech_ssml import SsmlElement, SsmlReader, duration_ms
from include.local_cloud.speech_voices import engine_voice

_LONGEST_BREAK_MS = 20_000
_BREAKS_MS = {"none": 0, "x-weak": 250, "weak": 500, "medium": 750, "strong": 1000, "x-strong": 1250}
_RATES = {"x-slow": 0.5, "slow": 0.64, "medium": 1.0, "default": 1.0, "fast": 1.55, "x-fast": 2.0}
_PITCHES = {"x-low": 0.55, "low": 0.8, "medium": 1.0, "default": 1.0, "high": 1.2, "x-high": 1.45}
_VOLUMES = {"silent": 0.0, "x-soft": 20.0, "soft": 40.0, "medium": 60.0, "loud": 80.0, "x-loud": 100.0}
_VOLUMES["default"] = _FULL_VOLUME = 100.0
# Styles that an engine without feelings can hint at: pace, pitch, decibels.
_STYLES = {
    "angry": (1.1, 1.05, 4.0),
    "cheerful": (1.06, 1.12, 2.0),
    "calm": (0.93, 0.96, -1.0),
    "depressed": (0.86, 0.9, -3.0),
    "excited": (1.15, 1.18, 3.0),
    "newscast": (1.04, 0.98, 1.0),
    "sad": (0.86, 0.9, -3.0),
    "shouting": (1.05, 1.2, 6.0),
    "whispering": (0.95, 1.0, -4.0),
}
_PERCENT = re.compile(r"([+-]?)(\d+(?:\.\d+)?)\s*%")
_PLAIN = re.compile(r"([+-]?)(\d+(?:\.\d+)?)")
_UNIT = re.compile(r"([+-]?)(\d+(?:\.\d+)?)\s*(hz|st)", re.IGNORECASE)
_SEMITONE = 2 ** (1 / 12)
# A neutral frequency that a pitch in Hertz is set against.
_NEUTRAL_HERTZ = 180.0


class SsmlInvalid(Exception):
    """The service does not take this SSML; the message says why and never quotes the text."""


@dataclass(frozen=True, kw_only=True)
class SsmlFacts:
    """
    :param voice_names: of the ``<voice>`` elements, in order.
    :param elements: every name that occurs, with its prefix.
    """

    voice_names: tuple[str, ...]
    elements: frozenset[str]


def known_voice(name: str, *, custom_voices: Collection[str] = ()) -> Voice | None:
    """A public voice, or a stand-in for a custom voice that the request maps to a deployment."""
    voice = find_voice(name)
    if voice is None and name.lower() in {custom.lower() for custom in custom_voices}:
        return Voice(name=name, locale="en-US", gender="Female", display_name=name, local_name=name)
    return voice


def check_ssml(text: str, *, custom_voices: Collection[str] = ()) -> SsmlFacts:
    """What an SSML document contains.

    :param custom_voices: names that also exist.

    :raises SsmlInvalid: unless it is well-formed, without a document type, a ``<speak>`` with a ``<voice>`` in it,
        and all its voices exist.
    """
    voices: list[str] = []
    elements: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not elements and name != "speak":
            raise SsmlInvalid("The root element must be speak.")
        elements.append(name)
        if name == "voice":
            voices.append(attributes.get("name", ""))

    def doctype(*_: object) -> None:
        raise SsmlInvalid("A document type is not allowed.")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.lstrip("\ufeff").encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise SsmlInvalid(f"The XML is not well-formed: {reason}, line {error.lineno}.") from error
    if not voices:
        raise SsmlInvalid("There is no voice element.")
    for name in voices:
        if known_voice(name, custom_voices=custom_voices) is None:
            raise SsmlInvalid(f"The voice {name!r} is not supported.")
    return SsmlFacts(voice_names=tuple(voices), elements=frozenset(elements))


def engine_voice_of(voice: Voice) -> EngineVoice:
    """How the engine plays an Azure voice, the same in every process."""
    return engine_voice(voice_id=voice.name, language_code=voice.locale, gender=voice.gender)


def styled(style: Style, prosody: Mapping[str, str]) -> Style:
    """A style with the prosody of an element or of a synthesisConfig; values that make no sense are ignored."""
    return replace(
        style,
        rate=style.rate * _rate(prosody.get("rate", "")),
        pitch=style.pitch * _pitch(prosody.get("pitch", "")),
        volume_db=style.volume_db + _decibels(prosody.get("volume", "")),
    )


def expressed(style: Style, name: str) -> Style:
    """A style with a hint of ``mstts:express-as``."""
    rate, pitch, decibels = _STYLES.get(name.lower(), (1.0, 1.0, 0.0))
    return replace(
        style,
        rate=style.rate * rate,
        pitch=style.pitch * pitch,
        volume_db=style.volume_db + decibels,
        whispered=style.whispered or name.lower() == "whispering",
    )


class AzureSsmlReader(SsmlReader):
    """Puts the content of a checked document into a script. Tags that the engine cannot express are read through."""

    def __init__(self, text: str, builder: ScriptBuilder, *, custom_voices: Collection[str] = ()) -> None:
        super().__init__(text, builder)
        self._custom_voices = custom_voices

    def enter(self, element: SsmlElement) -> None:
        attributes = element.attributes
        match element.name:
            case "voice":
                self._voice(element)
            case "prosody":
                self._restyled(element, styled(self.builder.style, attributes))
            case "mstts:express-as":
                self._restyled(element, expressed(self.builder.style, attributes.get("style", "")))
            case "mstts:silence":
                self._silence(attributes)
            case "break" | "mark":
                # Asked for at the end of the element, where its place is known.
                pass
            case _:
                super().enter(element)

    def leave(self, element: SsmlElement, *, end: int) -> None:
        attributes = element.attributes
        match element.name:
            case "break":
                milliseconds = _break_ms(attributes)
                if milliseconds:
                    self.builder.pause(milliseconds, exact=True, ends_sentence=False, start=element.start, end=end)
            case "bookmark":
                self.builder.mark(attributes.get("mark", ""), start=element.start, end=end)
            case _:
                super().leave(element, end=end)

    def _voice(self, element: SsmlElement) -> None:
        voice = known_voice(element.attributes.get("name", ""), custom_voices=self._custom_voices)
        if voice is None:
            return
        before, language = self.builder.voice, self.builder.language_code
        self.builder.voice, self.builder.language_code = engine_voice_of(voice), voice.locale

        def back() -> None:
            self.builder.voice, self.builder.language_code = before, language

        element.leave.append(back)

    def _restyled(self, element: SsmlElement, style: Style) -> None:
        before = self.builder.style
        self.builder.style = style
        element.leave.append(lambda: self.set_style_back(before))

    def _silence(self, attributes: Mapping[str, str]) -> None:
        """Silence at the head of a voice; the kinds that stretch the pauses of sentences are read through."""
        if attributes.get("type", "").lower().startswith("leading"):
            milliseconds = min(duration_ms(attributes.get("value", "")), _LONGEST_BREAK_MS)
            if milliseconds:
                self.builder.pause(milliseconds, exact=True)


def _break_ms(attributes: Mapping[str, str]) -> int:
    if "time" in attributes:
        return min(duration_ms(attributes["time"]), _LONGEST_BREAK_MS)
    return _BREAKS_MS.get(attributes.get("strength", "medium"), _BREAKS_MS["medium"])


def _rate(value: str) -> float:
    value = value.strip().lower()
    if value in _RATES:
        return _RATES[value]
    if found := _PERCENT.fullmatch(value):
        return _within(0.5, 1 + _signed(found) / 100, 2.0)
    if found := _PLAIN.fullmatch(value):
        return _within(0.5, float(found[2]) if not found[1] else 1 + _signed(found), 2.0)
    return 1.0


def _pitch(value: str) -> float:
    value = value.strip().lower()
    if value in _PITCHES:
        return _PITCHES[value]
    if found := _PERCENT.fullmatch(value):
        return _within(0.5, 1 + _signed(found) / 100, 1.5)
    if found := _UNIT.fullmatch(value):
        if found[3].lower() == "st":
            return _within(0.5, _SEMITONE ** _signed(found), 1.5)
        if found[1]:
            return _within(0.5, 1 + _signed(found) / _NEUTRAL_HERTZ, 1.5)
        return _within(0.5, float(found[2]) / _NEUTRAL_HERTZ, 1.5)
    return 1.0


def _decibels(value: str) -> float:
    value = value.strip().lower()
    level = _VOLUMES.get(value)
    if level is None:
        found = _PERCENT.fullmatch(value) or _PLAIN.fullmatch(value)
        if found is None:
            return 0.0
        is_relative = bool(found[1]) or "%" in value
        level = _within(0.0, _FULL_VOLUME + _signed(found) if is_relative else float(found[2]), 200.0)
    return 20 * math.log10(level / _FULL_VOLUME) if level else float("-inf")


def _signed(found: re.Match[str]) -> float:
    return -float(found[2]) if found[1] == "-" else float(found[2])


def _within(low: float, value: float, high: float) -> float:
    return max(low, min(value, high))
