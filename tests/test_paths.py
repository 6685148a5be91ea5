from __future__ import annotations

import json

import pytest

from narration import paths
from narration.paths import LocationError, object_path
from tests.conftest import BUCKET, CUSTOMER_KEY
from tests.road import clouds, tone_cloud

__all__ = ["clouds", "tone_cloud"]


class TestOpening:
    def test_an_unknown_kind_of_storage_is_refused(self):
        with pytest.raises(LocationError, match="s4://bucket/x cannot be opened"):
            object_path("s4://bucket/x", conn_id=None, parameter="storage")

    @pytest.mark.parametrize(
        ("location", "conn_id"),
        [
            ("s3://publisher@bucket/x", None),
            ("s3://bucket/x", "publisher"),
            ("abfs://publisher@books/x", "aws_default"),
        ],
    )
    def test_a_connection_that_does_not_exist_is_never_replaced_by_the_machines_own_credentials(
        self, location, conn_id
    ):
        with pytest.raises(LocationError, match=r"no Airflow connection 'publisher'.*'storage'"):
            object_path(location, conn_id=conn_id, parameter="storage")

    def test_blob_without_a_connection_wants_airflows_own_name_for_one(self, clouds, monkeypatch):
        assert object_path("abfs://books/x", conn_id="library", parameter="storage").conn_id == "wasb_default"
        monkeypatch.delenv("AIRFLOW_CONN_WASB_DEFAULT")
        with pytest.raises(LocationError, match=r"no Airflow connection 'wasb_default', which abfs://books/x needs"):
            object_path("abfs://books/x", conn_id="library", parameter="storage")

    @pytest.mark.parametrize(
        "location",
        [
            "abfss://books@account.dfs.core.windows.net/in/a.txt",
            "abfs://books@account.dfs.core.windows.net/in/a.txt",
            "wasbs://books@account.blob.core.windows.net/in/a.txt",
            "https://account.blob.core.windows.net/books/in/a.txt?sv=2026-01-01&sig=secret",
            "az://books/in/a.txt",
        ],
    )
    def test_how_other_tools_write_it_is_told_in_airflows_words(self, location):
        with pytest.raises(LocationError, match=r"abfs://wasb_default@books/in/a\.txt") as told:
            object_path(location, conn_id=None, parameter="document")
        assert "sig" not in str(told.value)

    @pytest.mark.parametrize(
        ("location", "package"),
        [
            ("abfs://books/x", "apache-airflow-providers-microsoft-azure"),
            ("s3://books/x", r"apache-airflow-providers-amazon\[s3fs\]"),
        ],
    )
    def test_a_provider_that_is_not_installed_is_named_with_its_package(self, monkeypatch, location, package):
        monkeypatch.setattr("airflow.sdk.io.fs._register_filesystems", lambda: {"file": None})

        with pytest.raises(LocationError, match=f"needs the package {package}, which is not.*pip install '{package}'"):
            object_path(location, conn_id=None, parameter="document")

    @pytest.mark.parametrize("version", ["2023.10.0", "2024.7.0"])
    def test_an_adlfs_that_overwrites_claims_is_refused(self, clouds, monkeypatch, version):
        monkeypatch.setattr(paths, "version", lambda _: version)

        with pytest.raises(LocationError, match=rf"adlfs {version} overwrites.*adlfs 2024\.12 or later"):
            object_path(f"abfs://archive@{BUCKET}/x", conn_id=None, parameter="storage")

    def test_a_connection_that_names_no_account_is_told_what_it_lacks(self, monkeypatch):
        connection = {"conn_type": "wasb", "login": "account", "password": "a-key-of-the-account"}
        monkeypatch.setenv("AIRFLOW_CONN_NAMELESS", json.dumps(connection))

        with pytest.raises(LocationError, match=r"'nameless' opens no storage account.*'account_name'") as told:
            object_path("abfs://nameless@books/x", conn_id=None, parameter="document")
        assert "a-key-of" not in str(told.value)

    def test_the_account_name_as_an_extra_and_the_key_as_password_open_it(self, monkeypatch):
        connection = {"conn_type": "wasb", "password": CUSTOMER_KEY, "extra": {"account_name": "publisher"}}
        monkeypatch.setenv("AIRFLOW_CONN_PUBLISHER", json.dumps(connection))

        path = object_path("abfs://publisher@books/x", conn_id=None, parameter="document")

        assert (path.fs.account_name, path.fs.account_key) == ("publisher", CUSTOMER_KEY)
        assert path.fs.account_url == "https://publisher.blob.core.windows.net"

    def test_azures_client_does_not_fill_the_log_with_every_request(self, clouds, caplog):
        with caplog.at_level("INFO"):
            missing = object_path(f"abfs://archive@{BUCKET}/nothing.txt", conn_id=None, parameter="document")
            assert not missing.exists()

        assert "Request URL" not in caplog.text
