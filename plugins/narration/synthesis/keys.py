"""Clip keys and order ids: names made from content, so that the same thing always has the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from narration.synthesis.profile import VoiceProfile

KEY_LENGTH = 40
"""Hexadecimal characters in a key: 160 bits, and short enough for every service's own name fields."""


def digest(value: Any) -> str:
    """Hash a JSON value independently of the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_LENGTH]


def clip_key(*, profile: VoiceProfile, text: str, text_type: str) -> str:
    """
    Name the audio of one paragraph in one voice profile.

    Covers everything that shapes the sound and nothing else: no position, title, run or random id.
    """
    return digest({"clip": 1, "profile": profile.to_dict(), "text": text, "text_type": text_type})


def order_id(*, clip_keys: Iterable[str], account: str) -> str:
    """
    Name an order by the clips that it holds and the account that pays for them.

    :param account: what identifies the payer, for example connection id and region.
    """
    return digest({"order": 1, "clips": sorted(set(clip_keys)), "account": account})
