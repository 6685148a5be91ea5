"""JSON as the services read it: trailing commas, comments, and line breaks and tabs inside strings are fine.

The vendor's own samples rely on it.
"""

from __future__ import annotations

import json
import re
from typing import Any

# A string, a comment, or a comma with nothing but white space and comments before the bracket that closes. What is
# never closed reaches to the end, so that no text is read twice.
_COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)"
_NOISE = re.compile(
    rf'(?P<string>"(?:\\.|[^"\\])*(?:"|\Z))|{_COMMENT}|,(?=(?:\s|{_COMMENT})*[}}\]])',
    re.DOTALL,
)


class MalformedJson(ValueError):
    """Not JSON even by the lenient rules; the message has the line and never quotes the text."""


def loads(body: bytes) -> Any:
    """
    :raises MalformedJson: also for bytes that are no UTF-8 and for strings that hold half a surrogate pair.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 at byte {error.start}.") from None
    # A comment becomes white space, so that the lines keep their numbers as far as they can.
    cleaned = _NOISE.sub(lambda found: found["string"] or " ", text)
    try:
        value = json.loads(cleaned, strict=False, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} (line {error.lineno}, position {error.colno}).") from None
    except (ValueError, RecursionError) as error:
        raise MalformedJson("A number is none, or the nesting is too deep.") from error
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedJson("A string holds half of a surrogate pair.") from None
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
