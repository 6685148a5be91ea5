"""What a run may cost: the parameters of the forms that say so, the plan's price, and whether it is within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from narration.errors import PermanentNarrationError
from narration.synthesis.prices import PRICES_OPTION, Price, PriceError, money, parse_amount, parse_prices, price_of
from narration.synthesis.profile import VoiceProfile

COST = ("dry_run", "budget", "budget_characters", "approve_above", "price_per_million")
"""Names of the parameters that say what a run may cost."""
TITLES = {
    "dry_run": "Dry run",
    "budget": "Budget",
    "budget_characters": "Budget in characters",
    "approve_above": "Ask above",
    "price_per_million": "Price per million characters",
}
"""What their fields are called in the forms."""


class BudgetExceededError(PermanentNarrationError):
    """The plan is over the budget of the run; nothing was bought."""

    notice: ClassVar[str] = "over_budget"


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """
    What a person allows a run to cost.

    :param dry_run: whether nothing is to be bought at all.
    :param budget: the most that the run may cost, in the currency of its price; ``None`` for any amount.
    :param budget_characters: the most billable characters that it may buy; ``None`` for any number.
    :param approve_above: the amount above which a person has to agree; ``None`` for never.
    :param price_per_million: the price of this run, instead of the known one.
    """

    dry_run: bool = False
    budget: Decimal | None = None
    budget_characters: int | None = None
    approve_above: Decimal | None = None
    price_per_million: Decimal | None = None

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """
        Read the fields of a form; one that is missing sets no limit.

        :raises narration.synthesis.prices.PriceError: for an amount that is none.
        """

        def amount(name: str) -> Decimal | None:
            value = params.get(name)
            return None if value is None or value == "" else parse_amount(value, what=f"The field {_field(name)}")

        characters = amount("budget_characters")
        return cls(
            dry_run=bool(params.get("dry_run")),
            budget=amount("budget"),
            budget_characters=None if characters is None else int(characters),
            approve_above=amount("approve_above"),
            price_per_million=amount("price_per_million"),
        )

    def price(self, profile: VoiceProfile, *, configured: str) -> Price | None:
        """
        Find the price that the run is held against.

        :param configured: the installation's own prices, as :func:`narration.synthesis.prices.parse_prices` reads them.
        :raises narration.synthesis.prices.PriceError: if these cannot be read, or if none is known and a limit needs
            one.
        """
        price = price_of(profile, own=parse_prices(configured), per_million=self.price_per_million)
        if price is None and (self.budget is not None or self.approve_above is not None):
            raise PriceError(
                f"No price is known for {profile.service}, {profile.engine}, and the run has a limit in money. Fill in "
                f"the field {_field('price_per_million')}, or set {PRICES_OPTION}, or limit the run with the field "
                f"{_field('budget_characters')}."
            )
        return price

    def check(self, characters: int, *, price: Price | None) -> None:
        """
        Refuse a plan that is over the budget.

        :param characters: billable characters that the plan would buy.
        :raises BudgetExceededError: naming both amounts.
        """
        if self.budget_characters is not None and characters > self.budget_characters:
            raise BudgetExceededError(
                f"The plan would buy {characters:,} billable characters{_at(price, characters)}, which is "
                f"{characters - self.budget_characters:,} more than the budget of {self.budget_characters:,} "
                f"characters allows. Nothing was bought. {_REMEDY.format(field=_field('budget_characters'))}"
            )
        if self.budget is not None and price is not None and price.amount(characters) > self.budget:
            over = price.amount(characters) - self.budget
            raise BudgetExceededError(
                f"The plan would cost {price.describe(characters)} for {characters:,} billable characters, which is "
                f"{money(over, currency=price.currency)} more than the budget of "
                f"{money(self.budget, currency=price.currency)} allows. The price is {price}. Nothing was bought. "
                f"{_REMEDY.format(field=_field('budget'))}"
            )

    def needs_approval(self, characters: int, *, price: Price | None) -> bool:
        """Tell whether a person has to agree before so many characters are bought."""
        if self.approve_above is None or price is None:
            return False
        return characters > 0 and price.amount(characters) > self.approve_above


_REMEDY = "Raise the field {field}, narrate a part of the document, or choose another voice."


def _field(name: str) -> str:
    """Name a parameter for those who fill in the form, and for those who start the Dag in another way."""
    return f"{TITLES[name]} (parameter {name!r})"


def _at(price: Price | None, characters: int) -> str:
    return f" for {price.describe(characters)}" if price is not None else ""
