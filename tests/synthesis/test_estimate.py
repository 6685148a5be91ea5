from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from narration.synthesis.estimate import Count, Estimate, price_from_facts
from narration.synthesis.prices import Price

PRICE = Price(per_million=Decimal(16), source="a price page")
ESTIMATE = Estimate(
    title="Ledger",
    paragraphs=50,
    whole=Count(clips=48, characters=12_000),
    stored=Count(clips=40, characters=10_000),
    on_order=Count(clips=2, characters=500),
    to_buy=Count(clips=6, characters=1_500),
    at_least=1_500,
    at_most=1_500,
    orders=2,
    price=PRICE,
)


def test_the_note_says_what_is_bought_and_for_how_much():
    assert ESTIMATE.note == "1,500 characters to buy for USD 0.024: 6 of 48 clips."


def test_the_note_of_a_plan_without_purchases_says_so():
    nothing = replace(ESTIMATE, to_buy=Count(clips=0, characters=0))

    assert nothing.note == "Nothing to buy: all 48 clips are in the store or bought already."


def test_the_log_has_every_figure_and_the_source_of_the_price():
    told = ESTIMATE.describe()

    for figure in (
        "50 paragraphs",
        "48 different clips",
        "10,000",
        "500",
        "1,500 characters  USD 0.024",
        "a price page",
    ):
        assert figure in told
    assert "leaves something open" not in told


def test_what_the_rule_leaves_open_is_told_with_its_price():
    told = replace(ESTIMATE, at_least=1_400, at_most=2_000).describe()

    assert "1,400 to 2,000 characters at most USD 0.032" in told


def test_a_voice_without_a_price_is_planned_all_the_same():
    unknown = replace(ESTIMATE, price=None)

    assert "No price is known" in unknown.describe()
    assert unknown.note == "1,500 characters to buy: 6 of 48 clips."
    assert unknown.to_dict()["amount_to_buy"] is None
    assert price_from_facts(unknown.to_dict()) is None


def test_the_price_survives_json():
    facts = json.loads(json.dumps(ESTIMATE.to_dict()))

    assert price_from_facts(facts) == PRICE
    assert facts["amount_to_buy"] == 0.024
