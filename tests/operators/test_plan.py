from __future__ import annotations

import json

import pytest

from narration.document.model import DocumentError
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyCredentialsError
from narration.operators import plan
from narration.operators.plan import label_of
from narration.services.polly_preflight import BucketError
from narration.synthesis.orders import OrderLimits, WantedClip, pack
from narration.synthesis.polly_choice import VoiceChoiceError
from tests.conftest import SECRET
from tests.road import PROFILE


def texts_of(bench, orders) -> list[str]:
    return [clip.text for order in orders for clip in bench.wanted(order).clips]


class TestPlanning:
    def test_every_paragraph_is_ordered_and_the_summary_counts(self, road, run, bench):
        texts = [bench.text(number) for number in range(3)]
        road.write(*texts)

        orders = road.plan(run)

        assert texts_of(bench, orders) == [road.heading(0), *texts]
        characters = sum(map(len, [road.heading(0), *texts]))
        assert run.ti.xcoms["summary"] == {
            "title": "Story",
            "paragraphs": 4,
            "clips": 4,
            "stored": 0,
            "on_order": 0,
            "to_buy": 4,
            "characters": characters,
            "characters_stored": 0,
            "characters_on_order": 0,
            "characters_to_buy": characters,
            "characters_to_buy_at_least": characters,
            "characters_to_buy_at_most": characters,
            "orders": 1,
            "currency": "USD",
            "price_per_million": 16.0,
            "price_source": "Amazon Polly, neural: AWS's price page",
            "price_as_of": "2026-10-07",
            "amount_to_buy": pytest.approx(characters * 16 / 1e6),
            "amount_to_buy_at_most": pytest.approx(characters * 16 / 1e6),
        }

    def test_paragraphs_are_packed_as_the_form_says(self, road, run, bench):
        road.write(*(bench.text(number) for number in range(5)))

        orders = road.plan(run, paragraphs_per_order=2)

        assert [len(bench.wanted(order).clips) for order in orders] == [2, 2, 2]
        assert orders[0]["label"] == f"{road.heading(0)}, paragraph 1 and on: 2 paragraphs"

    def test_planning_again_gives_the_same_orders(self, road, run, bench):
        road.write(*(bench.text(number) for number in range(5)))

        assert road.plan(run, paragraphs_per_order=2) == road.plan(bench.run("tuesday"), paragraphs_per_order=2)

    def test_never_more_orders_than_airflow_maps_over(self, road, run, bench, monkeypatch):
        monkeypatch.setattr(plan, "MOST_ORDERS", 3)
        road.write(*(bench.text(number) for number in range(9)))

        orders = road.plan(run, paragraphs_per_order=1)

        assert len(orders) == 3
        assert len(texts_of(bench, orders)) == 10

    def test_what_is_handed_on_is_small_and_holds_no_text_and_no_secret(self, road, run, bench):
        road.write("A secret of the story. " * 50 + bench.word)

        handed_on = json.dumps([road.plan(run), run.ti.xcoms])

        assert len(handed_on) < 2000
        assert "secret of the story" not in handed_on
        assert SECRET not in handed_on


class TestBuyingOnlyWhatIsMissing:
    def test_a_paragraph_that_occurs_twice_is_bought_once(self, road, run, bench):
        road.write(bench.text("again"), bench.text("once"), bench.text("again"))

        result = road.narrate(run)

        assert bench.bought == 3
        assert (result["paragraphs"], result["billed_characters"]) == (4, bench.billed)

    def test_a_second_run_has_no_orders_and_buys_nothing(self, road, run, bench):
        road.write(bench.text(1), bench.text(2))
        first = road.narrate(run)
        tuesday = bench.run("tuesday")

        assert road.plan(tuesday) == []
        second = road.narrate(tuesday)

        assert tuesday.ti.xcoms["summary"]["stored"] == 3
        assert bench.bought == 3
        assert (first["bought_characters_this_run"], second["bought_characters_this_run"]) == (bench.billed, 0)
        assert second["billed_characters"] == bench.billed

    def test_changing_one_paragraph_buys_exactly_that_one(self, road, run, bench):
        texts = [bench.text(number) for number in range(6)]
        road.write(*texts)
        road.narrate(run, paragraphs_per_order=2)
        texts[3] = bench.text("changed")
        road.write(*texts)
        tuesday = bench.run("tuesday")

        result = road.narrate(tuesday, paragraphs_per_order=2)

        assert tuesday.ti.xcoms["summary"]["to_buy"] == tuesday.ti.xcoms["summary"]["orders"] == 1
        assert bench.bought == 8
        assert result["bought_characters_this_run"] == len(texts[3])

    def test_another_voice_buys_everything_and_the_first_voice_again_nothing(self, road, run, bench):
        road.write(bench.text(1))
        road.narrate(run)
        road.narrate(bench.run("tuesday"), voice="Matthew")
        assert bench.bought == 4

        road.narrate(bench.run("wednesday"))

        assert bench.bought == 4

    def test_packing_differently_buys_nothing(self, road, run, bench):
        road.write(*(bench.text(number) for number in range(4)))
        road.narrate(run)
        bench.forget_store()

        road.narrate(bench.run("tuesday"), paragraphs_per_order=1)

        assert bench.bought == 5

    def test_a_paragraph_over_100_000_characters_is_split_at_sentences(self, road, run, bench):
        sentence = f"The quick brown fox of {bench.word} jumps over the lazy dog."
        road.write(" ".join([sentence] * 2000))

        orders = road.plan(run)

        _, *pieces = texts_of(bench, orders)
        assert len(pieces) == 2
        assert all(len(piece) <= 100_000 and piece.endswith("dog.") for piece in pieces)

    def test_the_bill_is_the_documents_billable_characters_in_ssml_too(self, road, run, bench):
        road.document.write_text(
            f"<speak><p>Fish &amp; chips, {bench.word} 世界.</p><p>One <break time='1s'/> two {bench.word}.</p></speak>"
        )

        result = road.narrate(run)

        assert bench.billed == result["billed_characters"] == run.ti.xcoms["summary"]["characters"]


