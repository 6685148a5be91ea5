from __future__ import annotations

import pytest

from narration.operators.assemble import slug_of
from narration.operators.manifest import NarrationHoleError
from narration.paths import StoreError


@pytest.fixture
def bought(road, run, bench):
    """A document of two chapters whose clips are in the store."""
    road.write(*(bench.text(number) for number in range(4)), chapters=2)
    for order in road.plan(run):
        bench.see_through(order, run)
    return road


def test_the_files_lie_under_the_name_of_the_narration(bought, run, bench):
    assembled = bought.assemble(run)

    assert assembled["narration"].startswith("story-")
    assert not assembled["reused"]
    for kind in ("mp3", "m4b"):
        path = bench.store.path("narrations", assembled["narration"], assembled[kind])
        assert path.stat().st_size == assembled[f"{kind}_bytes"] > 1000


def test_nothing_counts_as_published_before_the_manifest(bought, run):
    bought.assemble(run)

    assert not bought.assemble(run)["reused"]


def test_a_published_narration_is_not_made_again(bought, run):
    first = bought.assemble(run)
    bought.publish(run, first, None)

    again = bought.assemble(run)

    assert again["reused"]
    assert {**again, "reused": False} == first


@pytest.mark.parametrize("kind", ["mp3", "m4b"])
def test_a_published_narration_that_lost_a_file_is_made_again(bought, run, bench, kind):
    first = bought.assemble(run)
    bought.publish(run, first, None)
    bench.store.write("narrations", first["narration"], first[kind], data=b"cut")

    assert not bought.assemble(run)["reused"]


def test_a_narration_with_a_hole_is_never_assembled_and_the_paragraphs_are_named(road, run, bench):
    road.write(bench.text(1), bench.text(2))
    road.plan(run)

    with pytest.raises(NarrationHoleError, match=r"3 paragraph.*Chapter 1: .*, paragraph 2 \(line 3 of story\.txt\)"):
        road.assemble(run)


def test_a_clip_that_was_damaged_in_the_store_stops_it_and_the_next_run_buys_nothing(bought, run, bench):
    (audio, *_) = sorted((bench.folder / "store" / "clips").rglob("*.pcm"))
    audio.write_bytes(b"\0\0")

    with pytest.raises(StoreError, match=r"is not what was verified.*start the Dag again"):
        bought.assemble(run)
    result = bought.narrate(bench.run("tuesday"))

    assert result["bought_characters_this_run"] == 0
    assert bench.bought == 6


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Pride and Prejudice", "pride-and-prejudice"),
        ("  Café: Über «Ängste»! ", "cafe-uber-angste"),
        ("../../etc/passwd", "etc-passwd"),
        ("世界", "narration"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_title_becomes_a_file_name_that_every_storage_takes(title, slug):
    assert slug_of(title) == slug
