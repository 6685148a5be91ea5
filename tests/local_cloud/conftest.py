"""A local cloud per module, with speech that costs nothing, and boto3 clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import Admin, client, spoken


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken) as running:
        yield running


@pytest.fixture
def admin(cloud: LocalCloud) -> Iterator[Admin]:
    yield Admin(cloud.speech_url)
    Admin(cloud.speech_url)("DELETE", "faults")


@pytest.fixture(scope="module")
def polly(cloud: LocalCloud) -> Any:
    return client("polly", cloud.speech_url)


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    return client("s3", cloud.s3_url)


@pytest.fixture
def new_cloud(tmp_path: Path) -> Iterator[Callable[..., LocalCloud]]:
    """Starts clouds of a test's own, one at a time, on the same state."""
    started: list[LocalCloud] = []

    def make(**settings: Any) -> LocalCloud:
        for earlier in started:
            earlier.stop()
        cloud = LocalCloud(**{"state": tmp_path / "state", "render": spoken} | settings)
        cloud.start()
        started.append(cloud)
        return cloud

    yield make
    for cloud in started:
        cloud.stop()
