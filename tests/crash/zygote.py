"""
A process that has imported everything once and forks a child for each thing that is to be done and killed.

Importing Airflow, the AWS SDK and PyAV takes five seconds, a fork of a process that has done it takes twenty
milliseconds. So a thousand deaths cost a thousand forks. The process that forks runs no thread and holds no
connection; each child is a process of its own, which SIGKILL ends like any other.

``python -m tests.crash.zygote <module>`` serves on its input and output, one JSON object a line: it calls the
module's ``preload()`` once and its ``main(arguments)`` in each child.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
_START_SECONDS = 90.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class ZygoteError(RuntimeError):
    """The process that forks did not start, or is gone; the message says what it wrote last."""


class Child:
    """
    One forked process.

    :param pid: its process id, until :meth:`wait` has returned.
    """

    def __init__(self, *, zygote: Zygote, pid: int) -> None:
        self.pid = pid
        self._zygote = zygote

    @property
    def status(self) -> int | None:
        """What it ended with (a negative number: the signal), or ``None`` while it lives."""
        self._zygote.read(0.0)
        return self._zygote.ended.get(self.pid)

    def wait(self, timeout: float) -> int | None:
        """Wait until it has ended; ``None`` if it has not within so many seconds."""
        end = time.monotonic() + timeout
        while (status := self.status) is None:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._zygote.read(left)
        return status

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self.wait(30.0) is None:
            raise ZygoteError(f"Process {self.pid} survived SIGKILL.")


class Zygote:
    """
    The process that forks, seen from outside.

    :param module: what it imports; see the module's text above.
    :param environment: variables for it and its children, besides those of this process.
    :param log: file for what it and its children write.
    """

    def __init__(self, module: str, *, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._ids = itertools.count()
        self._begun: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self._buffer = b""
        with open(log, "ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.zygote", module],
                cwd=REPOSITORY,
                env={**os.environ, **_ONE_THREAD, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and every child that is left."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def fork(self, arguments: Mapping[str, Any]) -> Child:
        """Begin a child; returns as soon as it exists."""
        end = time.monotonic() + _START_SECONDS
        number = next(self._ids)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "arguments": dict(arguments)}).encode() + b"\n")
        self._process.stdin.flush()
        while number not in self._begun:
            if time.monotonic() > end:
                raise ZygoteError(f"No child after {_START_SECONDS} s; see {self._log}.")
            self.read(1.0)
        return Child(zygote=self, pid=self._begun.pop(number))

    def read(self, timeout: float) -> None:
        """Take in what it has to say, waiting so many seconds for the first of it."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while selector.select(timeout):
                data = os.read(descriptor, 65536)
                if not data:
                    raise ZygoteError(f"The process that forks is gone; see {self._log}.")
                self._buffer += data
                timeout = 0.0
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "status" in said:
                self.ended[said["pid"]] = said["status"]
            else:
                # A process id may come again, hours later.
                self.ended.pop(said["pid"], None)
                self._begun[said["id"]] = said["pid"]


# -- inside ----------------------------------------------------------------------------------------------------------


def serve(module_name: str) -> None:
    """Fork for whoever writes to the input, until that ends."""
    module = importlib.import_module(module_name)
    module.preload()
    if threading.active_count() != 1:
        raise SystemExit(f"threads are running, so nothing can be forked: {threading.enumerate()}")
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    children: set[int] = set()
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    continue
                data = os.read(0, 65536)
                if not data:
                    _end(children)
                    return
                buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _be_child(module, order["arguments"])
                children.add(pid)
                _say({"id": order["id"], "pid": pid})
            for pid, status in _reaped():
                children.discard(pid)
                _say({"pid": pid, "status": status})


def _be_child(module: Any, arguments: dict[str, Any]) -> None:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        module.main(arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _reaped() -> list[tuple[int, int]]:
    found = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))


def _end(children: set[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def _say(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
