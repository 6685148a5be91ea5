"""One rate limit for one account, shared by every process of a machine."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from narration.errors import NarrationError
from narration.hooks.machine import shared_folder
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from pyrate_limiter import Limiter


class SharedLimiter:
    """
    The limiter of one kind of call of one account.

    :param path: the file in which the processes of this machine count.
    :param per_second: calls allowed in any second.
    :raises NarrationError: that file cannot be written.
    """

    def __init__(self, *, path: Path, per_second: int) -> None:
        from pyrate_limiter import Duration, limiter_factory

        self._path = path
        with self._counting():
            self._limiter: Limiter = limiter_factory.create_sqlite_limiter(
                rate_per_duration=per_second,
                duration=Duration.SECOND,
                db_path=os.fspath(path),
                table_name="calls",
                buffer_ms=20,
                use_file_lock=True,
            )

    def try_acquire(self, name: str) -> None:
        """Wait for a turn."""
        with self._counting():
            self._limiter.try_acquire(name)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NarrationError(
                f"The rate limit that this machine shares cannot be counted in {self._path} ({error}). Make room on "
                "that disk, or remove the file; it is made anew."
            ) from error


@lru_cache(maxsize=64)
def shared_limiter(*, account: str, call: str, per_second: int) -> SharedLimiter:
    """
    Give the limiter of one kind of call of one account.

    Callers take ``limiter.try_acquire(call)``, which waits for its turn. The count is kept in a SQLite file in the
    temporary folder, so that every worker process of a machine shares it; the service's own throttling, which every
    caller also honours, is what holds between machines.

    :param account: who is limited.
    :param call: the kind of call.
    :param per_second: calls allowed in any second.
    """
    name = digest({"account": account, "call": call, "per_second": per_second})[:16]
    return SharedLimiter(path=shared_folder() / f"limit-{name}.sqlite", per_second=per_second)
