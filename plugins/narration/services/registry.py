"""Which adapter speaks for which service; triggers and operators carry only the name and the connection."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from narration.services.base import SpeechService

_ADAPTERS = {
    "polly": "narration.services.polly.PollyService",
    "azure_batch": "narration.services.azure_batch.AzureBatchService",
    "azure_batch_preview": "narration.services.azure_batch.AzureBatchPreviewService",
    "azure_long_audio": "narration.services.azure_long_audio.AzureLongAudioService",
}


def make_service(name: str, connection: Mapping[str, Any]) -> SpeechService:
    """
    Make the adapter of a service in this process.

    :param name: the service's name, as in :attr:`narration.services.base.SpeechService.name`.
    :param connection: what :meth:`narration.services.base.SpeechService.connection` gave.
    :raises ValueError: if there is no such service.
    """
    if name not in _ADAPTERS:
        raise ValueError(f"There is no speech service {name!r}; there are {', '.join(_ADAPTERS)}.")
    # Imported when it is needed: each brings its cloud's SDK or HTTP client.
    module, _, adapter = _ADAPTERS[name].rpartition(".")
    return cast("SpeechService", getattr(import_module(module), adapter)(**connection))
