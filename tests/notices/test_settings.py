from __future__ import annotations

import json

import pytest

from narration.notices import settings as settings_module
from narration.notices.notice import Event
from narration.notices.settings import EXAMPLE, Kind, NoticeSettings, Target, parse_notices

TOPIC = "arn:aws:sns:eu-west-1:123456789012:narration"


def parsed(**events: object) -> NoticeSettings:
    return parse_notices(json.dumps(events))


def test_without_the_option_nobody_is_told_of_anything():
    settings = parse_notices("  ")

    assert settings == NoticeSettings()
    assert all(settings.of(event) == () for event in Event)


def test_each_kind_of_target_has_the_connection_that_its_provider_uses_by_default():
    settings = parsed(success=["slack:narration_slack", "smtp:ops@example.com", f"sns:{TOPIC}"])

    assert settings.problems == ()
    assert settings.of(Event.SUCCESS) == (
        Target(kind=Kind.SLACK, address="narration_slack", conn_id="narration_slack"),
        Target(kind=Kind.SMTP, address="ops@example.com", conn_id="smtp_default"),
        Target(kind=Kind.SNS, address=TOPIC, conn_id="aws_default"),
    )
    assert settings.of(Event.SUCCESS)[2].region == "eu-west-1"


def test_via_names_another_connection():
    settings = parsed(failure=["smtp:a@example.com, b@example.com via night.mail", f"sns:{TOPIC} via aws-eu"])

    assert [(target.address, target.conn_id) for target in settings.of(Event.FAILURE)] == [
        ("a@example.com,b@example.com", "night.mail"),
        (TOPIC, "aws-eu"),
    ]


def test_a_single_target_needs_no_list_and_one_named_twice_is_told_once():
    assert len(parsed(success="slack:chat").of(Event.SUCCESS)) == 1
    assert len(parsed(success=["slack:chat", "SLACK:chat"]).of(Event.SUCCESS)) == 1


def test_who_is_told_of_failures_is_told_of_every_trouble_for_which_nobody_is_named():
    settings = parsed(failure=["slack:chat"])

    assert settings.of(Event.OVER_BUDGET) == settings.of(Event.DEADLINE) == settings.of(Event.FAILURE) != ()
    assert settings.of(Event.SUCCESS) == ()


def test_an_empty_list_means_nobody():
    settings = parsed(failure=["slack:chat"], deadline=[])

    assert settings.of(Event.DEADLINE) == ()
    assert settings.of(Event.OVER_BUDGET) != ()


def test_the_example_of_the_messages_works():
    assert parse_notices(EXAMPLE).problems == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("smtp:ops@example.com", ["AIRFLOW__NARRATION__NOTICES is not JSON", "line 1, column 1", EXAMPLE]),
        ('["smtp:ops@example.com"]', ["is not a JSON object", EXAMPLE]),
        ('{"sucess": []}', ["no event 'sucess'", "Did you mean success?", "over_budget"]),
        ('{"failure": ["teams:ops"]}', ["failure: 'teams:ops' is of no known kind", "slack:<connection id>"]),
        ('{"failure": [{"smtp": "a@b"}]}', ["failure: a target is a text and not dict"]),
        ('{"failure": ["smtp:ops"]}', ["'smtp:ops' is no mail address", "smtp:you@example.com"]),
        ('{"failure": ["smtp:"]}', ["'smtp' is no mail address"]),
        ('{"failure": ["smtp:a@b.c via my smtp"]}', ["'via'", "not the id of a connection"]),
        ('{"failure": ["sns:narration"]}', ["not the ARN of a topic", "sns:arn:aws:sns:"]),
        (f'{{"failure": ["sns:{TOPIC}.fifo"]}}', ["FIFO topic", "standard"]),
        ('{"failure": ["slack:"]}', ["not the id of a connection"]),
        ('{"failure": ["slack:a via b"]}', ["nothing else"]),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place_and_a_remedy(text: str, said: list[str]):
    (problem,) = parse_notices(text).problems

    assert "AIRFLOW__NARRATION__NOTICES" in problem
    for words in said:
        assert words in problem


def test_the_rest_of_the_option_is_used():
    settings = parsed(sucess=["slack:chat"], failure=["teams:ops", "slack:chat"], success=["slack:chat"])

    assert len(settings.problems) == 2
    assert len(settings.of(Event.FAILURE)) == len(settings.of(Event.SUCCESS)) == 1


@pytest.mark.parametrize(
    "target",
    [
        "slack:https://hooks.slack.com/services/T0/B0/secret",
        "slack:T0/B0/secret",
        "https://hooks.slack.com/services/T0/B0/secret",
        "smtp:ops@example.com?password=secret",
    ],
)
def test_a_secret_that_somebody_has_put_into_the_option_is_not_repeated(target: str):
    (problem,) = parsed(failure=[target]).problems

    assert "secret" not in problem.replace("is a secret", "")
    assert "failure" in problem


def test_a_provider_that_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(settings_module._PACKAGES, Kind.SLACK, ("airflow.providers.absent", "its-package"))

    settings = parsed(failure=["slack:chat", "smtp:ops@example.com"])

    assert settings.problems == (
        "AIRFLOW__NARRATION__NOTICES, failure: 'slack:chat' needs a package that is not installed here. "
        "pip install its-package",
    )
    assert [target.kind for target in settings.of(Event.FAILURE)] == [Kind.SMTP]
