"""Finding Azure jobs by their display names, in lists that have no filter and may be 20,000 entries long."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import BinaryIO

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.machine import shared_folder, writing
from narration.services.azure_listing import read_since
from narration.synthesis.keys import digest

# How far back a list is read again, for jobs that it shows late and for clocks that differ.
_OVERLAP_SECONDS = 600.0
_NEWEST_KEPT = 20


@dataclass(kw_only=True)
class _Remembered:
    """
    What this machine has seen of a resource's list: a short cut through it, never the answer itself.

    :param until: every job that was created before this moment (seconds since the epoch) is among them.
    :param length: how long the list was.
    :param ids: job ids by display name.
    :param newest: when the newest jobs were created, by job id.
    :param reading: number of the reading that saw it.
    """

    until: float = 0.0
    length: int = 0
    ids: dict[str, list[str]] = field(default_factory=dict)
    newest: dict[str, float] = field(default_factory=dict)
    reading: int = 0


def jobs_named(
    hook: AzureSpeechHook, *, api: SynthesisApi, names: Collection[str], prefix: str
) -> Iterator[tuple[str, AzureJob]]:
    """
    Find the jobs that carry one of some display names, as they stand now, with those names.

    The whole list is gone through once for each machine and resource. After that only what is new is read, and a job
    that was seen before is asked for by its id: three hundred orders that look for their jobs one after the other
    read a long list once and not three hundred times. Of those that look at the same time one reads, and the others
    take what it saw.

    :param prefix: what all names begin with that anybody here may ever look for.
    """
    file = _file(hook, api=api)
    begun = _readings_begun(file)
    seen: dict[str, tuple[str, AzureJob]] = {}

    def see(job: AzureJob) -> None:
        name = job.display_name or ""
        if name in names:
            seen[job.job_id] = name, job

    with _locked(file) as lock:
        remembered = _read(file) or _Remembered()
        # A reading that began after this look did says all that another one would.
        is_read_here = remembered.reading <= begun
        if is_read_here:
            _begin(lock, remembered)
            _bring_up_to_date(remembered, hook, api=api, prefix=prefix, see=see)
            _write(file, remembered)
    yield from seen.values()
    gone: set[str] = set()
    for name in sorted(names):
        for job_id in remembered.ids.get(name, ()):
            if job_id not in seen:
                try:
                    job = hook.get_job(api=api, job_id=job_id)
                except AzureJobNotFoundError:
                    gone.add(job_id)
                else:
                    yield name, job
    if gone and is_read_here:
        # The list was just shown, without them: so it is not that this resource cannot be asked.
        _forget(file, gone)


def _bring_up_to_date(
    remembered: _Remembered,
    hook: AzureSpeechHook,
    *,
    api: SynthesisApi,
    prefix: str,
    see: Callable[[AzureJob], None],
) -> None:
    created: dict[str, float] = {}

    def visit(job: AzureJob) -> None:
        created[job.job_id] = job.created_at or 0.0
        name = job.display_name or ""
        if name.startswith(prefix):
            if job.job_id not in remembered.ids.setdefault(name, []):
                remembered.ids[name].append(job.job_id)
            see(job)

    reading = read_since(
        hook,
        api=api,
        since=remembered.until - _OVERLAP_SECONDS if remembered.until else None,
        length=remembered.length,
        known=remembered.newest,
        visit=visit,
    )
    remembered.length = reading.length or remembered.length
    # Of a reading that may have missed something nothing is believed but what it saw.
    if reading.is_complete:
        remembered.newest = dict(nlargest(_NEWEST_KEPT, created.items(), key=lambda item: item[1]))
        remembered.until = min(max([remembered.until, *created.values()]), time.time())


def _file(hook: AzureSpeechHook, *, api: SynthesisApi) -> Path:
    return shared_folder() / f"jobs-{digest({'account': hook.account, 'api': api.value})[:16]}.json"


@contextmanager
def _locked(file: Path, *, wait: bool = True) -> Iterator[BinaryIO]:
    """
    Be the only one on this machine who reads a list; the lock goes with its process.

    :raises BlockingIOError: somebody else is, and it was not to be waited for.
    """
    # Not the file itself, which is replaced.
    with writing("The lock on what is remembered of a list of jobs"):
        descriptor = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield lock


def _readings_begun(file: Path) -> int:
    """Tell the number of the last reading that has begun; it stands in the file of the lock."""
    remembered = _read(file)
    try:
        begun = int(file.with_suffix(".lock").read_bytes() or b"0")
    except (OSError, ValueError):
        begun = 0
    return max(begun, remembered.reading if remembered else 0)


def _begin(lock: BinaryIO, remembered: _Remembered) -> None:
    """Number a reading, before its first page: whoever comes after that cannot do with it."""
    lock.seek(0)
    try:
        number = max(int(lock.read() or b"0"), remembered.reading) + 1
    except ValueError:
        number = remembered.reading + 1
    lock.seek(0)
    # With a full disk the number stays, and everybody reads for themselves.
    with suppress(OSError):
        lock.write(f"{number:020}".encode())
        remembered.reading = number


def _read(file: Path) -> _Remembered | None:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return _Remembered(
            until=float(data["until"]),
            length=int(data["length"]),
            ids={str(name): [str(job_id) for job_id in found] for name, found in data["ids"].items()},
            newest={str(job_id): float(created) for job_id, created in data["newest"].items()},
            reading=int(data["reading"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not there yet, or cut off with the machine: then the list is gone through from its beginning.
        return None


def _write(file: Path, remembered: _Remembered) -> None:
    partial = file.with_suffix(f".{os.getpid()}")
    # A full disk makes the next look slower, and nothing worse.
    with suppress(OSError):
        partial.write_text(json.dumps(asdict(remembered)), encoding="utf-8")
        partial.replace(file)


def _forget(file: Path, gone: Collection[str]) -> None:
    """Forget jobs that were deleted; whoever finds others reading leaves it to the next look."""
    with suppress(BlockingIOError), _locked(file, wait=False):
        remembered = _read(file)
        if remembered is not None:
            left = {name: [each for each in ids if each not in gone] for name, ids in remembered.ids.items()}
            remembered.ids = {name: ids for name, ids in left.items() if ids}
            _write(file, remembered)
