"""A notice, and how it reads in a mail, in a chat and in plain text."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from narration.hooks.azure_redaction import redacted

LONGEST_TITLE = 200
LONGEST_LINE = 700
"""Characters; what a service says of a refused paragraph may quote the whole of it."""
MOST_LINES = 40
LONGEST_SNS_SUBJECT = 99
"""SNS: fewer than 100 characters, ASCII, no line breaks."""

_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@", re.IGNORECASE)


class Event(StrEnum):
    """What people can be told of."""

    SUCCESS = "success"
    FAILURE = "failure"
    OVER_BUDGET = "over_budget"
    DEADLINE = "deadline"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """
    What is told to people, in words and without any layout.

    :param event: of what kind it is; decides who is told.
    :param title: one line, such as *Narrated: The Lighthouse Keeper's Ledger*.
    :param lines: sentences; what happened, and what to do about it.
    :param facts: names and values that are looked up rather than read, such as where the audio lies.
    """

    event: Event
    title: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the notice as JSON types, for XCom."""
        return {"event": str(self.event), "title": self.title, "lines": list(self.lines), "facts": dict(self.facts)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            event=Event(value["event"]),
            title=value["title"],
            lines=tuple(value["lines"]),
            facts=dict(value["facts"]),
        )

    def with_facts(self, facts: Mapping[str, str]) -> Self:
        """Add facts; those that are there already stay as they are."""
        return replace(self, facts={**self.facts, **{name: it for name, it in facts.items() if name not in self.facts}})

    def with_line(self, line: str) -> Self:
        """Add a sentence."""
        return replace(self, lines=(*self.lines, line))

    def presentable(self, *, secrets: Sequence[str] = ()) -> Self:
        """
        Take out what must not leave the house, and what is longer than anybody reads.

        What stands after the ``?`` of an address is its signature, or a token, and a name and password may stand
        before its host. A line break in a title would become a header of the mail.

        :param secrets: what else must not be seen.
        """
        lines = [_clean(line, secrets=secrets, longest=LONGEST_LINE) for line in self.lines]
        more = len(lines) - MOST_LINES
        if more > 0:
            lines = [*lines[:MOST_LINES], f"And {more} more."]
        return replace(
            self,
            title=_clean(" ".join(self.title.split()), secrets=secrets, longest=LONGEST_TITLE),
            lines=tuple(line for line in lines if line),
            facts={
                name: _clean(value, secrets=secrets, longest=LONGEST_LINE)
                for name, value in self.facts.items()
                if value
            },
        )


def subject(notice: Notice) -> str:
    """Give the subject of a mail."""
    return f"[Narration] {notice.title}"


def sns_subject(notice: Notice) -> str:
    """Give the subject of a message to SNS, within its limits."""
    plain = unicodedata.normalize("NFKD", subject(notice).replace("…", "...")).encode("ascii", "ignore").decode()
    plain = "".join(character for character in plain if character.isprintable())
    return plain if len(plain) <= LONGEST_SNS_SUBJECT else f"{plain[: LONGEST_SNS_SUBJECT - 3]}..."


def plain_text(notice: Notice) -> str:
    """Write a notice as plain text."""
    facts = [f"{name}: {value}" for name, value in notice.facts.items()]
    return "\n\n".join(part for part in (notice.title, *notice.lines, "\n".join(facts)) if part)


def chat_text(notice: Notice) -> str:
    """
    Write a notice for Slack and for what understands Slack's webhooks.

    Escaped as Slack asks, so that nothing in a document's title mentions a channel or hides a link.
    """
    facts = [f"{name}: {value}" for name, value in notice.facts.items()]
    parts = [_escaped_for_chat(part) for part in (*notice.lines, "\n".join(facts)) if part]
    return "\n\n".join([f"*{_escaped_for_chat(notice.title)}*", *parts])


def mail_html(notice: Notice) -> str:
    """Write the body of a mail."""
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in notice.lines)
    rows = "".join(
        f"<tr><td><b>{html.escape(name)}</b></td><td>{_linked(value)}</td></tr>" for name, value in notice.facts.items()
    )
    table = f'<table cellpadding="4">{rows}</table>' if rows else ""
    return f"<h3>{html.escape(notice.title)}</h3>{lines}{table}"


def _clean(text: str, *, secrets: Sequence[str], longest: int) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text.strip())
    return redacted(_CREDENTIALS.sub(r"\1***@", printable), secrets, longest=longest)


def _escaped_for_chat(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _linked(value: str) -> str:
    escaped = html.escape(value)
    return f'<a href="{escaped}">{escaped}</a>' if re.fullmatch(r"https?://\S+", value) else escaped
