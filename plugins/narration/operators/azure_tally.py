"""What came of cleaning one API: how many jobs were kept, deleted and refused, why, and a few of their names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from narration.hooks.azure_api import MOST_STORED
from narration.synthesis.azure_retention import EXPLANATIONS, Kept, RetentionPolicy, StoredJob, kept_at_sight

if TYPE_CHECKING:
    import logging

    from narration.hooks.azure_api import SynthesisApi
    from narration.hooks.azure_errors import AzureFault

_MOST_NAMED = 3


class Tally:
    """
    Count what happens to the jobs of one API. For one thread.

    :param policy: what may be deleted.
    :param is_dry_run: whether what counts as deleted only would be.
    """

    def __init__(self, *, api: SynthesisApi, policy: RetentionPolicy, is_dry_run: bool) -> None:
        self.api = api
        self.policy = policy
        self.is_dry_run = is_dry_run
        self.jobs: Sequence[StoredJob] = ()
        self.unavailable = ""
        self.refused_in_a_row = 0
        self._failure = ""
        self._begun = time.monotonic()
        self._is_listed = False
        self._deleted = self._gone = 0
        self._kept: Counter[Kept] = Counter()
        self._refused: Counter[str] = Counter()
        self._refusals: dict[str, str] = {}
        self._named: dict[str, list[str]] = {}
        self._settled: set[str] = set()

    @property
    def excess(self) -> int:
        """How many jobs are still to go."""
        return max(0, self.remaining - self.policy.target)

    @property
    def remaining(self) -> int:
        """How many jobs the service keeps, after what was deleted so far."""
        return len(self.jobs) - self._deleted - self._gone

    @property
    def headroom(self) -> int | None:
        """How many more jobs the service keeps before it refuses new ones; ``None`` if that is not known."""
        most = MOST_STORED.get(self.api)
        if most is None or self.unavailable or not self._is_listed:
            return None
        return max(0, most - (len(self.jobs) if self.is_dry_run else self.remaining))

    def listed(self, jobs: Sequence[StoredJob]) -> None:
        """Note what the service keeps; deleting begins."""
        self.jobs = jobs
        self._is_listed = True
        self._begun = time.monotonic()

    def kept(self, job: StoredJob, why: Kept) -> None:
        self._kept[why] += 1
        self._note(why, job)

    def deleted(self, job: StoredJob, *, was_there: bool) -> None:
        """
        Note a job that the service no longer keeps.

        :param was_there: whether it was there until now.
        """
        self._deleted += was_there
        self._gone += not was_there
        self.refused_in_a_row = 0
        self._note("deleted", job)

    def refused(self, job: StoredJob, error: AzureFault) -> None:
        """Note a job that the service did not delete."""
        why = error.inner_code or error.code or type(error).__name__
        self._refused[why] += 1
        self._refusals.setdefault(why, str(error))
        self.refused_in_a_row += 1
        self._note(why, job)

    def failed(self, error: Exception, *, log: logging.Logger | Any) -> None:
        """Note what ended the cleaning of this API."""
        self._failure = str(error)
        log.error("%s: %s", self.api.value, error)

    def progress(self) -> dict[str, Any]:
        """Say how far it is, for people who watch."""
        return {
            "stored": len(self.jobs),
            "target": self.policy.target,
            "deleted": 0 if self.is_dry_run else self._deleted,
            "to_delete": self.excess,
        }

    def to_dict(self) -> dict[str, Any]:
        """Give the whole as JSON types."""
        if self.unavailable:
            return {"unavailable": self.unavailable}
        return {
            "stored": len(self.jobs),
            "target": self.policy.target,
            "deleted": 0 if self.is_dry_run else self._deleted,
            "gone": self._gone,
            "would_delete": self._deleted if self.is_dry_run else 0,
            "remaining": len(self.jobs) if self.is_dry_run else self.remaining,
            "kept": {why.value: count for why, count in sorted(self._all_kept().items())},
            "refused": dict(sorted(self._refused.items())),
        }

    def report(self, log: logging.Logger | Any) -> None:
        """Say it all in the log, and name a few jobs of each kind."""
        seconds = max(time.monotonic() - self._begun, 0.001)
        log.info(
            "%s: %s jobs stored, target %s: %s %s%s%s",
            self.api.value,
            f"{len(self.jobs):,}",
            f"{self.policy.target:,}",
            "would delete" if self.is_dry_run else "deleted",
            f"{self._deleted:,}",
            "" if self.is_dry_run or not self._deleted else f" in {seconds:,.1f} s ({self._deleted / seconds:.2f}/s)",
            f", and {self._gone:,} were gone already" if self._gone else "",
        )
        self._log_named(log, "deleted")
        for why, count in sorted(self._all_kept().items()):
            log.info("  kept %s (%s): %s%s", f"{count:,}", why.value, EXPLANATIONS[why], self._examples(why))
        for reason, count in sorted(self._refused.items()):
            log.warning("  refused %s (%s): %s", f"{count:,}", reason, self._refusals[reason])
        if self.excess and not self._failure and not self.is_dry_run:
            log.warning("  %s more than the target stay, for the reasons above.", f"{self.excess:,}")

    def _all_kept(self) -> Counter[Kept]:
        """Also count the jobs that were not looked at, because enough had gone before their turn."""
        counted = Counter(self._kept)
        now = time.time()
        for job in self.jobs:
            if job.job_id not in self._settled:
                counted[kept_at_sight(job, policy=self.policy, now=now) or Kept.NOT_NEEDED] += 1
        return counted

    def _note(self, why: str, job: StoredJob) -> None:
        self._settled.add(job.job_id)
        named = self._named.setdefault(why, [])
        if len(named) < _MOST_NAMED:
            named.append(job.job_id)

    def _examples(self, why: str) -> str:
        named = self._named.get(why, ())
        return f" (for example {', '.join(named)})" if named else ""

    def _log_named(self, log: logging.Logger | Any, why: str) -> None:
        if self._named.get(why):
            log.info("  beginning with %s", ", ".join(self._named[why]))
