"""Clip keys and order ids: names made from content, so that the same thing always has the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from narration.synthesis.profile import VoiceProfile

KEY_LENGTH = 40
"""Hexadecimal characters in a key: 160 bits, and short enough for every service's own name fields."""

_JOB_LENGTH = 12


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


def job_key(*, order: str, clip_keys: Sequence[str], attempt: int) -> str:
    """
    Name one purchase of an order, for a service whose jobs cover several clips.

    The same clips bought for the same order the same time over have the same name in every process, so that the
    service's list tells whether the purchase took place.

    :param order: the order's id, with which the name begins.
    :param clip_keys: what is bought, in the order of the job's inputs.
    :param attempt: how often these very clips were bought for the order before, in vain.
    """
    return f"{order}-{digest({'job': 1, 'clips': list(clip_keys), 'attempt': attempt})[:_JOB_LENGTH]}"


def order_of(key: str) -> str:
    """Give the id of the order that a job key belongs to; empty if it is not a job key."""
    order, _, job = key.partition("-")
    is_key = len(order) == KEY_LENGTH and len(job) == _JOB_LENGTH
    return order if is_key and set(order + job) <= set("0123456789abcdef") else ""


def order_id(*, clip_keys: Iterable[str], account: str) -> str:
    """
    Name an order by the clips that it holds and the account that pays for them.

    :param account: what identifies the payer, for example connection id and region.
    """
    return digest({"order": 1, "clips": sorted(set(clip_keys)), "account": account})
