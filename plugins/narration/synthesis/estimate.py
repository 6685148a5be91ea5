"""What a plan would buy and cost, as it is told to people and handed to the tasks that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from narration.synthesis.prices import Price


@dataclass(frozen=True, kw_only=True)
class Count:
    """
    Some clips and their billable characters.

    :param clips: different ones.
    :param characters: as they are expected to be billed.
    """

    clips: int
    characters: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """
    The plan of a narration in numbers.

    :param title: of the document.
    :param paragraphs: of the narration, those included that occur twice.
    :param whole: all different clips.
    :param stored: those of them that the store holds.
    :param on_order: those that were bought before and are not fetched yet: they cost nothing more.
    :param to_buy: the rest. Its characters hold also those beyond the paragraphs' own that the service insists on.
    :param at_least: the fewest characters that the service may bill for the rest, by another reading of its rule.
    :param at_most: the most.
    :param orders: into which what the store lacks is packed.
    :param price: ``None`` if no price is known.
    """

    title: str
    paragraphs: int
    whole: Count
    stored: Count
    on_order: Count
    to_buy: Count
    at_least: int
    at_most: int
    orders: int
    price: Price | None

    def to_dict(self) -> dict[str, Any]:
        """Give the estimate as flat JSON types, for XCom."""
        return {
            "title": self.title,
            "paragraphs": self.paragraphs,
            "clips": self.whole.clips,
            "stored": self.stored.clips,
            "on_order": self.on_order.clips,
            "to_buy": self.to_buy.clips,
            "characters": self.whole.characters,
            "characters_stored": self.stored.characters,
            "characters_on_order": self.on_order.characters,
            "characters_to_buy": self.to_buy.characters,
            "characters_to_buy_at_least": self.at_least,
            "characters_to_buy_at_most": self.at_most,
            "orders": self.orders,
            **price_facts(self.price, characters=self.to_buy.characters, name="amount_to_buy"),
            "amount_to_buy_at_most": _amount(self.price, self.at_most),
        }

    @property
    def note(self) -> str:
        """Say in one sentence what is bought, for a note or a question."""
        if not self.to_buy.clips:
            return f"Nothing to buy: all {self.whole.clips:,} clips are in the store or bought already."
        return (
            f"{self.to_buy.characters:,} characters to buy{_for(self.price, self.to_buy.characters)}: "
            f"{self.to_buy.clips:,} of {self.whole.clips:,} clips."
        )

    def describe(self) -> str:
        """Lay the estimate out in lines, for a log."""
        rows = [
            ("in the store", self.stored, ""),
            ("bought before, not fetched yet", self.on_order, ""),
            ("to buy", self.to_buy, self.price.describe(self.to_buy.characters) if self.price else "price unknown"),
        ]
        lines = [
            f"{self.title}: {self.paragraphs:,} paragraphs, {self.whole.clips:,} different clips, "
            f"{self.orders:,} orders for those that the store lacks.",
            *(
                f"  {name:<30} {count.clips:>7,} clips {count.characters:>11,} characters  {cost}".rstrip()
                for name, count, cost in rows
            ),
            f"  Price: {self.price}." if self.price else "  No price is known for this voice.",
        ]
        if self.at_least != self.at_most:
            lines.append(
                f"  The service's rule leaves something open: it may bill {self.at_least:,} to {self.at_most:,} "
                f"characters{_for(self.price, self.at_most, words='at most')}."
            )
        return "\n".join(lines)


def price_facts(price: Price | None, *, characters: int, name: str) -> dict[str, Any]:
    """
    Give a price and what so many characters cost at it, as JSON types.

    :param name: of the amount.
    """
    facts = price.to_dict() if price is not None else dict.fromkeys(_PRICE_FACTS)
    return {**facts, name: _amount(price, characters)}


def price_from_facts(facts: Mapping[str, Any]) -> Price | None:
    """Read back the price that :func:`price_facts` wrote."""
    if facts.get("price_per_million") is None:
        return None
    as_of = facts["price_as_of"]
    return Price(
        per_million=Decimal(str(facts["price_per_million"])),
        currency=facts["currency"],
        source=facts["price_source"],
        as_of=date.fromisoformat(as_of) if as_of else None,
    )


_PRICE_FACTS = ("currency", "price_per_million", "price_source", "price_as_of")


def _amount(price: Price | None, characters: int) -> float | None:
    return None if price is None else float(price.amount(characters))


def _for(price: Price | None, characters: int, *, words: str = "for") -> str:
    return f" {words} {price.describe(characters)}" if price is not None else ""
