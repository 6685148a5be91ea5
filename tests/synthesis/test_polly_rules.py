"""Polly's rules as this project knows them, held against the service that was written from the same guide."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from narration.synthesis.polly_choice import check_choice
from narration.synthesis.polly_rules import (
    ENGINES,
    SAMPLE_RATES,
    PollyRules,
    default_sample_rate,
)
from narration.synthesis.polly_voices import VOICES
from tests.conftest import BUCKET


def start(bench, *, text: str, text_type: str, engine: str = "standard", voice: str = "Joanna", **more) -> dict:
    arguments = {"OutputFormat": "mp3", "OutputS3BucketName": BUCKET, "Engine": engine, "VoiceId": voice, **more}
    return bench.cloud.client("polly").start_speech_synthesis_task(Text=text, TextType=text_type, **arguments)[
        "SynthesisTask"
    ]


def refusal(bench, **arguments) -> str | None:
    try:
        start(bench, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


class TestSize:
    @pytest.mark.parametrize("text_type", ["text", "ssml"])
    def test_billable_characters_are_limited_to_100_000(self, text_type):
        rules = PollyRules(engine="standard", voice="Joanna")
        wrap = "<speak>{}</speak>" if text_type == "ssml" else "{}"

        assert rules.size(wrap.format("a" * 100_000), text_type) == rules.max_size
        assert rules.size(wrap.format("a" * 100_001), text_type) > rules.max_size

    def test_tags_and_text_together_are_limited_to_200_000(self):
        rules = PollyRules(engine="standard", voice="Joanna")
        breaks = (200_000 - len("<speak>aa</speak>")) // len("<break/>")

        assert rules.size(f"<speak>aa{'<break/>' * breaks}</speak>", "ssml") <= rules.max_size
        assert rules.size(f"<speak>aa{'<break/>' * (breaks + 1)}</speak>", "ssml") > rules.max_size


TAGS = {
    "break": "<break time='1s'/>",
    "lang": "<lang xml:lang='fr-FR'>oui</lang>",
    "mark": "<mark name='here'/>",
    "p": "<p>one</p>",
    "s": "<s>one</s>",
    "phoneme": "<phoneme alphabet='ipa' ph='pɪˈkɑːn'>pecan</phoneme>",
    "prosody rate": "<prosody rate='slow'>one</prosody>",
    "prosody volume": "<prosody volume='loud'>one</prosody>",
    "prosody pitch": "<prosody pitch='high'>one</prosody>",
    "prosody max-duration": "<prosody amazon:max-duration='2s'>one</prosody>",
    "say-as": "<say-as interpret-as='date'>1/2</say-as>",
    "sub": "<sub alias='one'>1</sub>",
    "w": "<w role='amazon:VB'>read</w>",
    "emphasis": "<emphasis level='strong'>one</emphasis>",
    "auto-breaths": "<amazon:auto-breaths>one</amazon:auto-breaths>",
    "breath": "<amazon:breath/>",
    "domain": "<amazon:domain name='news'>one</amazon:domain>",
    "drc": "<amazon:effect name='drc'>one</amazon:effect>",
    "whispered": "<amazon:effect name='whispered'>one</amazon:effect>",
    "phonation": "<amazon:effect phonation='soft'>one</amazon:effect>",
    "vocal-tract-length": "<amazon:effect vocal-tract-length='+10%'>one</amazon:effect>",
    "audio": "<audio src='https://example.com/a.mp3'/>",
    "voice": "<voice name='Joanna'>one</voice>",
}
SPEAKERS = [("standard", "Joanna"), ("neural", "Joanna"), ("neural", "Kevin"), ("long-form", "Danielle")]
SPEAKERS += [("generative", "Ruth")]


@pytest.mark.parametrize(("engine", "voice"), SPEAKERS)
def test_the_tags_that_are_refused_before_buying_are_those_that_the_service_refuses(bench, engine, voice):
    rules = PollyRules(engine=engine, voice=voice)
    objected, refused = set(), set()
    for name, tag in TAGS.items():
        ssml = f"<speak>Say {tag} now.</speak>"
        if list(rules.objections(ssml, "ssml")):
            objected.add(name)
        code = refusal(bench, text=ssml, text_type="ssml", engine=engine, voice=voice)
        if code is not None:
            refused.add((name, code))

    assert {(name, "InvalidSsmlException") for name in objected} == refused


def test_an_objection_names_the_tag_the_engine_and_what_to_do():
    rules = PollyRules(engine="neural", voice="Kevin")

    (objection,) = rules.objections("<speak>It <emphasis>is</emphasis></speak>", "ssml")
    assert objection == "the neural engine does not support <emphasis>; remove it or choose another engine"
    (objection,) = rules.objections("<speak><amazon:domain name='news'>It</amazon:domain></speak>", "ssml")
    assert "Kevin has no newscaster style" in objection
    assert "Matthew" in objection


def test_plain_text_that_looks_like_markup_is_no_markup():
    assert list(PollyRules(engine="neural", voice="Kevin").objections("<emphasis>", "text")) == []


class TestVoicesAndRates:
    def test_the_form_lists_the_voices_that_the_service_describes(self, bench):
        described = bench.cloud.client("polly").describe_voices(IncludeAdditionalLanguageCodes=True)["Voices"]

        assert {voice["Id"] for voice in described} == set(VOICES)
        for voice in described:
            ours = VOICES[voice["Id"]]
            assert (ours.language_code, ours.gender) == (voice["LanguageCode"], voice["Gender"].lower())
            assert set(ours.engines) == set(voice["SupportedEngines"]), voice["Id"]
            assert set(ours.more_languages) == set(voice.get("AdditionalLanguageCodes", [])), voice["Id"]

    @pytest.mark.parametrize("audio_format", list(SAMPLE_RATES))
    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
    def test_the_rates_that_are_offered_are_those_that_the_service_takes(self, bench, audio_format, rate):
        code = refusal(bench, text="One.", text_type="text", OutputFormat=audio_format, SampleRate=str(rate))

        assert code == (None if rate in SAMPLE_RATES[audio_format] else "InvalidSampleRateException")

    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_default_rate_can_be_had(self, engine):
        voice = next(voice for voice in VOICES.values() if engine in voice.engines)
        for audio_format, rates in SAMPLE_RATES.items():
            rate = check_choice(
                voice=voice.voice_id, engine=engine, language_code=None, audio_format=audio_format, sample_rate=None
            )
            assert rate == default_sample_rate(audio_format=audio_format, engine=engine)
            assert rate in rates
