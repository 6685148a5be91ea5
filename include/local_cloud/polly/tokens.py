"""Opaque NextTokens: what a page needs to go on, signed so that nothing else is taken for one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from include.local_cloud.polly.errors import PollyError

_SEAL_BYTES = 12


class PageTokens:
    """Makes and reads the tokens of one state folder.

    :param secret: kept in the state, so that tokens outlive a restart.
    """

    def __init__(self, *, secret: bytes) -> None:
        self._secret = secret

    def make(self, *, operation: str, region: str, after: int) -> str:
        content = json.dumps([operation, region, after]).encode()
        return base64.urlsafe_b64encode(self._seal(content) + content).decode()

    def read(self, token: str, *, operation: str, region: str) -> int:
        """Where the page begins.

        :raises PollyError: InvalidNextTokenException for anything that ``make`` did not
            return for this operation and Region.
        """
        try:
            sealed = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused() from None
        seal, content = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(content)):
            raise _refused()
        made_for, made_in, after = json.loads(content)
        if (made_for, made_in) != (operation, region):
            raise _refused()
        return after

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, hashlib.sha256)[:_SEAL_BYTES]


def _refused() -> PollyError:
    return PollyError("InvalidNextTokenException", "The NextToken is invalid.")
