"""What an answer of Azure Speech says, or what it means that there is none; the same for either HTTP client."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureReplyLostError,
    AzureSpeechError,
    AzureUnreachableError,
    AzureUrlExpiredError,
)
from narration.hooks.azure_jobs import AzureFile, AzureJob, folded, items, next_link, parse_file, parse_job
from narration.hooks.azure_refusals import refusal
from narration.hooks.azure_wire import AzureAnswer, AzureRequest, reason


def read_job(request: AzureRequest, answer: AzureAnswer, *, api: SynthesisApi) -> AzureJob:
    """
    Read an answer that describes a job.

    :raises AzureFault: the class of :mod:`narration.hooks.azure_errors` that fits.
    """
    _expect_success(request, answer)
    body = _read_json(request, answer)
    try:
        return parse_job(body, api=api)
    except ValueError as error:
        _unreadable(request, answer, str(error))


def read_location(request: AzureRequest, answer: AzureAnswer) -> str:
    """Read the id of a job that was accepted: the last part of ``Location``, or the entity's own."""
    _expect_success(request, answer)
    try:
        job_id = urlsplit(answer.headers.get("location", "")).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        job_id = ""
    if job_id:
        return job_id
    if answer.content:
        return read_job(request, answer, api=request.api or SynthesisApi.LONG_AUDIO).job_id
    _unreadable(request, answer, "the answer has no Location, so it does not say which job it is")


def read_page(
    request: AzureRequest, answer: AzureAnswer, *, api: SynthesisApi
) -> tuple[list[AzureJob], AzureRequest | None]:
    """Read a page of a list of jobs, and give the request for the next one."""
    _expect_success(request, answer)
    body = _read_json(request, answer)
    try:
        jobs = [parse_job(entry, api=api) for entry in items(body)]
    except ValueError as error:
        _unreadable(request, answer, str(error))
    return jobs, _next_page(request, answer, body)


def _next_page(request: AzureRequest, answer: AzureAnswer, body: Any) -> AzureRequest | None:
    """
    Follow the address that the service gives; it is never built here.

    :raises AzureSpeechError: it is on another host, which must not be shown the key, or it is a page that was read.
    """
    link = next_link(body)
    if link is None:
        return None
    try:
        url = urljoin(request.url, link)
        here, there = urlsplit(request.url), urlsplit(url)
    except ValueError:
        _unreadable(request, answer, "the address of its next page cannot be read")
    if (here.scheme, here.netloc.lower()) != (there.scheme, there.netloc.lower()):
        raise AzureSpeechError(
            f"{request.what.capitalize()} goes on at another host, {there.hostname!r}, where the key is not sent. "
            "Check the address in the connection and whatever stands between this machine and Azure."
        )
    if url == request.url or url in request.pages:
        raise AzureSpeechError(
            f"{request.what.capitalize()} leads back to a page that was read already, so it would never end. Try again."
        )
    return replace(request, url=url, params={}, pages=request.pages | {url})


def read_entries(request: AzureRequest, answer: AzureAnswer) -> tuple[list[dict[str, Any]], AzureRequest | None]:
    """Read a page of a list of anything, in its own words, and give the request for the next one."""
    _expect_success(request, answer)
    body = _read_json(request, answer)
    try:
        entries = [dict(entry) for entry in items(body)]
    except ValueError as error:
        _unreadable(request, answer, str(error))
    return entries, _next_page(request, answer, body)


def read_files(request: AzureRequest, answer: AzureAnswer) -> list[AzureFile]:
    """Read the files of a Long Audio job."""
    entries, _ = read_entries(request, answer)
    try:
        return [parse_file(entry) for entry in entries]
    except ValueError as error:
        _unreadable(request, answer, str(error))


def read_object(request: AzureRequest, answer: AzureAnswer) -> dict[str, Any]:
    """Read an object, in its own words."""
    _expect_success(request, answer)
    body = _read_json(request, answer)
    try:
        folded(body)
    except ValueError as error:
        _unreadable(request, answer, str(error))
    return dict(body)


def read_deleted(request: AzureRequest, answer: AzureAnswer) -> bool:
    """Read whether a job was deleted; 204 of the two batch APIs may also mean that there was none."""
    if answer.status == 404 and not answer.is_markup:
        return False
    if not answer.content and answer.status in {200, 202, 204}:
        return True
    if 200 <= answer.status < 300:
        _unreadable(request, answer, "a deletion is answered with nothing")
    raise refusal(request, answer)


def _expect_success(request: AzureRequest, answer: AzureAnswer) -> None:
    if not 200 <= answer.status < 300 or (answer.status == 204 and not request.creates):
        raise refusal(request, answer)


def _read_json(request: AzureRequest, answer: AzureAnswer) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        _unreadable(request, answer, f"the body is not JSON but {answer.looks_like}")


def _unreadable(request: AzureRequest, answer: AzureAnswer, why: str) -> NoReturn:
    raise unreadable(request, answer.status, why)


def unreadable(request: AzureRequest, status: int, why: str) -> AzureSpeechError:
    """Give the exception for an answer that came and is not one of Azure."""
    text = f"Something answered {status} to {request.what}, but {why}"
    if request.creates:
        return AzureReplyLostError(
            f"{text}. The job may have been accepted, and billed: look for it before creating it again.",
            status=status,
        )
    return AzureSpeechError(f"{text}. A proxy may have answered in its place; try again.", status=status)


# ---- no answer


def unsent(request: AzureRequest, why: str) -> AzureUnreachableError:
    """Give the exception for a request that did not leave."""
    return AzureUnreachableError(
        f"{urlsplit(request.url).netloc} cannot be reached for {request.what} ({why}). Nothing was sent. Check the "
        f"network and {request.address}."
    )


def unanswered(request: AzureRequest, why: str) -> AzureSpeechError:
    """Give the exception for a request that may have arrived and got no answer."""
    if request.creates:
        return AzureReplyLostError(
            f"The answer of Azure Speech{request.payer} to {request.what} was lost ({why}). The job may have been "
            "accepted, and billed: look for it before creating it again."
        )
    return AzureUnreachableError(f"Azure Speech{request.payer} did not answer {request.what} ({why}). Try again.")


def url_refused(status: int, place: str) -> AzureUrlExpiredError:
    """Give the exception for a signed URL that the storage does not accept."""
    return AzureUrlExpiredError(
        f"The signed URL of {place} is not accepted ({reason(status)}): it has expired, or the job was deleted with "
        "its audio. Ask for a fresh one.",
        status=status,
    )


def url_refused_again(error: AzureUrlExpiredError, *, job_id: str, host: str) -> AzureUrlExpiredError:
    """Give the exception for when a fresh signed URL was not accepted either."""
    return AzureUrlExpiredError(
        f"Two fresh signed URLs of the result of job {job_id!r} were refused, one after the other (the last with "
        f"{reason(error.status or 0)}). Check the clock of this machine, whatever stands between it and {host} (a "
        "firewall of the storage, a proxy that caches), and whether the job was deleted meanwhile. Then run the task "
        "again: it is free.",
        status=error.status,
    )


def shown_url(url: str) -> str:
    """Give what may be shown of a signed URL: scheme, host and file name."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what should be an address and cannot be read as one"
    name = parts.path.rstrip("/").rpartition("/")[2]
    return f"{parts.scheme}://{parts.hostname or ''}/…/{name}"
