"""The voices: who they are, what they speak, and with which engines (developer guide 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.local_cloud.polly.regions import ENGINES, engines_in

LANGUAGE_NAMES = {
    "arb": "Arabic",
    "ar-AE": "Gulf Arabic",
    "ca-ES": "Catalan",
    "cmn-CN": "Chinese Mandarin",
    "cs-CZ": "Czech",
    "cy-GB": "Welsh",
    "da-DK": "Danish",
    "de-AT": "Austrian German",
    "de-CH": "Swiss Standard German",
    "de-DE": "German",
    "en-AU": "Australian English",
    "en-GB": "British English",
    "en-GB-WLS": "Welsh English",
    "en-IE": "Irish English",
    "en-IN": "Indian English",
    "en-NZ": "New Zealand English",
    "en-SG": "Singaporean English",
    "en-US": "US English",
    "en-ZA": "South African English",
    "es-ES": "Castilian Spanish",
    "es-MX": "Mexican Spanish",
    "es-US": "US Spanish",
    "fi-FI": "Finnish",
    "fr-BE": "Belgian French",
    "fr-CA": "Canadian French",
    "fr-FR": "French",
    "hi-IN": "Hindi",
    "is-IS": "Icelandic",
    "it-IT": "Italian",
    "ja-JP": "Japanese",
    "ko-KR": "Korean",
    "nb-NO": "Norwegian",
    "nl-BE": "Belgian Dutch",
    "nl-NL": "Dutch",
    "pl-PL": "Polish",
    "pt-BR": "Brazilian Portuguese",
    "pt-PT": "Portuguese",
    "ro-RO": "Romanian",
    "ru-RU": "Russian",
    "sv-SE": "Swedish",
    "tr-TR": "Turkish",
    "yue-CN": "Cantonese",
}

# Language, gender, and per voice the engines: s(tandard) n(eural) l(ong-form) g(enerative).
_ROSTER = """
arb       F Zeina:s
ar-AE     F Hala:n
ar-AE     M Zayd:n
ca-ES     F Arlet:n
cmn-CN    F Zhiyu:sn
cs-CZ     F Jitka:n
cy-GB     F Gwyneth:s
da-DK     F Naja:s Sofie:n
da-DK     M Mads:s
de-AT     F Hannah:ng
de-CH     F Sabrina:ng
de-DE     F Marlene:s Vicki:sng
de-DE     M Hans:s Daniel:ng Lennart:g
en-AU     F Nicole:s Olivia:ng
en-AU     M Russell:s
en-GB     F Amy:sng Emma:sn
en-GB     M Brian:sng Arthur:n
en-GB-WLS M Geraint:s
en-IE     F Niamh:ng
en-IN     F Aditi:s Raveena:s Kajal:ng
en-NZ     F Aria:ng
en-SG     F Jasmine:ng
en-US     F Danielle:nlg Ivy:sn Joanna:sng Kendra:sn Kimberly:sn Ruth:nlg Salli:sng Tiffany:g
en-US     M Gregory:nl Joey:sn Justin:sn Kevin:n Matthew:sng Patrick:l Stephen:ng
en-ZA     F Ayanda:ng
es-ES     F Alba:l Conchita:s Lucia:sng
es-ES     M Enrique:s Raul:l Sergio:ng
es-MX     F Mia:sng
es-MX     M Andres:ng
es-US     F Lupe:sng Penelope:s
es-US     M Miguel:s Pedro:ng
fi-FI     F Suvi:n
fr-BE     F Isabelle:ng
fr-CA     F Chantal:s Gabrielle:ng
fr-CA     M Liam:ng
fr-FR     F Ambre:g Celine:sg Lea:sng
fr-FR     M Florian:g Mathieu:s Remi:ng
is-IS     F Dora:s
is-IS     M Karl:s
it-IT     F Beatrice:g Bianca:sng Carla:s
it-IT     M Adriano:n Giorgio:s Lorenzo:g
ja-JP     F Kazuha:n Mizuki:s Tomoko:n
ja-JP     M Takumi:sn
ko-KR     F Jihye:n Seoyeon:sng
nb-NO     F Ida:n Liv:s
nl-BE     F Lisa:ng
nl-NL     F Laura:ng Lotte:s
nl-NL     M Ruben:s
pl-PL     F Ewa:sg Maja:s Ola:ng
pl-PL     M Jacek:s Jan:s
pt-BR     F Camila:sng Vitoria:sn
pt-BR     M Ricardo:s Thiago:n
pt-PT     F Ines:sn
pt-PT     M Cristiano:s
ro-RO     F Carmen:s
ru-RU     F Tatyana:s
ru-RU     M Maxim:s
sv-SE     F Astrid:s Elin:n
tr-TR     F Burcu:n Filiz:s
yue-CN    F Hiujin:n
"""
_ENGINE_LETTERS = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}
_NAMES = {
    "Andres": "Andrés",
    "Celine": "Céline",
    "Dora": "Dóra",
    "Ines": "Inês",
    "Lea": "Léa",
    "Mia": "Mía",
    "Penelope": "Penélope",
    "Raul": "Raúl",
    "Remi": "Rémi",
    "Vitoria": "Vitória",
}
_ADDITIONAL_LANGUAGES = {"Aditi": ("hi-IN",), "Kajal": ("hi-IN",)}
# Ids that the API's enumeration has, though no page found says what they speak or with which engine.
UNDESCRIBED_VOICES = ("Arjun", "Carlos", "Carolina", "Curtis", "Hyunduk", "Kenneth", "Kiara", "Leo", "Nate", "Tina")
NEWSCASTERS = frozenset({"Amy", "Joanna", "Lupe", "Matthew"})


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One voice, as DescribeVoices knows it."""

    id: str
    name: str
    gender: str
    language_code: str
    additional_language_codes: tuple[str, ...]
    engines: tuple[str, ...]

    def speaks(self, language_code: str) -> bool:
        return language_code == self.language_code or language_code in self.additional_language_codes

    def describe(self, *, region: str) -> dict[str, Any]:
        """The API's object; engines that the Region lacks are left out."""
        described: dict[str, Any] = {
            "Gender": self.gender,
            "Id": self.id,
            "LanguageCode": self.language_code,
            "LanguageName": LANGUAGE_NAMES[self.language_code],
            "Name": self.name,
            "SupportedEngines": [engine for engine in self.engines if engine in engines_in(region)],
        }
        if self.additional_language_codes:
            described["AdditionalLanguageCodes"] = list(self.additional_language_codes)
        return described


