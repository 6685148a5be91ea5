"""Polly's SSML, read into a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from xml.parsers import expat

from include.local_cloud.speech_numbers import spoken_form
from include.local_cloud.speech_phonemes import engine_phonemes
from include.local_cloud.speech_script import PARAGRAPH_PAUSE_MS, SENTENCE_PAUSE_MS, ScriptBuilder

LONGEST_BREAK_MS = 10_000
_COMMA_PAUSE_MS = 200
_BREATH_MS = {"x-short": 150, "short": 250, "medium": 350, "default": 350, "long": 500, "x-long": 700}
_BREAK_STRENGTHS = {
    "none": 0,
    "x-weak": 0,
    "weak": _COMMA_PAUSE_MS,
    "medium": _COMMA_PAUSE_MS,
    "strong": SENTENCE_PAUSE_MS,
    "x-strong": PARAGRAPH_PAUSE_MS,
}
_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.35, "x-fast": 1.75}
_PITCHES = {"x-low": 0.7, "low": 0.85, "medium": 1.0, "default": 1.0, "high": 1.18, "x-high": 1.4}
_VOLUMES = {
    "silent": float("-inf"),
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 4.0,
    "x-loud": 6.0,
}
# Emphasis: factor on the pace, factor on the pitch, decibels.
_EMPHASIS = {
    "strong": (0.82, 1.12, 4.0),
    "moderate": (0.9, 1.06, 2.0),
    "reduced": (1.12, 0.96, -3.0),
    "none": (1.0, 1.0, 0.0),
}
_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d+)?)")


class SsmlError(ValueError):
    """The request's SSML is not well-formed XML; the message has the line."""


@dataclass
class _Chunk:
    """Character data, with the bytes that each character takes in the request."""

    content: str
    starts: list[int]
    ends: list[int]


@dataclass
class SsmlElement:
    name: str
    attributes: dict[str, str]
    start: int
    leave: list[Callable[[], None]] = field(default_factory=list)
    # Content that is collected and spoken as a whole when the element ends.
    collected: _Chunk | None = None


def read_ssml(text: str, builder: ScriptBuilder) -> None:
    """Put the content of an SSML document into a builder.

    Every tag of Polly's that the engine can express is audible. Not expressed: ``amazon:domain``,
    ``amazon:effect name="drc"``, ``amazon:auto-breaths`` and the roles of ``w``. ``vocal-tract-length`` becomes
    a change of pitch. Unknown tags are read through: refusing them is the service's business.

    :raises SsmlError: if the text is not well-formed, or has a document type
    """
    SsmlReader(text, builder).read()


