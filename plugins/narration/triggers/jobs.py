"""Wait until none of an order's jobs is unfinished any more."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from narration import logs
from narration.services.registry import make_service
from narration.triggers.sweep import SharedSweep

MAX_FAILED_SWEEPS = 12
_SHARE_WORTH_COLLECTING = 0.25
_SECONDS_WORTH_COLLECTING = 30.0


class JobsTrigger(BaseTrigger):
    """
    Fire once when none of the jobs is unfinished, when a good part of them is over, or when it is time to look again.

    Reads only, so it may run twice, anywhere, at once. It does not judge: that a job is no longer among the
    unfinished ones means that the operator should reconcile, which asks the service and the store for the truth. After
    half a minute a quarter of the jobs is enough for that, so that one slow job keeps nobody from the others' audio.

    Events: ``{"status": "changed"}``; ``{"status": "room"}`` when the service seems to have room for another job;
    ``{"status": "due"}`` when ``look_again_at`` has come; ``{"status": "timeout"}`` when ``end_time`` has come;
    ``{"status": "error", "message": …}`` when the service could not be asked :data:`MAX_FAILED_SWEEPS` times in a row.

    :param service: name of the speech service.
    :param connection: what its adapter is made from; holds no secret.
    :param job_ids: jobs to wait for; may be empty, to wait for ``look_again_at`` alone.
    :param poll_interval: seconds between two sweeps of the account.
    :param end_time: seconds since the epoch (the clock of the wall, for a trigger may go on in another process).
    :param look_again_at: seconds since the epoch at which to fire even if nothing changed; ``None`` for never.
    :param max_active_jobs: to fire also when the account, which was full, seems to have fewer unfinished jobs than
        this; ``None`` for never.
    :param about: what the log lines are to name, in the words of :data:`narration.logs.WORDS`.
    """

    def __init__(
        self,
        *,
        service: str,
        connection: dict[str, Any],
        job_ids: Sequence[str],
        poll_interval: float,
        end_time: float,
        look_again_at: float | None = None,
        max_active_jobs: int | None = None,
        about: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.service = service
        self.connection = connection
        self.job_ids = list(job_ids)
        self.poll_interval = poll_interval
        self.end_time = end_time
        self.look_again_at = look_again_at
        self.max_active_jobs = max_active_jobs
        self.about = dict(about or {})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "service": self.service,
                "connection": self.connection,
                "job_ids": self.job_ids,
                "poll_interval": self.poll_interval,
                "end_time": self.end_time,
                "look_again_at": self.look_again_at,
                "max_active_jobs": self.max_active_jobs,
                "about": self.about,
            },
        )

    async def on_kill(self) -> None:
        """Cancel nothing: what was bought goes on and is worth keeping."""
        self.log.info(
            "Nobody waits for the %d job(s) here any more. They go on at the service; the next attempt adopts them.",
            len(self.job_ids),
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(await self._wait())

    async def _wait(self) -> dict[str, Any]:
        logs.begin(**self.about, jobs=len(self.job_ids))
        adapter = make_service(self.service, self.connection)
        logs.add(account=adapter.account)
        waiting = frozenset(self.job_ids)
        failed = 0
        begun = time.monotonic()
        async with SharedSweep.watching(
            adapter.account,
            look=adapter.outstanding_jobs,
            interval=self.poll_interval,
            job_ids=self.job_ids,
            wants_room=self.max_active_jobs is not None,
            close=adapter.close,
        ) as sweep:
            async for sighting in sweep.sightings():
                # A task that comes back within a moment of its deferral is sometimes failed by Airflow 3.3.2, whose
                # scheduler still holds the executor's report of the attempt that deferred.
                if time.monotonic() - begun < self.poll_interval:
                    continue
                if sighting.error is not None:
                    failed += 1
                    self.log.warning("The service could not be asked (%d in a row): %s", failed, sighting.error)
                    if failed >= MAX_FAILED_SWEEPS:
                        return {"status": "error", "message": sighting.error}
                else:
                    failed = 0
                    over = len(waiting - sighting.outstanding)
                    enough = over == len(waiting) or (
                        over >= len(waiting) * _SHARE_WORTH_COLLECTING
                        and time.monotonic() - begun >= _SECONDS_WORTH_COLLECTING
                    )
                    if waiting and enough:
                        return {"status": "changed"}
                    if self.max_active_jobs is not None and sweep.admit(max_active_jobs=self.max_active_jobs):
                        return {"status": "room"}
                now = time.time()
                if now >= self.end_time:
                    return {"status": "timeout"}
                if self.look_again_at is not None and now >= self.look_again_at:
                    return {"status": "due"}
        raise RuntimeError("a sweep never ends by itself")
