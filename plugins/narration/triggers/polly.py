"""Waiting for a Polly synthesis task without holding a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyTaskNotFoundError, PollyUnavailableError
from narration.hooks.polly_queue import PollyNoticeQueue
from narration.hooks.polly_tasks import COMPLETED, FAILED, UNSEEN_SECONDS, task_facts
from narration.services.polly import PollyService
from narration.triggers.polly_inbox import SharedInbox, Watch
from narration.triggers.polly_occasions import Rhythm, occasions
from narration.triggers.turns import Turns

#: Get and List calls per second that AWS grants every account.
_READS_PER_SECOND = 10
# The rest is for the sweeps, and for whoever else reads.
_SHARE_OF_TRIGGERS = 0.8


class PollySpeechSynthesisTaskTrigger(BaseTrigger):
    """
    Wait until a synthesis task is completed or failed.

    At Polly it only reads, so it may run twice or anew on another triggerer. All triggers that wait on one account
    share one list of its unfinished tasks per interval (:class:`narration.triggers.sweep.SharedSweep`); only when the
    task is no longer among them, or the list cannot be had, is this one asked about. The first look is one interval
    after the start, because whoever defers has just looked. Throttling and an unreachable Polly do not end the
    waiting; ``end_time`` does, after one last look.

    With a queue the list is asked for once soon after the start and then every ``fallback_interval``; in between the
    triggers of a triggerer share one loop that receives from the queue
    (:class:`narration.triggers.polly_inbox.SharedInbox`). A notice is a hint and no more: when one comes for this
    task, Polly is asked. Should Polly not know of the end yet, or the queue be unusable, the list is asked for every
    ``poll_interval`` again.

    The single event holds ``status``, ``task_id`` and ``message``, and for the first two of these also ``task``
    (see :func:`narration.hooks.polly_tasks.task_facts`):

    * ``completed``, ``failed``: what Polly said.
    * ``not_found``: Polly does not know the task; it remembers tasks for 72 hours. Before ``known_by`` this answer
      is taken for one that lags behind the start, and the waiting goes on.
    * ``timeout``: ``end_time`` has passed, and the task goes on at Polly.
    * ``refused``: Polly will not answer this connection, or there is none; another attempt would fail the same way.
    * ``error``: the waiting broke off; another attempt may pass.

    :param task_id: Polly's ``TaskId``.
    :param end_time: when to stop waiting, in seconds since the epoch: it must hold in another process too.
    :param known_by: from when on Polly must know the task, in seconds since the epoch; default: 5 minutes after the
        trigger is made for the first time.
    :param poll_interval: seconds between two looks at the account's unfinished tasks; of several triggers that wait
        on one account, the shortest counts.
    :param completion_queue_url: SQS queue that gets Polly's notices by way of SNS; none by default.
    :param fallback_interval: seconds between two looks while notices are awaited.
    :param aws_conn_id: as the operator's.
    :param region_name: as the operator's.
    :param verify: as the operator's.
    :param botocore_config: as the operator's.
    """

    def __init__(
        self,
        *,
        task_id: str,
        end_time: float,
        known_by: float | None = None,
        poll_interval: float = 30,
        completion_queue_url: str | None = None,
        fallback_interval: float = 300,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        # Not `task_id`: the triggerer writes the Airflow task's id into that attribute.
        self.synthesis_task_id = task_id
        self.end_time = end_time
        self.known_by = time.time() + UNSEEN_SECONDS if known_by is None else known_by
        self.poll_interval = poll_interval
        self.completion_queue_url = completion_queue_url
        self.fallback_interval = fallback_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def serialize(self) -> tuple[str, dict[str, Any]]:
        # Left out where it is not used, so that while a new version is rolled out the old one's triggerers can still
        # run these triggers.
        queue = {"completion_queue_url": self.completion_queue_url, "fallback_interval": self.fallback_interval}
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "task_id": self.synthesis_task_id,
                "end_time": self.end_time,
                "known_by": self.known_by,
                "poll_interval": self.poll_interval,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": self.botocore_config,
                **(queue if self.completion_queue_url else {}),
            },
        )

    def hook(self) -> PollyHook:
        """Create the hook that this trigger reads with."""
        return PollyHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(await self._outcome())

    async def on_kill(self) -> None:
        """Cancel nothing: Polly cannot, and what is paid for is worth keeping."""
        self.log.info(
            "Nobody waits for Polly task %s here any more. Polly cannot cancel it: it goes on, its output will be "
            "written, and the next attempt adopts it.",
            self.synthesis_task_id,
        )

    async def _outcome(self) -> dict[str, Any]:
        hook = self.hook()
        try:
            async with hook.async_client() as client:
                return await self._watch(hook, client)
        except PollyTaskNotFoundError as error:
            return self._event("not_found", str(error))
        except PermanentNarrationError as error:
            return self._event("refused", str(error))
        except NarrationError as error:
            return self._event("error", str(error))

    async def _watch(self, hook: PollyHook, client: Any) -> dict[str, Any]:
        service = PollyService(
            aws_conn_id=self.aws_conn_id,
            bucket="",
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        try:
            async with asyncio.timeout(max(0.0, self.end_time - time.time())):
                async with self._notices() as watch:
                    occasions_to_ask = occasions(
                        service=service,
                        task_id=self.synthesis_task_id,
                        rhythm=Rhythm(poll_interval=self.poll_interval, fallback_interval=self.fallback_interval),
                        watch=watch,
                        warn=self._warn,
                    )
                    async with aclosing(occasions_to_ask) as asking:
                        async for _ in asking:
                            await Turns.take(service.account, per_second=_looks_per_second(hook))
                            event, _trouble = await self._look(hook, client)
                            if event is not None:
                                return event
        except TimeoutError:
            pass
        event, trouble = await self._look(hook, client)
        return event or self._event(
            "timeout", f"Polly task {self.synthesis_task_id} was not finished in the time allowed.{trouble}"
        )

    def _notices(self) -> AbstractAsyncContextManager[Watch | None]:
        """Join those who receive from the queue; nobody does when there is none."""
        if not self.completion_queue_url:
            return nullcontext()
        return SharedInbox.watching(
            (self.completion_queue_url, self.aws_conn_id, self.region_name),
            task_id=self.synthesis_task_id,
            queue=PollyNoticeQueue(
                queue_url=self.completion_queue_url,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
        )

    def _warn(self, trouble: str | None) -> None:
        if trouble is None:
            self.log.info("The queue of notices works again; Polly is asked every %g s.", self.fallback_interval)
            return
        self.log.warning(
            "Polly is asked every %g s, as without a queue, until the queue of notices works: %s",
            self.poll_interval,
            trouble,
        )

    async def _look(self, hook: PollyHook, client: Any) -> tuple[dict[str, Any] | None, str]:
        """Look once; the event if the task is over, and what went wrong with the look."""
        try:
            task = await self._finished(hook, client)
        except PollyUnavailableError as error:
            self.log.warning("Polly task %s: %s", self.synthesis_task_id, error)
            return None, f" The last look failed: {error}"
        except PollyTaskNotFoundError as error:
            if time.time() >= self.known_by:
                raise
            self.log.warning("Polly task %s is not known yet: %s", self.synthesis_task_id, error)
            return None, f" The last look failed: {error}"
        if task is None:
            return None, ""
        message = f"Polly task {task['TaskId']} is {task['TaskStatus']}"
        return self._event(task["TaskStatus"], message, task=task_facts(task)), ""

    async def _finished(self, hook: PollyHook, client: Any) -> dict[str, Any] | None:
        """Look once; None while the task is under way, or in a status that this code does not know."""
        task = await hook.aget_speech_synthesis_task(self.synthesis_task_id, client=client)
        self.log.info("Polly task %s is %s", self.synthesis_task_id, task["TaskStatus"])
        return task if task["TaskStatus"] in {COMPLETED, FAILED} else None

    def _event(self, status: str, message: str, **more: Any) -> dict[str, Any]:
        return {"status": status, "task_id": self.synthesis_task_id, "message": message, **more}


def _looks_per_second(hook: PollyHook) -> float:
    """How often the triggers of this triggerer may ask about single tasks."""
    granted = (hook.conn_config.extra_config or {}).get("polly_quotas") or {}
    read = granted.get("read")
    return max(1.0, (read if isinstance(read, int | float) else _READS_PER_SECOND) * _SHARE_OF_TRIGGERS)
