"""Known jobs that the service does not know: whether they are gone, or asked for at the wrong resource. Over HTTP."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from narration.services.azure_presence import JobsNotFoundError
from narration.synthesis.reconcile import JobState
from tests.services.azure_purchases import ONLY_BATCH, ONLY_LONG_AUDIO, batch, bought

DAY = 86_400.0


@pytest.fixture
def elsewhere(azure_bench, monkeypatch):
    """Put the key of another resource into the connection."""

    def change() -> None:
        azure_bench.key += "-another"
        azure_bench.connect(monkeypatch)

    return change


def purchase(bench, what, *, days: float):
    """A finished job, of so many days ago as far as the record knows."""
    wanted = batch(bench, bench.text(what))
    (job,) = bought(bench, wanted)
    return wanted.clips[0], replace(job, created_at=time.time() - days * DAY)


def look(bench, *purchases):
    clips, known = zip(*purchases, strict=True)
    return bench.adapter.find_jobs(clips, known=known, listed_at=None, intended={}).jobs


def delete(bench, job):
    bench.adapter.hook.delete_job(api=bench.adapter.api, job_id=job.job_id)


def test_a_young_job_that_is_not_found_is_reported_and_not_taken_for_gone(azure_bench, elsewhere):
    purchased = purchase(azure_bench, 1, days=0.5)
    elsewhere()

    with pytest.raises(JobsNotFoundError, match=r"'azure_speech_default', eastus.*Is this the resource") as caught:
        look(azure_bench, purchased)
    assert purchased[1].job_id in str(caught.value)
    assert f"orders/{'0' * 40}.record.json" in str(caught.value)


def test_two_jobs_that_are_not_found_at_once_are_reported_however_old_they_are(azure_bench, elsewhere):
    both = [purchase(azure_bench, number, days=20) for number in range(2)]
    elsewhere()

    with pytest.raises(JobsNotFoundError, match=r"none of the 2 job\(s\)"):
        look(azure_bench, *both)


def test_a_job_that_was_deleted_is_gone_if_another_one_is_there(azure_bench):
    deleted, kept = (purchase(azure_bench, number, days=0) for number in range(2))
    delete(azure_bench, deleted[1])

    gone, there = look(azure_bench, deleted, kept)

    assert (gone.state, gone.not_found) == (JobState.FAILED, True)
    assert "does not know the job any more" in gone.reason
    assert there.state is JobState.SUCCEEDED


def test_a_single_job_of_some_days_ago_counts_as_gone_and_is_found_again_if_it_was_not(azure_bench, monkeypatch):
    clip, job = purchase(azure_bench, 1, days=2)
    key = azure_bench.key
    azure_bench.key += "-another"
    azure_bench.connect(monkeypatch)
    (gone,) = look(azure_bench, (clip, job))
    (still,) = look(azure_bench, (clip, gone))
    azure_bench.key = key
    azure_bench.connect(monkeypatch)

    (found,) = look(azure_bench, (clip, still))

    assert gone.not_found
    assert still == gone
    assert (found.state, found.not_found, found.reason) == (JobState.SUCCEEDED, False, "")


def test_what_was_taken_for_gone_before_does_not_stop_the_order(azure_bench, elsewhere):
    both = [purchase(azure_bench, number, days=0) for number in range(2)]
    noted = [(clip, replace(job, state=JobState.FAILED, not_found=True)) for clip, job in both]
    elsewhere()

    assert all(job.not_found for job in look(azure_bench, *noted))
    with pytest.raises(JobsNotFoundError):
        look(azure_bench, noted[0], both[1])


def test_a_job_that_failed_says_nothing_of_the_resource(azure_bench, elsewhere):
    clip, job = purchase(azure_bench, 1, days=0)
    failed = (clip, replace(job, job_id="another", state=JobState.FAILED))
    elsewhere()

    with pytest.raises(JobsNotFoundError):
        look(azure_bench, (clip, job), failed)
    assert look(azure_bench, failed) == (failed[1],)


@ONLY_BATCH
def test_jobs_whose_time_to_live_is_over_are_gone(azure_bench):
    both = [purchase(azure_bench, number, days=32) for number in range(2)]
    for _, job in both:
        delete(azure_bench, job)

    assert [job.state for job in look(azure_bench, *both)] == [JobState.FAILED] * 2


@ONLY_LONG_AUDIO
def test_long_audio_keeps_jobs_for_ever(azure_bench, elsewhere):
    both = [purchase(azure_bench, number, days=400) for number in range(2)]
    elsewhere()

    with pytest.raises(JobsNotFoundError):
        look(azure_bench, *both)
