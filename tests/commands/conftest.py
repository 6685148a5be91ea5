"""Tiny stand-ins for Airflow and the local cloud: processes that start at once and misbehave on order."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from include.commands.plan import Component
from include.commands.processes import Mark
from include.commands.settings import Layout
from include.commands.supervisor import Supervisor

STAND_INS = {
    # Sleeps until it is told to end.
    "obedient": "import time; time.sleep(600)",
    # Has a child and a grandchild, and none of the three listens to SIGTERM.
    "stubborn": """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.fork() or os.fork()
        time.sleep(600)
        """,
    "failing": "raise OSError(28, 'No space left on device')",
    "finishing": "print('done')",
    # Says when it is asked to end, and with what.
    "talkative": """
        import signal, sys, time
        def end(number, _):
            print(f"{sys.argv[1]} {signal.Signals(number).name} {time.monotonic_ns()}", flush=True)
            sys.exit(0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        print("ready", flush=True)
        time.sleep(600)
        """,
}


class Stage:
    """What the tests of one room start, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(state=folder / "state")
        self.layout.create()
        for name, code in STAND_INS.items():
            (folder / f"stand_in_{name}.py").write_text(textwrap.dedent(code))
        self._folder = folder
        self._supervisors: list[Supervisor] = []

    def component(self, stand_in: str, **facts: Any) -> Component:
        return Component(
            **{
                "name": stand_in,
                "module": f"stand_in_{stand_in}",
                "environment": {"PYTHONPATH": str(self._folder)},
                "log": str(self.layout.log(stand_in)),
                "once": stand_in == "finishing",
                **facts,
            }
        )

    def supervisor(
        self, *names: str, tolerate: frozenset[str] = frozenset(), components: Sequence[Component] = ()
    ) -> Supervisor:
        supervisor = Supervisor(
            layout=self.layout,
            components=[*components, *(self.component(name) for name in names)],
            environment=os.environ,
            facts={"command": "make run", "url": "http://127.0.0.1:8080"},
            tolerate=tolerate,
        )
        self._supervisors.append(supervisor)
        return supervisor

    def end(self) -> None:
        for supervisor in self._supervisors:
            supervisor.stop(grace=0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    folder = tmp_path / "a folder"
    folder.mkdir()
    made = Stage(folder)
    yield made
    made.end()


def eventually(condition: Callable[[], bool], *, within: float = 20.0) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def wait_for() -> Callable[..., bool]:
    return eventually


@pytest.fixture
def all_gone() -> Callable[[list[Mark]], bool]:
    return lambda marks: eventually(lambda: all(mark.process() is None for mark in marks))
