from __future__ import annotations

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest

from narration.hooks import azure_wire as wire
from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
KEY = "0123456789abcdef0123456789abcdef"
ACCOUNT = AzureSpeechAccount(conn_id="speech", region="eastus", key=KEY)
BOM = b"\xef\xbb\xbf"


def batch(api: SynthesisApi = BATCH, **more: Any) -> wire.AzureRequest:
    names = ("synthesis_id", "display_name", "description", "synthesis_config", "custom_voices", "properties")
    arguments: dict[str, Any] = dict.fromkeys((*names, "custom_properties"))
    arguments |= {"inputs": ["Hello"], "input_kind": "PlainText"}
    arguments |= {"synthesis_id": "narration-1"} if api is BATCH else {"display_name": "narration-1"}
    return wire.create_batch(ACCOUNT, api=api, **{**arguments, **more})


def long_audio(**more: Any) -> wire.AzureRequest:
    arguments: dict[str, Any] = {
        "display_name": "narration-1",
        "locale": "en-US",
        "voices": [{"voiceName": "en-US-AriaNeural"}],
        "script": "Chapter 1",
        "description": None,
        "output_format": None,
        "concatenate_result": False,
        "destination_container_url": None,
        "custom_properties": None,
    }
    return wire.create_long_audio(ACCOUNT, **{**arguments, **more})


