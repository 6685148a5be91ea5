"""What must not be seen, taken out of the words of a service; everything that quotes Azure goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: A message may quote the refused value, and the value may be a whole book.
LONGEST_MESSAGE = 600
LONGEST_CODE = 100
_QUERY = re.compile(r"(https?://[^\s\"'<>?#]+)[?#][^\s\"'<>]*", re.IGNORECASE)
_SIGNATURE = re.compile(r"\b(sig|skoid|sktid)=[^&\s\"'<>]+", re.IGNORECASE)


def redacted(text: str, secrets: Iterable[str] = (), *, longest: int = LONGEST_MESSAGE) -> str:
    """
    Take out of a text what must not be seen: the given secrets, and what stands after ``?`` in any URL.

    :param longest: cut what is longer, in characters.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _SIGNATURE.sub(r"\1=***", _QUERY.sub(r"\1", text))
    return text if len(text) <= longest else f"{text[:longest]}…"


def plain(value: Any) -> str:
    """Give a scalar of JSON as text, and nothing for what has no business where a text belongs."""
    return str(value) if isinstance(value, str | int | float) and value else ""
