"""Over real HTTP, against a local cloud that takes many requests a second so that thousands of jobs take seconds."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.paths import StoreError
from narration.synthesis.reconcile import JobState
from tests.azure_retention import BATCH, DAY, DELETE, HOUR, LONG_AUDIO, PREVIEW, Resource, retention_cloud


@pytest.fixture(scope="module")
def cloud():
    with retention_cloud() as running:
        yield running


def connected(cloud, folder, monkeypatch, **change):
    resource = Resource(cloud, folder)
    for name, value in change.items():
        setattr(resource, name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", cloud.connection(resource.key))
    return resource


@pytest.fixture
def resource(cloud, tmp_path, monkeypatch):
    yield connected(cloud, tmp_path, monkeypatch)
    cloud.admin("DELETE", "faults")


class TestTwentyThousandJobs:
    def test_they_come_down_to_the_target_and_nothing_else_is_touched(self, tmp_path, monkeypatch, capsys):
        # A cloud of its own: so many jobs are in everybody's way.
        with retention_cloud() as cloud:
            self.come_down(connected(cloud, tmp_path, monkeypatch), capsys)

    def come_down(self, resource, capsys):
        choose = random.Random(3)
        # Many jobs have clips in common, as those of a book that was edited and narrated again.
        names = []
        for order in range(170):
            words = [f"order {order} clip {number}" for number in range(6)]
            first = resource.purchase(*words).collected()
            names.append(first.name)
            names.extend(resource.purchase(*words, attempt=attempt, note=False).name for attempt in range(1, 117))
            purchases = [*dict.fromkeys(names[-117:])]
            record = resource.store().read_record(first.order)
            record["purchases"] = {name.removeprefix("narration-"): first.clips for name in purchases}
            resource.store().write_record(first.order, record)
        names = names[:19_850]
        assert len(set(names)) == 19_850
        resource.seed(*names, oldest=60 * DAY, youngest=2 * HOUR)
        uncollected = [resource.purchase(f"uncollected {number}", f"second {number}") for number in range(50)]
        for purchase in uncollected[:25]:
            resource.keep_clips(purchase.clips[:1])
        # All of them among the oldest, where the deleting begins.
        stay = {
            *resource.seed(*(each.name for each in uncollected), oldest=59 * DAY, youngest=50 * DAY),
            *resource.seed(*(f"somebody's {n}" for n in range(50)), oldest=60 * DAY, youngest=50 * DAY),
            *resource.seed(*(f"waiting {n}" for n in range(25)), status="NotStarted", oldest=61 * DAY),
            *resource.seed(*choose.sample(names, 25), status="Running", oldest=61 * DAY),
        }
        before = resource.jobs()
        assert (len(before), len(stay)) == (20_000, 150)

        figures = resource.clean(target=15_000)

        after = resource.jobs()
        assert len(after) == 15_000
        assert stay <= set(after)
        assert figures["deleted"] == 5_000
        assert figures["kept"] == {
            "clips_not_in_store": 50,
            "not_of_this_project": 50,
            "unfinished": 50,
            "within_target": 14_850,
        }
        assert figures["refused"] == {}
        assert resource.cloud.throttled(LONG_AUDIO) == 0
        ours = [job_id for job_id in before if job_id not in stay]
        assert [job_id for job_id in ours if job_id in after] == ours[5_000:], "the oldest went first"
        assert "kept 50 (clips_not_in_store): not all of its clips are in the store" in capsys.readouterr().out


class TestWhichJobsGo:
    def test_a_job_whose_clips_are_all_in_the_store_goes(self, resource):
        resource.seed(resource.purchase("a", "b").collected().name)

        figures = resource.clean(target=0)

        assert figures == {
            "stored": 1,
            "target": 0,
            "deleted": 1,
            "gone": 0,
            "would_delete": 0,
            "remaining": 0,
            "kept": {},
            "refused": {},
        }
        assert resource.jobs() == {}

    @pytest.mark.parametrize("api", [BATCH, PREVIEW, LONG_AUDIO])
    def test_the_job_key_is_found_where_each_api_shows_it(self, resource, api):
        mine, other = resource.purchase("a").collected(), resource.purchase("b")
        resource.seed(mine.name, api=api)
        kept = resource.seed(other.name, "somebody-elses", api=api)

        figures = resource.clean(target=0, apis=[api])

        assert figures["deleted"] == 1
        assert figures["kept"] == {"clips_not_in_store": 1, "not_of_this_project": 1}
        assert set(resource.jobs(api=api)) == set(kept)

    def test_the_oldest_go_first_and_no_more_than_needed(self, resource):
        names = [resource.purchase(number).collected().name for number in range(30)]
        young = resource.seed(*names[20:], oldest=5 * DAY, youngest=4 * DAY)
        old = resource.seed(*names[:20], oldest=9 * DAY, youngest=6 * DAY)

        figures = resource.clean(target=18)

        assert figures["deleted"] == 12
        assert set(resource.jobs()) == {*old[12:], *young}

    def test_below_the_target_nothing_is_deleted_and_the_store_is_not_even_read(self, resource):
        resource.seed(*(resource.purchase(number).collected().name for number in range(3)))
        calls = resource.cloud.calls(LONG_AUDIO, DELETE[LONG_AUDIO])

        figures = resource.clean(target=3, storages=[f"{resource.folder}/not/there"])

        assert figures["kept"] == {"within_target": 3}
        assert resource.cloud.calls(LONG_AUDIO, DELETE[LONG_AUDIO]) == calls

    def test_several_pages_are_all_read_before_anything_is_deleted(self, resource):
        resource.seed(*(resource.purchase(number).collected().name for number in range(350)), youngest=HOUR * 2)

        figures = resource.clean(target=0)

        assert figures["deleted"] == 350
        assert resource.jobs() == {}


class TestWhatIsNeverDeleted:
    @pytest.mark.parametrize("status", ["NotStarted", "Running"])
    def test_a_job_that_waits_or_runs_stays_whatever_is_asked_for(self, resource, status):
        collected = resource.purchase("a").collected()
        resource.seed(collected.name, "somebody's", status=status)

        figures = resource.clean(target=0, min_age=0, delete_uncollected=True, delete_foreign=True)

        assert figures["kept"] == {"unfinished": 2}
        assert len(resource.jobs()) == 2

    def test_a_job_stays_while_one_of_its_clips_is_not_in_the_store(self, resource):
        purchase = resource.purchase("a", "b")
        resource.keep_clips(purchase.clips[:1])
        resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"clips_not_in_store": 1}
        resource.keep_clips(purchase.clips[1:])
        assert resource.clean(target=0)["deleted"] == 1

    @pytest.mark.parametrize("many", [1, 60], ids=["looked up", "listed"])
    @pytest.mark.parametrize("damage", ["no audio", "audio cut to nothing", "no facts"])
    def test_a_clip_whose_file_is_lost_is_not_safely_in_the_store(self, resource, many, damage):
        purchase = resource.purchase(*range(many)).collected()
        folder = Path(resource.folder, "store", "clips")
        if many > 1:
            # So many in one folder that it is listed.
            begin = purchase.clips[0][:2]
            resource.keep_clips([begin + clip[2:] for clip in purchase.clips])
            purchase.clips = [begin + clip[2:] for clip in purchase.clips]
            purchase.key = f"{purchase.order}-{'0' * 12}"
            purchase.note()
        file = folder / purchase.clips[0][:2] / purchase.clips[0]
        if damage == "no audio":
            file.with_suffix(".mp3").unlink()
        elif damage == "audio cut to nothing":
            file.with_suffix(".mp3").write_bytes(b"")
        else:
            file.with_suffix(".json").unlink()
        resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"clips_not_in_store": 1}

    def test_a_clip_whose_facts_are_damaged_counts_as_not_there(self, resource, caplog):
        purchase = resource.purchase("a").collected()
        (file,) = Path(resource.folder, "store", "clips").rglob("*.json")
        file.write_text("{")
        resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"clips_not_in_store": 1}
        assert str(file) in caplog.text

    def test_a_job_of_another_store_stays_until_that_store_is_named(self, resource, capsys):
        purchase = resource.purchase("a", store="elsewhere").collected(store="elsewhere")
        resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"no_record_in_these_stores": 1}
        assert "it belongs to another store" in capsys.readouterr().out
        stores = f"{resource.folder}/store\n{resource.folder}/elsewhere\n"
        assert resource.clean(target=0, storages=stores)["deleted"] == 1

    def test_a_job_that_two_stores_share_stays_until_both_have_its_clips(self, resource):
        purchase = resource.purchase("a").collected()
        purchase.note(store="second")
        resource.seed(purchase.name)
        both = [f"{resource.folder}/store", f"{resource.folder}/second"]

        assert resource.clean(target=0, storages=both)["kept"] == {"clips_not_in_store": 1}
        purchase.collected(store="second")
        assert resource.clean(target=0, storages=both)["deleted"] == 1

    def test_a_job_whose_orders_record_is_damaged_stays(self, resource, caplog):
        texts = ["{", '{"jobs": 3}', "[]", '{"purchases": {}}']
        for number, text in enumerate(texts):
            purchase = resource.purchase(number).collected()
            resource.store().path("orders", f"{purchase.order}.record.json").write_text(text)
            resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"record_unreadable": len(texts)}
        assert purchase.order in caplog.text

    def test_a_job_that_finished_just_now_stays_for_an_hour(self, resource):
        names = [resource.purchase(number).collected().name for number in range(2)]
        resource.seed(names[0], oldest=HOUR * 0.9)
        resource.seed(names[1], oldest=HOUR * 1.1)

        assert resource.clean(target=0)["kept"] == {"too_young": 1}
        assert resource.clean(target=0, min_age=0)["deleted"] == 1

    @pytest.mark.parametrize(
        "name", ["narration-", "narration-of-a-story", "Narration-" + "0" * 40 + "-" + "0" * 12, "x"]
    )
    def test_a_job_that_only_sounds_like_this_projects_stays(self, resource, name):
        resource.seed(name)

        assert resource.clean(target=0, delete_uncollected=True)["kept"] == {"not_of_this_project": 1}

    def test_nothing_is_concluded_from_a_store_that_cannot_be_read(self, resource):
        resource.seed(resource.purchase("a").collected().name)
        orders = Path(resource.folder, "store", "orders")
        orders.rename(orders.with_name("moved"))
        orders.write_text("a file where a folder should be")

        with pytest.raises(StoreError):
            resource.clean(target=0)

        assert len(resource.jobs()) == 1

    def test_without_a_storage_no_job_of_this_project_goes(self, resource, capsys):
        resource.seed(resource.purchase("a").collected().name)

        assert resource.clean(target=0, storages="")["kept"] == {"no_record_in_these_stores": 1}
        assert "No storage is given" in capsys.readouterr().out


class TestJobsOfNoMoreUse:
    def test_a_clip_that_the_job_is_known_not_to_have_given_does_not_keep_it(self, resource):
        purchase = resource.purchase("a", "b")
        (job_id,) = resource.seed(purchase.name)
        resource.keep_clips(purchase.clips[:1])
        purchase.note(defects=purchase.defect(job_id, purchase.clips[1]))

        assert resource.clean(target=0)["deleted"] == 1

    def test_audio_that_was_not_accepted_keeps_its_job_until_another_one_gave_the_clip(self, resource):
        purchase = resource.purchase("a", "b")
        (job_id,) = resource.seed(purchase.name)
        resource.keep_clips(purchase.clips[:1])
        purchase.note(defects=purchase.defect(job_id, purchase.clips[1], flawed=True))

        assert resource.clean(target=0)["kept"] == {"audio_not_accepted": 1}
        resource.keep_clips(purchase.clips[1:])
        assert resource.clean(target=0)["deleted"] == 1

    def test_another_jobs_defect_says_nothing_about_this_one(self, resource):
        purchase = resource.purchase("a")
        purchase.note(defects=purchase.defect("another job", purchase.clips[0]))
        resource.seed(purchase.name)

        assert resource.clean(target=0)["kept"] == {"clips_not_in_store": 1}

    def test_a_failed_job_goes_once_its_order_has_noted_the_failure(self, resource):
        purchase = resource.purchase("a")
        (job_id,) = resource.seed(purchase.name, status="Failed")

        assert resource.clean(target=0)["kept"] == {"failure_not_noted": 1}
        purchase.note(jobs={job_id: purchase.job(job_id, JobState.FAILED)})
        assert resource.clean(target=0)["deleted"] == 1

    def test_a_failed_job_goes_when_its_clips_came_from_another_one(self, resource):
        resource.seed(resource.purchase("a").collected().name, status="Failed")

        assert resource.clean(target=0)["deleted"] == 1

    def test_a_job_that_the_service_says_succeeded_is_not_believed_to_have_failed(self, resource):
        purchase = resource.purchase("a")
        (job_id,) = resource.seed(purchase.name)
        purchase.note(jobs={job_id: purchase.job(job_id, JobState.FAILED)})

        assert resource.clean(target=0)["kept"] == {"clips_not_in_store": 1}

    def test_an_adopted_job_goes_too_although_another_stores_run_bought_it(self, resource):
        purchase = resource.purchase("a", "b", note=False).collected()
        (job_id,) = resource.seed(purchase.name)
        record = {"jobs": [], "buyers": {}, "intents": {}, "purchases": {}, "defects": {}, "missing_since": {}}
        record["listed_at"] = None
        job = purchase.job(job_id, JobState.SUCCEEDED)
        # What a claim keeps of a job is one clip only, and that is not enough to go by.
        for clips, expected in ((purchase.clips[:1], 0), (purchase.clips, 1)):
            record["jobs"] = [{**vars(job), "clip_keys": list(clips)}]
            resource.store().write_record(purchase.order, record)
            assert resource.clean(target=0)["deleted"] == expected


class TestOverrides:
    def test_uncollected_jobs_go_when_told_to(self, resource):
        resource.seed(resource.purchase("a").name, resource.purchase("b", store="elsewhere").name)
        foreign = resource.seed("somebody's")

        figures = resource.clean(target=0, delete_uncollected="True")

        assert figures["deleted"] == 2
        assert set(resource.jobs()) == set(foreign)

    def test_foreign_jobs_go_when_told_to(self, resource):
        kept = resource.seed(resource.purchase("a").name)
        resource.seed("somebody's", "another's")

        figures = resource.clean(target=0, delete_foreign="True")

        assert figures["deleted"] == 2
        assert set(resource.jobs()) == set(kept)


class TestTheDryRun:
    def test_it_says_what_would_go_and_deletes_nothing(self, resource, capsys):
        resource.seed(*(resource.purchase(number).collected().name for number in range(10)), youngest=2 * DAY)
        resource.seed(resource.purchase("uncollected").name, oldest=40 * DAY)
        before = resource.jobs()
        calls = resource.cloud.calls(LONG_AUDIO, DELETE[LONG_AUDIO])

        dry = resource.clean(target=4, is_dry_run="True")

        assert resource.jobs() == before
        assert resource.cloud.calls(LONG_AUDIO, DELETE[LONG_AUDIO]) == calls
        assert "would delete 7" in capsys.readouterr().out
        real = resource.clean(target=4)
        assert dry == {**real, "deleted": 0, "would_delete": real["deleted"], "remaining": 11}


class TestTheThreeApis:
    def test_all_of_them_are_cleaned_each_to_its_own_target(self, resource):
        for api in (BATCH, PREVIEW, LONG_AUDIO):
            names = [resource.purchase(api.value, number).collected().name for number in range(6)]
            resource.seed(*names, api=api, youngest=DAY)

        results = resource.run(
            resource.operator(
                apis=f"{BATCH.value}, {PREVIEW.value},{LONG_AUDIO.value}",
                targets={BATCH.value: "1", PREVIEW.value: "2", LONG_AUDIO.value: "3"},
            )
        )

        assert {api: figures["deleted"] for api, figures in results.items()} == {BATCH: 5, PREVIEW: 4, LONG_AUDIO: 3}
        assert resource.state.values["progress"][LONG_AUDIO]["deleted"] == 3

    def test_trouble_with_one_does_not_keep_the_others_from_being_cleaned(self, resource):
        for api in (BATCH, PREVIEW, LONG_AUDIO):
            resource.seed(resource.purchase(api.value).collected().name, api=api)
        resource.cloud.admin(
            "POST", "faults", {"service": "azure_batch", "kind": "error_500", "operation": "ListBatchSyntheses"}
        )

        with pytest.raises(NarrationError, match="500") as failed:
            resource.run(resource.operator(apis=[BATCH, PREVIEW, LONG_AUDIO], target=0))

        assert not isinstance(failed.value, PermanentNarrationError)
        assert [len(resource.jobs(api=api)) for api in (BATCH, PREVIEW, LONG_AUDIO)] == [1, 0, 0]

    def test_an_api_that_refuses_the_resource_is_left_out_and_the_others_are_cleaned(
        self, resource, monkeypatch, capsys
    ):
        monkeypatch.setenv("AIRFLOW_CONN_REFUSED", resource.cloud.connection("revoked-0123456789"))
        for api in (BATCH, LONG_AUDIO):
            resource.seed(resource.purchase(api.value).collected().name, api=api)

        class RefusedByLongAudio(AzureSpeechHook):
            def list_jobs(self, *, api, **arguments):
                hook = AzureSpeechHook(azure_speech_conn_id="refused") if api is LONG_AUDIO else super()
                return hook.list_jobs(api=api, **arguments)

        operator = resource.operator(apis=[LONG_AUDIO, BATCH], target=0)
        operator.hook = RefusedByLongAudio()

        results = resource.run(operator)

        assert "401" in results[LONG_AUDIO]["unavailable"]
        assert results[BATCH]["deleted"] == 1
        assert len(resource.jobs(api=LONG_AUDIO)) == 1
        assert "long-audio-v3.0 is left out" in capsys.readouterr().out

    def test_a_revoked_key_fails_the_task_at_once(self, cloud, tmp_path, monkeypatch):
        resource = connected(cloud, tmp_path, monkeypatch, key="revoked-0123456789")

        with pytest.raises(AirflowFailException, match="401"):
            resource.run(resource.operator(apis=[BATCH, PREVIEW, LONG_AUDIO]))


class Meddling(AzureSpeechHook):
    """A hook in whose work somebody else meddles: before a deletion, something happens."""

    def __init__(self, before_delete) -> None:
        super().__init__()
        self.before_delete = before_delete

    def delete_job(self, *, api, job_id):
        self.before_delete(job_id)
        return super().delete_job(api=api, job_id=job_id)


class TestTrouble:
    def test_a_job_that_somebody_else_deleted_meanwhile_is_fine(self, resource):
        jobs = resource.seed(*(resource.purchase(number).collected().name for number in range(5)))
        operator = resource.operator(target=2)
        other = AzureSpeechHook()
        operator.hook = Meddling(lambda job_id: job_id == jobs[0] and other.delete_job(api=LONG_AUDIO, job_id=job_id))

        (figures,) = resource.run(operator).values()

        assert (figures["deleted"], figures["gone"], figures["remaining"]) == (2, 1, 2)

    def test_a_deletion_that_is_refused_is_counted_and_another_job_goes_instead(self, resource, capsys):
        resource.seed(*(resource.purchase(number).collected().name for number in range(12)))
        resource.cloud.admin(
            "POST", "faults", {"service": "azure_long_audio", "kind": "error_500", "operation": DELETE[LONG_AUDIO]}
        )

        figures = resource.clean(target=10)

        assert figures["deleted"] == 2
        assert sum(figures["refused"].values()) == 1
        assert "refused 1" in capsys.readouterr().out

    def test_a_job_that_turns_out_to_run_is_refused_and_counted(self, resource, capsys):
        names = [resource.purchase(number).collected().name for number in range(3)]
        resource.seed(*names, api=BATCH)
        other = AzureSpeechHook()

        def made_again(job_id):
            if job_id == names[0]:
                other.delete_job(api=BATCH, job_id=job_id)
                resource.seed(job_id, api=BATCH, status="Running")

        operator = resource.operator(target=0, apis=[BATCH])
        operator.hook = Meddling(made_again)

        (figures,) = resource.run(operator).values()

        assert (figures["deleted"], sum(figures["refused"].values())) == (2, 1)
        assert resource.jobs(api=BATCH) == {names[0]: "Running"}
        assert "refused 1" in capsys.readouterr().out

    def test_a_service_that_fails_again_and_again_ends_the_attempt(self, resource):
        resource.seed(*(resource.purchase(number).collected().name for number in range(60)))
        order = {"service": "azure_long_audio", "kind": "error_500", "operation": DELETE[LONG_AUDIO], "count": 1000}
        resource.cloud.admin("POST", "faults", order)

        with pytest.raises(NarrationError, match="500") as failed:
            resource.clean(target=0)

        assert not isinstance(failed.value, PermanentNarrationError)
        resource.cloud.admin("DELETE", "faults")
        assert resource.clean(target=0)["deleted"] == 60

    def test_an_attempt_that_was_killed_half_way_is_finished_by_the_next_one(self, resource):
        jobs = resource.seed(*(resource.purchase(number).collected().name for number in range(100)))
        deleted = Counter()

        def killed(job_id):
            deleted[job_id] += 1
            if len(deleted) > 40:
                raise SystemExit

        operator = resource.operator(target=10)
        operator.hook = Meddling(killed)
        with pytest.raises(SystemExit):
            resource.run(operator)
        left = len(resource.jobs())
        assert 52 <= left <= 60

        figures = resource.clean(target=10)

        assert figures["deleted"] == left - 10
        assert list(resource.jobs()) == jobs[90:]


class TestTheRate:
    def test_a_strict_limit_is_used_up_and_never_broken(self, tmp_path, monkeypatch):
        with retention_cloud(requests=20, seconds=0.25) as strict:
            resource = connected(strict, tmp_path, monkeypatch)
            resource.seed(*(resource.purchase(number).collected().name for number in range(220)))

            figures = resource.clean(target=0)

            assert figures["deleted"] == 220
            assert strict.throttled(LONG_AUDIO) == 0


class TestItsArguments:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"apis": "polly"}, "no API 'polly'"),
            ({"apis": ""}, "No API is given"),
            ({"targets": {LONG_AUDIO.value: "many"}}, "must be a number"),
            ({"targets": {LONG_AUDIO.value: -1}}, "0 or more"),
            ({"targets": {"polly": 1}}, "no API 'polly'"),
            ({"min_age": "soon"}, "min_age"),
            ({"delete_foreign": "perhaps"}, "delete_foreign"),
            ({"delete_uncollected": "perhaps"}, "delete_uncollected"),
            ({"is_dry_run": "perhaps"}, "is_dry_run"),
        ],
    )
    def test_nonsense_is_refused_before_anything_is_listed(self, resource, change, message):
        calls = resource.cloud.calls(LONG_AUDIO, "ListLongAudioSyntheses")

        with pytest.raises(AirflowFailException, match=message):
            resource.clean(**change)

        assert resource.cloud.calls(LONG_AUDIO, "ListLongAudioSyntheses") == calls

    def test_no_log_line_shows_the_key(self, resource, capsys, caplog):
        caplog.set_level(logging.DEBUG)
        resource.seed(resource.purchase("a").collected().name)

        result = resource.clean(target=0)

        printed = capsys.readouterr()
        assert "deleted 1" in printed.out
        assert resource.key not in printed.out + printed.err + caplog.text + json.dumps(result)