class TestWhatCannotWorkCostsNothing:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"output_bucket": "no-such-bucket-anywhere"}, BucketError, "does not exist.*aws s3 mb"),
            ({"output_bucket": ""}, BucketError, "AIRFLOW__NARRATION__POLLY_BUCKET"),
            ({"voice": "Maxim"}, VoiceChoiceError, "Maxim does not speak with the neural engine"),
            ({"voice": "Nobody"}, VoiceChoiceError, "no voice 'Nobody'"),
            ({"sample_rate": "24000"}, VoiceChoiceError, "pcm cannot be had at 24000 Hz"),
            ({"lexicons": ["nowhere"]}, VoiceChoiceError, "lexicon 'nowhere'.*PutLexicon"),
            ({"aws_conn_id": "publisher"}, PollyCredentialsError, "no Airflow connection 'publisher'"),
        ],
    )
    def test_a_parameter_that_cannot_work_is_refused_with_the_remedy(self, road, run, bench, change, error, message):
        road.write(bench.text(1))

        with pytest.raises(error, match=message):
            road.plan(run, **change)

        assert bench.bought == 0

    def test_a_bucket_in_another_region_is_refused(self, road, run, bench):
        name = f"far-away-{bench.word}"
        bench.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        road.write(bench.text(1))

        with pytest.raises(BucketError, match="lies in eu-central-1, but Polly is called in us-east-1"):
            road.plan(run, output_bucket=name)

    def test_a_tag_that_the_engine_lacks_is_named_with_its_line(self, road, run, bench):
        road.document.write_text(
            f"<speak>\n<p>Fine {bench.word}.</p>\n<p>It <emphasis>is</emphasis> {bench.word}.</p>\n</speak>"
        )

        with pytest.raises(DocumentError, match=r"line 3 of story\.txt.*neural engine does not support <emphasis>"):
            road.plan(run)

        assert bench.bought == 0
        assert run.ti.xcoms["narration_paragraphs"] == "narration/dags/books/runs/manual/tasks/task"
        (failed,) = run.ti.xcoms["failed_paragraphs"]
        assert failed["excerpt"] == f"It is {bench.word}."
        assert "<emphasis>is</emphasis>" in failed["text"]
        assert failed["reason"].startswith("the neural engine does not support <emphasis>")

    def test_a_lexicon_that_changes_makes_other_clips(self, road, run, bench):
        content = (
            '<?xml version="1.0"?><lexicon version="1.0" alphabet="ipa" xml:lang="en-US" '
            'xmlns="http://www.w3.org/2005/01/pronunciation-lexicon"><lexeme><grapheme>W3C</grapheme>'
            "<alias>{}</alias></lexeme></lexicon>"
        )
        road.write(bench.text(1))
        PollyHook().put_lexicon(name="story", content=content.format("one"))
        before = road.plan(run, lexicons=["story"])
        PollyHook().put_lexicon(name="story", content=content.format("another"))

        assert road.plan(run, lexicons=["story"]) != before


def test_the_name_of_an_order_fits_into_airflows_column():
    clip = WantedClip(
        clip_key="a", text="a", text_type="text", spoken_text="a", characters=1, place=f"{'Long ' * 100}, paragraph 1"
    )
    (order,) = pack([clip], profile=PROFILE, limits=OrderLimits(clips=1), account="polly")

    assert len(label_of(order)) <= 200
    assert label_of(order).endswith("… and on: 1 paragraphs")
