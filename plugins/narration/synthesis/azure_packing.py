"""Dividing clips into what one Azure job each is to make: by serialised bytes, inputs and characters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from narration.document.model import SSML
from narration.synthesis.azure_rules import AzureRules, input_bytes, plain_input, script_characters
from narration.synthesis.keys import order_id
from narration.synthesis.orders import Order, WantedClip

LONG_AUDIO_MIN_CHARACTERS = 401
"""A Long Audio script must have more than 400 characters."""

_AROUND_AN_INPUT = len('{"content":},') + 8
"""Bytes of JSON around one input, whichever of the two batch APIs and however it is spaced."""
_ENVELOPE = 8_192
"""Bytes for everything in a request that is not an input: names, description, settings."""


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """
    What one job takes.

    :param inputs: paragraphs.
    :param request_bytes: of the whole request.
    :param characters: billable characters. Not a limit of Azure's: a result has to fit the worker's disk, and four
        hours of audio are some 300 MB as MP3 and 700 MB as WAV.
    :param min_characters: what a job must have at least, as :func:`script_characters` counts.
    """

    inputs: int
    request_bytes: int
    characters: int = 200_000
    min_characters: int = 0


# Five per cent below what the pages name, which do not say whether a kilobyte has 1,000 or 1,024 bytes.
BATCH_LIMITS = JobLimits(inputs=10_000, request_bytes=1_900_000)
"""Batch synthesis 2024-04-01: 2 MB and 10,000 inputs."""
PREVIEW_LIMITS = JobLimits(inputs=1_000, request_bytes=475_000)
"""Batch synthesis 3.1-preview1: 500 KB and 1,000 inputs."""
LONG_AUDIO_LIMITS = JobLimits(
    # A paragraph may have to be said again to reach the minimum, up to 400 times.
    inputs=9_500,
    request_bytes=1_900_000,
    min_characters=LONG_AUDIO_MIN_CHARACTERS,
)
"""Long Audio: fewer than 10,000 paragraphs, more than 400 characters; no limit on bytes is documented."""


def divide(clips: Sequence[WantedClip], *, rules: AzureRules, limits: JobLimits) -> list[tuple[WantedClip, ...]]:
    """
    Divide clips into jobs, in their order; the same clips always in the same way.

    Plain text and SSML are never in one job: its kind is that of all its inputs. Where a job must have a minimum of
    characters, the last of a kind takes paragraphs from the one before it; only what is too short as a whole stays
    too short.
    """
    jobs: list[tuple[WantedClip, ...]] = []
    for kind in dict.fromkeys(clip.text_type for clip in clips):
        of_kind = [clip for clip in clips if clip.text_type == kind]
        jobs.extend(_divide(of_kind, rules=rules, limits=limits))
    return jobs


def _divide(clips: Sequence[WantedClip], *, rules: AzureRules, limits: JobLimits) -> list[tuple[WantedClip, ...]]:
    room = limits.request_bytes - _ENVELOPE
    groups: list[list[WantedClip]] = []
    size = characters = 0
    for clip in clips:
        clip_bytes = input_bytes(rules.sent(clip.text, clip.text_type)) + _AROUND_AN_INPUT
        full = not groups or len(groups[-1]) >= limits.inputs
        if full or size + clip_bytes > room or characters + clip.characters > limits.characters:
            groups.append([])
            size = characters = 0
        groups[-1].append(clip)
        size += clip_bytes
        characters += clip.characters

    def length(group: Sequence[WantedClip]) -> int:
        return sum(script_characters(rules.sent(clip.text, clip.text_type), clip.text_type) for clip in group)

    if len(groups) > 1:
        _even_out(groups, length=length, least=limits.min_characters)
    return [tuple(group) for group in groups]


def _even_out(groups: list[list[WantedClip]], *, length: Callable[[Sequence[WantedClip]], int], least: int) -> None:
    """Move paragraphs from the last group but one into the last, as long as both stay long enough."""
    before, last = groups[-2:]
    while length(last) < least and len(before) > 1 and length(before[:-1]) >= least:
        last.insert(0, before.pop())


def script_length(clips: Iterable[WantedClip]) -> int:
    """Count what clips contribute to the more than 400 characters of a Long Audio script."""
    return sum(clip.characters if clip.text_type == SSML else len(plain_input(clip.text)) for clip in clips)


def combine(
    orders: Sequence[Order], *, missing: Collection[str], account: str, least: int = LONG_AUDIO_MIN_CHARACTERS
) -> tuple[Order, ...]:
    """
    Put orders together of which so little is to be bought that each alone would need :func:`filler`.

    Neighbours are put together until they are long enough; what is left over at the end goes with those before it.
    Such an order holds what is to be bought and nothing else, and so is another one whenever that changes. The claims
    on its clips say where else they may have been bought.

    :param orders: those of which something is to be bought, in the order of the document.
    :param missing: keys of the clips that are to be bought.
    """

    def wanted(group: Sequence[Order]) -> tuple[WantedClip, ...]:
        return tuple(clip for order in group for clip in order.clips if clip.clip_key in missing)

    def is_short(group: Sequence[Order]) -> bool:
        clips = wanted(group)
        kinds = {clip.text_type for clip in clips}
        return any(script_length(clip for clip in clips if clip.text_type == kind) < least for kind in kinds)

    groups: list[list[Order]] = []
    for order in orders:
        if groups and is_short(groups[-1]):
            groups[-1].append(order)
        else:
            groups.append([order])
    if len(groups) > 1 and is_short(groups[-1]):
        left_over = groups.pop()
        groups[-1].extend(left_over)
    return tuple(_combined(group, wanted(group), account=account) for group in groups)


def _combined(group: Sequence[Order], clips: tuple[WantedClip, ...], *, account: str) -> Order:
    if len(group) == 1:
        return group[0]
    key = order_id(clip_keys=(clip.clip_key for clip in clips), account=account)
    return Order(order_id=key, profile=group[0].profile, clips=clips)


def filler(sent: Sequence[str], text_type: str, *, least: int = LONG_AUDIO_MIN_CHARACTERS) -> tuple[str, ...]:
    """
    Give the inputs to say once more, after the others, so that a script is long enough.

    The shortest paragraph is repeated, which goes least over the minimum. Nothing for a script that is long enough.

    :param sent: the inputs of the job, as they are sent.
    """
    short_of = least - sum(script_characters(each, text_type) for each in sent)
    if short_of <= 0:
        return ()
    lengths = {each: length for each in sent if (length := script_characters(each, text_type))}
    if not lengths:
        return ()
    shortest = min(lengths, key=lengths.__getitem__)
    return (shortest,) * -(-short_of // lengths[shortest])
