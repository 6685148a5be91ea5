"""Who may do what in the storage account of a customer: its key, and signatures that Azure's own client makes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ContainerClient, generate_account_sas

from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, CUSTOMER_KEY
from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.batch_client import Batch
from tests.local_cloud.azure.blob_client import LATER, account, container_sas, names


def test_another_key_opens_nothing_and_is_not_told_in_the_answer(cloud: LocalCloud) -> None:
    key = base64.b64encode(b"another key").decode()
    client = account(cloud, key=key).get_container_client("narration")
    with pytest.raises(ClientAuthenticationError) as refused:
        client.upload_blob("a", b"1")
    assert refused.value.error_code == "AuthenticationFailed"
    assert "string to sign" in str(refused.value)
    assert key not in str(refused.value)
    with pytest.raises(ClientAuthenticationError):
        list(client.list_blobs())


@pytest.mark.parametrize("change", [{"x-ms-meta-a": "2"}, {"x-ms-version": "2021-08-06"}, {"If-None-Match": "0"}])
def test_a_header_that_is_not_what_was_signed_is_refused(
    cloud: LocalCloud, container: ContainerClient, change: dict[str, str]
) -> None:
    class Tampering(RequestsTransport):
        def send(self, request: Any, **settings: Any) -> Any:
            request.headers.update(change)
            return super().send(request, **settings)

    client = account(cloud, transport=Tampering()).get_container_client(container.container_name)
    with pytest.raises(ClientAuthenticationError):
        client.upload_blob("a", b"1", metadata={"a": "1"})
    assert names(container.list_blobs()) == []


def test_nobody_gets_in_without_one(container: ContainerClient) -> None:
    answer = requests.get(f"{container.url}?restype=container&comp=list", timeout=30)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_one_made_for_a_container_grants_what_it_says_there(container: ContainerClient) -> None:
    container.upload_blob("a", b"1")
    guest = ContainerClient.from_container_url(f"{container.url}?{container_sas(container, 'rl')}", retry_total=0)
    assert names(guest.list_blobs()) == ["a"]
    assert guest.download_blob("a").readall() == b"1"
    for act in (lambda: guest.upload_blob("b", b"1"), lambda: guest.delete_blob("a")):
        with pytest.raises(HttpResponseError) as refused:
            act()
        assert (refused.value.status_code, refused.value.error_code) == (403, "AuthorizationPermissionMismatch")
    elsewhere = f"{container.url.replace(container.container_name, 'narration')}?{container_sas(container, 'rl')}"
    with pytest.raises(ClientAuthenticationError):
        list(ContainerClient.from_container_url(elsewhere).list_blobs())


def test_one_that_is_over_is_refused(container: ContainerClient) -> None:
    sas = container_sas(container, "l", expiry=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(ClientAuthenticationError, match="not valid in the specified time frame"):
        list(ContainerClient.from_container_url(f"{container.url}?{sas}").list_blobs())


def test_one_made_for_the_account_reaches_what_its_types_say(cloud: LocalCloud, container: ContainerClient) -> None:
    url = f"{cloud.speech_url}/blob/{CUSTOMER_ACCOUNT}"

    def guest(types: str) -> BlobServiceClient:
        sas = generate_account_sas(CUSTOMER_ACCOUNT, CUSTOMER_KEY, resource_types=types, permission="rwl", expiry=LATER)
        return BlobServiceClient(url, credential=sas, retry_total=0)

    assert container.container_name in names(guest("sco").list_containers())
    guest("o").get_blob_client(container.container_name, "a").upload_blob(b"1")
    with pytest.raises(HttpResponseError) as refused:
        list(guest("o").get_container_client(container.container_name).list_blobs())
    assert refused.value.error_code == "AuthorizationResourceTypeMismatch"


def test_one_of_the_vendors_making_is_good_for_the_results_of_a_batch(batch: Batch, container: ContainerClient) -> None:
    sas = container_sas(container, "rcwl")
    job = batch.ended(batch.put(properties={"destinationContainerUrl": f"{container.url}?{sas}"}))
    assert job["status"] == "Succeeded"
    (result,) = names(container.list_blobs())
    assert result.endswith("results.zip")
    blob = container.get_blob_client(result)
    assert blob.get_blob_properties().content_settings.content_type == "application/zip"
    assert blob.download_blob().readall()[:2] == b"PK"
