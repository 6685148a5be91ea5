"""The calls of SNS and SQS: counted, and those of SQS refused when that was ordered."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from include.local_cloud.calls import CallCounter
from include.local_cloud.faults import Faults

SQS_OPERATIONS = (
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "SendMessage",
    "SendMessageBatch",
    "GetQueueUrl",
    "GetQueueAttributes",
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error as SQS words it: the type of the JSON protocol, and the code of the older one that clients go by."""

    status: str
    error_type: str
    query_code: str
    message: str


def _refusal(kind: str, *, operation: str) -> Refusal:
    if kind == "throttle":
        return Refusal(
            status="400 Bad Request",
            error_type="com.amazonaws.sqs#RequestThrottled",
            query_code="RequestThrottled;Sender",
            message="Request is throttled.",
        )
    if kind == "access_denied":
        action = f"sqs:{operation.removesuffix('Batch').lower()}"
        return Refusal(
            status="403 Forbidden",
            error_type="com.amazon.coral.service#AccessDeniedException",
            query_code="AccessDenied;Sender",
            message=f"User: arn:aws:iam::123456789012:user/local is not authorized to perform: {action} because no "
            f"identity-based policy allows the {action} action",
        )
    return Refusal(
        status="500 Internal Server Error",
        error_type="com.amazon.coral.service#InternalFailure",
        query_code="InternalFailure;Receiver",
        message="A failure that was ordered.",
    )


class MessagingCalls:
    """Stands before SNS and SQS. Its methods may be called from any thread.

    :param faults: what was ordered to go wrong.
    """

    def __init__(self, *, faults: Faults) -> None:
        self._faults = faults
        self._counter = CallCounter()
        self._turn = threading.Lock()

    def enter(self, *, service: str, operation: str) -> Refusal | None:
        """Count a call; the refusal that it gets, if one was ordered."""
        with self._turn:
            calls = self._counter.of(service=service, operation=operation)
            calls.calls += 1
            if service != "sqs":
                return None
            fault = self._faults.take(
                kinds=("throttle", "error_500", "access_denied"), service=service, operation=operation, text=None
            )
            if fault is None:
                return None
            if fault.kind == "throttle":
                calls.throttled += 1
            else:
                calls.errors += 1
            return _refusal(fault.kind, operation=operation)

    def report(self) -> dict[str, dict[str, dict[str, int]]]:
        """How often each operation was called, by service."""
        with self._turn:
            return self._counter.report()
