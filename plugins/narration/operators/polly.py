"""Start a synthesis task at Amazon Polly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf

from narration.errors import NarrationError
from narration.hooks.aws_connection import AwsConnectionMixin, failing_at_once
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyReplyLostError,
    PollyTaskNotFoundError,
    PollyTaskUnseenError,
)
from narration.hooks.polly_retry import repeating_throttled
from narration.hooks.polly_tasks import (
    COMPLETED,
    FAILED,
    REMEMBERED_HOURS,
    UNSEEN_SECONDS,
    read_event,
    task_facts,
    task_failed,
)
from narration.links.polly import PollyConsoleLink, PollyOutputObjectLink, persist_links
from narration.operators.polly_request import SynthesisRequest, read_text

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

#: The key under which an attempt leaves what it started for the next one, in the task state store.
STATE_KEY = "polly_synthesis_task"
#: How long a throttled start is repeated before the attempt is given up; nothing is bought by a throttled one.
THROTTLED_SECONDS = 120
#: A task that Polly does not know is believed to be forgotten from this age on; before it, Polly's answer lags. The
#: hour is for clocks that differ and for what AWS means by 72 hours.
FORGOTTEN_SECONDS = (REMEMBERED_HOURS - 1) * 3600


class PollyStartSpeechSynthesisTaskOperator(AwsConnectionMixin, BaseOperator):
    """
    Start one asynchronous synthesis task at Amazon Polly and, unless told otherwise, wait until it is completed.

    Returns the task's facts (see :func:`narration.hooks.polly_tasks.task_facts`): ``task_id``, ``task_status``,
    ``output_uri``, ``request_characters``, ``creation_time`` and so on; each is also an XCom of its own, so that
    ``start.output["task_id"]`` can be handed to a sensor. Without waiting they are those of the accepted task.

    **A retry does not buy again.** Before anything is sent, the intent (a fingerprint of the whole request and of
    the connection that pays, and the time) is written to the task state store; after it, Polly's task id. A later
    attempt of the same task instance with the same request asks Polly about that task and adopts it; it starts anew
    only if Polly failed it, or does not know it and it was started about 72 hours ago, after which Polly forgets. A
    younger task that Polly does not know fails the attempt, to be asked about again. A request whose answer was lost
    is looked for in Polly's own list before the attempt fails, and again by the next attempt. To buy the same once
    more on purpose, delete the key ``polly_synthesis_task`` from the task's state, or change the request.

    What the list can prove depends on the key prefix. Leave ``output_s3_key_prefix`` out, and the fingerprint is
    used: a lost task is then recognised with certainty. With a prefix of your own it is recognised by prefix, voice
    and all other members that Polly repeats, number of characters and time; two task instances that agree in all of
    these within five minutes cannot be told apart, so nothing is adopted if several fit, and the next attempt buys
    again. A prefix per task instance (``"talks/{{ ti.map_index }}"``) closes that gap. A task that Polly
    lists only after the next attempt has looked is bought twice in either case; leave a minute between attempts
    (``retry_delay``).

    What another attempt cannot put right (refused SSML, an unknown voice, no such connection) fails the task without
    spending retries. Polly cannot cancel: a task that is killed leaves its synthesis task running, and the next
    attempt adopts it.

    .. seealso::
        https://docs.aws.amazon.com/polly/latest/API/API_StartSpeechSynthesisTask.html

    :param text: What to speak, plain or SSML (templated). It is always text, never a file name. At most 100,000
        billed characters, 200,000 with SSML tags.
    :param text_file: Instead of ``text``: a path on the worker or a URI (``s3://…``, read with ``aws_conn_id``) of a
        UTF-8 file, read when the task runs (templated; what the file holds is not). A long text stays out of XCom
        and out of the metadata database this way.
    :param output_format: ``mp3``, ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or ``json`` for speech
        marks (templated).
    :param output_s3_bucket_name: Bucket that Polly writes to, in the Region of the call (templated).
    :param voice_id: Such as ``Joanna`` (templated).
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; Polly's default is ``standard``
        (templated).
    :param language_code: Only for a bilingual voice (templated).
    :param lexicon_names: Up to 5 lexicons stored in the Region (templated).
    :param output_s3_key_prefix: What the object's key begins with; Polly appends ``.<task id>.<extension>``. Default:
        the request's fingerprint, see above. Empty: none (templated).
    :param sample_rate: In Hz; which are valid depends on the format (templated).
    :param sns_topic_arn: Topic that Polly tells when the task is over (templated).
    :param speech_mark_types: ``sentence``, ``ssml``, ``viseme``, ``word``; with the format ``json`` (templated).
    :param text_type: ``text`` (Polly's default) or ``ssml`` (templated).
    :param wait_for_completion: Whether to wait for the audio.
    :param deferrable: Wait in the triggerer, holding no worker (default: ``[operators] default_deferrable``).
    :param waiter_delay: Seconds between two looks. Polly answers 10 looks per second for a whole account and Region,
        and waiting on a worker takes no turns with anybody: let many tasks wait long between looks, or deferred, for
        then all that wait at one account share one look.
    :param waiter_max_attempts: Looks until giving up. The synthesis task goes on; another attempt adopts it.
    :param aws_conn_id: Airflow connection that pays (templated; default: ``aws_default``).
    :param region_name: AWS Region (templated; default: the connection's).
    :param verify: TLS verification, or a CA bundle (templated).
    :param botocore_config: Settings of the botocore client. Its retries do not apply to the start itself, which is
        never sent twice unseen.
    """

    template_fields: Sequence[str] = (
        "aws_conn_id",
        "engine",
        "language_code",
        "lexicon_names",
        "output_format",
        "output_s3_bucket_name",
        "output_s3_key_prefix",
        "region_name",
        "sample_rate",
        "sns_topic_arn",
        "speech_mark_types",
        "text",
        "text_file",
        "text_type",
        "verify",
        "voice_id",
    )
    # No template_ext: it would make Airflow look for a file whenever a sentence or a key prefix ends like one.
    ui_color = "#e7dcf5"
    operator_extra_links = (PollyOutputObjectLink(), PollyConsoleLink())

    def __init__(
        self,
        *,
        text: str | None = None,
        text_file: str | None = None,
        output_format: str,
        output_s3_bucket_name: str,
        voice_id: str,
        engine: str | None = None,
        language_code: str | None = None,
        lexicon_names: list[str] | None = None,
        output_s3_key_prefix: str | None = None,
        sample_rate: str | int | None = None,
        sns_topic_arn: str | None = None,
        speech_mark_types: list[str] | None = None,
        text_type: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        waiter_delay: float = 30,
        waiter_max_attempts: int = 240,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.text = text
        self.text_file = text_file
        self.output_format = output_format
        self.output_s3_bucket_name = output_s3_bucket_name
        self.voice_id = voice_id
        self.engine = engine
        self.language_code = language_code
        self.lexicon_names = lexicon_names
        self.output_s3_key_prefix = output_s3_key_prefix
        self.sample_rate = sample_rate
        self.sns_topic_arn = sns_topic_arn
        self.speech_mark_types = speech_mark_types
        self.text_type = text_type
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._waiting_for: str | None = None

    @failing_at_once()
    def execute(self, context: Context) -> dict[str, Any]:
        request = self._request()
        request.check()
        task = self._adopt(context, request) or self._start(context, request)
        persist_links(context=context, operator=self, hook=self.hook, task=task)
        if not self.wait_for_completion or task["TaskStatus"] == COMPLETED:
            return task_facts(task)
        if self.deferrable:
            self._defer(task["TaskId"])
        self._waiting_for = task["TaskId"]
        return task_facts(
            self.hook.wait_for_speech_synthesis_task(
                task["TaskId"],
                waiter_delay=self.waiter_delay,
                waiter_max_attempts=self.waiter_max_attempts,
                unseen_seconds=UNSEEN_SECONDS,
            )
        )

    @failing_at_once()
    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the trigger's event; this is a new instance, so everything comes from the event."""
        facts = read_event(event)
        self.log.info("Polly task %s is completed; output %s", facts["task_id"], facts["output_uri"])
        return facts

    def on_kill(self) -> None:
        if self._waiting_for:
            self.log.warning(
                "Polly cannot cancel synthesis task %s: it goes on and is paid for. The next attempt adopts it.",
                self._waiting_for,
            )

    def _request(self) -> SynthesisRequest:
        if (self.text is None) == (self.text_file is None):
            raise PollyArgumentError("Give either text or text_file, and not both.")
        text = self.text if self.text_file is None else read_text(self.text_file, aws_conn_id=self.aws_conn_id)
        optional = {
            "Engine": self.engine,
            "LanguageCode": self.language_code,
            "LexiconNames": list(self.lexicon_names or ()),
            "SampleRate": str(self.sample_rate or ""),
            "SnsTopicArn": self.sns_topic_arn,
            "SpeechMarkTypes": list(self.speech_mark_types or ()),
            "TextType": self.text_type,
        }
        prefix = {} if self.output_s3_key_prefix is None else {"OutputS3KeyPrefix": self.output_s3_key_prefix}
        members = {
            "Text": text,
            "OutputFormat": self.output_format,
            "OutputS3BucketName": self.output_s3_bucket_name,
            "VoiceId": self.voice_id,
            # A template that has nothing to say renders as an empty string, which no member may be.
            **{name: value for name, value in optional.items() if value},
            **prefix,
        }
        return SynthesisRequest(members=members, aws_conn_id=self.aws_conn_id, region_name=self.region_name)

    def _adopt(self, context: Context, request: SynthesisRequest) -> dict[str, Any] | None:
        """Find the task that an earlier attempt of this task instance bought for the same request."""
        record = self._recall(context, request)
        if record is None:
            return None
        if "task_id" not in record:
            found = self._look_for(request, since=record["started_at"])
            if found:
                self._remember_task(context, request, found)
            return found
        try:
            task = self.hook.get_speech_synthesis_task(record["task_id"])
        except PollyTaskNotFoundError as error:
            age = time.time() - record["started_at"]
            if age < FORGOTTEN_SECONDS:
                raise PollyTaskUnseenError(
                    f"Polly says that it does not know task {record['task_id']}, which an earlier attempt started "
                    f"{timedelta(seconds=int(age))} ago. It remembers tasks for {REMEMBERED_HOURS} hours, so nothing "
                    "is bought again; the next attempt asks again. If the connection leads to another account now, or "
                    f"you want to buy once more, delete the key {STATE_KEY!r} from this task's state."
                ) from error
            self.log.info("Polly no longer knows task %s of an earlier attempt; starting anew", record["task_id"])
            return None
        if task["TaskStatus"] == FAILED:
            self.log.warning("%s Starting anew.", task_failed(task))
            return None
        self.log.info("Adopting Polly task %s (%s) of an earlier attempt", task["TaskId"], task["TaskStatus"])
        return task

    def _start(self, context: Context, request: SynthesisRequest) -> dict[str, Any]:
        record = self._recall(context, request)
        # A request whose fate is still unknown may yet turn up in the list, so its time is kept.
        unresolved = record is not None and "task_id" not in record
        started_at = record["started_at"] if record and unresolved else time.time()
        self._remember(context, request, started_at=started_at)
        try:
            task = self._start_unthrottled(request)
        except PollyReplyLostError as error:
            self.log.warning("%s Looking for it now.", error)
            found = self._look_for(request, since=started_at)
            if found is None:
                raise
            task = found
        except NarrationError:
            # Certainly nothing was bought, so there is nothing for the next attempt to look for.
            if not unresolved:
                self._forget(context)
            raise
        self._remember_task(context, request, task)
        self.log.info(
            "Started Polly task %s: %s characters billed, output will be at %s",
            task["TaskId"],
            task.get("RequestCharacters"),
            task.get("OutputUri"),
        )
        return task

    def _start_unthrottled(self, request: SynthesisRequest) -> dict[str, Any]:
        retrying = repeating_throttled(
            seconds=THROTTLED_SECONDS,
            before_sleep=lambda state: self.log.info("Throttled, nothing bought (%s start)", state.attempt_number),
        )
        return retrying(self.hook.start_speech_synthesis_task, **request.api_arguments)

    def _look_for(self, request: SynthesisRequest, *, since: float) -> dict[str, Any] | None:
        """Ask Polly's own list for the task that the request became."""
        found = []
        for task in self.hook.list_speech_synthesis_tasks():
            if request.is_met_by(task, since=since):
                found.append(task)
                if request.has_own_prefix:
                    break
        if len(found) > 1:
            ids = ", ".join(task["TaskId"] for task in found)
            self.log.warning(
                "Polly lists several tasks that this request may have become (%s). None is adopted, because one may be "
                "another request's audio. Use a key prefix of its own for each task instance.",
                ids,
            )
            return None
        if found:
            self.log.info("Adopting Polly task %s, which Polly lists for this request", found[0]["TaskId"])
            return found[0]
        self.log.info("Polly lists no task for this request")
        return None

    def _recall(self, context: Context, request: SynthesisRequest) -> dict[str, Any] | None:
        """Read what an earlier attempt wrote down about this very request."""
        store = context.get("task_state_store")
        record: Any = store.get(STATE_KEY) if store else None
        if not isinstance(record, dict) or not isinstance(record.get("started_at"), int | float):
            return None
        if record.get("fingerprint") != request.fingerprint:
            self.log.info("An earlier attempt asked Polly for something else; its task is left alone")
            return None
        return record

    def _remember(
        self, context: Context, request: SynthesisRequest, *, started_at: float, task_id: str | None = None
    ) -> None:
        store = context.get("task_state_store")
        if store is None:
            self.log.warning("No task state store here: another attempt of this task would buy again")
            return
        record: dict[str, JsonValue] = {"fingerprint": request.fingerprint, "started_at": started_at}
        if task_id:
            record["task_id"] = task_id
        store.set(STATE_KEY, record)

    def _remember_task(self, context: Context, request: SynthesisRequest, task: dict[str, Any]) -> None:
        # Polly forgets a task by its own age; the request may have been tried in vain long before.
        created: datetime | None = task.get("CreationTime")
        started_at = created.timestamp() if created else time.time()
        self._remember(context, request, started_at=started_at, task_id=task["TaskId"])

    def _forget(self, context: Context) -> None:
        store = context.get("task_state_store")
        if store is not None:
            store.delete(STATE_KEY)

    def _defer(self, synthesis_task_id: str) -> None:
        from narration.triggers.polly import PollySpeechSynthesisTaskTrigger

        allowed = self.waiter_delay * self.waiter_max_attempts
        self.defer(
            trigger=PollySpeechSynthesisTaskTrigger(
                task_id=synthesis_task_id,
                end_time=time.time() + allowed,
                poll_interval=self.waiter_delay,
                **self.connection_arguments,
            ),
            method_name="execute_complete",
            # A net below the trigger's own end, for a triggerer that is gone.
            timeout=timedelta(seconds=allowed + self.waiter_delay + 60),
        )
