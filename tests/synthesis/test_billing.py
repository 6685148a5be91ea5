from __future__ import annotations

import json

from narration.synthesis.billing import MOST_NAMED, Bill, bill_of
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord

CHARACTERS = {"a": 10, "b": 20, "c": 30}
PLACES = {key: f"Chapter 1, paragraph {key}" for key in CHARACTERS}


def job(name: str, *keys: str, characters: int | None, state: JobState = JobState.SUCCEEDED, reason: str = "") -> Job:
    return Job(job_id=name, clip_keys=keys, state=state, characters=characters, reason=reason)


def bill(*jobs: Job, made_by: dict[str, str], record: OrderRecord | None = None, **more) -> Bill:
    record = record or OrderRecord()
    return bill_of(jobs, record=record, made_by=made_by, characters=CHARACTERS, places=PLACES, **more)


def test_jobs_that_cost_what_was_expected_differ_in_nothing():
    found = bill(
        job("one", "a", "b", characters=30),
        job("two", "c", characters=30),
        made_by={"a": "one", "b": "one", "c": "two"},
    )

    assert found == Bill(jobs=2, characters_estimated=60, characters_billed=60)
    assert found.warnings == ()


def test_another_count_of_the_services_is_named_with_its_job_and_paragraphs():
    found = bill(job("one", "a", "b", characters=33), made_by={"a": "one", "b": "one"})

    assert (found.characters_estimated, found.characters_billed, found.different) == (30, 33, 1)
    (warning,) = found.warnings
    assert "job one (Chapter 1, paragraph a; Chapter 1, paragraph b) was billed 33 characters instead of 30" in warning


def test_a_job_that_failed_and_was_billed_all_the_same_is_paid_in_vain():
    failed = job("one", "a", characters=10, state=JobState.FAILED, reason="The voice was hoarse.")

    found = bill(failed, job("two", "a", characters=10), made_by={"a": "two"})

    assert (found.characters_estimated, found.characters_billed) == (10, 20)
    (difference,) = found.differences
    assert (difference.job_id, difference.characters_estimated, difference.characters_billed) == ("one", 0, 10)
    assert difference.reason == "The voice was hoarse."


def test_what_failed_of_a_job_and_was_not_billed_makes_no_difference():
    found = bill(job("one", "a", "b", characters=20), job("two", "a", characters=10), made_by={"a": "two", "b": "one"})

    assert found == Bill(jobs=2, characters_estimated=30, characters_billed=30)


def test_a_job_that_failed_without_being_billed_costs_nothing():
    failed = job("one", "a", characters=None, state=JobState.FAILED)

    assert bill(failed, made_by={}) == Bill(jobs=1)


def test_audio_that_was_not_accepted_and_bought_again_is_named_with_the_reason():
    record = OrderRecord()
    first = job("one", "a", characters=10)
    record.reject(first, "a", reason="it is silent", flawed=True)

    found = bill(first, job("two", "a", characters=10), made_by={"a": "two"}, record=record)

    assert [(each.job_id, each.reason) for each in found.differences] == [("one", "it is silent")]


def test_a_purchase_that_another_job_made_needless_is_named_with_that_job():
    found = bill(job("one", "a", characters=10), job("two", "a", characters=10), made_by={"a": "two"})

    assert [(each.job_id, each.reason) for each in found.differences] == [("one", "the audio came from job two")]


def test_a_count_that_the_service_does_not_tell_is_estimated_and_said_to_be():
    found = bill(job("one", "a", characters=None), made_by={"a": "one"})

    assert found == Bill(jobs=1, characters_estimated=10, characters_billed=10, uncounted=1)


def test_a_job_with_clips_of_other_documents_is_taken_at_the_services_word():
    found = bill(job("one", "a", "z", characters=99), made_by={"a": "one"})

    assert found == Bill(jobs=1, characters_estimated=99, characters_billed=99)


def test_what_a_minimum_length_adds_is_expected():
    found = bill(job("one", "a", characters=410), made_by={"a": "one"}, extra=lambda keys: 400 * len(keys))

    assert found == Bill(jobs=1, characters_estimated=410, characters_billed=410)


def test_a_bill_with_many_differences_names_some_and_counts_all():
    jobs = [job(f"job {number}", "a", characters=11) for number in range(50)]

    found = sum((bill(each, made_by={"a": each.job_id}) for each in jobs), Bill())

    assert (found.jobs, found.different, len(found.differences)) == (50, 50, MOST_NAMED)
    assert found.warnings[-1] == f"and {50 - MOST_NAMED} more jobs"


def test_a_bill_survives_json():
    found = bill(job("one", "a", characters=11), made_by={"a": "one"})

    assert Bill.from_dict(json.loads(json.dumps(found.to_dict()))) == found
