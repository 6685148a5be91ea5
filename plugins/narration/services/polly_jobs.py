"""Polly's synthesis tasks seen as jobs of the paid-job protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from narration.errors import NarrationError
from narration.hooks.polly import PollyHook
from narration.synthesis.reconcile import Job, JobState

_STATES = {
    "scheduled": JobState.ACTIVE,
    "inProgress": JobState.ACTIVE,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}


def clip_key_of(output_uri: str) -> str:
    """The clip key in an ``OutputUri``: the part of the object's name before the first dot."""
    _, key = PollyHook.parse_output_uri(output_uri)
    return PurePosixPath(key).name.split(".")[0]


def job_of(task: Mapping[str, Any]) -> Job | None:
    try:
        key = clip_key_of(task["OutputUri"])
    except (KeyError, NarrationError):
        return None
    return job_with_keys(task, (key,)) if key else None


def job_with_keys(task: Mapping[str, Any], keys: tuple[str, ...]) -> Job:
    return Job(
        job_id=task["TaskId"],
        clip_keys=keys,
        # A status that is newer than this code is something that is not over yet.
        state=_STATES.get(task.get("TaskStatus", ""), JobState.ACTIVE),
        reason=task.get("TaskStatusReason", ""),
        created_at=timestamp(task.get("CreationTime")),
        output=task.get("OutputUri", ""),
        characters=task.get("RequestCharacters"),
    )


def timestamp(value: datetime | None) -> float | None:
    return None if value is None else value.timestamp()
