"""Which adapter speaks for which service; triggers and operators carry only the name and the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from narration.services.base import SpeechService


def make_service(name: str, connection: Mapping[str, Any]) -> SpeechService:
    """
    Make the adapter of a service in this process.

    :param name: the service's name, as in :attr:`narration.services.base.SpeechService.name`.
    :param connection: what :meth:`narration.services.base.SpeechService.connection` gave.
    :raises ValueError: if there is no such service.
    """
    if name == "polly":
        from narration.services.polly import PollyService

        return PollyService(**connection)
    raise ValueError(f"There is no speech service {name!r}.")
