"""Amazon Polly's asynchronous synthesis, voices and lexicons, as an Airflow hook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from narration import metrics
from narration.connections import SureConnectionMixin
from narration.hooks.deadline import Deadline
from narration.hooks.polly_errors import (
    START,
    PollyCredentialsError,
    PollyTaskNotFoundError,
    PollyTooLateError,
    PollyWaitTimeoutError,
    cut_off,
    is_throttling,
    translated,
)
from narration.hooks.polly_tasks import parse_output_uri, task_failed
from narration.secrecy import guard

GET = "GetSpeechSynthesisTask"
LIST = "ListSpeechSynthesisTasks"
VOICES = "DescribeVoices"

#: How long a start may take to connect; other calls take what the connection says.
_CONNECT_SECONDS = 5
_starts_until: ContextVar[Deadline | None] = ContextVar("_starts_until", default=None)

#: The most that ListSpeechSynthesisTasks returns in one answer.
LIST_PAGE_SIZE = 100
#: The waiter in ``waiters/polly.json``; the AWS SDK has none for Polly.
TASK_WAITER = "speech_synthesis_task_completed"


class PollyHook(SureConnectionMixin, AwsBaseHook):
    """
    Talk to Amazon Polly about synthesis tasks, voices and lexicons.

    A thin wrapper around :external+boto3:py:class:`boto3.client("polly") <Polly.Client>`. Where it is more than
    that, money is the reason:

    * A start is sent once. The AWS SDK would by itself repeat a request whose answer it did not get, Polly has no
      idempotency token, and every accepted start is billed.
    * Errors come as the classes of :mod:`narration.hooks.polly_errors`, which say whether something may have been
      bought and whether another attempt makes sense. The SDK's own error is their ``__cause__``.
    * A connection that is named but does not exist is an error. The base class would go on with whatever
      credentials the machine has, which may be another account's. Only ``aws_default`` keeps that habit, because
      installations with worker roles rely on it.

    The methods that start with ``a`` are the same calls for the event loop. They take the client from
    :meth:`async_client`, so that a caller with several calls opens one connection for all of them.

    .. seealso::
        https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html and
        https://docs.aws.amazon.com/polly/latest/dg/limits.html

    :param aws_conn_id: The Airflow connection that pays (default: ``aws_default``).
    :param region_name: AWS Region; the bucket and the SNS topic must be in the same one. Default: the connection's.
    :param verify: Whether, or with which certificates, to verify TLS.
    :param config: Configuration of the botocore client.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "polly"
        super().__init__(*args, **kwargs)
        guard()

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        wrapper: AwsConnectionWrapper = super().conn_config
        if self.aws_conn_id and not wrapper and self.aws_conn_id != self.default_conn_name:
            # The base class has stored its answer already; it must not be found at the next look.
            self.__dict__.pop("conn_config", None)
            raise PollyCredentialsError(
                f"There is no Airflow connection {self.aws_conn_id!r}. Create it (type Amazon Web Services) under "
                f"Admin, Connections, or as the environment variable AIRFLOW_CONN_{self.aws_conn_id.upper()}."
            )
        return wrapper

    @cached_property
    def waiter_path(self) -> Path:
        # The base class looks in the provider's own folder.
        return Path(__file__).parent / "waiters" / "polly.json"

    # ---- clients

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        session: Any = super().get_session(region_name=region_name, deferrable=deferrable)
        # Each answer comes by here, those included that the SDK repeats by itself; boto3 and aiobotocore differ a bit.
        getattr(session, "events", session).register("needs-retry.polly", _count_if_throttled)
        return session

    @property
    def _single_attempt_config(self) -> Config:
        """The caller's own botocore configuration, except that a request is never sent twice."""
        retries: Any = {"total_max_attempts": 1}
        mode = (getattr(self.config, "retries", None) or {}).get("mode")
        # What is connected later is sent later, perhaps when nobody reckons with it any more.
        connecting = min(getattr(self.config, "connect_timeout", None) or _CONNECT_SECONDS, _CONNECT_SECONDS)
        return self.config.merge(
            Config(retries={**retries, "mode": mode} if mode else retries, connect_timeout=connecting)
        )

    @cached_property
    def _start_client(self) -> Any:
        client: Any = self.get_client_type(region_name=self.region_name, config=self._single_attempt_config)
        client.meta.events.register(f"before-send.polly.{START}", _refuse_if_late)
        return client

    @contextmanager
    def starts_until(self, moment: Deadline) -> Iterator[None]:
        """
        Send no start after a moment, from this thread.

        The clocks are looked at when the request is signed and ready, however long a client, credentials or the
        machine itself took until then.

        :raises PollyTooLateError: instead, from the start: nothing was sent.
        """
        token = _starts_until.set(moment)
        try:
            yield
        finally:
            _starts_until.reset(token)

    @cached_property
    def conn(self) -> Any:
        """The plain client, with the retries that the connection configures."""
        with translated("opening the client", aws_conn_id=self.aws_conn_id):
            return self.get_client_type(region_name=self.region_name)

    @asynccontextmanager
    async def async_client(self) -> AsyncIterator[Any]:
        """Open one aiobotocore client for a group of calls, and close it."""
        with translated("opening the client", aws_conn_id=self.aws_conn_id):
            connecting = await self.get_async_conn()
        async with connecting as client:
            yield client

    # ---- synthesis tasks

    def start_speech_synthesis_task(self, **api_args: Any) -> dict[str, Any]:
        """
        Buy one synthesis task.

        :param api_args: The members of StartSpeechSynthesisTask in Polly's own names; those that are None are left
            out.
        :return: Polly's ``SynthesisTask``.
        :raises PollyThrottledError: nothing was bought; try later.
        :raises PollyRefusedError: nothing was bought; the request itself is wrong.
        :raises PollyUnavailableError: nothing was bought; Polly could not be reached.
        :raises PollyReplyLostError: it may have been bought; ask :meth:`list_speech_synthesis_tasks` first.
        """
        with translated(START, aws_conn_id=self.aws_conn_id):
            return _part(self._start_client.start_speech_synthesis_task(**_given(api_args)), "SynthesisTask", START)

    async def astart_speech_synthesis_task(self, **api_args: Any) -> dict[str, Any]:
        """Buy one synthesis task from an async *task*. Never from a trigger: a trigger may run twice."""
        with translated(START, aws_conn_id=self.aws_conn_id):
            async with await self._open_async_start_client() as client:
                return _part(await client.start_speech_synthesis_task(**_given(api_args)), "SynthesisTask", START)

    async def _open_async_start_client(self) -> Any:
        from asgiref.sync import sync_to_async

        def open_client() -> Any:
            # Looks the connection up, which blocks.
            return self.get_client_type(
                region_name=self.region_name, config=self._single_attempt_config, deferrable=True
            )

        return await sync_to_async(open_client)()

    def get_speech_synthesis_task(self, task_id: str) -> dict[str, Any]:
        """
        Ask for one task; Polly answers for 72 hours after it was started.

        :raises PollyTaskNotFoundError: Polly does not know the id (any more).
        """
        with translated(GET, aws_conn_id=self.aws_conn_id):
            return _part(self.conn.get_speech_synthesis_task(TaskId=task_id), "SynthesisTask", GET)

    async def aget_speech_synthesis_task(self, task_id: str, *, client: Any) -> dict[str, Any]:
        """Ask for one task from the event loop; see :meth:`get_speech_synthesis_task`."""
        with translated(GET, aws_conn_id=self.aws_conn_id):
            return _part(await client.get_speech_synthesis_task(TaskId=task_id), "SynthesisTask", GET)

    def list_speech_synthesis_tasks(
        self, *, status: str | None = None, max_items: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """
        Go through the account's tasks of the last 72 hours, page by page (100 a call).

        Get and List together may be called 10 times per second by a whole account, so stop when you have seen
        enough: no further page is asked for.

        :param status: ``scheduled``, ``inProgress``, ``completed`` or ``failed``; default all.
        :param max_items: stop after so many.
        """
        with translated(LIST, aws_conn_id=self.aws_conn_id):
            paginator = self.conn.get_paginator("list_speech_synthesis_tasks")
            for page in paginator.paginate(**_given({"Status": status}), PaginationConfig=_paging(max_items)):
                yield from _part(page, "SynthesisTasks", LIST)

    async def alist_speech_synthesis_tasks(
        self, *, client: Any, status: str | None = None, max_items: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Go through the account's tasks from the event loop; see :meth:`list_speech_synthesis_tasks`."""
        with translated(LIST, aws_conn_id=self.aws_conn_id):
            paginator = client.get_paginator("list_speech_synthesis_tasks")
            async for page in paginator.paginate(**_given({"Status": status}), PaginationConfig=_paging(max_items)):
                for task in _part(page, "SynthesisTasks", LIST):
                    yield task

    def wait_for_speech_synthesis_task(
        self,
        task_id: str,
        *,
        waiter_delay: float = 10,
        waiter_max_attempts: int = 360,
        unseen_seconds: float = 0,
    ) -> dict[str, Any]:
        """
        Hold the caller until the task is completed; prefer a deferrable operator for anything long.

        :param waiter_delay: seconds between two calls.
        :param waiter_max_attempts: calls until giving up; throttled ones count, so the waiting always ends.
        :param unseen_seconds: for so long Polly may say that it does not know the task, which happens when its answer
            lags behind the start; calls that it answers so are not counted.
        :return: Polly's ``SynthesisTask``, completed.
        :raises PollyTaskFailedError: with Polly's reason.
        :raises PollyTaskNotFoundError: Polly does not know the id.
        :raises PollyWaitTimeoutError: the task goes on at Polly.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PollyTaskNotFoundError),
            wait=wait_fixed(waiter_delay),
            stop=stop_after_delay(unseen_seconds),
            reraise=True,
        )
        try:
            retrying(self._wait, task_id, delay=waiter_delay, attempts=waiter_max_attempts)
        except PollyTaskNotFoundError as error:
            raise PollyTaskNotFoundError(f"Polly task {task_id}: {error}", error.code) from error
        return self.get_speech_synthesis_task(task_id)

    def _wait(self, task_id: str, *, delay: float, attempts: int) -> None:
        waiter = self.get_waiter(TASK_WAITER)
        with translated(GET, aws_conn_id=self.aws_conn_id):
            try:
                waiter.wait(TaskId=task_id, WaiterConfig={"Delay": delay, "MaxAttempts": attempts})
            except WaiterError as error:
                answer: Any = error.last_response
                if answer.get("SynthesisTask", {}).get("TaskStatus") == "failed":
                    raise task_failed(answer["SynthesisTask"]) from error
                if "Max attempts exceeded" not in str(error):
                    # An error answer that no acceptor takes; the waiter has hidden it in its own error.
                    raise ClientError(answer, GET) from error
                raise PollyWaitTimeoutError(
                    f"Polly task {task_id} was not finished after {attempts} calls, {delay} s apart. It goes on at "
                    "Polly; wait longer (waiter_delay, waiter_max_attempts) or run again: the next attempt adopts it."
                ) from error

    # ---- voices

    def describe_voices(
        self,
        *,
        engine: str | None = None,
        language_code: str | None = None,
        include_additional_language_codes: bool | None = None,
    ) -> list[dict[str, Any]]:
        """
        List the voices of this Region: the only authority on which voice speaks with which engine.

        :param engine: only voices that speak with it.
        :param language_code: only voices of this language, such as ``en-GB``.
        :param include_additional_language_codes: let the filter match a bilingual voice's other languages too.
        """
        with translated(VOICES, aws_conn_id=self.aws_conn_id):
            pages = self.conn.get_paginator("describe_voices").paginate(
                **_voice_filter(engine, language_code, include_additional_language_codes)
            )
            return [voice for page in pages for voice in _part(page, "Voices", VOICES)]

    async def adescribe_voices(
        self,
        *,
        client: Any,
        engine: str | None = None,
        language_code: str | None = None,
        include_additional_language_codes: bool | None = None,
    ) -> list[dict[str, Any]]:
        """List the voices of this Region from the event loop; see :meth:`describe_voices`."""
        with translated(VOICES, aws_conn_id=self.aws_conn_id):
            pages = client.get_paginator("describe_voices").paginate(
                **_voice_filter(engine, language_code, include_additional_language_codes)
            )
            return [voice async for page in pages for voice in _part(page, "Voices", VOICES)]

    # ---- lexicons

    def put_lexicon(self, *, name: str, content: str) -> None:
        """
        Store a pronunciation lexicon (W3C PLS) in this Region, replacing one of the same name.

        :param name: 1 to 20 letters and digits.
        :param content: the PLS document, at most 40,000 characters.
        """
        with translated("PutLexicon", aws_conn_id=self.aws_conn_id):
            self.conn.put_lexicon(Name=name, Content=content)

    def get_lexicon(self, *, name: str) -> dict[str, Any]:
        """Return ``{"Lexicon": {"Content", "Name"}, "LexiconAttributes": {…}}``."""
        with translated("GetLexicon", aws_conn_id=self.aws_conn_id):
            answer = self.conn.get_lexicon(Name=name)
        return {"Lexicon": answer["Lexicon"], "LexiconAttributes": answer["LexiconAttributes"]}

    def list_lexicons(self) -> list[dict[str, Any]]:
        """List the names and attributes of this Region's lexicons."""
        with translated("ListLexicons", aws_conn_id=self.aws_conn_id):
            pages = self.conn.get_paginator("list_lexicons").paginate()
            return [lexicon for page in pages for lexicon in page["Lexicons"]]

    def delete_lexicon(self, *, name: str) -> None:
        """Remove a lexicon from this Region."""
        with translated("DeleteLexicon", aws_conn_id=self.aws_conn_id):
            self.conn.delete_lexicon(Name=name)

    async def aput_lexicon(self, *, client: Any, name: str, content: str) -> None:
        """Store a lexicon from the event loop; see :meth:`put_lexicon`."""
        with translated("PutLexicon", aws_conn_id=self.aws_conn_id):
            await client.put_lexicon(Name=name, Content=content)

    async def aget_lexicon(self, *, client: Any, name: str) -> dict[str, Any]:
        """Return a lexicon from the event loop; see :meth:`get_lexicon`."""
        with translated("GetLexicon", aws_conn_id=self.aws_conn_id):
            answer = await client.get_lexicon(Name=name)
        return {"Lexicon": answer["Lexicon"], "LexiconAttributes": answer["LexiconAttributes"]}

    async def alist_lexicons(self, *, client: Any) -> list[dict[str, Any]]:
        """List this Region's lexicons from the event loop; see :meth:`list_lexicons`."""
        with translated("ListLexicons", aws_conn_id=self.aws_conn_id):
            pages = client.get_paginator("list_lexicons").paginate()
            return [lexicon async for page in pages for lexicon in page["Lexicons"]]

    async def adelete_lexicon(self, *, client: Any, name: str) -> None:
        """Remove a lexicon from the event loop; see :meth:`delete_lexicon`."""
        with translated("DeleteLexicon", aws_conn_id=self.aws_conn_id):
            await client.delete_lexicon(Name=name)

    # ---- output and connection

    @staticmethod
    def parse_output_uri(uri: str) -> tuple[str, str]:
        """Split the place that Polly reports into bucket and key; see
        :func:`narration.hooks.polly_tasks.parse_output_uri`."""
        return parse_output_uri(uri)

    def test_connection(self) -> tuple[bool, str]:
        """Ask Polly for its voices: free, and it needs no permission beyond polly:DescribeVoices."""
        try:
            voices = self.describe_voices()
        except Exception as error:  # Airflow shows the message to the person who pressed the button
            return False, f"{type(error).__name__}: {error}"
        return True, f"Amazon Polly in {self.conn_region_name} offers {len(voices)} voices"


def _count_if_throttled(*, operation: Any, response: Any = None, **_: Any) -> None:
    """Count an answer that refuses because of the rate; botocore asks each time whether to repeat, and is not told."""
    if response is not None:
        http, parsed = response
        if is_throttling(str(parsed.get("Error", {}).get("Code", "")), http.status_code):
            metrics.throttled(service="polly", call=operation.name)


def _refuse_if_late(**_: Any) -> None:
    """Look at the clocks a last time; botocore calls this with a request that is ready to go."""
    moment = _starts_until.get()
    if moment is not None and moment.is_over:
        raise PollyTooLateError(
            "The start was ready too late, because credentials, the connection or the machine itself took too long. "
            "It was not sent and nothing was bought; the task asks again later."
        )


def _part(answer: dict[str, Any], name: str, operation: str) -> Any:
    """Take out of an answer what it must hold; one that was cut off behind its head holds nothing."""
    if name not in answer:
        raise cut_off(operation, missing=name)
    return answer[name]


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _paging(max_items: int | None) -> dict[str, int]:
    return _given({"PageSize": LIST_PAGE_SIZE, "MaxItems": max_items})


def _voice_filter(engine: str | None, language_code: str | None, additional: bool | None) -> dict[str, Any]:
    return _given({"Engine": engine, "LanguageCode": language_code, "IncludeAdditionalLanguageCodes": additional})
