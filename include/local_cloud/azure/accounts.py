"""Who calls: Speech resources by key, by token of the key, or by bearer token of a directory."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from include.local_cloud.azure.errors import AzureError
from include.local_cloud.clock import Clock

TOKEN_SECONDS = 600.0
DEFAULT_REGION = "eastus"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
_SHORTEST_KEY = 8
_REGION = re.compile(r"region-([a-z0-9]+)-.+")
_ENTRA = "entra-"
_NO_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an"
    " active subscription and use a correct regional API endpoint for your resource."
)
_NO_TOKEN = "Access denied: the bearer token is not valid or has expired."


@dataclass(frozen=True, kw_only=True)
class Account:
    """A Speech resource.

    :param id: stands for the key in the state and in logs; the key itself is kept nowhere.
    :param tier: ``S0`` or ``F0``.
    """

    id: str
    region: str
    tier: str

    @classmethod
    def of_key(cls, key: str) -> Account | None:
        """The resource of a key; ``None`` when there is none."""
        if len(key) < _SHORTEST_KEY or key.startswith("revoked-"):
            return None
        found = _REGION.fullmatch(key)
        return cls(
            id=hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16],
            region=found[1] if found else DEFAULT_REGION,
            tier="F0" if key.startswith("f0-") else "S0",
        )


class Accounts:
    """Recognises callers.

    :param secret: seals the tokens; kept in the state, so that they outlive a restart.
    """

    def __init__(self, *, clock: Clock, secret: bytes) -> None:
        self._clock = clock
        self._secret = secret

    def caller(self, headers: Mapping[str, str]) -> Account:
        """The resource that calls.

        :raises AzureError: 401 when there is none.
        """
        key = headers.get(KEY_HEADER.lower()) or headers.get(KEY_HEADER)
        if key:
            account = Account.of_key(key)
            if account is None:
                raise _unauthorized(_NO_KEY)
            return account
        scheme, _, token = (headers.get("authorization") or headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(_NO_KEY)
        account = self._account_of_token(token.strip())
        if account is None:
            raise _unauthorized(_NO_TOKEN)
        return account

    def issue_token(self, headers: Mapping[str, str]) -> str:
        """A token that stands for the key for ten minutes of the cloud's clock, in the form of a JWT."""
        account = self.caller(headers)
        claims = asdict(account) | {"exp": self._clock.now() + TOKEN_SECONDS}
        head = _packed(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _packed(json.dumps(claims).encode())
        return f"{head}.{body}.{self._seal(f'{head}.{body}')}"

    def _account_of_token(self, token: str) -> Account | None:
        if token.startswith(_ENTRA):
            return Account.of_key(token.removeprefix(_ENTRA))
        content, _, seal = token.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(content).encode()):
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(content.partition(".")[2] + "=="))
        except (binascii.Error, ValueError):
            return None
        return Account(**claims) if claims.pop("exp") > self._clock.now() else None

    def _seal(self, content: str) -> str:
        return _packed(hmac.digest(self._secret, content.encode(), hashlib.sha256))


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unauthorized(message: str) -> AzureError:
    return AzureError(401, "Unauthorized", message)
