"""
The paid-job protocol with jobs of several paragraphs, for each of Azure's three APIs, over HTTP.

And for what is too short for Long Audio, which the same adapter buys from batch synthesis.
"""

from __future__ import annotations

from unittest import mock

import pytest
from airflow.sdk.exceptions import TaskDeferred

from narration.errors import NarrationError
from narration.operators.purchasing import Buyer
from narration.operators.reconciling import ParagraphRefusedError, PurchasesInVainError
from narration.services.registry import make_service
from narration.store import Store
from narration.synthesis.record import OrderRecord
from tests.azure_road import SERVICES, SHORT
from tests.road import bill, event_of

CONNECTION = {"azure_speech_conn_id": "azure_speech_default"}


class Killed(BaseException):
    """The process died here."""


pytestmark = pytest.mark.parametrize("azure_bench", [*SERVICES, SHORT], indirect=True)


@pytest.fixture
def bench(azure_bench):
    return azure_bench


@pytest.fixture
def run(bench):
    return bench.run("monday")


class TestTheUsualCourse:
    def test_all_paragraphs_of_an_order_are_one_job_and_paid_for_once(self, bench, run):
        order = bench.stories(5)

        result = bench.see_through(order, run)

        characters = bench.wanted(order).characters
        assert result.pop("bill") == bill(jobs=1, characters=characters)
        assert result == {"order_id": order["order_id"], "clips": 5, "bought": 1, "bought_characters": characters}
        assert (bench.bought, bench.billed, bench.stored(order)) == (1, characters, 5)

    def test_a_second_run_buys_nothing(self, bench, run):
        order = bench.stories(3)
        bench.see_through(order, run)

        assert bench.see_through(order, bench.run("tuesday"))["bought"] == 0
        assert bench.bought == 1

    def test_each_clip_has_its_own_words(self, bench, run):
        order = bench.order(bench.text("short"), bench.text("long") + "And on it goes. " * 30)
        bench.see_through(order, run)

        short, long = (bench.store.clip(clip.clip_key) for clip in bench.wanted(order).clips)
        assert short.samples * 1.5 < long.samples
        assert short.job_id == long.job_id

    def test_the_characters_of_the_clips_add_up_to_those_of_the_bill(self, bench, run):
        order = bench.stories(3)
        bench.see_through(order, run)

        clips = [bench.store.clip(clip.clip_key) for clip in bench.wanted(order).clips]
        assert sum(clip.characters for clip in clips) == bench.billed
        assert all(clip.characters_reported for clip in clips)

    def test_what_another_api_made_is_not_bought_again(self, bench, run, monkeypatch):
        order = bench.stories(2)
        bench.see_through(order, run)
        others = {"azure_batch": "azure_long_audio"}
        bench.service = others.get(bench.service, "azure_batch")
        again = bench.stories(2)

        assert bench.see_through(again, bench.run("tuesday"))["bought"] == 0


class TestADeathAtAnyMoment:
    def test_after_the_intent_and_before_the_call_nothing_is_lost_and_nothing_bought_twice(self, bench, run, clock):
        order = bench.stories(2)
        with mock.patch.object(type(bench.adapter), "buy", side_effect=Killed), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert len(bench.record(order)["purchases"]) == 1

        doubtful = bench.first_look(order, run)
        assert bench.bought == 0

        clock.forward(bench.adapter.settle_seconds + 1)
        assert event_of(doubtful) == {"status": "due"}
        assert bench.see_through(order, run)["bought"] == 1
        assert bench.bought == 1

    @pytest.mark.parametrize("next_run", ["monday", "tuesday"])
    def test_after_the_call_and_before_the_answer_is_written_the_job_is_adopted(self, bench, run, next_run):
        order = bench.stories(2)
        self.buy_and_die(bench, order, run)

        result = bench.see_through(order, bench.run(next_run))

        assert bench.bought == 1
        assert result["bought"] == (1 if next_run == "monday" else 0)

    def test_a_job_is_adopted_by_its_name_even_if_every_record_of_it_is_lost(self, bench, run):
        order = bench.stories(3)
        self.buy_and_die(bench, order, run)
        bench.forget_records()

        bench.see_through(order, bench.run("tuesday"))

        assert (bench.bought, bench.stored(order)) == (1, 3)

    def test_while_collecting_what_was_collected_stays_and_the_rest_comes_from_the_same_job(self, bench, run):
        order = bench.stories(3)
        deferred = bench.first_look(order, run)
        event = event_of(deferred)
        add, added = Store.add_clip, []

        def add_one_and_die(self, clip, **kwargs):
            if added:
                raise Killed
            added.append(clip)
            add(self, clip, **kwargs)

        with mock.patch.object(Store, "add_clip", add_one_and_die), pytest.raises(Killed):
            bench.resume(order, run, deferred, event)
        assert bench.stored(order) == 1

        assert bench.see_through(order, run)["clips"] == 3
        assert (bench.bought, bench.stored(order)) == (1, 3)

    @staticmethod
    def buy_and_die(bench, order, run):
        adapter = type(bench.adapter)
        buy = adapter.buy

        def buy_and_die(*args, **kwargs):
            buy(*args, **kwargs)
            raise Killed

        with mock.patch.object(adapter, "buy", buy_and_die), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert bench.record(order)["jobs"] == []


