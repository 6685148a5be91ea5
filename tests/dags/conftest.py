from __future__ import annotations

from tests.azure_blocks import azure
from tests.road import tone_cloud

__all__ = ["azure", "tone_cloud"]
