"""Budgets, prices and dry runs, through the plan of a whole run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from narration.operators.cost import TITLES, BudgetExceededError, CostLimits
from narration.synthesis.prices import PriceError
from tests.road import PROFILE


def characters_of(*texts: str) -> int:
    return sum(map(len, texts))


@pytest.fixture
def texts(road, bench) -> list[str]:
    paragraphs = [bench.text(number) for number in range(3)]
    road.write(*paragraphs)
    return [road.heading(0), *paragraphs]


class TestTheBudget:
    def test_one_character_too_few_in_money_buys_nothing_and_names_both_amounts(self, road, run, bench, texts):
        count = characters_of(*texts)

        with pytest.raises(BudgetExceededError) as error:
            road.plan(run, budget=(count - 1) * 16 / 1e6)

        assert f"for {count} billable characters" in str(error.value)
        assert "USD 0.000016 more than the budget" in str(error.value)
        assert bench.bought == 0
        assert run.ti.xcoms["summary"]["characters_to_buy"] == count

    def test_exactly_enough_is_enough(self, road, run, bench, texts):
        count = characters_of(*texts)

        road.narrate(run, budget=count * 16 / 1e6, budget_characters=count)

        assert bench.billed == count

    def test_one_character_too_few_in_characters_buys_nothing(self, road, run, bench, texts):
        count = characters_of(*texts)

        with pytest.raises(BudgetExceededError, match=f"{count} billable .* 1 more than the budget of {count - 1} "):
            road.plan(run, budget_characters=count - 1)

        assert bench.bought == 0

    def test_a_budget_of_nothing_is_enough_for_what_is_in_the_store(self, road, run, bench, texts):
        road.narrate(run)

        road.narrate(bench.run("tuesday"), budget=0, budget_characters=0)

        assert bench.bought == len(texts)

    def test_only_what_is_missing_counts(self, road, run, bench, texts):
        road.narrate(run)
        added = bench.text("added")
        road.write(*texts[1:], added)

        road.narrate(bench.run("tuesday"), budget_characters=len(added))

        assert bench.billed == characters_of(*texts, added)

    def test_what_was_bought_and_is_not_fetched_yet_costs_nothing_more(self, road, run, bench, texts):
        (order,) = road.plan(run)
        bench.first_look(order, run)
        tuesday = bench.run("tuesday")

        road.narrate(tuesday, budget=0)

        summary = tuesday.ti.xcoms["summary"]
        assert (summary["on_order"], summary["to_buy"]) == (len(texts), 0)
        assert bench.billed == characters_of(*texts)

    def test_what_was_bought_long_ago_is_not_counted_upon(self, road, run, bench, texts, monkeypatch):
        (order,) = road.plan(run)
        bench.first_look(order, run)
        later = bench.cloud._call("GET", "clock")["now"] + 72 * 3600
        monkeypatch.setattr("narration.operators.plan.time.time", lambda: later)

        with pytest.raises(BudgetExceededError):
            road.plan(bench.run("thursday"), budget_characters=0)

    def test_a_price_of_the_runs_own_is_what_counts(self, road, run, bench, texts):
        count = characters_of(*texts)

        with pytest.raises(BudgetExceededError, match="set for this run"):
            road.plan(run, budget=1, price_per_million=1e6)

        assert bench.bought == 0
        assert road.plan(run, budget=count, price_per_million=1e6)

    def test_the_installations_price_is_what_counts(self, road, run, bench, texts, monkeypatch):
        monkeypatch.setenv("AIRFLOW__NARRATION__PRICES", '{"polly": {"neural": 1000000}}')

        with pytest.raises(BudgetExceededError, match=f"USD {characters_of(*texts)}.00"):
            road.plan(run, budget=1)

    def test_prices_that_cannot_be_read_are_refused_before_anything_is_bought(
        self, road, run, bench, texts, monkeypatch
    ):
        monkeypatch.setenv("AIRFLOW__NARRATION__PRICES", "sixteen dollars")

        with pytest.raises(PriceError, match="AIRFLOW__NARRATION__PRICES is not JSON"):
            road.plan(run)

    @pytest.mark.parametrize("name", ["budget", "approve_above", "price_per_million", "budget_characters"])
    def test_an_amount_that_is_none_is_named(self, road, run, texts, name):
        with pytest.raises(PriceError, match=f"{TITLES[name]} \\(parameter '{name}'\\) is 'much'"):
            road.plan(run, **{name: "much"})


class TestADryRun:
    def test_reads_plans_prices_and_buys_nothing(self, road, run, bench, texts):
        assert road.plan(run, dry_run=True) == []

        summary = run.ti.xcoms["summary"]
        assert (summary["to_buy"], summary["characters_to_buy"]) == (len(texts), characters_of(*texts))
        assert summary["amount_to_buy"] == pytest.approx(characters_of(*texts) * 16 / 1e6, abs=1e-12)
        assert run.ti.xcoms["run_note"].startswith("Dry run, nothing was bought.")
        assert bench.bought == 0

    def test_a_run_after_it_is_as_if_it_had_not_been(self, road, run, bench, texts):
        road.plan(run, dry_run=True)

        road.narrate(bench.run("tuesday"))

        assert bench.billed == characters_of(*texts)

    def test_over_the_budget_it_fails_as_the_run_would(self, road, run, texts):
        with pytest.raises(BudgetExceededError):
            road.plan(run, dry_run=True, budget=0)


def test_a_form_without_the_fields_sets_no_limit():
    assert CostLimits.read({}) == CostLimits()
    assert CostLimits.read({"budget": "", "dry_run": None}) == CostLimits()


def test_a_limit_in_money_needs_a_price():
    unknown = replace(PROFILE, engine="quantum")

    assert CostLimits.read({}).price(unknown, configured="") is None
    with pytest.raises(PriceError, match="price_per_million"):
        CostLimits.read({"budget": 1}).price(unknown, configured="")
