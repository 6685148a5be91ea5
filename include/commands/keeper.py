"""
The keeper: the process that starts, watches and ends all others.

It stands between the command that a person typed (the *supervisor*) and Airflow,
for two reasons. It is left alone by Ctrl-C and survives the supervisor, so it can
end everything properly however the supervisor ends. And it imports Airflow once, then
forks the four components from there: importing takes six seconds of processor time
each on a small machine, which is most of what starting Airflow takes.

The supervisor talks to it in lines of JSON: orders on standard input (its closing is
the order to end everything), events on standard output.

Orders
    ``{"stop": true, "grace": seconds}`` end everything: ask first, then kill.
    ``{"start": name}`` start a component (again).
    ``{"hold": name}`` do not start it again by yourself.
Events
    ``{"event": "started" | "exited" | "stopped" | "imported", "name": …, "pid": …, "status": …}``
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.commands.plan import Component
from include.commands.processes import Mark, descendants, end_descendants
from include.commands.tether import adopt_orphans, tether_forks

_RECORD_EVERY_SECONDS = 3.0
_AGAIN_AFTER_SECONDS = 1.0
_CAN_FORK = sys.platform.startswith("linux")


class _EndAsked(BaseException):
    """SIGTERM while Airflow is being imported."""


class Keeper:
    """
    :param components: what to run, in this order.
    :param record: the file that names every process for whoever has to clean up after a SIGKILL.
    :param facts: what else to write into the record.
    """

    def __init__(self, *, components: Sequence[Component], record: Path, facts: dict[str, Any]) -> None:
        self._components = {component.name: component for component in components}
        self._record = record
        self._facts = facts
        self._pids: dict[int, str] = {}
        self._executed: list[subprocess.Popen[bytes]] = []
        self._gates: dict[str, list[tuple[str, int]]] = {}
        self._done: set[str] = set()
        self._waiting: list[Component] = []
        self._again: dict[str, float] = {}
        self._held: set[str] = set()
        self._known: set[Mark] = set()
        # Airflow prints to standard output while it is imported; events have it to themselves.
        self._events = os.dup(1)
        os.dup2(2, 1)
        self._interruptible = False
        self._recorded_at = 0.0

    def run(self) -> int:
        self._wakeup_on_child()
        for component in self._components.values():
            if component.module or component.program:
                self.start(component)
        if any(component.airflow for component in self._components.values()) and self._import_airflow():
            for component in self._components.values():
                if component.airflow and not self._must_end():
                    self.start(component)
        return self._serve()

    # -- starting

    def start(self, component: Component) -> None:
        if (component.module or component.program) and component.after and component.after not in self._done:
            self._waiting.append(component)
        elif component.program:
            run = ["--program", component.user, component.program]
            self._started(component, self._execute(component, [*run, *component.arguments]))
        elif component.module:
            self._started(component, self._execute(component, [component.module, *component.arguments]))
        elif _CAN_FORK:
            self._started(component, self._fork(component))
        elif component.after and component.after not in self._done:
            self._waiting.append(component)
        else:
            self._started(component, self._execute(component, ["include.commands.component", *component.airflow]))

    def _started(self, component: Component, pid: int) -> None:
        self._pids[pid] = component.name
        self._tell(event="started", name=component.name, pid=pid)
        self._write_record(force=True)

    def _execute(self, component: Component, module: list[str]) -> int:
        with _open_log(component.log) as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "include.commands.tether", str(os.getpid()), *module],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **component.environment},
            )
        # Were the object dropped, the next use of subprocess (importing Airflow makes some)
        # would collect the exit status that we wait for.
        self._executed.append(process)
        return process.pid

    def _fork(self, component: Component) -> int:
        gate: tuple[int, int] | None = None
        if component.after and component.after not in self._done:
            gate = os.pipe()
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            if gate is not None:
                os.close(gate[0])
                self._gates.setdefault(component.after, []).append((component.name, gate[1]))
            return pid
        status = 1
        try:
            if os.getppid() != keeper:
                os._exit(1)
            self._become(component, gate)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _become(self, component: Component, gate: tuple[int, int] | None) -> None:
        """In the child: take on the standard streams, environment and signals of the component."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with _open_log(component.log) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        keep = {0, 1, 2} | ({gate[0]} if gate else set())
        for descriptor in _open_descriptors():
            if descriptor not in keep:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.environ.update(component.environment)

        from include.commands import component as running

        running.preload(component.preload)
        if gate is not None and os.read(gate[0], 1) != b"1":
            raise SystemExit(0)
        running.run(component.airflow)

    def _import_airflow(self) -> bool:
        """:return: False when the end was asked for meanwhile: it takes too long to be waited for."""
        if _CAN_FORK:
            from include.commands import component

            self._interruptible = True
            try:
                component.import_airflow()
            except _EndAsked:
                return False
            finally:
                self._interruptible = False
        self._tell(event="imported")
        return True

    # -- serving

    def _wakeup_on_child(self) -> None:
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Ctrl-C is the supervisor's business. A request to end comes over the pipe, and
        # SIGTERM with it, to be heard at once.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_terminate)

    def _on_terminate(self, *_: Any) -> None:
        if self._interruptible:
            self._interruptible = False
            raise _EndAsked

    def _must_end(self) -> bool:
        """Whether the supervisor went, or asked for the end, in the meantime."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            return bool(selector.select(timeout=0))

    def _serve(self) -> int:
        orders = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(timeout=self._patience())}
                if self._wake_read in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                self._reap()
                self._start_again()
                if 0 in ready:
                    data = os.read(0, 65536)
                    if not data:
                        # The supervisor is gone without a word: no time for courtesy.
                        self._end(grace=0.0)
                        return 0
                    orders += data
                    *lines, orders = orders.split(b"\n")
                    for line in lines:
                        order = json.loads(line)
                        if "start" in order:
                            self._held.discard(order["start"])
                            self.start(self._components[order["start"]])
                        if "hold" in order:
                            self._held.add(order["hold"])
                            self._again.pop(order["hold"], None)
                        if order.get("stop"):
                            self._end(grace=float(order["grace"]))
                            return 0
                self._write_record()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = self._pids.pop(pid, None)
            if name is None:
                continue  # an orphan that was handed to us
            code = os.waitstatus_to_exitcode(status)
            if code == 0 and self._components[name].once:
                self._done.add(name)
                self._open_gates(name)
            self._tell(event="exited", name=name, pid=pid, status=code)
            if self._components[name].restarts and name not in self._held:
                self._again[name] = time.monotonic() + _AGAIN_AFTER_SECONDS

    def _patience(self) -> float:
        """How long there is nothing to do (seconds)."""
        now = time.monotonic()
        return min([_RECORD_EVERY_SECONDS, *(max(0.0, when - now) for when in self._again.values())])

    def _start_again(self) -> None:
        for name, when in list(self._again.items()):
            if time.monotonic() >= when:
                del self._again[name]
                self.start(self._components[name])

    def _open_gates(self, name: str) -> None:
        for _, gate in self._gates.pop(name, []):
            with contextlib.suppress(OSError):
                os.write(gate, b"1")
            os.close(gate)
        ready = [component for component in self._waiting if component.after == name]
        self._waiting = [component for component in self._waiting if component.after != name]
        for component in ready:
            self.start(component)

    # -- ending

    def _end(self, *, grace: float) -> None:
        me = os.getpid()
        self._again.clear()
        self._held.update(self._components)
        self._known.update(descendants(me))
        if grace > 0:
            self._ask(grace)
        left = end_descendants(me, also=self._known, reap=self._reap)
        self._tell(event="stopped", left=[mark.pid for mark in left])
        if not left:
            with contextlib.suppress(OSError):
                self._record.unlink()

    def _ask(self, grace: float) -> None:
        """
        End in an order that lets work in hand be finished: a task that is about to report
        needs the API server, and the API server needs nobody.
        """
        deadline = time.monotonic() + grace
        orders = sorted({self._components[name].stop_order for name in self._pids.values()})
        for number, order in enumerate(orders):
            asked = [pid for pid, name in self._pids.items() if self._components[name].stop_order == order]
            for pid in asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.Signals[self._components[self._pids[pid]].stop_signal])
            last = number == len(orders) - 1
            share = deadline if last else time.monotonic() + (deadline - time.monotonic()) * 0.6
            while any(pid in self._pids for pid in asked) and time.monotonic() < share:
                time.sleep(0.05)
                self._reap()

    # -- telling

    def _tell(self, **event: Any) -> None:
        # Nobody may be listening any more: the supervisor can be gone.
        with contextlib.suppress(OSError):
            os.write(self._events, json.dumps(event).encode() + b"\n")

    def _write_record(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._recorded_at < _RECORD_EVERY_SECONDS:
            return
        self._recorded_at = now
        self._known = set(descendants(os.getpid()))
        me = Mark.of(os.getpid())
        marks = [*([me] if me else []), *sorted(self._known, key=lambda mark: mark.pid)]
        record = {**self._facts, "processes": [mark.to_dict() for mark in marks]}
        temporary = self._record.with_suffix(".new")
        # A full disk is reported by whoever needs the space; the record is a precaution.
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(record, indent=1))
            temporary.replace(self._record)


def _open_log(path: str) -> Any:
    return open(path, "ab", buffering=0)


def _open_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return list(range(3, 256))


def main() -> None:
    """``python -m include.commands.keeper``: the first line of standard input says what to keep."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
    plan = json.loads(line)
    adopt_orphans()
    tether_forks()
    keeper = Keeper(
        components=[Component.from_dict(component) for component in plan["components"]],
        record=Path(plan["record"]),
        facts=plan["facts"],
    )
    raise SystemExit(keeper.run())


if __name__ == "__main__":
    main()
