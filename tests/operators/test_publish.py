from __future__ import annotations

import json
from itertools import pairwise

import pytest

from narration.operators.assemble import NarrationHoleError


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
    one, two = {"bought_characters": 5}, {"bought_characters": 7}

    for results, expected in ((None, 0), (one, 5), ([one, two], 12), ([one, None], 5), ([], 0)):
        assert road.publish(run, assembled, results)["bought_characters_this_run"] == expected


def test_a_narration_is_not_published_when_a_clip_has_gone_meanwhile(road, run, bench):
    road.write(bench.text(1))
    for order in road.plan(run):
        bench.see_through(order, run)
    assembled = road.assemble(run)
    bench.forget_store()

    with pytest.raises(NarrationHoleError):
        road.publish(run, assembled, None)
