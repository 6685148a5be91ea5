"""Wait for a batch synthesis job at Azure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from narration.hooks.azure_connection import BatchSynthesisApiMixin
from narration.sensors.azure_synthesis import AzureSynthesisSensorBase


class AzureBatchSynthesisSensor(BatchSynthesisApiMixin, AzureSynthesisSensorBase):
    """
    Wait until a batch synthesis job has succeeded; see
    :class:`narration.sensors.azure_synthesis.AzureSynthesisSensorBase` for what it returns and for its arguments.

    A job succeeds although some of its inputs failed: the fact ``failed_audios`` says how many.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis

    :param job_id: Id of the job, for example ``create.output["job_id"]`` of a
        :class:`narration.operators.azure_batch_synthesis.AzureBatchSynthesisCreateOperator` (templated).
    :param api_version: ``2024-04-01`` or ``3.1-preview1``, as the job's (templated).
    """

    template_fields: Sequence[str] = (*AzureSynthesisSensorBase.template_fields, "api_version")

    def __init__(self, *, job_id: str, api_version: str = "2024-04-01", **kwargs: Any) -> None:
        super().__init__(job_id=job_id, **kwargs)
        self.api_version = api_version
