"""One rate limit for one account, shared by every process of a machine."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from narration.hooks.machine import shared_folder
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from pyrate_limiter import Limiter


@lru_cache(maxsize=64)
def shared_limiter(*, account: str, call: str, per_second: int) -> Limiter:
    """
    Give the limiter of one kind of call of one account.

    Callers take ``limiter.try_acquire(call)``, which waits for its turn. The count is kept in a SQLite file in the
    temporary folder, so that every worker process of a machine shares it; the service's own throttling, which every
    caller also honours, is what holds between machines.

    :param account: who is limited.
    :param call: the kind of call.
    :param per_second: calls allowed in any second.
    """
    from pyrate_limiter import Duration, limiter_factory

    name = digest({"account": account, "call": call, "per_second": per_second})[:16]
    return limiter_factory.create_sqlite_limiter(
        rate_per_duration=per_second,
        duration=Duration.SECOND,
        db_path=os.fspath(shared_folder() / f"limit-{name}.sqlite"),
        table_name="calls",
        buffer_ms=20,
        use_file_lock=True,
    )
