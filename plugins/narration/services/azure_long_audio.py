"""Azure's Long Audio API behind the paid-job protocol: one script of many paragraphs, one job."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

from narration.document.model import SSML
from narration.errors import NarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureActiveJobsError, AzureFault, AzureJobNotFoundError, AzureSpeechAuthError
from narration.services.azure_batch import AzureBatchService
from narration.services.azure_common import OWN_PREFIX, AzureService, job_name, label_of
from narration.services.base import AudioMissingError, Batch
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS
from narration.synthesis.azure_packing import (
    LONG_AUDIO_LIMITS,
    LONG_AUDIO_MIN_CHARACTERS,
    combine,
    filler,
    script_length,
)
from narration.synthesis.azure_rules import AzureRules, billable_characters, locale_of, voices_in
from narration.synthesis.orders import Order, WantedClip
from narration.synthesis.profile import VoiceProfile
from narration.synthesis.reconcile import Job, JobState

log = logging.getLogger(__name__)

_FILLER = re.compile(r"\(\+(\d+) for the minimum length\)$")
"""How the description of a job ends that has paragraphs at the end of its script for its length alone."""


class AzureLongAudioService(AzureService):
    """
    Buy clips through the Long Audio API, which retires on 1 April 2027.

    The service chooses the ids, so the display name of a job is the name of the purchase, and the list is asked.

    A script must have more than 400 characters. What is shorter, such as one paragraph that was edited, is bought from
    batch synthesis 2024-04-01 with the same connection: the same voice, and exactly its own characters. The id of such
    a job is the name of its purchase, as :class:`~narration.services.azure_batch.AzureBatchService` has it, so that an
    id tells which API it belongs to. A short purchase is looked for in both APIs before it is bought in either.

    Where batch synthesis lacks the output format, or refuses the resource as such, a short script says its shortest
    paragraph again until it is long enough; that is billed, and the audio of it is left alone.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/long-audio-api
    """

    name = "azure_long_audio"
    api = SynthesisApi.LONG_AUDIO
    limits = LONG_AUDIO_LIMITS
    formats = LONG_AUDIO_FORMATS
    # The larger one of the two APIs.
    settle_seconds = 240.0
    # Of both APIs together: a job that waits in one of them takes no room in the other.
    max_active_jobs = 120 + AzureBatchService.max_active_jobs

    def __init__(self, *, azure_speech_conn_id: str, region: str | None = None) -> None:
        super().__init__(azure_speech_conn_id=azure_speech_conn_id, region=region)
        self._batch_refusal: NarrationError | None = None

    @cached_property
    def _batch(self) -> AzureBatchService:
        """The adapter of the API that takes what is too short here, through the same hook."""
        batch = AzureBatchService(azure_speech_conn_id=self.azure_speech_conn_id, region=self.region)
        batch.hook = self.hook
        return batch

    def _api_of(self, job_id: str) -> SynthesisApi:
        return SynthesisApi.BATCH if job_id.startswith(OWN_PREFIX) else self.api

    # -- before anything is bought -------------------------------------------------------------------------------

    def check_output(self) -> None:
        super().check_output()
        try:
            self._batch.check_output()
        except NarrationError as error:
            if _is_refusal_as_such(error):
                self._batch_refusal = error
            log.warning(
                "Batch synthesis, which is to make what is too short for the Long Audio API, cannot be asked: %s", error
            )

    def extra_characters(self, clips: Sequence[WantedClip], *, profile: VoiceProfile) -> int:
        if self._batch_makes(profile):
            return 0
        rules = self.rules(profile)
        return sum(
            _billed(filler(_sent(group, rules=rules), group[0].text_type), group[0].text_type)
            for group in self.batches(clips, profile=profile)
        )

    def combined(
        self, orders: Sequence[Order], *, missing: Collection[str], profile: VoiceProfile
    ) -> tuple[Order, ...]:
        if self._batch_makes(profile):
            return tuple(orders)
        return combine(orders, missing=missing, account=self.account)

    def _batch_makes(self, profile: VoiceProfile) -> bool:
        return self._batch_refusal is None and profile.option("output_format") in BATCH_FORMATS

    # -- the ledger ----------------------------------------------------------------------------------------------

    def _look_for(self, sought: Mapping[str, tuple[str, ...]], *, clips: Mapping[str, WantedClip]) -> Iterator[Job]:
        yield from self._listed_by_name(sought)
        short = {key: keys for key, keys in sought.items() if _may_be_short(keys, clips=clips)}
        try:
            yield from self._batch._look_for(short, clips=clips)
        except AzureSpeechAuthError as error:
            # A resource that may not use the other API has bought nothing there, and will not now.
            self._batch_refusal = error

    # -- buying and fetching -------------------------------------------------------------------------------------

    def _create(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        kind = batch.clips[0].text_type
        paragraphs = _sent(batch.clips, rules=rules)
        again = filler(paragraphs, kind)
        if again and self._batch_makes(profile):
            try:
                return self._create_at_batch(batch, profile=profile, rules=rules)
            except AzureFault as error:
                if not _is_refusal_as_such(error):
                    raise
                self._batch_refusal = error
        if again:
            log.warning(
                "%s: the Long Audio API takes no script of 400 characters or less, so the shortest paragraph is sent "
                "%d more time(s), for %d billable characters, because batch synthesis, which has no such minimum, %s",
                label_of(batch),
                len(again),
                _billed(again, kind),
                f"refuses the resource: {self._batch_refusal}" if self._batch_refusal else "lacks the output format.",
            )
        voices = dict.fromkeys(
            voice for paragraph in paragraphs for voice in (voices_in(paragraph) if kind == SSML else (profile.voice,))
        )
        job_id = self.hook.create_long_audio_synthesis(
            display_name=job_name(batch.job_key),
            description=f"{label_of(batch)} (+{len(again)} for the minimum length)" if again else label_of(batch),
            locale=locale_of(profile.voice),
            voices=[{"voiceName": voice} for voice in voices],
            script="\n".join((*paragraphs, *again)),
            output_format=profile.option("output_format"),
            concatenate_result=False,
        )
        return Job(
            job_id=job_id,
            job_key=batch.job_key,
            clip_keys=tuple(clip.clip_key for clip in batch.clips),
            state=JobState.ACTIVE,
            created_at=time.time(),
        )

    def _create_at_batch(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        if self._batch._room(1) < 1:
            raise AzureActiveJobsError("As many jobs of batch synthesis are unfinished as this project starts.")
        job = self._batch._create(batch, profile=profile, rules=rules)
        log.info("%s: too short for the Long Audio API, and so bought from batch synthesis.", label_of(batch))
        return job

    def _after_lost_reply(self, batch: Batch) -> Job | None:
        return self._batch._after_lost_reply(batch) if script_length(batch.clips) < LONG_AUDIO_MIN_CHARACTERS else None

    def _extra_inputs(self, job: Job) -> int:
        if self._api_of(job.job_id) is not self.api:
            return 0
        try:
            found = self.hook.get_job(api=self.api, job_id=job.job_id)
        except AzureJobNotFoundError as error:
            raise AudioMissingError(f"Job {job.job_id} has no results any more: {error}") from error
        said = _FILLER.search(found.description or "")
        return int(said[1]) if said else 0

    async def close(self) -> None:
        self.__dict__.pop("_batch", None)
        await super().close()


def _sent(clips: Sequence[WantedClip], *, rules: AzureRules) -> list[str]:
    return [rules.sent(clip.text, clip.text_type) for clip in clips]


def _billed(sent: Sequence[str], kind: str) -> int:
    return sum(billable_characters(each, kind) for each in sent)


def _may_be_short(keys: Sequence[str], *, clips: Mapping[str, WantedClip]) -> bool:
    """Tell whether a purchase may have been too short for a script: what is known of it is not long enough alone."""
    return script_length([clips[key] for key in keys if key in clips]) < LONG_AUDIO_MIN_CHARACTERS


def _is_refusal_as_such(error: NarrationError) -> bool:
    """Tell whether an API is not there for the resource at all, whatever is asked of it."""
    return isinstance(error, AzureSpeechAuthError) or (isinstance(error, AzureFault) and error.status == 404)
