"""What the front end refuses before any thought: absent members, wrong types, patterns, enumerations, lengths.

The client libraries send nearly all of these on, so the cloud has to do the
refusing. Types breach with ``SerializationException``; everything else is
collected into one ``ValidationException`` in the front end's own wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.regions import ENGINES
from include.local_cloud.polly.voices import LANGUAGE_NAMES, VOICE_IDS

OUTPUT_FORMATS = ("json", "mp3", "ogg_opus", "ogg_vorbis", "pcm", "mulaw", "alaw")
SPEECH_MARK_TYPES = ("sentence", "ssml", "viseme", "word")
STATUSES = ("scheduled", "inProgress", "completed", "failed")
TEXT_TYPES = ("ssml", "text")


@dataclass(frozen=True, kw_only=True)
class Member:
    """The constraints of one member; ``each`` makes it a list of such strings, ``integer`` a number."""

    required: bool = False
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    each: bool = False
    at_most: int | None = None
    integer: bool = False
    at_least: int | None = None

    def breaches(self, value: Any) -> Iterator[str]:
        if self.integer:
            if self.at_least is not None and value < self.at_least:
                yield f"Member must have value greater than or equal to {self.at_least}"
            if self.at_most is not None and value > self.at_most:
                yield f"Member must have value less than or equal to {self.at_most}"
            return
        if self.at_most is not None and len(value) > self.at_most:
            yield f"Member must have length less than or equal to {self.at_most}"
        for item in value if self.each else [value]:
            breach = self._breach_of_string(item)
            if breach:
                yield f"Member must satisfy constraint: [{breach}]" if self.each else breach
                return

    def _breach_of_string(self, item: str) -> str | None:
        if self.enum and item not in self.enum:
            return f"Member must satisfy enum value set: [{', '.join(self.enum)}]"
        if self.pattern and not re.fullmatch(self.pattern, item, re.ASCII):
            return f"Member must satisfy regular expression pattern: {self.pattern}"
        return None


_LEXICON_NAME = r"[0-9A-Za-z]{1,20}"
_NEXT_TOKEN = Member(at_most=4096)
_SPEECH = {
    "Engine": Member(enum=ENGINES),
    "LanguageCode": Member(enum=tuple(LANGUAGE_NAMES)),
    "LexiconNames": Member(each=True, at_most=5, pattern=_LEXICON_NAME),
    "OutputFormat": Member(required=True, enum=OUTPUT_FORMATS),
    "SampleRate": Member(),
    "SpeechMarkTypes": Member(each=True, at_most=4, enum=SPEECH_MARK_TYPES),
    "Text": Member(required=True),
    "TextType": Member(enum=TEXT_TYPES),
    "VoiceId": Member(required=True, enum=VOICE_IDS),
}
SYNTHESIZE_SPEECH = _SPEECH
START_SPEECH_SYNTHESIS_TASK = _SPEECH | {
    "OutputS3BucketName": Member(required=True, pattern=r"^[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]$"),
    "OutputS3KeyPrefix": Member(pattern=r"^[0-9a-zA-Z\/\!\-_\.\*\'\(\):;\$@=+\,\?&]{0,800}$"),
    "SnsTopicArn": Member(
        pattern=r"^arn:aws(-(cn|iso(-b)?|us-gov|eusc))?:sns:[a-z0-9_-]{1,50}:\d{12}:"
        r"[a-zA-Z0-9_-]{1,251}([a-zA-Z0-9_-]{0,5}|\.fifo)$"
    ),
}
GET_SPEECH_SYNTHESIS_TASK = {"TaskId": Member(required=True, pattern=r"^[a-zA-Z0-9_-]{1,100}$")}
LIST_SPEECH_SYNTHESIS_TASKS = {
    "MaxResults": Member(integer=True, at_least=1, at_most=100),
    "NextToken": _NEXT_TOKEN,
    "Status": Member(enum=STATUSES),
}
DESCRIBE_VOICES = {
    "Engine": Member(enum=ENGINES),
    "LanguageCode": Member(enum=tuple(LANGUAGE_NAMES)),
    "IncludeAdditionalLanguageCodes": Member(enum=("true", "false")),
    "NextToken": _NEXT_TOKEN,
}
LEXICON = {"Name": Member(required=True, pattern=_LEXICON_NAME)}
PUT_LEXICON = LEXICON | {"Content": Member(required=True)}
LIST_LEXICONS = {"NextToken": _NEXT_TOKEN}


def check(members: Mapping[str, Member], given: Mapping[str, Any]) -> dict[str, Any]:
    """The members that were given, of the right type and within their constraints; unknown ones are ignored.

    :raises PollyError: SerializationException or ValidationException.
    """
    accepted: dict[str, Any] = {}
    breaches: list[str] = []
    for name, member in members.items():
        value = _typed(name, member, given.get(name))
        place = name[0].lower() + name[1:]
        if value is None:
            if member.required:
                breaches.append(f"Value null at '{place}' failed to satisfy constraint: Member must not be null")
            continue
        accepted[name] = value
        shown = f"[{', '.join(value)}]" if member.each else str(value)
        breaches.extend(
            f"Value '{shown}' at '{place}' failed to satisfy constraint: {breach}" for breach in member.breaches(value)
        )
    if breaches:
        count = "1 validation error" if len(breaches) == 1 else f"{len(breaches)} validation errors"
        raise PollyError("ValidationException", f"{count} detected: {'; '.join(breaches)}")
    return accepted


def _typed(name: str, member: Member, value: Any) -> Any:
    if value is None:
        return None
    if member.integer:
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,10}", value, re.ASCII):
            return int(value)
        raise PollyError("SerializationException", f"{name} is not a whole number")
    items = value if member.each else [value]
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise PollyError("SerializationException", f"{name} must be a {'list of strings' if member.each else 'string'}")
    try:
        for item in items:
            item.encode()
    except UnicodeEncodeError as error:
        # JSON can write half a surrogate pair; no text can contain one.
        raise PollyError("SerializationException", f"{name} contains half a surrogate pair") from error
    return value
