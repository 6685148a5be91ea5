"""The synthesis tasks: what is kept of each, and how one is found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from include.local_cloud.polly.regions import host_suffix_of
from include.local_cloud.polly.speech_rules import Speech
from include.local_cloud.state import State

RETENTION_SECONDS = 72 * 3600
SCHEDULED, IN_PROGRESS, COMPLETED, FAILED = "scheduled", "inProgress", "completed", "failed"
_EXTENSIONS = {
    "mp3": "mp3",
    "ogg_vorbis": "ogg",
    "ogg_opus": "ogg",
    "pcm": "pcm",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "json": "marks",
}
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "ogg_vorbis": "audio/ogg",
    "ogg_opus": "audio/ogg",
    "pcm": "audio/pcm",
    "mulaw": "audio/mulaw",
    "alaw": "audio/alaw",
    "json": "application/x-json-stream",
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS polly_tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL UNIQUE,
    region TEXT NOT NULL,
    created REAL NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    billed INTEGER NOT NULL,
    text_length INTEGER NOT NULL,
    output_uri TEXT NOT NULL,
    bucket TEXT NOT NULL,
    prefix TEXT,
    key TEXT NOT NULL,
    topic TEXT,
    echo TEXT NOT NULL,
    speech TEXT NOT NULL,
    fault TEXT,
    begin_after REAL NOT NULL,
    end_after REAL NOT NULL,
    ended REAL,
    settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS polly_tasks_listed ON polly_tasks (region, seq);
CREATE INDEX IF NOT EXISTS polly_tasks_by_status ON polly_tasks (region, status, seq);
CREATE INDEX IF NOT EXISTS polly_tasks_by_age ON polly_tasks (created);
CREATE INDEX IF NOT EXISTS polly_tasks_unsettled ON polly_tasks (seq) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS polly_inputs (seq INTEGER PRIMARY KEY, text TEXT NOT NULL, lexicons TEXT NOT NULL);
"""
# Everything that StartSpeechSynthesisTask echoes when it was sent; TextType is echoed even when it was not.
_ECHOED = (
    "Engine",
    "LanguageCode",
    "LexiconNames",
    "OutputFormat",
    "SampleRate",
    "SnsTopicArn",
    "SpeechMarkTypes",
    "VoiceId",
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task, without its text.

    :param begin_after: the earliest moment of ``inProgress``, epoch seconds.
    :param end_after: the earliest moment of the end.
    :param ended: when the end was recorded; ``None`` before that.
    :param fault: an ordered failure that this task carries.
    :param settled: nothing is left to do: status final, object written or given up, topic told.
    """

    seq: int
    task_id: str
    region: str
    created: float
    status: str
    reason: str | None
    billed: int
    text_length: int
    output_uri: str
    bucket: str
    prefix: str | None
    key: str
    topic: str | None
    echo: Mapping[str, Any]
    speech: Mapping[str, Any]
    fault: Mapping[str, Any] | None
    begin_after: float
    end_after: float
    ended: float | None
    settled: bool

    @classmethod
    def of(cls, row: sqlite3.Row) -> Task:
        values = dict(row)
        for name in ("echo", "speech", "fault"):
            values[name] = json.loads(values[name]) if values[name] else None
        values["settled"] = bool(values["settled"])
        return cls(**values)

    def describe(self) -> dict[str, Any]:
        """The API's SynthesisTask: what was not sent is absent; text, bucket and prefix never appear."""
        return _describe(
            task_id=self.task_id,
            status=self.status,
            reason=self.reason,
            output_uri=self.output_uri,
            created=self.created,
            billed=self.billed,
        ) | dict(self.echo)


def _describe(
    *, task_id: str, status: str, reason: str | None, output_uri: str, created: float, billed: int
) -> dict[str, Any]:
    described: dict[str, Any] = {"TaskId": task_id, "TaskStatus": status}
    if reason is not None:
        described["TaskStatusReason"] = reason
    return described | {"OutputUri": output_uri, "CreationTime": round(created, 3), "RequestCharacters": billed}


def object_key(*, prefix: str | None, task_id: str, output_format: str) -> str:
    """Where the object goes: prefix and task id are always joined by a dot, also behind a slash."""
    name = f"{task_id}.{_EXTENSIONS[output_format]}"
    return f"{prefix}.{name}" if prefix else name


def output_uri(*, region: str, bucket: str, key: str) -> str:
    path = quote(key, safe="/!*'()")
    return f"https://s3.{region}.{host_suffix_of(region)}/{bucket}/{path}"


class TaskLedger:
    """All tasks ever accepted. A task is on the bill if and only if it is here."""

    def __init__(self, *, state: State) -> None:
        self._state = state
        self._database = state.database
        self._database.executescript(_SCHEMA)
        if "ended" not in {row["name"] for row in self._database.execute("PRAGMA table_info(polly_tasks)")}:
            # A state written before the moment of the end was kept.
            self._database.execute("ALTER TABLE polly_tasks ADD COLUMN ended REAL")

    def accept(
        self,
        *,
        task_id: str,
        region: str,
        created: float,
        given: Mapping[str, Any],
        speech: Speech,
        lexicons: tuple[str, ...],
        fault: Mapping[str, Any] | None,
        begin_after: float,
        end_after: float,
    ) -> Task:
        """Record and charge, in one transaction."""
        prefix = given.get("OutputS3KeyPrefix")
        bucket = given["OutputS3BucketName"]
        key = object_key(prefix=prefix, task_id=task_id, output_format=speech.output_format)
        echo = {name: given[name] for name in _ECHOED if name in given} | {"TextType": speech.text_type}
        resolved = {
            "text_type": speech.text_type,
            "voice_id": speech.voice.id,
            "language_code": speech.language_code,
            "gender": speech.voice.gender,
            "engine": speech.engine,
            "output_format": speech.output_format,
            "sample_rate": speech.sample_rate,
            "speech_mark_types": speech.speech_mark_types,
        }
        with self._state.transaction() as database:
            seq = database.execute(
                "INSERT INTO polly_tasks (task_id, region, created, status, billed, text_length, output_uri, bucket,"
                " prefix, key, topic, echo, speech, fault, begin_after, end_after)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task_id,
                    region,
                    created,
                    SCHEDULED,
                    speech.billed_characters,
                    len(speech.text),
                    output_uri(region=region, bucket=bucket, key=key),
                    bucket,
                    prefix,
                    key,
                    given.get("SnsTopicArn"),
                    json.dumps(echo),
                    json.dumps(resolved),
                    json.dumps(fault) if fault else None,
                    begin_after,
                    end_after,
                ),
            ).lastrowid
            database.execute(
                "INSERT INTO polly_inputs (seq, text, lexicons) VALUES (?, ?, ?)",
                (seq, speech.text, json.dumps(lexicons)),
            )
            self._state.charge("polly", characters=speech.billed_characters)
        return self._one("seq = ?", seq)  # type: ignore[return-value]

    def get(self, *, region: str, task_id: str, now: float) -> Task | None:
        """The task, unless it is another Region's or its 72 hours are over."""
        return self._one("task_id = ? AND region = ? AND created > ?", task_id, region, now - RETENTION_SECONDS)

    def page(
        self, *, region: str, status: str | None, after: int | None, size: int, now: float, newest_first: bool
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Up to ``size`` described tasks, and where the next page begins if there is one."""
        # The newest expired task first, so that no page reads through all the expired ones before it.
        expired = self._database.execute(
            "SELECT seq FROM polly_tasks WHERE created <= ? ORDER BY created DESC, seq DESC LIMIT 1",
            (now - RETENTION_SECONDS,),
        ).fetchone()
        conditions = ["region = ?", "seq > ?"]
        values: list[Any] = [region, expired["seq"] if expired else 0]
        if status is not None:
            conditions.append("status = ?")
            values.append(status)
        if after is not None:
            conditions.append("seq < ?" if newest_first else "seq > ?")
            values.append(after)
        rows = self._database.execute(
            "SELECT seq, task_id, status, reason, output_uri, created, billed, echo FROM polly_tasks"
            f" WHERE {' AND '.join(conditions)} ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?",
            (*values, size + 1),
        ).fetchall()
        described = [
            _describe(
                task_id=row["task_id"],
                status=row["status"],
                reason=row["reason"],
                output_uri=row["output_uri"],
                created=row["created"],
                billed=row["billed"],
            )
            | json.loads(row["echo"])
            for row in rows[:size]
        ]
        return described, rows[size - 1]["seq"] if len(rows) > size else None

    def all(self) -> list[Task]:
        """Every task of every Region, expired ones too, oldest first."""
        return [Task.of(row) for row in self._database.execute("SELECT * FROM polly_tasks ORDER BY seq")]

    def unsettled(self) -> list[Task]:
        return [Task.of(row) for row in self._database.execute("SELECT * FROM polly_tasks WHERE settled = 0")]

    def input_of(self, task: Task) -> tuple[str, tuple[str, ...]]:
        """Text and lexicon contents; kept until the task is settled."""
        row = self._database.execute("SELECT text, lexicons FROM polly_inputs WHERE seq = ?", (task.seq,)).fetchone()
        return row["text"], tuple(json.loads(row["lexicons"]))

    def again(self, task: Task) -> Task:
        """The task as it is recorded now."""
        return self._one("seq = ?", task.seq)  # type: ignore[return-value]

    def set_status(self, task: Task, status: str, *, reason: str | None = None, ended: float | None = None) -> Task:
        self._database.execute(
            "UPDATE polly_tasks SET status = ?, reason = ?, ended = ? WHERE seq = ?", (status, reason, ended, task.seq)
        )
        return self._one("seq = ?", task.seq)  # type: ignore[return-value]

    def settle(self, task: Task) -> None:
        with self._state.transaction() as database:
            database.execute("UPDATE polly_tasks SET settled = 1 WHERE seq = ?", (task.seq,))
            database.execute("DELETE FROM polly_inputs WHERE seq = ?", (task.seq,))

    def _one(self, condition: str, *values: Any) -> Task | None:
        row = self._database.execute(f"SELECT * FROM polly_tasks WHERE {condition}", values).fetchone()
        return None if row is None else Task.of(row)
