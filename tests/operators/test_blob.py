"""The whole road with the document and the store in Azure Blob Storage, and no file of it anywhere else."""

from __future__ import annotations

import json

import pytest

from narration.operators.parameters import ParameterError
from narration.operators.read import load
from narration.store import Store
from tests.conftest import BUCKET


@pytest.fixture
def container(bench, monkeypatch):
    """The connection ``archive``, with which the bench keeps its store in Blob."""
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(bench.cloud.blob_connection()))
    bench.storage = f"abfs://archive@{BUCKET}/{bench.word}/store"
    return bench.cloud.blobs(BUCKET)


@pytest.fixture
def document(bench, container):
    """A story of two paragraphs, as the location that a person gives."""
    text = f"Chapter 1: The {bench.word}\n\n{bench.text('one')}\n\n{bench.text('two')}\n"
    container.upload_blob(f"{bench.word}/inbox/story of the sea.txt", text.encode())
    return f"abfs://archive@{BUCKET}/{bench.word}/inbox/story of the sea.txt"


def blobs(container, bench, folder):
    prefix = f"{bench.word}/store/{folder}"
    return {blob.name.removeprefix(prefix): blob.size for blob in container.list_blobs(prefix)}


def test_a_document_in_blob_becomes_a_narration_in_blob(road, run, bench, container, document):
    result = road.narrate(run, document=document)

    published = blobs(container, bench, "narrations/")
    assert result["title"] == "Story of the Sea"
    assert {name.rsplit(".", 1)[-1] for name in published} >= {"mp3", "m4b", "json"}
    assert min(published.values()) > 0
    (manifest,) = (name for name in published if name.endswith("manifest.json"))
    data = container.download_blob(f"{bench.word}/store/narrations/{manifest}").readall()
    assert len(json.loads(data)["paragraphs"]) == 3
    assert bench.bought == 3
    assert not (bench.folder / "store").exists()


def test_what_the_store_in_blob_holds_is_not_bought_again(road, run, bench, container, document):
    road.narrate(run, document=document)
    bought = bench.bought

    road.narrate(bench.run("tuesday"), document=document)

    assert bench.bought == bought
    assert len([name for name in blobs(container, bench, "clips/") if "claim-1.json" in name]) == bought


def test_the_claim_of_another_run_is_respected_though_it_stands_in_blob(road, run, bench, container, document):
    (order,) = road.plan(run, document=document)
    keys = [clip.clip_key for clip in bench.wanted(order).clips]
    store = Store(location=bench.storage)
    for key in keys:
        assert store.create_json("clips", key[:2], f"{key}.claim-1.json", value={"run_id": "monday"})
        assert not store.create_json("clips", key[:2], f"{key}.claim-1.json", value={"run_id": "tuesday"})
        assert store.read_claim(key, number=1) == {"run_id": "monday"}


class TestLoading:
    def test_a_document_is_read_with_airflows_own_connection_when_it_names_none(self, bench, document, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(bench.cloud.blob_connection()))

        text = load(document.replace("archive@", ""), conn_id="aws_default")

        assert bench.text("one").encode() in text

    @pytest.mark.parametrize(
        ("location", "message"),
        [
            (f"abfs://archive@{BUCKET}/nowhere.txt", r"no document at abfs.*\(with connection 'archive'\)"),
            ("abfs://archive@no-such-container/a.txt", "no document at abfs://archive@no-such-container"),
            (f"abfs://archive@{BUCKET}", "is a folder"),
        ],
    )
    def test_what_cannot_be_read_is_named_with_the_remedy(self, container, location, message):
        with pytest.raises(ParameterError, match=message):
            load(location, conn_id="aws_default")

    def test_a_folder_is_no_document(self, document):
        with pytest.raises(ParameterError, match="is a folder"):
            load(document.rpartition("/")[0], conn_id=None)

    def test_what_may_not_be_read_is_a_matter_of_the_connection(self, bench, document, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OLD_KEY", json.dumps(bench.cloud.blob_connection(key="b2xkIGtleQ==")))

        with pytest.raises(ParameterError, match=r"may not be read\. Check its permissions"):
            load(document.replace("archive@", "old_key@"), conn_id=None)
