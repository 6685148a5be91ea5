"""The synthesis jobs of all three APIs: what is kept of each, and how one is found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.local_cloud.state import State

NOT_STARTED, RUNNING, SUCCEEDED, FAILED = "NotStarted", "Running", "Succeeded", "Failed"
STATUSES = (NOT_STARTED, RUNNING, SUCCEEDED, FAILED)
TERMINAL = (SUCCEEDED, FAILED)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS azure_jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    account TEXT NOT NULL,
    job_id TEXT NOT NULL,
    region TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    last_action REAL NOT NULL,
    request TEXT NOT NULL,
    result TEXT NOT NULL,
    inputs INTEGER NOT NULL,
    faults TEXT NOT NULL,
    operation_id TEXT,
    ttl REAL,
    expires REAL,
    begin_after REAL NOT NULL,
    end_after REAL NOT NULL,
    seeded INTEGER NOT NULL,
    UNIQUE (service, account, job_id)
);
CREATE INDEX IF NOT EXISTS azure_jobs_listed ON azure_jobs (service, account, seq);
CREATE INDEX IF NOT EXISTS azure_jobs_by_status ON azure_jobs (service, account, status);
CREATE INDEX IF NOT EXISTS azure_jobs_expiring ON azure_jobs (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS azure_jobs_unfinished ON azure_jobs (seq) WHERE status IN ('NotStarted', 'Running');
CREATE INDEX IF NOT EXISTS azure_jobs_by_operation ON azure_jobs (service, account, operation_id);
CREATE TABLE IF NOT EXISTS azure_inputs (
    job INTEGER NOT NULL, number INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, without its inputs.

    :param request: what the API read from the request and describes the job with, in the API's own terms.
    :param result: what the end added, also in the API's own terms; ``{}`` before.
    :param inputs: how many there are.
    :param faults: ordered failures that this job carries, kind -> order.
    :param operation_id: 2024-04-01 only.
    :param ttl: seconds from the last action to automatic deletion; ``None`` is never.
    :param expires: when a finished job is deleted, epoch seconds.
    :param begin_after: the earliest moment of ``Running``.
    :param end_after: the earliest moment of the end.
    :param seeded: put here by the admin endpoint; nothing is made for it.
    """

    seq: int
    service: str
    account: str
    job_id: str
    region: str
    display_name: str | None
    description: str | None
    status: str
    created: float
    last_action: float
    request: Mapping[str, Any]
    result: Mapping[str, Any]
    inputs: int
    faults: Mapping[str, Mapping[str, Any]]
    operation_id: str | None
    ttl: float | None
    expires: float | None
    begin_after: float
    end_after: float
    seeded: bool

    @classmethod
    def of(cls, row: sqlite3.Row) -> Job:
        values = dict(row)
        for name in ("request", "result", "faults"):
            values[name] = json.loads(values[name])
        values["seeded"] = bool(values["seeded"])
        return cls(**values)

    @property
    def finished(self) -> bool:
        return self.status in TERMINAL


