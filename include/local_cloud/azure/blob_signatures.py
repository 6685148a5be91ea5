"""Who may do what in blob storage: shared access signatures and the Shared Key scheme, as clients compute them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.blob_errors import refused, unauthenticated

VERSION = "2021-08-06"
"""Of the service, for callers that name none and for the URLs that the cloud signs itself."""

Level = Literal["service", "container", "blob"]

# "Create a service SAS", version 2020-12-06 and later: the fields before and after the resource.
_BEFORE, _AFTER = ("sp", "st", "se"), ("si", "sip", "spr", "sv", "sr", "snapshot", "ses")
_OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
# "Create an account SAS", same versions.
_OF_AN_ACCOUNT = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
_FIRST_VERSION = "2020-12-06"
# "Authorize with Shared Key": the headers by name, in this order, before those of x-ms-.
_SIGNED_HEADERS = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a request is about: the account, a container or a blob.

    :param container: empty for the account itself.
    :param path: empty for a container.
    """

    account: str
    container: str = ""
    path: str = ""

    @property
    def level(self) -> Level:
        return "blob" if self.path else "container" if self.container else "service"


def sign_url(*, key: bytes, place: Place, permissions: str, begin: float, end: float) -> dict[str, str]:
    """The query of a service SAS for a blob, or for a container and what is in it."""
    query = {
        "sv": VERSION,
        "st": timestamps.seconds(begin),
        "se": timestamps.seconds(end),
        "sr": "b" if place.path else "c",
        "sp": permissions,
    }
    return query | {"sig": _seal(key, _string_of_url(query, place))}


def check_url(query: Mapping[str, str], *, key: bytes, place: Place, permissions: str, now: float) -> None:
    """
    Let a request with a shared access signature pass.

    :param permissions: the letters any of which will do.
    :raises BlobRefused: unless the signature is right, holds here and now, and grants one of the permissions.
    """
    account_wide = "srt" in query
    if query.get("sv", "") < _FIRST_VERSION or "skoid" in query:
        raise unauthenticated("Signature did not match.")
    text = _string_of_account(query, place) if account_wide else _string_of_url(query, place)
    if not hmac.compare_digest(query.get("sig", "").encode(), _seal(key, text).encode()):
        raise unauthenticated(f"Signature did not match. String to sign used was {text}")
    begin = timestamps.read_seconds(query["st"]) if query.get("st") else float("-inf")
    end = timestamps.read_seconds(query.get("se", ""))
    if begin is None or end is None or not begin <= now < end:
        raise unauthenticated(
            f"Signature not valid in the specified time frame: Start [{query.get('st', '')}] - Expiry"
            f" [{query.get('se', '')}] - Current [{timestamps.seconds(now)}]"
        )
    if account_wide and place.level[0] not in query["srt"].replace("o", "b"):
        raise refused("AuthorizationResourceTypeMismatch")
    if not set(permissions) & set(query.get("sp", "")):
        raise refused("AuthorizationPermissionMismatch")


def check_shared_key(
    *, method: str, raw_path: str, raw_query: str, headers: Mapping[str, str], keys: Mapping[str, bytes], account: str
) -> None:
    """
    Let a request with ``Authorization: SharedKey <account>:<signature>`` pass. Its age is not looked at.

    :param raw_path: as sent, still encoded.
    :param keys: account -> key.
    :param account: whose storage the request is about.
    :raises BlobRefused: unless it is signed with the key of that account.
    """
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    name, _, seal = credential.partition(":")
    if scheme != "SharedKey" or name != account or account not in keys:
        raise unauthenticated("The account being accessed does not match the account in the Authorization header.")
    text = _string_of_request(method, raw_path, raw_query, headers, account)
    if not hmac.compare_digest(seal.encode(), _seal(keys[account], text).encode()):
        raise unauthenticated(
            f"The MAC signature found in the HTTP request '{seal}' is not the same as any computed signature. Server"
            f" used following string to sign: '{text}'."
        )


def _string_of_url(query: Mapping[str, str], place: Place) -> str:
    path = f"/{place.path}" if query.get("sr") == "b" and place.path else ""
    resource = f"/blob/{place.account}/{place.container}{path}"
    fields = [query.get(name, "") for name in _BEFORE], [query.get(name, "") for name in (*_AFTER, *_OVERRIDES)]
    return "\n".join([*fields[0], resource, *fields[1]])


def _string_of_account(query: Mapping[str, str], place: Place) -> str:
    return "".join(f"{part}\n" for part in (place.account, *(query.get(name, "") for name in _OF_AN_ACCOUNT)))


def _string_of_request(method: str, raw_path: str, raw_query: str, headers: Mapping[str, str], account: str) -> str:
    standard = [headers.get(name, "") for name in _SIGNED_HEADERS]
    if headers.get("content-length") == "0":
        standard[2] = ""
    if "x-ms-date" in headers:
        standard[5] = ""
    own = [(name, value.strip()) for name, value in headers.items() if name.startswith("x-ms-")]
    own.sort(key=lambda header: _weight(header[0]))
    parameters: dict[str, list[str]] = {}
    for part in filter(None, raw_query.split("&")):
        name, _, value = part.partition("=")
        parameters.setdefault(unquote(name).lower(), []).append(unquote(value))
    return "".join(
        [
            "\n".join([method, *standard]) + "\n",
            *(f"{name}:{value}\n" for name, value in own),
            f"/{account}{raw_path}",
            *(f"\n{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items())),
        ]
    )


def _weight(name: str) -> tuple[str, str]:
    """The service compares words: hyphens count last, and an underscore comes before digits and letters."""
    return name.replace("-", "").replace("_", " "), name


def _seal(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def is_md5(text: str) -> bool:
    """Whether a header holds an MD5 as the Blob service writes it."""
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except binascii.Error:
        return False
