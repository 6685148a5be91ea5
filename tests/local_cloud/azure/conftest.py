"""Azure's part of a local cloud that speaks in tones and lets every test call as often as it likes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from include.local_cloud.azure.quotas import SERVICES, AzureQuotas, Window
from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import FAST, Preset
from tests.cloud_process import tone
from tests.local_cloud.azure.batch_client import Batch, Preview
from tests.local_cloud.azure.blob_client import account


def quotas(**changes: Any) -> Preset:
    """The preset ``fast`` with other limits; without any, nothing is ever throttled."""
    plenty = dict.fromkeys(SERVICES, Window(requests=1_000_000, seconds=1))
    settings: dict[str, Any] = {"requests": plenty, "median_seconds": 0.0, "slow_seconds": 0.0} | changes
    return replace(FAST, azure=AzureQuotas(**settings))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=tone, preset=quotas()) as running:
        yield running


@pytest.fixture
def batch(cloud: LocalCloud) -> Batch:
    return Batch(cloud.speech_url)


@pytest.fixture
def preview(cloud: LocalCloud) -> Preview:
    return Preview(cloud.speech_url)


@pytest.fixture
def azure_cloud(tmp_path: Path) -> Iterator[Callable[..., LocalCloud]]:
    """Starts clouds of a test's own, one at a time, on the same state; for modules without ``cloud``."""
    started: list[LocalCloud] = []

    def make(**settings: Any) -> LocalCloud:
        for earlier in started:
            earlier.stop()
        given = {"state": tmp_path / "state", "render": tone, "preset": quotas()} | settings
        cloud = LocalCloud(**given)
        started.append(cloud)
        cloud.start()
        return cloud

    yield make
    for cloud in started:
        cloud.stop()


@pytest.fixture
def service(cloud: LocalCloud) -> BlobServiceClient:
    return account(cloud)


@pytest.fixture
def container(service: BlobServiceClient) -> Iterator[ContainerClient]:
    made = service.create_container(f"test-{uuid.uuid4().hex[:12]}")
    yield made
    made.delete_container()
