"""A disk that cannot be written: nothing accepted is lost, and the trouble is said plainly."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.server import LocalCloud
from include.local_cloud.state import State
from tests.local_cloud.cloud_helpers import BUCKET, Admin, client, ended, eventually, frozen_clock, start

NewCloud = Callable[..., LocalCloud]


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def degraded(admin: Admin) -> str:
    health = eventually(lambda: (found := admin.get("health"))["status"] == "degraded" and found)
    return health["reason"]


def test_tasks_wait_while_objects_cannot_be_written_and_complete_afterwards(
    new_cloud: NewCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = new_cloud(clock=frozen_clock())
    polly, admin = client("polly", cloud.speech_url), Admin(cloud.speech_url)
    with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
        patched.setattr(cloud.storage, "put_object", full)
        tasks = [start(polly)["TaskId"] for _ in range(5)]
        assert "No space left on device" in degraded(admin)
        admin.advance(6)
        listed = polly.list_speech_synthesis_tasks()["SynthesisTasks"]
        assert {task["TaskStatus"] for task in listed} <= {"scheduled", "inProgress"}
    said = [record for record in caplog.records if "No space left" in record.getMessage()]
    assert len(said) == 1
    assert not any(record.exc_info for record in caplog.records)
    eventually(
        lambda: all(task["Settled"] for task in admin.get("tasks")["polly"]) or admin.advance(6),
    )
    assert {ended(polly, task_id)["TaskStatus"] for task_id in tasks} == {"completed"}
    assert admin.get("health")["status"] == "ok"
    assert admin.bill() == {"jobs": 5, "characters": 30}


def test_tasks_go_on_when_their_own_state_can_be_written_again(
    new_cloud: NewCloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = new_cloud(preset="documented", clock=frozen_clock())
    polly, admin = client("polly", cloud.speech_url), Admin(cloud.speech_url)
    task_id = start(polly)["TaskId"]
    state: Any = cloud._state
    state.database.execute("PRAGMA query_only = ON")
    with pytest.raises(polly.exceptions.ServiceFailureException):
        start(polly)
    admin.advance(5)
    assert "readonly" in degraded(admin)
    assert polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]["TaskStatus"] == "scheduled"
    state.database.execute("PRAGMA query_only = OFF")
    eventually(lambda: admin.get("tasks")["polly"][0]["Settled"] or admin.advance(5))
    assert ended(polly, task_id)["TaskStatus"] == "completed"
    assert admin.get("health")["status"] == "ok"
    assert not any(record.exc_info for record in caplog.records)


def test_an_upload_that_cannot_be_kept_is_refused_without_a_traceback(
    new_cloud: NewCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = new_cloud()
    s3, admin = client("s3", cloud.s3_url), Admin(cloud.speech_url)
    with monkeypatch.context() as patched:
        patched.setattr("include.local_cloud.aws_storage_catalog.Catalog.write_body", full)
        for _ in range(3):
            with pytest.raises(ClientError, match="InternalError"):
                s3.put_object(Bucket=BUCKET, Key="clip", Body=b"x")
        assert "No space left on device" in degraded(admin)
    assert sum("No space left" in record.getMessage() for record in caplog.records) == 1
    assert not any(record.exc_info for record in caplog.records)
    s3.put_object(Bucket=BUCKET, Key="clip", Body=b"x")
    assert admin.get("health")["status"] == "ok"


def test_a_transaction_that_failed_leaves_none_open(tmp_path: Any) -> None:
    state = State(folder=tmp_path)
    pages = state.database.execute("PRAGMA page_count").fetchone()[0]
    state.database.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"), state.transaction():
            state.set_meta("key", "x" * 100_000)
    state.database.execute("PRAGMA max_page_count = 10000")
    with state.transaction():
        state.set_meta("key", "x" * 100_000)
    state.close()


def test_the_clock_moves_although_its_state_cannot_be_written(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    admin = Admin(cloud.speech_url)
    state: Any = cloud._state
    state.database.execute("PRAGMA query_only = ON")
    admin.advance(5)
    assert "readonly" in degraded(admin)
    state.database.execute("PRAGMA query_only = OFF")
    admin.advance(5)
    assert admin.get("health")["status"] == "ok"
    assert Admin(new_cloud().speech_url).get("clock")["advanced_seconds"] == 10
