from __future__ import annotations

from narration.notices.nightly import MOST_FAILED, MOST_NARRATED, NotNarrated, nightly_notice
from narration.notices.notice import Event

OVER = NotNarrated(name="dear.txt", reason="The plan would cost USD 2.00.", event=Event.OVER_BUDGET)
BAD = NotNarrated(name="bad.txt", reason="The voice 'Jo' is unknown. Choose Joanna.")


def names(count: int) -> list[str]:
    return [f"book-{number}.txt" for number in range(count)]


def test_a_night_is_told_in_a_line_and_each_failure_with_its_reason():
    notice = nightly_notice(
        narrated=names(12), failed=[BAD, OVER], unchanged=1, cost="USD 0.192 for 12,000 characters", night="2026-11-27"
    )

    assert notice.event is Event.FAILURE
    assert notice.title == "Night of 2026-11-27: 12 narrated, 1 unchanged, 1 over the budget, 1 failed"
    assert notice.lines == (
        "bad.txt, failed: The voice 'Jo' is unknown. Choose Joanna.",
        "dear.txt, over the budget: The plan would cost USD 2.00.",
    )
    assert notice.facts["Cost"] == "USD 0.192 for 12,000 characters"
    assert notice.facts["Narrated"].startswith("book-0.txt; book-1.txt;")


def test_a_night_without_trouble_is_a_success_and_one_of_budgets_alone_is_over_the_budget():
    assert nightly_notice(narrated=names(2)).event is Event.SUCCESS
    assert nightly_notice(narrated=names(2), failed=[OVER]).event is Event.OVER_BUDGET
    assert nightly_notice(narrated=[], failed=[OVER, BAD]).event is Event.FAILURE


def test_a_night_in_which_nothing_arrived_says_so():
    notice = nightly_notice(narrated=[], night="2026-11-27")

    assert (notice.event, notice.title, notice.lines) == (Event.SUCCESS, "Night of 2026-11-27: no documents", ())
    assert notice.facts == {}


def test_a_year_in_one_night_is_counted_and_not_listed():
    notice = nightly_notice(narrated=names(365), failed=[BAD] * 100)

    assert len(notice.lines) == MOST_FAILED + 1
    assert notice.lines[-1] == f"And {100 - MOST_FAILED} more."
    assert notice.facts["Narrated"].endswith(f"; and {365 - MOST_NARRATED} more")
