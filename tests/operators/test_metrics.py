"""What is counted, and how often: whole runs at the local cloud, with a StatsD server that listens."""

from __future__ import annotations

import socket
from unittest import mock

import pytest
from tenacity import wait_none

from narration import metrics
from narration.hooks.azure_api import SynthesisApi
from narration.operators.azure_cleanup import AzureSynthesisCleanupOperator
from narration.paths import StoreError
from narration.services.polly import PollyService
from narration.store import Store
from tests.azure_road import SERVICES, SHORT, AzureRoad
from tests.road import LIST, START, event_of

EVERY_SERVICE = pytest.mark.parametrize("azure_bench", [*SERVICES, SHORT], indirect=True)


class Killed(BaseException):
    """The process died here."""


@pytest.fixture(autouse=True)
def _no_real_waits_for_throttling(monkeypatch):
    monkeypatch.setattr("tenacity.wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr("narration.hooks.azure_client.pause", lambda _: None)


class TestPurchases:
    def test_the_counter_is_the_bill(self, bench, run, road, statsd):
        road.write(*(bench.text(number) for number in range(5)), chapters=2)

        road.narrate(run, paragraphs_per_order=3)

        assert statsd.total("characters_bought") == bench.billed > 0
        assert statsd.total("jobs_bought") == statsd.total("clips_bought") == bench.bought == 7
        assert statsd.total("characters_bought", service="polly", engine="neural") == bench.billed
        assert {one.kind for one in statsd.sent if one.name == "characters_bought"} == {"c"}

    @EVERY_SERVICE
    def test_the_counter_is_the_bill_of_azure_too(self, azure_bench, statsd):
        road = AzureRoad(azure_bench)
        road.write(*(azure_bench.text(number).strip() for number in range(3)))

        road.narrate(azure_bench.run("monday"))

        assert statsd.total("characters_bought") == azure_bench.billed > 0
        assert statsd.total("jobs_bought") == azure_bench.bought
        assert statsd.total("clips_bought") == 4

    def test_what_is_in_the_store_is_counted_as_reused_by_the_next_run_and_not_as_bought(
        self, bench, run, road, statsd
    ):
        road.write(bench.text(1), bench.text(2))
        road.narrate(run)
        assert statsd.total("clips_reused") == 0

        road.write(bench.text(1), bench.text(2), bench.text(3))
        road.narrate(bench.run("tuesday"))

        assert statsd.total("clips_reused", service="polly", engine="neural") == 3
        assert statsd.total("characters_reused") == sum(map(len, (road.heading(0), bench.text(1), bench.text(2))))
        assert statsd.total("characters_bought") == bench.billed

    def test_a_dry_run_reuses_nothing(self, bench, run, road, statsd):
        road.write(bench.text(1))
        road.narrate(run)

        road.plan(bench.run("tuesday"), dry_run=True)

        assert statsd.total("clips_reused") == 0

    def test_jobs_that_are_adopted_are_counted_as_that(self, bench, run, statsd):
        order = bench.stories(3)
        bench.see_through(order, run)
        bench.forget_store()

        bench.see_through(order, bench.run("tuesday"))

        assert bench.bought == statsd.total("jobs_bought") == 3
        assert statsd.total("characters_bought") == bench.billed
        assert statsd.total("jobs_adopted") == 3

    def test_looking_again_and_another_attempt_count_nothing_again(self, bench, run, statsd):
        bench.cloud.order_fault("object_late", count=2, seconds=1)
        order = bench.stories(2)
        bench.first_look(order, run)
        bench.first_look(order, run)
        bench.see_through(order, run)
        bench.see_through(order, run)

        assert statsd.total("characters_bought") == bench.billed
        assert statsd.total("jobs_adopted") == 0

    def test_a_purchase_whose_answer_was_lost_is_counted_when_it_is_found(self, bench, run, statsd, clock):
        bench.cloud.order_fault("drop_reply", operation=START, count=2)
        order = bench.stories(4)

        bench.first_look(order, run)
        assert bench.bought == 4
        assert statsd.total("jobs_bought") == 2

        bench.see_through(order, run)
        assert statsd.total("jobs_bought") == bench.bought == 4
        assert statsd.total("characters_bought") == bench.billed
        assert statsd.total("jobs_adopted") == 0

    def test_a_death_after_the_call_has_the_next_attempt_count_it(self, bench, run, statsd):
        order = bench.stories(2)
        buy = PollyService.buy

        def buy_and_die(*args, **kwargs):
            buy(*args, **kwargs)
            raise Killed

        with mock.patch.object(PollyService, "buy", buy_and_die), pytest.raises(Killed):
            bench.operator(order).execute(run.context)
        assert statsd.total("jobs_bought") == 0

        bench.see_through(order, run)
        assert statsd.total("characters_bought") == bench.billed > 0

    def test_an_answer_that_cannot_be_written_down_is_counted_once_it_is(self, bench, run, statsd):
        order = bench.stories(2)
        write, buy = Store.write_record, PollyService.buy
        bought = []

        def buy_and_tell(*args, **kwargs):
            bought.append(True)
            return buy(*args, **kwargs)

        def write_unless_bought(*args, **kwargs):
            if bought:
                raise StoreError("The disk is full.")
            write(*args, **kwargs)

        with (
            mock.patch.object(PollyService, "buy", buy_and_tell),
            mock.patch.object(Store, "write_record", write_unless_bought),
            pytest.raises(StoreError),
        ):
            bench.operator(order).execute(run.context)
        assert (bench.bought, statsd.total("jobs_bought")) == (2, 0)

        bench.see_through(order, run)
        assert statsd.total("jobs_bought") == bench.bought == 2
        assert statsd.total("characters_bought") == bench.billed


class TestTrouble:
    def test_throttled_starts_are_counted_each_time(self, bench, run, statsd):
        bench.cloud.order_fault("throttle", operation=START, count=3)

        bench.see_through(bench.stories(2), run)

        assert statsd.total("calls_throttled", service="polly", call=START) == 3
        assert statsd.total("characters_bought") == bench.billed

    def test_throttled_reads_are_counted_though_the_sdk_repeats_them_by_itself(self, bench, run, statsd):
        bench.cloud.order_fault("throttle", operation=LIST, count=2)

        bench.first_look(bench.stories(1), run)

        assert statsd.total("calls_throttled", service="polly", call=LIST) == 2

    def test_a_throttled_sweep_of_the_triggerer_is_counted(self, bench, run, statsd):
        bench.cloud.order_fault("stuck_scheduled")
        deferred = bench.first_look(bench.stories(1), run)
        bench.cloud.order_fault("throttle", operation=LIST, count=1)
        deferred.trigger.look_again_at = 0.0

        event_of(deferred)

        assert statsd.total("calls_throttled", call=LIST) == 1

    @EVERY_SERVICE
    def test_throttled_calls_of_azure_are_counted_by_what_they_were_to_do(self, azure_bench, statsd):
        azure_bench.fault("throttle", operation=azure_bench.create, count=2)
        order = azure_bench.order(azure_bench.text(1))

        azure_bench.see_through(order, azure_bench.run("monday"))

        (service,) = {one.tags["service"] for one in statsd.sent if one.name == "calls_throttled"}
        assert service in set(SynthesisApi)
        assert statsd.total("calls_throttled", call="create") == 2
        assert statsd.total("characters_bought") == azure_bench.billed

    def test_a_job_that_failed_is_counted_once(self, bench, run, statsd):
        bench.cloud.order_fault("fail", reason="The service stumbled.", count=1)
        order = bench.stories(2)

        bench.see_through(order, run)
        bench.see_through(order, run)

        assert statsd.total("jobs_failed", service="polly") == 1
        assert statsd.total("jobs_bought") == bench.bought == 3

    @pytest.mark.parametrize("azure_bench", ["azure_batch"], indirect=True)
    def test_a_clip_that_a_job_did_not_give_is_counted(self, azure_bench, statsd):
        azure_bench.fault("partial_failure", match_text="Paragraph 1 of", reason="It could not be pronounced.")

        azure_bench.see_through(azure_bench.stories(4), azure_bench.run("monday"))

        assert statsd.total("clips_rejected", service="azure_batch") == 1
        assert statsd.total("clips_bought") == 5


class TestWaitingAndMaking:
    def test_the_jobs_that_are_waited_for_are_told_and_that_nobody_waits_any_more(self, bench, run, statsd):
        bench.cloud.order_fault("stuck_scheduled", count=3)
        deferred = bench.first_look(bench.stories(3), run)
        deferred.trigger.look_again_at = 0.0

        event_of(deferred)

        told = [one for one in statsd.sent if one.name == "jobs_waiting"]
        assert (told[0].value, told[-1].value) == (3, 0)
        assert told[0].kind == "g"
        assert told[0].tags == {"account": "polly_aws_default", "hostname": socket.gethostname()}

    def test_a_narration_is_counted_when_its_manifest_is_written_and_its_making_is_timed(
        self, bench, run, road, statsd
    ):
        road.write(bench.text(1))
        first = road.narrate(run)
        road.narrate(bench.run("tuesday"))

        assert statsd.total("narrations_published", service="polly") == 1
        assert statsd.total("seconds_published") == round(first["duration_seconds"])
        (assembly,) = (one for one in statsd.sent if one.name == "assembly_duration")
        assert (assembly.kind, assembly.value > 0) == ("ms", True)
        jobs = [one for one in statsd.sent if one.name == "job_duration"]
        assert len(jobs) == bench.bought
        assert all(0 <= one.value < 30_000 for one in jobs)

    @pytest.mark.parametrize("azure_bench", ["azure_long_audio"], indirect=True)
    def test_the_room_that_retention_leaves_is_told(self, azure_bench, statsd):
        azure_bench.seed(count=40)

        AzureSynthesisCleanupOperator(task_id="clean", apis="long-audio-v3.0", is_dry_run=True).execute(
            azure_bench.run("monday").context
        )

        (told,) = (one for one in statsd.sent if one.name == "retention_headroom")
        assert (told.value, told.kind, told.tags) == (19_960, "g", {"api": "long-audio-v3.0"})


class TestNeverInTheWay:
    def test_where_no_metrics_are_configured_none_are_sent(self, bench, run, statsd, monkeypatch):
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "False")

        bench.see_through(bench.stories(1), run)

        assert statsd.sent == []
        assert bench.bought == 1

    def test_metrics_that_cannot_be_sent_are_complained_of_once_and_fail_nothing(
        self, bench, run, statsd, monkeypatch, caplog
    ):
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH", "tests.metrics.StatsD")
        metrics._complain.cache_clear()

        bench.see_through(bench.stories(2), run)

        assert bench.bought == 2
        complaints = [record.message for record in caplog.records if record.name == "narration.metrics"]
        assert len(complaints) == 1
        assert "[metrics]" in complaints[0]

    def test_the_dag_at_work_is_a_tag_in_threads_too(self, bench, run, statsd):
        from structlog.contextvars import bound_contextvars

        bench.cloud.order_fault("throttle", operation=START, count=1)
        with bound_contextvars(dag_id="narrate_polly"):
            bench.see_through(bench.stories(2), run)

        assert statsd.total("calls_throttled", dag_id="narrate_polly") == 1
        assert statsd.total("characters_bought", dag_id="narrate_polly") == bench.billed

    def test_no_tag_holds_a_secret_or_grows_without_bound(self, azure_bench, statsd):
        AzureRoad(azure_bench).write(azure_bench.text(1).strip())
        AzureRoad(azure_bench).narrate(azure_bench.run("monday"))

        names = {name for one in statsd.sent for name in one.tags}
        assert names <= {"service", "engine", "dag_id", "account", "hostname", "call", "api"}
        assert azure_bench.key not in "\n".join(statsd.lines)
