"""Who calls, and which Region they mean, as AWS Signature Version 4 says it.

The signature itself is not computed: any secret is good. What is checked is what
a wrongly configured client gets wrong: no signature at all, a garbled one, a
scope for another service or for a Region that does not exist, a revoked key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

ALGORITHM = "AWS4-HMAC-SHA256"
REVOKED_ACCESS_KEY = "AKIAREVOKED"
ACCOUNT = "123456789012"
_PART = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class SignatureRefused(Exception):
    """The front end's refusal, always HTTP 403; ``error_type`` is its name on the wire."""

    def __init__(self, *, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever signed the call."""

    access_key: str
    region: str
    account: str = ACCOUNT


def read_caller(
    *, headers: Mapping[str, str], query: Mapping[str, str], service: str, regions: Collection[str]
) -> Caller:
    """The caller of a request signed in its header or in its query.

    :raises SignatureRefused: as the class says.
    """
    authorization = headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        parts = dict(_PART.findall(authorization[len(ALGORITHM) :]))
        dated = "x-amz-date" in headers or "date" in headers
    elif query.get("X-Amz-Algorithm") == ALGORITHM:
        parts = {
            name: query[f"X-Amz-{name}"]
            for name in ("Credential", "SignedHeaders", "Signature")
            if f"X-Amz-{name}" in query
        }
        dated = "X-Amz-Date" in query
    elif authorization:
        raise SignatureRefused(
            error_type="IncompleteSignatureException",
            message=f"The Authorization header must begin with {ALGORITHM} and carry Credential, SignedHeaders"
            " and Signature.",
        )
    else:
        raise SignatureRefused(error_type="MissingAuthenticationTokenException", message="Missing Authentication Token")
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if name not in parts]
    if missing or not dated:
        lacking = ", ".join([*missing, *([] if dated else ["X-Amz-Date"])])
        raise SignatureRefused(
            error_type="IncompleteSignatureException", message=f"The signature of this request lacks {lacking}."
        )
    scope = parts["Credential"].rsplit("/", 4)
    if len(scope) != 5 or not all(scope) or scope[4] != "aws4_request":
        raise SignatureRefused(
            error_type="IncompleteSignatureException",
            message="The Credential must read <access key>/<yyyymmdd>/<region>/<service>/aws4_request.",
        )
    access_key, _, region, signed_service, _ = scope
    if signed_service != service:
        raise SignatureRefused(
            error_type="InvalidSignatureException",
            message=f"Credential should be scoped to correct service: '{service}'.",
        )
    if region not in regions:
        raise SignatureRefused(
            error_type="InvalidSignatureException",
            message=f"Credential should be scoped to a valid region, and {service} has none called '{region}'.",
        )
    if access_key == REVOKED_ACCESS_KEY:
        raise SignatureRefused(
            error_type="UnrecognizedClientException",
            message="The security token included in the request is invalid.",
        )
    return Caller(access_key=access_key, region=region)
