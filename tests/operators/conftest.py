from __future__ import annotations

from tests.road import bench, clock, road, run, tone_cloud

__all__ = ["bench", "clock", "road", "run", "tone_cloud"]
