from __future__ import annotations

from dataclasses import replace

import pytest

from narration.synthesis.azure_retention import (
    EXPLANATIONS,
    Kept,
    RetentionPolicy,
    StoredJob,
    kept_at_sight,
    kept_for_any,
    kept_for_use,
    needed_clips,
    oldest_first,
    unaccepted_clips,
)
from narration.synthesis.keys import digest, job_key
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import Defect, OrderRecord

ORDER = digest("order")
CLIPS = (digest("a"), digest("b"))
KEY = job_key(order=ORDER, clip_keys=CLIPS, attempt=2)
JOB = StoredJob(job_id="j", job_key=KEY, state=JobState.SUCCEEDED, created_at=1_000.0, last_action_at=2_000.0)
FOREIGN = replace(JOB, job_key="")
POLICY = RetentionPolicy(target=0, min_age=600)


class TestTheOrderOfDeletion:
    def test_the_oldest_come_first_each_once_and_those_without_a_date_last(self):
        ages = {"new": 30.0, "old": 10.0, "undated": None, "middle": 20.0}
        jobs = [replace(JOB, job_id=name, created_at=age) for name, age in ages.items()]

        assert [job.job_id for job in oldest_first([*jobs, jobs[0]])] == ["old", "middle", "new", "undated"]


class TestWhatItsDescriptionSays:
    def test_a_finished_job_of_some_age_may_go(self):
        assert kept_at_sight(JOB, policy=POLICY, now=2_600.0) is None

    def test_an_unfinished_one_stays_although_everything_is_allowed(self):
        anything = replace(POLICY, min_age=0, delete_foreign=True, delete_uncollected=True)

        assert kept_at_sight(replace(JOB, state=JobState.ACTIVE), policy=anything, now=9e9) is Kept.UNFINISHED

    def test_its_age_counts_from_its_end_and_not_from_its_creation(self):
        assert kept_at_sight(JOB, policy=POLICY, now=2_599.0) is Kept.YOUNG
        assert kept_at_sight(replace(JOB, last_action_at=None), policy=POLICY, now=1_600.0) is None

    def test_a_job_of_unknown_age_is_not_taken_for_a_young_one(self):
        undated = replace(JOB, created_at=None, last_action_at=None)

        assert kept_at_sight(undated, policy=POLICY, now=0.0) is None

    def test_a_foreign_one_goes_only_if_that_is_allowed(self):
        assert kept_at_sight(FOREIGN, policy=POLICY, now=9e9) is Kept.FOREIGN
        assert kept_at_sight(FOREIGN, policy=replace(POLICY, delete_foreign=True), now=9e9) is None


class TestWhatTheRecordSays:
    def test_all_clips_of_the_purchase_are_needed(self):
        assert needed_clips(JOB, OrderRecord(purchases={KEY: CLIPS})) == CLIPS

    def test_but_not_those_that_this_job_is_known_not_to_have_given(self):
        record = OrderRecord(purchases={KEY: CLIPS})
        record.reject(Job(job_id="j", clip_keys=CLIPS, state=JobState.SUCCEEDED), CLIPS[0], reason="no", flawed=False)

        assert needed_clips(JOB, record) == CLIPS[1:]
        assert unaccepted_clips(JOB, record) == set()

    def test_audio_that_is_there_and_was_not_accepted_is_still_needed(self):
        record = OrderRecord(purchases={KEY: CLIPS}, defects={"j": {CLIPS[0]: Defect(reason="no", flawed=True)}})

        assert needed_clips(JOB, record) == CLIPS
        assert unaccepted_clips(JOB, record) == {CLIPS[0]}

    @pytest.mark.parametrize("flawed", [True, False])
    def test_defects_of_other_jobs_do_not_count(self, flawed):
        record = OrderRecord(purchases={KEY: CLIPS}, defects={"other": {CLIPS[0]: Defect(reason="no", flawed=flawed)}})

        assert needed_clips(JOB, record) == CLIPS

    def test_a_failure_that_is_noted_leaves_nothing_to_need(self):
        failed = replace(JOB, state=JobState.FAILED)
        noted = Job(job_id="j", clip_keys=CLIPS, state=JobState.FAILED, job_key=KEY)

        assert needed_clips(failed, OrderRecord(purchases={KEY: CLIPS}, jobs={"j": noted})) == ()
        assert needed_clips(failed, OrderRecord(purchases={KEY: CLIPS})) == CLIPS
        active = replace(noted, state=JobState.ACTIVE)
        assert needed_clips(failed, OrderRecord(purchases={KEY: CLIPS}, jobs={"j": active})) == CLIPS

    def test_a_purchase_that_is_not_written_down_is_unknown(self):
        other = job_key(order=ORDER, clip_keys=CLIPS, attempt=3)

        assert needed_clips(JOB, OrderRecord(purchases={other: CLIPS})) is None
        assert needed_clips(JOB, OrderRecord()) is None

    def test_an_adopted_job_is_known_by_its_clips_if_they_are_all_of_them(self):
        adopted = Job(job_id="j", clip_keys=CLIPS, state=JobState.SUCCEEDED, job_key=KEY)

        assert needed_clips(JOB, OrderRecord(jobs={"j": adopted})) == CLIPS
        assert needed_clips(JOB, OrderRecord(jobs={"j": replace(adopted, clip_keys=CLIPS[:1])})) is None
        assert needed_clips(JOB, OrderRecord(jobs={"j": replace(adopted, job_key="")})) is None


class TestWhatTheStoreSays:
    def test_a_job_goes_when_everything_needed_is_held(self):
        assert kept_for_use(JOB, needed=CLIPS, held={*CLIPS, "more"}) is None
        assert kept_for_use(JOB, needed=(), held=()) is None

    def test_it_stays_when_one_clip_is_not(self):
        assert kept_for_use(JOB, needed=CLIPS, held=CLIPS[:1]) is Kept.UNCOLLECTED
        failed = replace(JOB, state=JobState.FAILED)
        assert kept_for_use(failed, needed=CLIPS, held=CLIPS[:1]) is Kept.UNNOTED

    def test_it_stays_for_audio_that_was_not_accepted_until_another_job_gave_it(self):
        assert kept_for_use(JOB, needed=CLIPS, held=CLIPS[1:], unaccepted=CLIPS[:1]) is Kept.UNACCEPTED
        assert kept_for_use(JOB, needed=CLIPS, held=(), unaccepted=CLIPS[:1]) is Kept.UNCOLLECTED
        assert kept_for_use(JOB, needed=CLIPS, held=CLIPS, unaccepted=CLIPS[:1]) is None

    def test_it_stays_when_nothing_is_known(self):
        assert kept_for_use(JOB, needed=None, held=CLIPS) is Kept.UNKNOWN

    @pytest.mark.parametrize(
        ("verdicts", "expected"),
        [
            ([], Kept.UNKNOWN),
            ([Kept.UNKNOWN, Kept.UNKNOWN], Kept.UNKNOWN),
            ([Kept.UNKNOWN, None], None),
            ([None, Kept.UNCOLLECTED], Kept.UNCOLLECTED),
            ([Kept.DAMAGED, None], Kept.DAMAGED),
            ([None, None], None),
        ],
    )
    def test_every_store_that_knows_a_job_must_have_no_more_use_for_it(self, verdicts, expected):
        assert kept_for_any(verdicts) is expected


def test_every_reason_has_an_explanation():
    assert set(EXPLANATIONS) == set(Kept)
