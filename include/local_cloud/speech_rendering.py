"""A script performed: steps become samples, and what was said when becomes known."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from include.local_cloud.speech_espeak import SAMPLE_RATE, Engine, EngineEvent
from include.local_cloud.speech_script import NOWHERE, Pause, Script, Utterance
from include.local_cloud.speech_tempo import faster

LEAD_IN_MS = 50
LEAD_OUT_MS = 120
# A shorter ``amazon:max-duration`` is overrun: the developer guide says that nothing is spoken faster than this.
FASTEST = 5.0
# What is spoken where nothing can be: silence of this length instead of an empty file.
_NOTHING_MS = 200

# What counts as silence at the edges: the last of a voice's echo, never the end of a soft word.
_SILENT = 160
_SILENT_SHARE_OF_PEAK = 0.015
_KEPT_MS = 8
_FADE_MS = 6
# Between two voices in one sentence.
_CHANGE_MS = 30

_WORD = re.compile(
    r"[$€£¥₹]?\d+(?:[.,:/]\d+)*(?:%|[^\W_]+)?"  # numbers with what belongs to them
    r"|[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"  # Han, one at a time
    r"|[\u2190-\u2bff\U0001f000-\U0001faff]"  # symbols and emoji
    r"|[^\W\d_]+(?:['’.\-\u200c\u200d]?[^\W_]+)*"
)


@dataclass(frozen=True, kw_only=True)
class SpokenWord:
    """A word, with its bytes in the request and its moment in samples.

    :param first: where it begins among the characters of the record
    :param last: where the characters after it begin
    """

    start: int
    end: int
    sample: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class SpokenCharacter:
    """A character that was given to the engine, with its bytes in the request.

    :data:`SENTENCE_BREAK` stands between what cannot be one sentence.
    """

    character: str
    start: int
    end: int


SENTENCE_BREAK = "\0"


@dataclass(frozen=True, kw_only=True)
class SpokenMark:
    """A ``<mark>`` or a ``<break>``, with its bytes in the request and its moment in samples."""

    name: str
    start: int
    end: int
    sample: int


@dataclass(frozen=True, kw_only=True)
class SpokenPhoneme:
    """One of the engine's phonemes (empty where it is silent), with its moment in samples."""

    ipa: str
    sample: int


@dataclass
class Record:
    """What was said when, in the order of the request."""

    characters: list[SpokenCharacter] = field(default_factory=list)
    words: list[SpokenWord] = field(default_factory=list)
    marks: list[SpokenMark] = field(default_factory=list)
    breaks: list[SpokenMark] = field(default_factory=list)
    phonemes: list[SpokenPhoneme] = field(default_factory=list)


