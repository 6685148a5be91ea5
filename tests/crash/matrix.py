"""
The crash matrix: every step of the protocol at every service, in an order that nobody has chosen, until enough died.

The seed gives the whole run again: which rows each scenario is to hit, its document, its occurrences, how it goes on.
Scenarios are numbered, and each has a seed of its own made from the run's, its number and its service, so a failing
one can be played alone.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.scenario import Hit, Scenario
from tests.crash.steps import SERVICES, STEPS, Step
from tests.crash.universe import Universe

MOST_FAULTS = 6
_MOST_SCENARIOS = 4_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    What one lane does.

    :param seed: of the run.
    :param services: which ones.
    :param faults: how many faults at least.
    :param every_cell: whether each row must have been hit at each service.
    :param steps: rows to choose from; default all.
    """

    seed: str
    services: tuple[str, ...]
    faults: int
    every_cell: bool = True
    steps: tuple[Step, ...] = STEPS


@dataclass(kw_only=True)
class Report:
    """
    What came of it.

    :param cells: hits by service and row.
    :param scenarios: how many documents were brought to publication.
    :param characters: what was billed for them, by service.
    """

    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    continued: Counter[str] = field(default_factory=Counter)
    scenarios: int = 0
    characters: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def faults(self) -> int:
        return sum(self.cells.values())

    def add(self, service: str, hits: Iterable[Hit], bill: dict[str, Any]) -> None:
        for hit in hits:
            self.cells[service, hit.step] += 1
            self.continued[hit.then.partition(",")[0]] += 1
        self.scenarios += 1
        for name, entry in bill.items():
            self.characters[name] += entry["characters"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "cells": [[*cell, count] for cell, count in self.cells.items()],
            "continued": self.continued,
            "scenarios": self.scenarios,
            "characters": self.characters,
            "failures": self.failures,
            "seconds": self.seconds,
        }

    def join(self, data: dict[str, Any]) -> None:
        """Add what another lane reports."""
        for service, step, count in data["cells"]:
            self.cells[service, step] += count
        self.continued.update(data["continued"])
        self.scenarios += data["scenarios"]
        self.characters.update(data["characters"])
        self.failures += data["failures"]
        self.seconds = max(self.seconds, data["seconds"])

    def missing(self, services: Sequence[str], steps: Sequence[Step] = STEPS) -> list[tuple[str, str]]:
        """Cells that nothing was killed in."""
        wanted = [(service, step.name) for step in steps for service in services if service in step.services]
        return [cell for cell in wanted if not self.cells[cell]]

    def table(self, services: Sequence[str] = SERVICES, steps: Sequence[Step] = STEPS) -> str:
        """The matrix, for people."""
        width = max(len(step.name) for step in steps)
        lines = [" " * width + "".join(f"  {service.removeprefix('azure_'):>13}" for service in services)]
        for step in steps:
            counts = (str(self.cells[service, step.name]) if service in step.services else "-" for service in services)
            lines.append(f"{step.name:<{width}}" + "".join(f"  {count:>13}" for count in counts))
        sums = (sum(count for (name, _), count in self.cells.items() if name == service) for service in services)
        lines.append(f"{'faults':<{width}}" + "".join(f"  {count:>13}" for count in sums))
        said = ", ".join(f"{how} {count}" for how, count in self.continued.most_common())
        sum_up = f"{self.faults} faults in {self.scenarios} documents, {self.seconds:.0f} s"
        billed = f"{sum(self.characters.values())} characters billed"
        verdict = f"FAILED: {len(self.failures)}" if self.failures else "nothing lost, nothing paid twice"
        lines.append(f"{sum_up}; {billed}; {verdict}")
        lines.append(f"how it went on: {said}")
        return "\n".join(lines)


