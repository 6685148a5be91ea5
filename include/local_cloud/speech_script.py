"""What is to be spoken, as steps for the engine, with every character's place in the request."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from include.local_cloud.speech_espeak import EngineVoice
from include.local_cloud.speech_lexicons import Lexicon
from include.local_cloud.speech_voices import language_name

# A bare place for characters that come from no place in the request.
NOWHERE = -1

SENTENCE_PAUSE_MS = 350
PARAGRAPH_PAUSE_MS = 700

# Longer stretches are given to the engine in parts, so that memory does not grow with the request.
_PART_CHARACTERS = 3000
_LONGEST_PART_CHARACTERS = 6000
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*$|[。！？]$")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
# The engine takes the full stop of these for the end of a sentence.
_ENGLISH_TITLES = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|St|Messrs|Mme|Mlle)(\.)(?=\s+[A-Z])")
# Joiners that change how letters of Persian and of Indian scripts are read.
_JOINERS = frozenset("‌‍")


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a stretch is spoken, relative to the voice of the request.

    :param language_code: a Polly language code, or empty for the voice's own
    :param rate: factor on the pace
    :param pitch: factor on the frequency
    :param volume_db: decibels; ``-inf`` is silent
    :param whispered: without voice
    :param limit: number of the stretch with a longest duration that this belongs to, 0 for none
    """

    language_code: str = ""
    rate: float = 1.0
    pitch: float = 1.0
    volume_db: float = 0.0
    whispered: bool = False
    limit: int = 0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A ``<mark>``: its name, its bytes in the request, and before which character of the utterance it stands."""

    name: str
    start: int
    end: int
    position: int


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """A stretch spoken in one breath of the engine.

    :param text: characters, engine commands and phonemes
    :param starts: for each character of ``text`` its first byte in the request, or :data:`NOWHERE`
    :param ends: for each character the byte after it in the request
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    voice: EngineVoice
    marks: tuple[Mark, ...]
    limit: int = 0


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Silence.

    :param milliseconds: how long
    :param exact: whether it was asked for by length; the pauses of sentences and paragraphs give way to it
    :param ends_sentence: whether a sentence cannot continue after it
    :param start: first byte of the ``<break>`` in the request, or :data:`NOWHERE`
    """

    milliseconds: int
    exact: bool = True
    ends_sentence: bool = False
    start: int = NOWHERE
    end: int = NOWHERE


Step = Utterance | Pause


@dataclass(frozen=True, kw_only=True)
class Script:
    """The steps, and the longest duration in milliseconds of each limited stretch."""

    steps: tuple[Step, ...]
    limits: dict[int, int]


@dataclass
class ScriptBuilder:
    """Takes a request's content from front to back and makes a script of it.

    :param voice: the voice of the request
    :param language_code: the Polly language code of the request
    :param lexicon: pronunciations to apply
    """

    voice: EngineVoice
    language_code: str
    lexicon: Lexicon
    style: Style = field(default_factory=Style)
    limits: dict[int, int] = field(default_factory=dict)
    _steps: list[Step] = field(default_factory=list)
    _characters: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _marks: list[Mark] = field(default_factory=list)
    _current: tuple[EngineVoice, int] | None = None
    _told: tuple[int, int, int] = (0, 0, 0)

    def build(self) -> Script:
        self._flush()
        return Script(steps=tuple(self._steps), limits=dict(self.limits))

    def paragraphs(self, content: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        """Speak plain text, in which an empty line ends a paragraph."""
        begin = 0
        for found in _PARAGRAPH_END.finditer(content):
            self.text(content[begin : found.start()], starts[begin : found.start()], ends[begin : found.start()])
            self.pause(PARAGRAPH_PAUSE_MS, exact=False)
            begin = found.end()
        self.text(content[begin:], starts[begin:], ends[begin:])

    def text(self, content: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        """Speak text of the request after applying the lexicon.

        :param starts: first byte of each character in the request
        :param ends: byte after each character in the request
        """
        begin = 0
        for found, pronunciation in self.lexicon.find(content):
            first, last = found
            self._plain(content[begin:first], starts[begin:first], ends[begin:first])
            if pronunciation.phonemes:
                self.phonemes(pronunciation.phonemes, start=starts[first], end=ends[last - 1])
            else:
                self.spoken(pronunciation.alias, start=starts[first], end=ends[last - 1])
            begin = last
        self._plain(content[begin:], starts[begin:], ends[begin:])

    def spoken(self, content: str, *, start: int, end: int) -> None:
        """Speak something in place of a stretch of the request."""
        self._plain(content, [start] * len(content), [end] * len(content))

    def phonemes(self, mnemonics: str, *, start: int, end: int) -> None:
        """Speak the engine's phonemes in place of a stretch of the request."""
        self._begin()
        for character in f"[[{mnemonics}]]":
            self._add(character, start, end)

    def letters(self, content: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        """Name each character."""
        self._begin()
        self._command("18Y")
        self._plain(content, starts, ends)
        self._command("0Y")

    def pause(
        self, milliseconds: int, *, exact: bool, ends_sentence: bool = True, start: int = NOWHERE, end: int = NOWHERE
    ) -> None:
        self._flush()
        self._steps.append(
            Pause(milliseconds=milliseconds, exact=exact, ends_sentence=ends_sentence, start=start, end=end)
        )

    def mark(self, name: str, *, start: int, end: int) -> None:
        self._marks.append(Mark(name=name, start=start, end=end, position=len(self._characters)))

    def _plain(self, content: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not content:
            return
        dropped: set[int] = set()
        if self._language_code().startswith("en"):
            dropped = {found.start(1) for found in _ENGLISH_TITLES.finditer(content)}
        for index, character in enumerate(content):
            said = "" if index in dropped else _said(character)
            # A double bracket would begin phonemes.
            if said in "[]" and self._characters and self._characters[-1] == said:
                said = " "
            if said:
                self._begin()
                self._add(said, starts[index], ends[index])
                if said.isspace():
                    self._split_long()

    def _add(self, character: str, start: int, end: int) -> None:
        self._characters.append(character)
        self._starts.append(start)
        self._ends.append(end)

    def _command(self, command: str) -> None:
        for character in f" \x01{command} ":
            self._add(character, NOWHERE, NOWHERE)

    def _begin(self) -> None:
        """See to it that what is added next is spoken in the present style."""
        voice = self._voice()
        if self._current != (voice, self.style.limit):
            self._flush()
            self._current = (voice, self.style.limit)
            self._told = (voice.words_per_minute, voice.pitch, 100)
        told = (
            _within(80, round(voice.words_per_minute * self.style.rate), 450),
            _within(0, round(voice.pitch + 50 * math.log2(self.style.pitch)), 99),
            _within(0, round(100 * 10 ** (self.style.volume_db / 20)), 200),
        )
        if told != self._told:
            for value, before, letter in zip(told, self._told, "SPA", strict=True):
                if value != before:
                    self._command(f"{value}{letter}")
            self._told = told

    def _language_code(self) -> str:
        return self.style.language_code or self.language_code

    def _voice(self) -> EngineVoice:
        voice = self.voice
        if self.style.language_code:
            voice = replace(voice, language=language_name(self.style.language_code))
        if self.style.whispered:
            voice = replace(voice, variant="whisper" if voice.variant.startswith("m") else "whisperf")
        return voice

    def _split_long(self) -> None:
        if len(self._characters) < _PART_CHARACTERS:
            return
        tail = "".join(self._characters[-6:]).rstrip()
        if _SENTENCE_END.search(tail) or len(self._characters) > _LONGEST_PART_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        text = "".join(self._characters)
        if text.strip() and self._current is not None:
            voice, limit = self._current
            self._steps.append(
                Utterance(
                    text=text,
                    starts=tuple(self._starts),
                    ends=tuple(self._ends),
                    voice=voice,
                    marks=tuple(self._marks),
                    limit=limit,
                )
            )
            self._marks.clear()
        else:
            # Marks before the first word of the next utterance stand at its beginning.
            self._marks = [replace(mark, position=0) for mark in self._marks]
        self._characters.clear()
        self._starts.clear()
        self._ends.clear()
        self._current = None


def _within(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _said(character: str) -> str:
    """A character as the engine may see it: no controls, which it would obey, and nothing it cannot encode."""
    if character.isascii():
        return character if character.isprintable() and character not in "_\\" else " "
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    if category in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}:
        return " "
    return character
