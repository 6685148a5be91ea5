"""What Azure says about a synthesis job, in one shape for its three APIs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_redaction import LONGEST_CODE, plain, redacted

NOT_STARTED = "NotStarted"
RUNNING = "Running"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
_STATUSES = {status.lower(): status for status in (NOT_STARTED, RUNNING, SUCCEEDED, FAILED)}

#: An answer of Azure has five or so; more are an attempt at something.
_MOST_LEVELS = 50

SCRIPT = "LongAudioSynthesisScript"
RESULT = "LongAudioSynthesisResult"

_FRACTION = re.compile(r"(\.\d{6})\d+")
_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class AzureJob:
    """
    One synthesis job, as the service described it at one moment.

    :param api: the API that it was created with, and that alone knows it.
    :param job_id: its id: the client's choice (2024-04-01) or a GUID of the service.
    :param status: ``NotStarted``, ``Running``, ``Succeeded`` or ``Failed``. A job that succeeded may hold inputs that
        failed; see ``failed_audios``.
    :param display_name: as given by the client; 2024-04-01 has none.
    :param created_at: seconds since the epoch.
    :param last_action_at: seconds since the epoch; the time to live counts from here.
    :param billed_characters: billable characters, all kinds of voice together; None while the service does not say.
    :param succeeded_audios: inputs that became audio; Long Audio does not say.
    :param failed_audios: inputs that did not.
    :param duration_seconds: length of all its audio.
    :param error_code: why it failed, as a code.
    :param error_message: why it failed, in the service's words, of which the first 600 characters; without the query of
        any URL, because the service quotes what it was sent, and that may have been a signed one.
    :param result_url: signed URL of the result zip; empty while there is none and for Long Audio, whose results are
        files. A path without a host when a destination container was given.
    :param raw: everything that the service sent.
    """

    api: SynthesisApi
    job_id: str
    status: str
    display_name: str | None = None
    description: str | None = None
    created_at: float | None = None
    last_action_at: float | None = None
    billed_characters: int | None = None
    succeeded_audios: int | None = None
    failed_audios: int | None = None
    duration_seconds: float | None = None
    error_code: str = ""
    error_message: str = ""
    result_url: str = field(default="", repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self.status in {SUCCEEDED, FAILED}

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs, and counts against the limit of active jobs."""
        return not self.is_finished


@dataclass(frozen=True, kw_only=True)
class AzureFile:
    """
    One file of a Long Audio job.

    :param name: such as ``voicesynthesis_waves.zip``.
    :param kind: ``LongAudioSynthesisResult`` (the zip) or ``LongAudioSynthesisScript`` (the input).
    :param size: bytes.
    :param created_at: seconds since the epoch.
    :param url: signed URL, valid for 12 hours or what was asked for.
    """

    name: str
    kind: str
    size: int | None = None
    created_at: float | None = None
    url: str = field(default="", repr=False)


def parse_job(body: Mapping[str, Any], *, api: SynthesisApi) -> AzureJob:
    """
    Read a job in the shape of any of the three APIs, whatever the case of its keys.

    :raises ValueError: it has no id or no status, so it is not a job.
    """
    job = folded(body)
    properties = _mapping(job.get("properties"))
    outputs = _mapping(job.get("outputs"))
    error = _mapping(properties.get("error"))
    job_id, status = job.get("id"), job.get("status")
    if not isinstance(job_id, str) or not job_id or not isinstance(status, str):
        raise ValueError("the answer is JSON, but has no id and status, so it describes no job")
    return AzureJob(
        api=api,
        job_id=job_id,
        # Unknown words are kept: a status that is new to us is one that is not finished.
        status=_STATUSES.get(status.lower(), status),
        display_name=_text_or_none(job.get("displayname")),
        description=_text_or_none(job.get("description")),
        created_at=timestamp(job.get("createddatetime")),
        last_action_at=timestamp(job.get("lastactiondatetime")),
        billed_characters=_billed(properties),
        succeeded_audios=_whole(properties.get("succeededaudiocount")),
        failed_audios=_whole(properties.get("failedaudiocount")),
        duration_seconds=_seconds(properties),
        error_code=redacted(plain(error.get("code")), longest=LONGEST_CODE),
        error_message=redacted(plain(error.get("message"))),
        result_url=plain(outputs.get("result")),
        raw=body,
    )


