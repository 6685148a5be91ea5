"""Speech made in processes of its own, so that the server keeps answering while it talks."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from include.local_cloud.speech import SpeechRequest, render_speech

log = logging.getLogger(__name__)
WORKERS = min(2, os.cpu_count() or 1)
_ATTEMPTS_ALONE = 2
_Asked = TypeVar("_Asked")
_Made = TypeVar("_Made")


class RenderingFailed(Exception):
    """A speech could not be made; the message never contains the text."""


def _begin_worker() -> None:
    """Be polite, leave Ctrl-C to the server, and die with it even when it is killed."""
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(0)


class Renderer:
    """Runs the speech maker in at most two processes at low priority.

    :param render: another speech maker, which must be picklable when it runs in processes.
    :param in_processes: ``False`` runs it in threads of this process, for tests
        that need no real audio.
    """

    def __init__(self, *, render: Callable[[SpeechRequest], bytes] = render_speech, in_processes: bool = True) -> None:
        self._render = render
        self._in_processes = in_processes
        self._shared: Executor | None = None
        self._executors: set[Executor] = set()
        self._alone = asyncio.Lock()

    async def render(self, request: SpeechRequest) -> bytes:
        """The audio or the speech marks.

        :raises RenderingFailed: when the maker refuses the text, or dies of it each time.
        """
        return await self.run(self._render, request)

    async def run(self, make: Callable[[_Asked], _Made], request: _Asked) -> _Made:
        """What another speech maker makes, in the same processes.

        When a process dies, whatever else was being made dies with it. Each of
        them is tried again alone, so that only the one that kills fails.

        :raises RenderingFailed: when the maker refuses the text, or dies of it each time.
        """
        shared = self._shared = self._shared or self._new_executor(WORKERS)
        try:
            return await self._run(shared, make, request)
        except BrokenProcessPool:
            log.warning("A speech process died; starting another.")
            if self._shared is shared:
                self._shared = None
                self._drop(shared)
        async with self._alone:
            for _ in range(_ATTEMPTS_ALONE):
                alone = self._new_executor(1)
                try:
                    return await self._run(alone, make, request)
                except BrokenProcessPool:
                    log.warning("A speech process died again over the same text.")
                finally:
                    self._drop(alone)
        raise RenderingFailed("The speech could not be made: its process died each time.")

    def close(self) -> None:
        """Stop at once: whatever is being made is made again after a restart."""
        for executor in list(self._executors):
            self._drop(executor)
        self._shared = None

    async def _run(self, executor: Executor, make: Callable[[_Asked], _Made], request: _Asked) -> _Made:
        making = asyncio.get_running_loop().run_in_executor(executor, make, request)
        try:
            return await making
        except BrokenProcessPool:
            raise
        except Exception as error:
            # Its message may quote the text, so only its kind goes on.
            raise RenderingFailed(f"The speech could not be made ({type(error).__name__}).") from error

    def _new_executor(self, workers: int) -> Executor:
        executor: Executor
        if self._in_processes:
            spawning = multiprocessing.get_context("spawn")
            executor = ProcessPoolExecutor(max_workers=workers, mp_context=spawning, initializer=_begin_worker)
        else:
            executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="speech")
        self._executors.add(executor)
        return executor

    def _drop(self, executor: Executor) -> None:
        self._executors.discard(executor)
        # Until Python 3.14 there is no public way to end the processes of an executor.
        processes = list((getattr(executor, "_processes", None) or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
