"""Who is told of what: the option ``AIRFLOW__NARRATION__NOTICES``, and the small language it is written in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from importlib.util import find_spec
from typing import Any

from narration.errors import PermanentNarrationError
from narration.notices.notice import Event

SECTION, KEY = "narration", "notices"
OPTION = "AIRFLOW__NARRATION__NOTICES"
"""The environment variable that says who is told of what."""

EXAMPLE = '{"success": ["slack:narration_slack"], "failure": ["smtp:you@example.com"]}'

# Who is told of these unless somebody is named for them: both are trouble.
_ELSE = {Event.OVER_BUDGET: Event.FAILURE, Event.DEADLINE: Event.FAILURE}

_VIA = " via "
_CONNECTION = re.compile(r"[\w.\-]+")
_MAIL = re.compile(r"[^\s@,:/?]+@[\w.\-]+")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[\w-]+(?P<fifo>\.fifo)?")


class NoticeSettingsError(PermanentNarrationError):
    """A part of the option cannot be used; the rest of it is."""


class Kind(StrEnum):
    """On what way a notice goes."""

    SMTP = "smtp"
    SLACK = "slack"
    SNS = "sns"


_PACKAGES = {
    Kind.SMTP: ("airflow.providers.smtp", "apache-airflow-providers-smtp"),
    Kind.SLACK: ("airflow.providers.slack", "apache-airflow-providers-slack"),
    Kind.SNS: ("airflow.providers.amazon", "apache-airflow-providers-amazon"),
}
_FORMS = {
    Kind.SMTP: "smtp:<address>",
    Kind.SLACK: "slack:<connection id>",
    Kind.SNS: "sns:<ARN of a topic>",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    Where a notice goes.

    :param kind: on what way.
    :param address: mail addresses, separated by commas; the ARN of a topic; for a chat the same as ``conn_id``.
    :param conn_id: the Airflow connection with the server and its secrets.
    """

    kind: Kind
    address: str
    conn_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.address}"

    @property
    def region(self) -> str:
        """Give the region of an SNS topic."""
        found = _TOPIC.fullmatch(self.address)
        return found["region"] if found else ""


@dataclass(frozen=True, kw_only=True)
class NoticeSettings:
    """
    Who is told of what.

    :param targets: of each event that the option names.
    :param problems: what in the option cannot be used, in sentences that name the place and the remedy.
    """

    targets: Mapping[Event, tuple[Target, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, event: Event) -> tuple[Target, ...]:
        """Give who is told of an event; of one that is trouble and is not named, those who are told of failures."""
        if event in self.targets:
            return self.targets[event]
        return self.targets.get(_ELSE[event], ()) if event in _ELSE else ()


def notice_settings() -> NoticeSettings:
    """Read the option of this installation."""
    from airflow.sdk import conf

    return parse_notices(str(conf.get(SECTION, KEY, fallback="")))


def parse_notices(text: str) -> NoticeSettings:
    """
    Read the option, and what can be used of it whatever the rest looks like.

    :param text: a JSON object. Its names are events, its values are lists of targets, such as
        ``smtp:ops@example.com`` or ``smtp:ops@example.com via my_smtp``.
    """
    if not text.strip():
        return NoticeSettings()
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{error.msg}: line {error.lineno}, column {error.colno}"
        return NoticeSettings(
            problems=(f"{OPTION} is not JSON ({where}), so no notices are sent. Write it like this: {EXAMPLE}",)
        )
    if not isinstance(value, dict):
        return NoticeSettings(
            problems=(f"{OPTION} is not a JSON object, so no notices are sent. Write it like this: {EXAMPLE}",)
        )
    targets: dict[Event, tuple[Target, ...]] = {}
    problems: list[str] = []
    for name, named in value.items():
        try:
            event = _event(name)
        except NoticeSettingsError as error:
            problems.append(str(error))
            continue
        usable: list[Target] = []
        for item in named if isinstance(named, list) else [named]:
            try:
                target = parse_target(item)
            except NoticeSettingsError as error:
                problems.append(f"{OPTION}, {event}: {error}")
                continue
            if target not in usable:
                usable.append(target)
        targets[event] = tuple(usable)
    return NoticeSettings(targets=targets, problems=tuple(problems))


def parse_target(value: Any) -> Target:
    """
    Read one target.

    :raises NoticeSettingsError: naming it, without what may be a secret in it.
    """
    forms = ", ".join(_FORMS.values())
    if not isinstance(value, str):
        raise NoticeSettingsError(f"a target is a text and not {type(value).__name__}. Write {forms}.")
    whole, via, conn_id = value.strip().partition(_VIA)
    name, _, address = whole.partition(":")
    name, address, conn_id = name.strip().lower(), address.strip(), conn_id.strip()
    shown = _shown(name, address)
    if name not in set(Kind):
        raise NoticeSettingsError(f"{shown} is of no known kind. Write {forms}.")
    kind = Kind(name)
    if via and not _CONNECTION.fullmatch(conn_id):
        raise NoticeSettingsError(f"what follows 'via' in {shown} is not the id of a connection.")
    target = _READERS[kind](address, conn_id, shown)
    module, package = _PACKAGES[kind]
    if find_spec(module) is None:
        raise NoticeSettingsError(f"{shown} needs a package that is not installed here. pip install {package}")
    return target


def _smtp(address: str, conn_id: str, shown: str) -> Target:
    addresses = [one.strip() for one in address.split(",")]
    if not all(_MAIL.fullmatch(one) for one in addresses):
        raise NoticeSettingsError(
            f"{shown} is no mail address. Write smtp:you@example.com, or several with commas between them, and "
            "' via my_connection' behind it if the connection is another one than smtp_default."
        )
    return Target(kind=Kind.SMTP, address=",".join(addresses), conn_id=conn_id or "smtp_default")


def _slack(address: str, conn_id: str, shown: str) -> Target:
    if "/" in address:
        raise NoticeSettingsError(
            f"{shown} is an address, and the address of a webhook is a secret. Keep it in an Airflow connection of the "
            "type Slack Incoming Webhook and write slack: and the id of that connection."
        )
    if conn_id or not _CONNECTION.fullmatch(address):
        raise NoticeSettingsError(f"{shown} is not the id of a connection. Write slack: and the id, and nothing else.")
    return Target(kind=Kind.SLACK, address=address, conn_id=address)


def _sns(address: str, conn_id: str, shown: str) -> Target:
    found = _TOPIC.fullmatch(address)
    if found is None:
        raise NoticeSettingsError(
            f"{shown} is not the ARN of a topic. Write sns:arn:aws:sns:us-east-1:123456789012:my-topic."
        )
    if found["fifo"]:
        raise NoticeSettingsError(f"{shown} is a FIFO topic, which cannot be written to from here. Use a standard one.")
    return Target(kind=Kind.SNS, address=address, conn_id=conn_id or "aws_default")


_READERS = {Kind.SMTP: _smtp, Kind.SLACK: _slack, Kind.SNS: _sns}


def _event(name: str) -> Event:
    try:
        return Event(name)
    except ValueError:
        near = get_close_matches(name, list(Event), n=1)
        hint = f" Did you mean {near[0]!s}?" if near else ""
        raise NoticeSettingsError(
            f"{OPTION}: there is no event {name!r}.{hint} Events are {', '.join(Event)}."
        ) from None


def _shown(kind: str, address: str) -> str:
    """Quote a target; an address of the web may hold a token."""
    if "/" in kind or "/" in address or "?" in address:
        return f"'{kind}:…'" if kind in set(Kind) else "a target"
    return f"'{kind}:{address}'" if address else f"'{kind}'"
