from __future__ import annotations

from tests.azure_road import azure_bench
from tests.road import bench, clock, run, tone_cloud

__all__ = ["azure_bench", "bench", "clock", "run", "tone_cloud"]