class SsmlReader:
    """Reads one document. Another vendor's dialect overrides :meth:`enter` and :meth:`leave`."""

    def __init__(self, text: str, builder: ScriptBuilder) -> None:
        self._data = text.encode("utf-8", "replace")
        self.builder = builder
        self._open: list[SsmlElement] = []
        self._pending: tuple[str, int] | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        # Whatever follows text ends it, so that its bytes are known.
        self._parser.CommentHandler = self._other
        self._parser.ProcessingInstructionHandler = self._other
        self._parser.StartCdataSectionHandler = self._other
        self._parser.EndCdataSectionHandler = self._other

    def read(self) -> None:
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise SsmlError(f"The SSML is not well-formed: {error}") from error

    # What the parser reports

    def _doctype(self, *_: object) -> None:
        raise SsmlError("SSML with a document type is not read; remove the <!DOCTYPE>")

    def _other(self, *_: object) -> None:
        self._end_text()

    def _text(self, content: str) -> None:
        self._end_text()
        self._pending = (content, self._parser.CurrentByteIndex)

    def _end_text(self) -> None:
        if self._pending is None:
            return
        content, start = self._pending
        self._pending = None
        chunk = _chunk(content, start=start, end=self._parser.CurrentByteIndex)
        for element in reversed(self._open):
            if element.collected is not None:
                element.collected.content += chunk.content
                element.collected.starts += chunk.starts
                element.collected.ends += chunk.ends
                return
        self.builder.text(chunk.content, chunk.starts, chunk.ends)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._end_text()
        element = SsmlElement(name=name, attributes=attributes, start=self._parser.CurrentByteIndex)
        self._open.append(element)
        if any(outer.collected is not None for outer in self._open[:-1]):
            return
        self.enter(element)

    def enter(self, element: SsmlElement) -> None:
        """An element begins."""
        attributes = element.attributes
        match element.name:
            case "p":
                self._paragraph(element, PARAGRAPH_PAUSE_MS)
            case "s":
                self._paragraph(element, SENTENCE_PAUSE_MS)
            case "prosody":
                self._prosody(element)
            case "emphasis":
                rate, pitch, volume = _EMPHASIS.get(attributes.get("level", "moderate"), _EMPHASIS["moderate"])
                self.restyle(element, rate=rate, pitch=pitch, volume_db=volume)
            case "lang":
                before = self.builder.style
                self.builder.style = replace(before, language_code=attributes.get("xml:lang", ""))
                element.leave.append(lambda: self.set_style_back(before))
            case "amazon:effect":
                self._effect(element)
            case "sub" | "say-as" | "phoneme":
                element.collected = _Chunk("", [], [])

    def _end(self, name: str) -> None:
        self._end_text()
        element = self._open.pop()
        end = self._end_of_tag(element)
        if any(outer.collected is not None for outer in self._open):
            return
        self.leave(element, end=end)
        for leave in reversed(element.leave):
            leave()

    def leave(self, element: SsmlElement, *, end: int) -> None:
        """An element ends, before the byte ``end``."""
        match element.name:
            case "break":
                self._break(element, end=end)
            case "mark":
                self.builder.mark(element.attributes.get("name", ""), start=element.start, end=end)
            case "amazon:breath":
                length = _BREATH_MS.get(element.attributes.get("duration", "medium"), _BREATH_MS["medium"])
                self.builder.pause(length, exact=False, ends_sentence=False)
            case "sub" | "say-as" | "phoneme":
                self._collected(element)

    def _end_of_tag(self, element: SsmlElement) -> int:
        """The byte after an element that ends now."""
        here = self._parser.CurrentByteIndex
        if self._data[here - 2 : here] == b"/>" and self._data.rfind(b"<", 0, here) == element.start:
            # Of an empty element the parser reports the end, of others the start of the closing tag.
            return here
        return self._data.find(b">", here) + 1

    # What the tags mean

    def _paragraph(self, element: SsmlElement, milliseconds: int) -> None:
        self.builder.pause(milliseconds, exact=False)
        element.leave.append(lambda: self.builder.pause(milliseconds, exact=False))

    def _break(self, element: SsmlElement, *, end: int) -> None:
        time = element.attributes.get("time")
        if time is None:
            milliseconds = _BREAK_STRENGTHS.get(element.attributes.get("strength", "medium"), _COMMA_PAUSE_MS)
        else:
            milliseconds = min(duration_ms(time), LONGEST_BREAK_MS)
        if milliseconds:
            self.builder.pause(milliseconds, exact=True, ends_sentence=False, start=element.start, end=end)

    def _prosody(self, element: SsmlElement) -> None:
        attributes = element.attributes
        if limit := attributes.get("amazon:max-duration"):
            before = self.builder.style
            number = len(self.builder.limits) + 1
            self.builder.limits[number] = duration_ms(limit)
            self.builder.style = replace(before, limit=number)
            element.leave.append(lambda: self.set_style_back(before))
        self.restyle(
            element,
            rate=_factor(attributes.get("rate", "medium"), _RATES, relative=False),
            pitch=_factor(attributes.get("pitch", "medium"), _PITCHES, relative=True),
            volume_db=_decibels(attributes.get("volume", "medium")),
        )

    def _effect(self, element: SsmlElement) -> None:
        before = self.builder.style
        attributes = element.attributes
        if attributes.get("name") == "whispered":
            self.builder.style = replace(before, whispered=True)
        elif attributes.get("phonation") == "soft":
            self.builder.style = replace(before, volume_db=before.volume_db - 5)
        elif length := attributes.get("vocal-tract-length"):
            # A longer tract sounds deeper.
            factor = _factor(length, {}, relative=True)
            self.builder.style = replace(before, pitch=before.pitch / max(factor, 0.5))
        element.leave.append(lambda: self.set_style_back(before))

    def restyle(self, element: SsmlElement, *, rate: float, pitch: float, volume_db: float) -> None:
        before = self.builder.style
        self.builder.style = replace(
            before,
            rate=before.rate * rate,
            pitch=before.pitch * pitch,
            volume_db=before.volume_db + volume_db,
        )
        element.leave.append(lambda: self.set_style_back(before))

    def set_style_back(self, style: object) -> None:
        self.builder.style = style  # type: ignore[assignment]

    def _collected(self, element: SsmlElement) -> None:
        chunk = element.collected
        if chunk is None or not chunk.content.strip():
            return
        start, end = chunk.starts[0], chunk.ends[-1]
        attributes = element.attributes
        if element.name == "sub":
            self.builder.spoken(attributes.get("alias", chunk.content), start=start, end=end)
        elif element.name == "phoneme":
            phonemes = engine_phonemes(
                attributes.get("ph", ""),
                alphabet=attributes.get("alphabet", "ipa"),
                language_code=self.builder.language_code,
            )
            if phonemes:
                self.builder.phonemes(phonemes, start=start, end=end)
            else:
                self.builder.text(chunk.content, chunk.starts, chunk.ends)
        else:
            self._say_as(element, chunk)

    def _say_as(self, element: SsmlElement, chunk: _Chunk) -> None:
        kind = element.attributes.get("interpret-as", "")
        if kind in {"characters", "spell-out"}:
            self.builder.letters(chunk.content, chunk.starts, chunk.ends)
            return
        spoken = spoken_form(
            chunk.content,
            interpret_as=kind,
            date_format=element.attributes.get("format", ""),
            language_code=self.builder.language_code,
        )
        if spoken is None:
            self.builder.text(chunk.content, chunk.starts, chunk.ends)
        else:
            self.builder.spoken(spoken, start=chunk.starts[0], end=chunk.ends[-1])


