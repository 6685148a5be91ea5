"""One time for a whole universe of processes, which the test moves: the wall clock of all, and the cloud's with it."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_NUMBER = struct.Struct("<d")
_real = time.time


class SharedOffset:
    """
    How far the universe's clock is ahead of the machine's, in a file that every process has mapped.

    :param path: the file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_NUMBER.pack(0.0))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)

    def __call__(self) -> float:
        return float(_NUMBER.unpack_from(self._memory)[0])

    def now(self) -> float:
        """Seconds since the epoch, in the universe."""
        return _real() + self()

    def move(self, seconds: float) -> None:
        """Move it forward, in every process at once."""
        _NUMBER.pack_into(self._memory, 0, self() + seconds)


def live_in(path: Path) -> None:
    """Let this process, whatever it imports from now on, and its children tell the universe's time."""
    time.time = SharedOffset(path).now
