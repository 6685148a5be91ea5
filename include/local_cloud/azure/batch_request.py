"""What a client asks of a batch synthesis, in either of the two APIs' words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.local_cloud.azure import lenient_json
from include.local_cloud.azure.billing import PLAIN_TEXT, SSML
from include.local_cloud.azure.errors import AzureError
from include.local_cloud.azure.formats import DEFAULT_FORMAT, FORMATS

Refuse = Callable[[str], AzureError]
GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
RESOURCE_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,62}[a-zA-Z0-9]")
_NO_DEPLOYMENT = "00000000-0000-0000-0000-000000000000"
_FLAGS = ("concatenateResult", "decompressOutputFiles", "wordBoundaryEnabled", "sentenceBoundaryEnabled")
_CONFIG = ("voice", "style", "role", "rate", "pitch", "volume", "styleDegree", "speakerProfileId", "backgroundAudio")
_LONGEST_TEXTS = {"displayName": 256, "description": 5_000}
_CUSTOM_PROPERTIES, _LONGEST_KEY, _LONGEST_VALUE = 10, 64, 256


@dataclass(frozen=True, kw_only=True)
class Words:
    """What an API calls things.

    :param kind: the member that says whether inputs are plain text.
    :param content: the member of an input that holds its text.
    :param deployment: what the deployment id of a custom voice looks like.
    """

    kind: str
    content: str
    deployment: re.Pattern[str]


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """A checked request.

    :param config: ``synthesisConfig`` as given, with the API's own letter case; ``None`` when absent.
    :param output: ``outputFormat`` and the four flags, complete.
    :param rest: the members of ``properties`` that only one of the APIs has, by lower-case name.
    """

    kind: str
    inputs: tuple[str, ...] = field(repr=False)
    display_name: str | None
    description: str | None
    config: Mapping[str, Any] | None
    custom_voices: Mapping[str, str]
    custom_properties: Mapping[str, str] | None
    output: Mapping[str, Any]
    destination_url: str | None = field(repr=False)
    rest: Mapping[str, Any] = field(repr=False)

    @property
    def text(self) -> str:
        return "\n".join(self.inputs)


def read_batch_request(body: bytes, *, words: Words, most_inputs: int, refuse: Refuse) -> BatchRequest:
    """Check a request; names of members and values of enumerations may have any letter case.

    :param most_inputs: the limit on ``inputs``.
    :param refuse: makes the error of a message.
    :raises AzureError: what ``refuse`` made.
    """
    try:
        given = lenient_json.loads(body)
    except lenient_json.MalformedJson as error:
        raise refuse(f"The request body is not valid JSON. {error}") from error
    members = _object(given, "The request body", refuse)
    kind = _kind(members.get(words.kind.lower()), words=words, refuse=refuse)
    config = members.get("synthesisconfig")
    voices = _custom_voices(members.get("customvoices"), form=words.deployment, refuse=refuse)
    checked_config = None if config is None else _config(config, refuse)
    if kind == PLAIN_TEXT and not (checked_config or {}).get("voice"):
        raise refuse(f"The voice of synthesisConfig is required when {words.kind} is {PLAIN_TEXT}.")
    properties = _object(members.get("properties") or {}, "properties", refuse)
    return BatchRequest(
        kind=kind,
        inputs=_inputs(members.get("inputs"), words=words, most=most_inputs, refuse=refuse),
        display_name=_text(members, "displayName", refuse),
        description=_text(members, "description", refuse),
        config=checked_config,
        custom_voices=voices,
        custom_properties=_custom_properties(members.get("customproperties"), refuse),
        output=_output(properties, refuse),
        destination_url=_text(properties, "destinationContainerUrl", refuse) or None,
        rest=properties,
    )


def _object(value: Any, name: str, refuse: Refuse) -> dict[str, Any]:
    """The members by lower-case name."""
    if not isinstance(value, dict):
        raise refuse(f"{name} must be a JSON object.")
    return {key.lower(): member for key, member in value.items()}


def _kind(value: Any, *, words: Words, refuse: Refuse) -> str:
    if value is None or value == "":
        raise refuse(f"The {words.kind} is required.")
    for kind in (PLAIN_TEXT, SSML):
        if isinstance(value, str) and value.lower() == kind.lower():
            return kind
    raise refuse(f"The {words.kind} must be {PLAIN_TEXT} or {SSML}.")


def _inputs(value: Any, *, words: Words, most: int, refuse: Refuse) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise refuse("The inputs are required.")
    if len(value) > most:
        raise refuse(f"The number of inputs should not be greater than {most:,}.")
    contents = []
    for number, entry in enumerate(value, 1):
        content = _object(entry, f"Input {number}", refuse).get(words.content.lower())
        if not isinstance(content, str) or not content:
            raise refuse(f"The {words.content} of input {number} is required.")
        contents.append(content)
    return tuple(contents)


def _text(members: Mapping[str, Any], name: str, refuse: Refuse) -> str | None:
    value = members.get(name.lower())
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_TEXTS.get(name, 10_000):
        raise refuse(f"The {name} is not a string, or too long.")
    return value


def _config(value: Any, refuse: Refuse) -> dict[str, Any]:
    members = _object(value, "synthesisConfig", refuse)
    config = {name: members[name.lower()] for name in _CONFIG if members.get(name.lower()) is not None}
    for name in ("voice", "style", "role", "rate", "pitch", "volume"):
        if name in config and not isinstance(config[name], str):
            # Numbers are taken for what they say: a rate of 0.8, a volume of 80.
            if isinstance(config[name], bool | dict | list):
                raise refuse(f"The {name} of synthesisConfig must be a string.")
            config[name] = str(config[name])
    return config


def _custom_voices(value: Any, *, form: re.Pattern[str], refuse: Refuse) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse("customVoices must be a JSON object.")
    for name, deployment in value.items():
        if not isinstance(deployment, str) or not form.fullmatch(deployment) or deployment == _NO_DEPLOYMENT:
            raise refuse(f"The deployment ID of the custom voice {name!r} is invalid.")
    return dict(value)


def _custom_properties(value: Any, refuse: Refuse) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _CUSTOM_PROPERTIES:
        raise refuse(f"customProperties has at most {_CUSTOM_PROPERTIES} entries.")
    for key, entry in value.items():
        if len(key) > _LONGEST_KEY or not isinstance(entry, str) or len(entry) > _LONGEST_VALUE:
            raise refuse(
                f"An entry of customProperties has a key of at most {_LONGEST_KEY} and a value of at most"
                f" {_LONGEST_VALUE} characters."
            )
    return dict(value)


def _output(properties: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    audio = properties.get("outputformat") or DEFAULT_FORMAT
    known = {name.lower(): name for name in FORMATS}
    if not isinstance(audio, str) or audio.lower() not in known:
        raise refuse(
            "The outputFormat is unsupported or invalid. Provide a valid format value, or leave outputFormat empty to"
            " use the default setting."
        )
    output: dict[str, Any] = {"outputFormat": known[audio.lower()]}
    for flag in _FLAGS:
        value = properties.get(flag.lower())
        if value is not None and not isinstance(value, bool):
            raise refuse(f"The {flag} must be true or false.")
        output[flag] = bool(value)
    if output["decompressOutputFiles"] and not properties.get("destinationcontainerurl"):
        raise refuse("The decompressOutputFiles needs a destinationContainerUrl.")
    return output
