"""Finding Azure jobs by their display names, in lists that have no filter and may be 20,000 entries long."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from narration.services.azure_listing import newest_jobs
from narration.synthesis.keys import digest

# How far back a list is read again, for jobs that it shows late and for clocks that differ.
_OVERLAP_SECONDS = 600.0


@dataclass(kw_only=True)
class _Remembered:
    """
    What this machine has seen of a resource's list: a short cut through it, never the answer itself.

    :param until: every job that was created before this moment (seconds since the epoch) is among them.
    :param length: how long the list was.
    :param ids: job ids by display name.
    """

    until: float = 0.0
    length: int = 0
    ids: dict[str, list[str]] = field(default_factory=dict)


def jobs_named(
    hook: AzureSpeechHook, *, api: SynthesisApi, names: Collection[str], prefix: str
) -> Iterator[tuple[str, AzureJob]]:
    """
    Find the jobs that carry one of some display names, as they stand now, with those names.

    The whole list is gone through once for each machine and resource. After that only what is new is read, and a job
    that was seen before is asked for by its id: three hundred orders that look for their jobs one after the other
    read a long list once and not three hundred times.

    :param prefix: what all names begin with that anybody here may ever look for.
    """
    file = _file(hook, api=api)
    remembered = _read(file)
    jobs: Iterable[AzureJob]
    if remembered is None:
        remembered = _Remembered()
        jobs = hook.list_jobs(api=api)
        counted = True
    else:
        reading = newest_jobs(hook, api=api, since=remembered.until - _OVERLAP_SECONDS, length=remembered.length)
        remembered.length = reading.length
        jobs = reading.jobs
        counted = False
    seen: set[str] = set()
    for job in jobs:
        remembered.length += counted
        remembered.until = max(remembered.until, job.created_at or 0.0)
        name = job.display_name or ""
        if not name.startswith(prefix) or job.job_id in seen:
            continue
        if job.job_id not in remembered.ids.setdefault(name, []):
            remembered.ids[name].append(job.job_id)
        if name in names:
            seen.add(job.job_id)
            yield name, job
    remembered.until = min(remembered.until, time.time())
    _write(file, remembered)
    for name in sorted(names):
        for job_id in remembered.ids.get(name, ()):
            if job_id not in seen:
                with suppress(AzureJobNotFoundError):
                    yield name, hook.get_job(api=api, job_id=job_id)


def _file(hook: AzureSpeechHook, *, api: SynthesisApi) -> Path:
    folder = Path(tempfile.gettempdir()) / f"narration-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"jobs-{digest({'account': hook.account, 'api': api.value})[:16]}.json"


def _read(file: Path) -> _Remembered | None:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        ids = {str(name): [str(job_id) for job_id in found] for name, found in data["ids"].items()}
        return _Remembered(until=float(data["until"]), length=int(data["length"]), ids=ids)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not there yet, or cut off with the machine: then the list is gone through from its beginning.
        return None


def _write(file: Path, remembered: _Remembered) -> None:
    partial = file.with_suffix(f".{os.getpid()}")
    # A full disk makes the next look slower, and nothing worse.
    with suppress(OSError):
        partial.write_text(json.dumps(asdict(remembered)), encoding="utf-8")
        partial.replace(file)
