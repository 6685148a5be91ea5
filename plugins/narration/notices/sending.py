"""
The way of a notice to people: through the notifiers of Airflow's own providers, a few seconds and no longer.

A run has ended by then. Nothing that goes wrong here changes that, and nothing is waited for long: notices are sent
where Airflow reads Dag files, and where all triggers wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from narration.hooks.azure_redaction import redacted
from narration.notices.notice import Notice, chat_text, mail_html, plain_text, sns_subject, subject
from narration.notices.settings import Kind, NoticeSettings, Target

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

log = logging.getLogger(__name__)

LONGEST_SENDING = 20.0
"""Seconds for all targets of a notice together; Airflow ends what reads a Dag file after 50
(``[dag_processor] dag_file_processor_timeout``)."""

_REMEDIES = {
    Kind.SMTP: "Check the connection {conn_id!r}: its host, port, login, and in its extra from_email, disable_ssl and "
    "disable_tls (docs/notices.md).",
    Kind.SLACK: "Check the connection {conn_id!r}: its host, and the token in its password (docs/notices.md).",
    Kind.SNS: "Check the connection {conn_id!r}, its permission sns:Publish, and the topic (docs/notices.md).",
}


def send(notice: Notice, *, settings: NoticeSettings, longest: float = LONGEST_SENDING) -> tuple[Target, ...]:
    """
    Send a notice to everybody who is to be told of its event. What goes wrong is logged and never raised.

    All targets are written to at the same time, so that one whose server is silent holds up no other. Parts of the
    settings that cannot be used are named in the notice: somebody reads it.

    :param longest: seconds to wait for all of them; what is not sent by then is given up.
    :return: those that it reached.
    """
    targets = settings.of(notice.event)
    if not targets:
        log.info("Nobody is told of %s: %s", notice.event, notice.presentable().title)
        return ()
    for problem in settings.problems:
        notice = notice.with_line(problem)
    return _send(_redacted(notice), targets=targets, longest=longest)


def _send(notice: Notice, *, targets: Sequence[Target], longest: float) -> tuple[Target, ...]:
    outcomes: dict[Target, Exception | None] = {}
    notifiers: dict[Target, BaseNotifier] = {}
    for target in targets:
        try:
            # Here and not in the threads: what a busy machine needs to load a provider is not the server's delay.
            notifiers[target] = notifier_of(notice, target)
        except Exception as error:
            outcomes[target] = error

    def deliver(target: Target, notifier: BaseNotifier) -> None:
        try:
            # Not called but asked to notify: a call renders its fields, and a title is not a template.
            notifier.notify({})
            outcomes[target] = None
        except Exception as error:
            # Reported by the thread that waits.
            outcomes[target] = error

    threads = [
        # Daemons: a server that never answers must not keep a process from ending.
        threading.Thread(target=deliver, args=item, name=f"notice to {item[0]}", daemon=True)
        for item in notifiers.items()
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + longest
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    reached = []
    for target in targets:
        outcome = outcomes.get(target, _Silence(f"no answer within {longest:g} seconds"))
        if outcome is None:
            log.info("%s was sent to %s.", notice.title, target)
            reached.append(target)
        else:
            log.error(
                "The notice %r was not sent to %s: %s The run is not affected. %s",
                notice.title,
                target,
                _reason(outcome),
                _REMEDIES[target.kind].format(conn_id=target.conn_id),
            )
    return tuple(reached)


class _Silence(Exception):
    """Nothing came back in time."""


def notifier_of(notice: Notice, target: Target) -> BaseNotifier:
    """Make what sends a notice to a target: a notifier of the provider for it."""
    return _NOTIFIERS[target.kind](notice, target)


def _smtp(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=target.address.split(","),
        subject=subject(notice),
        html_content=mail_html(notice),
        smtp_conn_id=target.conn_id,
    )


def _slack(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    return SlackWebhookNotifier(
        slack_webhook_conn_id=target.conn_id, text=chat_text(notice), unfurl_links=False, unfurl_media=False
    )


def _sns(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.amazon.aws.notifications.sns import SnsNotifier

    return SnsNotifier(
        aws_conn_id=target.conn_id,
        target_arn=target.address,
        region_name=target.region,
        subject=sns_subject(notice),
        message=plain_text(notice),
        # So that a subscription can filter.
        message_attributes={"event": str(notice.event)},
    )


_NOTIFIERS: dict[Kind, Callable[[Notice, Target], BaseNotifier]] = {
    Kind.SMTP: _smtp,
    Kind.SLACK: _slack,
    Kind.SNS: _sns,
}


def _redacted(notice: Notice) -> Notice:
    """Take out what must not be seen, and also the secrets that Airflow has met with in this process."""
    notice = notice.presentable()
    return replace(
        notice,
        title=_masked(notice.title),
        lines=tuple(map(_masked, notice.lines)),
        facts={name: _masked(value) for name, value in notice.facts.items()},
    )


def _masked(text: str) -> str:
    from airflow.sdk.log import redact

    return str(redact(text))


def _reason(error: BaseException) -> str:
    said = str(error) if isinstance(error, _Silence) else f"{type(error).__name__}: {error}"
    text = _masked(redacted(" ".join(said.split())))
    return text if text.endswith((".", "…")) else f"{text}."
