"""An inbox in S3 or in Azure Blob Storage, with the storage in another place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from narration.operators.find import FindDocumentsOperator
from narration.operators.form_nightly import nightly_params
from narration.operators.read import ReadDocumentOperator
from narration.paths import LocationError
from tests.conftest import BUCKET, TaskInstanceInTest


class Remote:
    """A prefix of a bucket or container, and runs over it."""

    def __init__(self, bench: Any, *, inbox: str, put: Any) -> None:
        self.inbox = inbox
        self.put = put
        self._bench = bench

    def look(self, *, days: float = 0, **change: Any) -> list[dict[str, Any]]:
        """Look through it as the run of the hour around now, by the clock of either storage, or so many days later."""
        now = datetime.now(UTC) + timedelta(days=days)
        cloud = datetime.fromtimestamp(self._bench.cloud._call("GET", "clock")["now"], UTC) + timedelta(days=days)
        form = {name: param.value for name, param in nightly_params().items()}
        context = {
            "params": {**form, "inbox": self.inbox, "storage": self._bench.storage, **change},
            "dag_run": SimpleNamespace(
                data_interval_start=min(now, cloud) - timedelta(hours=1),
                # Other tests may have put the cloud's clock forward by days.
                data_interval_end=(min if days else max)(now, cloud) + timedelta(hours=1),
                run_after=None,
                run_id="by hand",
            ),
            "ti": TaskInstanceInTest(),
        }
        return FindDocumentsOperator(task_id="find").execute(context)


@pytest.fixture(params=["s3", "abfs"])
def remote(request, bench, monkeypatch) -> Remote:
    prefix = f"{bench.word}/inbox"
    if request.param == "s3":
        return Remote(
            bench,
            inbox=f"s3://{BUCKET}/{prefix}/",
            put=lambda name, text: bench.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=text.encode()),
        )
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(bench.cloud.blob_connection()))
    container = bench.cloud.blobs(BUCKET)
    return Remote(
        bench,
        inbox=f"abfs://archive@{BUCKET}/{prefix}",
        put=lambda name, text: container.upload_blob(f"{prefix}/{name}", text.encode(), overwrite=True),
    )


def test_what_was_uploaded_in_the_interval_is_found_with_its_profile_and_can_be_read(remote, bench):
    remote.put("letters/the first #1.txt", "A letter.")
    remote.put("letters/profile.yaml", "voice: Amy")
    remote.put("notes.pdf", "no text")

    (request,) = remote.look()

    assert (request["name"], request["params"]["voice"], request["problem"]) == (
        "letters/the first #1.txt",
        "Amy",
        None,
    )
    context = {"ti": TaskInstanceInTest(), "params": {}}
    assert ReadDocumentOperator(task_id="read", request=request).execute(context)["paragraphs"] == 1
    assert remote.look(days=-3) == []


def test_another_version_of_a_document_is_another_document(remote):
    remote.put("story.txt", "A tale.")
    (before,) = remote.look()
    (same,) = remote.look()
    remote.put("story.txt", "A tail.")
    (after,) = remote.look()

    assert before["version"] == same["version"] != after["version"]


def test_dated_folders_are_looked_for_one_by_one_and_the_profile_above_them(remote):
    # Whose day is over within the hour around midnight.
    day = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    remote.put(f"{day}/story.txt", "A tale.")
    remote.put("elsewhere/story.txt", "A tale.")
    remote.put("profile.yaml", "voice: Amy")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    (request,) = remote.look(
        layout="date", since=(midnight - timedelta(hours=1)).isoformat(), until=midnight.isoformat()
    )

    assert (request["name"], request["params"]["voice"]) == (f"{day}/story.txt", "Amy")


@pytest.mark.parametrize("layout", ["modified", "date"])
def test_a_prefix_below_which_nothing_lies_is_an_empty_inbox(remote, layout):
    assert remote.look(layout=layout) == []


def test_a_bucket_that_does_not_exist_is_no_empty_inbox(remote):
    remote.inbox = remote.inbox.replace(BUCKET, "no-such-bucket-anywhere")

    with pytest.raises(LocationError, match="no-such-bucket-anywhere"):
        remote.look()
