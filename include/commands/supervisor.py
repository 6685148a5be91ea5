"""Starts the keeper with a plan, follows what happens to it, and has it end everything."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from include.commands.errors import CommandError, Interrupted
from include.commands.logs import last_words
from include.commands.plan import Component
from include.commands.processes import Mark, descendants, signal_all
from include.commands.settings import CHECKOUT, Layout
from include.commands.tether import adopt_orphans

_EARLIER_RUN_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Died:
    """
    A component that ended although nobody asked it to.

    :param status: its exit code, or the negative number of the signal that ended it.
    """

    name: str
    pid: int
    status: int

    @property
    def how(self) -> str:
        if self.status >= 0:
            return f"ended with exit code {self.status}"
        try:
            return f"was ended by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"was ended by signal {-self.status}"


class Supervisor:
    """
    :param layout: the folders.
    :param components: what to run.
    :param environment: of the keeper, and so of all components.
    :param facts: what another command should know about this one (``url``, ``command``).
    :param tolerate: the components whose end is not a failure, because somebody ends them on purpose.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        components: Sequence[Component],
        environment: Mapping[str, str],
        facts: Mapping[str, Any],
        tolerate: frozenset[str] = frozenset(),
    ) -> None:
        self._layout = layout
        self._components = {component.name: component for component in components}
        self._environment = dict(environment)
        self._facts = dict(facts)
        self._tolerate = tolerate
        self._lock: IO[str] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._pids: dict[str, int] = {}
        self._exits: dict[str, int] = {}
        self._died: Died | None = None
        self._reader: threading.Thread | None = None
        self._stopping = False
        self._settled = False

    # -- life

    def start(self) -> None:
        """
        Take the state folder, clean up after an earlier run, and start everything.

        :raises CommandError: when another command is using the state folder.
        """
        self._layout.create()
        self._lock = take_lock(self._layout)
        clean_up(self._layout)
        for component in self._components.values():
            _turn_over(Path(component.log))
        adopt_orphans()
        started = Mark.of(os.getpid())
        facts = {**self._facts, "supervisor": started.to_dict() if started else None}
        plan = {
            "components": [component.to_dict() for component in self._components.values()],
            "record": str(self._layout.record),
            "facts": facts,
        }
        with open(self._layout.log("keeper"), "wb", buffering=0) as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "include.commands.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=CHECKOUT,
                env=self._environment,
                start_new_session=True,
                # Held by the keeper too: as long as it is still ending an earlier run,
                # the state folder is taken.
                pass_fds=(self._lock.fileno(),),
            )
        self._reader = threading.Thread(target=self._read_events, name="keeper events", daemon=True)
        self._reader.start()
        self._order(json.dumps(plan).encode() + b"\n")

    def stop(self, *, grace: float = 10.0) -> None:
        """
        End everything that was started, and return when it is gone.

        :param grace: how long the components may take to finish what they are doing (seconds).
        """
        keeper, self._keeper = self._keeper, None
        self._stopping = True
        if keeper is not None:
            _write(keeper, json.dumps({"stop": True, "grace": grace}).encode() + b"\n")
            with contextlib.suppress(ProcessLookupError):
                keeper.terminate()  # only wakes it, should it be importing Airflow
            try:
                keeper.wait(timeout=grace + 15)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()
            self._end_orphans(keeper.pid)
            if self._reader is not None:
                self._reader.join(timeout=5)
            for stream in (keeper.stdin, keeper.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _end_orphans(self, keeper: int) -> None:
        """
        Kill what the keeper left when it was itself killed. Its record names the processes;
        and those whose parents died became our own children, in the keeper's session still.
        """
        marks = recorded_processes(self._layout)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            below = [mark for mark in descendants(os.getpid()) if _session_of(mark.pid) == keeper]
            alive = [mark for mark in {*marks, *below} if mark.process() is not None]
            signal_all(alive, signal.SIGKILL)
            for mark in {*marks, *below}:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(mark.pid, os.WNOHANG)
            if not alive:
                break
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            self._layout.record.unlink()

    # -- events

    def _read_events(self) -> None:
        keeper = self._keeper
        if keeper is None or keeper.stdout is None:
            return
        for line in keeper.stdout:
            event = json.loads(line)
            with self._changed:
                self._take(event)
                self._changed.notify_all()
        with self._changed:
            if not self._stopping and self._died is None:
                self._died = Died(name="keeper", pid=keeper.pid, status=keeper.wait())
            self._changed.notify_all()

    def _take(self, event: Mapping[str, Any]) -> None:
        name = event.get("name", "")
        if event["event"] == "started":
            self._pids[name] = event["pid"]
            self._exits.pop(name, None)
        elif event["event"] == "exited":
            self._pids.pop(name, None)
            self._exits[name] = event["status"]
            component = self._components[name]
            # Who dies while everything is being started would only die again.
            expected = (component.restarts and self._settled) or (component.once and event["status"] == 0)
            if not (expected or name in self._tolerate or self._stopping or self._died):
                self._died = Died(name=name, pid=event["pid"], status=event["status"])

    def _order(self, data: bytes) -> None:
        if self._keeper is not None:
            _write(self._keeper, data)

    def settle(self) -> None:
        """Everything is up: from now on the end of a component that is started again is no failure."""
        self._settled = True

    def hold(self, name: str) -> None:
        """Leave a component dead when it ends, although it is one that is started again."""
        self._order(json.dumps({"hold": name}).encode() + b"\n")

    def restart(self, name: str) -> None:
        """Start a component that ended."""
        self._order(json.dumps({"start": name}).encode() + b"\n")

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each living component, and of the ``keeper``."""
        with self._changed:
            keeper = {"keeper": self._keeper.pid} if self._keeper is not None else {}
            return {**keeper, **self._pids}

    @property
    def died(self) -> Died | None:
        return self._died

    def check(self) -> None:
        """
        :raises CommandError: when a component died.
        """
        if self._died is not None:
            raise self.obituary(self._died)

    def obituary(self, died: Died) -> CommandError:
        log = Path(self._components[died.name].log) if died.name in self._components else self._layout.log("keeper")
        # Who is killed from outside has nothing to say about it.
        words = last_words(log, lines=0 if died.status < 0 else 2)
        said = "".join(f"\n    {word}" for word in words)
        return CommandError(
            f"{died.name} (process {died.pid}) {died.how}.{said}",
            remedy=_advice(died, words, log),
        )

    def wait_until(
        self,
        ready: Callable[[], bool],
        *,
        timeout: float,
        what: str,
        every: float = 0.3,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """
        :param ready: asked again and again.
        :param what: what is being waited for, in words.
        :raises CommandError: when a component dies, or after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.check()
            if ready():
                return
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{what} took more than {timeout:.0f} seconds.",
                    remedy=f"The logs in {self._layout.logs} tell more. On a busy machine, simply try again.",
                )
            on_tick()
            with self._changed:
                self._changed.wait(timeout=every)


