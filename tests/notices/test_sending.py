"""Notices on their way: to a mail server, a webhook and a topic, over real connections."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from narration.notices.notice import Event, Notice
from narration.notices.sending import send
from narration.notices.settings import Kind, NoticeSettings, parse_notices
from tests.hooks.scripted_server import Scripted
from tests.sinks import TOKEN, Mailbox, Topic, Webhook, free_port, html_of, mail_server, silent_server

NOTICE = Notice(
    event=Event.FAILURE,
    title="Failed: {{ conn.narration_slack.password }} by Désirée",
    lines=("Paragraph 3 was refused.",),
    facts={"Run": "http://airflow.example:8080/dags/narrate_polly/runs/x"},
)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mailbox.connection)
        yield mailbox


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook().running() as webhook:
        assert isinstance(webhook, Webhook)
        monkeypatch.setenv("AIRFLOW_CONN_NARRATION_SLACK", webhook.connection)
        yield webhook


def told(*targets: str) -> NoticeSettings:
    settings = parse_notices(json.dumps({"failure": targets}))
    assert settings.problems == ()
    return settings


def test_a_mail_arrives_with_everything_in_it(mailbox: Mailbox):
    reached = send(NOTICE, settings=told("smtp:ops@example.com,night@example.com"))

    (mail,) = mailbox.mails
    assert [target.kind for target in reached] == [Kind.SMTP]
    assert mail["Subject"] == "[Narration] Failed: {{ conn.narration_slack.password }} by Désirée"
    assert mail["From"] == "narration@example.com"
    assert mail["To"] == "ops@example.com, night@example.com"
    assert "Paragraph 3 was refused." in html_of(mail)
    assert "/dags/narrate_polly/runs/x" in html_of(mail)


def test_a_webhook_gets_a_text_that_slack_and_mattermost_understand(webhook: Webhook):
    send(NOTICE, settings=told("slack:narration_slack"))

    (request,) = webhook.received
    assert request.path == f"/services/{TOKEN}"
    assert set(json.loads(request.body)) == {"text", "unfurl_links", "unfurl_media"}
    # A title is no template: it would read the connection's password.
    assert webhook.messages[0].startswith("*Failed: {{ conn.narration_slack.password }} by Désirée*\n\nParagraph 3")


def test_a_topic_gets_plain_text_and_can_filter_by_the_event(aws_connection: Any):
    topic = Topic(aws_connection.client, "told-of-failures")

    send(NOTICE, settings=told(f"sns:{topic.arn}"))

    (message,) = topic.receive()
    assert message["Subject"] == "[Narration] Failed: {{ conn.narration_slack.password }} by Desiree"
    assert message["Message"].endswith("Run: http://airflow.example:8080/dags/narrate_polly/runs/x")
    assert message["MessageAttributes"]["event"]["Value"] == "failure"


def test_who_is_not_named_for_an_event_hears_nothing(webhook: Webhook):
    settings = parse_notices('{"success": ["slack:narration_slack"]}')

    assert send(NOTICE, settings=settings) == ()
    assert webhook.received == []


def test_what_cannot_be_used_of_the_option_is_told_to_those_who_are_reached(webhook: Webhook):
    settings = parse_notices('{"failure": ["slack:narration_slack", "teams:ops"]}')

    send(NOTICE, settings=settings)

    assert "'teams:ops' is of no known kind" in webhook.messages[0]


def test_a_server_that_is_down_holds_up_nobody_and_is_named_with_the_remedy(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", Mailbox(port=free_port()).connection)

    reached = send(NOTICE, settings=told("smtp:ops@example.com", "slack:narration_slack"))

    assert [target.kind for target in reached] == [Kind.SLACK]
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "was not sent to smtp:ops@example.com: ConnectionRefusedError" in error.getMessage()
    assert "The run is not affected. Check the connection 'smtp_default'" in error.getMessage()


def test_a_server_that_says_nothing_is_given_up_in_time(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with silent_server() as port:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", Mailbox(port=port).connection)
        # Warm, so that what is measured is the waiting.
        send(NOTICE, settings=told("slack:narration_slack"))
        begun = time.monotonic()

        reached = send(NOTICE, settings=told("smtp:ops@example.com", "slack:narration_slack"), longest=2)

    assert time.monotonic() - begun < 4
    assert [target.kind for target in reached] == [Kind.SLACK]
    assert "was not sent to smtp:ops@example.com: no answer within 2 seconds. The run" in caplog.text


@pytest.mark.parametrize("conn_id", ["smtp:ops@example.com via absent", "slack:absent"])
def test_a_connection_that_is_not_there_is_named(conn_id: str, caplog: pytest.LogCaptureFixture):
    assert send(NOTICE, settings=told(conn_id)) == ()

    assert "Check the connection 'absent'" in caplog.text


def test_a_mail_needs_a_sender_and_the_log_says_where_it_is_written_down(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    connection = json.loads(mailbox.connection)
    del connection["extra"]["from_email"]
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))

    assert send(NOTICE, settings=told("smtp:ops@example.com")) == ()

    assert "Check the connection 'smtp_default': its host, port, login, and in its extra from_email" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(status=404, body=f"no webhook at /services/{TOKEN}".encode()),
        Scripted(resets=True),
    ],
    ids=["quoted by the server", "broken off"],
)
def test_the_token_of_a_webhook_stands_in_no_log(
    webhook: Webhook, answer: Scripted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    webhook.answers(answer)

    with caplog.at_level(logging.INFO):
        assert send(NOTICE, settings=told("slack:narration_slack")) == ()

    assert "was not sent to slack:narration_slack" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN.rpartition("/")[2] not in caplog.text


def test_a_secret_that_airflow_has_met_with_is_in_no_notice(webhook: Webhook):
    from airflow.sdk.log import mask_secret

    mask_secret("a-secret-of-somebody")
    notice = Notice(event=Event.FAILURE, title="t", lines=("It said a-secret-of-somebody.",), facts={})

    send(notice, settings=told("slack:narration_slack"))

    assert webhook.messages == ["*t*\n\nIt said ***."]
