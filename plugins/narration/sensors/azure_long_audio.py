"""Wait for a job of Azure's Long Audio API."""

from __future__ import annotations

from narration.hooks.azure_api import SynthesisApi
from narration.sensors.azure_synthesis import AzureSynthesisSensorBase


class AzureLongAudioSynthesisSensor(AzureSynthesisSensorBase):
    """
    Wait until a Long Audio job has succeeded; see
    :class:`narration.sensors.azure_synthesis.AzureSynthesisSensorBase` for what it returns and for its arguments.

    A job of fewer than 10,000 billable characters may wait at the service for up to 12 hours: give the sensor a
    ``timeout`` that allows for it.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/long-audio-api

    :param job_id: Id of the job, for example ``create.output["job_id"]`` of a
        :class:`narration.operators.azure_long_audio.AzureLongAudioCreateOperator` (templated).
    """

    @property
    def api(self) -> SynthesisApi:
        return SynthesisApi.LONG_AUDIO
