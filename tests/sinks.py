"""Where notices arrive in tests: a mail server, a webhook such as Slack's, a topic with a queue."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller

from tests.hooks.scripted_server import Scripted, ScriptedServer

TOKEN = "T0123/B0123/a-token-that-no-log-may-show"


@dataclass
class Mailbox:
    """A mail server that keeps everything, and the connection that leads to it."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    shut: Callable[[], None] = lambda: None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(cast("EmailMessage", email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 Kept"

    @property
    def connection(self) -> str:
        return json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": self.port,
                "extra": {"from_email": "narration@example.com", "disable_ssl": True, "disable_tls": True},
            }
        )


class Webhook(ScriptedServer):
    """A server that answers ``ok`` as Slack and Mattermost do, and the connection that leads to it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers(Scripted(body=b"ok"))

    @property
    def messages(self) -> list[str]:
        return [json.loads(request.body)["text"] for request in self.received]

    @property
    def connection(self) -> str:
        return json.dumps({"conn_type": "slackwebhook", "host": f"{self.url}/services", "password": TOKEN})


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A mail server on a free port."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    with ExitStack() as stack:
        stack.callback(controller.stop)
        mailbox.shut = stack.close
        yield mailbox


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


class Topic:
    """An SNS topic of the local cloud with a queue that hears it."""

    def __init__(self, client: Callable[[str], Any], name: str) -> None:
        self._queues = client("sqs")
        topics = client("sns")
        self.arn: str = topics.create_topic(Name=name)["TopicArn"]
        self._queue = self._queues.create_queue(QueueName=name)["QueueUrl"]
        queue_arn = self._queues.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        topics.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"])

    def receive(self) -> list[dict[str, Any]]:
        """Take what has arrived since the last time; ``Subject``, ``Message`` and ``MessageAttributes`` of each."""
        found: list[dict[str, Any]] = []
        while messages := self._queues.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._queues.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found


def html_of(mail: EmailMessage) -> str:
    """The body of a mail."""
    body = mail.get_body(("html",))
    assert body is not None
    return cast("EmailMessage", body).get_content()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def arrived(look: Callable[[], Any], *, timeout: float = 60.0) -> Any:
    """Wait until there is something, and give it."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing arrived within {timeout:g} seconds"
        time.sleep(0.2)
    return found
