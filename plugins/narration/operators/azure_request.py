"""What is asked of Azure's synthesis APIs as a value: what it holds, what it is called, which job it became."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError
from narration.hooks.azure_jobs import AzureJob
from narration.synthesis.keys import digest

INPUT_KINDS = {"plaintext": "PlainText", "text": "PlainText", "ssml": "SSML"}
#: Most inputs of one job (the preview: 1,000).
MAX_INPUTS = {SynthesisApi.BATCH: 10_000, SynthesisApi.BATCH_PREVIEW: 1_000}
#: The longest that Azure keeps a finished job and its audio, in hours.
MAX_TIME_TO_LIVE_HOURS = 744
#: Long Audio takes more than so many characters.
LONG_AUDIO_MORE_THAN_CHARACTERS = 400
#: Long Audio takes fewer than so many paragraphs.
LONG_AUDIO_FEWER_THAN_PARAGRAPHS = 10_000

_KEY_LENGTH = 16
_SYNTHESIS_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,62}[a-zA-Z0-9]")
_LONGEST_NAME_IN_ID = 40
_LINE_END = re.compile(r"\r\n|\r|\n")
#: What is said about a job and does not change its audio. It may differ between the attempts of one task instance.
_ABOUT_THE_JOB = frozenset({"description", "custom_properties"})
_TIME_TO_LIVE = frozenset({"timetolive", "timetoliveinhours"})
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off", "", "none"})


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """
    One request for a job, who pays for it, and which task instance asks.

    :param api: which of the three APIs.
    :param arguments: of the hook's create method, without those that name the job.
    :param payer: the connection, and the region if one was asked for.
    :param asker: Dag, run, task and map index.
    """

    api: SynthesisApi
    arguments: Mapping[str, Any]
    payer: tuple[str, str | None]
    asker: tuple[str, str, str, int]

    @cached_property
    def content_key(self) -> str:
        """
        A name for what is to be spoken and how, and for the payer.

        What only describes the job, and how long it is kept, is left out: a change of it must not buy the audio again.
        """
        spoken = {name: value for name, value in self.arguments.items() if name not in _ABOUT_THE_JOB}
        if properties := spoken.get("properties"):
            spoken["properties"] = {
                name: value for name, value in properties.items() if name.lower() not in _TIME_TO_LIVE
            }
        return digest({"api": str(self.api), "request": _unsigned(spoken), "payer": list(self.payer)})

    @cached_property
    def key(self) -> str:
        """A name for what is to be spoken and how, the payer, and the task instance that asks."""
        return digest({"content": self.content_key, "asker": list(self.asker)})

    @property
    def output_format(self) -> str:
        """The format that is asked for; empty if it is left to the service."""
        properties = self.arguments.get("properties") or {}
        return str(self.arguments.get("output_format") or properties.get("outputFormat") or "")

    def job_id(self, number: int) -> str:
        """
        Give an id of the client's choice (2024-04-01): the same for every attempt of the task instance.

        :param number: 1, or more where jobs with the lower numbers failed.
        """
        dag_id, _, task_id, _ = self.asker
        readable = re.sub(r"[^a-zA-Z0-9.-]+", "-", f"{dag_id}.{task_id}").strip(".-")[:_LONGEST_NAME_IN_ID]
        stem = f"{readable}-{self.key[:_KEY_LENGTH]}".lstrip("-")
        return stem if number == 1 else f"{stem}-{number}"

    def display_name(self, name: str) -> str:
        """
        Give the name that the job is later found by, where the service chooses its id.

        :param name: the user's, or empty for that of the task.
        """
        dag_id, _, task_id, _ = self.asker
        return f"{name or f'{dag_id}.{task_id}'} {self._mark(self.key)}"

    def is_named_in(self, job: AzureJob) -> bool:
        """Tell whether a job is what this request became, by the name that it carries."""
        return (job.display_name or "").endswith(self._mark(self.key))

    def description(self, text: str | None) -> str:
        """Give the description that carries what was asked for, under an id that the user chose."""
        return f"{text or ''} {self._mark(self.content_key)}".strip()

    def is_described_in(self, job: AzureJob) -> bool:
        """Tell whether a job was made from the same request, by what its description carries."""
        return (job.description or "").endswith(self._mark(self.content_key))

    @staticmethod
    def _mark(key: str) -> str:
        return f"[{key[:_KEY_LENGTH]}]"


def check_synthesis_id(synthesis_id: str) -> None:
    """
    Refuse an id that 2024-04-01 would refuse.

    :raises AzureSpeechArgumentError: with the rule.
    """
    if not _SYNTHESIS_ID.fullmatch(synthesis_id):
        raise AzureSpeechArgumentError(
            f"synthesis_id {synthesis_id!r} cannot be used: it takes 3 to 64 letters, digits, '.', '_' and '-', and "
            "begins and ends with a letter or a digit. Nothing was bought."
        )


def check_inputs(inputs: Sequence[str], *, api: SynthesisApi) -> None:
    """
    Refuse inputs that the service would refuse, or would bill for nothing.

    :raises AzureSpeechArgumentError: naming the input, or the limit.
    """
    most = MAX_INPUTS[api]
    if not inputs:
        raise AzureSpeechArgumentError("There are no inputs; there is nothing to synthesize and nothing was bought.")
    if len(inputs) > most:
        raise AzureSpeechArgumentError(
            f"There are {len(inputs):,} inputs; one job takes {most:,}. Nothing was bought. Split them over several "
            "jobs."
        )
    for number, text in enumerate(inputs, start=1):
        if not isinstance(text, str) or not text.strip():
            raise AzureSpeechArgumentError(
                f"Input {number} of {len(inputs)} is {'empty' if isinstance(text, str) else f'no text but {text!r}'}. "
                "Nothing was bought. Leave it out, or say what it should be."
            )


def check_script(text: str, *, is_ssml: bool) -> None:
    """
    Refuse a script that Long Audio would refuse for its size.

    :raises AzureSpeechArgumentError: with the count and the limit. The size of SSML is counted by the service.
    """
    lines = [line for line in _LINE_END.split(text) if line.strip()]
    if len(lines) >= LONG_AUDIO_FEWER_THAN_PARAGRAPHS:
        raise AzureSpeechArgumentError(
            f"The text has {len(lines):,} paragraphs; Long Audio takes fewer than "
            f"{LONG_AUDIO_FEWER_THAN_PARAGRAPHS:,}. Nothing was bought. Split it over several jobs, or use the "
            "narrate_azure_long_audio Dag, which does."
        )
    if not lines:
        raise AzureSpeechArgumentError("The text is empty; there is nothing to synthesize and nothing was bought.")
    characters = sum(map(len, lines))
    if not is_ssml and characters <= LONG_AUDIO_MORE_THAN_CHARACTERS:
        raise AzureSpeechArgumentError(
            f"The text has {characters:,} characters without its line breaks; Long Audio takes more than "
            f"{LONG_AUDIO_MORE_THAN_CHARACTERS:,}. Nothing was bought. Batch synthesis takes shorter texts, and the "
            "narrate_azure_long_audio Dag any."
        )


def input_kind_of(value: str | None) -> str:
    """
    Read the argument ``input_kind``, in any letter case.

    :raises AzureSpeechArgumentError: it is neither.
    """
    try:
        return INPUT_KINDS[str(value).lower()]
    except KeyError:
        raise AzureSpeechArgumentError(f"input_kind is {value!r}; it is PlainText or SSML.") from None


def truth(value: bool | str | None, *, name: str) -> bool:
    """
    Read a yes or no, which a template renders as text.

    :raises AzureSpeechArgumentError: it is neither.
    """
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise AzureSpeechArgumentError(f"{name} is {value!r}; it is true or false.")
    return word in _TRUE


def hours_of(value: float | str | timedelta | None) -> int:
    """
    Read a time to live, in hours.

    :raises AzureSpeechArgumentError: it is no whole number of hours from 1 to 744 (31 days).
    """
    try:
        hours = value / timedelta(hours=1) if isinstance(value, timedelta) else float(value or 0)
    except (TypeError, ValueError):
        hours = 0.0
    if not 1 <= hours <= MAX_TIME_TO_LIVE_HOURS or hours != int(hours):
        raise AzureSpeechArgumentError(
            f"time_to_live is {value!r}; it is a whole number of hours from 1 to {MAX_TIME_TO_LIVE_HOURS} (31 days)."
        )
    return int(hours)


def _unsigned(value: Any) -> Any:
    """Leave out what changes from attempt to attempt: the signature of a container's address."""
    if isinstance(value, Mapping):
        return {name: _unsigned(item) for name, item in value.items()}
    if isinstance(value, str):
        return re.sub(r"\?\S*\bsig=\S*", "", value) if "://" in value and "sig=" in value else value
    if isinstance(value, Sequence):
        return [_unsigned(item) for item in value]
    return value
