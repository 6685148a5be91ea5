"""The storage account of a customer, held to Azure's own client with nothing changed but the connection string."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    ExponentialRetry,
)

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.blob_client import account, container_sas, names
from tests.local_cloud.cloud_helpers import Admin

AT_ONCE = ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=2, random_jitter_range=0)


class TestContainers:
    def test_those_of_the_local_cloud_are_there_from_the_start(self, service: BlobServiceClient) -> None:
        assert {"narration", "narration-output"} <= set(names(service.list_containers()))

    def test_one_is_made_once_with_its_metadata_and_deleted_with_what_is_in_it(
        self, service: BlobServiceClient
    ) -> None:
        made = service.create_container("inbox", metadata={"owner": "desk"})
        made.upload_blob("a.txt", b"words")
        with pytest.raises(ResourceExistsError) as refused:
            service.create_container("inbox")
        assert refused.value.error_code == "ContainerAlreadyExists"
        (listed,) = service.list_containers(name_starts_with="inb", include_metadata=True)
        assert (listed.name, listed.metadata) == ("inbox", {"owner": "desk"})
        assert made.get_container_properties().etag == listed.etag
        made.delete_container()
        with pytest.raises(ResourceNotFoundError) as gone:
            list(made.list_blobs())
        assert gone.value.error_code == "ContainerNotFound"
        service.create_container("inbox").delete_container()

    def test_they_are_listed_page_by_page(self, service: BlobServiceClient) -> None:
        made = [service.create_container(f"page-{number}") for number in range(5)]
        pages = [names(page) for page in service.list_containers("page-", results_per_page=2).by_page()]
        assert pages == [["page-0", "page-1"], ["page-2", "page-3"], ["page-4"]]
        for container in made:
            container.delete_container()

    @pytest.mark.parametrize("name", ["ab", "Inbox", "in--box", "in_box", "-inbox"])
    def test_a_name_that_no_container_can_have_is_refused(self, service: BlobServiceClient, name: str) -> None:
        with pytest.raises(HttpResponseError) as refused:
            service.create_container(name)
        assert (refused.value.status_code, refused.value.error_code) == (400, "InvalidResourceName")


class TestBlobs:
    @pytest.mark.parametrize(
        "name", ["a.txt", "a b/ü#?%20&+.txt", ".hidden", "x//y", "a", "a/b", "z" * 1_024, "'()!*$,;=:@~"]
    )
    def test_one_of_any_name_is_read_as_it_was_written(self, container: ContainerClient, name: str) -> None:
        written = container.upload_blob(
            name,
            b"words",
            metadata={"is_directory": "false", "ab": "1", "a_b": "2"},
            content_settings=ContentSettings(content_type="text/plain", cache_control="no-cache"),
        )
        properties = container.get_blob_client(name).get_blob_properties()
        assert written.download_blob().readall() == b"words"
        assert properties.metadata == {"is_directory": "false", "ab": "1", "a_b": "2"}
        assert properties.content_settings.content_type == "text/plain"
        assert properties.content_settings.cache_control == "no-cache"
        assert properties.content_settings.content_md5 == hashlib.md5(b"words").digest()
        assert abs(properties.last_modified - datetime.now(UTC)) < timedelta(seconds=90)
        (listed,) = container.list_blobs(include=["metadata"])
        assert (listed.name, listed.size, listed.etag) == (name, 5, properties.etag.strip('"'))
        assert (listed.last_modified, listed.metadata) == (properties.last_modified, properties.metadata)

    def test_a_blob_and_one_below_its_name_are_two(self, container: ContainerClient) -> None:
        container.upload_blob("a", b"1")
        container.upload_blob("a/b", b"2")
        assert container.download_blob("a").readall() + container.download_blob("a/b").readall() == b"12"

    def test_an_empty_one_has_no_range(self, container: ContainerClient) -> None:
        container.upload_blob("empty", b"")
        assert container.download_blob("empty").readall() == b""
        with pytest.raises(HttpResponseError) as refused:
            container.download_blob("empty", offset=5, length=5).readall()
        assert (refused.value.status_code, refused.value.error_code) == (416, "InvalidRange")

    def test_a_part_is_read_by_its_range(self, container: ContainerClient) -> None:
        container.upload_blob("a", b"0123456789")
        assert container.download_blob("a", offset=3, length=4).readall() == b"3456"
        assert container.download_blob("a", offset=8, length=40).readall() == b"89"

    def test_only_one_of_many_that_create_it_at_once_succeeds(self, container: ContainerClient) -> None:
        def create(number: int) -> bool:
            try:
                container.upload_blob("claim", str(number).encode())
            except ResourceExistsError as refused:
                return refused.error_code != "BlobAlreadyExists"
            return True

        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(create, range(16)))
        assert created.count(True) == 1
        assert container.download_blob("claim").readall() == str(created.index(True)).encode()

    def test_replacing_it_changes_the_etag_and_keeps_the_time_of_its_creation(
        self, container: ContainerClient, admin: Admin
    ) -> None:
        blob = container.upload_blob("a", b"1")
        before = blob.get_blob_properties()
        admin.advance(60)
        blob.upload_blob(b"22", overwrite=True)
        after = blob.get_blob_properties()
        assert (after.size, after.creation_time) == (2, before.creation_time)
        assert after.etag != before.etag
        assert after.last_modified - before.last_modified >= timedelta(seconds=60)

    def test_conditions_hold_for_reading_and_for_writing(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1")
        etag = blob.get_blob_properties().etag
        blob.upload_blob(b"2", overwrite=True, etag=etag, match_condition=_if_match())
        with pytest.raises(ResourceModifiedError) as refused:
            blob.upload_blob(b"3", overwrite=True, etag=etag, match_condition=_if_match())
        assert refused.value.error_code == "ConditionNotMet"
        with pytest.raises(ResourceModifiedError):
            blob.download_blob(etag=etag, match_condition=_if_match())
        url = f"{blob.url}?{container_sas(container, 'r')}"
        fresh = {"If-None-Match": blob.get_blob_properties().etag}
        assert requests.get(url, headers=fresh, timeout=30).status_code == 304
        assert requests.get(url, headers={"If-None-Match": etag}, timeout=30).content == b"2"

    def test_what_is_not_there_is_told_apart_from_a_container_that_is_not_there(
        self, service: BlobServiceClient, container: ContainerClient
    ) -> None:
        for client, code in (
            (container, "BlobNotFound"),
            (service.get_container_client("nowhere"), "ContainerNotFound"),
        ):
            for act in (client.download_blob, client.delete_blob):
                with pytest.raises(ResourceNotFoundError) as refused:
                    act("a")
                assert refused.value.error_code == code
        assert not container.get_blob_client("a").exists()
        with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
            service.get_container_client("nowhere").upload_blob("a", b"1")

    def test_headers_and_metadata_are_changed_and_the_bytes_stay(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1", metadata={"x": "1"})
        blob.set_blob_metadata({"y": "2"})
        blob.set_http_headers(ContentSettings(content_type="audio/mpeg"))
        properties = blob.get_blob_properties()
        assert (properties.metadata, properties.content_settings.content_type) == ({"y": "2"}, "audio/mpeg")
        assert blob.download_blob().readall() == b"1"

    def test_one_is_copied_within_the_account(self, service: BlobServiceClient, container: ContainerClient) -> None:
        source = container.upload_blob("a b.txt", b"words", metadata={"x": "1"})
        copy = service.get_blob_client("narration", f"{container.container_name}/copy")
        assert copy.start_copy_from_url(source.url)["copy_status"] == "success"
        assert copy.download_blob().readall() == b"words"
        assert copy.get_blob_properties().metadata == {"x": "1"}
        with pytest.raises(ResourceNotFoundError):
            copy.start_copy_from_url(container.get_blob_client("nothing").url)

    def test_a_body_that_is_not_what_its_md5_says_is_refused(self, container: ContainerClient) -> None:
        url = f"{container.url}/a?{container_sas(container, 'cw')}"
        wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": wrong}
        answer = requests.put(url, data=b"words", headers=headers, timeout=30)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
        assert names(container.list_blobs()) == []

    def test_other_kinds_of_blobs_are_refused_in_so_many_words(self, container: ContainerClient) -> None:
        with pytest.raises(HttpResponseError, match="stores block blobs only, not AppendBlob"):
            container.get_blob_client("log").create_append_blob()


class TestBlocks:
    def test_a_large_upload_goes_in_blocks_and_comes_back_in_ranges(
        self, cloud: LocalCloud, container: ContainerClient
    ) -> None:
        small = {"max_single_put_size": 100_000, "max_block_size": 90_000, "max_single_get_size": 70_000}
        client = account(cloud, max_chunk_get_size=60_000, **small).get_blob_client(container.container_name, "large")
        data = os.urandom(400_001)
        client.upload_blob(data, max_concurrency=3)
        assert client.download_blob(max_concurrency=3).readall() == data
        committed, uncommitted = client.get_block_list("all")
        assert ([block.size for block in committed], uncommitted) == ([90_000] * 4 + [40_001], [])

    def test_blocks_count_once_they_are_committed_and_can_be_used_again(self, container: ContainerClient) -> None:
        blob = container.get_blob_client("parts")
        blob.stage_block("1", b"one ")
        blob.stage_block("2", b"two ")
        assert not blob.exists()
        assert names(container.list_blobs()) == []
        blob.commit_block_list(["1", "2"])
        assert blob.download_blob().readall() == b"one two "
        blob.stage_block("3", b"three ")
        blob.commit_block_list(["3", "1"])
        assert blob.download_blob().readall() == b"three one "
        with pytest.raises(HttpResponseError) as refused:
            blob.commit_block_list(["2"])
        assert refused.value.error_code == "InvalidBlockList"

    def test_a_list_of_blocks_creates_a_blob_once(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1")
        blob.stage_block("1", b"2")
        with pytest.raises(ResourceExistsError):
            blob.commit_block_list(["1"], headers={"If-None-Match": "*"})
        assert blob.download_blob().readall() == b"1"


class TestListing:
    def test_pages_hold_every_blob_once_in_order(self, container: ContainerClient) -> None:
        wanted = sorted(["a", "b/1", "b/2", "b/3/x", "c", "é", "日"])
        for name in wanted:
            container.upload_blob(name, b"1")
        assert names(container.list_blobs(results_per_page=2)) == wanted
        assert names(container.list_blobs("b/", results_per_page=1)) == ["b/1", "b/2", "b/3/x"]
        assert names(container.list_blobs("no")) == []

    @pytest.mark.parametrize("size", [1, 2, 100])
    def test_a_delimiter_makes_folders_on_pages_of_any_size(self, container: ContainerClient, size: int) -> None:
        for name in ("a", "b/1", "b/2", "b/3/x", "c", "d/1"):
            container.upload_blob(name, b"1")
        # The client puts the folders of a page first.
        assert sorted(names(container.walk_blobs(results_per_page=size))) == ["a", "b/", "c", "d/"]
        assert sorted(names(container.walk_blobs("b/", results_per_page=size))) == ["b/1", "b/2", "b/3/"]

    def test_a_name_that_xml_cannot_hold_is_listed_too(self, container: ContainerClient) -> None:
        container.upload_blob("a\x01b", b"1")
        assert names(container.list_blobs()) == ["a\x01b"]


class TestTrouble:
    def test_a_busy_server_and_an_internal_error_are_met_by_the_clients_own_retries(
        self, cloud: LocalCloud, container: ContainerClient, admin: Admin
    ) -> None:
        patient = account(cloud, retry_policy=AT_ONCE)
        client = patient.get_container_client(container.container_name)
        before = admin.get("requests")["azure_blob"].get("PutBlob", {"calls": 0, "throttled": 0, "errors": 0})
        admin.order("throttle", service="azure_blob", operation="PutBlob")
        admin.order("error_500", service="azure_blob", operation="PutBlob")
        client.upload_blob("a", b"1")
        assert client.download_blob("a").readall() == b"1"
        after = admin.get("requests")["azure_blob"]["PutBlob"]
        assert {name: after[name] - before[name] for name in after} == {"calls": 3, "throttled": 1, "errors": 1}

    def test_a_claim_whose_answer_was_lost_is_there_when_the_client_asks_again(
        self, cloud: LocalCloud, container: ContainerClient, admin: Admin
    ) -> None:
        patient = account(cloud, retry_policy=AT_ONCE)
        admin.order("drop_reply", service="azure_blob", operation="PutBlob")
        with pytest.raises(ResourceExistsError):
            patient.get_blob_client(container.container_name, "claim").upload_blob(b"mine")
        assert container.download_blob("claim").readall() == b"mine"

    def test_a_disk_that_takes_nothing_more_is_told_and_forgotten(
        self, cloud: LocalCloud, container: ContainerClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("include.local_cloud.azure.blob_account.shutil.move", full)
            with pytest.raises(HttpResponseError) as refused:
                container.upload_blob("a", b"1")
        assert (refused.value.status_code, refused.value.error_code) == (500, "InternalError")
        assert "Blob storage cannot be written" in admin.get("health")["reason"]
        container.upload_blob("a", b"1")
        assert admin.get("health")["status"] == "ok"

    def test_an_upload_that_breaks_off_leaves_nothing(self, cloud: LocalCloud, container: ContainerClient) -> None:
        def half() -> Iterator[bytes]:
            yield b"x" * 100_000
            raise ConnectionAbortedError

        url = f"{container.url}/a?{container_sas(container, 'cw')}"
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": "200000"}
        with pytest.raises((ConnectionAbortedError, requests.RequestException)):
            requests.put(url, data=half(), headers=headers, timeout=30)
        assert names(container.list_blobs()) == []


def _if_match() -> Any:
    from azure.core import MatchConditions

    return MatchConditions.IfNotModified
