"""Quotas per operation and engine, in the documented preset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.clock import Clock
from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import Rate
from include.local_cloud.throttling import Throttle
from tests.local_cloud.cloud_helpers import Admin, client, frozen_clock, spoken, start


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    state: Path = tmp_path_factory.mktemp("cloud")
    with LocalCloud(state=state, preset="documented", clock=frozen_clock(), render=spoken) as running:
        yield running


@pytest.fixture(autouse=True)
def _rested(admin: Admin) -> None:
    admin.advance(60)


def admitted(call: Any, *, tries: int) -> int:
    """How many of so many calls were not throttled."""
    count = 0
    refusals: list[Any] = []
    for _ in range(tries):
        try:
            call()
            count += 1
        except ClientError as error:
            refusals.append(error.response)
    for refusal in refusals:
        assert refusal["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
        assert refusal["ResponseMetadata"]["HTTPStatusCode"] == 400
    return count


@pytest.mark.parametrize(
    ("engine", "voice", "burst"),
    [("standard", "Joanna", 12), ("neural", "Joanna", 10), ("long-form", "Ruth", 1), ("generative", "Ruth", 1)],
)
def test_starting_is_limited_per_engine(polly: Any, engine: str, voice: str, burst: int) -> None:
    assert admitted(lambda: start(polly, Engine=engine, VoiceId=voice), tries=burst + 3) == burst


def test_engines_and_regions_do_not_share_their_quota(cloud: LocalCloud, polly: Any) -> None:
    assert admitted(lambda: start(polly, Engine="generative", VoiceId="Ruth"), tries=2) == 1
    assert admitted(lambda: start(polly), tries=1) == 1
    ireland = client("polly", cloud.speech_url, region="eu-west-1")
    assert admitted(ireland.list_speech_synthesis_tasks, tries=12) == 10
    assert admitted(polly.list_speech_synthesis_tasks, tries=12) == 10


def test_get_and_list_share_ten_calls_a_second(polly: Any, admin: Admin) -> None:
    task_id = start(polly)["TaskId"]
    calls = [
        lambda: polly.get_speech_synthesis_task(TaskId=task_id),
        lambda: polly.list_speech_synthesis_tasks(),
    ]
    assert sum(admitted(call, tries=1) for call in calls * 8) == 10
    admin.advance(0.5)
    assert sum(admitted(call, tries=1) for call in calls * 8) == 5


def test_lexicon_operations_share_a_quota_and_throttled_calls_are_counted(polly: Any, admin: Admin) -> None:
    assert admitted(polly.list_lexicons, tries=13) == 10
    assert admin.get("requests")["polly"]["ListLexicons"] == {"calls": 13, "throttled": 3, "errors": 0}


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock: Clock = frozen_clock()
    throttle = Throttle(rates={"q": Rate(per_second=10, burst=12)}, clock=clock)
    clock.advance(1_000_000)
    assert sum(throttle.admits(region="r", quota="q") for _ in range(50)) == 12
    clock.advance(0.25)
    assert sum(throttle.admits(region="r", quota="q") for _ in range(50)) == 2
