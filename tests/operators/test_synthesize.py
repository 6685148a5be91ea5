"""The paid-job protocol against the local cloud over HTTP: whatever happens, a paragraph is paid for once."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from datetime import timedelta
from unittest import mock

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tenacity import wait_none

from narration.audio.errors import ClipDefect
from narration.errors import NarrationError
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyCredentialsError, PollyRefusedError
from narration.operators.reconciling import ParagraphRefusedError, PurchasesInVainError
from narration.operators.synthesize import SynthesizeOrderOperator, WaitTimeoutError
from narration.paths import StoreError
from narration.services.polly import PollyService
from narration.store import Store
from tests.conftest import BUCKET, SECRET
from tests.road import LIST, START, bill, event_of


class Killed(BaseException):
    """The process died here."""


@pytest.fixture(autouse=True)
def _no_real_waits_for_throttling(monkeypatch):
    monkeypatch.setattr("tenacity.wait_random_exponential", lambda **_: wait_none())


class TestTheUsualCourse:
    def test_every_paragraph_is_bought_once_and_waited_for_without_a_worker(self, bench, run):
        order = bench.stories(3)

        result = bench.see_through(order, run)

        characters = bench.wanted(order).characters
        assert result.pop("bill") == bill(jobs=3, characters=characters)
        assert result == {"order_id": order["order_id"], "clips": 3, "bought": 3, "bought_characters": characters}
        assert (bench.bought, bench.billed) == (3, characters)
        assert bench.stored(order) == 3

    def test_a_second_run_buys_nothing_and_asks_polly_nothing(self, bench, run):
        order = bench.stories(2)
        bench.see_through(order, run)
        starts, lists = bench.calls(START), bench.calls(LIST)

        result = bench.see_through(order, bench.run("tuesday"))

        assert (result["bought"], result["bought_characters"]) == (0, 0)
        assert bench.bought == 2
        assert (bench.calls(START), bench.calls(LIST)) == (starts, lists)

    def test_another_attempt_of_the_same_run_still_says_what_the_run_bought(self, bench, run):
        order = bench.stories(2)
        first = bench.see_through(order, run)

        assert bench.see_through(order, run) == first

    def test_the_clips_carry_their_job_and_the_characters_that_polly_counted(self, bench, run):
        order = bench.stories(1)
        bench.see_through(order, run)

        (wanted,) = bench.wanted(order).clips
        clip = bench.store.clip(wanted.clip_key)

        assert clip.job_id in bench.objects(order)[wanted.clip_key]
        assert (clip.characters, clip.characters_reported) == (len(wanted.text), True)

    def test_how_far_the_order_is_can_be_read_from_the_state_of_the_task(self, bench, run):
        order = bench.stories(2)
        bench.first_look(order, run)
        assert run.state.get("progress") == {"done": 0, "total": 2, "billed_characters": 0}

        bench.see_through(order, run)

        characters = bench.wanted(order).characters
        assert run.state.get("progress") == {"done": 2, "total": 2, "billed_characters": characters}

    def test_what_another_order_bought_is_adopted(self, bench, run):
        shared = bench.text("shared")
        bench.see_through(bench.order(shared), run)
        bench.forget_store()

        result = bench.see_through(bench.order(shared, bench.text("new")), run)

        assert result["bought"] == 1
        assert bench.bought == 2

    def test_looking_again_when_nothing_changed_buys_nothing(self, bench, run):
        bench.cloud.order_fault("stuck_scheduled")
        order = bench.stories(1)
        deferred = bench.first_look(order, run)

        for status in ("changed", "due", "error"):
            with pytest.raises(TaskDeferred) as again:
                bench.resume(order, run, deferred, {"status": status, "message": "no answer"})
            assert again.value.trigger.job_ids == deferred.trigger.job_ids
            assert again.value.trigger.end_time == deferred.trigger.end_time
        assert bench.bought == 1


class TestADeathAtAnyMoment:
    def test_after_the_intent_and_before_the_call_nothing_is_lost_and_nothing_bought_twice(self, bench, run, clock):
        order = bench.stories(2)
        with mock.patch.object(PollyService, "buy", side_effect=Killed), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert len(bench.record(order)["intents"]) == 2

        doubtful = bench.first_look(order, run)
        assert bench.bought == 0
        assert doubtful.trigger.job_ids == []
        assert doubtful.trigger.look_again_at == pytest.approx(clock() + 10, abs=5)

        clock.forward(31)
        assert event_of(doubtful) == {"status": "due"}
        assert bench.see_through(order, run)["bought"] == 2
        assert bench.bought == 2

    @pytest.mark.parametrize("next_run", ["monday", "tuesday"])
    def test_after_the_call_and_before_the_answer_is_written_the_jobs_are_adopted(self, bench, run, next_run):
        order = bench.stories(2)
        buy = PollyService.buy

        def buy_and_die(*args, **kwargs):
            buy(*args, **kwargs)
            raise Killed

        with mock.patch.object(PollyService, "buy", buy_and_die), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert bench.record(order)["jobs"] == []

        result = bench.see_through(order, bench.run(next_run))

        assert bench.bought == 2
        assert result["bought"] == (2 if next_run == "monday" else 0)

    def test_after_the_answer_and_before_the_deferral(self, bench, run):
        order = bench.stories(2)
        with mock.patch.object(SynthesizeOrderOperator, "defer", side_effect=Killed), pytest.raises(Killed):
            bench.operator(order).execute(run.context)

        assert bench.see_through(order, run)["bought"] == 2
        assert bench.bought == 2

    def test_while_collecting(self, bench, run):
        order = bench.stories(3)
        bench.first_look(order, run)
        bench.wait_for_jobs(3)
        add, added = Store.add_clip, []

        def add_one_and_die(self, clip, **kwargs):
            if added:
                raise Killed
            added.append(clip)
            add(self, clip, **kwargs)

        with mock.patch.object(Store, "add_clip", add_one_and_die), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert bench.stored(order) == 1

        assert bench.see_through(order, run)["clips"] == 3
        assert bench.bought == bench.stored(order) == 3

    def test_while_a_clip_is_written(self, bench, run):
        order = bench.stories(1)
        (wanted,) = bench.wanted(order).clips
        folder = bench.folder / "store" / "clips" / wanted.clip_key[:2]
        folder.mkdir(parents=True)
        (folder / f"{wanted.clip_key}.pcm").write_bytes(b"half of the au")
        (folder / f"{wanted.clip_key}.json.1234.part").write_bytes(b'{"clip_key": "')
        assert bench.stored(order) == 0

        bench.see_through(order, run)

        clip = bench.store.clip(wanted.clip_key)
        assert len(bench.store.clip_audio(clip)) == clip.bytes > 14

    def test_two_attempts_at_once_buy_once(self, bench, run):
        # Airflow may take an attempt for dead that is only slow, and start the next one.
        order = bench.stories(2)
        find_jobs, others = PollyService.find_jobs, []

        def find_jobs_and_be_overtaken(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not others:
                others.append("the next attempt")
                bench.first_look(order, run)
            return found

        with mock.patch.object(PollyService, "find_jobs", find_jobs_and_be_overtaken):
            slow = bench.first_look(order, run)

        assert bench.bought == 2
        assert len(slow.trigger.job_ids) == 2
        assert bench.see_through(order, run)["bought"] == 2

    def test_a_purchase_that_another_attempt_is_just_making_is_waited_for(self, bench, run):
        order = bench.stories(1)
        find_jobs, others = PollyService.find_jobs, []

        def find_jobs_and_be_overtaken(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not others:
                others.append("the next attempt")
                with mock.patch.object(PollyService, "buy", side_effect=Killed), pytest.raises(Killed):
                    bench.operator(order).execute(run.context)
            return found

        with mock.patch.object(PollyService, "find_jobs", find_jobs_and_be_overtaken):
            slow = bench.first_look(order, run)

        assert bench.bought == 0
        assert slow.trigger.look_again_at is not None


class TestTheRecordIsOnlyACache:
    def test_without_it_the_services_list_tells(self, bench, run):
        order = bench.stories(2)
        bench.first_look(order, run)
        (bench.folder / "store" / "orders" / f"{order['order_id']}.record.json").unlink()

        result = bench.see_through(order, run)

        assert bench.bought == bench.stored(order) == 2
        # Who bought what is lost with the record, and never guessed.
        assert result["bought"] == 0

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"jobs": []}'])
    def test_a_record_that_cannot_be_read_is_an_error_and_not_an_empty_one(self, bench, run, content):
        order = bench.stories(1)
        bench.first_look(order, run)
        record = bench.folder / "store" / "orders" / f"{order['order_id']}.record.json"
        record.write_text(content)
        starts = bench.calls(START)

        with pytest.raises(StoreError, match=r"record\.json.*Remove it and run again"):
            bench.operator(order).execute(run.context)

        assert bench.calls(START) == starts

    def test_when_the_store_is_lost_the_bucket_and_the_list_still_know(self, bench, run):
        order = bench.stories(2)
        bench.see_through(order, run)
        bench.forget_store()

        result = bench.see_through(order, bench.run("tuesday"))

        assert result["bought"] == 0
        assert bench.bought == bench.stored(order) == 2

    def test_after_72_hours_when_polly_has_forgotten_the_bucket_still_knows(self, bench, run):
        order = bench.stories(2)
        bench.see_through(order, run)
        bench.forget_store()
        bench.cloud._call("POST", "clock", {"advance_seconds": 73 * 3600})
        assert not any(bench.mine(task) for task in bench.tasks())

        bench.see_through(order, bench.run("thursday"))

        assert bench.bought == bench.stored(order) == 2
        clip = bench.store.clip(bench.wanted(order).clips[0].clip_key)
        assert clip.job_id in bench.objects(order)[clip.clip_key]
        assert clip.characters == len(bench.wanted(order).clips[0].text)
        assert not clip.characters_reported

    def test_a_job_on_the_list_without_an_object_yet_is_waited_for(self, bench, run):
        bench.cloud.order_fault("stuck_scheduled", seconds=0.3)
        order = bench.stories(1)
        bench.first_look(order, run)
        bench.forget_store()

        bench.see_through(order, run)

        assert bench.bought == bench.stored(order) == 1


class TestFailedJobs:
    def test_one_failure_is_made_good_by_another_purchase(self, bench, run):
        bench.cloud.order_fault("fail", reason="The service stumbled.", match_text=bench.text(1))
        order = bench.stories(3)

        bench.see_through(order, run)

        assert bench.bought == 4
        assert bench.stored(order) == 3

    def test_after_the_limit_it_stops_with_the_services_reason_and_the_place_and_keeps_the_rest(self, bench, run):
        bench.cloud.order_fault("fail", reason="No permission to write.", match_text=bench.text(1), count=99)
        order = bench.stories(2)

        with pytest.raises(PurchasesInVainError) as stopped:
            bench.see_through(order, run)

        quoted = f"One, paragraph 1 (line 7 of story.txt), “{bench.text(1)}”: No permission to write."
        for part in (quoted, "3 times", "Mend the cause"):
            assert part in str(stopped.value)
        (failed,) = run.ti.xcoms["failed_paragraphs"]
        assert (failed["text"], failed["reason"]) == (bench.text(1), "No permission to write.")
        assert bench.bought == 4
        assert bench.stored(order) == 1

    def test_a_retry_of_the_same_run_does_not_buy_it_once_more(self, bench, run):
        bench.cloud.order_fault("fail", reason="No permission.", count=99)
        order = bench.stories(1)
        for _ in range(2):
            with pytest.raises(PurchasesInVainError):
                bench.see_through(order, run, max_failures=2)

        assert bench.bought == 2

    def test_nor_does_a_retry_that_has_lost_the_record(self, bench, run):
        bench.cloud.order_fault("fail", reason="No permission.", count=99)
        order = bench.stories(1)
        for _ in range(2):
            with pytest.raises(PurchasesInVainError, match="No permission"):
                bench.see_through(order, run, max_failures=2)
            bench.forget_store()

        assert bench.bought == 2

    def test_a_new_run_may_try_again(self, bench, run):
        bench.cloud.order_fault("fail", reason="No permission.", count=2)
        order = bench.stories(1)
        with pytest.raises(PurchasesInVainError):
            bench.see_through(order, run, max_failures=2)
        time.sleep(0.002)

        result = bench.see_through(order, bench.run("tuesday"), max_failures=2)

        assert (bench.bought, result["bought"]) == (3, 1)
        assert bench.stored(order) == 1


class TestRefusals:
    def test_a_refused_paragraph_is_named_after_the_rest_was_collected(self, bench, run):
        bad = bench.clip(f"<speak>Too long a break.<break time='20s'/>{bench.word}</speak>", text_type="ssml")
        order = bench.order(bench.text(1), replace(bad, place="Two, paragraph 5"), bench.text(2))

        with pytest.raises(ParagraphRefusedError, match=r"Two, paragraph 5, “Too long.*”: .*InvalidSsml.*10 seconds"):
            bench.see_through(order, run)

        assert bench.bought == bench.stored(order) == 2

    def test_it_is_named_for_the_page_with_its_text_while_the_others_are_still_being_made(self, bench, run):
        text = f"<speak>Too long a break.<break time='20s'/>{bench.word}</speak>"
        order = bench.order(bench.text(1), replace(bench.clip(text, text_type="ssml"), place="Two, paragraph 5"))

        bench.first_look(order, run)

        (failed,) = run.ti.xcoms["failed_paragraphs"]
        assert (failed["place"], failed["text"]) == ("Two, paragraph 5", text)
        assert failed["clip_key"] == bench.wanted(order).clips[1].clip_key
        assert "10 seconds" in failed["reason"]

    def test_a_task_without_failed_paragraphs_names_none_and_leads_to_its_page_from_the_beginning(self, bench, run):
        bench.first_look(bench.stories(1), run)

        assert run.ti.xcoms == {"narration_paragraphs": "narration/dags/books/runs/manual/tasks/task"}

    def test_a_bucket_that_does_not_exist_ends_the_buying_at_once_and_costs_nothing(self, bench, run):
        order = bench.order(*(bench.text(number) for number in range(20)), bucket="no-such-bucket-anywhere")
        starts = bench.calls(START)

        with pytest.raises(PollyRefusedError, match=r"One, paragraph 1.*InvalidS3BucketException"):
            with mock.patch.object(PollyService, "_in_bucket", return_value=[]):
                bench.operator(order).execute(run.context)

        assert bench.calls(START) - starts <= 4
        assert bench.bought == 0
        assert bench.record(order)["intents"] == {}

    def test_when_the_account_is_refused_half_way_what_was_bought_is_recorded(self, bench, run):
        order = bench.stories(12)
        start, accepted = PollyHook.start_speech_synthesis_task, []

        def start_three(self, **api_args):
            if len(accepted) >= 3:
                raise PollyRefusedError("AccessDeniedException: no more.", "AccessDeniedException")
            accepted.append(api_args)
            return start(self, **api_args)

        with mock.patch.object(PollyHook, "start_speech_synthesis_task", start_three):
            with pytest.raises(PollyRefusedError, match=r"One, paragraph 1.*AccessDeniedException"):
                bench.operator(order).execute(run.context)
        record = bench.record(order)
        assert bench.bought == len(record["jobs"]) >= 3
        assert record["intents"] == {}

        bench.see_through(order, run)

        assert bench.bought == bench.stored(order) == 12

    def test_a_revoked_key_stops_at_once_and_is_named(self, bench, run, monkeypatch):
        revoked = {**bench.cloud.connection(), "login": "AKIAREVOKED"}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(revoked))

        with pytest.raises(PollyRefusedError, match="connection"):
            bench.operator(bench.stories(1)).execute(run.context)

        assert bench.bought == 0

    def test_a_connection_that_is_gone_is_named(self, bench, run):
        order = bench.stories(1)
        order["connection"]["aws_conn_id"] = "publisher"

        with pytest.raises(PollyCredentialsError, match="publisher"):
            bench.operator(order).execute(run.context)


class TestTroubleAtTheService:
    def test_throttled_starts_are_repeated_by_themselves(self, bench, run):
        bench.cloud.order_fault("throttle", operation=START, count=3)
        order = bench.stories(2)

        bench.see_through(order, run)

        assert bench.bought == 2

    def test_when_throttling_does_not_end_the_worker_is_given_back_and_the_rest_bought_later(self, bench, run, clock):
        bench.cloud.order_fault("throttle", operation=START, count=999)
        order = bench.stories(2)

        deferred = bench.first_look(order, run)

        assert bench.bought == 0
        assert bench.record(order)["intents"] == {}
        assert clock() < deferred.trigger.look_again_at < clock() + 60
        bench.cloud.clear_faults()
        assert bench.see_through(order, run)["bought"] == 2

    def test_an_error_500_may_have_bought_so_the_list_is_asked_before_it_is_bought_again(self, bench, run, clock):
        bench.cloud.order_fault("error_500", operation=START)
        order = bench.stories(1)
        starts = bench.calls(START)
        deferred = bench.first_look(order, run)

        with pytest.raises(TaskDeferred):
            bench.resume(order, run, deferred, {"status": "due"})
        assert bench.calls(START) == starts + 1

        clock.forward(31)
        bench.see_through(order, run)
        assert bench.bought == bench.stored(order) == 1

    def test_a_purchase_whose_answer_was_dropped_is_found_on_the_list(self, bench, run):
        bench.cloud.order_fault("drop_reply", operation=START, match_text=bench.text(1))
        order = bench.stories(2)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(2)

        result = bench.resume(order, run, deferred, {"status": "due"})

        assert (bench.bought, result["bought"]) == (2, 2)
        assert bench.stored(order) == 2

    def test_an_error_500_on_the_list_buys_nothing_and_is_worth_another_attempt(self, bench, run):
        bench.cloud.order_fault("error_500", operation=LIST, count=99)
        order = bench.stories(1)

        with pytest.raises(NarrationError, match="Try again"):
            with mock.patch.dict("os.environ", AWS_MAX_ATTEMPTS="1"):
                bench.operator(order).execute(run.context)

        assert bench.bought == 0

    def test_when_s3_cannot_be_read_it_says_so_and_buys_nothing(self, bench, run, monkeypatch):
        connection = bench.cloud.connection(polly_quotas={"start": 500, "read": 500})
        connection["extra"]["service_config"]["s3"]["endpoint_url"] = "http://127.0.0.1:9"
        connection["extra"]["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        with pytest.raises(NarrationError, match=rf"s3://{BUCKET}/narration/clips/.* could not be read"):
            bench.operator(bench.stories(1)).execute(run.context)

        assert bench.bought == 0


class TestAudioThatIsNotThereOrNotRight:
    def test_rejected_audio_counts_as_a_failure_and_is_never_adopted_again(self, bench, run):
        order = bench.stories(2)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(2)
        first = bench.wanted(order).clips[0]
        rejected = bench.objects(order)[first.clip_key]
        bench.s3.put_object(Bucket=BUCKET, Key=rejected, Body=b"\0" * 64_000)

        with pytest.raises(TaskDeferred):
            bench.resume(order, run, deferred, {"status": "changed"})
        bench.see_through(order, run)

        assert bench.bought == 3
        clip = bench.store.clip(first.clip_key)
        assert clip.job_id not in rejected
        ((reason,),) = (
            [defect["reason"] for defect in defects.values()] for defects in bench.record(order)["defects"].values()
        )
        assert "One, paragraph 1 (line 7 of story.txt): its audio was not accepted" in reason

    def test_without_store_and_record_the_good_audio_is_found_again(self, bench, run):
        self.test_rejected_audio_counts_as_a_failure_and_is_never_adopted_again(bench, run)
        (order_id,) = {path.name.split(".")[0] for path in (bench.folder / "store" / "orders").iterdir()}
        bench.forget_store()
        order = {**bench.order("unused"), "order_id": order_id}

        bench.see_through(order, run)

        assert bench.bought == 3
        assert bench.stored(order) == 2

    def test_audio_that_never_verifies_stops_after_the_limit_with_the_defect(self, bench, run):
        order = bench.stories(1)

        with mock.patch("narration.audio.measuring.measure_clip", side_effect=ClipDefect("It is silent.")):
            with pytest.raises(PurchasesInVainError, match=r"One, paragraph 1.*not accepted: It is silent\."):
                bench.see_through(order, run, max_failures=2)

        assert bench.bought == 2
        assert bench.stored(order) == 0

    def test_audio_that_is_bad_throughout_is_not_bought_again_in_this_run_or_the_next(self, bench, run):
        order = bench.stories(6)

        with mock.patch("narration.audio.measuring.measure_clip", side_effect=ClipDefect("It is silent.")):
            for attempt in (run, bench.run("tuesday")):
                with pytest.raises(PurchasesInVainError, match=r"(?s)6 of 6 paragraphs.*Does the voice speak"):
                    bench.see_through(order, attempt)

        assert bench.bought == 6

    def test_audio_that_comes_late_is_waited_for(self, bench, run, clock):
        bench.cloud.order_fault("object_late", seconds=2)
        order = bench.stories(1)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(1)

        with pytest.raises(TaskDeferred) as missing:
            bench.resume(order, run, deferred, {"status": "changed"})
        assert missing.value.trigger.job_ids == []
        assert missing.value.trigger.look_again_at == pytest.approx(clock() + 15, abs=10)
        while not bench.objects(order):
            time.sleep(0.02)
        bench.resume(order, run, missing.value, {"status": "due"})

        assert bench.bought == bench.stored(order) == 1
        assert bench.record(order)["missing_since"] == {}

    def test_audio_that_does_not_come_within_the_grace_is_bought_again(self, bench, run, clock):
        bench.cloud.order_fault("object_missing")
        order = bench.stories(1)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(1)
        with pytest.raises(TaskDeferred) as missing:
            bench.resume(order, run, deferred, {"status": "changed"})

        clock.forward(timedelta(minutes=9))
        with pytest.raises(TaskDeferred) as still_missing:
            bench.resume(order, run, missing.value, {"status": "due"})
        assert bench.bought == 1

        clock.forward(timedelta(minutes=2))
        with pytest.raises(TaskDeferred):
            bench.resume(order, run, still_missing.value, {"status": "due"})
        bench.see_through(order, run)
        assert bench.bought == 2
        assert bench.stored(order) == 1

    def test_audio_that_came_after_its_job_was_given_up_and_forgotten_is_still_used(self, bench, run, clock):
        bench.cloud.order_fault("object_missing", count=99)
        order = bench.stories(1)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(1)
        with pytest.raises(TaskDeferred) as missing:
            bench.resume(order, run, deferred, {"status": "changed"}, max_failures=1)
        clock.forward(timedelta(minutes=11))
        with pytest.raises(PurchasesInVainError, match="its audio had not appeared after"):
            bench.resume(order, run, missing.value, {"status": "due"}, max_failures=1)
        (task,) = [task for task in bench.tasks() if bench.mine(task)]
        bucket, key = PollyHook.parse_output_uri(task["OutputUri"])
        bench.s3.put_object(Bucket=bucket, Key=key, Body=b"\x00\x20\x00\xe0" * 16_000 * 2)
        bench.cloud._call("POST", "clock", {"advance_seconds": 73 * 3600})

        bench.see_through(order, bench.run("thursday"))

        assert bench.bought == bench.stored(order) == 1


class TestTheEndOfPatience:
    def test_it_names_the_jobs_and_what_to_do_and_the_next_attempt_adopts_them(self, bench, run, clock):
        bench.cloud.order_fault("stuck_scheduled")
        order = bench.stories(1)
        deferred = bench.first_look(order, run, wait_timeout=timedelta(minutes=5))
        (job_id,) = deferred.trigger.job_ids
        assert deferred.timeout > timedelta(minutes=5)

        clock.forward(timedelta(minutes=6))
        assert event_of(deferred) == {"status": "timeout"}
        with pytest.raises(WaitTimeoutError, match=rf"After 0:05:00: 1 job.*{job_id}.*stay paid for.*Clear this task"):
            bench.resume(order, run, deferred, {"status": "timeout"}, wait_timeout=timedelta(minutes=5))

        again = bench.first_look(order, run, wait_timeout=timedelta(minutes=5))
        assert again.trigger.job_ids == [job_id]
        assert bench.bought == 1

    def test_what_could_not_even_be_bought_is_named(self, bench, run, clock):
        bench.cloud.order_fault("throttle", operation=START, count=999)
        order = bench.stories(1)
        deferred = bench.first_look(order, run)

        clock.forward(timedelta(hours=25))
        with pytest.raises(WaitTimeoutError, match=r"1 paragraph\(s\) could not be bought.*One, paragraph 1"):
            bench.resume(order, run, deferred, {"status": "timeout"})


class TestTheOperator:
    def test_the_trigger_error_goes_into_the_log_and_the_service_is_asked_for_the_truth(self, bench, run, capsys):
        order = bench.stories(1)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(1)

        result = bench.resume(order, run, deferred, {"status": "error", "message": "Polly did not answer."})

        assert result["clips"] == 1
        assert "Polly did not answer." in capsys.readouterr().out

    @pytest.mark.parametrize("arguments", [{"poll_interval": 4.9}, {"max_failures": 0}])
    def test_arguments_that_cannot_be_meant_are_refused_when_the_dag_is_read(self, arguments):
        with pytest.raises(ValueError, match="at least"):
            SynthesizeOrderOperator(task_id="synthesize", order={}, **arguments)

    def test_it_can_go_on_without_what_the_deferral_carried(self, bench, run):
        order = bench.stories(1)
        bench.first_look(order, run)
        bench.wait_for_jobs(1)

        assert bench.operator(order).resume(run.context, {"status": "changed"})["clips"] == 1

    def test_a_task_that_is_killed_says_that_nothing_is_lost(self, capsys):
        SynthesizeOrderOperator(task_id="synthesize", order={}).on_kill()

        assert "the next attempt adopts it" in capsys.readouterr().out

    def test_the_secret_of_the_connection_is_in_no_log_no_trigger_and_no_file(self, bench, run, caplog, capsys):
        caplog.set_level(logging.DEBUG)
        order = bench.stories(1)
        deferred = bench.first_look(order, run)
        event = event_of(deferred)
        result = bench.resume(order, run, deferred, event)

        kept = [json.dumps([deferred.trigger.serialize(), deferred.kwargs, event, result, order, run.ti.xcoms])]
        kept += [path.read_text(errors="replace") for path in bench.folder.rglob("*") if path.is_file()]
        printed = capsys.readouterr().out
        assert "Waiting for 1 job(s)" in printed
        assert len(caplog.records) > 20
        for text in [*kept, caplog.text, printed]:
            assert SECRET not in text


class TestTwoOrdersThatShareAParagraph:
    def test_the_paragraph_is_bought_once_although_neither_had_seen_the_other(self, bench, run):
        shared, alone = bench.text("shared"), bench.text("alone")
        first, second = bench.order(shared), bench.order(alone, shared)
        find_jobs = PollyService.find_jobs
        begun = []

        def find_jobs_and_be_overtaken(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not begun:
                begun.append(True)
                with pytest.raises(TaskDeferred):
                    bench.operator(second).execute(bench.run("tuesday").context)
            return found

        with mock.patch.object(PollyService, "find_jobs", find_jobs_and_be_overtaken):
            bench.see_through(first, run)
        bench.see_through(second, bench.run("tuesday"))

        assert bench.bought == 2
        assert (bench.stored(first), bench.stored(second)) == (1, 2)
