"""The SQS queue to which an SNS topic passes on Polly's notices, for the event loop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.polly_notices import Received

_QUEUE_URL = re.compile(r"https?://[^/\s]+/(?:[^/\s]+/)*[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
# sqs.<region>.amazonaws.com, the host of an interface endpoint, and <region>.queue.amazonaws.com, which the first
# version of the aws command still gives.
_REGION_NAME = r"([a-z]{2,4}(?:-[a-z]+)+-\d+)"
_REGION = re.compile(rf"[/.]sqs(?:-fips)?\.{_REGION_NAME}\.|/{_REGION_NAME}\.queue\.")
#: The most that one request may hand out, delete or put back.
_BATCH = 10
# More than the wait, so that an answer which comes at its very end is still read.
_ANSWER_SECONDS = 15

_PASSING = frozenset(
    {"RequestThrottled", "ThrottlingException", "Throttling", "TooManyRequestsException", "OverLimit", "KmsThrottled"}
    | {"KMS.ThrottlingException", "ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"}
)
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
ACTIONS = "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility"


class QueueUnavailableError(NarrationError):
    """The queue did not answer or throttled the call; it will pass by itself."""


class QueueRefusedError(PermanentNarrationError):
    """The queue cannot be used as things are; the message says what to change."""


class PollyNoticeQueue:
    """
    Receive from one queue, over one connection that stays open.

    A message that was received is held back from everybody else for ``held_seconds``; what is then neither deleted
    nor put back comes again. The time is short because a receiver that is stopped while it waits may be handed a
    message that it never reads.

    :param queue_url: the queue, as ``aws sqs get-queue-url`` says it. Its Region is read from the URL, since a topic
        may have a queue in another Region; where the URL does not say, it is the connection's.
    :param aws_conn_id: Airflow connection whose principal may use the queue.
    :param region_name: AWS Region of the connection, for a URL that does not name one.
    :param verify: as the operator's.
    :param botocore_config: as the operator's, except that its read timeout is at least as long as the wait.
    :param wait_seconds: how long a request waits for a message, at most 20 (a limit of SQS); an empty answer is
        billed like any other, so long waits are cheap waits.
    :param held_seconds: see above.

    .. seealso::
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """

    def __init__(
        self,
        *,
        queue_url: str,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        wait_seconds: int = 20,
        held_seconds: int = 10,
    ) -> None:
        self.queue_url = queue_url
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.wait_seconds = wait_seconds
        self.held_seconds = held_seconds
        self._clients: AsyncExitStack | None = None
        self._client: Any = None

    @property
    def ordered(self) -> bool:
        """Whether it is a FIFO queue: there a message that is held back holds back all of its group."""
        return self.queue_url.endswith(".fifo")

    async def receive(self) -> Sequence[Received]:
        """
        Wait for messages; up to ten, or none when the wait is over.

        :raises QueueUnavailableError: another attempt may pass.
        :raises QueueRefusedError: another attempt passes once something was changed.
        """
        async with self._calling("ReceiveMessage") as client:
            answer = await client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=self.wait_seconds,
                VisibilityTimeout=self.held_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_received(message) for message in answer.get("Messages", ())]

    async def delete(self, messages: Iterable[Received]) -> None:
        """Delete messages for good; those that are gone already are no matter."""
        entries = [{"ReceiptHandle": message.receipt} for message in messages]
        for batch in _batches(entries):
            async with self._calling("DeleteMessage") as client:
                answer = await client.delete_message_batch(QueueUrl=self.queue_url, Entries=batch)
            self._check(answer, "DeleteMessage")

    async def put_back(self, messages: Mapping[Received, int]) -> None:
        """Let messages be received again, by anybody, after so many seconds each."""
        entries = [
            {"ReceiptHandle": message.receipt, "VisibilityTimeout": seconds} for message, seconds in messages.items()
        ]
        for batch in _batches(entries):
            async with self._calling("ChangeMessageVisibility") as client:
                answer = await client.change_message_visibility_batch(QueueUrl=self.queue_url, Entries=batch)
            self._check(answer, "ChangeMessageVisibility")

    async def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._clients is not None:
            clients, self._clients, self._client = self._clients, None, None
            await clients.aclose()

    @asynccontextmanager
    async def _calling(self, operation: str) -> AsyncIterator[Any]:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as UnreachableError

        try:
            yield await self._opened()
        except ClientError as error:
            if "Throttl" not in str(error.response.get("Error", {}).get("Code")):
                # Opened anew it may have newer credentials.
                await self.close()
            raise self._from_answer(error.response, operation) from error
        except (HTTPClientError, UnreachableError) as error:
            await self.close()
            raise QueueUnavailableError(f"The queue {self.queue_url} did not answer {operation}: {error}") from error
        except BotoCoreError as error:
            await self.close()
            raise QueueRefusedError(
                f"{operation} was not sent to the queue {self.queue_url}: {type(error).__name__}: {error}. Check "
                f"completion_queue_url and {self._where}."
            ) from error

    async def _opened(self) -> Any:
        if self._client is None:
            if not _QUEUE_URL.fullmatch(self.queue_url):
                raise QueueRefusedError(
                    f"completion_queue_url is {self.queue_url!r}, which is not the URL of an SQS queue. Take it from "
                    "`aws sqs get-queue-url --queue-name …`; a name or an ARN will not do."
                )
            clients = AsyncExitStack()
            self._client = await clients.enter_async_context(await self._connecting())
            self._clients = clients
        return self._client

    async def _connecting(self) -> Any:
        from airflow.providers.amazon.aws.hooks.sqs import SqsHook
        from asgiref.sync import sync_to_async
        from botocore.config import Config

        region = _REGION.search(self.queue_url)
        hook = SqsHook(
            aws_conn_id=self.aws_conn_id,
            region_name=region[1] or region[2] if region else self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

        def open_client() -> Any:
            # Looks the connection up, which blocks.
            configured = getattr(hook.config, "read_timeout", None) or 0
            patience = max(configured, self.wait_seconds + _ANSWER_SECONDS)
            return hook.get_client_type(
                region_name=hook.region_name, config=hook.config.merge(Config(read_timeout=patience)), deferrable=True
            )

        return await sync_to_async(open_client)()

    def _check(self, answer: Mapping[str, Any], operation: str) -> None:
        """A batch is answered with 200 even when single messages of it were refused."""
        for failed in answer.get("Failed", ()):
            # The hold is over or the message gone: it comes again, or was dealt with by somebody else.
            if failed.get("Code") in {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}:
                continue
            status = 400 if failed.get("SenderFault") else 500
            error = {"Code": failed.get("Code", "Unknown"), "Message": failed.get("Message", "")}
            raise self._from_answer({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)

    def _from_answer(self, response: Mapping[str, Any], operation: str) -> NarrationError:
        code = str(response.get("Error", {}).get("Code", "Unknown"))
        said = str(response.get("Error", {}).get("Message", ""))[:600]
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _PASSING or status >= 500 or status in {0, 408, 429}:
            return QueueUnavailableError(f"The queue {self.queue_url} did not carry out {operation} ({code}: {said}).")
        if code in _MISSING:
            remedy = (
                "There is no such queue in the account and Region of the connection: check completion_queue_url, or "
                "create the queue."
            )
        elif code in _DENIED:
            remedy = f"Allow {ACTIONS} on it in the IAM policy of the principal of {self._where}."
        elif code.startswith(("Kms", "KMS")):
            remedy = f"Allow kms:Decrypt on the queue's key in the IAM policy of the principal of {self._where}."
        else:
            remedy = f"Check {self._where} and the queue."
        return QueueRefusedError(f"The queue {self.queue_url} refused {operation}: {code}: {said} {remedy}")

    @property
    def _where(self) -> str:
        if self.aws_conn_id:
            return f"the Airflow connection {self.aws_conn_id!r}"
        return "the environment (no Airflow connection is set)"


def _received(message: Mapping[str, Any]) -> Received:
    attributes = message.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return Received(
        receipt=message["ReceiptHandle"],
        body=message.get("Body", ""),
        times=int(attributes.get("ApproximateReceiveCount", 1)),
        sent=None if sent is None else int(sent) / 1000,
    )


def _batches(entries: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    for start in range(0, len(entries), _BATCH):
        yield [{"Id": str(number), **entry} for number, entry in enumerate(entries[start : start + _BATCH])]