def _read_roster() -> dict[str, Voice]:
    voices = {}
    for line in _ROSTER.strip().splitlines():
        language_code, gender, *entries = line.split()
        for entry in entries:
            voice_id, _, letters = entry.partition(":")
            voices[voice_id] = Voice(
                id=voice_id,
                name=_NAMES.get(voice_id, voice_id),
                gender={"F": "Female", "M": "Male"}[gender],
                language_code=language_code,
                additional_language_codes=_ADDITIONAL_LANGUAGES.get(voice_id, ()),
                engines=tuple(
                    engine for engine in ENGINES if engine in {_ENGINE_LETTERS[letter] for letter in letters}
                ),
            )
    return voices


VOICES = _read_roster()
VOICE_IDS = (*VOICES, *UNDESCRIBED_VOICES)


def describe_voices(
    *, region: str, engine: str | None, language_code: str | None, include_additional: bool
) -> list[dict[str, Any]]:
    """The voices that the Region offers, those of one engine or language when asked so."""
    described = []
    for voice in VOICES.values():
        offered = [candidate for candidate in voice.engines if candidate in engines_in(region)]
        if not offered or (engine is not None and engine not in offered):
            continue
        heard = voice.speaks(language_code) if include_additional and language_code else None
        if language_code is not None and language_code != voice.language_code and not heard:
            continue
        described.append(voice.describe(region=region))
    return described
