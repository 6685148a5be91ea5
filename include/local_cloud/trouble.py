"""Trouble with the disk: said once in the log, and shown for as long as it lasts."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)


class Trouble:
    """What cannot be written at present, by the part of the cloud that noticed; safe to use from any thread.

    A write that works again ends the trouble of its part. Everything that failed meanwhile was either refused to
    the caller or is tried again.
    """

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def reason(self) -> str | None:
        """What is wrong, ``None`` when nothing is."""
        with self._lock:
            return "; ".join(self._reasons.values()) or None

    def began(self, part: str, error: Exception) -> None:
        """A write of ``part`` failed. Only the first failure, and another kind of failure, is logged."""
        reason = f"{part} cannot be written: {error}"
        with self._lock:
            known = self._reasons.get(part)
            self._reasons[part] = reason
        if reason != known:
            log.error("%s. What was accepted is kept and tried again.", reason)

    def ended(self, part: str) -> None:
        """A write of ``part`` worked."""
        # Nearly always there is none, and then nothing waits for the lock.
        if part not in self._reasons:
            return
        with self._lock:
            known = self._reasons.pop(part, None)
        if known is not None:
            log.warning("%s can be written again.", part)
