"""The texts of a job: from an argument, or from a file that is read when the task runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from narration.document.decoding import decode_text
from narration.hooks.azure_errors import AzureSpeechArgumentError
from narration.operators.read import load

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
#: What an input is called in a JSON file: as in the requests of the two APIs.
_MEMBERS = ("content", "text")


def read_script(
    *,
    text: str | None,
    text_file: str | None,
    storage_conn_id: str | None,
    names: tuple[str, str] = ("text", "text_file"),
) -> str:
    """
    Read one text.

    :param text: the text itself.
    :param text_file: instead, a path on the worker or a URI of a UTF-8 file, with or without a byte-order mark.
    :param storage_conn_id: connection for an S3 location that names none.
    :param names: what the two are called where they were given, for messages.
    :raises narration.errors.PermanentNarrationError: both or neither is given, or the file cannot be used.
    :raises narration.errors.NarrationError: it could not be read, which another attempt may put right.
    """
    if bool(text) == bool(text_file):
        raise _either(names)
    if not text_file:
        if not isinstance(text, str):
            raise AzureSpeechArgumentError(
                f"{names[0]} is no text, but of the type {type(text).__name__}. Nothing was bought."
            )
        return text
    data = load(text_file, conn_id=storage_conn_id, parameter=names[1])
    return decode_text(data, source=text_file)


def read_inputs(
    *,
    inputs: Sequence[Any] | str | None,
    inputs_file: str | None,
    split_paragraphs: bool,
    storage_conn_id: str | None,
) -> list[str]:
    """
    Read the inputs of a batch synthesis job.

    :param inputs: one text, or a list of texts or of ``{"content": …}``.
    :param inputs_file: instead, a UTF-8 file: a JSON list (its name ends in ``.json``), or one text.
    :param split_paragraphs: make an input of each paragraph of a single text; blank lines separate them.
    :param storage_conn_id: as :func:`read_script`.
    :raises narration.errors.PermanentNarrationError: as :func:`read_script`.
    """
    names = ("inputs", "inputs_file")
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        if inputs_file:
            raise _either(names)
        return [_text_of(item) for item in inputs]
    text = read_script(text=inputs, text_file=inputs_file, storage_conn_id=storage_conn_id, names=names)
    if inputs_file and inputs_file.lower().endswith(".json"):
        return _from_json(text, source=inputs_file)
    if not split_paragraphs:
        return [text]
    return [part for part in _BLANK_LINES.split(text.replace("\r\n", "\n").replace("\r", "\n").strip()) if part.strip()]


def _either(names: tuple[str, str]) -> AzureSpeechArgumentError:
    return AzureSpeechArgumentError(f"Give either {names[0]} or {names[1]}, and not both. Nothing was bought.")


def _from_json(text: str, *, source: str) -> list[str]:
    try:
        items = json.loads(text)
    except ValueError as error:
        raise AzureSpeechArgumentError(f"{source} is not JSON: {error}. Nothing was bought.") from error
    if not isinstance(items, list):
        raise AzureSpeechArgumentError(
            f"{source} holds no list. Inputs in JSON are a list of texts. Nothing was bought."
        )
    return [_text_of(item) for item in items]


def _text_of(item: Any) -> Any:
    """Take the text out of an input as the API writes it; anything else is left for the check to refuse."""
    if isinstance(item, Mapping):
        return next((item[name] for name in _MEMBERS if name in item), item)
    return item
