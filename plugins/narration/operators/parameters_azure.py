"""What the forms of ``narrate_azure_batch`` and ``narrate_azure_long_audio`` have of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from narration.operators.parameters import NarrationParameters, ParameterError, common_fields
from narration.synthesis.azure_choice import check_choice
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS

API_VERSIONS = {"2024-04-01": "azure_batch", "3.1-preview1": "azure_batch_preview"}
"""The adapter of each version of batch synthesis that the form offers."""

_OPTIONS = {
    "style": "style",
    "style_degree": "styleDegree",
    "role": "role",
    "rate": "rate",
    "pitch": "pitch",
    "volume": "volume",
}
"""Azure's name of each way of speaking, by its name in the form."""


@dataclass(frozen=True, kw_only=True)
class AzureParameters(NarrationParameters):
    """
    What a person asked of Azure AI Speech.

    :param output_format: Azure's name of it.
    :param options: of :data:`narration.synthesis.azure_choice.SPEAKING_OPTIONS`, those that are set.
    :param azure_speech_conn_id: connection that pays.
    """

    formats: ClassVar[tuple[str, ...]]

    output_format: str
    options: Mapping[str, str]
    azure_speech_conn_id: str

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        parameters = cls(
            **common_fields(params),
            service=cls._adapter(params),
            voice=(params["other_voice"] or "").strip() or params["voice"],
            output_format=params["output_format"],
            options={theirs: _text(params[ours]) for ours, theirs in _OPTIONS.items() if params.get(ours)},
            azure_speech_conn_id=params["azure_speech_conn_id"],
            storage_conn_id=params["storage_conn_id"] or None,
        )
        check_choice(
            voice=parameters.voice,
            output_format=parameters.output_format,
            formats=cls.formats,
            options=parameters.options,
        )
        return parameters

    @classmethod
    @abstractmethod
    def _adapter(cls, params: Mapping[str, Any]) -> str:
        """Name the adapter that a run of the Dag buys through."""

    def voice_choice(self) -> dict[str, Any]:
        return {"voice": self.voice, "audio_format": self.output_format, "options": self.options}

    def connection(self) -> dict[str, Any]:
        return {"azure_speech_conn_id": self.azure_speech_conn_id}


class AzureBatchParameters(AzureParameters):
    """What a person asked of batch synthesis, in either of its versions."""

    formats = BATCH_FORMATS

    @classmethod
    def _adapter(cls, params: Mapping[str, Any]) -> str:
        version = params["api_version"]
        if version not in API_VERSIONS:
            raise ParameterError(
                f"There is no version {version!r} of batch synthesis. In the field Version of the service, choose "
                f"{' or '.join(API_VERSIONS)}."
            )
        return API_VERSIONS[version]


class AzureLongAudioParameters(AzureParameters):
    """What a person asked of the Long Audio API."""

    formats = LONG_AUDIO_FORMATS

    @classmethod
    def _adapter(cls, params: Mapping[str, Any]) -> str:
        return "azure_long_audio"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value).strip()
