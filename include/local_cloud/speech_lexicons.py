"""Pronunciation lexicons (W3C PLS 1.0): which written forms are read as what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from include.local_cloud.speech_phonemes import engine_phonemes

_NAMESPACE = "{http://www.w3.org/2005/01/pronunciation-lexicon}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, kw_only=True)
class Pronunciation:
    """How a written form is read: as other words, or as phonemes in the engine's notation."""

    alias: str = ""
    phonemes: str = ""


class Lexicon:
    """The lexemes of several lexicons that are in a voice's language.

    A written form is matched as whole words and with its capitals, as Polly does. Where several lexicons read one
    form, the first lexicon counts, and in it the first lexeme. A phoneme that the engine cannot say is left out: the
    form is then read as it would be without a lexicon.

    :param documents: the lexicons' XML
    :param language_code: lexicons in any other language are ignored
    """

    def __init__(self, documents: tuple[str, ...], *, language_code: str) -> None:
        self._pronunciations: dict[str, Pronunciation] = {}
        for document in documents:
            root = ElementTree.fromstring(document.encode("utf-8", "replace"))
            if root.get(_LANGUAGE, "").lower() == language_code.lower():
                self._read(root, language_code=language_code)
        forms = sorted(self._pronunciations, key=len, reverse=True)
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, forms)) + r")(?!\w)") if forms else None

    def find(self, text: str) -> Iterator[tuple[tuple[int, int], Pronunciation]]:
        """Every written form in a text, with its place and pronunciation."""
        if self._pattern is not None:
            for found in self._pattern.finditer(text):
                yield found.span(), self._pronunciations[found[0]]

    def _read(self, root: ElementTree.Element, *, language_code: str) -> None:
        alphabet = root.get("alphabet", "ipa")
        for lexeme in root.iter(f"{_NAMESPACE}lexeme"):
            pronunciation = _pronunciation(lexeme, alphabet=alphabet, language_code=language_code)
            if pronunciation is None:
                continue
            for grapheme in lexeme.iter(f"{_NAMESPACE}grapheme"):
                form = (grapheme.text or "").strip()
                if form:
                    self._pronunciations.setdefault(form, pronunciation)


def _pronunciation(lexeme: ElementTree.Element, *, alphabet: str, language_code: str) -> Pronunciation | None:
    for element in lexeme:
        content = (element.text or "").strip()
        if element.tag == f"{_NAMESPACE}alias" and content:
            return Pronunciation(alias=content)
        if element.tag == f"{_NAMESPACE}phoneme" and content:
            phonemes = engine_phonemes(content, alphabet=element.get("alphabet", alphabet), language_code=language_code)
            if phonemes:
                return Pronunciation(phonemes=phonemes)
    return None
