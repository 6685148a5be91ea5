"""Threads that know what their task is about."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")


class Threads(ThreadPoolExecutor):
    """
    A thread pool whose work runs in the context of whoever handed it in.

    A plain pool's threads begin with an empty one. What they log would then lack the task, the order and the document
    that every other line of the task names, and what they count would lack the Dag.
    """

    def submit(self, act: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        # A copy for each piece of work: one context cannot be entered by two threads at once.
        return super().submit(contextvars.copy_context().run, act, *args, **kwargs)
