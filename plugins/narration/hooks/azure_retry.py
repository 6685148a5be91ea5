"""Which requests to Azure Speech are sent again by the hook itself, and when."""

from __future__ import annotations

from typing import Any

from tenacity import RetryCallState, retry_if_exception, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from narration.hooks.azure_errors import AzureActiveJobsError, AzureSpeechThrottledError, AzureUnreachableError
from narration.hooks.azure_wire import AzureRequest
from narration.hooks.deadline import Deadline

_THROTTLED_READS = 8
_THROTTLED_CREATES = 4
_BROKEN_CONNECTIONS = 3
#: A wait that is longer than this is left to the caller, who may defer (seconds).
LONGEST_WAIT = 60.0


def repeating(request: AzureRequest, *, until: Deadline | None = None) -> dict[str, Any]:
    """
    Give tenacity's arguments for one request.

    :param until: when it may be sent for the last time; ``None`` for any time.

    A refusal because of the rate is repeated, after the time that the service names: nothing was done. A connection
    that broke is tried again unless the request buys: then nobody knows, and the caller must look first. All else is
    the caller's to decide.
    """

    def is_repeated(error: BaseException) -> bool:
        if isinstance(error, AzureActiveJobsError):
            return False
        if isinstance(error, AzureSpeechThrottledError):
            wait = error.retry_after or 0.0
            return wait <= LONGEST_WAIT and (until is None or wait < until.left)
        return isinstance(error, AzureUnreachableError) and not request.creates

    return {
        "retry": retry_if_exception(is_repeated),
        "wait": _Wait(),
        "stop": _Stop(creates=request.creates),
        "reraise": True,
    }


class _Wait(wait_base):
    """As long as the service says, or else longer each time and for a random part of it."""

    _throttled = wait_random_exponential(multiplier=0.5, max=20)
    _broken = wait_random_exponential(multiplier=0.2, max=5)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = _error(retry_state)
        if not isinstance(error, AzureSpeechThrottledError):
            return self._broken(retry_state)
        return self._throttled(retry_state) if error.retry_after is None else error.retry_after


class _Stop(stop_base):
    def __init__(self, *, creates: bool) -> None:
        self._throttled = _THROTTLED_CREATES if creates else _THROTTLED_READS

    def __call__(self, retry_state: RetryCallState) -> bool:
        throttled = isinstance(_error(retry_state), AzureSpeechThrottledError)
        return retry_state.attempt_number >= (self._throttled if throttled else _BROKEN_CONNECTIONS)


def _error(retry_state: RetryCallState) -> BaseException | None:
    return retry_state.outcome.exception() if retry_state.outcome else None
