"""
Knowing a process for certain, and ending it.

A process id alone says little: the number is used again. A :class:`Mark` also holds
when the process started, which together with the id is never used twice while the
machine is up.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

_START_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """
    A process, recognisable after its supervisor is gone.

    :param pid: its id.
    :param started: when it started (seconds since the epoch).
    :param command: its command line when it was recorded. Airflow changes those of its
        workers as they work, so only the first word is compared.
    """

    pid: int
    started: float
    command: tuple[str, ...]

    @classmethod
    def of(cls, pid: int) -> Mark | None:
        """The mark of a living process, None when there is none."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    return None
                return cls(pid=pid, started=process.create_time(), command=tuple(process.cmdline()))
        except psutil.Error:
            return None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Mark:
        return cls(pid=int(data["pid"]), started=float(data["started"]), command=tuple(data["command"]))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def process(self) -> psutil.Process | None:
        """The process itself, if it is still this one and not another that got its number."""
        now = Mark.of(self.pid)
        if now is None or abs(now.started - self.started) > _START_TOLERANCE_SECONDS:
            return None
        if not _same_program(self.command, now.command):
            return None
        try:
            return psutil.Process(self.pid)
        except psutil.Error:
            return None


def _same_program(before: Sequence[str], now: Sequence[str]) -> bool:
    if not before or not now:
        return before == now
    ours = ("airflow", "narration")
    if now[0].startswith(ours):
        # "airflow worker -- LocalExecutor: <idle>" and the like: a title that one of our
        # processes gave itself. Another airflow would have another start time.
        return True
    return now[0] == before[0] or before[0].startswith(ours)


def descendants(pid: int) -> list[Mark]:
    """All living processes below this one."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return [mark for child in children if (mark := Mark.of(child.pid)) is not None]


def signal_all(marks: Iterable[Mark], number: signal.Signals) -> int:
    """Send a signal to those that still live; how many that were."""
    sent = 0
    for mark in marks:
        process = mark.process()
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
                sent += 1
    return sent


def end_descendants(
    pid: int,
    *,
    also: Iterable[Mark] = (),
    reap: Callable[[], None] = lambda: None,
    timeout: float = 5.0,
) -> list[Mark]:
    """
    Kill everything below a process until nothing is left.

    Repeated, because a process may fork while it is being looked for.

    :param also: further processes to kill, descendants or not.
    :param reap: called between the rounds, to collect children that ended.
    :param timeout: give up after this many seconds.
    :return: what still lives.
    """
    wanted = list(also)
    deadline = time.monotonic() + timeout
    while True:
        alive = [mark for mark in {*descendants(pid), *wanted} if mark.process() is not None]
        if not alive or time.monotonic() > deadline:
            return alive
        signal_all(alive, signal.SIGKILL)
        reap()
        time.sleep(0.05)
