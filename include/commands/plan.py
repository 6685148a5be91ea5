"""What the keeper is told to run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Component:
    """
    One process to run.

    :param name: how messages and log files call it.
    :param airflow: arguments of Airflow's own command, or of a one-off of ours (``prepare``).
    :param module: a Python module to run instead, with :attr:`arguments`.
    :param program: a program to run instead, with :attr:`arguments`.
    :param user: who runs the program, when we are root: some refuse to be run by root.
    :param arguments: its arguments.
    :param environment: what it adds to the keeper's environment.
    :param log: the file that takes its output.
    :param after: the one-off component that must have succeeded before this one begins.
    :param once: it ends by itself.
    :param preload: modules worth importing while waiting for :attr:`after`.
    :param restarts: it is started again, a moment later, however it ends.
    :param stop_signal: the name of the signal that asks it to end.
    :param stop_order: who has the lowest is asked to end first, and the next when all of those are gone.
    """

    name: str
    log: str
    airflow: tuple[str, ...] = ()
    module: str = ""
    program: str = ""
    user: str = ""
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    after: str = ""
    once: bool = False
    preload: tuple[str, ...] = ()
    restarts: bool = False
    stop_signal: str = "SIGTERM"
    stop_order: int = 0

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Component:
        tuples = {name: tuple(data[name]) for name in ("airflow", "arguments", "preload")}
        return cls(**{**data, **tuples})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
