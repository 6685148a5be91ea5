"""
What Amazon Polly's asynchronous synthesis accepts and how it counts, as far as that can be known beforehand.

Sources: the Polly API model (``StartSpeechSynthesisTask``) for formats and rates; the Polly Developer Guide, pages
"Quotas" and "Supported SSML tags", for limits and tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from narration.synthesis.counting import utf16_units

ENGINES = ("standard", "neural", "long-form", "generative")
MAX_BILLABLE_CHARACTERS = 100_000
"""Billable characters of one task; SSML tags do not count."""
MAX_TOTAL_CHARACTERS = 200_000
"""Characters of one task with its SSML tags."""
MAX_LEXICONS = 5
LEXICON_NAME = re.compile(r"[0-9A-Za-z]{1,20}")

SAMPLE_RATES: dict[str, tuple[int, ...]] = {
    "mp3": (8000, 16000, 22050, 24000),
    "ogg_vorbis": (8000, 16000, 22050, 24000),
    "ogg_opus": (48000,),
    "pcm": (8000, 16000),
    "mulaw": (8000,),
    "alaw": (8000,),
}
"""Clip formats that Polly sells, with the rates (Hz) that an asynchronous task accepts."""

NEWSCASTERS = ("Amy", "Joanna", "Lupe", "Matthew")
"""Voices that have the style of ``<amazon:domain name="news">``, with the neural engine."""

START_PER_SECOND = {"standard": 10, "neural": 10, "long-form": 1, "generative": 1}
"""``StartSpeechSynthesisTask`` calls per second and account, per engine."""
READ_PER_SECOND = 10
"""``GetSpeechSynthesisTask`` and ``ListSpeechSynthesisTasks`` calls per second and account, together."""

_MARKUP = re.compile(
    r"""
      <!\[CDATA\[ (?P<verbatim> .*? ) \]\]>
    | (?P<unspoken> <!-- .*? --> | <\? .*? \?> )
    | < (?: "[^"]*" | '[^']*' | [^<>"'] )* >        # a quoted attribute may hold a ">"
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s+")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);")

_EVERYWHERE = frozenset({"speak", "break", "lang", "mark", "p", "s", "phoneme", "prosody", "say-as", "sub", "w"})
_EFFECT = "amazon:effect"
_SSML_TAGS = {
    "standard": _EVERYWHERE | {"emphasis", _EFFECT, "amazon:auto-breaths", "amazon:breath"},
    "neural": _EVERYWHERE | {_EFFECT, "amazon:domain"},
    "long-form": _EVERYWHERE | {_EFFECT},
    "generative": _EVERYWHERE,
}
_STANDARD_ONLY_ATTRIBUTES = frozenset(
    {
        (_EFFECT, "phonation"),
        (_EFFECT, "vocal-tract-length"),
        ("prosody", "pitch"),
        ("prosody", "amazon:max-duration"),
    }
)


def default_sample_rate(*, audio_format: str, engine: str) -> int:
    """
    Give the rate (Hz) that Polly uses when none is asked for.

    For formats whose default the API model does not state, the only valid one.
    """
    if audio_format in ("mp3", "ogg_vorbis"):
        return 22050 if engine == "standard" else 24000
    return SAMPLE_RATES[audio_format][-1]


def billable_characters(text: str, text_type: str) -> int:
    """
    Estimate what Polly bills for one request.

    Plain text: its code points. SSML: what is left without tags and comments, an entity counting as the one character
    that it stands for (AWS does not document entities; the task's ``RequestCharacters`` is the authority).
    """
    if text_type != "ssml":
        return len(text)
    return sum(len(_ENTITY.sub("x", words)) if is_parsed else len(words) for words, is_parsed in _spoken(text))


def character_bounds(text: str, text_type: str) -> tuple[int, int]:
    """
    Give the fewest and the most characters that Polly may bill for one request.

    AWS says that tags are not billed, and leaves the rest open. The fewest: code points; in SSML an entity is the one
    character that it stands for, a run of white space one character and none at either end, and comments and CDATA
    sections nothing. The most: UTF-16 units, so an emoji is two or more; in SSML everything as it is written, comments
    and CDATA sections with their delimiters, and a tag ends at its first ``>``, even one in an attribute.
    """
    if text_type != "ssml":
        return len(text), utf16_units(text)
    parsed = "".join(words for words, is_parsed in _spoken(text) if is_parsed)
    fewest = len(_SPACE.sub(" ", _ENTITY.sub("x", parsed)).strip())
    return fewest, utf16_units(_MARKUP.sub(_left_at_most, text))


