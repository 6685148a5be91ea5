"""Wanted clips, orders, and packing the one into the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from narration.synthesis.keys import order_id
from narration.synthesis.profile import VoiceProfile


@dataclass(frozen=True, kw_only=True)
class WantedClip:
    """
    One clip that the narration needs.

    :param clip_key: its key.
    :param text: what is sent to the service, verbatim.
    :param text_type: ``text`` or ``ssml``.
    :param spoken_text: the words without markup, for plausibility checks.
    :param characters: billable characters, estimated by the service's rule.
    :param place: where a reader finds the paragraph, for messages, for example ``Chapter 3, paragraph 12 (line 408)``.
    :param predictable: whether its length and loudness can be told from its words. Markup such as breaks, substitutes
        and volume makes them anything.
    """

    clip_key: str
    text: str
    text_type: str
    spoken_text: str
    characters: int
    place: str
    predictable: bool = True


@dataclass(frozen=True, kw_only=True)
class Order:
    """
    The paragraphs that one task instance sees through.

    :param order_id: made from the clip keys and the account; see :func:`narration.synthesis.keys.order_id`.
    :param profile: the voice profile of all its clips.
    :param clips: the wanted clips, in the order of the document.
    """

    order_id: str
    profile: VoiceProfile
    clips: tuple[WantedClip, ...]

    @property
    def characters(self) -> int:
        """Billable characters of all clips together."""
        return sum(clip.characters for clip in self.clips)

    def to_dict(self) -> dict[str, Any]:
        """Give the order as JSON types."""
        return {
            "order_id": self.order_id,
            "profile": self.profile.to_dict(),
            "clips": [asdict(clip) for clip in self.clips],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Order:
        """Read back what :meth:`to_dict` gave."""
        return cls(
            order_id=data["order_id"],
            profile=VoiceProfile.from_dict(data["profile"]),
            clips=tuple(WantedClip(**clip) for clip in data["clips"]),
        )


@dataclass(frozen=True, kw_only=True)
class OrderLimits:
    """
    How much one order may hold.

    :param clips: paragraphs.
    :param characters: billable characters; ``None`` for no limit.
    :param min_characters: characters that an order must have where the document has that many (the service refuses
        shorter jobs); comes before the other two.
    """

    clips: int
    characters: int | None = None
    min_characters: int = 0


def distinct(clips: Iterable[WantedClip]) -> tuple[WantedClip, ...]:
    """Keep the first of each key: a paragraph that occurs twice is bought once."""
    seen: dict[str, WantedClip] = {}
    for clip in clips:
        seen.setdefault(clip.clip_key, clip)
    return tuple(seen.values())


def pack(clips: Sequence[WantedClip], *, profile: VoiceProfile, limits: OrderLimits, account: str) -> tuple[Order, ...]:
    """
    Pack distinct clips into orders, in the order of the document.

    Packs all clips of the document whether they are in the store or not, so that the same document gives the
    same orders in every run and an interrupted order is found again under its own id.

    :raises ValueError: if a limit is below one.
    """
    if limits.clips < 1 or (limits.characters is not None and limits.characters < 1):
        raise ValueError("an order must be allowed at least one paragraph and one character")
    groups: list[list[WantedClip]] = []
    current: list[WantedClip] = []
    characters = 0
    for clip in distinct(clips):
        too_many = len(current) >= limits.clips
        too_long = limits.characters is not None and characters + clip.characters > limits.characters
        if current and (too_many or too_long) and _length(current) >= limits.min_characters:
            groups.append(current)
            current, characters = [], 0
        current.append(clip)
        characters += clip.characters
    if current and groups and _length(current) < limits.min_characters:
        groups[-1].extend(current)
    elif current:
        groups.append(current)
    return tuple(
        Order(
            order_id=order_id(clip_keys=(clip.clip_key for clip in group), account=account),
            profile=profile,
            clips=tuple(group),
        )
        for group in groups
    )


def _length(clips: Iterable[WantedClip]) -> int:
    """Count characters as the stricter of two services would: as they are written, or as they are billed."""
    return sum(min(clip.characters, len(clip.text)) for clip in clips)
