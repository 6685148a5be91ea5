"""What the blocks hand on about an Azure synthesis job, and what they raise while they wait for one."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError, AzureSpeechError, AzureSpeechThrottledError
from narration.hooks.azure_jobs import FAILED, AzureJob

if TYPE_CHECKING:
    import logging

    from narration.hooks.azure_speech import AzureSpeechHook

#: Codes of failures that lie in the request, so that the same request would fail again. Long Audio's code
#: InvalidVoiceSynthesis stands for any failure.
_REFUSAL = re.compile(
    r"(Invalid(?!VoiceSynthesis)|Bad(Request|Argument)|Unsupported|NotFound|NotAllowed)", re.IGNORECASE
)


class AzureJobFailedError(NarrationError):
    """The service failed the job; the message holds its reason."""


class AzureJobRefusedError(AzureJobFailedError, PermanentNarrationError):
    """The service failed the job for what was asked of it: a voice that there is not, SSML that is broken."""


class AzureJobsFailedError(PermanentNarrationError):
    """The service failed the job, and no other is bought in its place."""


class AzureWaitTimeoutError(NarrationError):
    """The job was not finished in the time allowed. It goes on at the service."""


class AzureWaitBrokenError(NarrationError):
    """The waiting broke off, not the job; another attempt goes on waiting."""


class AzureWaitRefusedError(PermanentNarrationError):
    """The service will not answer this connection about the job, or there is no such connection."""


def job_facts(job: AzureJob) -> dict[str, Any]:
    """
    Give a job as JSON types: what an operator or a sensor returns. It holds no signed URL.

    ``api`` and ``job_id`` are what the other blocks ask for. Times are ISO 8601 in UTC, ``duration_seconds`` is the
    length of all audio, ``billed_characters`` what the service counted; what it did not say is left out.
    """
    facts: dict[str, Any] = {
        "api": str(job.api),
        "job_id": job.job_id,
        "status": job.status,
        "display_name": job.display_name,
        "description": job.description,
        "created_at": _moment(job.created_at),
        "last_action_at": _moment(job.last_action_at),
        "billed_characters": job.billed_characters,
        "succeeded_audios": job.succeeded_audios,
        "failed_audios": job.failed_audios,
        "duration_seconds": job.duration_seconds,
        "error_code": job.error_code or None,
        "error_message": job.error_message or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def job_failed(facts: Mapping[str, Any]) -> AzureJobFailedError:
    """Say what the service says about a job that it failed; takes the job's :func:`job_facts`."""
    code, message = str(facts.get("error_code") or ""), facts.get("error_message")
    reason = ": ".join(str(part).rstrip(".") for part in (code, message) if part) or "no reason given"
    kind = AzureJobRefusedError if _REFUSAL.match(code) else AzureJobFailedError
    return kind(
        f"Azure failed job {facts.get('job_id')} ({facts.get('api')}): {reason}. Correct what the reason names; the "
        "job and its error report stay at the service until they are deleted or expire."
    )


def read_event(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Take the facts of a job that succeeded out of a trigger's event.

    :param event: what :class:`narration.triggers.azure_synthesis.AzureSynthesisTrigger` sent.
    :raises NarrationError: the class of this module that fits, if it did not succeed.
    """
    if not event:
        raise AzureWaitBrokenError("The trigger sent no event. Run the task again: it goes on with the same job.")
    status, message = event.get("status"), str(event.get("message", event))
    if status == "succeeded":
        return event["job"]
    if status == "failed":
        raise job_failed(event["job"])
    if status == "not_found":
        raise AzureJobNotFoundError(message)
    if status == "timeout":
        raise AzureWaitTimeoutError(message)
    if status == "refused":
        raise AzureWaitRefusedError(message)
    raise AzureWaitBrokenError(f"Waiting for Azure job {event.get('job_id')} broke off: {message}")


def timed_out(job_id: str, *, trouble: str = "") -> str:
    """Say that a job was not finished in time."""
    return (
        f"Azure job {job_id} was not finished in the time allowed.{trouble} It goes on at the service, which cannot "
        "cancel it; allow more time, or run again to go on waiting for the same job."
    )


def wait_for_job(
    hook: AzureSpeechHook,
    *,
    api: SynthesisApi,
    job_id: str,
    poll_interval: float,
    end_time: float,
    log: logging.Logger | Any,
) -> AzureJob:
    """
    Wait on this worker until a job is finished.

    Throttling and an unreachable service only lengthen the waiting.

    :param poll_interval: seconds between two looks.
    :param end_time: when to stop, in seconds since the epoch.
    :return: the job, succeeded.
    :raises AzureJobFailedError: the service failed it.
    :raises AzureWaitTimeoutError: the time is over.
    :raises narration.hooks.azure_errors.AzureJobNotFoundError: the service does not know it.
    """
    trouble, pause = "", poll_interval
    while True:
        try:
            job = hook.get_job(api=api, job_id=job_id)
        except AzureSpeechError as error:
            log.warning("Azure job %s: %s", job_id, error)
            trouble, pause = f" The last look failed: {error}", pause_after(error, poll_interval=poll_interval)
        else:
            log.info("Azure job %s is %s", job_id, job.status)
            trouble, pause = "", poll_interval
            if job.status == FAILED:
                raise job_failed(job_facts(job))
            if job.is_finished:
                return job
        left = end_time - time.time()
        if left <= 0:
            raise AzureWaitTimeoutError(timed_out(job_id, trouble=trouble))
        time.sleep(min(pause, left))


def pause_after(error: AzureSpeechError, *, poll_interval: float) -> float:
    """How many seconds to wait after a look that failed: as long as the service asks for, if it does."""
    asked = error.retry_after if isinstance(error, AzureSpeechThrottledError) else None
    return max(poll_interval, asked or 0)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
