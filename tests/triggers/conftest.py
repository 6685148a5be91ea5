from __future__ import annotations

from tests.azure_blocks import azure, block_context
from tests.polly_notices import board, make_board
from tests.road import bench, clock, run, tone_cloud

__all__ = ["azure", "bench", "block_context", "board", "clock", "make_board", "run", "tone_cloud"]
