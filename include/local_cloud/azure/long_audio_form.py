"""The multipart form that creates a Long Audio synthesis, and the JSON that changes one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from include.local_cloud.azure.formats import LONG_AUDIO_FORMATS
from include.local_cloud.azure.long_audio_errors import (
    field_invalid,
    field_missing,
    format_unknown,
    locale_unknown,
)
from include.local_cloud.azure.media_types import media_type, unsupported
from include.local_cloud.azure.voices import VOICES

DEFAULT_FORMAT = "riff-16khz-16bit-mono-pcm"
MOST_PROPERTIES, LONGEST_PROPERTY_NAME, LONGEST_PROPERTY_VALUE = 10, 64, 256
_FORM = "multipart/form-data"
_LARGEST_FIELD = 1024 * 1024
# Clients that cannot tell send octets; everything else is no text file, a zip for instance.
_SCRIPT_TYPES = ("text/plain", "application/octet-stream")
_PATCH_TYPES = ("application/json", "application/merge-patch+json")
_LOCALES = {voice.locale.lower(): voice.locale for voice in VOICES.values()}


@dataclass(frozen=True, kw_only=True)
class ModelReference:
    """A voice as a request names it: by id, by name, or by both."""

    id: str | None
    voice_name: str | None


@dataclass(frozen=True, kw_only=True)
class SynthesisForm:
    """What was asked for, read but not yet compared with what there is.

    :param destination_container_url: signed, hence never shown.
    :param script: the bytes of the file.
    """

    display_name: str
    description: str | None
    locale: str
    models: tuple[ModelReference, ...]
    output_format: str
    concatenate_result: bool
    custom_properties: Mapping[str, str]
    script: bytes = field(repr=False)
    destination_container_url: str | None = field(default=None, repr=False)


async def read_form(*, body: bytes, content_type: str) -> SynthesisForm:
    """The form, whose field names count in any letter case.

    :raises AzureError: 415 for another media type, 400 for a field that is missing or cannot be read.
    """
    kind = media_type(content_type)
    if kind != _FORM:
        raise unsupported(kind)
    parser = MultiPartParser(
        Headers({"content-type": content_type}), _whole(body), max_files=1, max_part_size=_LARGEST_FIELD
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise field_invalid("body", "it is not the multipart form that its header announces.") from error
    try:
        return await _read(form)
    finally:
        await form.close()


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _read(form: FormData) -> SynthesisForm:
    texts: dict[str, str] = {}
    script: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts[name.lower()] = value
        elif name.lower() == "script":
            script = value
    if script is None:
        raise field_missing("script")
    kind = media_type(script.content_type or "")
    if kind and kind not in _SCRIPT_TYPES:
        raise unsupported(kind)
    display_name = texts.get("displayname", "").strip()
    if not display_name:
        raise field_missing("displayName")
    return SynthesisForm(
        display_name=display_name,
        description=texts.get("description"),
        locale=_locale(texts.get("locale", "")),
        models=_models(texts.get("voices", texts.get("models", ""))),
        output_format=_output_format(texts.get("outputformat", "")),
        concatenate_result=_boolean("concatenateResult", texts.get("concatenateresult", "")),
        custom_properties=_form_properties(texts.get("customproperties", "")),
        script=await script.read(),
        destination_container_url=texts.get("destinationcontainerurl", "").strip() or None,
    )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a PATCH changes: only the members in ``given``, of which a null one is cleared."""

    given: Mapping[str, Any]


def read_change(*, body: bytes, content_type: str) -> Change:
    """A JSON object or merge patch with any of displayName, description and customProperties, in any letter case.

    :raises AzureError: 415 for another media type, 400 for anything else.
    """
    kind = media_type(content_type)
    if kind not in _PATCH_TYPES:
        raise unsupported(kind)
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise field_invalid("body", "it is not JSON.") from error
    if not isinstance(told, dict):
        raise field_invalid("body", "it is not a JSON object.")
    names = {"displayname": "displayName", "description": "description", "customproperties": "customProperties"}
    given = {names[name.lower()]: value for name, value in told.items() if name.lower() in names}
    for name in ("displayName", "description"):
        if not isinstance(given.get(name), str | None):
            raise field_invalid(name, "it is not a string.")
    if "displayName" in given and not (given["displayName"] or "").strip():
        raise field_invalid("displayName", "it is empty.")
    if given.get("customProperties") is not None:
        check_properties(given["customProperties"])
    return Change(given=given)


def check_properties(properties: Any) -> dict[str, str]:
    """Custom properties within their limits.

    :raises AzureError: 400.
    """
    name = "customProperties"
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise field_invalid(name, "it is not a JSON object of strings.")
    if len(properties) > MOST_PROPERTIES:
        raise field_invalid(name, f"it has more than {MOST_PROPERTIES} entries.")
    if any(not 0 < len(key) <= LONGEST_PROPERTY_NAME for key in properties):
        raise field_invalid(name, f"a key is empty or longer than {LONGEST_PROPERTY_NAME} characters.")
    if any(len(value) > LONGEST_PROPERTY_VALUE for value in properties.values()):
        raise field_invalid(name, f"a value is longer than {LONGEST_PROPERTY_VALUE} characters.")
    return properties


def _form_properties(text: str) -> dict[str, str]:
    return check_properties(_json("customProperties", text)) if text.strip() else {}


def _models(text: str) -> tuple[ModelReference, ...]:
    if not text.strip():
        raise field_missing("voices")
    told = _json("voices", text)
    if not isinstance(told, list) or not told:
        raise field_invalid("voices", 'it is not a JSON array such as [{"voiceName": "en-US-AriaNeural"}].')
    return tuple(_model(entry) for entry in told)


def _model(entry: Any) -> ModelReference:
    if not isinstance(entry, dict):
        raise field_invalid("voices", "an entry is not a JSON object.")
    members = {name.lower(): value for name, value in entry.items()}
    identity, name = members.get("id"), members.get("voicename")
    if not (isinstance(identity, str | None) and isinstance(name, str | None)) or not (identity or name):
        raise field_invalid("voices", "an entry has neither a voiceName nor an id.")
    return ModelReference(id=identity or None, voice_name=name or None)


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise field_invalid(name, "it is not JSON.") from error


def _locale(text: str) -> str:
    if not text.strip():
        raise field_missing("locale")
    locale = _LOCALES.get(text.strip().lower())
    if locale is None:
        raise locale_unknown(text)
    return locale


def _output_format(text: str) -> str:
    wanted = text.strip().lower() or DEFAULT_FORMAT
    if wanted not in LONG_AUDIO_FORMATS:
        raise format_unknown(text)
    return wanted


def _boolean(name: str, text: str) -> bool:
    # The form encoding of Python's requests writes True.
    match text.strip().lower():
        case "true":
            return True
        case "false" | "":
            return False
    raise field_invalid(name, "it is neither true nor false.")
