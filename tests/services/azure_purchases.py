"""What the tests of Azure's adapters share: purchases, and what the local cloud counted."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from narration.services.base import Batch
from narration.synthesis.keys import job_key
from narration.synthesis.reconcile import JobState
from tests.azure_road import PROFILE

ONLY_BATCH = pytest.mark.parametrize("azure_bench", ["azure_batch"], indirect=True)
ONLY_LONG_AUDIO = pytest.mark.parametrize("azure_bench", ["azure_long_audio"], indirect=True)
BY_NAME = pytest.mark.parametrize("azure_bench", ["azure_batch_preview", "azure_long_audio"], indirect=True)
WITH_SUMMARY = pytest.mark.parametrize("azure_bench", ["azure_batch", "azure_batch_preview"], indirect=True)
LIST = {
    "azure_batch": "ListBatchSyntheses",
    "azure_batch_preview": "ListBatchSyntheses",
    "azure_long_audio": "ListLongAudioSyntheses",
}
GET = {
    "azure_batch": "GetBatchSynthesis",
    "azure_batch_preview": "GetBatchSynthesis",
    "azure_long_audio": "GetLongAudioSynthesis",
}


def batch(bench, *texts: str, attempt: int = 0, text_type: str = "text", profile=PROFILE) -> Batch:
    clips = tuple(bench.clip(text, text_type=text_type, profile=profile) for text in texts)
    keys = [clip.clip_key for clip in clips]
    return Batch(job_key=job_key(order="0" * 40, clip_keys=keys, attempt=attempt), clips=clips)


def keys_of(*batches: Batch) -> tuple[str, ...]:
    return tuple(clip.clip_key for each in batches for clip in each.clips)


def intended(*batches: Batch) -> dict[str, tuple[str, ...]]:
    return {each.job_key: keys_of(each) for each in batches}


def bought(bench, *batches: Batch, profile=PROFILE):
    """Buy, and wait until the cloud has made it."""
    purchases = bench.adapter.buy(batches, profile=profile)
    assert len(purchases.jobs) == len(batches), purchases
    return [finished(bench, job) for job in purchases.jobs]


def finished(bench, job):
    clip = replace(bench.clip("x"), clip_key=job.clip_keys[0])
    end = time.monotonic() + 20
    while time.monotonic() < end:
        (seen,) = bench.adapter.find_jobs([clip], known=[job], listed_at=None, intended={}).jobs
        if seen.state is not JobState.ACTIVE:
            return seen
        time.sleep(0.05)
    raise AssertionError(f"{job.job_id} was never finished")


def calls(bench, operation: str) -> int:
    counted = bench.cloud._call("GET", "requests").get(bench.service, {})
    return counted.get(operation, {}).get("calls", 0)
