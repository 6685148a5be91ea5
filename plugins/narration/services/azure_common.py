"""What Azure's three asynchronous synthesis APIs have in common behind the paid-job protocol."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from narration.errors import NarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureConflictError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechRefusedError,
    AzureSpeechThrottledError,
    AzureStoredJobsError,
)
from narration.hooks.azure_jobs import FAILED, SUCCEEDED, AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.deadline import Deadline
from narration.services.azure_fetch import fetch_clips
from narration.services.azure_names import jobs_named
from narration.services.azure_presence import check_presence
from narration.services.azure_refused import inputs_named
from narration.services.azure_voice import azure_profile
from narration.services.azure_watch import AzureSight, unfinished_jobs
from narration.services.base import Batch, FetchedClip, Ledger, Purchases, SpeechService
from narration.synthesis.azure_packing import JobLimits, divide
from narration.synthesis.azure_retention import StoredJob
from narration.synthesis.azure_rules import AzureRules
from narration.synthesis.keys import order_of
from narration.synthesis.orders import OrderLimits, WantedClip
from narration.synthesis.profile import VoiceProfile
from narration.synthesis.reconcile import Job, JobState

log = logging.getLogger(__name__)

OWN_PREFIX = "narration-"
"""How the id or display name of each job begins that this project bought."""

LONGEST_LIFE_HOURS = 744
"""The longest time to live that the batch APIs grant a job, 31 days: what was paid for is kept as long as it can be."""

_STATES = {SUCCEEDED: JobState.SUCCEEDED, FAILED: JobState.FAILED}
_HOUR = 3600.0
_LONGEST_LIFE: Mapping[SynthesisApi, float] = {
    SynthesisApi.BATCH: LONGEST_LIFE_HOURS * _HOUR,
    SynthesisApi.BATCH_PREVIEW: LONGEST_LIFE_HOURS * _HOUR,
    SynthesisApi.LONG_AUDIO: float("inf"),
}
"""Seconds after which the service deletes a job by itself."""
_LONGEST_LABEL = 200
_HOW_TO_FIND_IT = (
    "Azure does not say which of these paragraphs it means. To find it, start the document again with 1 paragraph per "
    "order: what is bought by then is kept, and the one that is refused is named."
)
_IF_IT_GOES_ON = (
    " Azure does not show that job. It is looked for once more; if this goes on, the id is taken for good (by a job "
    "that was deleted), and starting the document with another number of paragraphs per order gives other ids."
)


class AzureService(SpeechService):
    """
    Buy clips from one of Azure's asynchronous APIs, several with each job.

    Azure never shows what the inputs of a job were. So the job carries the name of its purchase, and the order's
    record says which clips that purchase was for.

    :param azure_speech_conn_id: Airflow connection that pays.
    :param region: Azure region; default: the connection's.
    """

    api: ClassVar[SynthesisApi]
    limits: ClassVar[JobLimits]
    formats: ClassVar[tuple[str, ...]]

    hidden_inputs = True
    # A job takes thousands of clips; the purchases of an order are divided by what one job takes, and by nothing else.
    portion = 1_000_000

    def __init__(self, *, azure_speech_conn_id: str, region: str | None = None) -> None:
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region
        self._sights: dict[SynthesisApi, AzureSight] = {}

    def connection(self) -> dict[str, Any]:
        return {"azure_speech_conn_id": self.azure_speech_conn_id, "region": self.region}

    @property
    def account(self) -> str:
        # Not the key: a key that is renewed is still the same payer, whose jobs are to be found again.
        return f"{self.name}:{self.azure_speech_conn_id}:{self.region or ''}"

    @cached_property
    def hook(self) -> AzureSpeechHook:
        """The hook of this account."""
        return AzureSpeechHook(azure_speech_conn_id=self.azure_speech_conn_id, region=self.region)

    # -- before anything is bought -------------------------------------------------------------------------------

    def check_output(self) -> None:
        """Make sure that the resource may use this API; Azure keeps the audio itself until it is fetched."""
        next(iter(self.hook.list_jobs(api=self.api, page_size=1)), None)

    def profile(
        self,
        *,
        voice: str,
        engine: str = "neural",
        language_code: str | None = None,
        audio_format: str,
        sample_rate: int | None = None,
        lexicons: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
    ) -> VoiceProfile:
        """
        Make the voice profile that takes effect, as the account's region really offers it.

        :param audio_format: Azure's name of the output format, which says the rate too.
        :param options: of :data:`narration.synthesis.azure_choice.SPEAKING_OPTIONS`, those that are set.
        :raises narration.synthesis.azure_choice.AzureChoiceError: if it does not, naming the remedy.
        """
        return azure_profile(
            self.hook, api=self.api, voice=voice, output_format=audio_format, formats=self.formats, options=options
        )

    def rules(self, profile: VoiceProfile) -> AzureRules:
        return AzureRules(profile=profile, long_audio=self.api is SynthesisApi.LONG_AUDIO)

    def order_limits(self, *, paragraphs_per_order: int) -> OrderLimits:
        return OrderLimits(clips=paragraphs_per_order, min_characters=self.limits.min_characters)

    def check_unchanged(self, profile: VoiceProfile) -> None:
        """Nothing at Azure that a profile names can change behind its back."""

    def batches(self, clips: Sequence[WantedClip], *, profile: VoiceProfile) -> list[tuple[WantedClip, ...]]:
        return divide(clips, rules=self.rules(profile), limits=self.limits)

    # -- the ledger ----------------------------------------------------------------------------------------------

    def find_jobs(
        self,
        clips: Collection[WantedClip],
        *,
        known: Collection[Job],
        listed_at: float | None,
        intended: Mapping[str, tuple[str, ...]],
    ) -> Ledger:
        wanted = {clip.clip_key for clip in clips}
        hints = [job for job in known if wanted & set(job.clip_keys)]
        jobs = [self._checked(job) for job in hints]
        for api in dict.fromkeys(self._api_of(job.job_id) for job in hints):
            of_api = [number for number, job in enumerate(hints) if self._api_of(job.job_id) is api]
            check_presence(
                [hints[number] for number in of_api],
                [jobs[number] for number in of_api],
                longest_life=_LONGEST_LIFE[api],
                resource=lambda: self.hook.payer,
            )
        carried = {job.job_key for job in known}
        sought = {key: keys for key, keys in intended.items() if key not in carried}
        if sought:
            jobs.extend(self._look_for(sought, clips={clip.clip_key: clip for clip in clips}))
        return Ledger(jobs=tuple(jobs), listed=bool(sought))

    def _api_of(self, job_id: str) -> SynthesisApi:
        """Tell which API a job of this account was bought from."""
        return self.api

    @abstractmethod
    def _look_for(self, sought: Mapping[str, tuple[str, ...]], *, clips: Mapping[str, WantedClip]) -> Iterator[Job]:
        """
        Find the jobs of purchases that may have taken place.

        :param sought: clip keys by job key.
        :param clips: the clips that are looked for, by key; a purchase may be of others too.
        """

    def _listed_by_name(self, sought: Mapping[str, tuple[str, ...]]) -> Iterator[Job]:
        """Find jobs whose display name is the name of a purchase."""
        names = {job_name(key): key for key in sought}
        for name, found in jobs_named(self.hook, api=self.api, names=names, prefix=OWN_PREFIX):
            key = names[name]
            yield self._job(found, job_key=key, clip_keys=sought[key])

    def _checked(self, job: Job) -> Job:
        """Ask the service where a known job stands now."""
        if job.state is JobState.FAILED and not job.not_found:
            return job
        try:
            found = self.hook.get_job(api=self._api_of(job.job_id), job_id=job.job_id)
        except AzureJobNotFoundError:
            young = job.created_at is not None and time.time() - job.created_at < self.settle_seconds
            if young and job.state is JobState.ACTIVE:
                return job
            return replace(
                job,
                state=JobState.FAILED,
                not_found=True,
                reason="Azure does not know the job any more: it was deleted, or its time to live has ended.",
            )
        return self._job(found, job_key=job.job_key, clip_keys=job.clip_keys)

    @staticmethod
    def _job(found: AzureJob, *, job_key: str, clip_keys: tuple[str, ...]) -> Job:
        reason = ": ".join(filter(None, (found.error_code, found.error_message)))
        return Job(
            job_id=found.job_id,
            job_key=job_key,
            clip_keys=clip_keys,
            # A status that is newer than this code is something that is not over yet.
            state=_STATES.get(found.status, JobState.ACTIVE),
            reason=reason or ("Azure gives no reason." if found.status == FAILED else ""),
            created_at=found.created_at,
            characters=found.billed_characters if found.is_finished else None,
        )

    # -- buying and fetching -------------------------------------------------------------------------------------

    def buy(self, batches: Sequence[Batch], *, profile: VoiceProfile, until: Deadline | None = None) -> Purchases:
        until = until or Deadline.after(self.settle_seconds / 2)
        rules = self.rules(profile)
        jobs: list[Job] = []
        refused: dict[str, str] = {}
        lost: list[str] = []
        failure: Exception | None = None
        try:
            room = self._room(len(batches))
        except AzureSpeechThrottledError:
            return Purchases(throttled=tuple(key for batch in batches for key in _keys(batch)))
        except NarrationError as error:
            return Purchases(failure=error)
        left: list[str] = []
        full = room < len(batches)
        asked = 0
        for batch in batches[:room]:
            if until.is_over:
                break
            keys = _keys(batch)
            try:
                with self.hook.creates_until(until):
                    jobs.append(self._create(batch, profile=profile, rules=rules))
            except AzureActiveJobsError:
                full = True
                break
            except AzureStoredJobsError as error:
                log.error("%s: %s Until then the rest of the order waits.", _label(batch), error)
                # However few of them are unfinished.
                full, self.max_active_jobs = True, None
                break
            except AzureSpeechThrottledError:
                break
            except (AzureReplyLostError, AzureConflictError) as error:
                job = self._after_lost_reply(batch)
                if job is not None:
                    jobs.append(job)
                else:
                    log.warning("%s: %s%s", _label(batch), error, _IF_IT_GOES_ON if _is_conflict(error) else "")
                    lost.extend(keys)
            except AzureSpeechRefusedError as error:
                culprits = inputs_named(error, count=len(keys))
                if not culprits:
                    failure = type(error)(f"{_range(batch)}: {error} {_HOW_TO_FIND_IT}", **_facts(error))
                    break
                refused.update({keys[position]: str(error) for position in culprits})
                # Without those it is another purchase, under another name, which is the order's to give.
                left.extend(key for key in keys if key not in refused)
            except NarrationError as error:
                failure = error
                break
            asked += 1
        if failure is None:
            left.extend(key for batch in batches[asked:] for key in _keys(batch))
        return Purchases(
            jobs=tuple(jobs),
            refused=refused,
            lost=tuple(lost),
            throttled=() if failure is not None else tuple(left),
            full=full,
            failure=failure,
        )

    def _room(self, wanted: int) -> int:
        """How many jobs may be created now, at most as many as are wanted."""
        return wanted

    @abstractmethod
    def _create(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        """Buy one job."""

    def _after_lost_reply(self, batch: Batch) -> Job | None:
        """Find a job whose purchase was not answered, where that is known at once."""
        return None

    def _extra_inputs(self, job: Job) -> int:
        """How many inputs a job had besides those of its clips, after them."""
        return 0

    def fetch(self, job: Job) -> Iterator[FetchedClip]:
        api = self._api_of(job.job_id)
        yield from fetch_clips(self.hook, api=api, job=job, extra_inputs=self._extra_inputs(job))

    # -- waiting -------------------------------------------------------------------------------------------------

    async def outstanding_jobs(self, job_ids: Collection[str]) -> frozenset[str]:
        by_api: dict[SynthesisApi, list[str]] = {}
        for job_id in job_ids:
            by_api.setdefault(self._api_of(job_id), []).append(job_id)
        try:
            for api, ids in by_api.items():
                self._sights[api] = await unfinished_jobs(self.hook, api=api, job_ids=ids, last=self._sights.get(api))
        except NarrationError:
            await self.close()
            raise
        return frozenset(job_id for api in by_api for job_id in self._sights[api].unfinished)

    async def close(self) -> None:
        # The next look reads the connection anew: its key may be another one by then.
        hook = self.__dict__.pop("hook", None)
        if hook is not None:
            await hook.close()


def job_name(job_key: str) -> str:
    """Name a purchase where Azure shows it again: the id of a job, or its display name."""
    return f"{OWN_PREFIX}{job_key}"


def stored_job(found: AzureJob) -> StoredJob:
    """
    Keep of a job what matters for its deletion; a list may be 20,000 jobs long.

    Its id or its display name is the name of the purchase, if it is one of ours.
    """
    names = (name for name in (found.job_id, found.display_name or "") if name.startswith(OWN_PREFIX))
    keys = (name.removeprefix(OWN_PREFIX) for name in names)
    return StoredJob(
        job_id=found.job_id,
        job_key=next((key for key in keys if order_of(key)), ""),
        state=_STATES.get(found.status, JobState.ACTIVE),
        created_at=found.created_at,
        last_action_at=found.last_action_at,
    )


def label_of(batch: Batch) -> str:
    """Describe a job for a person who looks at Azure's list."""
    return _label(batch)


def _label(batch: Batch) -> str:
    begins = batch.clips[0].place.split(" (line ")[0]
    if len(begins) > _LONGEST_LABEL:
        begins = begins[: _LONGEST_LABEL - 1] + "…"
    more = len(batch.clips) - 1
    return f"{begins} and {more} more" if more else begins


def _range(batch: Batch) -> str:
    first, last = batch.clips[0].place, batch.clips[-1].place
    return f"{len(batch.clips)} paragraphs, from {first} to {last}"


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, AzureConflictError)


def _keys(batch: Batch) -> tuple[str, ...]:
    return tuple(clip.clip_key for clip in batch.clips)


def _facts(error: AzureSpeechRefusedError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in ("status", "code", "inner_code", "message", "remedy")}
