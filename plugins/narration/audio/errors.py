"""What can be wrong with a clip, with the arrangement of clips, and with the finished files."""

from __future__ import annotations

from narration.errors import NarrationError, PermanentNarrationError


class ClipDefect(NarrationError):
    """The bytes of a clip are not the audio that was ordered; the message says what is wrong with them.

    It is retryable on purpose: fetching the object again, or buying the paragraph again, may give a good clip.
    It names figures and formats only, because this room does not know which paragraph the bytes belong to; whoever
    catches it adds that.
    """


class TimelineError(PermanentNarrationError):
    """The pieces handed over cannot be laid out one after another; the message names the piece."""


class AssemblyError(NarrationError):
    """The master could not be joined, encoded or verified; neither output file exists after it was raised."""
