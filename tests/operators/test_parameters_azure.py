from __future__ import annotations

from typing import Any

import pytest

from narration.operators.parameters import NarrationParameters, ParameterError
from narration.synthesis.azure_choice import AzureChoiceError
from tests.azure_road import params


def read(service: str = "azure_batch", **change: Any) -> NarrationParameters:
    return NarrationParameters.of(params(**change), service=service)


@pytest.mark.parametrize(
    ("version", "adapter"), [("2024-04-01", "azure_batch"), ("3.1-preview1", "azure_batch_preview")]
)
def test_the_version_chooses_the_adapter(version, adapter):
    assert read(api_version=version).service == adapter


def test_long_audio_is_its_own_adapter_and_its_form_has_no_ways_of_speaking():
    given = params()
    for name in ("style", "style_degree", "role", "rate", "pitch", "volume", "api_version"):
        del given[name]

    parameters = NarrationParameters.of(given, service="azure_long_audio")

    assert parameters.service == "azure_long_audio"
    assert parameters.voice_choice()["options"] == {}


def test_a_version_that_does_not_exist_is_refused():
    with pytest.raises(ParameterError, match=r"no version '2019'.*choose 2024-04-01 or 3.1-preview1"):
        read(api_version="2019")


def test_only_what_is_set_shapes_the_sound():
    assert read().voice_choice() == {
        "voice": "en-US-JennyNeural",
        "audio_format": "audio-24khz-160kbitrate-mono-mp3",
        "options": {},
    }
    spoken = read(style="sad", style_degree=1.50, role="Girl", rate=" slow ", pitch="+5%", volume="80")
    assert spoken.voice_choice()["options"] == {
        "style": "sad",
        "styleDegree": "1.5",
        "role": "Girl",
        "rate": "slow",
        "pitch": "+5%",
        "volume": "80",
    }


def test_the_same_number_is_the_same_option_however_it_is_written():
    assert read(style="sad", style_degree=2).voice_choice() == read(style="sad", style_degree=2.0).voice_choice()


def test_a_voice_that_the_list_lacks_is_used_instead_of_the_one_in_the_list():
    assert read(other_voice=" en-US-NewestNeural ").voice_choice()["voice"] == "en-US-NewestNeural"
    assert read(other_voice="").voice_choice()["voice"] == "en-US-JennyNeural"


def test_the_connection_that_pays_is_not_the_one_that_opens_the_storage():
    parameters = read(azure_speech_conn_id="publisher", storage_conn_id="archive")

    assert parameters.connection() == {"azure_speech_conn_id": "publisher"}
    assert parameters.storage_conn_id == "archive"
    assert read(storage_conn_id="").storage_conn_id is None


@pytest.mark.parametrize(
    ("service", "change", "message"),
    [
        ("azure_batch", {"other_voice": "Joanna"}, "no voice 'Joanna'"),
        ("azure_batch", {"output_format": "riff-16khz-16bit-mono-pcm"}, "cannot be had from this API"),
        ("azure_long_audio", {"output_format": "ogg-24khz-16bit-mono-opus"}, "cannot be had from this API"),
        ("azure_batch", {"rate": "quick"}, "'quick' is not a rate"),
        ("azure_batch", {"style_degree": 1.0}, "without a style"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(service, change, message):
    with pytest.raises(AzureChoiceError, match=message):
        read(service, **change)


def test_without_a_document_it_says_which_parameter_is_missing():
    with pytest.raises(ParameterError, match="parameter 'document'"):
        read(document=" ")
