from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from narration.links.azure import AzureSynthesisResultLink
from narration.links.console import console_url
from narration.operators.azure_batch_synthesis import AzureBatchSynthesisDownloadResultsOperator
from narration.operators.azure_long_audio import AzureLongAudioDownloadResultsOperator


def _folder(protocol, path, **filesystem):
    return SimpleNamespace(protocol=protocol, path=path, fs=SimpleNamespace(**filesystem))


class TestAddresses:
    @pytest.mark.parametrize(
        ("folder", "url"),
        [
            (_folder("s3", "books/emma one"), "https://console.aws.amazon.com/s3/buckets/books?prefix=emma%20one%2F"),
            (
                _folder("s3", "books/emma", client_kwargs={"endpoint_url": "http://127.0.0.1:8601/"}),
                "http://127.0.0.1:8601/books/emma/",
            ),
            (
                _folder("s3", "books/emma", client_kwargs={"endpoint_url": "https://s3.eu-west-1.amazonaws.com"}),
                "https://console.aws.amazon.com/s3/buckets/books?prefix=emma%2F",
            ),
            (_folder("gs", "books/emma"), "https://console.cloud.google.com/storage/browser/books/emma/"),
            (
                _folder("abfs", "books/emma", account_name="publisher"),
                "https://publisher.blob.core.windows.net/books/emma/",
            ),
            (_folder("s3", "books"), "https://console.aws.amazon.com/s3/buckets/books?prefix="),
        ],
    )
    def test_a_folder_is_opened_in_the_console_of_its_storage(self, folder, url):
        assert console_url(folder) == url

    @pytest.mark.parametrize("folder", [_folder("file", "/data/emma"), _folder("abfs", "books/emma")])
    def test_a_folder_that_no_browser_can_open_has_no_address(self, folder):
        assert console_url(folder) == ""

    def test_nothing_is_written_where_there_is_no_address_or_the_operator_pushes_no_xcom(self, task_context):
        for pushes, folder in ((True, _folder("file", "/data")), (False, _folder("s3", "books/emma"))):
            AzureSynthesisResultLink.persist_location(
                context=task_context, operator=SimpleNamespace(do_xcom_push=pushes), path=folder
            )

        assert task_context["ti"].xcoms == {}


@pytest.fixture(scope="module")
def deserialized_dag():
    with DAG(dag_id="linked", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        AzureBatchSynthesisDownloadResultsOperator(task_id="batch", job_id="j-1", storage="/data")
        AzureLongAudioDownloadResultsOperator(task_id="long", job_id="j-1", storage="/data")
        AzureLongAudioDownloadResultsOperator.partial(task_id="many", storage="/data").expand(job_id=["j-1", "j-2"])
    return DagSerialization.from_json(DagSerialization.to_json(dag))


@pytest.mark.parametrize("task_id", ["batch", "long", "many"])
def test_links_survive_serialization_mapped_or_not(deserialized_dag, task_id):
    links = deserialized_dag.get_task(task_id).operator_extra_links

    assert {link.name: link.xcom_key for link in links} == {"Azure synthesis result": "azure_synthesis_result"}


def test_the_key_that_the_ui_reads_is_the_one_that_a_task_writes():
    assert AzureSynthesisResultLink().xcom_key == AzureSynthesisResultLink.key == "azure_synthesis_result"
