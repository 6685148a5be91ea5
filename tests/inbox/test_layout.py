"""Which run a dated folder belongs to."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.inbox.errors import InboxError
from narration.inbox.layout import DatedFolders, Interval

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def names(pattern, start, end, *, timezone=UTC):
    folders = DatedFolders(pattern=pattern, timezone=timezone)
    return [name for name, _ in folders.within(Interval(start=start, end=end))]


def test_a_day_s_folder_belongs_to_the_run_of_that_day():
    assert names("%Y-%m-%d", utc(2026, 11, 27), utc(2026, 11, 28)) == ["2026-11-27"]


def test_a_run_at_three_in_the_morning_takes_the_folder_of_the_day_that_ended():
    assert names("%Y-%m-%d", utc(2026, 11, 27, 3), utc(2026, 11, 28, 3)) == ["2026-11-27"]


def test_a_weekly_run_takes_seven_folders():
    assert names("%Y/%m/%d", utc(2026, 12, 28), utc(2027, 1, 4)) == [
        *(f"2026/12/{day}" for day in (28, 29, 30, 31)),
        *(f"2027/01/{day}" for day in ("01", "02", "03")),
    ]


def test_an_hourly_run_takes_no_folder_of_a_day_that_is_not_over():
    assert names("%Y-%m-%d", utc(2026, 11, 27, 14), utc(2026, 11, 27, 15)) == []
    assert names("%Y-%m-%d", utc(2026, 11, 27, 23), utc(2026, 11, 28)) == ["2026-11-27"]
    assert names("%Y-%m-%d/%H", utc(2026, 11, 27, 14), utc(2026, 11, 27, 15)) == ["2026-11-27/14"]


def test_months_and_years_are_folders_too():
    assert names("%Y-%m", utc(2026, 1, 31), utc(2026, 3, 1)) == ["2026-01", "2026-02"]
    assert names("drop/%Y", utc(2026, 12, 31), utc(2027, 1, 1)) == ["drop/2026"]


def test_days_are_those_of_the_time_zone():
    assert names("%Y-%m-%d", utc(2026, 7, 1, 22), utc(2026, 7, 2, 22), timezone=BERLIN) == ["2026-07-02"]


@pytest.mark.parametrize(
    ("start", "end", "day"),
    [
        (utc(2026, 3, 28, 23), utc(2026, 3, 29, 22), "2026-03-29"),
        (utc(2026, 10, 24, 22), utc(2026, 10, 25, 23), "2026-10-25"),
    ],
    ids=["23 hours", "25 hours"],
)
def test_a_day_on_which_the_clocks_change_is_one_day(start, end, day):
    assert names("%Y-%m-%d", start, end, timezone=BERLIN) == [day]


@given(
    start=st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)),
    hours=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    pattern=st.sampled_from(["%Y-%m-%d", "%Y/%m/%d/%H", "%Y-%j", "%Y-%m"]),
    timezone=st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")]),
)
def test_every_folder_belongs_to_exactly_one_of_intervals_that_follow_each_other(start, hours, pattern, timezone):
    edges = [start.replace(tzinfo=UTC)]
    for each in hours:
        edges.append(edges[-1] + timedelta(hours=each))

    apart = [name for begin, end in itertools.pairwise(edges) for name in names(pattern, begin, end, timezone=timezone)]

    assert apart == names(pattern, edges[0], edges[-1], timezone=timezone)
    assert len(set(apart)) == len(apart) or "%H" in pattern


@pytest.mark.parametrize("pattern", ["", "inbox", "%m-%d", "%Y-%d", "%Y-%m-%d-%M", "%Y-%B", "%Y-%m-%d %Z"])
def test_a_pattern_with_a_gap_or_something_else_in_it_is_refused_with_an_example(pattern):
    with pytest.raises(InboxError, match="%Y-%m-%d"):
        DatedFolders(pattern=pattern, timezone=UTC)


def test_too_many_folders_are_refused_before_they_are_looked_for():
    with pytest.raises(InboxError, match="20,000"):
        names("%Y-%m-%d/%H", utc(2020, 1, 1), utc(2026, 1, 1))
