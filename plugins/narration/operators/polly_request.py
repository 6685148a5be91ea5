"""One StartSpeechSynthesisTask request as a value: what it is called, what it may hold, which task it became."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from narration.document.decoding import decode_text
from narration.hooks.polly_errors import PollyArgumentError
from narration.hooks.polly_tasks import FAILED, parse_output_uri
from narration.operators.read import load
from narration.synthesis.keys import digest
from narration.synthesis.polly_rules import MAX_BILLABLE_CHARACTERS, MAX_TOTAL_CHARACTERS, billable_characters

#: How far the clocks of this machine and of AWS may differ; AWS refuses a request that is further out.
CLOCK_SKEW_SECONDS = 300

#: Members that Polly repeats in the tasks it lists. Those that were not sent are not repeated, or defaulted.
_ECHOED = (
    "Engine",
    "LanguageCode",
    "LexiconNames",
    "OutputFormat",
    "SampleRate",
    "SnsTopicArn",
    "SpeechMarkTypes",
    "TextType",
    "VoiceId",
)


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """
    What is asked of Polly, and who pays.

    :param members: the members of the API call in Polly's names, without those that are not sent. A request without
        ``OutputS3KeyPrefix`` gets its own fingerprint as prefix; an empty one is not sent.
    :param aws_conn_id: the connection that pays.
    :param region_name: the Region that was asked for, if one was.
    """

    members: Mapping[str, Any]
    aws_conn_id: str | None
    region_name: str | None

    @cached_property
    def fingerprint(self) -> str:
        """A name for everything in the request, text included, and for the payer."""
        return digest({"members": dict(self.members), "payer": [self.aws_conn_id, self.region_name]})

    @property
    def has_own_prefix(self) -> bool:
        """Whether the key prefix is the fingerprint, so that no other request can write under it."""
        return "OutputS3KeyPrefix" not in self.members

    @property
    def prefix(self) -> str:
        """The key prefix that is sent."""
        return self.fingerprint if self.has_own_prefix else self.members["OutputS3KeyPrefix"]

    @property
    def api_arguments(self) -> dict[str, Any]:
        """What is sent."""
        arguments = {**self.members, "OutputS3KeyPrefix": self.prefix}
        if not self.prefix:
            del arguments["OutputS3KeyPrefix"]
        return arguments

    @property
    def billable_characters(self) -> int:
        """What Polly will bill, by its published rule."""
        return billable_characters(self.members["Text"], self.members.get("TextType", "text"))

    def check(self) -> None:
        """
        Refuse a text that Polly would refuse for its size.

        :raises PollyArgumentError: with the count and the limit. Everything else is left to Polly, which refuses at
            no cost and knows best.
        """
        text = self.members["Text"]
        if not text.strip():
            raise PollyArgumentError("The text is empty; there is nothing to synthesize and nothing was bought.")
        if self.billable_characters > MAX_BILLABLE_CHARACTERS:
            raise PollyArgumentError(
                f"The text has {self.billable_characters:,} billable characters; one synthesis task takes "
                f"{MAX_BILLABLE_CHARACTERS:,}. Nothing was bought. Split it, or use the narrate_polly Dag, which takes "
                "a document of any length and joins the audio."
            )
        if len(text) > MAX_TOTAL_CHARACTERS:
            raise PollyArgumentError(
                f"The text has {len(text):,} characters with its tags; one synthesis task takes "
                f"{MAX_TOTAL_CHARACTERS:,}. Nothing was bought. Split it, or use fewer tags."
            )

    def is_met_by(self, task: Mapping[str, Any], *, since: float) -> bool:
        """
        Tell whether a task that Polly lists is what this request became.

        With the fingerprint as prefix that is certain. With a prefix of the user's it rests on the prefix, on every
        member that Polly repeats, on the number of characters and on the time; a second request that agrees in all
        of these cannot be told apart.

        :param task: a ``SynthesisTask``.
        :param since: when the request was about to be sent, in seconds since the epoch.
        """
        if task.get("TaskStatus") == FAILED:
            return False
        created: datetime | None = task.get("CreationTime")
        if created is None or created.astimezone(UTC).timestamp() < since - CLOCK_SKEW_SECONDS:
            return False
        try:
            bucket, key = parse_output_uri(task["OutputUri"])
        except (KeyError, PollyArgumentError):
            return False
        stem = f"{self.prefix}.{task['TaskId']}." if self.prefix else f"{task['TaskId']}."
        if bucket != self.members["OutputS3BucketName"] or not key.startswith(stem):
            return False
        if self.has_own_prefix:
            return True
        sent = {"TextType": "text", **self.members}
        if any(task.get(name) != sent[name] for name in _ECHOED if name in sent):
            return False
        return task.get("RequestCharacters") == self.billable_characters


def read_text(location: str, *, aws_conn_id: str | None) -> str:
    """
    Read a text for Polly from a file, on the worker.

    :param location: a path on the worker, or a URI that Airflow's object storage knows, such as ``s3://bucket/key``.
    :param aws_conn_id: connection for locations that name none themselves.
    :raises narration.errors.PermanentNarrationError: it is not there, may not be read, is too large, is not UTF-8
        (with or without a byte order mark) or holds nothing; or its storage or connection does not exist.
    :raises narration.errors.NarrationError: it could not be read, which another attempt may put right.
    """
    return decode_text(load(location, conn_id=aws_conn_id, parameter="text_file"), source=location)
