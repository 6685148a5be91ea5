"""From an answer that is not a success to the exception that says what it means and what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureConflictError,
    AzureFault,
    AzureJobInUseError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechAuthError,
    AzureSpeechError,
    AzureSpeechRefusedError,
    AzureSpeechThrottledError,
    AzureStoredJobsError,
)
from narration.hooks.azure_jobs import folded, timestamp
from narration.hooks.azure_redaction import LONGEST_CODE, plain, redacted

if TYPE_CHECKING:
    from narration.hooks.azure_wire import AzureAnswer, AzureRequest

#: No service asks to wait for longer (seconds); what says so, or says for ever, is not taken at its word.
_LONGEST_RETRY_AFTER = 86_400.0

_TIER_CODES = frozenset({"skulimitsexist"})
_REGION_CODES = frozenset({"subscriptionnotfound"})
_IN_USE_CODES = frozenset({"inuseviolation", "deletenotallowed"})
_CONFLICT_CODES = frozenset({"conflict"})
_QUOTA_CODES = frozenset({"quotaviolation"})

# Read only where the documents give no code, or where one code stands for two things.
_TIER_WORDS = re.compile(r"\bF0\b|\bstandard\b.{0,60}\bsubscription|pricing tier|free tier", re.IGNORECASE | re.DOTALL)
_REGION_WORDS = re.compile(
    r"not (?:enabled|available|supported)\b.{0,60}\bregion|unsupported region", re.IGNORECASE | re.DOTALL
)
_ACTIVE_WORDS = re.compile(r"\bactive\b|\bconcurrent|\brunning jobs\b", re.IGNORECASE)
_LIMIT_WORDS = re.compile(r"\blimit|exceed|\b200\b|\b300\b", re.IGNORECASE)
_STORED_WORDS = re.compile(r"\b20,?000\b.{0,40}(?:request|limit|synthes)", re.IGNORECASE | re.DOTALL)
_IN_USE_WORDS = re.compile(
    r"in use|can(?:not|'t) be (?:deleted|removed)|only (?:be )?delete|not (?:started|completed|finished)|\brunning\b",
    re.IGNORECASE,
)
_EXISTS_WORDS = re.compile(r"already|exists|\bunique\b|duplicate|conflict|in use", re.IGNORECASE)
_ID_WORDS = re.compile(r"\bid\b|synthesis", re.IGNORECASE)

_KEY_REMEDY = (
    "Check that the key in the connection is one of the resource's two (Azure portal, Keys and Endpoint) and that the "
    "region in the connection is the resource's own; with Microsoft Entra ID, that the identity has the role Cognitive "
    "Services Speech User or Speech Contributor on the resource."
)
_REMEDIES = {
    "noutf8withbom": "The script must be UTF-8 with a byte-order mark.",
    "invalidlocale": "Give the locale of the voice, such as en-US.",
    "invalidmodel": "Choose a voice that the list of voices of this region has.",
    "modeldeploymentnotcompletestate": "Finish deploying the custom voice, then try again.",
    "invalidsasvalidityduration": "Ask for a shorter validity of the signed URLs.",
    "inaccessiblecustomerstorage": (
        "Give a signed URL of the destination container that can write and list, lives for hours and began in the past."
    ),
    "unsupportedmediatype": "Send the script as one plain text file.",
}


@dataclass(frozen=True, kw_only=True)
class ErrorBody:
    """
    An error in any of Azure's three shapes.

    :param codes: from the outermost to the innermost, in lower case, for comparing.
    :param code: the outermost, as it was written.
    :param inner_code: the innermost, as it was written; empty if there is only one.
    :param message: what all levels say, without repetition.
    :param is_azure: whether the body had one of the shapes at all.
    """

    codes: frozenset[str] = frozenset()
    code: str = ""
    inner_code: str = ""
    message: str = ""
    is_azure: bool = False


def parse_error(content: bytes) -> ErrorBody:
    """
    Read the body of an error: flat ``code``, ``message``, ``innerError``; the same wrapped in ``error``; or
    ProblemDetails with ``errors``. The case of the keys does not matter, and any of them may be null.
    """
    try:
        body = folded(json.loads(content))
    except (ValueError, RecursionError):
        return ErrorBody()
    if isinstance(body.get("errors"), Mapping):
        fields = (f"{name}: {' '.join(map(plain, _listed(text)))}" for name, text in body["errors"].items())
        title = plain(body.get("title")) or "The request is not valid."
        return ErrorBody(code="ValidationProblem", message=_joined([title, *fields]), is_azure=True)
    level: Any = body["error"] if isinstance(body.get("error"), Mapping) else body
    codes: list[str] = []
    messages: list[str] = []
    while isinstance(level, Mapping) and len(codes) < 10:
        if not (level.get("code") or level.get("message")):
            break
        codes.append(plain(level.get("code")))
        messages.append(plain(level.get("message")))
        for detail in _listed(level.get("details")):
            if isinstance(detail, Mapping):
                messages.append(plain(folded(detail).get("message")))
        level = level.get("innererror")
    given = [code for code in codes if code]
    return ErrorBody(
        codes=frozenset(code.lower() for code in given),
        code=given[0] if given else "",
        inner_code=given[-1] if len(given) > 1 else "",
        message=_joined(messages),
        is_azure=bool(codes),
    )


def refusal(request: AzureRequest, answer: AzureAnswer) -> AzureFault:
    """Give the exception for an answer that is not a success."""
    error = parse_error(answer.content)
    kind, remedy = _sorted(request, answer, error)
    said = redacted(error.message, request.secrets) or ("no message" if error.is_azure else answer.looks_like)
    code, inner_code = (
        redacted(each, request.secrets, longest=LONGEST_CODE) for each in (error.code, error.inner_code)
    )
    codes = "/".join(filter(None, [code, inner_code]))
    # What is wrong with a request is wrong at every resource; all else depends on which one it was.
    payer = "" if issubclass(kind, AzureSpeechRefusedError) else request.payer
    text = f"Azure Speech{payer} answered {answer.status} to {request.what}" + (f" ({codes})" if codes else "")
    facts: dict[str, Any] = {
        "status": answer.status,
        "code": code,
        "inner_code": inner_code,
        "message": said,
        "remedy": remedy,
    }
    if issubclass(kind, AzureSpeechThrottledError):
        facts["retry_after"] = retry_after(answer)
    return kind(f"{text}: {said.rstrip('.')}. {remedy}".rstrip(), **facts)


def _sorted(request: AzureRequest, answer: AzureAnswer, error: ErrorBody) -> tuple[type[AzureFault], str]:
    status = answer.status
    bought_nothing = "Nothing was bought. " if request.creates else ""
    if status == 429:
        return _throttled(request, error)
    if status == 401:
        return AzureSpeechAuthError, bought_nothing + _KEY_REMEDY
    if 300 <= status < 400 or status in {407, 408} or status >= 500:
        return _by_somebody_else(request, answer)
    if not error.is_azure and answer.is_markup and status != 413:
        # A page for people: a proxy or a gateway has answered, and nobody knows what the service did.
        return _by_somebody_else(request, answer)
    if request.creates and (error.codes & _REGION_CODES or _REGION_WORDS.search(error.message)):
        return AzureSpeechAuthError, "Nothing was bought. Use the key of a Speech resource in a region with this API."
    if status == 403 or error.codes & _TIER_CODES or _TIER_WORDS.search(error.message):
        tier = status != 403 or bool(_TIER_WORDS.search(error.message))
        return AzureSpeechAuthError, bought_nothing + (
            "Long texts need a Speech resource of the pricing tier Standard (S0); use the key of one."
            if tier
            else _KEY_REMEDY
        )
    if request.deletes:
        return _not_deleted(status, error)
    if request.creates:
        return _not_created(request, status, error)
    # 204 is the preview's way, and perhaps that of 2024-04-01, of saying that there is no such job.
    if status in {204, 404}:
        return AzureJobNotFoundError, request.if_not_found
    return AzureSpeechRefusedError, _remedy(error)


def _throttled(request: AzureRequest, error: ErrorBody) -> tuple[type[AzureFault], str]:
    by_word = request.api is SynthesisApi.LONG_AUDIO and _ACTIVE_WORDS.search(error.message)
    if request.creates and (error.codes & _QUOTA_CODES or by_word):
        return AzureActiveJobsError, "Nothing was bought. Wait until some of the resource's jobs have finished."
    return AzureSpeechThrottledError, (
        "Nothing was done and nothing was bought. It passes by itself; if it does not, something else uses the same "
        "resource, or 'quotas' in the connection allow more than the resource has."
    )


def _by_somebody_else(request: AzureRequest, answer: AzureAnswer) -> tuple[type[AzureFault], str]:
    if request.creates:
        return AzureReplyLostError, "The job may have been accepted, and billed: look for it before creating it again."
    if 300 <= answer.status < 400:
        return AzureSpeechError, (
            "Redirects are not followed, because the key would be sent along: check the address in the connection and "
            "the proxy of this machine."
        )
    return AzureSpeechError, "Try again later."


def _not_deleted(status: int, error: ErrorBody) -> tuple[type[AzureFault], str]:
    if status == 404:
        return AzureJobNotFoundError, "There is nothing to delete."
    if status == 409 or error.codes & _IN_USE_CODES or _IN_USE_WORDS.search(error.message):
        return AzureJobInUseError, "A job can be deleted once it has succeeded or failed; wait for it."
    return AzureSpeechRefusedError, _remedy(error)


def _not_created(request: AzureRequest, status: int, error: ErrorBody) -> tuple[type[AzureFault], str]:
    at_limit = bool(error.codes & _QUOTA_CODES)
    if request.api is SynthesisApi.LONG_AUDIO:
        if at_limit or _STORED_WORDS.search(error.message):
            return AzureStoredJobsError, (
                "Nothing was bought. The service keeps 20,000 jobs and deletes none by itself: run the azure_retention "
                "Dag, which removes those whose audio is safely stored."
            )
    elif at_limit or (_ACTIVE_WORDS.search(error.message) and _LIMIT_WORDS.search(error.message)):
        return AzureActiveJobsError, "Nothing was bought. Wait until some of the resource's jobs have finished."
    if request.api is SynthesisApi.BATCH and (
        status == 409 or error.codes & _CONFLICT_CODES or _names_existing_job(request, error)
    ):
        return AzureConflictError, "A job of this id may exist already: ask for it, and adopt it if it is the same."
    return AzureSpeechRefusedError, "Nothing was bought. " + _remedy(error)


def _names_existing_job(request: AzureRequest, error: ErrorBody) -> bool:
    is_about_id = request.job_id in error.message or _ID_WORDS.search(error.message)
    return bool(is_about_id and _EXISTS_WORDS.search(error.message))


def _remedy(error: ErrorBody) -> str:
    for code in error.codes:
        if code in _REMEDIES:
            return _REMEDIES[code]
    return "Correct what the message names; another attempt would be refused the same way."


def retry_after(answer: AzureAnswer) -> float | None:
    """Give the seconds that a throttled client is asked to wait: ``Retry-After``, or else ``X-RateLimit-Reset``."""
    now = _http_date(answer.headers.get("date")) or datetime.now(UTC).timestamp()
    if value := answer.headers.get("retry-after", "").strip():
        try:
            return _bounded(float(value))
        except ValueError:
            until = _http_date(value)
    else:
        until = timestamp(answer.headers.get("x-ratelimit-reset"))
    return None if until is None else _bounded(until - now)


def _bounded(seconds: float) -> float | None:
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _http_date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _joined(messages: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(message.strip() for message in messages if message.strip()))