class Performance:
    """Performs a script once.

    :param script: what to perform
    :param recorded: whether to keep the record; costs time
    """

    def __init__(self, script: Script, *, recorded: bool = False) -> None:
        self._script = script
        self._recorded = recorded
        self._written = 0
        self.record = Record()

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples, 16-bit mono at :data:`SAMPLE_RATE`, silent at both ends."""
        for block in self._blocks():
            self._written += block.size
            yield block

    def _blocks(self) -> Iterator[np.ndarray]:
        steps = self._script.steps
        yield _silence(LEAD_IN_MS)
        scales = self._scales()
        with Engine() as engine:
            gap: list[Pause] = []
            before: Utterance | None = None
            for index, step in enumerate(steps):
                if isinstance(step, Pause):
                    gap.append(step)
                    continue
                following = steps[index + 1] if index + 1 < len(steps) else None
                joined = before is not None and not gap and before.voice == step.voice and before.limit == step.limit
                flows_on = (
                    isinstance(following, Utterance) and following.voice == step.voice and following.limit == step.limit
                )
                samples, events = engine.speak(step.text, voice=step.voice, events=self._recorded)
                scale = scales.get(step.limit, 1.0)
                if scale > 1:
                    samples = faster(samples, scale)
                first, last = _edges(samples, keep_start=joined, keep_end=flows_on)
                if not joined:
                    yield from self._gap(gap, ends_speech=before is None)
                if self._recorded:
                    self._note(step, events, scale=scale, cut=first, length=last - first)
                yield _faded(samples[first:last], start=not joined, end=not flows_on)
                gap = []
                before = step
            if before is None and not gap:
                yield _silence(_NOTHING_MS)
            yield from self._gap(gap, ends_speech=True)
            yield _silence(LEAD_OUT_MS)

    def _gap(self, pauses: list[Pause], *, ends_speech: bool) -> Iterator[np.ndarray]:
        """The silence for the pauses between two utterances, or before the first or after the last."""
        asked = sum(pause.milliseconds for pause in pauses if pause.exact)
        natural = max((pause.milliseconds for pause in pauses if not pause.exact), default=0)
        if self._recorded:
            place = self._written
            for pause in pauses:
                if pause.start != NOWHERE:
                    self.record.breaks.append(SpokenMark(name="", start=pause.start, end=pause.end, sample=place))
                    place += _samples(pause.milliseconds)
            if any(pause.ends_sentence for pause in pauses):
                self.record.characters.append(SpokenCharacter(character=SENTENCE_BREAK, start=NOWHERE, end=NOWHERE))
        between = max(asked, natural) if pauses else _CHANGE_MS
        # Before the first and after the last word there is nothing that the pause of a sentence would set apart.
        length = asked if ends_speech else between
        if length:
            yield _silence(length)

    def _scales(self) -> dict[int, float]:
        """How much faster each limited stretch must be; one that is short enough stays as it is."""
        if not self._script.limits:
            return {}
        spoken: dict[int, int] = {}
        with Engine() as engine:
            for step in self._script.steps:
                if isinstance(step, Utterance) and step.limit:
                    samples, _ = engine.speak(step.text, voice=step.voice)
                    first, last = _edges(samples, keep_start=False, keep_end=False)
                    spoken[step.limit] = spoken.get(step.limit, 0) + last - first
        return {
            limit: min(max(1.0, length / _samples(max(1, self._script.limits[limit]))), FASTEST)
            for limit, length in spoken.items()
        }

    # The record

    def _note(self, step: Utterance, events: tuple[EngineEvent, ...], *, scale: float, cut: int, length: int) -> None:
        def moment(sample: float) -> int:
            return self._written + min(max(0, round(sample / scale) - cut), length)

        shown = _without_commands(step.text)
        spans = [(found.start(), found.end()) for found in _WORD.finditer(shown)]
        places = self._note_characters(step, shown)
        samples = _word_samples(spans, events)
        moments = [moment(sample) for sample in _filled(samples, end=(cut + length) * scale)]
        for number, (first, last) in enumerate(spans):
            word = SpokenWord(
                start=step.starts[first],
                end=step.ends[last - 1],
                sample=moments[number],
                first=places[first],
                last=places[last - 1] + 1,
            )
            # Two words for one stretch of the request, such as an alias, are one word there.
            if self.record.words and self.record.words[-1].start == word.start:
                begun = self.record.words.pop()
                word = replace(word, sample=begun.sample, first=begun.first)
            self.record.words.append(word)
        beginnings = [first for first, _ in spans]
        for mark in step.marks:
            number = bisect.bisect_left(beginnings, mark.position)
            place = moments[number] if number < len(moments) else self._written + length
            self.record.marks.append(SpokenMark(name=mark.name, start=mark.start, end=mark.end, sample=place))
        for event in events:
            if event.kind == "phoneme":
                self.record.phonemes.append(SpokenPhoneme(ipa=event.name, sample=moment(event.sample)))

    def _note_characters(self, step: Utterance, shown: str) -> list[int]:
        """Keep what stands in the request; where each character of the utterance is among what was kept."""
        places = []
        for character, start, end in zip(shown, step.starts, step.ends, strict=True):
            places.append(len(self.record.characters))
            if start != NOWHERE:
                self.record.characters.append(SpokenCharacter(character=character, start=start, end=end))
        return places


def _without_commands(text: str) -> str:
    """The text with blanks for the engine's commands and letters for its phonemes, as long as before."""
    # They stand between their own signs, which no word contains.
    hidden = re.sub(r"\x01\d+[A-Z]", lambda found: " " * len(found[0]), text)
    return re.sub(r"\[\[[^\]]*\]\]", lambda found: "x" * len(found[0]), hidden)


def _word_samples(spans: list[tuple[int, int]], events: tuple[EngineEvent, ...]) -> list[int | None]:
    """The moment of each word, from the engine's loose account of where its words stand."""
    samples: list[int | None] = [None] * len(spans)
    ends = [end for _, end in spans]
    reached = 0
    for event in events:
        if event.kind != "word":
            continue
        number = bisect.bisect_right(ends, event.position)
        if reached <= number < len(samples) and samples[number] is None:
            samples[number] = event.sample
            reached = number
    return samples


def _filled(samples: list[int | None], *, end: float) -> list[float]:
    """The moments with the unknown ones spread between their neighbours."""
    filled: list[float] = []
    for number, sample in enumerate(samples):
        if sample is not None:
            filled.append(float(max(sample, filled[-1] if filled else 0)))
            continue
        before = filled[-1] if filled else 0.0
        ahead = next(((at, value) for at, value in enumerate(samples[number:], number) if value is not None), None)
        after, distance = (end, len(samples) - number) if ahead is None else (float(ahead[1]), ahead[0] - number)
        filled.append(before + max(0.0, after - before) / (distance + 1))
    return filled


# Samples


def _samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE // 1000


def _silence(milliseconds: int) -> np.ndarray:
    return np.zeros(_samples(milliseconds), dtype=np.int16)


def _edges(samples: np.ndarray, *, keep_start: bool, keep_end: bool) -> tuple[int, int]:
    """Where the sound begins and ends, with a moment of quiet around it."""
    if samples.size == 0:
        return 0, 0
    levels = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(levels > min(_SILENT, levels.max() * _SILENT_SHARE_OF_PEAK))
    if loud.size == 0:
        return (0, samples.size) if keep_start and keep_end else (0, 0)
    margin = _samples(_KEPT_MS)
    first = 0 if keep_start else max(0, int(loud[0]) - margin)
    last = samples.size if keep_end else min(samples.size, int(loud[-1]) + 1 + margin)
    return first, last


def _faded(samples: np.ndarray, *, start: bool, end: bool) -> np.ndarray:
    """Without a step at the ends, which would click."""
    size = min(_samples(_FADE_MS), samples.size)
    if size == 0 or not (start or end):
        return samples
    faded = samples.astype(np.float32)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    if start:
        faded[:size] *= ramp
    if end:
        faded[-size:] *= ramp[::-1]
    return faded.astype(np.int16)
