"""Azure's neural voices: who they are, and how the two lists of the service show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.local_cloud.azure.voices_locales import locale_name
from include.local_cloud.azure.voices_roster import PREVIEW, ROLES, ROSTER, STYLES
from include.local_cloud.speech_voices import engine_voice

_MULTILINGUAL = "Multilingual"
# The locales that the first multilingual voice was announced with.
_SECONDARY_LOCALES = (
    "de-DE",
    "en-AU",
    "en-CA",
    "en-GB",
    "en-US",
    "es-ES",
    "es-MX",
    "fr-CA",
    "fr-FR",
    "it-IT",
    "ja-JP",
    "ko-KR",
    "pt-BR",
    "zh-CN",
)
_DISPLAY_NAMES = {"ko-KR-SunHiNeural": "Sun-Hi", "ps-AF-GulNawazNeural": "Gul Nawaz"}
# The list of Long Audio says when each voice was made, which nothing documents for most of them.
_CREATED = "2020-05-21T05:57:39.123Z"


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One public neural voice.

    :param name: the short name that requests use, such as ``en-US-AriaNeural``.
    :param gender: ``Female`` or ``Male``.
    :param local_name: the name in the voice's own language.
    :param styles: of ``mstts:express-as``.
    :param roles: of the same element.
    """

    name: str
    locale: str
    gender: str
    display_name: str
    local_name: str
    styles: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def is_multilingual(self) -> bool:
        return _MULTILINGUAL in self.name

    def described(self) -> dict[str, Any]:
        """The object of the voices list: every number is a string, and what the voice lacks is left out."""
        engine = engine_voice(voice_id=self.name, language_code=self.locale, gender=self.gender)
        last = self.name[len(self.locale) + 1 :]
        described: dict[str, Any] = {
            "Name": f"Microsoft Server Speech Text to Speech Voice ({self.locale}, {last})",
            "DisplayName": self.display_name,
            "LocalName": self.local_name,
            "ShortName": self.name,
            "Gender": self.gender,
            "Locale": self.locale,
            "LocaleName": locale_name(self.locale),
        }
        if self.styles:
            described["StyleList"] = list(self.styles)
        if self.is_multilingual:
            described["SecondaryLocaleList"] = [locale for locale in _SECONDARY_LOCALES if locale != self.locale]
        described |= {
            "SampleRateHertz": "48000",
            "VoiceType": "Neural",
            "Status": "Preview" if self.name in PREVIEW else "GA",
        }
        if self.roles:
            described["RolePlayList"] = list(self.roles)
        # The pace of the voice that stands in, so that an estimate made from it holds here.
        return described | {"WordsPerMinute": str(engine.words_per_minute)}

    def as_model(self) -> dict[str, Any]:
        """The object in Long Audio's own list."""
        properties: dict[str, Any] = {"publicAvailable": True}
        if self.styles:
            properties["styles"] = [{"name": style} for style in self.styles]
        if self.roles:
            properties["roles"] = [{"name": role} for role in self.roles]
        return {
            "locale": self.locale,
            "voiceName": self.name,
            "description": "",
            "gender": self.gender,
            "createdDateTime": _CREATED,
            "properties": properties,
        }


def _read_roster() -> dict[str, Voice]:
    styles, roles = _expressions(STYLES), _expressions(ROLES)
    voices = []
    for line in ROSTER.strip().splitlines():
        locale, *words = line.split()
        gender = ""
        for word in words:
            if word in {"F", "M"}:
                gender = {"F": "Female", "M": "Male"}[word]
                continue
            plain, _, local = word.partition("=")
            name = f"{locale}-{plain}Neural"
            display = _DISPLAY_NAMES.get(name, plain.replace(_MULTILINGUAL, f" {_MULTILINGUAL}"))
            voices.append(
                Voice(
                    name=name,
                    locale=locale,
                    gender=gender,
                    display_name=display,
                    local_name=local.replace("_", " ") or display,
                    styles=styles.get(name, ()),
                    roles=roles.get(name, ()),
                )
            )
    return {voice.name: voice for voice in sorted(voices, key=lambda voice: (voice.locale, voice.name))}


def _expressions(table: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in table.strip().splitlines():
        names, _, words = line.partition(":")
        for name in names.split():
            found[f"{name}Neural"] = (*found.get(f"{name}Neural", ()), *words.split())
    return found


VOICES = _read_roster()
_BY_LOWER_NAME = {name.lower(): voice for name, voice in VOICES.items()}
_BY_LOWER_FULL_NAME = {voice.described()["Name"].lower(): voice for voice in VOICES.values()}


def find_voice(name: str) -> Voice | None:
    """The voice with this short name or full name, in any letter case: the vendor's own clients write ``en-us-…``."""
    wanted = name.strip().lower()
    return _BY_LOWER_NAME.get(wanted) or _BY_LOWER_FULL_NAME.get(wanted)


def voices_list() -> list[dict[str, Any]]:
    """The bare array that ``GET …/cognitiveservices/voices/list`` answers."""
    return [voice.described() for voice in VOICES.values()]