def parse_file(body: Mapping[str, Any]) -> AzureFile:
    """Read one entry of a Long Audio job's files."""
    entry = folded(body)
    return AzureFile(
        name=plain(entry.get("name")),
        kind=plain(entry.get("kind")),
        size=_whole(_mapping(entry.get("properties")).get("size")),
        created_at=timestamp(entry.get("createddatetime")),
        url=plain(_mapping(entry.get("links")).get("contenturl")),
    )


def items(body: Any) -> list[Mapping[str, Any]]:
    """
    Take the entries out of a page of a list: ``value`` or ``values``, or the answer is the list itself.

    :raises ValueError: there are none, so it is not a page.
    """
    if isinstance(body, Mapping):
        page = {str(name).lower(): value for name, value in body.items()}
        body = page["value"] if isinstance(page.get("value"), list) else page.get("values")
    if not isinstance(body, list) or not all(isinstance(entry, Mapping) for entry in body):
        raise ValueError("the answer is JSON, but has no 'value' or 'values' with entries, so it is no page of a list")
    return body


def next_link(body: Any) -> str | None:
    """Take the address of the next page out of a page: ``nextLink`` or ``@nextLink``, or none."""
    if not isinstance(body, Mapping):
        return None
    page = {str(name).lower().lstrip("@"): value for name, value in body.items()}
    found = page.get("nextlink")
    return found if isinstance(found, str) and found else None


def folded(body: Any) -> dict[str, Any]:
    """
    Give a JSON object with the keys of all its levels in lower case: Azure is not consistent about them.

    :raises ValueError: it is no object, or nested more deeply than any answer of Azure.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the answer is JSON, but not an object")
    return _folded(body, levels=_MOST_LEVELS)


def _folded(body: Mapping[str, Any], *, levels: int) -> dict[str, Any]:
    if not levels:
        raise ValueError("the answer is JSON, but nested too deeply")
    return {
        str(name).lower(): _folded(value, levels=levels - 1) if isinstance(value, Mapping) else value
        for name, value in body.items()
    }


def timestamp(value: Any) -> float | None:
    """
    Read a time of Azure, as seconds since the epoch.

    2024-04-01 writes seven digits of fraction, and leaves the ``Z`` out of ``lastActionDateTime``: a time without a
    zone is UTC. The year 1 is how .NET writes that there is no time.
    """
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
    except ValueError:
        return None
    if not 1970 <= moment.year < 9999:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso_duration(value: Any) -> float | None:
    """Read an ISO 8601 duration such as ``PT5M57.252S``, as seconds; months and years do not occur."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found[part] for part in ("days", "hours", "minutes", "seconds")):
        return None
    days, hours, minutes, seconds = (float(found[part] or 0) for part in ("days", "hours", "minutes", "seconds"))
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return -total if found["sign"] else total


def _billed(properties: Mapping[str, Any]) -> int | None:
    # One number in Long Audio; in the other two one for each kind of voice, and their names changed once.
    if (single := _whole(properties.get("billablecharactercount"))) is not None:
        return single
    details = properties.get("billingdetails")
    if not isinstance(details, Mapping):
        return None
    return sum(number for value in details.values() if (number := _whole(value)) is not None)


def _seconds(properties: Mapping[str, Any]) -> float | None:
    if (milliseconds := _whole(properties.get("durationinmilliseconds"))) is not None:
        return milliseconds / 1000
    if (ticks := _whole(properties.get("durationinticks"))) is not None:
        return ticks / 10_000_000
    return iso_duration(properties.get("totalduration") or properties.get("duration"))


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    # JSON can write numbers that no arithmetic with fractions takes; a count is never that large.
    return number if abs(number) < 2**63 else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
