"""Azure batch synthesis, 2024-04-01 and its preview, behind the paid-job protocol: one job for many clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from narration.document.model import SSML
from narration.errors import NarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobNotFoundError
from narration.hooks.azure_jobs import AzureJob
from narration.services.azure_common import LONGEST_LIFE_HOURS, AzureService, job_name, label_of
from narration.services.azure_listing import count_active
from narration.services.base import Batch
from narration.synthesis.azure_formats import BATCH_FORMATS
from narration.synthesis.azure_packing import BATCH_LIMITS, PREVIEW_LIMITS
from narration.synthesis.azure_rules import AzureRules
from narration.synthesis.orders import WantedClip
from narration.synthesis.profile import VoiceProfile
from narration.synthesis.reconcile import Job

_LONGEST_LIFE = "P31D"
_LOOKS_AFTER_LOST_REPLY = 2


class _BatchService(AzureService):
    """What the two versions have in common: the words of their requests."""

    formats = BATCH_FORMATS

    def _request(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> dict[str, Any]:
        kind = batch.clips[0].text_type
        speaking: dict[str, Any] = dict(rules.speaking)
        if "styleDegree" in speaking:
            speaking["styleDegree"] = float(speaking["styleDegree"])
        return {
            "api": self.api,
            "inputs": [rules.sent(clip.text, clip.text_type) for clip in batch.clips],
            "input_kind": "SSML" if kind == SSML else "PlainText",
            # SSML names its own voices.
            "synthesis_config": {} if kind == SSML else {"voice": profile.voice, **speaking},
            "description": label_of(batch),
            "properties": {
                "outputFormat": profile.option("output_format"),
                "wordBoundaryEnabled": True,
                "sentenceBoundaryEnabled": True,
                "concatenateResult": False,
                "decompressOutputFiles": False,
            },
        }

    def _accepted(self, found: AzureJob, batch: Batch) -> Job:
        keys = tuple(clip.clip_key for clip in batch.clips)
        return self._job(found, job_key=batch.job_key, clip_keys=keys)


class AzureBatchService(_BatchService):
    """
    Buy clips through batch synthesis 2024-04-01.

    A job's id is the client's choice, so it is the name of the purchase: whether a purchase took place is one GET.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis
    """

    name = "azure_batch"
    api = SynthesisApi.BATCH
    limits = BATCH_LIMITS
    # A purchase that is repeated after all has the same id, and Azure takes an id once.
    settle_seconds = 120.0
    # The quotas page knows no limit, the migration page one of 300.
    max_active_jobs = 300

    def _look_for(self, sought: Mapping[str, tuple[str, ...]], *, clips: Mapping[str, WantedClip]) -> Iterator[Job]:
        for key, clip_keys in sought.items():
            try:
                found = self.hook.get_job(api=self.api, job_id=job_name(key))
            except AzureJobNotFoundError:
                continue
            yield self._job(found, job_key=key, clip_keys=clip_keys)

    def _room(self, wanted: int) -> int:
        active = count_active(self.hook, api=self.api, at_most=self.max_active_jobs)
        return min(wanted, self.max_active_jobs - active)

    def _create(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        request = self._request(batch, profile=profile, rules=rules)
        request["properties"]["timeToLiveInHours"] = LONGEST_LIFE_HOURS
        found = self.hook.create_batch_synthesis(synthesis_id=job_name(batch.job_key), **request)
        return self._accepted(found, batch)

    def _after_lost_reply(self, batch: Batch) -> Job | None:
        for _ in range(_LOOKS_AFTER_LOST_REPLY):
            try:
                return self._accepted(self.hook.get_job(api=self.api, job_id=job_name(batch.job_key)), batch)
            except NarrationError:
                # Not there yet, or no answer to this one either: the order's next look asks again.
                continue
        return None


class AzureBatchPreviewService(_BatchService):
    """
    Buy clips through batch synthesis 3.1-preview1.

    The service chooses the ids, so the display name of a job is the name of the purchase, and the list is asked.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis
    """

    name = "azure_batch_preview"
    api = SynthesisApi.BATCH_PREVIEW
    limits = PREVIEW_LIMITS
    settle_seconds = 240.0
    max_active_jobs = 200

    def _look_for(self, sought: Mapping[str, tuple[str, ...]], *, clips: Mapping[str, WantedClip]) -> Iterator[Job]:
        return self._listed_by_name(sought)

    def _create(self, batch: Batch, *, profile: VoiceProfile, rules: AzureRules) -> Job:
        request = self._request(batch, profile=profile, rules=rules)
        request["properties"]["timeToLive"] = _LONGEST_LIFE
        found = self.hook.create_batch_synthesis(display_name=job_name(batch.job_key), **request)
        return self._accepted(found, batch)
