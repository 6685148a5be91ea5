"""What can be wrong with an inbox."""

from __future__ import annotations

from narration.errors import PermanentNarrationError


class InboxError(PermanentNarrationError):
    """The inbox cannot be looked through as it was asked for; nothing was read or bought."""


class ProfileError(PermanentNarrationError):
    """A profile cannot be used; the documents that it is for were not read, and nothing was bought for them."""
