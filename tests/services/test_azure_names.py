"""Finding jobs by their names: what is remembered of a list, and who reads it."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

import pytest

from narration.hooks.azure_errors import AzureSpeechError
from narration.services import azure_names
from narration.services.azure_names import jobs_named
from tests.services.azure_lists import API, Resource, job, ordered


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(azure_names, "shared_folder", lambda: tmp_path)
    return tmp_path


def seek(resource: Resource, *numbers: int) -> set[str]:
    names = {f"narration-{number}" for number in numbers}
    return {found.job_id for _, found in jobs_named(resource, api=API, names=names, prefix="narration-")}


def remembered(folder: Path) -> dict:
    (file,) = folder.glob("jobs-*.json")
    return json.loads(file.read_text())


@pytest.mark.parametrize("order", ["oldest-first", "newest-first", "anyhow"])
def test_every_job_of_a_name_is_found_and_new_ones_too(order):
    resource = ordered(500, order)
    assert seek(resource, 250, 9000) == {"job-250"}

    resource.jobs.insert(0 if order == "newest-first" else 500, job(9000))

    assert seek(resource, 250, 9000) == {"job-250", "job-9000"}


@pytest.mark.parametrize("order", ["oldest-first", "newest-first"])
def test_jobs_that_were_skipped_over_by_deletions_during_the_first_reading_are_found(order):
    resource = ordered(2000, order)
    resource.after_page = lambda: resource.jobs.__delitem__(slice(0, 2))
    seek(resource, 9000)
    resource.after_page = lambda: None
    sample = random.Random(1).sample(resource.jobs, 60)

    assert all(seek(resource, int(each.job_id[4:])) == {each.job_id} for each in sample)


def test_a_list_in_no_order_is_read_whole_each_time(folder):
    resource = ordered(1000, "anyhow")
    seek(resource, 9000)
    assert remembered(folder)["until"] == 0.0

    resource.jobs.insert(350, job(9000))

    assert seek(resource, 9000) == {"job-9000"}


def test_a_reading_that_fails_is_not_remembered(folder):
    resource = ordered(500, "oldest-first")

    def fail() -> None:
        if resource.pages == 3:
            raise AzureSpeechError("No answer.")

    resource.after_page = fail
    with pytest.raises(AzureSpeechError):
        seek(resource, 250)

    assert not list(folder.glob("jobs-*.json"))
    assert seek(resource, 250) == {"job-250"}


def test_the_newest_jobs_that_are_deleted_cost_one_long_look_and_no_more():
    resource = ordered(3000, "newest-first")
    seek(resource, 9000)
    del resource.jobs[:200]
    seek(resource, 9000)
    before = resource.pages

    seek(resource, 9000)

    # Down to ten minutes before the newest.
    assert resource.pages - before <= 8


@pytest.mark.parametrize("order", ["oldest-first", "newest-first", "anyhow"])
def test_of_many_that_look_at_the_same_time_few_read_the_list(order):
    resource = ordered(1000, order)
    resource.after_page = lambda: time.sleep(0.001)
    found: list[set[str]] = []
    threads = [threading.Thread(target=lambda n=n: found.append(seek(resource, n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(sorted, found)) == sorted([f"job-{n}"] for n in range(16))
    assert resource.pages <= 3 * 12


def test_a_reading_that_began_before_a_look_is_not_enough_for_it():
    resource = ordered(300, "oldest-first")
    late: list[set[str]] = []
    looking: list[threading.Thread] = []

    def buy() -> None:
        # While the first one has read the end of the list, a job is bought, and looked for.
        if resource.pages == 4 and not looking:
            resource.jobs.append(job(9000))
            looking.append(threading.Thread(target=lambda: late.append(seek(resource, 9000))))
            looking[0].start()
            time.sleep(0.05)

    resource.after_page = buy
    assert seek(resource, 9000) == set()
    looking[0].join()

    assert late == [{"job-9000"}]


def test_jobs_that_were_deleted_are_not_asked_for_again(folder):
    resource = ordered(3000, "oldest-first")
    seek(resource, 5)
    resource.jobs.remove(job(5))
    assert seek(resource, 5) == set()
    before = resource.gets

    assert seek(resource, 5) == set()
    assert resource.gets == before
    assert "narration-6" in remembered(folder)["ids"]


def test_what_an_older_version_remembered_is_read_anew(folder):
    resource = ordered(10, "oldest-first")
    seek(resource, 5)
    (file,) = folder.glob("jobs-*.json")
    file.write_text(json.dumps({"until": 2e9, "length": 10, "ids": {}}))

    assert seek(resource, 5) == {"job-5"}


def test_nothing_is_locked_while_single_jobs_are_asked_for(folder):
    resource = ordered(3000, "oldest-first")
    seek(resource, 5, 6)
    looking = jobs_named(resource, api=API, names={"narration-5", "narration-6"}, prefix="narration-")
    next(looking)

    assert seek(resource, 7) == {"job-7"}
