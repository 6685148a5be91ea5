"""From a finished job to a clip in the store: fetch, verify, keep."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from narration import metrics
from narration.errors import NarrationError
from narration.synthesis.orders import Order, WantedClip
from narration.synthesis.reconcile import Job
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.services.base import FetchedClip, SpeechService
    from narration.store import Store, StoredClip


@dataclass(kw_only=True)
class Collector:
    """
    Collect the finished jobs of one order.

    A job that says it succeeded is a claim. Its clip enters the store only after its bytes were decoded and held
    against the order and the text. What does not verify is noted in the record and never enters the store.

    :param stored: clip keys that the store holds already.
    :param bought_for: the order whose record knows the jobs; default: this one.
    :param failure: the first trouble that is not a job's own (a forbidden bucket, a full disk); the others are
        collected all the same, and it is for the caller to raise it after that.
    """

    store: Store
    service: SpeechService
    order: Order
    stored: Collection[str]
    log: Any
    bought_for: str = ""
    failure: NarrationError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._wanted: dict[str, WantedClip] = {clip.clip_key: clip for clip in self.order.clips}

    def collect(self, jobs: Sequence[Job], *, record: OrderRecord) -> dict[str, StoredClip]:
        """
        Collect some jobs side by side, and note in the record what went wrong with which.

        :param jobs: each with all its clips, also those of other orders, which are left alone.
        """
        collected: dict[str, StoredClip] = {}
        for job, harvest in zip(jobs, self.store.parallel(self._take, jobs), strict=True):
            collected.update(harvest.clips)
            for key, (reason, flawed) in harvest.defects.items():
                place = self._wanted[key].place
                reason = f"{place}: {'its audio was not accepted' if flawed else 'the service made no audio'}: {reason}"
                record.reject(job, key, reason=reason, flawed=flawed)
                self.log.warning("Job %s, %s", job.job_id, reason)
            metrics.rejected(service=self.service.name, clips=len(harvest.defects))
            if harvest.missing:
                record.missed(job, now=time.time())
                self.log.warning("%s", harvest.missing)
            elif harvest.failure is not None:
                self.failure = self.failure or harvest.failure
            else:
                record.missing_since.pop(job.job_id, None)
        return collected

    def _take(self, job: Job) -> _Harvest:
        from narration.services.base import AudioMissingError

        harvest = _Harvest()
        wanted = {key for key in job.clip_keys if key in self._wanted and key not in self.stored}
        try:
            for fetched in self.service.fetch(job):
                if fetched.clip_key in wanted:
                    wanted.discard(fetched.clip_key)
                    self._keep(fetched, job=job, harvest=harvest)
        except AudioMissingError as error:
            harvest.missing = str(error)
        except NarrationError as error:
            harvest.failure = error
        else:
            # Every paragraph of a job is accounted for, or it is one that failed.
            harvest.defects.update(dict.fromkeys(wanted, ("the finished job does not mention it", False)))
        return harvest

    def _keep(self, fetched: FetchedClip, *, job: Job, harvest: _Harvest) -> None:
        from narration.audio.errors import ClipDefect
        from narration.audio.measuring import measure_clip
        from narration.store import StoredClip

        if fetched.data is None:
            # Audio of which it is not known whose it is would be no better known the next time.
            harvest.defects[fetched.clip_key] = (fetched.defect or "no reason given", fetched.uncertain)
            return
        profile = self.order.profile
        wanted = self._wanted[fetched.clip_key]
        try:
            facts = measure_clip(
                fetched.data,
                audio_format=profile.audio_format,
                sample_rate=profile.sample_rate,
                spoken_text=wanted.spoken_text if wanted.predictable else "",
            )
        except ClipDefect as defect:
            harvest.defects[fetched.clip_key] = (str(defect), True)
            return
        characters = self._counted(fetched, job=job)
        clip = StoredClip(
            clip_key=fetched.clip_key,
            audio_format=facts.audio_format,
            sample_rate=facts.sample_rate,
            samples=facts.samples,
            sha256=facts.sha256,
            bytes=facts.bytes,
            service=profile.service,
            job_id=job.job_id,
            characters=wanted.characters if characters is None else characters,
            characters_reported=characters is not None,
            order_id=self.bought_for or self.order.order_id,
        )
        self.store.add_clip(clip, data=fetched.data, boundaries=fetched.boundaries)
        harvest.clips[clip.clip_key] = clip

    def _counted(self, fetched: FetchedClip, *, job: Job) -> int | None:
        """
        Tell what the service counted for one clip, ``None`` if that is not known.

        Where it counts whole jobs only, our own count of each clip stands as soon as their sum is the service's.
        """
        if fetched.characters is not None or len(job.clip_keys) == 1:
            return job.characters if fetched.characters is None else fetched.characters
        estimates = [self._wanted[key].characters for key in job.clip_keys if key in self._wanted]
        agreed = len(estimates) == len(job.clip_keys) and sum(estimates) == job.characters
        return self._wanted[fetched.clip_key].characters if agreed else None


@dataclass(kw_only=True)
class _Harvest:
    """What came of one job: clips, and for others why not (and whether there was audio)."""

    clips: dict[str, StoredClip] = field(default_factory=dict)
    defects: dict[str, tuple[str, bool]] = field(default_factory=dict)
    missing: str = ""
    failure: NarrationError | None = None
