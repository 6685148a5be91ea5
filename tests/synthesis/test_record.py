from __future__ import annotations

import json

import pytest

from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord


def job(name: str, *, key: str = "a", state: JobState = JobState.ACTIVE, at: float | None = 100.0) -> Job:
    return Job(job_id=name, clip_keys=(key,), state=state, created_at=at, output=f"s3://b/{key}.{name}.mp3")


def test_a_record_survives_json():
    record = OrderRecord()
    record.bought(job("1"), run_id="monday")
    record.intend(["b"], now=5.0, run_id="monday")
    record.purchases["order-1"] = ("a", "b")
    record.reject(record.jobs["1"], "a", reason="silent", flawed=True)
    record.missing_since["1"] = (7.5, 8.5)
    record.listed_at = 9.0

    assert OrderRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_no_record_is_an_empty_record():
    assert OrderRecord.from_dict(None) == OrderRecord()


@pytest.mark.parametrize("data", [{}, {"jobs": [{"job_id": "1"}]}, []])
def test_something_else_than_a_record_is_never_taken_for_an_empty_one(data):
    with pytest.raises((KeyError, TypeError)):
        OrderRecord.from_dict(data)


def test_a_purchase_is_in_doubt_from_its_intent_to_its_answer():
    record = OrderRecord()
    record.intend(["a", "b"], now=100.0, run_id="monday")
    assert set(record.unsettled(now=101.0, settle_seconds=30.0)) == {"a", "b"}

    record.bought(job("1", key="a"), run_id="monday")

    assert record.unsettled(now=101.0, settle_seconds=30.0) == {"b": 130.0}


def test_the_doubt_ends_when_the_services_list_can_be_believed():
    record = OrderRecord()
    record.intend(["a"], now=100.0, run_id="monday")

    assert record.unsettled(now=130.0, settle_seconds=30.0) == {}


def test_a_job_found_at_the_service_settles_the_purchase_and_is_put_down_to_the_run_that_began_it():
    record = OrderRecord()
    record.intend(["a"], now=100.0, run_id="monday")

    assert record.adopt([job("1", at=100.4)]) == ("1",)

    assert record.buyers == {"1": "monday"}
    assert record.intents == {}


def test_an_older_failed_job_does_not_settle_a_purchase_that_was_begun_after_it():
    record = OrderRecord()
    record.intend(["a"], now=1000.0, run_id="monday")

    record.adopt([job("old", state=JobState.FAILED, at=50.0)])

    assert set(record.intents) == {"a"}
    assert record.buyers == {}


def test_a_job_that_somebody_else_bought_is_adopted_without_a_buyer():
    record = OrderRecord()

    assert record.adopt([job("1")]) == ("1",)
    assert record.adopt([job("1", state=JobState.SUCCEEDED)]) == ()

    assert record.buyers == {}
    assert record.jobs["1"].state is JobState.SUCCEEDED


def test_audio_that_was_rejected_makes_its_job_a_failed_one_however_often_the_service_praises_it():
    record = OrderRecord()
    praised = job("1", state=JobState.SUCCEEDED)
    record.reject(praised, "a", reason="silent", flawed=True)

    for seen in (record.acceptable([praised])[0], record.judged([praised], grace=9.0)[0]):
        assert (seen.state, seen.reason) == (JobState.FAILED, "silent")


@pytest.mark.parametrize(("last", "state"), [(109.0, JobState.ACTIVE), (111.0, JobState.FAILED)])
def test_missing_audio_is_awaited_for_its_grace_and_then_counts_as_a_failure(last, state):
    record = OrderRecord()
    done = job("1", state=JobState.SUCCEEDED)
    record.missed(done, now=100.0)
    record.missed(done, now=last)

    (seen,) = record.judged([done], grace=10.0)

    assert seen.state is state
    if state is JobState.FAILED:
        assert "had not appeared after 11 s" in seen.reason


def test_audio_that_was_looked_for_once_is_not_given_up_however_long_ago_that_was():
    record = OrderRecord()
    done = job("1", state=JobState.SUCCEEDED)
    record.missed(done, now=100.0)

    assert record.judged([done], grace=10.0)[0].state is JobState.ACTIVE
    assert record.known({"a"}, grace=10.0) == []
    record.adopt([done])
    assert record.known({"a"}, grace=10.0) == [done]


def test_audio_that_was_missing_is_asked_for_again_at_every_look():
    record = OrderRecord()
    record.missed(job("1", state=JobState.SUCCEEDED), now=100.0)

    (seen,) = record.acceptable([job("1", state=JobState.SUCCEEDED)])

    assert seen.state is JobState.SUCCEEDED


class TestAJobOfSeveralClips:
    @staticmethod
    def of(*keys: str, state: JobState = JobState.SUCCEEDED) -> Job:
        return Job(job_id="1", clip_keys=keys, state=state, created_at=100.0, job_key="order-1")

    def test_counts_as_failed_for_the_clip_that_was_bad_and_as_it_is_for_the_others(self):
        record = OrderRecord()
        done = self.of("a", "b", "c")
        record.adopt([done])
        record.reject(done, "b", reason="silent", flawed=True)

        sound, bad = record.acceptable([done])

        assert (sound.clip_keys, sound.state) == (("a", "c"), JobState.SUCCEEDED)
        assert (bad.clip_keys, bad.state, bad.reason, bad.flawed) == (("b",), JobState.FAILED, "silent", True)
        assert record.whole(sound) == done

    def test_is_asked_about_again_as_long_as_it_may_give_one_of_the_missing_clips(self):
        record = OrderRecord()
        done = self.of("a", "b")
        record.adopt([done])
        record.reject(done, "b", reason="no audio", flawed=False)

        (still_good,) = record.known({"a", "b"}, grace=9.0)
        (of_no_use,) = record.known({"b"}, grace=9.0)

        assert still_good == done
        assert (of_no_use.state, of_no_use.clip_keys, of_no_use.reason) == (JobState.FAILED, ("a", "b"), "no audio")

    def test_keeps_the_state_that_the_service_gave_it_when_it_was_only_of_no_use(self):
        record = OrderRecord()
        done = self.of("a", "b")
        record.adopt([done])
        record.reject(done, "b", reason="no audio", flawed=False)

        record.adopt(record.known({"b"}, grace=9.0))

        assert record.jobs["1"] == done

    def test_is_found_among_the_purchases_by_any_of_its_clips(self):
        record = OrderRecord(purchases={"order-1": ("a", "b"), "order-2": ("c",)})

        assert record.intended(["b", "x"]) == {"order-1": ("a", "b")}

    def test_joined_records_know_the_purchases_and_the_bad_clips_of_both(self):
        mine, other = OrderRecord(purchases={"order-1": ("a",)}), OrderRecord(purchases={"order-2": ("b",)})
        mine.reject(self.of("a", "b"), "a", reason="silent", flawed=True)
        other.reject(self.of("a", "b"), "b", reason="noise", flawed=True)

        mine.join(other)

        assert set(mine.purchases) == {"order-1", "order-2"}
        assert set(mine.defects["1"]) == {"a", "b"}
