"""Which short lines of a plain text are headings, in the languages that Polly and Azure speak most."""

from __future__ import annotations

import re
from dataclasses import dataclass

from narration.document.layout import Block

# A heading with its title is short; what is longer is a sentence that happens to begin with "Chapter".
_LONGEST_HEADING = 160
_LONGEST_TITLE_ROW = 120


def _words(text: str) -> list[str]:
    return text.split()


_VOLUMES = "volume vol tome tomo band bind том"
_BOOKS = "book buch livre libro livro boek bok книга"
_PARTS = "part teil partie parte deel del część часть act akt acte acto atto epoch"
_CHAPTERS = (
    "chapter chap kapitel chapitre capítulo capitulo capitolo hoofdstuk kapittel kapitola rozdział глава luku capitol "
    "capitolul poglavlje bölüm κεφάλαιο caput letter stave canto episode adventure lecture lesson essay sermon"
)
_SCENES = "scene szene scène escena scena"

_LEVELS: dict[str, int] = {
    word: level for level, words in enumerate((_VOLUMES, _BOOKS, _PARTS, _CHAPTERS, _SCENES)) for word in words.split()
}
CHAPTER_LEVEL = 3
# Words of other languages than English: what follows may be any one word ("Chapitre premier", "Kapitel eins").
_ENGLISH = _words(
    "volume vol book part act epoch chapter chap letter stave canto episode adventure lecture lesson essay sermon "
    "scene band bind del deel"
)
_FOREIGN = frozenset(_LEVELS) - frozenset(_ENGLISH)

_SINGLE = (
    "prologue prolog epilogue epilog preface foreword introduction afterword interlude conclusion acknowledgements "
    "acknowledgments acknowledgement acknowledgment appendix postscript introductory "
    "vorwort nachwort einleitung zwischenspiel anhang danksagung épilogue préface avant-propos postface "
    "prólogo epílogo prefacio prefácio introducción introdução prologo epilogo prefazione introduzione "
    "proloog epiloog voorwoord nawoord inleiding förord efterord inledning пролог эпилог предисловие послесловие "
    "prólogus epilógus "
    "序 序章 序言 序幕 前言 引子 楔子 尾声 尾聲 后记 後記 終章 终章 あとがき まえがき プロローグ エピローグ"
)
_CONTENTS = (
    "contents|table of contents|list of illustrations|illustrations|inhalt|inhaltsverzeichnis|table des matières|"
    "table|índice|indice|sommario|sumário|inhoud|inhoudsopgave|innehåll|содержание|оглавление|目录|目錄|目次"
)

_UNITS = _words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth last"
)
_FOREIGN_ORDINALS = (
    r"erste|zweite|dritte|vierte|fünfte|sechste|siebte|siebente|achte|neunte|zehnte|elfte|zwölfte|letzte"
    r"|premi[eè]re?|deuxième|seconde?|troisième|quatrième|cinquième|sixième|septième|huitième|neuvième|dixième|derni[eè]re?"
    r"|primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa]|sext[oa]|séptim[oa]|octav[oa]|noven[oa]|décim[oa]|últim[oa]"
    r"|primeir[oa]|terceir[oa]|quart[oa]|prim[oa]|terz[oa]|sest[oa]|settim[oa]|ottav[oa]|non[oa]|decim[oa]|ultim[oa]"
    r"|eerste|tweede|derde|vierde|vijfde|zesde|zevende|achtste|negende|tiende|laatste|första|andra|tredje"
)
_CARDINAL = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_UNITS[:9])}))?|{'|'.join(_UNITS)})"
ROMAN = r"(?=[IVXLC])(?:XC|XL|L?X{0,3}|C{1,2}(?:XC|XL|L?X{0,3}))(?:IX|IV|V?I{0,3})"
_NUMBER = (
    rf"(?:\d{{1,4}}|{ROMAN}\b|(?i:{ROMAN}\b|{_CARDINAL}\b|the\s+(?:{'|'.join(_ORDINALS)})\b|{'|'.join(_ORDINALS)}\b))"
)

