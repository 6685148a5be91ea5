from __future__ import annotations

from tests.azure_blocks import azure, block_context
from tests.road import tone_cloud

__all__ = ["azure", "block_context", "tone_cloud"]
