from __future__ import annotations

import pytest

from narration.hooks.polly_errors import PollyReplyLostError, PollyThrottledError, PollyUnavailableError
from narration.hooks.polly_retry import repeating_throttled


def _start(*outcomes):
    """A start that does these things in turn, and how often it was called."""
    calls = []

    def start(**arguments):
        calls.append(arguments)
        outcome = outcomes[len(calls) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return start, calls


def test_a_throttled_start_is_sent_again_with_the_same_arguments():
    start, calls = _start(PollyThrottledError("slow down"), PollyThrottledError("slow down"), "task")

    assert repeating_throttled(attempts=5, longest_wait=0)(start, Text="Hello") == "task"
    assert calls == [{"Text": "Hello"}] * 3


@pytest.mark.parametrize("error", [PollyReplyLostError("lost"), PollyUnavailableError("no route")])
def test_a_start_that_may_have_been_bought_is_not(error):
    start, calls = _start(error)

    with pytest.raises(type(error)):
        repeating_throttled(attempts=5, longest_wait=0)(start)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("limit", "expected"), [({"attempts": 3}, 3), ({"seconds": 0}, 1), ({"attempts": 3, "seconds": 0}, 1)]
)
def test_it_gives_up_with_polly_s_own_refusal(limit, expected):
    start, calls = _start(*[PollyThrottledError("slow down")] * 4)

    with pytest.raises(PollyThrottledError, match="slow down"):
        repeating_throttled(longest_wait=0, **limit)(start)
    assert len(calls) == expected


def test_each_wait_is_announced():
    start, _ = _start(PollyThrottledError("slow down"), "task")
    told = []

    repeating_throttled(longest_wait=0, before_sleep=lambda state: told.append(state.attempt_number))(start)

    assert told == [1]
