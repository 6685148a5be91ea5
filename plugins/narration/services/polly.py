"""Amazon Polly's asynchronous synthesis behind the paid-job protocol: one task for each clip."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from narration.connections import SureConnectionMixin
from narration.errors import NarrationError
from narration.hooks.deadline import Deadline
from narration.hooks.limits import shared_limiter
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import (
    PollyRefusedError,
    PollyReplyLostError,
    PollyTaskNotFoundError,
    PollyThrottledError,
    PollyTooLateError,
)
from narration.hooks.polly_retry import repeating_throttled
from narration.services.base import AudioMissingError, Batch, FetchedClip, Ledger, Purchases, SpeechService
from narration.services.polly_jobs import job_of, job_with_keys, timestamp
from narration.services.polly_preflight import POLLY, check_bucket, check_lexicons, polly_profile
from narration.synthesis import polly_rules
from narration.synthesis.orders import OrderLimits, WantedClip
from narration.synthesis.profile import VoiceProfile
from narration.synthesis.reconcile import Job, JobState
from narration.threads import Threads

_ABOUT_ONE_PARAGRAPH = frozenset({"InvalidSsmlException", "TextLengthExceededException"})
_REMEMBERED_SECONDS = 71 * 3600.0
_LIST_OVERLAP_SECONDS = 600.0
_GETS_RATHER_THAN_A_LIST = 10
_THREADS = 4
_THROTTLED_ATTEMPTS = 6


class PollyService(SpeechService):
    """
    Buy clips from Amazon Polly, one ``StartSpeechSynthesisTask`` for each.

    Polly has no idempotency token and no cancel. What it does have is ``OutputS3KeyPrefix``: it carries the clip
    key, and both the task list and the bucket show it again in ``OutputUri``. So the task list (72 hours) and the
    objects (as long as the bucket keeps them) are the ledger.

    :param aws_conn_id: Airflow connection that pays. Its extra may hold ``polly_quotas``, calls per second that AWS
        granted the account: ``{"start": 20, "read": 10}``.
    :param bucket: bucket that Polly writes into; in the Region of the calls.
    :param prefix: key prefix below which the clips lie.
    :param region_name: AWS Region; default: the connection's.
    :param verify: TLS verification, as in the Amazon provider.
    :param botocore_config: botocore client settings, as in the Amazon provider.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html
    """

    name = POLLY
    settle_seconds = 30.0
    portion = 25

    def __init__(
        self,
        *,
        aws_conn_id: str | None,
        bucket: str,
        prefix: str = "narration/clips",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        self.aws_conn_id = aws_conn_id
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._clients: AsyncExitStack | None = None
        self._client: Any = None

    def connection(self) -> dict[str, Any]:
        return {
            "aws_conn_id": self.aws_conn_id,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    @property
    def account(self) -> str:
        return f"polly:{self.aws_conn_id or ''}:{self.region_name or ''}"

    # -- clients -------------------------------------------------------------------------------------------------

    @cached_property
    def hook(self) -> PollyHook:
        """The Polly hook of this account."""
        return PollyHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    @cached_property
    def s3(self) -> Any:
        """A boto3 S3 client of the same connection."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        class SureS3Hook(SureConnectionMixin, S3Hook):
            """Reads what was bought with the connection that bought it, or not at all."""

        hook = SureS3Hook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )
        return hook.get_conn()

    def _quota(self, call: str, default: int) -> int:
        """Calls per second of ``read`` or ``start:<engine>``; a plain number of starts is that of the quick engines."""
        granted: Any = (self.hook.conn_config.extra_config or {}).get("polly_quotas") or {}
        kind, _, engine = call.partition(":")
        value = granted.get(kind)
        if isinstance(value, Mapping):
            value = value.get(engine)
        elif engine and default == 1:
            value = None
        return max(1, int(value or default))

    def _take_turn(self, call: str, per_second: int) -> None:
        shared_limiter(account=self.account, call=call, per_second=self._quota(call, per_second)).take()

    # -- before anything is bought -------------------------------------------------------------------------------

    def check_output(self) -> None:
        check_bucket(self.hook, s3=self.s3, bucket=self.bucket)

    def profile(
        self,
        *,
        voice: str,
        engine: str,
        language_code: str | None,
        audio_format: str,
        sample_rate: int | None,
        lexicons: Sequence[str],
    ) -> VoiceProfile:
        return polly_profile(
            self.hook,
            voice=voice,
            engine=engine,
            language_code=language_code,
            audio_format=audio_format,
            sample_rate=sample_rate,
            lexicons=lexicons,
        )

    def rules(self, profile: VoiceProfile) -> polly_rules.PollyRules:
        return polly_rules.PollyRules(engine=profile.engine, voice=profile.voice)

    def order_limits(self, *, paragraphs_per_order: int) -> OrderLimits:
        return OrderLimits(clips=paragraphs_per_order)

    # -- the ledger ----------------------------------------------------------------------------------------------

    def check_unchanged(self, profile: VoiceProfile) -> None:
        check_lexicons(self.hook, profile)

    def find_jobs(
        self,
        clips: Collection[WantedClip],
        *,
        known: Collection[Job],
        listed_at: float | None,
        intended: Mapping[str, tuple[str, ...]],
    ) -> Ledger:
        wanted = {clip.clip_key for clip in clips}
        jobs = {job.job_id: job for job in self._check_known([job for job in known if wanted & set(job.clip_keys)])}
        covered = {key for job in jobs.values() if job.state is not JobState.FAILED for key in job.clip_keys}
        listed = bool(wanted - covered)
        if listed:
            for job in self._listed(wanted, since=listed_at):
                jobs[job.job_id] = job
            covered |= {key for job in jobs.values() if job.state is not JobState.FAILED for key in job.clip_keys}
        for job in self._in_bucket(wanted - covered):
            known_job = jobs.get(job.job_id)
            # Audio may come long after its job was given up; the job's own facts are the better ones all the same.
            jobs[job.job_id] = job if known_job is None else replace(known_job, state=job.state, output=job.output)
        return Ledger(jobs=tuple(jobs.values()), listed=listed)

    def _check_known(self, known: Sequence[Job]) -> Iterator[Job]:
        """Ask the bucket first, which has no quota worth saving, and Polly only about what is not there."""
        yield from (job for job in known if job.state is JobState.FAILED)
        known = [job for job in known if job.state is not JobState.FAILED]
        with Threads(_THREADS) as pool:
            arrived = list(pool.map(lambda job: bool(job.output) and self._object_exists(job.output), known))
        absent = []
        for job, there in zip(known, arrived, strict=True):
            if there:
                yield replace(job, state=JobState.SUCCEEDED)
            else:
                absent.append(job)
        if len(absent) > _GETS_RATHER_THAN_A_LIST:
            keys = {key for job in absent for key in job.clip_keys}
            seen = {job.job_id: job for job in self._listed(keys, since=None)}
            yield from seen.values()
            absent = [job for job in absent if job.job_id not in seen]
        for job in absent:
            self._take_turn("read", polly_rules.READ_PER_SECOND)
            try:
                yield job_of(self.hook.get_speech_synthesis_task(job.job_id)) or job
            except PollyTaskNotFoundError:
                # What Polly accepted it remembers for 72 hours; an answer that denies it sooner is one that lags.
                if job.created_at is None or time.time() - job.created_at < _REMEMBERED_SECONDS:
                    yield job

    def _listed(self, keys: Collection[str], *, since: float | None) -> Iterator[Job]:
        """
        Go through the account's tasks for those that carry one of the keys.

        Polly says that the list is ordered by creation, not in which direction; if it turns out to begin with the
        newest, tasks from before the last look are left alone.
        """
        oldest = None if since is None else since - _LIST_OVERLAP_SECONDS
        previous: float | None = None
        falling = rising = False
        self._take_turn("read", polly_rules.READ_PER_SECOND)
        for number, task in enumerate(self.hook.list_speech_synthesis_tasks(), start=1):
            created = timestamp(task.get("CreationTime"))
            if previous is not None and created is not None:
                falling, rising = falling or created < previous, rising or created > previous
            previous = created if created is not None else previous
            found = job_of(task)
            if found is not None and found.clip_keys[0] in keys:
                yield found
            if number % 100 == 0:
                newest_first = falling and not rising
                if newest_first and oldest is not None and previous is not None and previous < oldest:
                    return
                self._take_turn("read", polly_rules.READ_PER_SECOND)

    def _in_bucket(self, keys: Collection[str]) -> Iterator[Job]:
        """Find audio that Polly wrote so long ago that it no longer lists the task."""

        def look(key: str) -> list[dict[str, Any]]:
            prefix = f"{self.prefix}/{key}."
            with _s3_errors(f"s3://{self.bucket}/{prefix}*"):
                return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=10).get("Contents", [])

        todo = sorted(keys)
        with Threads(_THREADS) as pool:
            for key, found in zip(todo, pool.map(look, todo), strict=True):
                for item in found:
                    name = PurePosixPath(item["Key"]).name.split(".")
                    yield Job(
                        job_id=name[1] if len(name) > 1 else name[0],
                        clip_keys=(key,),
                        state=JobState.SUCCEEDED,
                        created_at=item["LastModified"].timestamp(),
                        output=f"s3://{self.bucket}/{item['Key']}",
                    )

    def _object_exists(self, output: str) -> bool:
        bucket, key = PollyHook.parse_output_uri(output)
        try:
            with _s3_errors(f"s3://{bucket}/{key}"):
                self.s3.head_object(Bucket=bucket, Key=key)
        except AudioMissingError:
            return False
        return True

    # -- buying and fetching -------------------------------------------------------------------------------------

    def buy(self, batches: Sequence[Batch], *, profile: VoiceProfile, until: Deadline | None = None) -> Purchases:
        clips = [clip for batch in batches for clip in batch.clips]
        stop = threading.Event()
        last = until or Deadline.after(self.settle_seconds / 2)
        with Threads(_THREADS) as pool:
            outcomes = list(pool.map(lambda clip: self._buy_one(clip, profile=profile, stop=stop, until=last), clips))
        jobs = tuple(outcome for outcome in outcomes if isinstance(outcome, Job))
        refused: dict[str, str] = {}
        lost, throttled, failure = [], [], None
        for clip, outcome in zip(clips, outcomes, strict=True):
            if isinstance(outcome, PollyReplyLostError):
                lost.append(clip.clip_key)
            elif isinstance(outcome, PollyRefusedError) and outcome.code in _ABOUT_ONE_PARAGRAPH:
                refused[clip.clip_key] = str(outcome)
            elif outcome is None or isinstance(outcome, PollyThrottledError):
                throttled.append(clip.clip_key)
            elif isinstance(outcome, NarrationError):
                failure = failure or type(outcome)(f"{clip.place}: {outcome}")
        return Purchases(jobs=jobs, refused=refused, lost=tuple(lost), throttled=tuple(throttled), failure=failure)

    def _buy_one(
        self, clip: WantedClip, *, profile: VoiceProfile, stop: threading.Event, until: Deadline
    ) -> Job | NarrationError | None:
        try:
            for attempt in repeating_throttled(attempts=_THROTTLED_ATTEMPTS, longest_wait=10):
                with attempt, self.hook.starts_until(until):
                    if stop.is_set():
                        return None
                    self._take_turn(f"start:{profile.engine}", polly_rules.START_PER_SECOND[profile.engine])
                    if until.is_over:
                        return None
                    task = self.hook.start_speech_synthesis_task(
                        Text=clip.text,
                        TextType=clip.text_type,
                        VoiceId=profile.voice,
                        Engine=profile.engine,
                        LanguageCode=profile.language_code,
                        OutputFormat=profile.audio_format,
                        SampleRate=str(profile.sample_rate),
                        LexiconNames=[lexicon.name for lexicon in profile.lexicons] or None,
                        OutputS3BucketName=self.bucket,
                        OutputS3KeyPrefix=f"{self.prefix}/{clip.clip_key}",
                    )
        except PollyTooLateError:
            return None
        except NarrationError as error:
            about_one = isinstance(error, PollyReplyLostError) or (
                isinstance(error, PollyRefusedError) and error.code in _ABOUT_ONE_PARAGRAPH
            )
            if not about_one:
                stop.set()
            return error
        return job_with_keys(task, (clip.clip_key,))

    def fetch(self, job: Job) -> Iterator[FetchedClip]:
        bucket, key = PollyHook.parse_output_uri(job.output)
        with _s3_errors(f"s3://{bucket}/{key}, the audio of Polly task {job.job_id},"):
            data = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        yield FetchedClip(clip_key=job.clip_keys[0], data=data, characters=job.characters)

    async def outstanding_jobs(self, job_ids: Collection[str]) -> frozenset[str]:
        ids = set()
        client = await self._list_client()
        try:
            # In this order a task that moves on between the two calls is seen in at least one of them.
            for status in ("scheduled", "inProgress"):
                async for task in self.hook.alist_speech_synthesis_tasks(client=client, status=status):
                    ids.add(task["TaskId"])
        except NarrationError:
            # A fresh client next time: the credentials may be new ones by then.
            await self.close()
            raise
        return frozenset(ids)

    async def _list_client(self) -> Any:
        """Keep one client for all sweeps: opening one blocks the event loop for a fifth of a second."""
        if self._clients is None:
            clients = AsyncExitStack()
            client = await clients.enter_async_context(self.hook.async_client())
            self._clients, self._client = clients, client
        return self._client

    async def close(self) -> None:
        if self._clients is not None:
            clients, self._clients = self._clients, None
            await clients.aclose()


@contextmanager
def _s3_errors(what: str) -> Iterator[None]:
    """Say of what S3 refuses or fails to answer what it was about; what is not there is another thing."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        # A bucket that was deleted since holds nothing either.
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            raise AudioMissingError(f"{what} is not there.") from error
        raise NarrationError(
            f"{what} could not be read ({code}). Check that the connection's principal may read objects of this "
            "bucket (s3:GetObject, s3:ListBucket, and kms:Decrypt if a KMS key encrypts it); what was bought stays "
            "there and is collected by the next attempt."
        ) from error
    except BotoCoreError as error:
        raise NarrationError(
            f"{what} could not be read ({error}). What was bought stays there and is collected by the next attempt."
        ) from error
