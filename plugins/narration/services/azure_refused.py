"""Which input of a request Azure refuses, as far as its words tell."""

from __future__ import annotations

import re

from narration.hooks.azure_errors import AzureSpeechRefusedError

# "Inputs[3].Content" counts from 0 as code does, "input 4" from 1 as people do; "10,000 inputs" is a limit.
_INDEX = re.compile(r"\binputs?\s?\[(\d{1,5})\]", re.IGNORECASE)
_NUMBER = re.compile(r"\binput (?:number |no\. ?|#)?(\d{1,5})\b(?![.,]\d)", re.IGNORECASE)


def inputs_named(error: AzureSpeechRefusedError, *, count: int) -> list[int]:
    """
    Give the positions of the inputs that a refusal names, from 0; none if it names none, or one that there is not.

    The only input of a request is named by the refusal alone.

    :param count: how many inputs the request had.
    """
    if count == 1:
        return [0]
    found = {int(number) for number in _INDEX.findall(error.message)}
    found.update(int(number) - 1 for number in _NUMBER.findall(error.message))
    return sorted(found) if found and found <= set(range(count)) else []
