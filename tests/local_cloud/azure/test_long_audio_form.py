"""Reading the multipart form of Long Audio, and the JSON of a change."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from include.local_cloud.azure.errors import AzureError
from include.local_cloud.azure.long_audio_form import ModelReference, SynthesisForm, read_change, read_form

ARIA = json.dumps([{"voiceName": "en-US-AriaNeural"}])
_FIELDS = {"displayName": "A name", "locale": "en-US", "voices": ARIA}


async def read(fields: dict[str, Any], *, script: Any = ("script.txt", b"text", "text/plain")) -> SynthesisForm:
    """What is read of a form, written by a client library of its own."""
    files = {"script": script} if script else {"other": ("other.txt", b"", "text/plain")}
    sent = requests.Request("POST", "http://localhost/", data=fields, files=files).prepare()
    assert isinstance(sent.body, bytes)
    return await read_form(body=sent.body, content_type=sent.headers["Content-Type"])


async def refused(fields: dict[str, Any], **arguments: Any) -> AzureError:
    with pytest.raises(AzureError) as error:
        await read(fields, **arguments)
    return error.value


async def test_a_form_with_as_little_as_is_required_has_the_documented_defaults() -> None:
    form = await read(_FIELDS)

    assert form == SynthesisForm(
        display_name="A name",
        description=None,
        locale="en-US",
        models=(ModelReference(id=None, voice_name="en-US-AriaNeural"),),
        output_format="riff-16khz-16bit-mono-pcm",
        concatenate_result=False,
        custom_properties={},
        script=b"text",
        destination_container_url=None,
    )


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
async def test_field_names_count_in_any_letter_case(spelled: Any) -> None:
    fields = _FIELDS | {
        "description": "What it is",
        "outputFormat": "audio-24khz-96kbitrate-mono-mp3",
        "concatenateResult": "true",
        "customProperties": '{"order": "7"}',
        "destinationContainerUrl": "http://host/container?sig=x",
    }
    form = await read({spelled(name): value for name, value in fields.items()})

    assert form.description == "What it is"
    assert form.output_format == "audio-24khz-96kbitrate-mono-mp3"
    assert form.concatenate_result is True
    assert form.custom_properties == {"order": "7"}
    assert form.destination_container_url == "http://host/container?sig=x"


async def test_the_voices_may_be_called_models_as_in_the_schema() -> None:
    form = await read({"displayName": "A name", "locale": "en-US", "models": ARIA})

    assert form.models == (ModelReference(id=None, voice_name="en-US-AriaNeural"),)


@pytest.mark.parametrize(
    ("entry", "read_as"),
    [
        ({"voicename": "en-US-AriaNeural"}, ModelReference(id=None, voice_name="en-US-AriaNeural")),
        ({"Id": None, "VoiceName": "en-us-JennyNeural"}, ModelReference(id=None, voice_name="en-us-JennyNeural")),
        ({"id": "8fafd8cd"}, ModelReference(id="8fafd8cd", voice_name=None)),
    ],
)
async def test_the_members_of_a_voice_count_in_any_letter_case(entry: dict[str, Any], read_as: ModelReference) -> None:
    form = await read(_FIELDS | {"voices": json.dumps([entry])})

    assert form.models == (read_as,)


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("", False)])
async def test_a_truth_value_is_read_as_clients_write_it(text: str, value: bool) -> None:
    assert (await read(_FIELDS | {"concatenateResult": text})).concatenate_result is value


@pytest.mark.parametrize(
    ("change", "status", "inner", "about"),
    [
        ({"displayName": " "}, 400, "InvalidPayload", "displayName"),
        ({"locale": ""}, 400, "InvalidPayload", "locale"),
        ({"locale": "xx-YY"}, 400, "InvalidLocale", "xx-YY"),
        ({"voices": ""}, 400, "InvalidPayload", "voices"),
        ({"voices": "en-US-AriaNeural"}, 400, "InvalidPayload", "voices"),
        ({"voices": "[]"}, 400, "InvalidPayload", "voices"),
        ({"voices": '["en-US-AriaNeural"]'}, 400, "InvalidPayload", "voices"),
        ({"voices": '[{"name": "en-US-AriaNeural"}]'}, 400, "InvalidPayload", "voices"),
        ({"voices": '[{"voiceName": 7}]'}, 400, "InvalidPayload", "voices"),
        ({"voices": "[" * 100_000}, 400, "InvalidPayload", "voices"),
        ({"outputFormat": "ogg-16khz-16bit-mono-opus"}, 400, "InvalidParameterValue", "ogg-16khz"),
        ({"concatenateResult": "yes"}, 400, "InvalidPayload", "concatenateResult"),
        ({"customProperties": "[]"}, 400, "InvalidPayload", "customProperties"),
        ({"customProperties": '{"a": 1}'}, 400, "InvalidPayload", "customProperties"),
        ({"customProperties": json.dumps({str(n): "" for n in range(11)})}, 400, "InvalidPayload", "more than 10"),
        ({"customProperties": json.dumps({"k" * 65: ""})}, 400, "InvalidPayload", "64"),
        ({"customProperties": json.dumps({"k": "v" * 257})}, 400, "InvalidPayload", "256"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(
    change: dict[str, str], status: int, inner: str, about: str
) -> None:
    error = await refused(_FIELDS | change)

    assert (error.status, error.code, error.inner_code) == (status, "InvalidRequest", inner)
    assert about in error.message


async def test_custom_properties_up_to_their_limits_are_taken() -> None:
    properties = {f"{number}".ljust(64, "k"): "v" * 256 for number in range(10)}

    assert (await read(_FIELDS | {"customProperties": json.dumps(properties)})).custom_properties == properties


async def test_a_form_without_the_script_is_refused() -> None:
    error = await refused(_FIELDS, script=None)

    assert (error.status, error.inner_code) == (400, "InvalidPayload")
    assert "script" in error.message


@pytest.mark.parametrize("kind", ["application/zip", "application/x-zip-compressed", "audio/wav", "text/html"])
async def test_a_script_of_another_media_type_is_refused(kind: str) -> None:
    error = await refused(_FIELDS, script=("script.zip", b"text", kind))

    assert (error.status, error.code) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/octet-stream", None])
async def test_a_text_file_may_be_called_text_octets_or_nothing(kind: str | None) -> None:
    script = ("script.txt", b"text", kind) if kind else ("script.txt", b"text")

    assert (await read(_FIELDS, script=script)).script == b"text"


async def test_a_body_that_is_no_form_is_refused_by_its_media_type() -> None:
    with pytest.raises(AzureError) as error:
        await read_form(body=b"{}", content_type="application/json")

    assert (error.value.status, error.value.code) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"no parts at all", "multipart/form-data"),
        (b"no parts at all", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_broken_form_is_a_refusal_and_no_failure(body: bytes, kind: str) -> None:
    with pytest.raises(AzureError) as error:
        await read_form(body=body, content_type=kind)

    assert (error.value.status, error.value.inner_code) == (400, "InvalidPayload")


async def test_neither_the_script_nor_the_signed_url_is_shown() -> None:
    fields = _FIELDS | {"destinationContainerUrl": "http://host/container?sig=secret"}
    form = await read(fields, script=("a.txt", b"confidential", "text/plain"))

    assert "secret" not in repr(form)
    assert "confidential" not in repr(form)


def change(told: Any, *, kind: str = "application/json") -> dict[str, Any]:
    return dict(read_change(body=json.dumps(told).encode(), content_type=kind).given)


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json; charset=utf-8"])
def test_a_change_has_what_was_given_and_nothing_else(kind: str) -> None:
    told = {"DisplayName": "New", "description": None, "status": "Succeeded"}

    assert change(told, kind=kind) == {"displayName": "New", "description": None}


@pytest.mark.parametrize(
    "told", [[], "text", {"displayName": 1}, {"displayName": ""}, {"displayName": None}, {"customProperties": []}]
)
def test_a_change_that_cannot_be_made_is_refused(told: Any) -> None:
    with pytest.raises(AzureError) as error:
        change(told)

    assert (error.value.status, error.value.inner_code) == (400, "InvalidPayload")


def test_a_change_of_another_media_type_is_refused() -> None:
    with pytest.raises(AzureError) as error:
        change({}, kind="text/plain")

    assert error.value.status == 415