class JobLedger:
    """All jobs that are neither deleted nor past their time to live.

    Call from the server's event loop only, like everything that touches the state.
    """

    def __init__(self, *, state: State) -> None:
        self._state = state
        self._database = state.database
        self._database.executescript(_SCHEMA)

    def accept(
        self,
        *,
        service: str,
        account: str,
        job_id: str,
        region: str,
        now: float,
        request: Mapping[str, Any],
        inputs: Sequence[str],
        begin_after: float,
        end_after: float,
        display_name: str | None = None,
        description: str | None = None,
        ttl: float | None = None,
        faults: Mapping[str, Mapping[str, Any]] | None = None,
        operation_id: str | None = None,
        status: str = NOT_STARTED,
    ) -> Job:
        """Record the job and count it on the bill, in one transaction; its characters are billed at its end."""
        with self._state.transaction() as database:
            seq = database.execute(
                "INSERT INTO azure_jobs (service, account, job_id, region, display_name, description, status, created,"
                " last_action, request, result, inputs, faults, operation_id, ttl, begin_after, end_after, seeded)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?, ?, ?, ?, ?, 0)",
                (
                    service,
                    account,
                    job_id,
                    region,
                    display_name,
                    description,
                    status,
                    now,
                    now,
                    json.dumps(request),
                    len(inputs),
                    json.dumps(faults or {}),
                    operation_id,
                    ttl,
                    begin_after,
                    end_after,
                ),
            ).lastrowid
            database.executemany(
                "INSERT INTO azure_inputs (job, number, content) VALUES (?, ?, ?)",
                ((seq, number, content) for number, content in enumerate(inputs, 1)),
            )
            self._state.charge(service, characters=0)
        return self._one("seq = ?", seq)  # type: ignore[return-value]

    def get(self, *, service: str, account: str, job_id: str) -> Job | None:
        """The job, unless it is deleted or another resource's."""
        return self._one("service = ? AND account = ? AND job_id = ?", service, account, job_id)

    def with_operation(self, *, service: str, account: str, operation_id: str) -> Job | None:
        return self._one("service = ? AND account = ? AND operation_id = ?", service, account, operation_id)

    def page(
        self, *, service: str, account: str, skip: int, size: int, newest_first: bool = False
    ) -> tuple[list[Job], bool]:
        """Up to ``size`` jobs behind the first ``skip``, and whether there are more."""
        rows = self._database.execute(
            "SELECT * FROM azure_jobs WHERE service = ? AND account = ?"
            f" ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ? OFFSET ?",
            (service, account, size + 1, skip),
        ).fetchall()
        return [Job.of(row) for row in rows[:size]], len(rows) > size

    def active(self, *, service: str, account: str) -> int:
        """How many jobs are neither Succeeded nor Failed."""
        return self._count("service = ? AND account = ? AND status IN ('NotStarted', 'Running')", service, account)

    def stored(self, *, service: str, account: str) -> int:
        return self._count("service = ? AND account = ?", service, account)

    def unfinished(self) -> list[Job]:
        """Every job that still has to be made, oldest first."""
        rows = self._database.execute(
            "SELECT * FROM azure_jobs WHERE status IN ('NotStarted', 'Running') AND seeded = 0 ORDER BY seq"
        )
        return [Job.of(row) for row in rows]

    def expired(self, *, now: float) -> list[Job]:
        rows = self._database.execute("SELECT * FROM azure_jobs WHERE expires <= ?", (now,)).fetchall()
        return [Job.of(row) for row in rows]

    def all(self) -> list[Job]:
        return [Job.of(row) for row in self._database.execute("SELECT * FROM azure_jobs ORDER BY seq")]

    def inputs_of(self, job: Job, *, first: int = 1, count: int = 1_000_000) -> list[str]:
        """The contents of the inputs, in order; they are kept for as long as the job."""
        rows = self._database.execute(
            "SELECT content FROM azure_inputs WHERE job = ? AND number >= ? ORDER BY number LIMIT ?",
            (job.seq, first, count),
        )
        return [row["content"] for row in rows]

    def again(self, job: Job) -> Job | None:
        """The job as it is recorded now; ``None`` once it is deleted."""
        return self._one("seq = ?", job.seq)

    def begin(self, job: Job, *, now: float) -> Job:
        self._database.execute(
            "UPDATE azure_jobs SET status = ?, last_action = ? WHERE seq = ?", (RUNNING, now, job.seq)
        )
        return self._one("seq = ?", job.seq)  # type: ignore[return-value]

    def finish(self, job: Job, *, status: str, result: Mapping[str, Any], billed: int, now: float) -> Job:
        """Record the end and bill the characters, in one transaction. Only succeeded inputs are billed."""
        expires = None if job.ttl is None else now + job.ttl
        with self._state.transaction() as database:
            database.execute(
                "UPDATE azure_jobs SET status = ?, result = ?, last_action = ?, expires = ? WHERE seq = ?",
                (status, json.dumps(result), now, expires, job.seq),
            )
            self._state.charge(job.service, characters=billed, jobs=0)
        return self._one("seq = ?", job.seq)  # type: ignore[return-value]

    def update(
        self, job: Job, *, display_name: str | None, description: str | None, request: Mapping[str, Any], now: float
    ) -> Job:
        """Long Audio's PATCH."""
        self._database.execute(
            "UPDATE azure_jobs SET display_name = ?, description = ?, request = ?, last_action = ? WHERE seq = ?",
            (display_name, description, json.dumps(request), now, job.seq),
        )
        return self._one("seq = ?", job.seq)  # type: ignore[return-value]

    def delete(self, jobs: Iterable[Job]) -> None:
        with self._state.transaction() as database:
            for job in jobs:
                database.execute("DELETE FROM azure_jobs WHERE seq = ?", (job.seq,))
                database.execute("DELETE FROM azure_inputs WHERE job = ?", (job.seq,))

    def seed(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Jobs that nobody pays for; a row is service, account, job id, region, display name, description, status,
        created, last action, request, result, inputs, operation id, ttl and expiry."""
        with self._state.transaction() as database:
            database.executemany(
                "INSERT INTO azure_jobs (service, account, job_id, region, display_name, description, status, created,"
                " last_action, request, result, inputs, operation_id, ttl, expires, faults, begin_after, end_after,"
                " seeded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', 0, 0, 1)",
                rows,
            )

    def unseed(self, *, service: str, account: str) -> int:
        """Forget the jobs of a resource that nobody paid for; how many there were."""
        condition = "service = ? AND account = ? AND seeded = 1"
        return self._database.execute(f"DELETE FROM azure_jobs WHERE {condition}", (service, account)).rowcount

    def _count(self, condition: str, *values: Any) -> int:
        return self._database.execute(f"SELECT COUNT(*) FROM azure_jobs WHERE {condition}", values).fetchone()[0]

    def _one(self, condition: str, *values: Any) -> Job | None:
        row = self._database.execute(f"SELECT * FROM azure_jobs WHERE {condition}", values).fetchone()
        return None if row is None else Job.of(row)
