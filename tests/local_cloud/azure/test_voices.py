"""Which voices there are, how the lists show them, and that each can be heard."""

from __future__ import annotations

import re

import pytest

from include.local_cloud.azure.voices import VOICES, find_voice, voices_list
from include.local_cloud.speech import SpeechRequest, render_speech
from include.local_cloud.speech_voices import engine_voice, language_name

_STRINGS = {
    "Name",
    "DisplayName",
    "LocalName",
    "ShortName",
    "Gender",
    "Locale",
    "LocaleName",
    "SampleRateHertz",
    "VoiceType",
    "Status",
    "WordsPerMinute",
}
_LISTS = {"StyleList", "RolePlayList", "SecondaryLocaleList"}


def test_there_are_voices_of_both_genders_for_more_than_a_hundred_locales() -> None:
    spoken = {(voice.locale, voice.gender) for voice in VOICES.values()}
    both = {locale for locale, _ in spoken if {(locale, "Female"), (locale, "Male")} <= spoken}

    assert len(VOICES) >= 500
    assert len(both) >= 140


@pytest.mark.parametrize(
    ("name", "gender", "locale", "display_name"),
    [
        ("en-US-AriaNeural", "Female", "en-US", "Aria"),
        ("en-US-JennyNeural", "Female", "en-US", "Jenny"),
        ("en-US-GuyNeural", "Male", "en-US", "Guy"),
        ("en-US-AvaMultilingualNeural", "Female", "en-US", "Ava Multilingual"),
        ("en-GB-RyanNeural", "Male", "en-GB", "Ryan"),
        ("de-DE-KatjaNeural", "Female", "de-DE", "Katja"),
        ("ko-KR-SunHiNeural", "Female", "ko-KR", "Sun-Hi"),
        ("zh-CN-liaoning-XiaobeiNeural", "Female", "zh-CN-liaoning", "Xiaobei"),
        ("iu-Cans-CA-TaqqiqNeural", "Male", "iu-Cans-CA", "Taqqiq"),
    ],
)
def test_well_known_voices_are_who_they_are(name: str, gender: str, locale: str, display_name: str) -> None:
    voice = VOICES[name]

    assert (voice.gender, voice.locale, voice.display_name) == (gender, locale, display_name)


def test_the_list_has_the_fields_of_the_service_and_every_one_is_a_string_or_a_list_of_strings() -> None:
    for voice in voices_list():
        assert set(voice) >= _STRINGS
        assert set(voice) <= _STRINGS | _LISTS
        assert all(isinstance(voice[name], str) and voice[name] for name in _STRINGS)
        assert all(voice[name] and all(isinstance(entry, str) for entry in voice[name]) for name in _LISTS & set(voice))
        assert re.fullmatch(r"Microsoft Server Speech Text to Speech Voice \([\w-]+, \w+Neural\)", voice["Name"])


def test_styles_roles_and_further_locales_are_shown_where_a_voice_has_them() -> None:
    voices = {voice["ShortName"]: voice for voice in voices_list()}

    assert {"newscast-formal", "whispering"} <= set(voices["en-US-AriaNeural"]["StyleList"])
    assert voices["zh-CN-YunxiNeural"]["RolePlayList"] == ["Narrator", "YoungAdultMale", "Boy"]
    assert voices["zh-CN-XiaomoNeural"]["LocalName"] == "晓墨"
    assert "fr-FR" in voices["en-US-JennyMultilingualNeural"]["SecondaryLocaleList"]
    assert not _LISTS & set(voices["en-US-AmberNeural"])


def test_a_voice_is_found_in_any_letter_case_and_by_its_full_name() -> None:
    aria = VOICES["en-US-AriaNeural"]

    assert find_voice("en-us-arianeural") is aria
    assert find_voice("Microsoft Server Speech Text to Speech Voice (en-US, AriaNeural)") is aria
    assert find_voice("en-US-Aria") is None
    assert find_voice("") is None


def test_no_language_but_english_is_spoken_by_an_english_voice() -> None:
    for voice in VOICES.values():
        engine = language_name(voice.locale)
        assert engine.startswith("en") == voice.locale.startswith("en"), f"{voice.name} is spoken by {engine}"


def test_the_regions_of_a_language_sound_like_themselves_where_the_engine_can() -> None:
    heard = {
        locale: language_name(locale) for locale in ("es-ES", "es-AR", "pt-BR", "zh-CN", "zh-HK", "zh-TW", "fr-CH")
    }

    assert heard == {
        "es-ES": "es",
        "es-AR": "es-419",
        "pt-BR": "pt-BR",
        "zh-CN": "cmn",
        "zh-HK": "yue",
        "zh-TW": "cmn",
        "fr-CH": "fr-CH",
    }


def test_every_language_is_really_spoken() -> None:
    one_each = {language_name(voice.locale): voice for voice in VOICES.values()}
    for engine, voice in one_each.items():
        sound = render_speech(
            SpeechRequest(
                text="1 2 3",
                text_type="text",
                voice_id=voice.name,
                language_code=voice.locale,
                gender=voice.gender,
                engine="neural",
                output_format="pcm",
                sample_rate=8000,
            )
        )
        assert any(sound), f"{engine} is silent"


def test_two_voices_of_one_locale_differ() -> None:
    engines = [
        engine_voice(voice_id=voice.name, language_code=voice.locale, gender=voice.gender)
        for voice in VOICES.values()
        if voice.locale == "en-US"
    ]

    assert len(set(engines)) == len(engines)


def test_the_stated_pace_is_the_pace_of_the_voice_that_speaks_here() -> None:
    aria = next(voice for voice in voices_list() if voice["ShortName"] == "en-US-AriaNeural")
    engine = engine_voice(voice_id="en-US-AriaNeural", language_code="en-US", gender="Female")

    assert aria["WordsPerMinute"] == str(engine.words_per_minute)


def test_long_audio_shows_a_voice_in_its_own_way() -> None:
    assert VOICES["pt-BR-FranciscaNeural"].as_model() == {
        "locale": "pt-BR",
        "voiceName": "pt-BR-FranciscaNeural",
        "description": "",
        "gender": "Female",
        "createdDateTime": "2020-05-21T05:57:39.123Z",
        "properties": {"publicAvailable": True, "styles": [{"name": "calm"}]},
    }
