"""How often a throttled start is sent again: the one refusal after which nothing can have been bought."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    stop_never,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from narration.hooks.polly_errors import PollyThrottledError


def repeating_throttled(
    *,
    attempts: int | None = None,
    seconds: float | None = None,
    longest_wait: float = 20,
    before_sleep: Callable[[RetryCallState], None] | None = None,
) -> Retrying:
    """
    Repeat a start that Polly throttled, waiting longer each time and for a random part of it.

    Only :class:`narration.hooks.polly_errors.PollyThrottledError` is repeated: after any other fault the task may
    have been accepted, and billed. Call the result with a function and its arguments, or go through it as tenacity's
    ``Retrying`` is gone through. The last refusal is raised as it is.

    :param attempts: give up after so many; with ``seconds`` too, after what comes first.
    :param seconds: give up after so long; without either it never ends.
    :param longest_wait: upper bound of one wait (seconds).
    :param before_sleep: told before each wait.
    """
    stop: stop_base = stop_never
    if attempts is not None:
        stop = stop_after_attempt(attempts)
    if seconds is not None:
        stop = stop_any(stop, stop_after_delay(seconds))
    return Retrying(
        retry=retry_if_exception_type(PollyThrottledError),
        wait=wait_random_exponential(multiplier=1, max=longest_wait),
        stop=stop,
        before_sleep=before_sleep,
        reraise=True,
    )
