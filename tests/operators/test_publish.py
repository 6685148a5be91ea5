from __future__ import annotations

import json
from itertools import pairwise

import pytest

from narration.operators.manifest import NarrationHoleError
from tests.conftest import BUCKET
from tests.road import bill


def manifest_of(bench, result) -> dict:
    name = result["narration_uri"].rsplit("/", 1)[1]
    return bench.store.read_json("narrations", name, "manifest.json")


def test_it_says_where_everything_lies_and_what_it_cost(road, run, bench):
    road.write(*(bench.text(number) for number in range(4)), chapters=2)

    result = road.narrate(run)

    assert json.loads(json.dumps(result)) == result
    assert set(result) == {
        *("title", "narration_uri", "manifest_uri", "mp3_uri", "m4b_uri", "duration_seconds", "mp3_bytes"),
        *("m4b_bytes", "chapters", "paragraphs", "billed_characters", "bought_characters_this_run"),
    }
    assert (result["title"], result["chapters"], result["paragraphs"]) == ("Story", 2, 6)
    assert result["mp3_uri"].startswith(f"{bench.storage}/narrations/story-")
    assert result["billed_characters"] == result["bought_characters_this_run"] == bench.billed


def test_links_lead_to_it_where_its_storage_has_an_address(road, run, bench):
    bench.storage = f"s3://aws_default@{BUCKET}/{bench.word}"
    road.write(bench.text(1))

    result = road.narrate(run, outputs=["m4b"])

    folder = result["narration_uri"].replace("s3://aws_default@", f"{bench.cloud.s3_url}/")
    assert run.ti.xcoms["narration_folder"] == f"{folder}/"
    assert run.ti.xcoms["narration_m4b"] == result["m4b_uri"].replace(result["narration_uri"], folder)
    assert run.ti.xcoms["narration_manifest"] == f"{folder}/manifest.json"
    assert "narration_mp3" not in run.ti.xcoms


def test_the_manifest_accounts_for_every_paragraph_in_order(road, run, bench):
    texts = [bench.text("again"), bench.text("once"), bench.text("again")]
    road.write(*texts)

    result = road.narrate(run)
    manifest = manifest_of(bench, result)

    assert [paragraph["text"] for paragraph in manifest["paragraphs"]] == [road.heading(0), *texts]
    assert [paragraph["number"] for paragraph in manifest["paragraphs"]] == [0, 1, 2, 3]
    for paragraph in manifest["paragraphs"]:
        assert paragraph["clip_key"]
        assert paragraph["job_id"]
        assert paragraph["billed_characters_reported_by_service"]
    times = [(p["start_seconds"], p["end_seconds"]) for p in manifest["paragraphs"]]
    assert all(start < end for start, end in times)
    assert all(before[1] < after[0] for before, after in pairwise(times))
    assert times[-1][1] < result["duration_seconds"]
    assert manifest["paragraphs"][3]["repeats_paragraph"] == 1
    assert manifest["paragraphs"][3]["billed_characters"] == 0
    assert sum(p["billed_characters"] for p in manifest["paragraphs"]) == manifest["billed_characters"] == bench.billed


def test_the_pauses_of_the_form_are_heard_in_the_times(road, run, bench):
    road.write(bench.text(1), bench.text(2))

    manifest = manifest_of(bench, road.narrate(run, paragraph_pause_ms=700, heading_pause_ms=1100))

    heading, first, second = manifest["paragraphs"]
    assert first["start_seconds"] - heading["end_seconds"] == pytest.approx(1.1, abs=0.001)
    assert second["start_seconds"] - first["end_seconds"] == pytest.approx(0.7, abs=0.001)
    assert manifest["pauses"]["paragraph_ms"] == 700


def test_other_pauses_are_another_narration_and_cost_nothing(road, run, bench):
    road.write(bench.text(1))
    first = road.narrate(run)

    second = road.narrate(bench.run("tuesday"), paragraph_pause_ms=900, heading_pause_ms=901)

    assert first["narration_uri"] != second["narration_uri"]
    assert second["bought_characters_this_run"] == 0
    assert bench.bought == 2


