"""DescribeVoices, and our own tables held against the client's model."""

from __future__ import annotations

from typing import Any

import pytest

from include.local_cloud.polly import constraints
from include.local_cloud.polly.regions import ENGINES, REGIONS, REGIONS_OF_ENGINE
from include.local_cloud.polly.voices import LANGUAGE_NAMES, UNDESCRIBED_VOICES, VOICE_IDS, VOICES
from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import client


def ids(answer: dict[str, Any]) -> set[str]:
    return {voice["Id"] for voice in answer["Voices"]}


def test_a_voice_is_described_with_every_documented_member(polly: Any) -> None:
    voices = {
        voice["Id"]: voice for page in polly.get_paginator("describe_voices").paginate() for voice in page["Voices"]
    }
    assert voices["Lea"] == {
        "Gender": "Female",
        "Id": "Lea",
        "LanguageCode": "fr-FR",
        "LanguageName": "French",
        "Name": "Léa",
        "SupportedEngines": ["standard", "neural", "generative"],
    }
    assert voices["Aditi"]["AdditionalLanguageCodes"] == ["hi-IN"]


def test_engine_and_language_select(polly: Any) -> None:
    assert ids(polly.describe_voices(Engine="long-form")) == {
        "Danielle",
        "Gregory",
        "Ruth",
        "Patrick",
        "Alba",
        "Raul",
    }
    assert ids(polly.describe_voices(LanguageCode="en-GB")) == {"Amy", "Emma", "Brian", "Arthur"}
    assert ids(polly.describe_voices(LanguageCode="en-GB", Engine="standard")) == {"Amy", "Emma", "Brian"}


def test_bilingual_voices_are_found_by_their_other_language_when_asked(polly: Any) -> None:
    assert ids(polly.describe_voices(LanguageCode="hi-IN")) == set()
    both = polly.describe_voices(LanguageCode="hi-IN", IncludeAdditionalLanguageCodes=True)
    assert ids(both) == {"Aditi", "Kajal"}
    assert ids(polly.describe_voices(LanguageCode="hi-IN", IncludeAdditionalLanguageCodes=False)) == set()


def test_a_region_offers_the_engines_it_has(cloud: LocalCloud) -> None:
    stockholm = client("polly", cloud.speech_url, region="eu-north-1").describe_voices()["Voices"]
    assert {engine for voice in stockholm for engine in voice["SupportedEngines"]} == {"standard"}
    assert "Ruth" not in {voice["Id"] for voice in stockholm}


def test_an_invented_token_is_refused(polly: Any) -> None:
    with pytest.raises(polly.exceptions.InvalidNextTokenException):
        polly.describe_voices(NextToken="x")


def test_counts_are_those_of_the_guide() -> None:
    def count(engine: str) -> int:
        return sum(engine in voice.engines for voice in VOICES.values())

    assert {engine: count(engine) for engine in ENGINES} == {
        "standard": 60,
        "neural": 63,
        "long-form": 6,
        "generative": 43,
    }


class TestAgainstTheClientsModel:
    """The tables are ours; where the client's model speaks of the same things it must agree."""

    @pytest.fixture(scope="class")
    def model(self) -> Any:
        return client("polly", "http://127.0.0.1:1").meta.service_model

    def test_every_voice_of_the_model_is_known(self, model: Any) -> None:
        theirs = set(model.shape_for("VoiceId").enum)
        assert theirs <= set(VOICE_IDS)
        assert set(VOICE_IDS) - theirs == {"Patrick", "Alba", "Raul"}
        assert not set(UNDESCRIBED_VOICES) & set(VOICES)

    def test_languages_and_engines_agree(self, model: Any) -> None:
        assert set(model.shape_for("LanguageCode").enum) == set(LANGUAGE_NAMES)
        assert tuple(model.shape_for("Engine").enum) == ENGINES

    @pytest.mark.parametrize(
        ("operation", "table"),
        [
            ("StartSpeechSynthesisTask", constraints.START_SPEECH_SYNTHESIS_TASK),
            ("SynthesizeSpeech", constraints.SYNTHESIZE_SPEECH),
            ("GetSpeechSynthesisTask", constraints.GET_SPEECH_SYNTHESIS_TASK),
            ("ListSpeechSynthesisTasks", constraints.LIST_SPEECH_SYNTHESIS_TASKS),
            ("DescribeVoices", constraints.DESCRIBE_VOICES),
            ("PutLexicon", constraints.PUT_LEXICON),
            ("GetLexicon", constraints.LEXICON),
            ("ListLexicons", constraints.LIST_LEXICONS),
        ],
    )
    def test_members_patterns_enumerations_and_lengths_agree(self, model: Any, operation: str, table: Any) -> None:
        shape = model.operation_model(operation).input_shape
        assert set(shape.members) == set(table)
        assert set(shape.required_members) == {name for name, member in table.items() if member.required}
        for name, theirs in shape.members.items():
            ours = table[name]
            assert ours.each == (theirs.type_name == "list")
            item = theirs.member if ours.each else theirs
            assert ours.pattern == item.metadata.get("pattern")
            assert ours.at_most == theirs.metadata.get("max")
            if name != "VoiceId" and item.type_name != "boolean":
                assert set(ours.enum) == set(item.metadata.get("enum", ()))

    def test_regions_are_those_of_the_endpoints(self) -> None:
        import boto3

        session = boto3.Session()
        theirs = {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("polly", partition_name=partition)
        }
        assert theirs <= REGIONS
        assert all(regions <= REGIONS for regions in REGIONS_OF_ENGINE.values())
