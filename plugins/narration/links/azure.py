"""The way from a task in Airflow's UI to the audio that it fetched from Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narration.links.console import console_url
from narration.links.stored import StoredLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context, ObjectStoragePath


class AzureSynthesisResultLink(StoredLink):
    """
    Open the folder that a result was written to, in the console of its storage.

    There is none to the job itself: no page of Azure's shows one. Nor is there one to a folder on a worker.
    """

    name = "Azure synthesis result"
    key = "azure_synthesis_result"

    @classmethod
    def persist_location(cls, *, context: Context, operator: BaseOperator, path: ObjectStoragePath) -> None:
        """Write the address of a folder down, without a signature: whoever follows it needs access of their own."""
        cls.persist(context=context, operator=operator, url=console_url(path))
