"""Notices on a real Airflow of their own, whose mail server, webhook and topic are real as well."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from tests.e2e.books import characters, succeeded, write_book
from tests.e2e.conftest import RunningAirflow
from tests.sinks import TOKEN, Mailbox, Topic, Webhook, arrived, html_of, mail_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

POLLY = "narrate_polly"
NIGHT = "night_of_tests"
TOPIC = "arn:aws:sns:us-east-1:123456789012:narration-notices"
EVERYWHERE = ["smtp:ops@example.com", "slack:narration_slack", f"sns:{TOPIC}"]


@dataclass(kw_only=True)
class Told:
    """An Airflow that tells people of everything, and where they hear of it."""

    airflow: RunningAirflow
    mailbox: Mailbox
    webhook: Webhook
    topic: Topic

    def __post_init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def url(self, dag_id: str, run_id: str) -> str:
        return f"{self.airflow.ports.ui_url}/dags/{dag_id}/runs/{quote(run_id, safe='')}"

    def mails(self, url: str) -> list[Any]:
        return [mail for mail in self.mailbox.mails if f'"{url}"' in html_of(mail)]

    def chats(self, url: str) -> list[str]:
        return [text for text in self.webhook.messages if f"Run: {url}" in text]

    def of_topic(self, url: str) -> list[dict[str, Any]]:
        self.messages += self.topic.receive()
        return [message for message in self.messages if message["Message"].endswith(f"Run: {url}")]

    def everywhere(self, url: str) -> tuple[Any, str, dict[str, Any]]:
        """The mail, the message in the chat and the one of the topic of a run, once they have arrived."""
        arrived(lambda: self.mails(url) and self.chats(url) and self.of_topic(url), timeout=120)
        (mail,), (text,), (message,) = self.mails(url), self.chats(url), self.of_topic(url)
        return mail, text, message


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with ExitStack() as stack:
        mailbox = stack.enter_context(mail_server())
        webhook = Webhook()
        stack.enter_context(webhook.running())
        running = RunningAirflow(
            state=tmp_path_factory.mktemp("told"),
            environment={
                "AIRFLOW__NARRATION__NOTICES": json.dumps({"success": EVERYWHERE, "failure": EVERYWHERE}),
                "AIRFLOW__NARRATION__NIGHTLY_DEADLINE": "45s",
                "AIRFLOW_CONN_SMTP_DEFAULT": mailbox.connection,
                "AIRFLOW_CONN_NARRATION_SLACK": webhook.connection,
            },
        )
        stack.callback(running.stop)
        running.start()
        topic = Topic(_client(running.s3_url), TOPIC.rpartition(":")[2])
        assert topic.arn == TOPIC
        yield Told(airflow=running, mailbox=mailbox, webhook=webhook, topic=topic)


def _client(url: str) -> Callable[[str], Any]:
    return lambda service: boto3.client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="local", aws_secret_access_key="local"
    )


def test_a_narration_is_told_with_what_it_cost_and_where_it_lies(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "the-told-book.txt"
    texts = write_book(book, seed=51, chapters=2, paragraphs=3)
    count = characters(texts)

    run_id = told.airflow.trigger(POLLY, {"document": str(book), "title": "Salt & {{ 7 * 7 }}", "engine": "neural"})
    result = succeeded(told.airflow, POLLY, run_id)

    mail, text, message = told.everywhere(told.url(POLLY, run_id))
    print(text, message["Message"], html_of(mail), sep="\n\n")
    assert mail["Subject"] == message["Subject"] == "[Narration] Narrated: Salt & {{ 7 * 7 }}"
    assert text.startswith("*Narrated: Salt &amp; {{ 7 * 7 }}*\n\n")
    price = f"USD {count * 16 / 1e6:.6f}".rstrip("0")
    for said in (html_of(mail), text, message["Message"]):
        assert f"The service billed {count:,} characters, {price}; {count:,} were planned." in said
        assert str(book) in said
        assert "2 chapters, 8 paragraphs" in said
        for name in ("mp3_uri", "m4b_uri", "manifest_uri"):
            assert result[name] in said


def test_a_dry_run_is_told_with_its_price(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "dry.txt"
    count = characters(write_book(book, seed=52, chapters=1, paragraphs=3))

    run_id = told.airflow.trigger(POLLY, {"document": str(book), "dry_run": True})

    _, text, message = told.everywhere(told.url(POLLY, run_id))
    print(text)
    assert message["Subject"] == "[Narration] Dry run: Dry"
    assert f"Dry run, nothing was bought. {count:,} characters to buy" in text


def test_a_bad_paragraph_is_named_with_the_reason_and_the_remedy(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "hoarse.txt"
    write_book(book, seed=53, chapters=2, paragraphs=3)
    fault = {"service": "polly", "kind": "fail", "count": 50, "match_text": "In book 53 it is written, at place 2 of 1"}
    told.airflow.session.cloud.request("POST", "/_local/faults", body={**fault, "reason": "The voice was hoarse."})

    run_id = told.airflow.trigger(POLLY, {"document": str(book)})
    assert told.airflow.wait(POLLY, run_id)["state"] == "failed"

    mail, text, message = told.everywhere(told.url(POLLY, run_id))
    print(text)
    assert mail["Subject"] == message["Subject"] == "[Narration] Failed: Hoarse"
    assert message["MessageAttributes"]["event"]["Value"] == "failure"
    for said in (html_of(mail), text, message["Message"]):
        assert "synthesize, " in said
        assert "1 paragraph(s) failed 3 times at the service" in said
        assert "The voice was hoarse." in said
        assert "Chapter 1. Of Book 53" in said
        assert "What was bought is kept." in said


def test_many_failed_orders_of_a_run_are_one_notice(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "mute.txt"
    write_book(book, seed=54, chapters=1, paragraphs=6)
    fault = {"service": "polly", "kind": "fail", "count": 200, "match_text": "In book 54 it is written"}
    told.airflow.session.cloud.request("POST", "/_local/faults", body={**fault, "reason": "The voice was gone."})

    run_id = told.airflow.trigger(POLLY, {"document": str(book), "paragraphs_per_order": 1})
    assert told.airflow.wait(POLLY, run_id)["state"] == "failed"

    _, text, _ = told.everywhere(told.url(POLLY, run_id))
    print(text)
    assert text.count("The voice was gone.") == 5
    assert "And 1 more." in text


def test_a_plan_over_the_budget_is_told_as_that_and_not_as_a_failure(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "dear.txt"
    count = characters(write_book(book, seed=55, chapters=1, paragraphs=4))

    run_id = told.airflow.trigger(POLLY, {"document": str(book), "engine": "neural", "budget": 0.001})
    assert told.airflow.wait(POLLY, run_id)["state"] == "failed"

    mail, text, message = told.everywhere(told.url(POLLY, run_id))
    print(text)
    assert mail["Subject"] == message["Subject"] == "[Narration] Over the budget: Dear"
    assert message["MessageAttributes"]["event"]["Value"] == "over_budget"
    price = f"USD {count * 16 / 1e6:.6f}".rstrip("0")
    for said in (html_of(mail), text, message["Message"]):
        assert f"The plan would cost {price}" in said
        assert "the budget of USD 0.001 allows" in said
        assert "Nothing was bought. Raise the field" in said
        assert "plan:" not in said


def test_a_document_that_is_not_there_is_told_by_its_name(told: Told) -> None:
    run_id = told.airflow.trigger(POLLY, {"document": "/nowhere/ghost.txt"})

    _, text, message = told.everywhere(told.url(POLLY, run_id))
    print(text)
    assert message["Subject"] == "[Narration] Failed: ghost.txt"
    assert "read: There is no document at /nowhere/ghost.txt" in text


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_a_night_is_told_in_the_words_of_its_report_and_once_more_when_it_is_late(told: Told) -> None:
    told.airflow.session.await_dag(NIGHT)
    bad = told.airflow.trigger(NIGHT, {"unreadable": "bell.txt"}, logical_date=now())
    late = told.airflow.trigger(NIGHT, {"late": True}, logical_date=now())
    told.airflow.api.request("PATCH", f"/api/v2/dags/{NIGHT}", body={"is_paused": False})

    _, text, message = told.everywhere(told.url(NIGHT, bad))
    print(text)
    assert message["Subject"] == "[Narration] Night of 2026-11-27: 2 narrated, 1 failed"
    assert "bell.txt, failed: bell.txt is no text. Put a text in its place." in text
    assert "Cost: USD 0.032 for 2,000 characters" in text

    url = told.url(NIGHT, late)
    _, text, message = told.everywhere(url)
    print(text, message["Message"], sep="\n\n")
    assert message["Subject"] == f"[Narration] Late: {NIGHT}"
    assert message["MessageAttributes"]["event"]["Value"] == "deadline"
    assert "It should have been over within 45 s and is still running." in text

    assert told.airflow.wait(NIGHT, late)["state"] == "success"
    arrived(lambda: len(told.mails(url)) == len(told.chats(url)) == len(told.of_topic(url)) == 2)
    assert "Night of 2026-11-27: 3 narrated*" in told.chats(url)[1]


def test_a_night_that_does_not_begin_is_late_too(told: Told) -> None:
    told.airflow.api.request("PATCH", f"/api/v2/dags/{NIGHT}", body={"is_paused": True})
    run_id = told.airflow.api.trigger(NIGHT, {}, logical_date=now())

    _, text, _ = told.everywhere(told.url(NIGHT, run_id))
    print(text)
    assert "is still queued." in text
    assert "is the Dag paused" in text


def test_every_end_of_a_run_was_told_once_and_a_run_that_failed_in_time_was_not_called_late(told: Told) -> None:
    runs = [
        (dag_id, run["dag_run_id"], run["state"])
        for dag_id in (POLLY, NIGHT)
        for run in told.airflow.api.request("GET", f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
    ]
    assert Counter(state for _, _, state in runs) == {"success": 3, "failed": 5, "queued": 1}
    for dag_id, run_id, state in runs:
        url = told.url(dag_id, run_id)
        most = 2 if (dag_id, state) == (NIGHT, "success") else 1
        assert len(told.mails(url)) == len(told.chats(url)) == len(told.of_topic(url)) == most, (dag_id, run_id)


def test_a_mail_server_that_is_down_changes_no_run_and_is_logged_with_the_remedy(told: Told, tmp_path: Path) -> None:
    book = tmp_path / "unmailed.txt"
    write_book(book, seed=56, chapters=1, paragraphs=2)
    told.mailbox.shut()

    run_id = told.airflow.trigger(POLLY, {"document": str(book), "dry_run": True})

    assert told.airflow.wait(POLLY, run_id)["state"] == "success"
    arrived(lambda: told.chats(told.url(POLLY, run_id)), timeout=120)
    said = "was not sent to smtp:ops@example.com"
    log = arrived(lambda: [line for line in lines_of(told.airflow.layout.airflow / "logs") if said in line])
    assert "Check the connection 'smtp_default'" in log[0]


def test_the_token_of_the_webhook_stands_in_no_log(told: Told) -> None:
    logs = [told.airflow.layout.airflow / "logs", told.airflow.layout.logs]
    lines = [line for folder in logs for line in lines_of(folder)]

    assert any("was sent to slack:narration_slack" in line for line in lines)
    assert not [line for line in lines if TOKEN.rpartition("/")[2] in line]


def lines_of(folder: Path) -> list[str]:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*.log")]
    return [line for text in texts for line in text.splitlines()]
