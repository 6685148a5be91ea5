"""Which espeak-ng voice stands in for each of the vendors' voices and languages."""

from __future__ import annotations

import hashlib

from include.local_cloud.speech_espeak import EngineVoice

# Polly's language codes. Where espeak-ng has no such accent, the nearest one stands in.
LANGUAGES = {
    "arb": "ar",
    "ar-AE": "ar",
    "ca-ES": "ca",
    "cmn-CN": "cmn",
    "cs-CZ": "cs",
    "cy-GB": "cy",
    "da-DK": "da",
    "de-AT": "de",
    "de-CH": "de",
    "de-DE": "de",
    "en-AU": "en",
    "en-GB": "en-GB-x-rp",
    "en-GB-WLS": "en-GB-x-gbcwmd",
    "en-IE": "en-GB-scotland",
    "en-IN": "en-029",
    "en-NZ": "en",
    "en-SG": "en-GB-x-rp",
    "en-US": "en-US",
    "en-ZA": "en-GB-x-gbclan",
    "es-ES": "es",
    "es-MX": "es-419",
    "es-US": "es-419",
    "fi-FI": "fi",
    "fr-BE": "fr-BE",
    "fr-CA": "fr",
    "fr-FR": "fr",
    "hi-IN": "hi",
    "is-IS": "is",
    "it-IT": "it",
    "ja-JP": "ja",
    "ko-KR": "ko",
    "nb-NO": "nb",
    "nl-BE": "nl",
    "nl-NL": "nl",
    "pl-PL": "pl",
    "pt-BR": "pt-BR",
    "pt-PT": "pt",
    "ro-RO": "ro",
    "ru-RU": "ru",
    "sv-SE": "sv",
    "tr-TR": "tr",
    "yue-CN": "yue",
}
FALLBACK_LANGUAGE = "en-US"
# Azure's locales and languages beyond those; where espeak-ng lacks the language, a neighbour stands in.
_MORE_LANGUAGES = {
    "af": "af",
    "am": "am",
    "ar": "ar",
    "as": "as",
    "az": "az",
    "bg": "bg",
    "bn": "bn",
    "bs": "bs",
    "el": "el",
    "es": "es-419",
    "et": "et",
    "eu": "eu",
    "fa": "fa",
    "fil": "es",
    "fr-CH": "fr-CH",
    "ga": "ga",
    "gl": "pt",
    "gu": "gu",
    "he": "he",
    "hr": "hr",
    "hu": "hu",
    "hy": "hy",
    "id": "id",
    "iu": "kl",
    "jv": "id",
    "ka": "ka",
    "kk": "kk",
    "km": "th",
    "kn": "kn",
    "lo": "th",
    "lt": "lt",
    "lv": "lv",
    "mk": "mk",
    "ml": "ml",
    "mn": "kk",
    "mr": "mr",
    "ms": "ms",
    "mt": "mt",
    "my": "my",
    "ne": "ne",
    "or": "or",
    "pa": "pa",
    "ps": "fa",
    "si": "si",
    "sk": "sk",
    "sl": "sl",
    "so": "om",
    "sq": "sq",
    "sr": "sr",
    "su": "id",
    "sw": "sw",
    "ta": "ta",
    "te": "te",
    "th": "th",
    "uk": "uk",
    "ur": "ur",
    "uz": "uz",
    "vi": "vi",
    "wuu": "cmn",
    "zh": "cmn",
    "zh-HK": "yue",
    "zu": "tn",
}

# The variants that stay easy to understand; the others croak, whisper or sing.
_FEMALE_VARIANTS = ("f1", "f2", "f3", "f4")
_MALE_VARIANTS = ("m1", "m2", "m3", "m4", "m6", "m7")
# Voices of children.
_CHILDREN = frozenset({"Ivy", "Justin", "Kevin"})


def language_name(language_code: str) -> str:
    """espeak-ng's name for a language code: the exact one, else one of the same language, else US English."""
    if language_code in LANGUAGES:
        return LANGUAGES[language_code]
    wanted = language_code.lower().partition("-")[0]
    for more in (language_code, wanted):
        if more in _MORE_LANGUAGES:
            return _MORE_LANGUAGES[more]
    for code, name in LANGUAGES.items():
        if code.lower().partition("-")[0] == wanted:
            return name
    return LANGUAGES[FALLBACK_LANGUAGE]


def engine_voice(*, voice_id: str, language_code: str, gender: str) -> EngineVoice:
    """The voice for a vendor's voice, the same on every machine and in every process.

    Gender chooses among variants; a hash of the voice's name chooses one of them, its pitch and its pace.
    """
    digest = hashlib.sha256(voice_id.encode("utf-8", "replace")).digest()
    variants = _MALE_VARIANTS if gender.lower() == "male" else _FEMALE_VARIANTS
    pitch = 38 + digest[1] % 25
    if voice_id in _CHILDREN:
        pitch += 22
    return EngineVoice(
        language=language_name(language_code),
        variant=variants[digest[0] % len(variants)],
        pitch=pitch,
        pitch_range=42 + digest[2] % 21,
        words_per_minute=158 + digest[3] % 22,
    )
