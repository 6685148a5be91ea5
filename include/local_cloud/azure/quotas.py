"""What Azure Speech grants a resource, and how long its jobs take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BATCH, BATCH_PREVIEW, LONG_AUDIO = "azure_batch", "azure_batch_preview", "azure_long_audio"
SERVICES = (BATCH, BATCH_PREVIEW, LONG_AUDIO)


@dataclass(frozen=True, kw_only=True)
class Window:
    """So many requests in any stretch of so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class AzureQuotas:
    """The limits of one resource, per API; the defaults are the documented ones.

    Sources: the Long Audio page (5 a second, 120 active, 20,000 stored), the page of the preview (50 per 5 s,
    200 active, 500 KB, 1,000 inputs), the quotas page for 2024-04-01 (100 per 10 s, 2 MB, 10,000 inputs; no limit
    on active jobs).

    :param requests: how many requests of an API.
    :param active_jobs: how many jobs that are neither Succeeded nor Failed; ``None`` is any number.
    :param stored_jobs: how many jobs at all.
    :param payload_bytes: the largest body of a create request.
    :param inputs: the most inputs of a job; for Long Audio, there must be fewer paragraphs than this.
    :param url_seconds: how long the signed URL of a result is good.
    :param median_seconds: how long half of the jobs take at the most, from creation to end; 0 is no time at all.
    :param slow_seconds: how long 95 % of them take at the most.
    """

    requests: Mapping[str, Window] = field(
        default_factory=lambda: {
            BATCH: Window(requests=100, seconds=10),
            BATCH_PREVIEW: Window(requests=50, seconds=5),
            LONG_AUDIO: Window(requests=5, seconds=1),
        }
    )
    active_jobs: Mapping[str, int | None] = field(
        default_factory=lambda: {BATCH: None, BATCH_PREVIEW: 200, LONG_AUDIO: 120}
    )
    stored_jobs: Mapping[str, int | None] = field(
        default_factory=lambda: {BATCH: None, BATCH_PREVIEW: None, LONG_AUDIO: 20_000}
    )
    payload_bytes: Mapping[str, int] = field(
        # What a kilobyte is, the pages do not say; the larger reading refuses nothing that the service takes.
        default_factory=lambda: {BATCH: 2 * 1024 * 1024, BATCH_PREVIEW: 500 * 1024, LONG_AUDIO: 100 * 1024 * 1024}
    )
    inputs: Mapping[str, int] = field(default_factory=lambda: {BATCH: 10_000, BATCH_PREVIEW: 1_000, LONG_AUDIO: 10_000})
    url_seconds: float = 12 * 3600
    median_seconds: float = 15.0
    slow_seconds: float = 120.0