def _write(keeper: subprocess.Popen[bytes], data: bytes) -> None:
    if keeper.stdin is not None:
        # A keeper that is gone is noticed by the thread that reads its events.
        with contextlib.suppress(BrokenPipeError, ValueError):
            keeper.stdin.write(data)
            keeper.stdin.flush()


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _advice(died: Died, words: Sequence[str], log: Path) -> str:
    text = " ".join(words).lower()
    if "no space left" in text or "disk is full" in text or "disk i/o error" in text:
        advice = "The disk is full: free some space, then run the same command again"
    elif "address already in use" in text:
        advice = "Another process took its port in the meantime: run the same command again"
    elif died.status == -signal.SIGKILL:
        advice = "Somebody killed it, or the machine ran out of memory: run the same command again"
    else:
        advice = "Run the same command again"
    return f"{advice}; what was paid for is kept. Its log: {log}"


def _turn_over(log: Path) -> None:
    """Keep the log of the run before, and no more."""
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_suffix(".previous.log"))


def read_record(layout: Layout) -> dict[str, Any]:
    """What the keeper of this state folder wrote down; empty when there is none."""
    try:
        record = json.loads(layout.record.read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else {}
    except (OSError, ValueError):
        return {}


def take_lock(layout: Layout) -> IO[str]:
    """
    :raises CommandError: when another command has it, naming its URL.
    """
    lock = open(layout.lock, "a", encoding="utf-8")  # noqa: SIM115 - held until the command ends
    deadline = time.monotonic() + _EARLIER_RUN_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            record = read_record(layout)
            supervisor = record.get("supervisor")
            alive = supervisor is None or Mark.from_dict(supervisor).process() is not None
            # Without a living supervisor, it is the keeper of a killed one that is still cleaning up.
            if alive or time.monotonic() > deadline:
                lock.close()
                raise already_running(layout, record) from None
        time.sleep(0.1)


def already_running(layout: Layout, record: Mapping[str, Any]) -> CommandError:
    command = record.get("command", "Narration")
    where = f" at {record['url']}" if record.get("url") else ""
    pid = (record.get("supervisor") or {}).get("pid")
    who = f" (process {pid})" if pid else ""
    return CommandError(
        f"{command} is running already{where}{who}, with the state in {layout.state}.",
        remedy="Use that one (start a narration from its UI), or end it with Ctrl-C in its terminal"
        + (f" or: kill {pid}" if pid else "")
        + ".",
    )


def recorded_processes(layout: Layout) -> list[Mark]:
    """The processes that the keeper of this state folder wrote down last."""
    try:
        return [Mark.from_dict(data) for data in read_record(layout).get("processes", [])]
    except (KeyError, TypeError, ValueError):
        return []


def clean_up(layout: Layout) -> int:
    """
    End the processes of an earlier run that could not end them itself.

    Only those that the record names, each verified by its start time and program.

    :return: how many there were.
    """
    left = alive = [mark for mark in recorded_processes(layout) if mark.process() is not None]
    deadline = time.monotonic() + 5
    while left and time.monotonic() < deadline:
        signal_all(left, signal.SIGKILL)
        time.sleep(0.05)
        left = [mark for mark in left if mark.process() is not None]
    with contextlib.suppress(OSError):
        layout.record.unlink()
    return len(alive)


class Signals:
    """
    Turns the first SIGINT, SIGTERM or SIGHUP into :class:`Interrupted`, and ignores the rest:
    the command is then ending everything, and must not be stopped half-way.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _on_signal(self, number: int, _: object) -> None:
        if self.received is None:
            self.received = number
            raise Interrupted
