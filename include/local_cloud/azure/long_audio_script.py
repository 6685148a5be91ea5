"""The script of a Long Audio synthesis: plain text or SSML, a paragraph on each line, and what is refused of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.parsers import expat

from include.local_cloud.azure.long_audio_errors import (
    invalid_ssml,
    not_utf8_with_bom,
    too_few_characters,
    too_many_paragraphs,
    voice_not_in_script,
)

FEWEST_CHARACTERS = 400
_BOM = "\ufeff"
_SSML_BEGIN = re.compile(r"\s*<(?:speak|\?xml)\b")
_LINE_END = re.compile(r"\r\n|\r|\n")
_FATAL = "backgroundaudio"


@dataclass(frozen=True, kw_only=True)
class LongAudioScript:
    """A script that can be spoken.

    :param paragraphs: the lines that have something on them.
    :param voices: the names that its ``<voice>`` elements give, in order of first appearance; empty for plain text.
    :param background_audio: an element that no check refuses but that the synthesis fails over.
    """

    is_ssml: bool
    paragraphs: tuple[str, ...]
    voices: tuple[str, ...]
    background_audio: bool


def read_script(content: bytes, *, fewer_than: int, ascii_without_bom: bool = False) -> LongAudioScript:
    """Decode and take apart.

    A script is SSML when its first paragraph begins like it. Then each paragraph has to be one whole document.

    :param fewer_than: the number of paragraphs has to be smaller than this.
    :param ascii_without_bom: take nothing but ASCII without a byte-order mark; it is the same in UTF-8.
    :raises AzureError: 400 for another encoding, for too many paragraphs and for invalid SSML.
    """
    text = _decode(content, ascii_without_bom=ascii_without_bom)
    paragraphs = tuple(line for line in _LINE_END.split(text) if line.strip())
    if len(paragraphs) >= fewer_than:
        raise too_many_paragraphs(fewer_than)
    if not paragraphs or not _SSML_BEGIN.match(paragraphs[0]):
        return LongAudioScript(is_ssml=False, paragraphs=paragraphs, voices=(), background_audio=False)
    outlines = [_outline(paragraph) for paragraph in paragraphs]
    return LongAudioScript(
        is_ssml=True,
        paragraphs=paragraphs,
        voices=tuple(dict.fromkeys(voice for outline in outlines for voice in outline.voices)),
        background_audio=any(outline.background_audio for outline in outlines),
    )


def check_length(script: LongAudioScript, *, billed: Callable[[str], int]) -> None:
    """More than 400 characters of plain text, or more than 400 billable ones of SSML; ends of lines are neither.

    :param billed: the billable characters of one SSML paragraph.
    :raises AzureError: 400.
    """
    size = sum(billed(paragraph) if script.is_ssml else len(paragraph) for paragraph in script.paragraphs)
    if size <= FEWEST_CHARACTERS:
        raise too_few_characters(FEWEST_CHARACTERS)


def check_voices(script: LongAudioScript, *, models: Sequence[str]) -> None:
    """The voices of the request and those of an SSML script have to be the same; several need SSML.

    :param models: the names of the request's voices.
    :raises AzureError: 400.
    """
    if not script.is_ssml:
        if len(models) > 1:
            raise invalid_ssml()
        return
    spoken = {voice.lower() for voice in script.voices}
    for model in models:
        if model.lower() not in spoken:
            raise voice_not_in_script(model)
    declared = {model.lower() for model in models}
    for voice in script.voices:
        if voice.lower() not in declared:
            # The page knows no message of its own for a voice that was not declared.
            raise voice_not_in_script(voice)


def _decode(content: bytes, *, ascii_without_bom: bool) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8_with_bom() from error
    if not text.startswith(_BOM) and not (ascii_without_bom and text.isascii()):
        raise not_utf8_with_bom()
    # The vendor's own sample begins with two of them.
    return text.lstrip(_BOM)


class _Outline:
    """What the elements of one SSML document say about its voices."""

    def __init__(self) -> None:
        self.voices: list[str] = []
        self.background_audio = False
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        plain = name.rpartition(":")[2]
        if self._depth == 0 and plain != "speak":
            raise invalid_ssml()
        if plain == "voice":
            self.voices.append(attributes.get("name", "").strip())
        elif plain == _FATAL:
            self.background_audio = True
        self._depth += 1

    def end(self, _: str) -> None:
        self._depth -= 1


def _outline(paragraph: str) -> _Outline:
    outline = _Outline()
    parser = expat.ParserCreate()
    parser.StartElementHandler = outline.start
    parser.EndElementHandler = outline.end
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(paragraph.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise invalid_ssml() from error
    if not outline.voices or not all(outline.voices):
        raise invalid_ssml()
    return outline


def _refuse(*_: object) -> None:
    raise invalid_ssml()
