"""Which form belongs to which service: what a person may set for a narration, with its limits and defaults."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Param

FORMS = {
    "polly": "narration.operators.form_polly.polly_params",
    "azure_batch": "narration.operators.form_azure.azure_batch_params",
    "azure_long_audio": "narration.operators.form_azure.azure_long_audio_params",
}
"""What makes the form of the Dag that stands for a service, by the service's name."""


def form_of(service: str) -> dict[str, Param]:
    """
    Give the form of the Dag that stands for a service.

    :param service: one of :data:`FORMS`.
    """
    module, _, name = FORMS[service].rpartition(".")
    return dict(getattr(import_module(module), name)())
