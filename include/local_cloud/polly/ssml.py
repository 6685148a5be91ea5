"""SSML as Polly takes it: well-formedness, tags per engine, billable characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat

from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.voices import NEWSCASTERS, Voice

_ALL = frozenset({"standard", "neural", "long-form", "generative"})
_STANDARD = frozenset({"standard"})
# Tag -> engines (developer guide, supported tags). "Partial" support is accepted as support
# wherever the guide does not say which part is missing.
_TAGS: Mapping[str, frozenset[str]] = {
    "amazon:auto-breaths": _STANDARD,
    "amazon:breath": _STANDARD,
    "amazon:domain": frozenset({"neural"}),
    "amazon:effect": _ALL,
    "break": _ALL,
    "emphasis": _STANDARD,
    "lang": _ALL,
    "mark": _ALL,
    "p": _ALL,
    "phoneme": _ALL,
    "prosody": _ALL,
    "s": _ALL,
    "say-as": _ALL,
    "speak": _ALL,
    "sub": _ALL,
    "w": _ALL,
}
_REQUIRED_ATTRIBUTES = {
    "amazon:domain": ("name",),
    "lang": ("xml:lang",),
    "mark": ("name",),
    "phoneme": ("ph",),
    "say-as": ("interpret-as",),
    "sub": ("alias",),
    "w": ("role",),
}
_ALPHABETS = frozenset(
    {"ipa", "x-sampa", "x-amazon-pinyin", "x-amazon-jyutping", "x-amazon-pron-kana", "x-amazon-yomigana"}
)
_BREAK_STRENGTHS = frozenset({"none", "x-weak", "weak", "medium", "strong", "x-strong"})
_LONGEST_BREAK_SECONDS = 10.0
_SLOWEST_RATE_PERCENT = 20.0  # "not below -80 %", given as the share of the normal rate
_DURATION = re.compile(r"\+?(\d+(?:\.\d+)?|\.\d+)(ms|s)")
_PERCENT = re.compile(r"([+-]?)(\d+(?:\.\d+)?)%")
# Comments and CDATA first, then tags; inside a tag, a quoted value may contain ">".
_MARKUP = re.compile(
    r"<!--.*?-->|<!\[CDATA\[(?P<text>.*?)\]\]>|<\?.*?\?>|<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL
)
# In well-formed XML nothing else begins with "&".
_REFERENCE = re.compile(r"&[^&;]*;")


def check_ssml(text: str, *, engine: str, voice: Voice) -> None:
    """Refuse what the service would refuse.

    :raises PollyError: InvalidSsmlException, naming the line and column.
    """
    parser = expat.ParserCreate()
    checker = _Checker(parser=parser, engine=engine, voice=voice)
    parser.StartElementHandler = checker.start
    parser.EndElementHandler = checker.end
    parser.StartDoctypeDeclHandler = checker.doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise _invalid(f"{reason} (line {error.lineno}, column {error.offset + 1})") from error


def billable_characters_of_ssml(text: str, *, entities: str) -> int:
    """Characters that are left when every tag and comment is removed.

    White space counts. An entity or character reference counts as the one
    character it stands for, or as it is written when ``entities`` is ``raw``.
    """
    counted = 0
    position = 0
    for markup in _MARKUP.finditer(text):
        counted += _length(text[position : markup.start()], entities) + len(markup["text"] or "")
        position = markup.end()
    return counted + _length(text[position:], entities)


def _length(text: str, entities: str) -> int:
    return len(text) if entities == "raw" else len(_REFERENCE.sub("x", text))


def _invalid(detail: str) -> PollyError:
    return PollyError("InvalidSsmlException", f"Invalid SSML request: {detail}")


class _Checker:
    def __init__(self, *, parser: expat.XMLParserType, engine: str, voice: Voice) -> None:
        self._parser = parser
        self._engine = engine
        self._voice = voice
        self._depth = 0

    def doctype(self, *_: object) -> None:
        raise self._refused("a document type declaration is not allowed")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if (tag == "speak") != (self._depth == 0):
            raise self._refused("the whole text must be one <speak> element")
        self._depth += 1
        engines = _TAGS.get(tag)
        if engines is None:
            raise self._refused(f"the tag <{tag}> is not supported")
        if self._engine not in engines:
            raise self._refused(f"the tag <{tag}> is not supported by {self._engine} voices")
        for name in _REQUIRED_ATTRIBUTES.get(tag, ()):
            if not attributes.get(name):
                raise self._refused(f"the tag <{tag}> needs the attribute {name}")
        check = _CHECKS.get(tag)
        if check is not None:
            check(self, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1

    def _refused(self, detail: str) -> PollyError:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        return _invalid(f"{detail} (line {line}, column {column})")

    def _break(self, attributes: dict[str, str]) -> None:
        if "strength" in attributes and attributes["strength"] not in _BREAK_STRENGTHS:
            raise self._refused(f"a break's strength is one of {', '.join(sorted(_BREAK_STRENGTHS))}")
        if "time" in attributes:
            seconds = self._seconds("break's time", attributes["time"])
            if seconds > _LONGEST_BREAK_SECONDS:
                raise self._refused("a break lasts at most 10 seconds")

    def _prosody(self, attributes: dict[str, str]) -> None:
        if not attributes:
            raise self._refused("the tag <prosody> needs volume, rate, pitch or amazon:max-duration")
        for name in ("pitch", "amazon:max-duration"):
            if name in attributes and self._engine != "standard":
                raise self._refused(f"the prosody attribute {name} is not supported by {self._engine} voices")
        if "amazon:max-duration" in attributes:
            self._seconds("prosody's amazon:max-duration", attributes["amazon:max-duration"])
        percent = _PERCENT.fullmatch(attributes.get("rate", ""))
        if percent:
            share = float(percent[2])
            if percent[1]:
                share = 100.0 + (share if percent[1] == "+" else -share)
            if share < _SLOWEST_RATE_PERCENT:
                raise self._refused("the prosody rate cannot be slower than 20% of the normal rate")

    def _effect(self, attributes: dict[str, str]) -> None:
        kinds = {"name", "phonation", "vocal-tract-length"} & attributes.keys()
        if not kinds:
            raise self._refused("the tag <amazon:effect> needs name, phonation or vocal-tract-length")
        name = attributes.get("name")
        if name is not None and name not in {"drc", "whispered"}:
            raise self._refused(f"the effect {name!r} is not supported")
        if self._engine != "standard" and (name != "drc" or len(kinds) > 1):
            effect = name or sorted(kinds)[0]
            raise self._refused(f"the effect {effect} is not supported by {self._engine} voices")
        if name == "drc" and self._engine == "generative":
            raise self._refused("the effect drc is not supported by generative voices")

    def _domain(self, attributes: dict[str, str]) -> None:
        if attributes["name"] != "news":
            raise self._refused(f"the domain {attributes['name']!r} is not supported")
        if self._voice.id not in NEWSCASTERS:
            raise self._refused(f"the voice {self._voice.id} has no newscaster style")

    def _phoneme(self, attributes: dict[str, str]) -> None:
        if attributes.get("alphabet", "ipa") not in _ALPHABETS:
            raise self._refused(f"a phoneme's alphabet is one of {', '.join(sorted(_ALPHABETS))}")

    def _seconds(self, place: str, value: str) -> float:
        match = _DURATION.fullmatch(value)
        if not match:
            raise self._refused(f"a {place} is a number followed by s or ms")
        return float(match[1]) / (1000 if match[2] == "ms" else 1)


_CHECKS = {
    "amazon:domain": _Checker._domain,
    "amazon:effect": _Checker._effect,
    "break": _Checker._break,
    "phoneme": _Checker._phoneme,
    "prosody": _Checker._prosody,
}
