"""Polly's notice that a synthesis task is over, as it comes out of a queue; read without the AWS SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TASK_ID = re.compile(r"[a-zA-Z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Received:
    """
    One message as SQS handed it out.

    :param receipt: names this receipt of the message; by it the message is deleted or put back.
    :param body: what was sent.
    :param times: how often the message was handed out, this time included.
    :param sent: when it came into the queue, in seconds since the epoch by the clock of SQS.
    """

    receipt: str
    body: str
    times: int = 1
    sent: float | None = None


def task_of_notice(body: str) -> str | None:
    """
    Give the id of the synthesis task that a message is about, or None if it is no notice of Polly's.

    Understood are the envelope that SNS puts around a message, and the message by itself (*raw message delivery*).
    What else a notice says is not looked at: it differs from the API in names and letter case (``taskStatus`` is
    ``COMPLETED``), AWS does not document it, and only Polly itself is asked for the truth.
    """
    message = _object(body)
    if message is not None and "taskId" not in message and isinstance(message.get("Message"), str):
        message = _object(message["Message"])
    if message is None or "taskStatus" not in message:
        return None
    task_id = message.get("taskId")
    return task_id if isinstance(task_id, str) and _TASK_ID.fullmatch(task_id) else None


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
