"""Whole narrations through Azure's three APIs: every task of the Dags, at the local cloud."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest

from narration.document.model import DocumentError
from narration.hooks.azure_api import SynthesisApi
from narration.operators.azure_cleanup import AzureSynthesisCleanupOperator
from narration.synthesis.azure_choice import AzureChoiceError
from tests.azure_road import CREATE, AzureRoad
from tests.road import event_of

ONLY_LONG_AUDIO = pytest.mark.parametrize("azure_bench", ["azure_long_audio"], indirect=True)
ONLY_BATCH = pytest.mark.parametrize("azure_bench", ["azure_batch"], indirect=True)


@pytest.fixture
def road(azure_bench) -> AzureRoad:
    return AzureRoad(azure_bench)


class TestNarrations:
    def test_a_document_becomes_a_narration_and_is_paid_for_once(self, road, azure_bench):
        text = azure_bench.text(1).strip()
        road.write(text, text)

        first = road.narrate(azure_bench.run("monday"))
        second = road.narrate(azure_bench.run("tuesday"))

        characters = len(road.heading(0)) + len(text)
        assert azure_bench.billed == first["billed_characters"] == first["bought_characters_this_run"] == characters
        assert azure_bench.bought == 1
        assert (first["paragraphs"], second["bought_characters_this_run"]) == (3, 0)
        assert second["mp3_uri"] == first["mp3_uri"]

    def test_an_order_names_the_adapter_that_buys(self, road, azure_bench):
        road.write(azure_bench.text(1))

        (order,) = road.plan(azure_bench.run("monday"))

        assert order["service"] == azure_bench.service
        assert order["connection"]["azure_speech_conn_id"] == "azure_speech_default"

    def test_one_paragraph_an_order_works_too(self, road, azure_bench):
        road.write(*(azure_bench.text(number) for number in range(3)))

        results = road.buy(azure_bench.run("monday"), paragraphs_per_order=1)

        assert sum(result["clips"] for result in results) == 4
        assert azure_bench.billed == sum(result["bought_characters"] for result in results)

    def test_only_what_failed_of_a_job_is_bought_again(self, road, azure_bench):
        azure_bench.fault("partial_failure", match_text="Paragraph 1 of", reason="It could not be pronounced.")
        texts = [azure_bench.text(number).strip() for number in range(3)]
        road.write(*texts)

        (result,) = road.buy(azure_bench.run("monday"))

        assert (result["clips"], result["bought"], azure_bench.bought) == (4, 2, 2)
        # Azure bills what it spoke: the input that failed was free, and the second job is that one alone.
        assert azure_bench.billed == sum(map(len, [road.heading(0), *texts]))

    def test_a_lost_reply_is_not_paid_for_twice(self, road, azure_bench):
        azure_bench.fault("drop_reply", operation=CREATE[azure_bench.service])
        road.write(azure_bench.text(1), azure_bench.text(2))
        run = azure_bench.run("monday")
        (order,) = road.plan(run)

        azure_bench.first_look(order, run)
        azure_bench.see_through(order, run)

        assert azure_bench.bought == 1


class TestMoving:
    @ONLY_LONG_AUDIO
    @pytest.mark.parametrize("to", ["azure_batch", "azure_batch_preview"])
    def test_from_long_audio_to_batch_synthesis_nothing_is_bought_again(self, road, azure_bench, to):
        road.write(azure_bench.text(1))
        before = road.narrate(azure_bench.run("monday"))

        after = road.narrate(azure_bench.run("tuesday"), through=to)

        assert road.plan(azure_bench.run("wednesday"), through=to) == []
        assert after["bought_characters_this_run"] == 0
        assert after["mp3_uri"] == before["mp3_uri"]

    @ONLY_BATCH
    @pytest.mark.parametrize(
        "change", [{"voice": "en-US-GuyNeural"}, {"output_format": "riff-48khz-16bit-mono-pcm"}, {"rate": "slow"}]
    )
    def test_what_sounds_different_is_bought(self, road, azure_bench, change):
        road.write(azure_bench.text(1))
        road.buy(azure_bench.run("monday"))

        orders = road.plan(azure_bench.run("tuesday"), **change)

        assert len(orders) == 1


@ONLY_LONG_AUDIO
class TestTheMinimumOfLongAudio:
    def test_a_document_of_a_few_words_is_narrated_for_what_they_cost(self, road, azure_bench):
        road.document.write_text(f"Hello, {azure_bench.word}.\n")

        (result,) = road.buy(azure_bench.run("monday"))

        assert (result["clips"], azure_bench.bought) == (1, 1)
        assert azure_bench.billed == len(f"Hello, {azure_bench.word}.")

    def test_in_a_format_that_batch_synthesis_lacks_they_are_filled_up_and_the_log_says_what_that_costs(
        self, road, azure_bench, caplog
    ):
        road.document.write_text(f"Hello, {azure_bench.word}.\n")

        with caplog.at_level(logging.WARNING):
            (result,) = road.buy(azure_bench.run("monday"), output_format="riff-16khz-16bit-mono-pcm")

        words = len(f"Hello, {azure_bench.word}.")
        assert result["clips"] == 1
        assert 400 < azure_bench.billed <= 400 + words
        assert f"for {azure_bench.billed - words} billable characters" in caplog.text

    def test_what_would_have_to_be_filled_up_in_several_orders_is_put_together_in_one(self, road, azure_bench):
        texts = [azure_bench.text(number).strip() for number in range(6)]
        road.write(*texts)
        change = {"output_format": "riff-16khz-16bit-mono-pcm", "paragraphs_per_order": 2}
        road.buy(azure_bench.run("monday"), **change)
        edited = [f"{number} {'An edit. ' * 17}".strip() for number in range(3)]
        before = azure_bench.billed
        road.write(*(edited[number // 2] if number % 2 else text for number, text in enumerate(texts)))

        orders = road.plan(azure_bench.run("tuesday"), **change)
        for order in orders:
            azure_bench.see_through(order, azure_bench.run("tuesday"))

        assert len(orders) == 1
        assert azure_bench.billed - before == sum(map(len, edited))
        assert road.plan(azure_bench.run("wednesday"), **change) == []

    def test_the_jobs_of_both_apis_stay_until_they_are_collected_and_go_then(self, road, azure_bench, monkeypatch):
        road.write(azure_bench.text(1))
        first = azure_bench.run("monday")
        road.buy(first)
        road.write(azure_bench.text(1), f"Good night, {azure_bench.word}.")
        run = azure_bench.run("tuesday")
        (order,) = road.plan(run)
        # It must not be finished and collected before the first look is over.
        azure_bench.cloud.order_fault("stuck_not_started", service="azure_batch", seconds=1)
        deferred = azure_bench.first_look(order, run)
        event_of(deferred)

        def clean():
            # Another test may have moved the cloud's clock, by which the jobs have ended.
            now = azure_bench.cloud._call("GET", "clock")["now"]
            clock = SimpleNamespace(time=lambda: now, monotonic=time.monotonic)
            monkeypatch.setattr("narration.operators.azure_cleanup.time", clock)
            operator = AzureSynthesisCleanupOperator(
                task_id="clean_up",
                targets=dict.fromkeys(SynthesisApi, 0),
                storages=[azure_bench.storage],
                min_age=0,
            )
            return operator.execute(azure_bench.run("cleaning").context)

        before = clean()
        azure_bench.resume_until_done(order, run, deferred)
        after = clean()

        assert before[SynthesisApi.LONG_AUDIO]["deleted"] == 1
        assert before[SynthesisApi.BATCH]["kept"] == {"clips_not_in_store": 1}
        assert after[SynthesisApi.BATCH]["deleted"] == 1

    def test_short_paragraphs_one_an_order_are_put_together_instead(self, road, azure_bench):
        road.write(*(f"Paragraph {number} of {azure_bench.word}." for number in range(40)))

        orders = road.plan(azure_bench.run("monday"), paragraphs_per_order=1)

        lengths = [sum(len(clip.text) for clip in azure_bench.wanted(order).clips) for order in orders]
        assert len(orders) > 1
        assert min(lengths) > 400


class TestWhatCannotWorkCostsNothing:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"other_voice": "en-US-NobodyNeural"}, "does not offer the voice 'en-US-NobodyNeural'"),
            ({"output_format": "webm-24khz-16bit-mono-opus"}, "cannot be had from this API"),
        ],
    )
    def test_a_parameter_that_cannot_work_is_refused_with_the_remedy(self, road, azure_bench, change, message):
        road.write(azure_bench.text(1))

        with pytest.raises(AzureChoiceError, match=message):
            road.plan(azure_bench.run("monday"), **change)

    def test_a_tag_that_azure_lacks_is_named_with_its_line(self, road, azure_bench):
        road.document.write_text(
            '<speak>\n<p>Fine.</p>\n<p><amazon:effect name="drc">No.</amazon:effect></p>\n</speak>'
        )

        with pytest.raises(DocumentError, match=r"line 3 of story\.txt.*Amazon Polly's"):
            road.plan(azure_bench.run("monday"))

        assert azure_bench.bought == 0
