from __future__ import annotations

from tests.road import bench, clock, run, tone_cloud

__all__ = ["bench", "clock", "run", "tone_cloud"]
