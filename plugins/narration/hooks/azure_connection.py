"""The arguments by which every block says which Azure Speech resource it talks to, and which API of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError

if TYPE_CHECKING:
    from narration.hooks.azure_speech import AzureSpeechHook

#: What the argument ``api_version`` of the batch synthesis blocks may be.
API_VERSIONS = {"2024-04-01": SynthesisApi.BATCH, "3.1-preview1": SynthesisApi.BATCH_PREVIEW}


class AzureSpeechConnectionMixin:
    """
    Give an operator or a sensor its hook, and hand its connection arguments to a trigger.

    The hook is imported when a task runs, because a Dag file that is parsed has no use for an HTTP client. The class
    that mixes this in sets the attributes in its own ``__init__``, under these names.
    """

    azure_speech_conn_id: str
    region: str | None

    @cached_property
    def hook(self) -> AzureSpeechHook:
        """The hook of this resource, created when it is first needed."""
        from narration.hooks.azure_speech import AzureSpeechHook

        # A template that has nothing to say renders as an empty string.
        return AzureSpeechHook(azure_speech_conn_id=self.azure_speech_conn_id, region=self.region or None)

    @property
    def connection_arguments(self) -> dict[str, Any]:
        """What a trigger must be given so that it waits at the same resource."""
        return {"azure_speech_conn_id": self.azure_speech_conn_id, "region": self.region or None}


class BatchSynthesisApiMixin:
    """Read the argument ``api_version`` of a batch synthesis block; the class that mixes this in sets it."""

    api_version: str

    @property
    def api(self) -> SynthesisApi:
        """
        Which of the two APIs is meant.

        :raises AzureSpeechArgumentError: there is no such version.
        """
        try:
            return API_VERSIONS[self.api_version]
        except KeyError:
            raise AzureSpeechArgumentError(
                f"There is no batch synthesis API {self.api_version!r}; api_version is one of "
                f"{', '.join(API_VERSIONS)}."
            ) from None
