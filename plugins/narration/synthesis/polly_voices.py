"""
The voices of Amazon Polly, for forms and for refusing nonsense before anything is read.

Taken from the Polly Developer Guide's voice tables (standard, neural, long-form, generative), 2026. ``DescribeVoices``
is the authority on what an account's Region offers and is asked before anything is bought. A voice newer than this
table has to be added to it before it can be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PollyVoice:
    """
    One voice.

    :param voice_id: the id that the API takes.
    :param language_code: its own language.
    :param gender: ``female`` or ``male``.
    :param engines: the engines that speak it.
    :param more_languages: further languages of a bilingual voice.
    """

    voice_id: str
    language_code: str
    gender: str
    engines: tuple[str, ...]
    more_languages: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Describe the voice for a person: language, gender, engines."""
        language = LANGUAGES[self.language_code]
        return f"{language}: {self.voice_id} ({self.gender}; {', '.join(self.engines)})"


LANGUAGES = {
    "ar-AE": "Arabic (Gulf)",
    "arb": "Arabic",
    "ca-ES": "Catalan",
    "cmn-CN": "Chinese (Mandarin)",
    "cs-CZ": "Czech",
    "cy-GB": "Welsh",
    "da-DK": "Danish",
    "de-AT": "German (Austria)",
    "de-CH": "German (Switzerland)",
    "de-DE": "German",
    "en-AU": "English (Australia)",
    "en-GB": "English (Britain)",
    "en-GB-WLS": "English (Wales)",
    "en-IE": "English (Ireland)",
    "en-IN": "English (India)",
    "en-NZ": "English (New Zealand)",
    "en-SG": "English (Singapore)",
    "en-US": "English (US)",
    "en-ZA": "English (South Africa)",
    "es-ES": "Spanish (Spain)",
    "es-MX": "Spanish (Mexico)",
    "es-US": "Spanish (US)",
    "fi-FI": "Finnish",
    "fr-BE": "French (Belgium)",
    "fr-CA": "French (Canada)",
    "fr-FR": "French",
    "hi-IN": "Hindi",
    "is-IS": "Icelandic",
    "it-IT": "Italian",
    "ja-JP": "Japanese",
    "ko-KR": "Korean",
    "nb-NO": "Norwegian",
    "nl-BE": "Dutch (Belgium)",
    "nl-NL": "Dutch",
    "pl-PL": "Polish",
    "pt-BR": "Portuguese (Brazil)",
    "pt-PT": "Portuguese",
    "ro-RO": "Romanian",
    "ru-RU": "Russian",
    "sv-SE": "Swedish",
    "tr-TR": "Turkish",
    "yue-CN": "Chinese (Cantonese)",
}
"""Polly's language codes, with names for people."""

_TABLE = """
Zeina arb female standard
Hala ar-AE female neural
Zayd ar-AE male neural
Arlet ca-ES female neural
Hiujin yue-CN female neural
Zhiyu cmn-CN female standard,neural
Jitka cs-CZ female neural
Mads da-DK male standard
Naja da-DK female standard
Sofie da-DK female neural
Laura nl-NL female neural,generative
Lotte nl-NL female standard
Ruben nl-NL male standard
Lisa nl-BE female neural,generative
Nicole en-AU female standard
Olivia en-AU female neural,generative
Russell en-AU male standard
Amy en-GB female standard,neural,generative
Arthur en-GB male neural
Brian en-GB male standard,neural,generative
Emma en-GB female standard,neural
Aditi en-IN female standard hi-IN
Kajal en-IN female neural,generative hi-IN
Raveena en-IN female standard
Niamh en-IE female neural,generative
Aria en-NZ female neural,generative
Jasmine en-SG female neural,generative
Ayanda en-ZA female neural,generative
Danielle en-US female neural,long-form,generative
Gregory en-US male neural,long-form
Ivy en-US female standard,neural
Joanna en-US female standard,neural,generative
Joey en-US male standard,neural
Justin en-US male standard,neural
Kendra en-US female standard,neural
Kevin en-US male neural
Kimberly en-US female standard,neural
Matthew en-US male standard,neural,generative
Patrick en-US male long-form
Ruth en-US female neural,long-form,generative
Salli en-US female standard,neural,generative
Stephen en-US male neural,generative
Tiffany en-US female generative
Geraint en-GB-WLS male standard
Suvi fi-FI female neural
Ambre fr-FR female generative
Celine fr-FR female standard,generative
Florian fr-FR male generative
Lea fr-FR female standard,neural,generative
Mathieu fr-FR male standard
Remi fr-FR male neural,generative
Isabelle fr-BE female neural,generative
Chantal fr-CA female standard
Gabrielle fr-CA female neural,generative
Liam fr-CA male neural,generative
Daniel de-DE male neural,generative
Hans de-DE male standard
Lennart de-DE male generative
Marlene de-DE female standard
Vicki de-DE female standard,neural,generative
Hannah de-AT female neural,generative
Sabrina de-CH female neural,generative
Dora is-IS female standard
Karl is-IS male standard
Adriano it-IT male neural
Beatrice it-IT female generative
Bianca it-IT female standard,neural,generative
Carla it-IT female standard
Giorgio it-IT male standard
Lorenzo it-IT male generative
Kazuha ja-JP female neural
Mizuki ja-JP female standard
Takumi ja-JP male standard,neural
Tomoko ja-JP female neural
Jihye ko-KR female neural
Seoyeon ko-KR female standard,neural,generative
Ida nb-NO female neural
Liv nb-NO female standard
Ewa pl-PL female standard,generative
Jacek pl-PL male standard
Jan pl-PL male standard
Maja pl-PL female standard
Ola pl-PL female neural,generative
Cristiano pt-PT male standard
Ines pt-PT female standard,neural
Camila pt-BR female standard,neural,generative
Ricardo pt-BR male standard
Thiago pt-BR male neural
Vitoria pt-BR female standard,neural
Carmen ro-RO female standard
Maxim ru-RU male standard
Tatyana ru-RU female standard
Andres es-MX male neural,generative
Mia es-MX female standard,neural,generative
Alba es-ES female long-form
Conchita es-ES female standard
Enrique es-ES male standard
Lucia es-ES female standard,neural,generative
Raul es-ES male long-form
Sergio es-ES male neural,generative
Lupe es-US female standard,neural,generative
Miguel es-US male standard
Pedro es-US male neural,generative
Penelope es-US female standard
Astrid sv-SE female standard
Elin sv-SE female neural
Burcu tr-TR female neural
Filiz tr-TR female standard
Gwyneth cy-GB female standard
"""


def _parse(line: str) -> PollyVoice:
    voice_id, language_code, gender, engines, *more = line.split()
    return PollyVoice(
        voice_id=voice_id,
        language_code=language_code,
        gender=gender,
        engines=tuple(engines.split(",")),
        more_languages=tuple(more),
    )


VOICES: dict[str, PollyVoice] = {voice.voice_id: voice for voice in map(_parse, _TABLE.split("\n")[1:-1])}
"""Every voice by its id, ordered by language and then by name."""
