from __future__ import annotations

from decimal import Decimal
from typing import Any

from narration.notices.nightly import MOST_FAILED, MOST_NARRATED, NarratedDocument, Outcome, nightly_notice
from narration.notices.notice import Event


def document(number: int, outcome: Outcome = Outcome.NARRATED, **more: Any) -> NarratedDocument:
    return NarratedDocument(name=f"book-{number}.txt", outcome=outcome, **more)


def narrated(count: int) -> list[NarratedDocument]:
    return [document(number, characters=1000, amount=Decimal("0.016")) for number in range(count)]


def test_a_night_is_told_in_a_line_and_each_failure_with_its_reason():
    bad = document(99, Outcome.FAILED, reason="The voice 'Jo' is unknown. Choose Joanna.")

    notice = nightly_notice([*narrated(12), document(50, Outcome.UNCHANGED), bad], night="2026-11-27")

    assert notice.event is Event.FAILURE
    assert notice.title == "Night of 2026-11-27: 12 narrated, 1 unchanged, 1 failed"
    assert notice.lines == ("book-99.txt, failed: The voice 'Jo' is unknown. Choose Joanna.",)
    assert notice.facts["Cost"] == "USD 0.192 for 12,000 characters"
    assert notice.facts["Narrated"].startswith("book-0.txt; book-1.txt;")


def test_a_night_without_trouble_is_a_success_and_one_of_budgets_alone_is_over_the_budget():
    over = document(1, Outcome.OVER_BUDGET, reason="The plan would cost USD 2.00.")

    assert nightly_notice(narrated(2)).event is Event.SUCCESS
    assert nightly_notice([*narrated(2), over]).event is Event.OVER_BUDGET
    assert nightly_notice([over, document(2, Outcome.FAILED)]).event is Event.FAILURE


def test_a_night_in_which_nothing_arrived_says_so():
    notice = nightly_notice([], night="2026-11-27")

    assert (notice.event, notice.title, notice.lines) == (Event.SUCCESS, "Night of 2026-11-27: no documents", ())
    assert notice.facts == {}


def test_a_night_that_bought_nothing_says_so():
    assert nightly_notice([document(1, Outcome.UNCHANGED)]).facts == {"Cost": "nothing was bought"}


def test_what_has_no_price_and_what_has_another_currency_is_not_added_up():
    documents = [
        document(1, characters=10, amount=Decimal("1")),
        document(2, characters=10, amount=Decimal("2"), currency="EUR"),
        document(3, characters=5),
    ]

    assert nightly_notice(documents).facts["Cost"] == (
        "EUR 2.00 and USD 1.00 for 25 characters, 5 of them without a known price"
    )
    assert nightly_notice(documents[2:]).facts["Cost"] == "5 characters, without a known price"


def test_a_year_in_one_night_is_counted_and_not_listed():
    many = narrated(365) + [document(number, Outcome.FAILED, reason="Refused.") for number in range(100)]

    notice = nightly_notice(many)

    assert len(notice.lines) == MOST_FAILED + 1
    assert notice.lines[-1] == f"And {100 - MOST_FAILED} more."
    assert notice.facts["Narrated"].endswith(f"; and {365 - MOST_NARRATED} more")
