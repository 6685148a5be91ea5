"""Azure's own client for blobs, with nothing changed but the connection string."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient, generate_container_sas

from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, CUSTOMER_KEY
from include.local_cloud.server import LocalCloud

LATER = datetime.now(UTC) + timedelta(days=400)


def account(cloud: LocalCloud, *, key: str = CUSTOMER_KEY, **settings: Any) -> BlobServiceClient:
    connection = f"DefaultEndpointsProtocol=http;AccountName={CUSTOMER_ACCOUNT};AccountKey={key}"
    endpoint = f"BlobEndpoint={cloud.speech_url}/blob/{CUSTOMER_ACCOUNT};"
    # Errors are asserted one by one; the client's own patience would be a quarter of a minute.
    return BlobServiceClient.from_connection_string(f"{connection};{endpoint}", **{"retry_total": 0} | settings)


def names(listed: Any) -> list[str]:
    return [entry.name for entry in listed]


def container_sas(container: ContainerClient, permission: str, *, expiry: datetime = LATER) -> str:
    """A signature as the vendor's own client makes it."""
    return generate_container_sas(
        CUSTOMER_ACCOUNT, container.container_name, account_key=CUSTOMER_KEY, permission=permission, expiry=expiry
    )