class TestAnAnswerThatIsLost:
    def test_the_job_is_found_and_not_bought_again(self, bench, run, clock):
        bench.fault("drop_reply", operation=bench.create)
        order = bench.stories(2)

        # Where the id is ours, a look at once is enough, and the job may be finished by then.
        if bench.seller != "azure_batch":
            waiting = bench.first_look(order, run)
            assert waiting.trigger.look_again_at == pytest.approx(clock() + 10, abs=5)
        bench.see_through(order, run)

        assert (bench.bought, bench.stored(order)) == (1, 2)

    def test_what_a_proxy_answered_in_the_services_place_is_bought_when_the_doubt_has_ended(self, bench, run, clock):
        bench.fault("garbage_reply", operation=bench.create)
        order = bench.stories(2)
        waiting = bench.first_look(order, run)
        accepted = bench.bought

        clock.forward(bench.adapter.settle_seconds + 1)
        bench.resume_until_done(order, run, waiting)

        assert (accepted, bench.bought, bench.stored(order)) == (accepted, 1, 2)


class TestAPartOfAJobThatFails:
    def test_only_what_failed_is_bought_again(self, bench, run):
        bench.fault("partial_failure", count=1)
        order = bench.stories(3)

        result = bench.see_through(order, run)

        assert result["bought"] == 2
        assert (bench.bought, bench.stored(order)) == (2, 3)
        assert bench.billed == bench.wanted(order).characters

    def test_what_fails_again_and_again_is_named_and_the_others_are_kept(self, bench, run):
        for _ in range(3):
            bench.fault("partial_failure", match_text="Paragraph 1 ")
        order = bench.stories(3)

        with pytest.raises(PurchasesInVainError, match=r"One, paragraph 1 \(line 7"):
            bench.see_through(order, run)

        assert (bench.bought, bench.stored(order)) == (3, 2)

    def test_a_job_that_fails_as_a_whole_is_bought_again(self, bench, run):
        bench.fault("fail", reason="the voice was not there")
        order = bench.stories(2)

        bench.see_through(order, run)

        assert (bench.bought, bench.stored(order)) == (2, 2)
        assert bench.billed == bench.wanted(order).characters

    def test_a_job_that_fails_every_time_stops_with_the_reason_of_the_service(self, bench, run):
        bench.fault("fail", count=5, reason="the voice was not there")

        with pytest.raises(PurchasesInVainError, match="the voice was not there"):
            bench.see_through(bench.stories(2), run)

        assert (bench.bought, bench.billed) == (3, 0)

    def test_results_that_stay_damaged_are_bought_again_after_their_grace(self, bench, run, clock):
        bench.fault("truncated_zip")
        order = bench.stories(2)
        waiting = bench.first_look(order, run)

        with pytest.raises(TaskDeferred):
            bench.resume(order, run, waiting, event_of(waiting))
        assert bench.bought == 1
        clock.forward(601)
        bench.see_through(order, run)

        assert (bench.bought, bench.stored(order)) == (2, 2)


class TestAFullService:
    def fill(self, bench):
        bench.seed(count=make_service(bench.seller, CONNECTION).max_active_jobs, status="NotStarted")

    def test_the_order_waits_for_room_without_a_worker_and_buys_when_there_is_some(
        self, bench, run, clock, monkeypatch
    ):
        # Whose jobs filled the service is not seen, so it is tried after a minute.
        monkeypatch.setattr("narration.triggers.admission._LONGEST_PAUSE", 0.5)
        self.fill(bench)
        order = bench.stories(2)

        waiting = bench.first_look(order, run)

        assert waiting.trigger.max_active_jobs == bench.adapter.max_active_jobs
        assert waiting.trigger.look_again_at == pytest.approx(clock() + 3600, abs=15)
        assert bench.bought == 0
        assert event_of(waiting) == {"status": "room"}
        bench.empty()
        bench.resume_until_done(order, run, waiting)
        assert (bench.bought, bench.stored(order)) == (1, 2)