def test_publishing_again_changes_nothing(road, run, bench):
    road.write(bench.text(1))
    first = road.narrate(run)
    before = manifest_of(bench, first)

    second = road.narrate(bench.run("tuesday"))

    assert {**second, "bought_characters_this_run": first["bought_characters_this_run"]} == first
    assert manifest_of(bench, second) == before


def test_what_this_run_bought_is_summed_over_its_orders_however_many_there_are(road, run, bench):
    road.write(bench.text(1))
    assembled = None
    for order in road.plan(run):
        bench.see_through(order, run)
    assembled = road.assemble(run)
    one, two = ({"bill": bill(jobs=1, characters=count)} for count in (5, 7))

    for results, expected in ((None, 0), (one, 5), ([one, two], 12), ([one, None], 5), ([], 0)):
        assert road.publish(run, assembled, results)["bought_characters_this_run"] == expected


class TestTheBill:
    def test_stands_in_the_manifest_in_xcom_and_in_the_note(self, road, run, bench):
        road.write(bench.text(1), bench.text(2))

        result = road.narrate(run)

        expected = {
            **bill(jobs=3, characters=bench.billed),
            "currency": "USD",
            "price_per_million": 16.0,
            "price_source": "Amazon Polly, neural: AWS's price page",
            "price_as_of": "2026-10-07",
            "amount_billed": pytest.approx(bench.billed * 16 / 1e6),
        }
        assert manifest_of(bench, result)["bill"] == expected
        assert run.ti.xcoms["bill"] == {**expected, "characters_planned": bench.billed}
        assert run.ti.xcoms["run_note"].startswith(f"The service billed {bench.billed} characters, USD 0.00")

    def test_a_job_that_failed_and_was_billed_is_named_with_its_reason(self, road, run, bench):
        bench.cloud.order_fault("fail", reason="The voice was hoarse.", match_text="Paragraph 1")
        road.write(bench.text(1), bench.text(2))

        result = road.narrate(run)

        for facts in (manifest_of(bench, result)["bill"], run.ti.xcoms["bill"]):
            (difference,) = facts["differences"]
            assert (difference["characters_estimated"], difference["characters_billed"]) == (0, len(bench.text(1)))
            assert difference["reason"] == "The voice was hoarse."
            assert difference["paragraphs"] == [f"{road.heading(0)}, paragraph 2 (line 3 of story.txt)"]
            assert facts["characters_billed"] == bench.billed
        assert difference["job_id"] in run.ti.xcoms["run_note"]

    def test_a_run_that_only_fetches_what_another_one_bought_bought_nothing(self, road, run, bench):
        road.write(bench.text(1))
        (order,) = road.plan(run)
        bench.first_look(order, run)
        tuesday = bench.run("tuesday")

        result = road.narrate(tuesday)

        assert result["bought_characters_this_run"] == tuesday.ti.xcoms["bill"]["characters_planned"] == 0
        assert manifest_of(bench, result)["bill"]["characters_billed"] == bench.billed
        assert tuesday.ti.xcoms["run_note"].startswith("This run bought nothing")

    def test_the_manifest_reconciles_what_several_runs_bought(self, road, run, bench):
        texts = [bench.text(number) for number in range(4)]
        road.write(*texts[:2])
        road.narrate(run)
        road.write(*texts)

        facts = manifest_of(bench, road.narrate(bench.run("tuesday")))["bill"]

        assert (facts["jobs"], facts["characters_billed"], facts["differences"]) == (5, bench.billed, [])

    def test_clips_whose_records_are_gone_count_as_the_store_noted_them(self, road, run, bench):
        road.write(bench.text(1))
        for order in road.plan(run):
            bench.see_through(order, run)
        for record in (bench.folder / "store" / "orders").glob("*.record.json"):
            record.unlink()

        facts = manifest_of(bench, road.publish(run, road.assemble(run), None))["bill"]

        assert (facts["jobs"], facts["characters_billed"], facts["differences"]) == (2, bench.billed, [])


def test_a_narration_is_not_published_when_a_clip_has_gone_meanwhile(road, run, bench):
    road.write(bench.text(1))
    for order in road.plan(run):
        bench.see_through(order, run)
    assembled = road.assemble(run)
    bench.forget_store()

    with pytest.raises(NarrationHoleError):
        road.publish(run, assembled, None)
