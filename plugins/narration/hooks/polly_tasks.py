"""What Polly says about a synthesis task, read without the AWS SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from narration.errors import NarrationError
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyRefusedError,
    PollyTaskFailedError,
    PollyTaskNotFoundError,
    PollyUnavailableError,
    PollyWaitTimeoutError,
)

COMPLETED = "completed"
FAILED = "failed"
#: How long Polly answers for a task after it was started.
REMEMBERED_HOURS = 72
#: How long Polly's answer about a task may lag behind its start: within it, not to be known means nothing.
UNSEEN_SECONDS = 300

_OUTPUT_HOST = re.compile(r"s3[.-](?:[a-z0-9-]+\.)*amazonaws\.(?:com|com\.cn|eu)", re.IGNORECASE)

_FACTS = {
    "task_id": "TaskId",
    "task_status": "TaskStatus",
    "task_status_reason": "TaskStatusReason",
    "output_uri": "OutputUri",
    "request_characters": "RequestCharacters",
    "voice_id": "VoiceId",
    "engine": "Engine",
    "language_code": "LanguageCode",
    "output_format": "OutputFormat",
    "sample_rate": "SampleRate",
    "text_type": "TextType",
    "lexicon_names": "LexiconNames",
    "speech_mark_types": "SpeechMarkTypes",
    "sns_topic_arn": "SnsTopicArn",
}


def task_facts(task: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give Polly's ``SynthesisTask`` as JSON types under snake_case names: what an operator returns.

    What Polly left out is left out here. ``creation_time`` is ISO 8601 with its offset.
    """
    facts = {name: task[member] for name, member in _FACTS.items() if task.get(member) is not None}
    if task.get("CreationTime") is not None:
        facts["creation_time"] = task["CreationTime"].isoformat()
    return facts


def task_failed(task: Mapping[str, Any]) -> PollyTaskFailedError:
    """Say what Polly says about a task that it failed; takes a ``SynthesisTask`` or :func:`task_facts` of one."""
    facts = task if "task_id" in task else task_facts(task)
    reason = str(facts.get("task_status_reason") or "no reason given").rstrip(".")
    return PollyTaskFailedError(
        f"Polly failed task {facts['task_id']}: {reason}. Nothing is at "
        f"{facts.get('output_uri', 'its output location')}. Correct what the reason names (often the bucket or the "
        "permission to write to it)."
    )


def read_event(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Take the facts of a completed task out of a trigger's event.

    :param event: what :class:`narration.triggers.polly.PollySpeechSynthesisTaskTrigger` sent.
    :raises NarrationError: the class of :mod:`narration.hooks.polly_errors` that fits, if it was not completed.
    """
    if not event:
        raise PollyUnavailableError("The trigger sent no event. Run the task again: it adopts what it had started.")
    status, message = event.get("status"), str(event.get("message", event))
    if status == COMPLETED:
        return event["task"]
    raise _why_not(status, message, event)


def _why_not(status: str | None, message: str, event: Mapping[str, Any]) -> NarrationError:
    if status == FAILED:
        return task_failed(event["task"])
    if status == "not_found":
        return PollyTaskNotFoundError(f"Polly task {event.get('task_id')}: {message}")
    if status == "timeout":
        return PollyWaitTimeoutError(
            f"{message} It goes on at Polly, which cannot cancel it; allow more time, or run again to adopt it."
        )
    if status == "refused":
        return PollyRefusedError(message)
    return PollyUnavailableError(f"Waiting for Polly task {event.get('task_id')} broke off: {message}")


def parse_output_uri(uri: str) -> tuple[str, str]:
    """
    Split the place that Polly reports into bucket and key; the place is never computed.

    Polly reports ``https://s3.<region>.amazonaws.com/<bucket>/<key>`` (``.com.cn`` in China) with the key
    percent-encoded, and ``s3://<bucket>/<key>`` in its SNS messages.

    :raises PollyArgumentError: for anything else, a virtual-hosted address included, because reading the wrong
        part as the bucket would look for the audio in somebody else's.
    """
    scheme, separator, rest = uri.partition("://")
    bucket = key = ""
    if separator and scheme == "s3":
        bucket, _, key = rest.partition("/")
    elif separator and scheme == "https":
        # Not urlsplit: '?' is a character that Polly allows in a key.
        host, _, path = rest.partition("/")
        if _OUTPUT_HOST.fullmatch(host):
            bucket, _, encoded_key = path.partition("/")
            key = unquote(encoded_key)
    if not bucket or not key:
        raise PollyArgumentError(
            f"{uri!r} is not an output location of Polly; expected "
            "https://s3.<region>.amazonaws.com/<bucket>/<key> or s3://<bucket>/<key>."
        )
    return bucket, key
