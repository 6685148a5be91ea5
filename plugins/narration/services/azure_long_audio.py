"""Azure's Long Audio API behind the paid-job protocol: one script of many paragraphs, one job."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping

from narration.document.model import SSML
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.services.azure_common import AzureService, job_name, label_of
from narration.services.base import AudioMissingError, Batch
from narration.synthesis.azure_formats import LONG_AUDIO_FORMATS
from narration.synthesis.azure_packing import LONG_AUDIO_LIMITS, filler
from narration.synthesis.azure_rules import AzureRules, billable_characters, locale_of, voices_in
from narration.synthesis.profile import VoiceProfile
from narration.synthesis.reconcile import Job, JobState

log = logging.getLogger(__name__)

_FILLER = re.compile(r"\(\+(\d+) for the minimum length\)$")
"""How the description of a job ends that has paragraphs at the end of its script for its length alone."""


class AzureLongAudioService(AzureService):
    """
    Buy clips through the Long Audio API, which retires on 1 April 2027.

    The service chooses the ids, so the display name of a job is the name of the purchase, and the list is asked. A
    script must have more than 400 characters: one that is shorter says its shortest paragraph again until it has,
    and the audio of that is left alone.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/long-audio-api
    """

    name = "azure_long_audio"
    api = SynthesisApi.LONG_AUDIO
    limits = LONG_AUDIO_LIMITS
    formats = LONG_AUDIO_FORMATS
    settle_seconds = 240.0
    max_active_jobs = 120

    def _look_for(self, sought: Mapping[str, tuple[str, ...]]) -> Iterator[Job]:
        return self._listed_by_name(sought)

    def _create(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        kind = batch.clips[0].text_type
        paragraphs = [rules.sent(clip.text, clip.text_type) for clip in batch.clips]
        again = filler(paragraphs, kind)
        script = (*paragraphs, *again)
        voices = dict.fromkeys(
            voice for paragraph in paragraphs for voice in (voices_in(paragraph) if kind == SSML else (profile.voice,))
        )
        job_id = self.hook.create_long_audio_synthesis(
            display_name=job_name(batch.job_key),
            description=f"{label_of(batch)} (+{len(again)} for the minimum length)" if again else label_of(batch),
            locale=locale_of(profile.voice),
            voices=[{"voiceName": voice} for voice in voices],
            script="\n".join(script),
            output_format=profile.option("output_format"),
            concatenate_result=False,
        )
        if again:
            log.info(
                "%s: the Long Audio API takes no script of 400 characters or less, so the shortest paragraph was sent "
                "%d more time(s), for %d billable characters. narrate_azure_batch has no such minimum.",
                label_of(batch),
                len(again),
                sum(billable_characters(each, kind) for each in again),
            )
        return Job(
            job_id=job_id,
            job_key=batch.job_key,
            clip_keys=tuple(clip.clip_key for clip in batch.clips),
            state=JobState.ACTIVE,
            created_at=time.time(),
        )

    def _extra_inputs(self, job: Job) -> int:
        try:
            found = self.hook.get_job(api=self.api, job_id=job.job_id)
        except AzureJobNotFoundError as error:
            raise AudioMissingError(f"Job {job.job_id} has no results any more: {error}") from error
        said = _FILLER.search(found.description or "")
        return int(said[1]) if said else 0
