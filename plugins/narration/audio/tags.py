"""The words written into the finished files: title, people, language, chapter titles."""

from __future__ import annotations

from dataclasses import dataclass

# ISO 639-1 to 639-2/T: ID3v2 (frame TLAN) and MP4 both want three letters, documents and voices give two.
# The list covers the languages that Amazon Polly and Azure Speech have voices for.
_LANGUAGES = """
    af:afr am:amh ar:ara as:asm az:aze be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell
    en:eng es:spa et:est eu:eus fa:fas fi:fin fr:fra ga:gle gl:glg gu:guj he:heb hi:hin hr:hrv hu:hun hy:hye
    id:ind is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor lo:lao lt:lit lv:lav mk:mkd
    ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya nb:nob ne:nep nl:nld nn:nno no:nor or:ori pa:pan pl:pol ps:pus
    pt:por ro:ron ru:rus si:sin sk:slk sl:slv so:som sq:sqi sr:srp su:sun sv:swe sw:swa ta:tam te:tel th:tha
    tr:tur uk:ukr ur:urd uz:uzb vi:vie wuu:wuu yue:yue zh:zho zu:zul arb:ara cmn:zho fil:fil
"""
_THREE_LETTERS = dict(pair.split(":") for pair in _LANGUAGES.split())


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What players show about the narration.

    :param title: of the narration
    :param author: who wrote the text
    :param album: defaults to the title
    :param language: BCP 47 tag such as ``en-GB``, or a language code of two or three letters
    :param narrator: the voice; written as composer, where audiobook players look for it
    :param comment: anything else, for example that the voice is synthetic
    """

    title: str
    author: str | None = None
    album: str | None = None
    language: str | None = None
    narrator: str | None = None
    comment: str | None = None

    @property
    def language_code(self) -> str | None:
        """Language in three letters (ISO 639-2), or None if it is not known."""
        if not self.language:
            return None
        primary = self.language.replace("_", "-").split("-")[0].lower()
        if primary in _THREE_LETTERS:
            return _THREE_LETTERS[primary]
        return primary if len(primary) == 3 and primary.isascii() and primary.isalpha() else None

    def as_metadata(self) -> dict[str, str]:
        """Return the tags under FFmpeg's generic names, without those that are unknown."""
        words = {
            "title": self.title,
            "artist": self.author,
            "album_artist": self.author,
            "album": self.album or self.title,
            "composer": self.narrator,
            "comment": self.comment,
            "genre": "Audiobook",
        }
        return {name: text for name, word in words.items() if (text := one_line(word or ""))}


def one_line(text: str) -> str:
    """Replace line breaks and control characters, which ID3 takes for the end of a text, by single spaces."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
