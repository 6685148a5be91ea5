"""The life of a task after it was accepted: scheduled, inProgress, then completed or failed."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from datetime import UTC, datetime
from typing import Any, Protocol

from include.local_cloud.agenda import Agenda
from include.local_cloud.clock import Clock
from include.local_cloud.polly.tasks import (
    COMPLETED,
    CONTENT_TYPES,
    FAILED,
    IN_PROGRESS,
    SCHEDULED,
    Task,
    TaskLedger,
)
from include.local_cloud.rendering import WORKERS, Renderer, RenderingFailed
from include.local_cloud.speech import SpeechRequest
from include.local_cloud.trouble import Trouble

log = logging.getLogger(__name__)
# One more than can be made at once, so that no process waits for its next speech.
_SLOTS = WORKERS + 1
_DEFAULT_LATENESS = 5.0
_AGAIN_AFTER = 5.0
# The parts of the cloud whose disk can fail, as the log and /_local/health name them.
_TASKS, _OBJECTS = "The state of the tasks", "The objects"


class Storage(Protocol):
    """What the tasks need of S3 and SNS."""

    def bucket_region(self, name: str) -> str | None: ...
    def put_object(self, *, bucket: str, key: str, body: bytes, content_type: str) -> None: ...
    def topic_exists(self, arn: str) -> bool: ...
    def publish(
        self, *, topic_arn: str, message: str, subject: str | None = None, fifo_id: str | None = None
    ) -> None: ...


class _NotWritten(Exception):
    """The disk did not take an object; the trouble is known already."""


class TaskWorker(Agenda[Task]):
    """Carries accepted tasks to their end, in order of creation, and picks up after a restart.

    Runs in the server's event loop. A task whose end was recorded but not yet
    settled when the process died is notified again: at least once, as SNS does.
    While the disk cannot be written, tasks wait and are tried every few seconds.
    """

    def __init__(
        self, *, ledger: TaskLedger, storage: Storage, renderer: Renderer, clock: Clock, trouble: Trouble
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._renderer = renderer
        self._trouble = trouble
        super().__init__(clock=clock, slots=_SLOTS)

    def start(self) -> None:
        """Begin; call in the running event loop."""
        self._begin(self._ledger.unsettled())

    async def _carry(self, task: Task) -> None:
        """What is accepted and paid is never dropped: whatever goes wrong, the task is tried again."""
        try:
            await self._work(task)
            return
        except _NotWritten:
            pass
        except (OSError, sqlite3.Error) as error:
            self._trouble.began(_TASKS, error)
        except Exception:
            log.exception("Carrying on the task %s went wrong; it is tried again.", task.task_id)
        self.add(task, not_before=self._clock.now() + _AGAIN_AFTER)

    async def _work(self, task: Task) -> None:
        """Make the speech while holding a slot; wait, write and tell without one."""
        fault = task.fault or {}
        kind = fault.get("kind")
        body: bytes | None = None
        failure: str | None = None
        try:
            task = self._ledger.again(task)
            if task.status == SCHEDULED:
                task = self._ledger.set_status(task, IN_PROGRESS)
            over = task.status in {COMPLETED, FAILED}
            if kind == "fail":
                failure = fault.get("reason") or "The synthesis failed."
            elif kind != "object_missing" and not (over and kind != "object_late"):
                body = await self._renderer.render(self._request(task))
        except RenderingFailed as error:
            log.warning("Task %s: %s", task.task_id, error)
            failure = str(error)
        finally:
            self._slots.release()
        await self._sleep_until(task.end_after)
        if body is not None and kind != "object_late":
            failure = await self._write(task, body)
        if not over:
            task = self._ledger.set_status(
                task, FAILED if failure else COMPLETED, reason=failure, ended=self._clock.now()
            )
        await self._tell(task)
        if body is not None and kind == "object_late":
            lateness = fault.get("seconds")
            since = task.end_after if task.ended is None else task.ended
            await self._sleep_until(since + (_DEFAULT_LATENESS if lateness is None else lateness))
            await self._write(task, body)
        self._ledger.settle(task)
        self._trouble.ended(_TASKS)
        log.debug("Task %s %s.", task.task_id, task.status)

    def _request(self, task: Task) -> SpeechRequest:
        text, lexicons = self._ledger.input_of(task)
        speech = dict(task.speech)
        marks = tuple(speech.pop("speech_mark_types"))
        return SpeechRequest(text=text, lexicons=lexicons, speech_mark_types=marks, **speech)

    async def _write(self, task: Task, body: bytes) -> str | None:
        """Put the object into the bucket; a reason when that is impossible.

        :raises _NotWritten: when it is possible, but not now.
        """
        region = self._storage.bucket_region(task.bucket)
        if region != task.region:
            place = "does not exist" if region is None else f"is in the Region {region}"
            return f"The output could not be written: the bucket {task.bucket} {place}."
        try:
            await asyncio.to_thread(
                self._storage.put_object,
                bucket=task.bucket,
                key=task.key,
                body=body,
                content_type=CONTENT_TYPES[task.speech["output_format"]],
            )
        except (OSError, sqlite3.Error) as error:
            # No fault of the order: the disk is full or gone.
            self._trouble.began(_OBJECTS, error)
            raise _NotWritten from error
        except Exception as error:
            # Whatever S3 has against it, the caller hears of it as the real service would tell: the task failed.
            log.warning("The object of task %s could not be written: %s", task.task_id, error)
            return f"The output could not be written to the bucket {task.bucket} ({type(error).__name__})."
        self._trouble.ended(_OBJECTS)
        return None

    async def _tell(self, task: Task) -> None:
        if task.topic is None:
            return
        try:
            await asyncio.to_thread(
                self._storage.publish,
                topic_arn=task.topic,
                message=json.dumps(completion_message(task)),
                # A notice that is sent again is thereby dropped by the topic.
                fifo_id=task.task_id,
            )
        except Exception as error:
            # A topic deleted meanwhile takes nothing from the task itself.
            log.warning("The topic of task %s could not be told: %s", task.task_id, error)


def completion_message(task: Task) -> dict[str, Any]:
    """The notice on the topic. Its names and letter case are not those of the API; see the field reports."""
    echo = task.echo
    created = datetime.fromtimestamp(task.created, tz=UTC)
    message: dict[str, Any] = {
        "taskId": task.task_id,
        "taskStatus": task.status.upper(),
        "outputUri": f"s3://{task.bucket}/{task.key}",
        "creationTime": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestCharacters": task.billed,
        "snsTopicArn": task.topic,
        "outputFormat": _title(echo["OutputFormat"]),
        "textType": _title(echo["TextType"]),
        "voiceId": echo["VoiceId"],
    }
    if task.reason is not None:
        message["taskStatusReason"] = task.reason
    for name in ("SampleRate", "Engine", "LanguageCode", "SpeechMarkTypes", "LexiconNames"):
        if name in echo:
            message[name[0].lower() + name[1:]] = echo[name]
    return message


def _title(value: str) -> str:
    return "".join(part.capitalize() for part in value.split("_"))
