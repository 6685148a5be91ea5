"""What a body says that it is, and the refusal of what an operation does not read."""

from __future__ import annotations

import re

from include.local_cloud.azure.errors import AzureError

_JSON = re.compile(r"application/(?:[^/\s]+\+)?json")


def media_type(header: str) -> str:
    """``application/json`` of ``Application/JSON; charset=utf-8``; empty when nothing was sent."""
    return header.partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Whether a media type is ``application/json``, or ends in ``+json``."""
    return _JSON.fullmatch(kind) is not None


def unsupported(kind: str) -> AzureError:
    message = f"The request entity's media type '{kind}' is not supported for this resource."
    return AzureError(415, "UnsupportedMediaType", message)
