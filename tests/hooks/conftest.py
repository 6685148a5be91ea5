from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from narration.hooks import limits_server
from narration.hooks.limits import shared_limiter
from narration.hooks.limits_server import LimitServer, limit_server
from narration.hooks.windows import shared_window
from tests.azure_blocks import azure
from tests.redis_server import RedisInTest
from tests.road import tone_cloud

__all__ = ["azure", "tone_cloud"]


@pytest.fixture
def own_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of this test's own, and no limit that another test has made."""
    caches = (shared_limiter, shared_window, limit_server)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="session")
def running_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisInTest]:
    redis = RedisInTest(tmp_path_factory.mktemp("redis"))
    redis.start()
    yield redis
    redis.kill()


@pytest.fixture
def redis(running_redis: RedisInTest) -> RedisInTest:
    """A Redis that runs and is empty, whatever an earlier test has done to it."""
    if not running_redis.answers():
        running_redis.kill()
        running_redis.start()
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture
def server(redis: RedisInTest) -> LimitServer:
    """That Redis, as limits use it."""
    return limits_server._from_url(redis.url)
