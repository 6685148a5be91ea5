"""
What Azure's asynchronous synthesis is sent for a paragraph, what it bills for it and what it refuses.

Sources: the service's pages on SSML (structure, voice, pronunciation) for tags; its page on text to speech, "billable
characters", for the count; the Long Audio page and the page on migrating from it for what that API ignores.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from narration.document.model import SSML, DocumentError
from narration.document.ssml import KNOWN_PREFIXES, Writer, escape_attribute, parse_ssml, tag_of
from narration.synthesis.azure_choice import SPEAKING_OPTIONS
from narration.synthesis.counting import utf16_units

if TYPE_CHECKING:
    from lxml import etree

    from narration.synthesis.profile import VoiceProfile

MAX_INPUT_BYTES = 60_000
"""Bytes of one input as JSON. No limit is documented for batches; real-time synthesis takes 64 KB of SSML at once."""

_SSML_NAMESPACE = "http://www.w3.org/2001/10/synthesis"
_NAMESPACES = {"mstts": "http://www.w3.org/2001/mstts", "amazon": ""}
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_BACKGROUND = "mstts:backgroundaudio"
# What stands beside a <voice> and not inside of it.
_BESIDE_VOICE = frozenset({"voice", _BACKGROUND})

# Plain text, one paragraph a line: whatever some reader could take for the end of a line is a space, and what has no
# sound and no place in a file of text is nothing.
_LINE_END = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_SOUNDLESS = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")

_MARKUP = re.compile(
    r"""
      (?P<instruction> <\? .*? \?> )
    | (?P<free> </? (?:[\w.-]+:)? (?:speak|voice) (?=[\s/>]) (?: "[^"]*" | '[^']*' | [^<>"'] )* > )
    | (?P<comment> <!-- .*? --> )
    | <!\[CDATA\[ (?P<verbatim> .*? ) \]\]>
    | (?P<tag> < (?: "[^"]*" | '[^']*' | [^<>"'] )* > )
    """,
    re.VERBOSE | re.DOTALL,
)
_WITHOUT_CHARGE = frozenset({"instruction", "free"})
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);")
_SHAPELESS = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_NO_WORDS = "it has no words that could be sent; remove it"
_SPACE = re.compile(r"\s+")
# What Unicode calls the script Han: ideographs of all planes, radicals and the signs that stand for ideographs.
_HAN = re.compile(
    r"[\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufa6d\ufa70-\ufad9\U00020000-\U000323af]"
)

_TAGS = frozenset(
    {
        "speak",
        "voice",
        "p",
        "s",
        "break",
        "emphasis",
        "audio",
        "lang",
        "lexicon",
        "phoneme",
        "prosody",
        "say-as",
        "sub",
        "mark",
        "bookmark",
        "math",
        _BACKGROUND,
        "mstts:express-as",
        "mstts:silence",
        "mstts:viseme",
        "mstts:audioduration",
        "mstts:ttsembedding",
        "mstts:voiceconversion",
    }
)
_IGNORED_BY_LONG_AUDIO = frozenset({"audio", "lexicon"})
_MATHS = "{http://www.w3.org/1998/Math/MathML}"


def billable_characters(sent: str, text_type: str) -> int:
    """
    Estimate what Azure bills for one input, as it is sent.

    Every code point counts, Han ideographs twice. In SSML markup counts too, except for ``<speak>`` and ``<voice>``,
    and a run of white space between tags counts as one character, which is what the service's own example shows.
    The job's own count is the authority.
    """
    if text_type != SSML:
        return _weight(sent)
    return sum(
        _weight(_SPACE.sub(" ", words)) + (0 if kind in _WITHOUT_CHARGE else _weight(markup))
        for words, kind, markup in _pieces(sent)
    )


def character_bounds(sent: str, text_type: str) -> tuple[int, int]:
    """
    Give the fewest and the most characters that Azure may bill for one input, as it is sent.

    The fewest: code points; in SSML a run of white space between tags is one character (the service's own example),
    an entity the one character that it stands for, and a comment nothing. The most: UTF-16 units, so an emoji is two
    or more and an ideograph beyond the Basic Multilingual Plane twice two; in SSML white space, entities, comments and
    processing instructions as they are written (the service's own words).
    """
    if text_type != SSML:
        return _weight(sent), _most_weight(sent)
    fewest = most = 0
    for words, kind, markup in _pieces(sent):
        fewest += _weight(_ENTITY.sub("x", _SPACE.sub(" ", words)))
        most += _most_weight(words)
        if kind == "tag":
            fewest += _weight(_ENTITY.sub("x", markup))
        elif kind == "verbatim":
            fewest += _weight(_SPACE.sub(" ", markup[len("<![CDATA[") : -len("]]>")]))
        if kind != "free":
            most += _most_weight(markup)
    return fewest, most


def _pieces(ssml: str) -> Iterator[tuple[str, str, str]]:
    """Take SSML apart: the words before each piece of markup, what kind of markup it is, and the markup."""
    position = 0
    for markup in _MARKUP.finditer(ssml):
        yield ssml[position : markup.start()], markup.lastgroup or "", markup[0]
        position = markup.end()
    yield ssml[position:], "", ""


def script_characters(sent: str, text_type: str) -> int:
    """
    Count what a paragraph contributes to the more than 400 characters of a Long Audio script.

    Plain text: its characters, without the end of its line. SSML: its billable characters.
    """
    return billable_characters(sent, text_type) if text_type == SSML else len(sent)


def _has_words(sent: str, text_type: str) -> bool:
    """Tell whether there is anything in an input but white space, what has no shape, and tags that say nothing."""
    if text_type == SSML:
        sent = _MARKUP.sub(lambda markup: "" if markup["free"] else markup[0], sent)
    return any(unicodedata.category(each) not in _SHAPELESS for each in sent)


def _weight(text: str) -> int:
    return len(text) + sum(1 for _ in _HAN.finditer(text))


def _most_weight(text: str) -> int:
    return utf16_units(text) + sum(utf16_units(found[0]) for found in _HAN.finditer(text))


class AzureRules:
    """
    Azure's rules for one voice, as :func:`narration.synthesis.planning.plan_narration` asks for them.

    The same for its three APIs wherever they do the same, so that a document moves from one to another with its
    clips.

    :param profile: the voice profile; its options are the exact output format and ways of speaking.
    :param long_audio: whether the Long Audio API speaks, which ignores some tags without a word.
    """

    max_size = MAX_INPUT_BYTES

    def __init__(self, *, profile: VoiceProfile, long_audio: bool) -> None:
        self.voice = profile.voice
        self.locale = profile.language_code or locale_of(profile.voice)
        self.speaking = {name: value for name, value in profile.options if name in SPEAKING_OPTIONS}
        self.long_audio = long_audio

    def sent(self, text: str, text_type: str) -> str:
        """
        Give the input that is sent for a paragraph, on one line.

        Plain text goes as it is, without control characters. An SSML paragraph gets what Azure insists on: version,
        namespace and language, and a voice around whatever the author gave none.
        """
        if text_type == SSML:
            return _with_voice(parse_ssml(text, source="this paragraph"), voice=self.voice, locale=self.locale)
        return plain_input(text)

    def size(self, text: str, text_type: str) -> int:
        """Measure an input in bytes as JSON, as it is sent."""
        return input_bytes(self.sent(text, text_type))

    def billable_characters(self, text: str, text_type: str) -> int:
        """See :func:`billable_characters`."""
        return billable_characters(self.sent(text, text_type), text_type)

    def character_bounds(self, text: str, text_type: str) -> tuple[int, int]:
        """See :func:`character_bounds`."""
        return character_bounds(self.sent(text, text_type), text_type)

    def objections(self, text: str, text_type: str) -> Iterator[str]:
        """Name what Azure would refuse, or leave out without a word."""
        if text_type != SSML:
            if not _has_words(self.sent(text, text_type), text_type):
                yield _NO_WORDS
            return
        if self.speaking:
            yield (
                f"{', '.join(self.speaking)} can be set for plain text only; write <mstts:express-as> or <prosody> "
                "into the SSML, or leave the form's fields empty"
            )
        try:
            root = parse_ssml(text, source="this paragraph")
        except DocumentError as error:
            yield str(error)
            return
        if not _has_words(self.sent(text, text_type), text_type):
            yield _NO_WORDS
        for element in root.iter():
            if isinstance(element.tag, str) and not element.tag.startswith(_MATHS):
                yield from self._objections_to(element)

    def _objections_to(self, element: etree._Element) -> Iterator[str]:
        tag = tag_of(element)
        parent = element.getparent()
        if tag.startswith("amazon:"):
            yield f"<{tag}> is Amazon Polly's and Azure does not know it; remove it"
        elif tag not in _TAGS:
            yield f"Azure does not know <{tag}>; remove it"
        elif tag in _BESIDE_VOICE and parent is not None and tag_of(parent) != "speak":
            yield f"<{tag}> stands inside <{tag_of(parent)}>; put it directly beneath <speak>"
        elif tag == "voice" and not element.get("name"):
            yield "a <voice> has no name; Azure needs one such as en-US-JennyNeural"
        elif self.long_audio and tag == _BACKGROUND:
            yield f"the Long Audio API fails on <{tag}>; remove it, or use narrate_azure_batch"
        elif self.long_audio and tag in _IGNORED_BY_LONG_AUDIO:
            yield f"the Long Audio API leaves <{tag}> out without a word; remove it, or use narrate_azure_batch"


def plain_input(text: str) -> str:
    """Give the input that is sent for a plain paragraph: one line, without control characters."""
    return _SOUNDLESS.sub("", _LINE_END.sub(" ", text))


def locale_of(voice: str) -> str:
    """Give the locale in a voice's short name: ``zh-CN-sichuan`` of ``zh-CN-sichuan-YunxiNeural``."""
    return voice.rpartition("-")[0]


def input_bytes(sent: str) -> int:
    """Measure a text as it stands in a JSON body, in bytes with its quotation marks."""
    return len(json.dumps(sent, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def voices_in(sent: str) -> tuple[str, ...]:
    """Name the voices of an SSML input, each once, in the order in which they speak."""
    elements = parse_ssml(sent, source="this paragraph").iter()
    names = (element.get("name", "") for element in elements if tag_of(element) == "voice")
    return tuple(dict.fromkeys(name for name in names if name))


def _with_voice(root: etree._Element, *, voice: str, locale: str) -> str:
    declared = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    prefixes = "".join(
        f' xmlns:{prefix}="{escape_attribute(_NAMESPACES[prefix] if prefix in KNOWN_PREFIXES else uri)}"'
        for prefix, uri in sorted(declared.items())
        if prefix != "amazon"
    )
    language = root.get(_XML_LANG) or locale
    # A mark is not heard, and Azure's own element for it is another one, which is billed.
    writer = Writer(skip=lambda element: tag_of(element) == "mark")
    writer.tag(f'<speak version="1.0" xmlns="{_SSML_NAMESPACE}"{prefixes} xml:lang="{escape_attribute(language)}">')
    inside = False

    def within_voice(wanted: bool) -> None:
        nonlocal inside
        if wanted != inside:
            writer.tag(f'<voice name="{escape_attribute(voice)}">' if wanted else "</voice>")
            inside = wanted

    def text(words: str | None) -> None:
        if words and words.strip():
            within_voice(True)
        writer.text(words or "")

    text(root.text)
    for child in root:
        within_voice(tag_of(child) not in _BESIDE_VOICE)
        writer.element(child)
        text(child.tail)
    within_voice(False)
    writer.tag("</speak>")
    return str(writer)
