"""What tests of several rooms share: an Airflow that touches nothing outside, and the local cloud over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT as BLOB_ACCOUNT
from include.local_cloud.azure.blobs import CUSTOMER_KEY

# Airflow reads these when it is first imported, which is after this file.
# Threads that nobody can stop may still write into it when the process ends.
_AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="narration-tests-", ignore_cleanup_errors=True)
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME.name
# What the processes of a machine share, such as the counts of rate limits, lies in its temporary folder.
os.environ["TMPDIR"] = tempfile.tempdir = os.path.join(_AIRFLOW_HOME.name, "tmp")
os.mkdir(tempfile.tempdir)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_AIRFLOW_HOME.name}/airflow.db"
# A test must never find the credentials of the person who runs it.
for _name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
    os.environ.pop(_name, None)
for _name in [name for name in os.environ if name.startswith("AZURE_")]:
    os.environ.pop(_name)
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

REPOSITORY = Path(__file__).parents[1]
SECRET = "local-secret-that-no-log-may-show"
# A bucket, and a container.
BUCKET = "narration-output"


@dataclass(frozen=True, kw_only=True)
class CloudHandle:
    """The running local cloud, as tests see it."""

    speech_url: str
    s3_url: str

    def connection(self, **extra: Any) -> dict[str, Any]:
        """An Airflow connection to it."""
        endpoints = {"polly": self.speech_url, **dict.fromkeys(("s3", "sns", "sqs", "sts"), self.s3_url)}
        services = {name: {"endpoint_url": url} for name, url in endpoints.items()}
        return {
            "conn_type": "aws",
            "login": "local",
            "password": SECRET,
            "extra": {"region_name": "us-east-1", "service_config": services, **extra},
        }

    @property
    def blob_url(self) -> str:
        """The storage account of the local cloud."""
        return f"{self.speech_url}/blob/{BLOB_ACCOUNT}"

    def blob_connection_string(self, *, key: str = CUSTOMER_KEY) -> str:
        """What Azure's own clients connect with."""
        account = f"DefaultEndpointsProtocol=http;AccountName={BLOB_ACCOUNT};AccountKey={key}"
        return f"{account};BlobEndpoint={self.blob_url};"

    def blob_connection(self, **settings: Any) -> dict[str, Any]:
        """An Airflow connection to its storage account."""
        extra = {"connection_string": self.blob_connection_string(**settings)}
        return {"conn_type": "wasb", "extra": extra}

    def blob_guest(self, container: str, *, permission: str) -> dict[str, Any]:
        """An Airflow connection to its storage account with a signature for one container."""
        from azure.storage.blob import generate_container_sas

        signature = generate_container_sas(
            BLOB_ACCOUNT,
            container,
            account_key=CUSTOMER_KEY,
            permission=permission,
            expiry=datetime.now(UTC) + timedelta(days=9),
        )
        string = f"BlobEndpoint={self.blob_url};SharedAccessSignature={signature}"
        return {"conn_type": "wasb", "extra": {"connection_string": string}}

    def blobs(self, container: str) -> Any:
        """Azure's own client, independent of everything that is tested."""
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_connection_string(self.blob_connection_string(), container)

    def client(self, service: str) -> Any:
        """A plain boto3 client, independent of everything that is tested."""
        import boto3

        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.speech_url if service == "polly" else self.s3_url,
            aws_access_key_id="local",
            aws_secret_access_key=SECRET,
        )

    def bill(self) -> dict[str, int]:
        """Jobs and characters bought from Polly since the cloud started."""
        return self._call("GET", "bill")["polly"]

    def calls(self, operation: str, *, service: str = "polly") -> int:
        """How often an operation was called since the cloud started."""
        return self._call("GET", "requests").get(service, {}).get(operation, {}).get("calls", 0)

    def order_fault(self, kind: str, **more: Any) -> None:
        """Order a failure; see include/local_cloud/faults.py for the kinds."""
        self._call("POST", "faults", {"kind": kind, **more})

    def clear_faults(self) -> None:
        """Cancel the failures that were ordered and have not happened yet."""
        self._call("DELETE", "faults")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.speech_url}/_local/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def fresh_object_storage() -> None:
    """Airflow keeps a filesystem for each connection id; here the same id leads to other clouds."""
    from airflow.sdk.io import store

    store._STORE_CACHE.clear()


@contextmanager
def running_cloud(voice: str) -> Iterator[CloudHandle]:
    """A local cloud on free ports, with the preset ``fast``; see :mod:`tests.cloud_process`."""
    command = [sys.executable, "-m", "tests.cloud_process", voice]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield CloudHandle(**json.loads(process.stdout.readline()))


@pytest.fixture(scope="session")
def running_local_cloud() -> Iterator[CloudHandle]:
    """The local cloud with real speech, started when a test first needs it."""
    with running_cloud("speech") as cloud:
        yield cloud


@pytest.fixture
def local_cloud(running_local_cloud: CloudHandle) -> Iterator[CloudHandle]:
    """The local cloud without failures left over from another test."""
    running_local_cloud.clear_faults()
    yield running_local_cloud
    running_local_cloud.clear_faults()


@pytest.fixture
def aws_connection(
    fresh_object_storage: None, local_cloud: CloudHandle, monkeypatch: pytest.MonkeyPatch
) -> CloudHandle:
    """The local cloud, with the Airflow connection ``aws_default`` that leads to it."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(local_cloud.connection()))
    return local_cloud


class StateStore:
    """A task state store in memory, with the methods and the rules of Airflow's."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        if value is None:
            raise ValueError("Cannot set value as None")
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


class TaskInstanceInTest:
    """What the operators use of a task instance."""

    dag_id, run_id, task_id, map_index = "books", "manual", "task", -1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


@pytest.fixture
def task_context() -> dict[str, Any]:
    """The context of one task instance; a second execution with the same one is its next attempt."""
    return {"ti": TaskInstanceInTest(), "task_state_store": StateStore()}