class TestTwoOrdersThatShareAParagraph:
    def test_the_paragraph_is_bought_once_although_neither_had_seen_the_other(self, bench, run):
        shared, alone = bench.text("shared"), bench.text("alone")
        first, second = bench.order(shared), bench.order(alone, shared)
        adapter = type(bench.adapter)
        find_jobs, begun = adapter.find_jobs, []

        def find_jobs_and_be_overtaken(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not begun:
                begun.append(True)
                with pytest.raises(TaskDeferred):
                    bench.operator(second).execute(bench.run("tuesday").context)
            return found

        with mock.patch.object(adapter, "find_jobs", find_jobs_and_be_overtaken):
            bench.see_through(first, run)
        bench.see_through(second, bench.run("tuesday"))

        both = bench.wanted(second).characters
        assert (bench.bought, bench.billed) == (1, both)

    def test_what_an_order_bought_before_it_died_is_found_by_the_other_one(self, bench, run, clock):
        shared, alone = bench.text("shared"), bench.text("alone")
        first, second = bench.order(shared, bench.text("more")), bench.order(alone, shared)
        TestADeathAtAnyMoment.buy_and_die(bench, first, run)
        clock.forward(bench.adapter.settle_seconds + 1)

        for _ in range(2):
            bench.see_through(second, bench.run("tuesday"))
        bench.see_through(first, run)

        assert bench.bought == 2
        assert bench.billed == bench.wanted(first).characters + len(alone.strip())

    def test_what_an_order_bought_is_found_by_the_other_one_though_its_record_was_overwritten(self, bench, run, clock):
        bench.fault("stuck_not_started", seconds=3600)
        shared = bench.text("shared")
        first, second = bench.order(shared, bench.text("more")), bench.order(bench.text("alone"), shared)
        bench.first_look(first, run)
        bench.store.write_record(first["order_id"], OrderRecord().to_dict())
        clock.forward(bench.adapter.settle_seconds + 1)

        waiting = bench.first_look(second, bench.run("tuesday"))

        assert bench.bought == 2
        assert len(waiting.trigger.job_ids) == 2, "its own job and that of the other order"
        alone, _ = (clip.clip_key for clip in bench.wanted(second).clips)
        assert list(bench.record(second)["purchases"].values()) == [[alone]]

        bench.cloud._call("POST", "clock", {"advance_seconds": 3600})
        bench.resume_until_done(second, bench.run("tuesday"), waiting)
        assert (bench.bought, bench.stored(second)) == (2, 2)

    def test_what_another_run_came_to_know_of_is_looked_for_here_too(self, bench, run, clock):
        shared = bench.text("shared")
        first, second = bench.order(shared, bench.text("more")), bench.order(shared)
        TestADeathAtAnyMoment.buy_and_die(bench, first, run)
        clock.forward(bench.adapter.settle_seconds + 1)
        adapter = type(bench.adapter)
        find_jobs, begun = adapter.find_jobs, []

        def find_jobs_and_be_overtaken(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not begun:
                begun.append(True)
                with pytest.raises(TaskDeferred):
                    bench.operator(second).execute(bench.run("wednesday").context)
            return found

        with mock.patch.object(adapter, "find_jobs", find_jobs_and_be_overtaken):
            with pytest.raises(TaskDeferred):
                bench.operator(second).execute(bench.run("tuesday").context)
        bench.see_through(second, bench.run("tuesday"))

        assert bench.bought == 1


class TestALookThatTakesLong:
    def test_does_not_know_what_was_bought_meanwhile_and_so_buys_nothing(self, bench, run, clock):
        order = bench.stories(2)
        adapter = type(bench.adapter)
        find_jobs, begun = adapter.find_jobs, []

        def find_jobs_slowly(self, *args, **kwargs):
            found = find_jobs(self, *args, **kwargs)
            if not begun:
                begun.append(True)
                TestADeathAtAnyMoment.buy_and_die(bench, order, run)
                clock.forward(self.settle_seconds + 1)
            return found

        with mock.patch.object(adapter, "find_jobs", find_jobs_slowly):
            with pytest.raises(TaskDeferred):
                bench.operator(order).execute(bench.run("tuesday").context)
        bench.see_through(order, bench.run("tuesday"))

        assert bench.bought == 1


class TestTheNamesOfLostRecords:
    def test_a_second_attempt_is_found_by_its_name(self, bench, run):
        bench.fault("fail", reason="the voice was not there")
        order = bench.stories(2)
        waiting = bench.first_look(order, run)
        with pytest.raises(TaskDeferred):
            bench.resume(order, run, waiting, event_of(waiting))
        bench.forget_records()

        bench.see_through(order, bench.run("tuesday"))

        assert (bench.bought, bench.stored(order)) == (2, 2)

    def test_what_was_bought_again_after_a_partial_failure_is_found_too(self, bench, run):
        bench.fault("partial_failure", count=1)
        order = bench.stories(3)
        bench.see_through(order, run)
        bench.forget_store()

        bench.see_through(order, bench.run("tuesday"))

        assert (bench.bought, bench.stored(order)) == (2, 3)


class TestAnotherService:
    """The same words in the same voice, ordered through another of the three APIs while the first one is at it."""

    def switch(self, bench):
        bench.service = "azure_long_audio" if bench.service == "azure_batch" else "azure_batch"
        return bench.stories(2), bench._now()["jobs"]

    def test_what_is_finished_there_and_was_never_collected_is_fetched_from_there(self, bench, run):
        event_of(bench.first_look(bench.stories(2), run))
        second, before = self.switch(bench)

        result = bench.see_through(second, bench.run("tuesday"))

        assert (result["bought"], bench._now()["jobs"] - before, bench.stored(second)) == (0, 0, 2)

    def test_what_is_being_made_there_is_waited_for(self, bench, run, clock):
        bench.fault("stuck_not_started", seconds=3600)
        bench.first_look(bench.stories(2), run)
        second, before = self.switch(bench)
        tuesday = bench.run("tuesday")

        waiting = bench.first_look(second, tuesday)
        clock.forward(1000)
        with pytest.raises(TaskDeferred) as still:
            bench.resume(second, tuesday, waiting, {"status": "due"})

        assert still.value.trigger.look_again_at == pytest.approx(clock() + 60, abs=5)
        bench.cloud._call("POST", "clock", {"advance_seconds": 3600})
        for _ in range(100):
            try:
                bench.resume(second, tuesday, still.value, {"status": "due"})
                break
            except TaskDeferred:
                continue
        assert (bench._now()["jobs"] - before, bench.stored(second)) == (0, 2)

    def test_what_is_claimed_there_a_moment_ago_is_waited_for_although_nothing_else_is_written(self, bench, run):
        first, tuesday = bench.stories(2), bench.run("tuesday")
        second, _ = self.switch(bench)
        before = _azure_jobs(bench)
        never_bought, overtaken = Buyer._never_bought, []

        def be_overtaken(buyer, *args, **kwargs):
            # Between the claims of the first order and its intent.
            if not overtaken:
                overtaken.append(bench.first_look(second, tuesday))
            return never_bought(buyer, *args, **kwargs)

        with mock.patch.object(Buyer, "_never_bought", be_overtaken):
            bench.see_through(first, run)

        assert overtaken[0].trigger.job_ids == []
        assert (_azure_jobs(bench) - before, bench.stored(second)) == (1, 2)

    def test_what_failed_there_is_bought_here(self, bench, run):
        bench.fault("fail", reason="the voice was not there")
        event_of(bench.first_look(bench.stories(2), run))
        second, before = self.switch(bench)

        bench.see_through(second, bench.run("tuesday"))

        assert (bench._now()["jobs"] - before, bench.stored(second)) == (1, 2)

    def test_an_account_that_cannot_be_asked_is_named_and_nothing_is_bought(self, bench, run, monkeypatch):
        bench.first_look(bench.stories(2), run)
        second, before = self.switch(bench)
        monkeypatch.setattr("narration.services.registry.make_service", _unless_the_first(bench))

        with pytest.raises(NarrationError, match=r"One, paragraph 1 .*was bought through azure_.*cannot be asked"):
            bench.operator(second).execute(bench.run("tuesday").context)

        assert bench._now()["jobs"] == before


def _azure_jobs(bench):
    bill = bench.cloud._call("GET", "bill")
    return sum(bill[service]["jobs"] for service in SERVICES)


def _unless_the_first(bench):
    from narration.services.registry import make_service

    def make(name, connection):
        if name != bench.service:
            raise NarrationError("no route to host.")
        return make_service(name, connection)

    return make


class TestRefusals:
    def test_a_paragraph_that_the_service_refuses_is_named(self, bench, run):
        order = bench.stories(1)
        with mock.patch.object(type(bench.adapter), "_create", side_effect=_refused()):
            with pytest.raises(ParagraphRefusedError, match=r"One, paragraph 1 \(line 7.*no such style"):
                bench.see_through(order, run)
        assert bench.bought == 0


def _refused():
    from narration.hooks.azure_errors import AzureSpeechRefusedError

    return AzureSpeechRefusedError("no such style", status=400, code="BadRequest", message="no such style")
