"""From a finished job to a clip in the store: fetch, verify, keep."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from narration.errors import NarrationError
from narration.synthesis.orders import Order, WantedClip
from narration.synthesis.reconcile import Job
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.services.base import SpeechService
    from narration.store import Store, StoredClip


@dataclass(kw_only=True)
class Collector:
    """
    Collect the finished jobs of one order.

    A job that says it succeeded is a claim. Its clip enters the store only after its bytes were decoded and held
    against the order and the text. What does not verify is noted in the record and never enters the store.

    :param failure: the first trouble that is not a job's own (a forbidden bucket, a full disk); the others are
        collected all the same, and it is for the caller to raise it after that.
    """

    store: Store
    service: SpeechService
    order: Order
    log: Any
    failure: NarrationError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._wanted: dict[str, WantedClip] = {clip.clip_key: clip for clip in self.order.clips}

    def collect(self, jobs: Sequence[Job], *, record: OrderRecord) -> dict[str, StoredClip]:
        """Collect some jobs side by side, and note in the record what went wrong with which."""
        from narration.audio.errors import ClipDefect
        from narration.services.base import AudioMissingError

        collected: dict[str, StoredClip] = {}
        for job, result in zip(jobs, self.store.parallel(self._take, jobs), strict=True):
            if isinstance(result, ClipDefect):
                place = self._wanted[job.clip_keys[0]].place
                record.rejected[job.job_id] = f"{place}: its audio was not accepted: {result}"
                self.log.warning("Job %s, %s: its audio was not accepted: %s", job.job_id, place, result)
            elif isinstance(result, AudioMissingError):
                record.missing_since.setdefault(job.job_id, time.time())
                self.log.warning("%s", result)
            elif isinstance(result, NarrationError):
                self.failure = self.failure or result
            else:
                record.missing_since.pop(job.job_id, None)
                collected.update(result)
        return collected

    def _take(self, job: Job) -> dict[str, StoredClip] | NarrationError:
        try:
            return self._verified(job)
        except NarrationError as error:
            return error

    def _verified(self, job: Job) -> dict[str, StoredClip]:
        from narration.audio.measuring import measure_clip
        from narration.store import StoredClip

        profile = self.order.profile
        clips = {}
        for key, data in self.service.fetch(job).items():
            wanted = self._wanted[key]
            facts = measure_clip(
                data,
                audio_format=profile.audio_format,
                sample_rate=profile.sample_rate,
                spoken_text=wanted.spoken_text if wanted.predictable else "",
            )
            clip = StoredClip(
                clip_key=key,
                audio_format=facts.audio_format,
                sample_rate=facts.sample_rate,
                samples=facts.samples,
                sha256=facts.sha256,
                bytes=facts.bytes,
                service=profile.service,
                job_id=job.job_id,
                characters=wanted.characters if job.characters is None else job.characters,
                characters_reported=job.characters is not None,
            )
            self.store.add_clip(clip, data=data)
            clips[key] = clip
        return clips
