"""Pronunciation lexicons: PLS documents, per Region, with the limits of the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.regions import partition_of
from include.local_cloud.polly.voices import LANGUAGE_NAMES
from include.local_cloud.state import State

_PLS = "{http://www.w3.org/2005/01/pronunciation-lexicon}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_ALPHABETS = ("ipa", "x-sampa", "x-amazon-pinyin", "x-amazon-jyutping", "x-amazon-pron-kana", "x-amazon-yomigana")
MAX_LEXICONS = 100
MAX_CHARACTERS = 40_000
MAX_REPLACEMENT_CHARACTERS = 100
_SCHEMA = """
CREATE TABLE IF NOT EXISTS polly_lexicons (
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    alphabet TEXT NOT NULL,
    language TEXT NOT NULL,
    lexemes INTEGER NOT NULL,
    modified REAL NOT NULL,
    PRIMARY KEY (region, name)
);
"""


@dataclass(frozen=True, kw_only=True)
class LexiconFacts:
    """What the service reads from a PLS document."""

    alphabet: str
    language_code: str
    lexemes: int


def read_lexicon(content: str) -> LexiconFacts:
    """Check a PLS document.

    :raises PollyError: the limit or the rule that it breaks.
    """
    if len(content) > MAX_CHARACTERS:
        raise PollyError(
            "LexiconSizeExceededException",
            f"The lexicon has {len(content)} characters; at most {MAX_CHARACTERS} are allowed.",
        )
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise _invalid(f"it is not well-formed XML ({error.msg})") from error
    if root.tag != f"{_PLS}lexicon":
        raise _invalid("its root must be <lexicon> in the pronunciation-lexicon namespace")
    alphabet = root.get("alphabet")
    if alphabet not in _ALPHABETS:
        raise PollyError(
            "UnsupportedPlsAlphabetException",
            f"The alphabet {alphabet!r} is not supported; use {', '.join(_ALPHABETS)}.",
        )
    language_code = root.get(_XML_LANG)
    if language_code not in LANGUAGE_NAMES:
        raise PollyError("UnsupportedPlsLanguageException", f"The language {language_code!r} is not supported.")
    lexemes = root.findall(f"{_PLS}lexeme")
    for lexeme in lexemes:
        _check_lexeme(lexeme)
    return LexiconFacts(alphabet=alphabet, language_code=language_code, lexemes=len(lexemes))


def _check_lexeme(lexeme: etree._Element) -> None:
    if not any((grapheme.text or "").strip() for grapheme in lexeme.findall(f"{_PLS}grapheme")):
        raise _invalid(f"the lexeme on line {lexeme.sourceline} has no grapheme")
    replacements = [*lexeme.findall(f"{_PLS}alias"), *lexeme.findall(f"{_PLS}phoneme")]
    if not replacements:
        raise _invalid(f"the lexeme on line {lexeme.sourceline} has neither alias nor phoneme")
    for replacement in replacements:
        if len(replacement.text or "") > MAX_REPLACEMENT_CHARACTERS:
            raise PollyError(
                "MaxLexemeLengthExceededException",
                f"An alias or phoneme on line {replacement.sourceline} has more than"
                f" {MAX_REPLACEMENT_CHARACTERS} characters.",
            )


def _invalid(detail: str) -> PollyError:
    return PollyError("InvalidLexiconException", f"The lexicon is not valid: {detail}.")


class LexiconStore:
    """The lexicons of every Region."""

    def __init__(self, *, state: State) -> None:
        self._database = state.database
        self._database.executescript(_SCHEMA)

    def put(self, *, region: str, name: str, content: str, now: float) -> None:
        """Store or replace."""
        facts = read_lexicon(content)
        others = self._database.execute(
            "SELECT COUNT(*) FROM polly_lexicons WHERE region = ? AND name <> ?", (region, name)
        ).fetchone()[0]
        if others >= MAX_LEXICONS:
            raise PollyError("MaxLexiconsNumberExceededException", f"The Region holds {MAX_LEXICONS} lexicons already.")
        self._database.execute(
            "INSERT OR REPLACE INTO polly_lexicons VALUES (?, ?, ?, ?, ?, ?, ?)",
            (region, name, content, facts.alphabet, facts.language_code, facts.lexemes, now),
        )

    def get(self, *, region: str, account: str, name: str) -> dict[str, Any]:
        row = self._find(region, name)
        return {
            "Lexicon": {"Content": row["content"], "Name": name},
            "LexiconAttributes": _attributes(row, account=account),
        }

    def list(self, *, region: str, account: str) -> list[dict[str, Any]]:
        rows = self._database.execute("SELECT * FROM polly_lexicons WHERE region = ? ORDER BY name", (region,))
        return [{"Name": row["name"], "Attributes": _attributes(row, account=account)} for row in rows]

    def delete(self, *, region: str, name: str) -> None:
        self._find(region, name)
        self._database.execute("DELETE FROM polly_lexicons WHERE region = ? AND name = ?", (region, name))

    def contents(self, *, region: str, names: tuple[str, ...], language_code: str) -> tuple[str, ...]:
        """The lexicons that apply: all must exist, and those of another language do nothing."""
        rows = [self._find(region, name) for name in names]
        return tuple(row["content"] for row in rows if row["language"] == language_code)

    def _find(self, region: str, name: str) -> Any:
        row = self._database.execute(
            "SELECT * FROM polly_lexicons WHERE region = ? AND name = ?", (region, name)
        ).fetchone()
        if row is None:
            raise PollyError("LexiconNotFoundException", f"The lexicon {name} was not found in the Region {region}.")
        return row


def _attributes(row: Any, *, account: str) -> dict[str, Any]:
    region = row["region"]
    return {
        "Alphabet": row["alphabet"],
        "LanguageCode": row["language"],
        "LastModified": round(row["modified"], 3),
        "LexiconArn": f"arn:{partition_of(region)}:polly:{region}:{account}:lexicon/{row['name']}",
        "LexemesCount": row["lexemes"],
        "Size": len(row["content"].encode()),
    }