_WORDS = "|".join(sorted(map(re.escape, _LEVELS), key=len, reverse=True))
# "CHAPTER XIV. A Title", "Part Two: …", "Chapter 3 The Storm"
_KEYWORD_FIRST = re.compile(rf"(?P<word>(?i:{_WORDS}))\b\.?\s+(?P<number>{_NUMBER})(?P<rest>.*)")
# "Chapitre premier"
_KEYWORD_AND_WORD = re.compile(rf"(?P<word>(?i:{'|'.join(sorted(_FOREIGN, key=len, reverse=True))}))\s+\w{{2,15}}[.:]?")
# "THE FIRST CHAPTER", "Book the Third" is above; "Erstes Kapitel", "Primera parte", "3. Kapitel", "1. Bölüm"
_NUMBER_FIRST = re.compile(
    rf"(?:(?i:the\s+)?(?i:{'|'.join(_ORDINALS[:-1])})|(?i:{_FOREIGN_ORDINALS})[rsnm]?|\d{{1,3}}\.)"
    rf"\s+(?P<word>(?i:{_WORDS}))\b(?P<rest>.*)"
)
_CHINESE = re.compile(
    r"第\s*[\d０-９一二三四五六七八九十百千〇零两兩]+\s*(?P<word>[章回节節卷部话話幕篇集])(?P<rest>.{0,40})"
)
_KOREAN = re.compile(r"제\s*\d+\s*(?P<word>[장부화편])(?P<rest>.{0,40})")
_SINGLE_WORD = re.compile(
    rf"(?i:(?P<word>{'|'.join(sorted(map(re.escape, _SINGLE.split()), key=len, reverse=True))}))(?P<rest>\W.*)?"
)
# Every line of a book is asked whether it is a heading; nearly all can be told that they are not from these alone.
_FIRST_WORDS = re.compile(r"\w+")
_TELLING = frozenset(_FIRST_WORDS.findall(f"{_WORDS} {_SINGLE}".lower()))
_TELLING_SIGNS = ("#", "第", "제")
_MARKDOWN = re.compile(r"(?P<marks>#{1,6})\s+(?P<text>\S.*?)\s*#*")
_CONTENTS_LINE = re.compile(rf"\W*(?i:{_CONTENTS})\W*")
_NUMERAL = re.compile(rf"(?P<number>{ROMAN}|\d{{1,3}}|(?i:{_CARDINAL}))(?P<rest>(?:[.:)—–-].*)?)")
_LEADERS = re.compile(r"(?:\s*[.·…]){2,}\s*[\divxlcIVXLC]*\Z|\s{3,}[\divxlc]+\Z|\s+\d{1,4}\Z")


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A recognised heading.

    :param text: what is spoken, without Markdown's marks
    :param kind: the word or sign that makes it a heading; headings of one chapter never repeat a kind
    :param level: the smaller, the more it spans: volume 0, book 1, part 2, chapter 3, scene 4, Markdown's third level
        and below 5 (spoken as a heading, opens no chapter)
    :param has_title: a title stands on the same line, so that none is looked for on the next
    """

    text: str
    kind: str
    level: int
    has_title: bool

    @property
    def opens_chapter(self) -> bool:
        return self.level < 5


def recognise(row: str) -> Heading | None:
    """Recognise a line that is a heading by its words alone, wherever it stands.

    >>> recognise("CHAPTER XIV. A Title").kind
    'chapter'
    >>> recognise("Chapter 3 of his book was dull.") is None
    True
    """
    first_words = _FIRST_WORDS.findall(row[:80].lower())[:3]
    if _TELLING.isdisjoint(first_words) and not row.lstrip().startswith(_TELLING_SIGNS):
        return None
    text = " ".join(row.split())
    if not text or len(text) > _LONGEST_HEADING:
        return None
    marked = _MARKDOWN.fullmatch(text)
    if marked is not None:
        return _markdown(marked)
    for pattern in (_KEYWORD_FIRST, _NUMBER_FIRST):
        match = pattern.fullmatch(text)
        if match is not None and (_is_title(match["rest"]) or not match["rest"]):
            word = match["word"].lower()
            return Heading(text=text, kind=word, level=_LEVELS[word], has_title=bool(match["rest"].strip(" .:")))
    match = _KEYWORD_AND_WORD.fullmatch(text)
    if match is not None and match["word"][0].isupper():
        word = match["word"].lower()
        return Heading(text=text, kind=word, level=_LEVELS[word], has_title=False)
    match = _CHINESE.fullmatch(text) or _KOREAN.fullmatch(text)
    if match is not None and not match["rest"].rstrip().endswith(("。", "，", ".", ",")):
        level = 2 if match["word"] in "卷部부" else CHAPTER_LEVEL
        return Heading(text=text, kind=match["word"], level=level, has_title=bool(match["rest"].strip()))
    match = _SINGLE_WORD.fullmatch(text)
    if match is not None and (match["word"][0].isupper() or not match["word"].isascii()):
        rest = match["rest"] or ""
        if not rest.strip(" .:") or (_SEPARATOR.match(rest) and _is_title(rest)):
            title = bool(rest.strip(" .:"))
            return Heading(text=text, kind=match["word"].lower(), level=CHAPTER_LEVEL, has_title=title)
    return None


_SEPARATOR = re.compile(r"\s*[.:—–-]+\s*")


def _is_title(rest: str) -> bool:
    """Tell whether what follows "Chapter 3" on its line is a title and not the rest of a sentence."""
    separator = _SEPARATOR.match(rest)
    title = rest[separator.end() :] if separator else rest.strip()
    if not title:
        return True
    if not separator and not rest[0].isspace():
        return False
    if separator:
        short = len(title) <= 80 or title.isupper() or looks_like_title(title.rstrip("."))
        return short and not title.endswith((",", ";"))
    opening = title.lstrip("“”\"'‘’«(¿¡")[:1]
    return bool(opening) and not opening.islower() and (not title.endswith((".", ",", ";", ":")) or title.isupper())


def _markdown(match: re.Match[str]) -> Heading | None:
    depth, text = len(match["marks"]), match["text"]
    if not any(character.isalnum() for character in text):
        return None
    inner = recognise(text) if not text.startswith("#") else None
    if inner is not None and depth <= 2:
        return inner
    level = {1: 2, 2: CHAPTER_LEVEL}.get(depth, 5)
    return Heading(text=text, kind=f"markdown {depth}", level=level, has_title=True)


def stands_alone(row: str) -> bool:
    """Tell whether a line is a heading, or opens a contents list, even without blank lines around it."""
    return recognise(row) is not None or (len(row) < 40 and row.isupper() and is_contents(row))


def is_contents(row: str) -> bool:
    """Tell whether a line announces a list of contents."""
    return _CONTENTS_LINE.fullmatch(row) is not None and (row.strip(" .:_*").istitle() or not row.islower())


def is_title_row(block: Block, *, after: Heading, direct: bool) -> bool:
    """Tell whether the block below a heading is that heading's title.

    :param block: what follows
    :param after: the heading
    :param direct: the block follows without a blank line in a text that has blank lines between paragraphs
    """
    text = block.text
    if after.has_title or len(block.rows) > 3 or len(text) > _LONGEST_TITLE_ROW or recognise(text) is not None:
        return False
    if block.gap_before > 2 or text[:1].islower() or text[:1] in "-•*([":
        return False
    if direct:
        return not text.endswith((",", ";", ":", "”", '"', "»", "?”", "!”"))
    return len(block.rows) == 1 and len(text) <= 70 and (looks_like_title(text) or text.isupper())


def looks_like_title(text: str) -> bool:
    """Tell whether a line is written as titles are: no sentence end, most of its longer words capitalised."""
    if text.endswith((".", ",", ";", ":", "!”", "?”", ".”", '"', "”", "…", "—")) and not text.isupper():
        return False
    words = [word for word in re.findall(r"[^\W\d_][\w'’]*", text) if len(word) > 3]
    capitalised = sum(not word[0].islower() for word in words)
    first = next((character for character in text if character.isalpha()), "")
    return bool(first) and not first.islower() and capitalised >= 0.6 * len(words)


def numeral(text: str) -> tuple[int, str] | None:
    """Read a number standing alone, or before a title: ``("XIV. A Title")`` -> ``(14, "A Title")``."""
    match = _NUMERAL.fullmatch(text)
    if match is None:
        return None
    title = match["rest"].lstrip(".:)—–- ")
    if title and (len(text) > 80 or not (looks_like_title(title.rstrip(".")) or title.isupper())):
        return None
    return _value(match["number"]), title


def _value(number: str) -> int:
    if number.isdigit():
        return int(number)
    if re.fullmatch(ROMAN, number):
        digits = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in number]
        return sum(-a if a < b else a for a, b in zip(digits, [*digits[1:], 0], strict=True))
    tens, _, units = number.lower().replace("-", " ").partition(" ")
    if tens in _TENS:
        return 10 * (_TENS.index(tens) + 2) + (_UNITS.index(units) + 1 if units else 0)
    return _UNITS.index(tens) + 1


def same_words(text: str) -> str:
    """Reduce a heading or a line of a contents list to what the two have in common: words, no leaders, no page."""
    found = recognise(text)
    if found is None or found.has_title:
        text = _LEADERS.sub("", text)
    return " ".join(re.findall(r"\w+", text.casefold()))


def is_list_entry(row: str) -> bool:
    """Tell whether a line may stand in a list of contents: short, and no sentence."""
    if len(row) > _LONGEST_HEADING or row[:1].islower():
        return False
    if row.endswith("."):
        row = row if row.isupper() else row[:-1]
        return row.isupper() or recognise(row) is not None or looks_like_title(row)
    return (
        recognise(row) is not None
        or _LEADERS.search(row) is not None
        or not row.endswith(("!", "?", "”", '"', ",", ";", ":"))
    )
