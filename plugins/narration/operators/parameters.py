"""The parameters of the ``narrate_*`` Dags, read in one place; what is one service's own has a module of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self, cast

from narration.errors import PermanentNarrationError
from narration.operators.cost import CostLimits

SECTION = "narration"
"""The section of Airflow's configuration that holds the installation's defaults."""

PAUSES = ("paragraph_pause_ms", "heading_pause_ms", "scene_pause_ms", "chapter_pause_ms")
"""Names of the parameters that set pauses."""

OUTPUTS = ("mp3", "m4b")
"""The files that a narration can be made into."""

_READERS = {
    "polly": "narration.operators.parameters_polly.PollyParameters",
    "azure_batch": "narration.operators.parameters_azure.AzureBatchParameters",
    "azure_long_audio": "narration.operators.parameters_azure.AzureLongAudioParameters",
}
"""What reads the form of the Dag that stands for a service. A new service adds a line, a reader and an adapter."""


class ParameterError(PermanentNarrationError):
    """A parameter of the Dag run cannot be used; nothing was read or bought."""


def configured(key: str, fallback: str = "") -> str:
    """Give a default of the installation, for example ``storage`` from ``AIRFLOW__NARRATION__STORAGE``."""
    from airflow.sdk import conf

    return str(conf.get(SECTION, key, fallback=fallback))


@dataclass(frozen=True, kw_only=True)
class NarrationParameters(ABC):
    """
    What a person asked for, in types that the tasks work with.

    :param service: the adapter that buys, as :func:`narration.services.registry.make_service` knows it.
    :param pauses: milliseconds, by name.
    :param cost: what the run may cost.
    :param outputs: of :data:`OUTPUTS`, those that are wanted.
    :param storage_conn_id: connection for S3 locations of the document and of the storage that name none.
    """

    service: str
    document: str
    title: str | None
    text_type: str
    voice: str
    paragraphs_per_order: int
    storage: str
    storage_conn_id: str | None
    pauses: Mapping[str, int]
    cost: CostLimits
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, params: Mapping[str, Any], *, service: str) -> NarrationParameters:
        """
        Read the parameters of a run and refuse combinations that cannot work.

        :param service: the service that the Dag stands for.
        :raises ParameterError: if one is missing.
        :raises narration.errors.PermanentNarrationError: if voice, format and the like do not go together.
        """
        module, _, name = _READERS[service].rpartition(".")
        reader = cast("type[NarrationParameters]", getattr(import_module(module), name))
        return reader.read(params)

    @classmethod
    @abstractmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """Read the form of this service's Dag; raises as :meth:`of`."""

    @abstractmethod
    def voice_choice(self) -> dict[str, Any]:
        """Give what the adapter's :meth:`~narration.services.base.SpeechService.profile` is asked with."""

    @abstractmethod
    def connection(self) -> dict[str, Any]:
        """Give what the service's adapter is made from."""


def common_fields(params: Mapping[str, Any]) -> dict[str, Any]:
    """
    Read the fields that every form has.

    :raises ParameterError: if no document is given.
    :raises narration.synthesis.prices.PriceError: if an amount of money is none.
    """
    document = str(params["document"] or "").strip()
    if not document:
        raise ParameterError("No document is given. Give the field Document (parameter 'document') a path or URI.")
    return {
        "document": document,
        "title": params["title"] or None,
        "text_type": params["text_type"],
        "paragraphs_per_order": int(params["paragraphs_per_order"]),
        "storage": params["storage"] or configured("storage"),
        "cost": CostLimits.read(params),
        "outputs": _outputs(params),
        "pauses": {name.removesuffix("_pause_ms") + "_ms": int(params[name]) for name in PAUSES},
    }


def _outputs(params: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = params.get("outputs", list(OUTPUTS))
    if not wanted or any(output not in OUTPUTS for output in wanted):
        raise ParameterError(f"The parameter 'outputs' is {wanted!r}. Choose {' and '.join(OUTPUTS)}, or one of them.")
    return tuple(output for output in OUTPUTS if output in wanted)
