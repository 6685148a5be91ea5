"""Which files of an inbox a run narrates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from narration.inbox.choosing import InboxFile, Look, choose
from narration.inbox.layout import Interval

DAY = timedelta(days=1)
TODAY = Interval(start=datetime(2026, 11, 28, tzinfo=UTC), end=datetime(2026, 11, 29, tzinfo=UTC))
YESTERDAY = Interval(start=TODAY.start - DAY, end=TODAY.start)


def file(name, moment=TODAY.start):
    return InboxFile(name=name, uri=f"file:///inbox/{name}", moment=moment, version="1")


def chosen(*files, looks=(), days=7):
    return choose(files, interval=TODAY, earlier=TODAY.before(days), looks=looks)


def names(files):
    return [each.name for each in files]


def test_an_interval_holds_its_first_moment_and_not_its_end():
    files = [file("first.txt", TODAY.start), file("end.txt", TODAY.end), file("last.txt", TODAY.end - DAY / 1000)]

    assert names(chosen(*files).own) == ["first.txt", "last.txt"]


def test_what_an_earlier_run_did_not_see_is_late():
    looks = [Look(interval=YESTERDAY, names=frozenset({"seen.txt"}))]
    files = [file("seen.txt", YESTERDAY.start), file("late.txt", YESTERDAY.start)]

    found = chosen(*files, looks=looks)

    assert (names(found.own), names(found.late), names(found.seen)) == ([], ["late.txt"], ["seen.txt"])


def test_what_belongs_to_a_run_that_is_still_to_come_is_not_late():
    found = chosen(file("yesterday.txt", YESTERDAY.start))

    assert (names(found.late), names(found.unclaimed)) == ([], ["yesterday.txt"])


def test_what_a_run_of_other_intervals_saw_is_not_late():
    week = Interval(start=TODAY.start - 7 * DAY, end=TODAY.start)
    looks = [
        Look(interval=week, names=frozenset()),
        Look(interval=YESTERDAY, names=frozenset({"seen.txt"})),
    ]

    assert names(chosen(file("seen.txt", YESTERDAY.start), looks=looks).late) == []


def test_what_is_older_than_late_arrivals_may_be_is_left():
    looks = [Look(interval=YESTERDAY, names=frozenset())]

    assert names(chosen(file("late.txt", YESTERDAY.start), looks=looks, days=0).late) == []


@pytest.mark.parametrize(
    "name",
    ["a.yaml", "a.txt.yml", ".hidden.txt", ".git/a.txt", "a.txt.part", "a.tmp", "~$a.txt", "a.txt~", "a.txt.swp"],
)
def test_profiles_and_what_is_hidden_or_still_being_written_are_no_documents(name):
    found = chosen(file(name))

    assert (found.own, found.strange) == ((), ())


def test_a_file_of_another_kind_is_named_and_left():
    found = chosen(file("cover.jpg"), file("Emma.TXT"), file("emma.ssml"))

    assert (names(found.own), names(found.strange)) == (["Emma.TXT", "emma.ssml"], ["cover.jpg"])
