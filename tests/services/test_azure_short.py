"""What is too short for a Long Audio script: bought from batch synthesis, or filled up where that fails. Over HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from unittest import mock

import pytest

from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechAuthError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.services.azure_common import stored_job
from narration.services.azure_presence import JobsNotFoundError
from narration.synthesis.reconcile import JobState
from tests.azure_road import PROFILE
from tests.services.azure_purchases import batch, bought, calls, finished, intended, keys_of

pytestmark = pytest.mark.parametrize("azure_bench", ["azure_long_audio"], indirect=True)

LACKED_BY_BATCH = replace(PROFILE, sample_rate=16000, options=(("output_format", "riff-16khz-16bit-mono-pcm"),))
LIST_LONG_AUDIO = "ListLongAudioSyntheses"
DAY = 86_400.0


@pytest.fixture
def bench(azure_bench):
    return azure_bench


@pytest.fixture
def adapter(bench):
    return bench.adapter


@pytest.fixture
def bills(bench):
    """What was billed by each of the two APIs since the test began: jobs and characters."""

    def now():
        bill = bench.cloud._call("GET", "bill")
        return [(bill[name]["jobs"], bill[name]["characters"]) for name in ("azure_long_audio", "azure_batch")]

    before = now()
    return lambda: [(a - c, b - d) for (a, b), (c, d) in zip(now(), before, strict=True)]


@pytest.fixture
def short(bench):
    return batch(bench, f"Hello, {bench.word}.", f"Good night, {bench.word}.")


@pytest.fixture
def refuses_batch():
    """A connection that batch synthesis cannot be used with."""
    base_url = AzureSpeechAccount.base_url

    def refuse(self, api):
        if api is SynthesisApi.BATCH:
            raise AzureSpeechAuthError("No batch synthesis for you.")
        return base_url(self, api)

    with mock.patch.object(AzureSpeechAccount, "base_url", refuse):
        yield


def found(adapter, wanted):
    return adapter.find_jobs(wanted.clips, known=(), listed_at=None, intended=intended(wanted)).jobs


class TestBuying:
    def test_a_short_purchase_costs_its_own_characters(self, bench, short, bills):
        (job,) = bought(bench, short)

        assert (job.state, job.job_id) == (JobState.SUCCEEDED, f"narration-{short.job_key}")
        own = sum(clip.characters for clip in short.clips)
        assert bills() == [(0, 0), (1, own)]
        assert job.characters == own

    def test_the_audio_comes_from_there_with_the_times_of_its_words(self, bench, adapter, short):
        (job,) = bought(bench, short)

        clips = list(adapter.fetch(job))

        assert [clip.clip_key for clip in clips] == list(keys_of(short))
        assert all(clip.data and clip.boundaries for clip in clips)

    def test_ssml_costs_its_own_characters_too(self, bench, bills):
        wanted = batch(bench, f'<speak><p>Hello, {bench.word}.<break time="1s"/></p></speak>', text_type="ssml")

        bought(bench, wanted)

        assert bills() == [(0, 0), (1, wanted.clips[0].characters)]

    @pytest.mark.parametrize(("characters", "jobs"), [(400, [0, 1]), (401, [1, 0])])
    def test_long_audio_has_whatever_it_takes(self, bench, bills, characters, jobs):
        wanted = batch(bench, bench.word + "a" * (characters - len(bench.word)))

        bought(bench, wanted)

        assert [jobs for jobs, _ in bills()] == jobs

    def test_short_and_long_purchases_go_together(self, bench, short, bills):
        long = batch(bench, bench.text(1))

        jobs = bought(bench, long, short)

        assert [job.job_key for job in jobs] == [long.job_key, short.job_key]
        assert [count for count, _ in bills()] == [1, 1]

    def test_a_purchase_whose_answer_was_lost_is_found_at_once(self, bench, adapter, short, bills):
        bench.cloud.order_fault("drop_reply", service="azure_batch", operation="CreateBatchSynthesis")

        purchases = adapter.buy([short], profile=PROFILE)

        assert [job.job_key for job in purchases.jobs] == [short.job_key]
        assert (purchases.lost, bills()[1][0]) == ((), 1)

    def test_a_full_queue_of_batch_synthesis_is_waited_for(self, bench, adapter, short, bills):
        bench.cloud._call(
            "POST", "azure/jobs", {"api": "azure_batch", "key": bench.key, "count": 300, "status": "Running"}
        )

        purchases = adapter.buy([short], profile=PROFILE)

        assert (purchases.full, purchases.jobs, purchases.failure) == (True, (), None)
        assert set(purchases.throttled) == set(keys_of(short))
        assert bills() == [(0, 0), (0, 0)]

    def test_what_batch_synthesis_refuses_is_named_and_not_bought_elsewhere(self, bench, adapter, bills):
        wanted = batch(bench, bench.word)
        emptied = replace(wanted, clips=(replace(wanted.clips[0], text=f"{bench.word}\x00"),))
        refusal = mock.patch.object(
            AzureSpeechHook, "create_batch_synthesis", side_effect=_refused("The content is not allowed.")
        )

        with refusal:
            purchases = adapter.buy([emptied], profile=PROFILE)

        assert purchases.refused == {wanted.clips[0].clip_key: "The content is not allowed."}
        assert bills() == [(0, 0), (0, 0)]


def _refused(message):
    from narration.hooks.azure_errors import AzureSpeechRefusedError

    return AzureSpeechRefusedError(message, status=400, code="BadRequest", message=message)


class TestTheLedger:
    def test_a_short_purchase_that_nobody_remembers_is_found_by_its_name(self, bench, short):
        (job,) = bought(bench, short)

        assert found(bench.adapter, short) == (job,)

    def test_a_filled_up_one_is_found_in_the_other_api(self, bench, short):
        (job,) = bought(bench, short, profile=LACKED_BY_BATCH)

        assert found(bench.adapter, short) == (job,)
        assert not job.job_id.startswith("narration-")

    def test_what_is_surely_long_enough_is_not_looked_for_in_batch_synthesis(self, bench, adapter):
        before = _batch_calls(bench, "GetBatchSynthesis")

        assert found(adapter, batch(bench, bench.text(1))) == ()
        assert _batch_calls(bench, "GetBatchSynthesis") == before

    def test_a_known_job_is_asked_for_where_it_was_bought(self, bench, adapter, short):
        long = batch(bench, bench.text(1))
        jobs = bought(bench, long, short)
        clips = (*long.clips, *short.clips)
        lists = calls(bench, LIST_LONG_AUDIO)

        again = adapter.find_jobs(clips, known=jobs, listed_at=None, intended=intended(long, short))

        assert (list(again.jobs), again.listed) == (jobs, False)
        assert calls(bench, LIST_LONG_AUDIO) == lists

    def test_a_job_that_batch_synthesis_deleted_after_31_days_is_bought_anew(self, bench, adapter, short):
        (job,) = bought(bench, short)
        adapter.hook.delete_job(api=SynthesisApi.BATCH, job_id=job.job_id)
        old = replace(job, created_at=time.time() - 31 * DAY)

        (seen,) = adapter.find_jobs(short.clips, known=[old], listed_at=None, intended={}).jobs

        assert (seen.state, seen.not_found) == (JobState.FAILED, True)

    def test_a_young_one_that_is_gone_is_reported(self, bench, adapter, short):
        (job,) = bought(bench, short)
        adapter.hook.delete_job(api=SynthesisApi.BATCH, job_id=job.job_id)

        with pytest.raises(JobsNotFoundError, match=job.job_id):
            adapter.find_jobs(short.clips, known=[job], listed_at=None, intended={})

    def test_retention_knows_the_order_that_it_was_bought_for(self, bench, adapter, short):
        bought(bench, short)

        (kept,) = map(stored_job, adapter.hook.list_jobs(api=SynthesisApi.BATCH))

        assert (kept.job_key, kept.state) == (short.job_key, JobState.SUCCEEDED)


def _batch_calls(bench, operation):
    return bench.cloud._call("GET", "requests").get("azure_batch", {}).get(operation, {}).get("calls", 0)


class TestWaiting:
    def test_the_jobs_of_both_apis_are_seen(self, bench, short):
        for service in ("azure_long_audio", "azure_batch"):
            bench.cloud.order_fault("stuck_not_started", service=service)
        long = batch(bench, bench.text(1))
        running = {job.job_id for job in bench.adapter.buy([long, short], profile=PROFILE).jobs}
        (done,) = bought(bench, batch(bench, f"Good day, {bench.word}."))

        async def look():
            adapter = bench.adapter
            seen = [await adapter.outstanding_jobs(ids) for ids in ({*running, done.job_id}, {done.job_id}, set())]
            await adapter.close()
            again = await adapter.outstanding_jobs(running)
            await adapter.close()
            return [*seen, again]

        first, second, none, last = asyncio.run(look())
        assert len(running) == 2
        assert (running <= first, done.job_id in first) == (True, False)
        assert (done.job_id in second, none) == (False, frozenset())
        assert running <= last


class TestWhereBatchSynthesisCannotDoIt:
    def test_a_format_that_it_lacks_is_filled_up_and_the_price_is_logged(self, bench, adapter, short, bills, caplog):
        with caplog.at_level(logging.WARNING):
            (job,) = bought(bench, short, profile=LACKED_BY_BATCH)

        own = sum(clip.characters for clip in short.clips)
        (jobs, billed), others = bills()
        assert (jobs, others) == (1, (0, 0))
        assert 400 < billed <= 400 + len(short.clips[0].text)
        assert billed == own + adapter.extra_characters(short.clips, profile=LACKED_BY_BATCH)
        assert f"for {billed - own} billable characters" in caplog.text
        assert "lacks the output format" in caplog.text
        clips = list(adapter.fetch(job))
        assert [clip.clip_key for clip in clips] == list(keys_of(short))
        assert all(clip.data for clip in clips)

    def test_ssml_is_filled_up_too(self, bench, adapter, bills):
        wanted = batch(bench, f"<speak><p>Hello, {bench.word}.</p></speak>", text_type="ssml")

        (job,) = bought(bench, wanted, profile=LACKED_BY_BATCH)

        extra = adapter.extra_characters(wanted.clips, profile=LACKED_BY_BATCH)
        assert bills()[0] == (1, wanted.clips[0].characters + extra)
        assert [clip.defect for clip in adapter.fetch(job)] == [""]

    def test_a_filled_up_job_that_nobody_remembers_is_adopted_with_its_clips_alone(self, bench, adapter, short):
        bought(bench, short, profile=LACKED_BY_BATCH)

        (job,) = found(adapter, short)

        assert [clip.clip_key for clip in adapter.fetch(finished(bench, job))] == list(keys_of(short))

    def test_nothing_is_extra_where_the_format_is_one_that_it_makes(self, adapter, short):
        assert adapter.extra_characters(short.clips, profile=PROFILE) == 0

    def test_nothing_is_extra_where_the_script_is_long_enough(self, bench, adapter):
        wanted = batch(bench, bench.text(1), "Short.")

        assert adapter.extra_characters(wanted.clips, profile=LACKED_BY_BATCH) == 0

    def test_a_connection_that_it_refuses_is_told_before_anything_is_bought(
        self, bench, adapter, short, refuses_batch, caplog
    ):
        adapter.check_output()

        assert adapter.extra_characters(short.clips, profile=PROFILE) > 0
        assert "No batch synthesis for you" in caplog.text

    def test_a_connection_that_it_refuses_is_filled_up(self, bench, adapter, short, refuses_batch, bills, caplog):
        assert found(adapter, short) == ()

        purchases = adapter.buy([short], profile=PROFILE)
        (job,) = purchases.jobs
        finished(bench, job)

        assert found(adapter, short)[0].job_id == job.job_id
        (jobs, billed), others = bills()
        assert (jobs, others) == (1, (0, 0))
        assert 400 < billed <= 400 + len(short.clips[0].text)
        assert "refuses the resource: No batch synthesis for you" in caplog.text

    def test_one_that_it_lets_look_and_not_buy_is_filled_up_too(self, bench, adapter, short, bills):
        assert found(adapter, short) == ()
        refusal = mock.patch.object(
            AzureSpeechHook, "create_batch_synthesis", side_effect=AzureSpeechAuthError("Not in this region.")
        )

        with refusal:
            purchases = adapter.buy([short], profile=PROFILE)

        assert len(purchases.jobs) == 1
        assert [jobs for jobs, _ in bills()] == [1, 0]

    def test_a_job_that_was_bought_there_is_not_forgotten_because_it_refuses(self, bench, adapter, short, request):
        (job,) = bought(bench, short)
        request.getfixturevalue("refuses_batch")

        with pytest.raises(AzureSpeechAuthError):
            bench.adapter.find_jobs(short.clips, known=[job], listed_at=None, intended={})
