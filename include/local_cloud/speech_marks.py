"""Speech marks: what is said when, as the JSON lines that Polly writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from include.local_cloud.speech_espeak import SAMPLE_RATE
from include.local_cloud.speech_phonemes import SILENCE_VISEME, viseme
from include.local_cloud.speech_rendering import Record
from include.local_cloud.speech_sentences import sentences

# The order of marks at one moment, as in the developer guide's examples.
_ORDER = {"sentence": 0, "ssml": 1, "word": 2, "viseme": 3}


def speech_marks(record: Record, *, text: str, types: tuple[str, ...]) -> bytes:
    """The marks of the asked types, one JSON object a line, in order of time.

    ``start`` and ``end`` count bytes of the request in UTF-8, markup included, and ``value`` is what stands between
    them; a pause asked for with ``<break>`` counts as a word, as the developer guide shows. Visemes have no place.

    :param record: what was said when
    :param text: the text of the request
    :param types: any of ``sentence``, ``ssml``, ``viseme`` and ``word``
    """
    data = text.encode("utf-8", "replace")
    marks: list[tuple[int, str, dict[str, Any]]] = []
    if "sentence" in types:
        marks += [(sample, "sentence", _place(data, start, end)) for sample, start, end in sentences(record)]
    if "ssml" in types:
        marks += [(mark.sample, "ssml", _place(data, mark.start, mark.end, mark.name)) for mark in record.marks]
    if "word" in types:
        marks += [(word.sample, "word", _place(data, word.start, word.end)) for word in record.words]
        marks += [(pause.sample, "word", _place(data, pause.start, pause.end)) for pause in record.breaks]
    if "viseme" in types:
        marks += [(sample, "viseme", {"value": value}) for sample, value in _visemes(record)]
    marks.sort(key=lambda mark: (mark[0], _ORDER[mark[1]]))
    return b"".join(_line(*mark) for mark in marks)


def _visemes(record: Record) -> Iterator[tuple[int, str]]:
    last = ""
    for phoneme in record.phonemes:
        value = viseme(phoneme.ipa) if phoneme.ipa else SILENCE_VISEME
        # Silence is said once; a mouth that keeps its shape through two sounds closes for neither.
        if value != SILENCE_VISEME or last != SILENCE_VISEME:
            yield phoneme.sample, value
        last = value


def _place(data: bytes, start: int, end: int, value: str | None = None) -> dict[str, Any]:
    if value is None:
        value = data[start:end].decode("utf-8", "replace")
    return {"start": start, "end": end, "value": value}


def _line(sample: int, kind: str, rest: dict[str, Any]) -> bytes:
    mark = {"time": sample * 1000 // SAMPLE_RATE, "type": kind, **rest}
    # Polly escapes slashes.
    line = json.dumps(mark, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    return line.encode("utf-8", "replace") + b"\n"