def _chunk(content: str, *, start: int, end: int) -> _Chunk:
    widths = [len(character.encode("utf-8", "replace")) for character in content]
    if sum(widths) != end - start:
        # A reference such as &amp;: each character stands for the whole of it.
        return _Chunk(content, [start] * len(content), [end] * len(content))
    starts, position = [], start
    for width in widths:
        starts.append(position)
        position += width
    return _Chunk(content, starts, [*starts[1:], end])


def duration_ms(time: str) -> int:
    found = re.fullmatch(r"\s*\+?(\d+(?:\.\d+)?|\.\d+)\s*(ms|s)\s*", time)
    if found is None:
        return 0
    return round(float(found[1]) * (1000 if found[2] == "s" else 1))


def _factor(value: str, names: dict[str, float], *, relative: bool) -> float:
    """``slow``, ``80%``, ``+10%`` or ``-10%`` as a factor; ``relative`` says that a bare 10% means ten more."""
    value = value.strip()
    if value in names:
        return names[value]
    found = _NUMBER.match(value)
    if found is None:
        return 1.0
    number = float(found[2]) / 100
    if found[1] == "-":
        return max(0.2, 1 - number)
    if found[1] == "+" or (relative and number < 0.5):
        return 1 + number
    return max(0.2, number)


def _decibels(value: str) -> float:
    value = value.strip()
    if value in _VOLUMES:
        return _VOLUMES[value]
    found = _NUMBER.match(value)
    if found is None:
        return 0.0
    return -float(found[2]) if found[1] == "-" else float(found[2])
