"""Asking a store about thousands of jobs: as few requests as it takes, counted at the store itself."""

from __future__ import annotations

from collections import Counter

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_jobs import AzureJob
from narration.operators.azure_use import Holdings, StoreUse, why_kept
from narration.services.azure_common import stored_job
from narration.store import Store
from narration.synthesis.azure_retention import Kept, StoredJob
from narration.synthesis.keys import digest, job_key
from narration.synthesis.reconcile import JobState
from narration.synthesis.record import OrderRecord
from tests.azure_retention import Resource


class CountingStore(Store):
    """A store that counts what it is asked."""

    def __init__(self, *, location: str) -> None:
        super().__init__(location=location)
        self.asked: Counter[str] = Counter()

    def clip(self, key):
        self.asked["clip"] += 1
        return super().clip(key)

    def whole_clips(self, start):
        self.asked["listing"] += 1
        return super().whole_clips(start)

    def read_record(self, order_id):
        self.asked["record"] += 1
        return super().read_record(order_id)


@pytest.fixture
def resource(tmp_path):
    return Resource(None, tmp_path)


@pytest.fixture
def store(tmp_path):
    return CountingStore(location=f"file://{tmp_path}/store")


def in_folder(start: str, count: int) -> list[str]:
    return [start + digest([start, number])[2:] for number in range(count)]


class TestHoldings:
    def test_a_few_clips_are_looked_up_one_by_one(self, resource, store):
        keys = in_folder("ab", 20)
        resource.keep_clips(keys[:7])

        assert Holdings(store).of(keys) == set(keys[:7])
        assert store.asked == {"clip": 20}

    def test_many_clips_of_a_folder_are_looked_up_with_one_listing_that_is_not_repeated(self, resource, store):
        keys = in_folder("ab", 500)
        resource.keep_clips(keys[:480])
        holdings = Holdings(store)

        assert holdings.of(keys) == set(keys[:480])
        assert holdings.of(keys[400:]) == set(keys[400:480])
        assert store.asked == {"listing": 1}

    def test_a_folder_that_is_asked_again_and_again_is_listed_in_the_end(self, resource, store):
        keys = in_folder("ab", 60)
        resource.keep_clips(keys)
        holdings = Holdings(store)

        assert all(holdings.of([key]) == {key} for key in keys)
        assert store.asked == {"clip": 20, "listing": 1}

    def test_nothing_is_asked_for_nothing(self, store):
        assert Holdings(store).of([]) == set()
        assert store.asked == {}


class TestStoreUse:
    def test_the_record_of_an_order_with_many_jobs_is_read_once(self, resource, store):
        clips = tuple(digest(word) for word in "abc")
        resource.keep_clips(clips)
        order = digest("order")
        keys = [job_key(order=order, clip_keys=clips, attempt=number) for number in range(200)]
        store.write_record(order, OrderRecord(purchases=dict.fromkeys(keys, clips)).to_dict())
        jobs = [
            StoredJob(job_id=key, job_key=key, state=JobState.SUCCEEDED, created_at=1.0, last_action_at=1.0)
            for key in keys
        ]

        assert StoreUse(store).why_kept(jobs) == [None] * 200
        assert store.asked == {"record": 1, "clip": 3}
        assert why_kept(jobs, uses=[]) == [Kept.UNKNOWN] * 200


class TestWhoseJobItIs:
    KEY = job_key(order=digest("order"), clip_keys=["a"], attempt=0)

    @pytest.mark.parametrize("name", ["job_id", "display_name"])
    def test_a_job_key_is_found_in_id_or_display_name(self, name):
        job = AzureJob(
            **{"api": SynthesisApi.BATCH, "job_id": "x", "status": "Succeeded"} | {name: f"narration-{self.KEY}"}
        )

        assert stored_job(job).job_key == self.KEY
        assert stored_job(job).order_id == digest("order")

    @pytest.mark.parametrize(
        "name", [None, "", "narration-", "narration-tale", KEY, f"narration-{KEY}0", f"x narration-{KEY}"]
    )
    def test_anything_else_is_foreign(self, name):
        job = AzureJob(api=SynthesisApi.LONG_AUDIO, job_id="x", status="Succeeded", display_name=name)

        assert stored_job(job).order_id == ""

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("Succeeded", JobState.SUCCEEDED),
            ("Failed", JobState.FAILED),
            ("NotStarted", JobState.ACTIVE),
            ("Running", JobState.ACTIVE),
            ("Archived", JobState.ACTIVE),
        ],
    )
    def test_a_status_that_nobody_knows_is_not_taken_for_an_end(self, status, state):
        assert stored_job(AzureJob(api=SynthesisApi.BATCH, job_id="x", status=status)).state is state
