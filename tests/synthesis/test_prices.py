from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from narration.synthesis.polly_rules import ENGINES
from narration.synthesis.prices import (
    PRICES,
    Price,
    PriceError,
    money,
    parse_amount,
    parse_prices,
    price_list,
    price_of,
)
from narration.synthesis.profile import VoiceProfile

PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="pcm", sample_rate=16000
)
AZURE = replace(PROFILE, service="azure", voice="en-US-JennyNeural")


def test_every_engine_of_polly_has_a_price_with_its_date_and_source():
    assert set(PRICES["polly"]) == set(ENGINES)
    for tiers in PRICES.values():
        for price in tiers.values():
            assert price.as_of is not None
            assert price.source


def test_the_list_of_a_service_reads_as_words():
    assert price_list("polly") == "standard 4, neural 16, generative 30, long-form 100"


@pytest.mark.parametrize(
    ("profile", "per_million"),
    [
        (replace(PROFILE, engine="standard"), 4),
        (PROFILE, 16),
        (replace(PROFILE, engine="generative"), 30),
        (replace(PROFILE, engine="long-form"), 100),
        (AZURE, 15),
        (replace(AZURE, voice="en-US-Ava:DragonHDLatestNeural"), 22),
    ],
)
def test_the_price_is_that_of_the_service_and_the_engine(profile, per_million):
    assert price_of(profile).per_million == per_million


def test_amounts_are_exact_to_the_last_character():
    price = price_of(PROFILE)

    assert price.amount(1) == Decimal("0.000016")
    assert price.amount(678_906) == Decimal("10.862496")
    assert price.describe(678_906) == "USD 10.862496"


@pytest.mark.parametrize(
    ("amount", "written"),
    [("0", "USD 0.00"), ("12.5", "USD 12.50"), ("0.000016", "USD 0.000016"), ("1234567.891", "USD 1,234,567.891")],
)
def test_money_is_written_with_all_its_decimals_and_at_least_two(amount, written):
    assert money(Decimal(amount), currency="USD") == written


def test_an_installation_sets_its_own_prices_and_keeps_the_others():
    own = parse_prices('{"polly": {"neural": 14.25}}')

    assert price_of(PROFILE, own=own).per_million == Decimal("14.25")
    assert "AIRFLOW__NARRATION__PRICES" in str(price_of(PROFILE, own=own))
    assert price_of(replace(PROFILE, engine="standard"), own=own).per_million == 4
    assert price_of(AZURE, own=own).per_million == 15


def test_prices_in_another_currency_are_shown_in_it():
    own = parse_prices('{"currency": "EUR", "azure": {"neural": 13, "neural-hd": 19, "custom-neural": 21}}')

    assert price_of(AZURE, own=own).describe(1_000_000) == "EUR 13.00"


def test_a_run_has_a_price_of_its_own_before_all_others():
    price = price_of(PROFILE, own=parse_prices('{"polly": {"neural": 14.25}}'), per_million=Decimal(10))

    assert (price.per_million, price.currency) == (10, "USD")


def test_an_engine_that_nobody_priced_has_no_price_unless_the_run_gives_one():
    unknown = replace(PROFILE, engine="quantum")

    assert price_of(unknown) is None
    assert price_of(unknown, per_million=Decimal(7)) == Price(per_million=Decimal(7), source="set for this run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"poly": {"neural": 1}}', "not 'poly'"),
        ('{"polly": 3}', "not 'polly'"),
        ('{"polly": {"neural": "cheap"}}', "polly neural .* 'cheap'"),
        ('{"polly": {"neural": -1}}', "from 0 up"),
        ('{"polly": {"neural": true}}', "from 0 up"),
        ('{"currency": 3}', "currency"),
        ('{"currency": "EUR", "polly": {"neural": 14}}', "none for standard, generative, long-form"),
    ],
)
def test_prices_that_cannot_be_read_are_named_with_an_example(text, message):
    with pytest.raises(PriceError, match=message):
        parse_prices(text)


@pytest.mark.parametrize("value", [-1, "x", "nan", "inf", True])
def test_an_amount_is_a_number_from_zero_up(value):
    with pytest.raises(PriceError, match="The budget is"):
        parse_amount(value, what="The budget")
