from __future__ import annotations

from tests.azure_blocks import azure, block_context
from tests.azure_road import azure_bench
from tests.metrics import statsd
from tests.road import bench, clock, road, run, tone_cloud

__all__ = ["azure", "azure_bench", "bench", "block_context", "clock", "road", "run", "statsd", "tone_cloud"]
