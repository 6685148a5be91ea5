"""
What a million billable characters cost at each service, and with which of its engines.

A table of list prices in US dollars, each with the day on which it was read and where; an installation, or a single
run, may put its own in their place. Free tiers and discounts are not considered: a budget is held against the list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from narration.errors import PermanentNarrationError
from narration.synthesis.profile import VoiceProfile

CURRENCY = "USD"
PRICES_OPTION = "AIRFLOW__NARRATION__PRICES"
"""The environment variable that sets the installation's own prices, as :func:`parse_prices` reads them."""

NEURAL, NEURAL_HD, CUSTOM_NEURAL = "neural", "neural-hd", "custom-neural"

_MILLION = 1_000_000
_LEAST_DECIMALS, _MOST_DECIMALS = 2, 10


class PriceError(PermanentNarrationError):
    """A price cannot be read, or is needed and not known; nothing was bought."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """
    The price of one engine.

    :param per_million: for a million billable characters, in :attr:`currency`.
    :param currency: for example ``USD``.
    :param source: where the price comes from, in words for people.
    :param as_of: the day on which the source was read; ``None`` for a price that somebody set.
    """

    per_million: Decimal
    currency: str = CURRENCY
    source: str
    as_of: date | None = None

    def amount(self, characters: int) -> Decimal:
        """Give the exact price of so many billable characters, unrounded."""
        return self.per_million * characters / _MILLION

    def describe(self, characters: int) -> str:
        """Write the price of so many characters for people: ``USD 0.16104``."""
        return money(self.amount(characters), currency=self.currency)

    def __str__(self) -> str:
        read = f", {self.as_of.isoformat()}" if self.as_of else ""
        return f"{money(self.per_million, currency=self.currency)} per million characters ({self.source}{read})"

    def to_dict(self) -> dict[str, Any]:
        """Give the price as JSON types."""
        return {
            "currency": self.currency,
            "price_per_million": float(self.per_million),
            "price_source": self.source,
            "price_as_of": self.as_of.isoformat() if self.as_of else None,
        }


def _polly(tier: str, per_million: str) -> Price:
    return Price(
        per_million=Decimal(per_million), source=f"Amazon Polly, {tier}: AWS's price page", as_of=date(2026, 10, 7)
    )


def _azure(tier: str, per_million: str) -> Price:
    return Price(
        per_million=Decimal(per_million),
        source=f"Azure AI Speech, {tier}: Retail Prices API, East US",
        as_of=date(2026, 11, 21),
    )


PRICES: dict[str, dict[str, Price]] = {
    "polly": {
        tier: _polly(tier, per_million)
        for tier, per_million in {"standard": "4", "neural": "16", "generative": "30", "long-form": "100"}.items()
    },
    "azure": {
        tier: _azure(tier, per_million)
        for tier, per_million in {NEURAL: "15", NEURAL_HD: "22", CUSTOM_NEURAL: "24"}.items()
    },
}
"""
List prices by service and tier, in US dollars.

Polly's tiers are its engines. Azure's three asynchronous APIs cost the same; which tier a voice belongs to is said by
:func:`tier_of`.
"""


def price_list(service: str) -> str:
    """Write the list prices of a service for people: ``standard 4, neural 16, …``."""
    return ", ".join(f"{tier} {price.per_million:,f}" for tier, price in PRICES[service].items())


def tier_of(profile: VoiceProfile) -> str:
    """Name the line of the price list by which a voice is billed."""
    if profile.service == "azure" and ":" in profile.voice and "HD" in profile.voice:
        return NEURAL_HD
    return profile.engine


def price_of(
    profile: VoiceProfile, *, own: Mapping[str, Mapping[str, Price]] | None = None, per_million: Decimal | None = None
) -> Price | None:
    """
    Find the price that applies to a voice.

    :param own: the installation's prices, as :func:`parse_prices` gave them; they come before the table.
    :param per_million: a price for this run alone, in the installation's currency; comes before both.
    :return: ``None`` if no price is known.
    """
    tier = tier_of(profile)
    ours = (own or {}).get(profile.service, {}).get(tier)
    price = ours or PRICES.get(profile.service, {}).get(tier)
    if per_million is None:
        return price
    any_own = next((each for tiers in (own or {}).values() for each in tiers.values()), None)
    currency = (price or any_own or Price(per_million=per_million, source="")).currency
    return Price(per_million=per_million, currency=currency, source="set for this run")


def parse_prices(text: str) -> dict[str, dict[str, Price]]:
    """
    Read the prices of an installation.

    :param text: JSON such as ``{"currency": "EUR", "polly": {"neural": 14.2}, "azure": {"neural": 13.5}}``: per
        million characters, by service and tier as in :data:`PRICES`. Empty for none.
    :raises PriceError: naming what is wrong with it.
    """
    if not text.strip():
        return {}
    try:
        data = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise PriceError(f"{PRICES_OPTION} is not JSON ({error}). {_EXAMPLE}") from error
    if not isinstance(data, dict):
        raise PriceError(f"{PRICES_OPTION} is not a JSON object. {_EXAMPLE}")
    currency = data.pop("currency", CURRENCY)
    if not isinstance(currency, str) or not currency.strip():
        raise PriceError(f"The currency in {PRICES_OPTION} is not a text. {_EXAMPLE}")
    found: dict[str, dict[str, Price]] = {}
    for service, tiers in data.items():
        if service not in PRICES or not isinstance(tiers, dict):
            raise PriceError(f"{PRICES_OPTION} knows {', '.join(PRICES)} and currency, not {service!r}. {_EXAMPLE}")
        found[service] = {
            tier: Price(
                per_million=parse_amount(value, what=f"The price of {service} {tier} in {PRICES_OPTION}"),
                currency=currency.strip(),
                source=f"set in {PRICES_OPTION}",
            )
            for tier, value in tiers.items()
        }
    if currency.strip() != CURRENCY:
        _refuse_mixed_currencies(found, currency.strip())
    return found


def _refuse_mixed_currencies(found: Mapping[str, Mapping[str, Price]], currency: str) -> None:
    """A budget in one currency must not be held against a list price in another."""
    for service in found:
        left = [tier for tier in PRICES[service] if tier not in found[service]]
        if left:
            raise PriceError(
                f"{PRICES_OPTION} gives prices of {service} in {currency}, but none for {', '.join(left)}, whose list "
                f"prices are in {CURRENCY}. Give these too."
            )


_EXAMPLE = 'Write, for example, {"currency": "USD", "polly": {"neural": 14.2}, "azure": {"neural": 13.5}}.'


def parse_amount(value: Any, *, what: str) -> Decimal:
    """
    Read an amount of money exactly as it was written.

    :param what: what it is, for the message.
    :raises PriceError: if it is not a number from zero up.
    """
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise PriceError(f"{what} is {value!r}; it must be a number from 0 up, for example 12.50.")
    return amount


def money(amount: Decimal, *, currency: str) -> str:
    """Write an amount exactly, with as many decimals as it has and at least two: ``USD 0.16104``."""
    exact = amount.quantize(Decimal(1).scaleb(-_MOST_DECIMALS))
    whole, _, decimals = f"{exact:,f}".partition(".")
    return f"{currency} {whole}.{decimals.rstrip('0').ljust(_LEAST_DECIMALS, '0')}"
