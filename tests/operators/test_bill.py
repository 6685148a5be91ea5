"""What the services billed, held against the estimate: whole runs, at clouds that count as we do and otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from narration.operators.cost import BudgetExceededError
from tests.azure_road import AzureRoad
from tests.conftest import CloudHandle, running_cloud
from tests.road import Bench, Road, bill, generous

ONLY_LONG_AUDIO = pytest.mark.parametrize("azure_bench", ["azure_long_audio"], indirect=True)
AMPERSANDS = "<speak><p>Fish &amp; chips, {}.</p><p>Salt {}.</p></speak>"


def manifest_of(bench: Bench, result: dict) -> dict:
    return bench.store.read_json("narrations", result["narration_uri"].rsplit("/", 1)[1], "manifest.json")


@pytest.fixture
def road(azure_bench) -> AzureRoad:
    return AzureRoad(azure_bench)


class TestAzure:
    def test_a_narration_that_cost_what_was_estimated_differs_in_nothing(self, road, azure_bench):
        road.write(azure_bench.text(1).strip(), azure_bench.text(2).strip())
        run = azure_bench.run("monday")

        result = road.narrate(run)

        expected = bill(jobs=1, characters=azure_bench.billed)
        for facts in (run.ti.xcoms["bill"], manifest_of(azure_bench, result)["bill"]):
            assert {name: facts[name] for name in expected} == expected
            assert (facts["price_per_million"], facts["currency"]) == (15.0, "USD")
        assert run.ti.xcoms["bill"]["characters_planned"] == azure_bench.billed

    def test_what_failed_of_a_job_was_not_billed_and_is_no_difference(self, road, azure_bench):
        azure_bench.fault("partial_failure", match_text="Paragraph 2")
        road.write(*(azure_bench.text(number).strip() for number in range(4)))
        run = azure_bench.run("monday")

        result = road.narrate(run)

        assert azure_bench.bought == 2
        for facts in (run.ti.xcoms["bill"], manifest_of(azure_bench, result)["bill"]):
            assert (facts["jobs"], facts["characters_billed"], facts["differences"]) == (2, azure_bench.billed, [])
        assert run.ti.xcoms["bill"]["characters_planned"] == azure_bench.billed

    @ONLY_LONG_AUDIO
    def test_what_fills_a_short_script_up_was_estimated_and_is_no_difference(self, road, azure_bench):
        road.write("Too short.")
        run = azure_bench.run("monday")

        result = road.narrate(run, output_format="riff-16khz-16bit-mono-pcm")

        assert azure_bench.billed > 400
        assert run.ti.xcoms["summary"]["characters_to_buy"] == azure_bench.billed
        for facts in (run.ti.xcoms["bill"], manifest_of(azure_bench, result)["bill"]):
            assert (facts["characters_estimated"], facts["differences"]) == (azure_bench.billed, [])

    @ONLY_LONG_AUDIO
    def test_a_budget_holds_what_fills_a_short_script_up(self, road, azure_bench):
        road.write("Too short.")

        with pytest.raises(BudgetExceededError):
            road.plan(azure_bench.run("monday"), output_format="riff-16khz-16bit-mono-pcm", budget_characters=400)

        assert azure_bench.bought == 0


@pytest.fixture(scope="module")
def other_cloud() -> Iterator[CloudHandle]:
    """A cloud that bills an entity as it is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_CLOUD_POLLY_READINGS", "ssml_entities=raw")
        with running_cloud("tones") as cloud:
            yield cloud


def test_a_service_that_counts_otherwise_is_named_with_its_job_and_the_plan_had_said_that_it_might(
    fresh_object_storage: None, other_cloud: CloudHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous(other_cloud))
    bench = Bench(cloud=other_cloud, folder=tmp_path)
    road, run = Road(bench), bench.run("monday")
    road.document.write_text(AMPERSANDS.format(bench.word, bench.word))

    result = road.narrate(run)

    summary, facts = run.ti.xcoms["summary"], run.ti.xcoms["bill"]
    assert summary["characters_to_buy"] + len("amp;") == bench.billed <= summary["characters_to_buy_at_most"]
    assert facts["characters_billed"] == bench.billed
    assert facts["characters_estimated"] == facts["characters_planned"] == summary["characters_to_buy"]
    (difference,) = facts["differences"]
    assert difference["characters_billed"] - difference["characters_estimated"] == len("amp;")
    assert difference["job_id"] in run.ti.xcoms["run_note"]
    assert manifest_of(bench, result)["bill"]["differences"] == facts["differences"]
