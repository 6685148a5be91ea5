from __future__ import annotations

from types import SimpleNamespace

import pytest

from narration.hooks import deadline
from narration.hooks.deadline import Deadline


@pytest.fixture
def clocks(monkeypatch):
    """A wall clock and a monotonic one, moved by hand."""
    clocks = SimpleNamespace(wall=1_000_000.0, steady=50.0)
    monkeypatch.setattr(deadline, "time", SimpleNamespace(time=lambda: clocks.wall, monotonic=lambda: clocks.steady))
    return clocks


def test_it_is_over_when_both_clocks_say_so(clocks):
    until = Deadline.after(15)
    clocks.wall, clocks.steady = clocks.wall + 14.5, clocks.steady + 14.5
    assert not until.is_over
    assert until.left == pytest.approx(0.5)

    clocks.wall, clocks.steady = clocks.wall + 0.5, clocks.steady + 0.5

    assert until.is_over


def test_it_is_over_for_a_machine_that_was_suspended_and_whose_steady_clock_stood_still(clocks):
    until = Deadline.after(15)

    clocks.wall += 600

    assert until.is_over


def test_it_is_over_although_the_clock_of_the_wall_was_set_back(clocks):
    until = Deadline.after(15)

    clocks.wall, clocks.steady = clocks.wall - 3600, clocks.steady + 15

    assert until.is_over
