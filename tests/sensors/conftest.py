from __future__ import annotations

from tests.azure_blocks import azure, block_context
from tests.polly_notices import board, make_board
from tests.road import tone_cloud

__all__ = ["azure", "block_context", "board", "make_board", "tone_cloud"]