def form(request: wire.AzureRequest) -> dict[str, tuple[dict[str, str], bytes]]:
    """The fields of a multipart body, read by somebody else's parser: name -> parameters and content."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + (request.content or b""))
    fields = {}
    for part in message.iter_parts():
        parameters = dict(part["Content-Disposition"].params) | {"type": part.get_content_type()}
        fields[parameters["name"]] = parameters, part.get_payload(decode=True)
    return fields


class TestBatch:
    def test_2024_04_01_is_a_put_of_the_client_s_id(self):
        request = batch(
            inputs=["Hello", "你好"],
            synthesis_config={"voice": "en-US-JennyNeural"},
            properties={"timeToLiveInHours": 48},
        )

        assert (request.method, request.url) == (
            "PUT",
            "https://eastus.api.cognitive.microsoft.com/texttospeech/batchsyntheses/narration-1",
        )
        assert request.params == {"api-version": "2024-04-01"}
        assert json.loads(request.content or b"") == {
            "inputKind": "PlainText",
            "inputs": [{"content": "Hello"}, {"content": "你好"}],
            "synthesisConfig": {"voice": "en-US-JennyNeural"},
            "properties": {"timeToLiveInHours": 48},
        }
        assert "你好".encode() in (request.content or b"")
        assert request.creates

    def test_the_preview_is_a_post_that_gives_a_name(self):
        request = batch(PREVIEW, input_kind="SSML", inputs=["<speak/>"], custom_properties={"order": "1"})

        assert (request.method, request.url, request.params) == (
            "POST",
            "https://eastus.customvoice.api.speech.microsoft.com/api/texttospeech/3.1-preview1/batchsynthesis",
            {},
        )
        assert json.loads(request.content or b"") == {
            "displayName": "narration-1",
            "textType": "SSML",
            "inputs": [{"text": "<speak/>"}],
            "customProperties": {"order": "1"},
        }

    @pytest.mark.parametrize(
        ("api", "arguments"),
        [
            (BATCH, {"synthesis_id": None}),
            (BATCH, {"synthesis_id": "ab"}),
            (BATCH, {"synthesis_id": "x" * 65}),
            (BATCH, {"synthesis_id": "-narration"}),
            (BATCH, {"synthesis_id": "narration/../x"}),
            (BATCH, {"display_name": "x"}),
            (BATCH, {"custom_properties": {}}),
            (BATCH, {"inputs": []}),
            (BATCH, {"inputs": "Hello"}),
            (BATCH, {"inputs": ["half \ud83d"]}),
            (PREVIEW, {"display_name": None}),
            (PREVIEW, {"synthesis_id": "narration-1"}),
            (LONG_AUDIO, {}),
        ],
    )
    def test_what_cannot_be_right_is_found_before_anything_is_sent(self, api, arguments):
        with pytest.raises(AzureSpeechArgumentError):
            batch(api, **arguments)

    @pytest.mark.parametrize("synthesis_id", ["abc", "x" * 64, "a.b_c-d", "narration-" + "0" * 40 + "-" + "f" * 12])
    def test_every_id_that_the_service_allows_may_be_chosen(self, synthesis_id):
        assert batch(synthesis_id=synthesis_id).url.endswith(f"/{synthesis_id}")


class TestLongAudio:
    def test_it_is_a_form_with_the_script_as_a_file(self):
        request = long_audio(
            description="A book",
            output_format="audio-24khz-96kbitrate-mono-mp3",
            concatenate_result=True,
            custom_properties={"order": "1"},
        )

        assert (request.method, request.url) == (
            "POST",
            "https://eastus.customvoice.api.speech.microsoft.com/api/texttospeech/v3.0/longaudiosynthesis",
        )
        fields = form(request)
        script, content = fields.pop("script")
        assert {name: value.decode() for name, (_, value) in fields.items()} == {
            "displayName": "narration-1",
            "description": "A book",
            "locale": "en-US",
            "voices": '[{"voiceName": "en-US-AriaNeural"}]',
            "outputFormat": "audio-24khz-96kbitrate-mono-mp3",
            "concatenateResult": "true",
            "customProperties": '{"order": "1"}',
        }
        assert (script["filename"], script["type"]) == ("script.txt", "text/plain")
        assert content == BOM + b"Chapter 1"

    @pytest.mark.parametrize("field", ["script", "display_name", "description"])
    def test_half_a_character_is_found_before_anything_is_sent(self, field):
        with pytest.raises(AzureSpeechArgumentError, match="surrogate"):
            long_audio(**{field: "half \ud83d"})

    @pytest.mark.parametrize("script", ["Chapter 1", "\ufeffChapter 1", "\ufeff\ufeffChapter 1"])
    def test_the_script_has_exactly_one_byte_order_mark_whatever_it_had(self, script):
        assert form(long_audio(script=script))["script"][1] == BOM + b"Chapter 1"

    def test_a_change_is_a_patch_of_what_is_given(self):
        request = wire.update_long_audio(
            ACCOUNT, job_id="1-2", display_name="New", description=None, custom_properties=None
        )

        assert request.method == "PATCH"
        assert request.url.endswith("/longaudiosynthesis/1-2")
        assert json.loads(request.content or b"") == {"displayName": "New"}

    def test_files_are_asked_for_with_the_validity_that_is_wanted(self):
        request = wire.long_audio_files(ACCOUNT, job_id="1-2", sas_validity_seconds=60)

        assert request.url.endswith("/longaudiosynthesis/1-2/files")
        assert request.params == {"sasValidityInSeconds": "60"}
        assert wire.long_audio_files(ACCOUNT, job_id="1-2", sas_validity_seconds=None).params == {}

    def test_voices_are_the_api_s_own(self):
        assert wire.voices(ACCOUNT, api=LONG_AUDIO).url.endswith("/v3.0/longaudiosynthesis/voices")
        assert wire.voices(ACCOUNT, api=PREVIEW).url == (
            "https://eastus.tts.speech.microsoft.com/cognitiveservices/voices/list"
        )


class TestAll:
    @pytest.mark.parametrize(
        ("api", "params"),
        [
            (BATCH, {"skip": "5", "maxpagesize": "20", "api-version": "2024-04-01"}),
            (PREVIEW, {"skip": "5", "top": "20"}),
            (LONG_AUDIO, {"skip": "5", "top": "20"}),
        ],
    )
    def test_each_list_has_its_own_name_for_the_size_of_a_page(self, api, params):
        assert wire.list_jobs(ACCOUNT, api=api, page_size=20, skip=5).params == params

    @pytest.mark.parametrize(("page_size", "skip"), [(0, 0), (101, 0), (100, -1)])
    def test_a_page_that_the_service_would_refuse_is_not_asked_for(self, page_size, skip):
        with pytest.raises(AzureSpeechArgumentError):
            wire.list_jobs(ACCOUNT, api=BATCH, page_size=page_size, skip=skip)

    @pytest.mark.parametrize("job_id", ["", ".", ".."])
    def test_an_id_that_would_lead_elsewhere_is_refused(self, job_id):
        with pytest.raises(AzureSpeechArgumentError, match="not the id"):
            wire.delete_job(ACCOUNT, api=LONG_AUDIO, job_id=job_id)

    def test_an_id_is_one_part_of_the_path_whatever_is_in_it(self):
        assert wire.get_job(ACCOUNT, api=BATCH, job_id="a/../b?c#d").url.endswith("/batchsyntheses/a%2F..%2Fb%3Fc%23d")

    def test_operations_are_beside_the_jobs(self):
        request = wire.get_operation(ACCOUNT, operation_id="op 1")

        assert request.url == "https://eastus.api.cognitive.microsoft.com/texttospeech/operations/op%201"
        assert request.params == {"api-version": "2024-04-01"}

    def test_whoever_pays_is_in_the_headers_and_in_no_representation(self):
        signed = batch().signed(wire.key_header(ACCOUNT))

        assert signed.all_headers["Ocp-Apim-Subscription-Key"] == KEY
        assert KEY not in repr(signed)
        token = batch().signed(wire.bearer_header("token-of-entra"))
        assert token.all_headers["Authorization"] == "Bearer token-of-entra"
        assert "token-of-entra" not in repr(token)
        assert "token-of-entra" in token.secrets

    def test_only_creates_are_marked_as_buying(self):
        requests = [
            wire.get_job(ACCOUNT, api=BATCH, job_id="x"),
            wire.delete_job(ACCOUNT, api=BATCH, job_id="x"),
            wire.list_jobs(ACCOUNT, api=BATCH, page_size=1, skip=0),
            wire.voices(ACCOUNT, api=BATCH),
            wire.get_operation(ACCOUNT, operation_id="x"),
        ]

        assert not any(request.creates for request in requests)
        assert all(request.creates for request in (batch(), batch(PREVIEW), long_audio()))
