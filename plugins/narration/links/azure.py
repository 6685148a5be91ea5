"""The way from a task in Airflow's UI to the audio that it fetched from Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

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


def console_url(path: ObjectStoragePath) -> str:
    """Give the address at which a person can see a folder, or an empty text if there is none."""
    bucket, _, key = str(path.path).lstrip("/").partition("/")
    folder = f"{key.strip('/')}/" if key.strip("/") else ""
    if path.protocol in ("s3", "s3a", "s3n"):
        settings = getattr(path.fs, "client_kwargs", None) or {}
        endpoint = getattr(path.fs, "endpoint_url", None) or settings.get("endpoint_url")
        if endpoint and ".amazonaws." not in endpoint:
            return f"{endpoint.rstrip('/')}/{bucket}/{quote(folder)}"
        return f"https://console.aws.amazon.com/s3/buckets/{bucket}?prefix={quote(folder, safe='')}"
    if path.protocol in ("gs", "gcs"):
        return f"https://console.cloud.google.com/storage/browser/{bucket}/{quote(folder)}"
    account = getattr(path.fs, "account_name", None)
    if path.protocol in ("abfs", "abfss", "az", "adl", "wasb", "wasbs") and account:
        return f"https://{account}.blob.core.windows.net/{bucket}/{quote(folder)}"
    return ""
