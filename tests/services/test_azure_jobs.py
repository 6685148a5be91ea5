"""Azure's three APIs behind the protocol: finding jobs, fetching their audio and waiting for them, over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from narration.audio.decoding import decode_clip
from narration.hooks.azure_errors import AzureSpeechAuthError
from narration.services.azure_common import stored_job
from narration.services.base import AudioMissingError
from narration.synthesis.azure_formats import BATCH_FORMATS, DEFAULT_FORMAT, LONG_AUDIO_FORMATS, decoded_format
from narration.synthesis.reconcile import JobState
from tests.azure_road import PROFILE
from tests.services.azure_purchases import (
    BY_NAME,
    GET,
    LIST,
    WITH_SUMMARY,
    batch,
    bought,
    calls,
    finished,
    intended,
)


@pytest.fixture
def adapter(azure_bench):
    return azure_bench.adapter


class TestTheLedger:
    def test_jobs_of_others_and_of_other_purchases_are_not_taken_for_ours(self, azure_bench):
        wanted = batch(azure_bench, azure_bench.text(1))
        other = batch(azure_bench, azure_bench.text(1), attempt=1)
        bought(azure_bench, other)

        ledger = azure_bench.adapter.find_jobs(wanted.clips, known=(), listed_at=None, intended=intended(wanted))

        assert ledger.jobs == ()

    def test_a_known_job_is_asked_for_and_not_looked_for(self, azure_bench):
        wanted = batch(azure_bench, azure_bench.text(1))
        (job,) = bought(azure_bench, wanted)
        before = calls(azure_bench, LIST[azure_bench.service])

        ledger = azure_bench.adapter.find_jobs(
            wanted.clips, known=[replace(job, state=JobState.ACTIVE)], listed_at=None, intended=intended(wanted)
        )

        assert ledger.jobs == (job,)
        assert not ledger.listed
        assert calls(azure_bench, LIST[azure_bench.service]) == before

    def test_a_job_that_failed_says_why_and_is_not_asked_for_again(self, azure_bench):
        azure_bench.fault("fail", reason="The voice lost its voice.")
        wanted = batch(azure_bench, azure_bench.text(1))
        (job,) = bought(azure_bench, wanted)
        before = calls(azure_bench, GET[azure_bench.service])

        (again,) = azure_bench.adapter.find_jobs(wanted.clips, known=[job], listed_at=None, intended={}).jobs

        assert job.state is JobState.FAILED
        assert "lost its voice" in job.reason
        assert again == job
        assert calls(azure_bench, GET[azure_bench.service]) == before

    def test_a_job_that_was_bought_a_moment_ago_and_is_not_shown_yet_is_waited_for(self, azure_bench, adapter):
        wanted = batch(azure_bench, azure_bench.text(1))
        (job,) = bought(azure_bench, wanted)
        fresh = replace(job, job_id="00000000-0000-4000-8000-000000000000", state=JobState.ACTIVE)

        (seen,) = adapter.find_jobs(wanted.clips, known=[fresh], listed_at=None, intended={}).jobs

        assert seen == fresh

    @BY_NAME
    def test_a_long_list_is_read_once_and_not_again_for_each_order(self, azure_bench):
        azure_bench.seed(count=1200, created_from=1_000_000, created_to=2_000_000)
        one, two = (batch(azure_bench, azure_bench.text(number)) for number in range(2))
        azure_bench.adapter.find_jobs(one.clips, known=(), listed_at=None, intended=intended(one))
        bought(azure_bench, one)
        before = calls(azure_bench, LIST[azure_bench.service])

        found = azure_bench.adapter.find_jobs(
            (*one.clips, *two.clips), known=(), listed_at=None, intended=intended(one, two)
        )

        assert [job.job_key for job in found.jobs] == [one.job_key]
        assert calls(azure_bench, LIST[azure_bench.service]) - before <= 4

    @BY_NAME
    def test_a_job_that_was_seen_in_an_earlier_look_is_found_as_it_stands_now(self, azure_bench, adapter):
        wanted = batch(azure_bench, azure_bench.text(1))
        (job,) = bought(azure_bench, wanted)
        look = {"known": (), "listed_at": None, "intended": intended(wanted)}
        adapter.find_jobs(wanted.clips, **look)
        azure_bench.seed(count=250)

        (again,) = azure_bench.adapter.find_jobs(wanted.clips, **look).jobs
        adapter.hook.delete_job(api=adapter.api, job_id=job.job_id)

        assert again == job
        assert azure_bench.adapter.find_jobs(wanted.clips, **look).jobs == ()

    def test_of_what_is_kept_at_the_service_it_is_told_which_is_ours(self, azure_bench, adapter):
        azure_bench.seed(count=1)
        wanted = batch(azure_bench, azure_bench.text(1))
        (job,) = bought(azure_bench, wanted)

        kept = {each.job_id: each for each in map(stored_job, adapter.hook.list_jobs(api=adapter.api))}

        assert (kept[job.job_id].job_key, kept[job.job_id].state) == (wanted.job_key, JobState.SUCCEEDED)
        assert sorted(each.job_key for each in kept.values()) == ["", wanted.job_key]


class TestFetching:
    def test_every_clip_arrives_with_its_own_audio(self, azure_bench):
        texts = [azure_bench.text(number) * (number + 1) for number in range(3)]
        (job,) = bought(azure_bench, batch(azure_bench, *texts))

        clips = list(azure_bench.adapter.fetch(job))

        assert tuple(clip.clip_key for clip in clips) == job.clip_keys
        lengths = [decode_clip(clip.data, audio_format="wav", sample_rate=24000).size for clip in clips]
        assert lengths == sorted(set(lengths))

    @WITH_SUMMARY
    def test_words_and_sentences_are_kept_for_captions(self, azure_bench):
        (job,) = bought(azure_bench, batch(azure_bench, f"Hello, {azure_bench.word}."))

        (clip,) = azure_bench.adapter.fetch(job)

        assert set(clip.boundaries["words"][0]) == {"text", "offset_ms", "duration_ms"}
        assert azure_bench.word in [word["text"] for word in clip.boundaries["words"]]
        assert clip.boundaries["sentences"]

    @WITH_SUMMARY
    def test_a_sentence_file_that_is_missing_costs_nothing_but_the_sentences(self, azure_bench):
        azure_bench.fault("missing_sentence_file")
        (job,) = bought(azure_bench, batch(azure_bench, azure_bench.text(1)))

        (clip,) = azure_bench.adapter.fetch(job)

        assert clip.data
        assert clip.boundaries["words"]
        assert clip.boundaries["sentences"] == []

    def test_an_input_that_failed_is_named_with_its_reason_and_the_others_arrive(self, azure_bench):
        azure_bench.fault("partial_failure", match_text="Paragraph 1 of", reason="It could not be pronounced.")
        (job,) = bought(azure_bench, batch(azure_bench, *(azure_bench.text(number) for number in range(3))))

        clips = list(azure_bench.adapter.fetch(job))

        assert job.state is JobState.SUCCEEDED
        failed = [clip for clip in clips if clip.data is None]
        assert len(failed) == 1
        assert "could not be pronounced" in failed[0].defect
        assert sum(clip.data is not None for clip in clips) == 2

    def test_an_address_that_has_expired_is_replaced_by_a_fresh_one(self, azure_bench):
        (job,) = bought(azure_bench, batch(azure_bench, azure_bench.text(1)))
        azure_bench.fault("expired_url")

        (clip,) = azure_bench.adapter.fetch(job)

        assert clip.data

    def test_a_result_that_is_cut_off_counts_as_missing_and_not_as_audio(self, azure_bench):
        azure_bench.fault("truncated_zip")
        (job,) = bought(azure_bench, batch(azure_bench, azure_bench.text(1), azure_bench.text(2)))

        with pytest.raises(AudioMissingError, match=f"{job.job_id} arrived damaged twice"):
            list(azure_bench.adapter.fetch(job))

    def test_audio_that_was_deleted_counts_as_missing(self, azure_bench, adapter):
        (job,) = bought(azure_bench, batch(azure_bench, azure_bench.text(1)))
        adapter.hook.delete_job(api=adapter.api, job_id=job.job_id)

        with pytest.raises(AudioMissingError, match=job.job_id):
            list(adapter.fetch(job))

    @pytest.mark.parametrize(
        ("azure_bench", "formats"),
        [
            ("azure_batch", BATCH_FORMATS),
            # Five requests a second are too few to try those again that batch synthesis has too.
            ("azure_long_audio", sorted({DEFAULT_FORMAT, *LONG_AUDIO_FORMATS} - {*BATCH_FORMATS[1:]})),
        ],
        indirect=["azure_bench"],
    )
    def test_every_format_on_offer_is_made_and_decoded(self, azure_bench, formats):
        jobs = []
        for name in formats:
            decoded = decoded_format(name)
            profile = replace(
                PROFILE,
                audio_format=decoded.audio_format,
                sample_rate=decoded.sample_rate,
                options=(("output_format", name),),
            )
            purchases = azure_bench.adapter.buy(
                [batch(azure_bench, azure_bench.text(name), profile=profile)], profile=profile
            )
            assert len(purchases.jobs) == 1, purchases
            jobs.append((decoded, purchases.jobs[0]))

        for decoded, job in jobs:
            (clip,) = azure_bench.adapter.fetch(finished(azure_bench, job))
            assert decode_clip(clip.data, audio_format=decoded.audio_format, sample_rate=decoded.sample_rate).size


class TestWaiting:
    def outstanding(self, bench, *looks):
        async def look():
            adapter = bench.adapter
            seen = [await adapter.outstanding_jobs(frozenset(ids)) for ids in looks]
            await adapter.close()
            return seen

        return asyncio.run(look())

    def seeded(self, bench, **order) -> list[str]:
        bench.seed(**order)
        api = bench.adapter.api
        return [job.job_id for job in bench.adapter.hook.list_jobs(api=api)]

    def test_what_is_finished_or_gone_is_not_outstanding(self, azure_bench):
        (running,) = self.seeded(azure_bench, count=1, status="Running")
        (done,) = bought(azure_bench, batch(azure_bench, azure_bench.text(1)))

        (seen,) = self.outstanding(azure_bench, [running, done.job_id, "00000000-0000-4000-8000-000000000000"])

        assert running in seen
        assert done.job_id not in seen
        assert "00000000-0000-4000-8000-000000000000" not in seen

    def test_a_key_that_was_replaced_is_used_from_the_next_look_on(self, azure_bench, monkeypatch):
        (running,) = self.seeded(azure_bench, count=1, status="Running")
        key = azure_bench.key
        azure_bench.key = "revoked-0123456789"
        azure_bench.connect(monkeypatch)
        adapter = azure_bench.adapter

        async def looks():
            with pytest.raises(AzureSpeechAuthError):
                await adapter.outstanding_jobs({running})
            azure_bench.key = key
            azure_bench.connect(monkeypatch)
            seen = await adapter.outstanding_jobs({running})
            await adapter.close()
            return seen

        assert asyncio.run(looks()) == {running}

    def test_many_are_looked_up_in_the_list(self, azure_bench):
        ids = self.seeded(azure_bench, count=30, status="NotStarted")
        lists, gets = (calls(azure_bench, each[azure_bench.service]) for each in (LIST, GET))

        (seen,) = self.outstanding(azure_bench, ids)

        assert seen == set(ids)
        assert calls(azure_bench, LIST[azure_bench.service]) - lists == 1
        assert calls(azure_bench, GET[azure_bench.service]) == gets

    def test_a_few_among_thousands_are_asked_for_one_by_one_from_the_second_look_on(self, azure_bench):
        azure_bench.seed(count=800, status="Succeeded")
        ids = self.seeded(azure_bench, count=4, status="NotStarted")[-4:]
        lists, gets = (calls(azure_bench, each[azure_bench.service]) for each in (LIST, GET))

        seen = self.outstanding(azure_bench, ids, ids)

        assert [set(ids) & each for each in seen] == [set(ids), set(ids)]
        assert calls(azure_bench, LIST[azure_bench.service]) - lists == 4
        assert calls(azure_bench, GET[azure_bench.service]) - gets == 8
