"""The exceptions that every room of the library builds on."""

from __future__ import annotations

from typing import ClassVar


class NarrationError(Exception):
    """Something went wrong that another attempt may put right; the message says what to do if it does not."""

    notice: ClassVar[str] = "failure"
    """The event of :class:`narration.notices.notice.Event` that people are told of when this ends a run."""


class PermanentNarrationError(NarrationError):
    """Another attempt would fail the same way; the message names the place and the remedy.

    Operators of the road map this class to ``RetryAction.FAIL``, so that a wrong voice or a broken SSML tag
    fails a task at once instead of after its retries.
    """