def _spoken(ssml: str) -> Iterator[tuple[str, bool]]:
    """Give what is between the tags, and whether it is parsed, so that entities in it stand for something."""
    position = 0
    for markup in _MARKUP.finditer(ssml):
        yield ssml[position : markup.start()], True
        yield markup["verbatim"] or "", False
        position = markup.end()
    yield ssml[position:], True


def _left_at_most(markup: re.Match[str]) -> str:
    if markup["verbatim"] is not None or markup["unspoken"] is not None:
        return markup[0]
    return markup[0].partition(">")[2]


class PollyRules:
    """
    Polly's rules for one engine, as :func:`narration.synthesis.planning.plan_narration` asks for them.

    :param engine: one of :data:`ENGINES`.
    :param voice: id of the voice; some tags are for a few voices alone.
    """

    max_size = MAX_BILLABLE_CHARACTERS

    def __init__(self, *, engine: str, voice: str) -> None:
        self.engine = engine
        self.voice = voice

    def size(self, text: str, text_type: str) -> int:
        """Measure against both limits at once: billable characters, and half of all characters with tags."""
        return max(
            billable_characters(text, text_type), -(-len(text) * MAX_BILLABLE_CHARACTERS // MAX_TOTAL_CHARACTERS)
        )

    def billable_characters(self, text: str, text_type: str) -> int:
        """See :func:`billable_characters`."""
        return billable_characters(text, text_type)

    def character_bounds(self, text: str, text_type: str) -> tuple[int, int]:
        """See :func:`character_bounds`."""
        return character_bounds(text, text_type)

    def objections(self, text: str, text_type: str) -> Iterator[str]:
        """Name the SSML tags and attributes that the engine, or the voice, refuses."""
        if text_type != "ssml":
            return
        for tag in unsupported_ssml(text, engine=self.engine):
            yield f"the {self.engine} engine does not support {tag}; remove it or choose another engine"
        if self.engine == "neural" and self.voice not in NEWSCASTERS and "<amazon:domain" in text:
            yield f"{self.voice} has no newscaster style; remove <amazon:domain> or choose {' or '.join(NEWSCASTERS)}"


def unsupported_ssml(text: str, *, engine: str) -> Iterator[str]:
    """
    Name the tags and attributes of a well-formed SSML text that an engine refuses.

    Yields words such as ``<emphasis>`` or ``<prosody pitch>``; nothing if Polly should accept the text.
    """
    from narration.document.ssml import parse_ssml

    allowed = _SSML_TAGS[engine]
    prefixes = {"http://www.w3.org/XML/1998/namespace": "xml"}
    for element in parse_ssml(text, source="this paragraph").iter():
        if not isinstance(element.tag, str):
            continue
        name = _prefixed(element, element.tag, prefixes)
        if name not in allowed:
            yield f"<{name}>"
            continue
        for attribute, value in element.attrib.items():
            attribute_name = _prefixed(element, attribute, prefixes)
            if engine != "standard" and (name, attribute_name) in _STANDARD_ONLY_ATTRIBUTES:
                yield f"<{name} {attribute_name}>"
            if name == _EFFECT and attribute_name == "name":
                if value == "drc" and engine == "generative":
                    yield '<amazon:effect name="drc">'
                if value == "whispered" and engine != "standard":
                    yield '<amazon:effect name="whispered">'


def _prefixed(element: object, name: object, known: dict[str, str]) -> str:
    text = str(name)
    if not text.startswith("{"):
        return text
    uri, local = text[1:].split("}", 1)
    prefix = known.get(uri)
    if prefix is None:
        nsmap: dict[str | None, str] = getattr(element, "nsmap", {})
        prefix = next((p for p, u in nsmap.items() if u == uri and p), None)
    return f"{prefix}:{local}" if prefix else local