def run_lane(plan: Plan, *, folder: Path) -> Report:
    """
    Play scenarios one after the other, in a universe of their own, until enough has been killed.

    Stops at the first that fails; its folder stays.
    """
    report = Report()
    began = time.monotonic()
    decks = {service: _Deck(service, plan) for service in plan.services}
    with Universe(folder=folder) as universe:
        number = 0
        while number < _MOST_SCENARIOS:
            service = plan.services[number % len(plan.services)]
            missing = plan.every_cell and report.missing(plan.services, plan.steps)
            if report.faults >= plan.faults and not missing:
                break
            if report.faults >= plan.faults and service not in {name for name, _ in missing or ()}:
                number += 1
                continue
            deck = decks[service]
            faults = deck.draw(report, number)
            scenario = Scenario(
                universe=universe,
                service=service,
                seed=f"{plan.seed}/{number}",
                faults=faults,
                folder=folder / f"{number:04}-{service}",
            )
            try:
                scenario.play()
            except AssertionError as error:
                report.failures.append(str(error))
                break
            report.add(service, scenario.hits, scenario.bill)
            deck.put_back(scenario.left)
            print(
                f"{number:4} {service:20} {len(scenario.hits)} faults, {report.faults} in all, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
            number += 1
    report.seconds = time.monotonic() - began
    return report


class _Deck:
    """The rows of one service, shuffled; dealt anew when they are used up."""

    def __init__(self, service: str, plan: Plan) -> None:
        self._service = service
        self._plan = plan
        self._cards: deque[Step] = deque()
        self._dice = random.Random(f"{plan.seed}/{service}")

    def draw(self, report: Report, number: int) -> list[Step]:
        count = random.Random(f"{self._plan.seed}/{number}/faults").randint(2, MOST_FAULTS)
        if report.faults >= self._plan.faults:
            # Only what is missing still.
            names = {step for service, step in report.missing([self._service], self._plan.steps)}
            return [step for step in self._plan.steps if step.name in names][:count]
        while len(self._cards) < count:
            fresh = [step for step in self._plan.steps if self._service in step.services]
            self._dice.shuffle(fresh)
            self._cards.extend(fresh)
        return [self._cards.popleft() for _ in range(count)]

    def put_back(self, steps: Iterable[Step]) -> None:
        """They did not come up; their turn comes again."""
        self._cards.extendleft(steps)


def run(
    *,
    seed: str,
    faults: int,
    folder: Path,
    services: tuple[str, ...] = SERVICES,
    lanes: int = 2,
    every_cell: bool = True,
    kill_at: Sequence[str] = (),
) -> Report:
    """
    Run the matrix, in so many lanes side by side.

    :param faults: of all lanes together.
    :param kill_at: points at which all is killed, instead of the rows of the matrix; see :mod:`tests.crash.points`.
    """
    shares = [services[lane::lanes] for lane in range(lanes)] if lanes > 1 else [services]
    processes = []
    for lane, share in enumerate(shares):
        command = [sys.executable, "-m", "tests.crash", "--lane", str(folder / f"lane-{lane}"), "--seed", seed]
        command += ["--faults", str(-(-faults * len(share) // len(services))), "--services", ",".join(share)]
        command += [f"--kill-at={point}" for point in kill_at]
        command += [] if every_cell else ["--not-every-cell"]
        processes.append(subprocess.Popen(command, cwd=Path(__file__).parents[2], env={**os.environ}))
    report = Report()
    try:
        for lane, process in enumerate(processes):
            process.wait()
            written = folder / f"lane-{lane}.json"
            if written.exists():
                report.join(json.loads(written.read_text()))
            else:
                report.failures.append(f"lane {lane} ended with {process.returncode} and left no report")
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return report


def custom_steps(points: Sequence[str]) -> tuple[Step, ...]:
    """Rows for points that somebody else chose: each is met wherever it comes up."""
    tasks = ("read", "plan", "synthesize", "resume", "trigger", "assemble", "publish", "cleanup")
    found = []
    for text in points:
        point, _, nth = text.partition(":")
        found.append(Step(name=text, tasks=tasks, point=point, most=int(nth or 1), exactly=True))
    return tuple(found)
