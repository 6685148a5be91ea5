"""The operations of Polly: validated input in, the API's answer out. No HTTP here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from include.local_cloud.clock import Clock
from include.local_cloud.faults import OF_THE_JOB, Faults
from include.local_cloud.polly import constraints
from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.lexicons import LexiconStore
from include.local_cloud.polly.speech_rules import SPEECH_LIMITS, TASK_LIMITS, Speech, check_speech
from include.local_cloud.polly.tasks import CONTENT_TYPES, TaskLedger
from include.local_cloud.polly.tokens import PageTokens
from include.local_cloud.polly.voices import describe_voices
from include.local_cloud.polly.worker import Storage, TaskWorker
from include.local_cloud.rendering import Renderer, RenderingFailed
from include.local_cloud.settings import PollyReadings, Preset
from include.local_cloud.signatures import Caller
from include.local_cloud.speech import SpeechRequest
from include.local_cloud.state import State

_DEFAULT_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class SpeechStream:
    """What SynthesizeSpeech answers."""

    audio: bytes
    content_type: str
    billed_characters: int


class PollyService:
    """One method per operation; each takes the caller and the members given.

    Every method raises :class:`PollyError` with the exception that the API
    documents for the case.
    """

    def __init__(
        self,
        *,
        state: State,
        ledger: TaskLedger,
        worker: TaskWorker,
        storage: Storage,
        renderer: Renderer,
        clock: Clock,
        faults: Faults,
        preset: Preset,
        readings: PollyReadings,
        tokens: PageTokens,
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._worker = worker
        self._storage = storage
        self._renderer = renderer
        self._clock = clock
        self._faults = faults
        self._preset = preset
        self._readings = readings
        self._tokens = tokens
        self._lexicons = LexiconStore(state=state)
        self._speaking: dict[tuple[str, str], int] = {}

    async def start_speech_synthesis_task(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """Accept, charge and queue. Everything is checked before anything is charged."""
        members = constraints.check(constraints.START_SPEECH_SYNTHESIS_TASK, given)
        speech = check_speech(members, region=caller.region, limits=TASK_LIMITS, readings=self._readings)
        lexicons = self._lexicon_contents(speech, region=caller.region)
        self._check_place(members, region=caller.region)
        self._check_topic(members.get("SnsTopicArn"), caller=caller)
        fault = self._faults.take(
            kinds=OF_THE_JOB, service="polly", operation="StartSpeechSynthesisTask", text=speech.text
        )
        now = self._clock.now()
        begin_after = now + self._preset.queue_seconds
        if fault is not None and fault.kind == "stuck_scheduled":
            begin_after = float("inf") if fault.seconds is None else begin_after + fault.seconds
        working = self._preset.working_seconds + speech.billed_characters / self._preset.characters_per_second
        task = self._ledger.accept(
            task_id=str(uuid.uuid4()),
            region=caller.region,
            created=now,
            given=members,
            speech=speech,
            lexicons=lexicons,
            fault=None if fault is None else asdict(fault),
            begin_after=begin_after,
            end_after=begin_after + working,
        )
        self._worker.add(task)
        return {"SynthesisTask": task.describe()}

    async def get_speech_synthesis_task(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            members = constraints.check(constraints.GET_SPEECH_SYNTHESIS_TASK, given)
        except PollyError as error:
            if error.name == "ValidationException" and self._readings.malformed_task_id != error.name:
                raise PollyError(self._readings.malformed_task_id, "The task id is not valid.") from error
            raise
        task = self._ledger.get(region=caller.region, task_id=members["TaskId"], now=self._clock.now())
        if task is None:
            raise PollyError("SynthesisTaskNotFoundException", "There is no synthesis task with this id.")
        return {"SynthesisTask": task.describe()}

    async def list_speech_synthesis_tasks(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        members = constraints.check(constraints.LIST_SPEECH_SYNTHESIS_TASKS, given)
        operation = "ListSpeechSynthesisTasks"
        token = members.get("NextToken")
        described, after = self._ledger.page(
            region=caller.region,
            status=members.get("Status"),
            after=self._tokens.read(token, operation=operation, region=caller.region) if token else None,
            size=members.get("MaxResults", _DEFAULT_PAGE),
            now=self._clock.now(),
            newest_first=self._readings.list_order == "newest_first",
        )
        answer: dict[str, Any] = {"SynthesisTasks": described}
        if after is not None:
            answer["NextToken"] = self._tokens.make(operation=operation, region=caller.region, after=after)
        return answer

    async def describe_voices(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """All voices fit on one page, so no token can be a valid one."""
        members = constraints.check(constraints.DESCRIBE_VOICES, given)
        self._refuse_token(members)
        return {
            "Voices": describe_voices(
                region=caller.region,
                engine=members.get("Engine"),
                language_code=members.get("LanguageCode"),
                include_additional=members.get("IncludeAdditionalLanguageCodes") == "true",
            )
        }

    async def synthesize_speech(self, caller: Caller, given: Mapping[str, Any]) -> SpeechStream:
        """Speech at once. Billed when it was made, as there is no task to answer for it."""
        members = constraints.check(constraints.SYNTHESIZE_SPEECH, given)
        speech = check_speech(members, region=caller.region, limits=SPEECH_LIMITS, readings=self._readings)
        lexicons = self._lexicon_contents(speech, region=caller.region)
        place = (caller.region, speech.engine)
        if self._speaking.get(place, 0) >= self._preset.polly_concurrency[speech.engine]:
            raise PollyError("ThrottlingException", "Rate exceeded")
        self._speaking[place] = self._speaking.get(place, 0) + 1
        try:
            audio = await self._renderer.render(
                SpeechRequest(
                    text=speech.text,
                    text_type=speech.text_type,
                    voice_id=speech.voice.id,
                    language_code=speech.language_code,
                    gender=speech.voice.gender,
                    engine=speech.engine,
                    output_format=speech.output_format,
                    sample_rate=speech.sample_rate,
                    lexicons=lexicons,
                    speech_mark_types=speech.speech_mark_types,
                )
            )
        except RenderingFailed as error:
            raise PollyError("ServiceFailureException", str(error)) from error
        finally:
            self._speaking[place] -= 1
        with self._state.transaction():
            self._state.charge("polly_synchronous", characters=speech.billed_characters)
        return SpeechStream(
            audio=audio,
            content_type=CONTENT_TYPES[speech.output_format],
            billed_characters=speech.billed_characters,
        )

    async def put_lexicon(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        members = constraints.check(constraints.PUT_LEXICON, given)
        self._lexicons.put(
            region=caller.region, name=members["Name"], content=members["Content"], now=self._clock.now()
        )
        return {}

    async def get_lexicon(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        members = constraints.check(constraints.LEXICON, given)
        return self._lexicons.get(region=caller.region, account=caller.account, name=members["Name"])

    async def delete_lexicon(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        members = constraints.check(constraints.LEXICON, given)
        self._lexicons.delete(region=caller.region, name=members["Name"])
        return {}

    async def list_lexicons(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """At most 100 exist, which is one page."""
        self._refuse_token(constraints.check(constraints.LIST_LEXICONS, given))
        return {"Lexicons": self._lexicons.list(region=caller.region, account=caller.account)}

    def _refuse_token(self, members: Mapping[str, Any]) -> None:
        if members.get("NextToken"):
            raise PollyError("InvalidNextTokenException", "The NextToken is invalid.")

    def _lexicon_contents(self, speech: Speech, *, region: str) -> tuple[str, ...]:
        return self._lexicons.contents(region=region, names=speech.lexicon_names, language_code=speech.language_code)

    def _check_place(self, members: Mapping[str, Any], *, region: str) -> None:
        bucket = members["OutputS3BucketName"]
        if self._readings.missing_bucket == "refuse":
            found = self._storage.bucket_region(bucket)
            if found is None:
                raise PollyError("InvalidS3BucketException", f"The bucket {bucket} does not exist.")
            if found != region:
                raise PollyError(
                    "InvalidS3BucketException",
                    f"The bucket {bucket} is in the Region {found}; the task needs one in {region}.",
                )
        if _climbs_out(members.get("OutputS3KeyPrefix", "")):
            raise PollyError("InvalidS3KeyException", "The key prefix leads above the root of the bucket.")

    def _check_topic(self, topic: str | None, *, caller: Caller) -> None:
        if topic is None:
            return
        region = topic.split(":")[3]
        if region != caller.region:
            raise PollyError(
                "InvalidSnsTopicArnException",
                f"The topic is in the Region {region}; the task needs one in {caller.region}.",
            )
        if not self._storage.topic_exists(topic):
            raise PollyError("InvalidSnsTopicArnException", f"The topic {topic} does not exist.")


def _climbs_out(prefix: str) -> bool:
    """S3 takes ``..`` in a key only while it stays below the root."""
    depth = 0
    for part in prefix.split("/"):
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
