"""
Faults against a running Airflow.

Documents for all services are under way at once; again and again something is killed at a chosen moment, or at any,
and Airflow goes on by its own means: a retry, a clear, another run of the same document. Everything that is left to
chance comes from one seed. (The same seed gives the same documents, kills and moments in the same order; which of the
processes has got how far by then is up to the machine.)

A kill or moment of your own is another line in :data:`TARGETS` or :data:`tests.e2e.moments.MOMENTS`.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.e2e.books import characters
from tests.e2e.moments import DELETED, MOMENTS, Moment, Outside, patiently
from tests.e2e.works import BACKFILLED, KINDS, Desk, Kind, Work

T = TypeVar("T")

WORKER, CLOUD, ALL = "worker", "local-cloud", "everything"

#: What is killed, and how often compared with the others.
TARGETS = {
    (WORKER,): 5,
    ("triggerer",): 3,
    ("scheduler",): 3,
    (CLOUD,): 3,
    (ALL,): 3,
    (WORKER, CLOUD): 2,
    ("triggerer", "scheduler"): 1,
    ("api-server",): 1,
    ("dag-processor",): 1,
}

#: What is killed at least once, in any order.
FIRST = ((WORKER,), ("triggerer",), ("scheduler",), (CLOUD,), (ALL,))

AT_ANY_MOMENT = "at any moment"
OURS = "narration-"
AZURE = ("azure_batch", "azure_batch_preview", "azure_long_audio")
RETENTION = "azure_retention"
CLEAN = {"long_audio_target": 0, "batch_target": 0, "batch_preview_target": 0, "min_age_minutes": 0}

_WAITS_TOO_LONG_FROM_ATTEMPT = 3
_MOST_CLEARS = 3


@dataclass(frozen=True, kw_only=True)
class Fault:
    """
    One kill.

    :param at: seconds since the storm began.
    :param came: whether the moment came by that was waited for; otherwise it was any moment.
    """

    number: int
    at: float
    target: tuple[str, ...]
    moment: str
    came: bool

    def __str__(self) -> str:
        when = self.moment if self.came else f"{AT_ANY_MOMENT} (waited in vain: {self.moment})"
        return f"{self.number:3} {self.at:6.0f} s  {' and '.join(self.target)}, {when}"


class Storm:
    """
    :param airflow: the :class:`~tests.e2e.conftest.RunningAirflow`.
    :param seed: of everything that is left to chance.
    :param at_once: how many works are under way.
    :param tell: takes a line about each thing that happens.
    """

    def __init__(self, *, airflow: Any, folder: Path, seed: int, at_once: int, tell: Callable[[str], None]) -> None:
        self._airflow = airflow
        self._tell = tell
        self._seed = seed
        self._at_once = at_once
        # One for each decision: how long something takes must not change what comes next.
        self._dice, self._cards, pen = (random.Random(f"{seed} {use}") for use in ("dice", "cards", "pen"))
        self._desk = Desk(airflow=airflow, folder=folder, dice=pen)
        self._outside = Outside(airflow)
        self._begun = time.monotonic()
        self._before = self._bill()
        self._polly_before = self._polly_tasks()
        self._decided: set[tuple[Any, ...]] = set()
        self._kinds = _endlessly(KINDS, random.Random(f"{seed} kinds"))
        self._cleaning: list[str] = []
        self.works: list[Work] = []
        self.faults: list[Fault] = []
        self.said: list[str] = []

    # -- life

    def blow(
        self,
        faults: int,
        *,
        backfills: Sequence[Kind] = BACKFILLED,
        moments: Sequence[Moment] = MOMENTS,
        patience: float = 45,
    ) -> None:
        """
        Let so many faults come, and wait until all works are done.

        :param backfills: the kinds of backfills that get under way with the first documents.
        :param moments: those at which something is killed, besides any moment.
        :param patience: how long a moment is waited for (seconds).
        """
        weighted = list(itertools.chain(*([target] * times for target, times in TARGETS.items())))
        # However few faults there are: each of these first.
        targets = itertools.chain(self._cards.sample(FIRST, len(FIRST)), _endlessly(weighted, self._cards))
        chosen = _endlessly([*moments, None, None], random.Random(f"{self._seed} moments"))
        self.works += [self._desk.backfill(kind) for kind in backfills]
        for _ in range(faults):
            self._tend()
            self._strike(next(targets), next(chosen), patience=patience)
            if self._dice.random() < 0.3:
                self._run_again()
        self._settle()

    def compare(self) -> None:
        """Hold what was billed, what is heard and what is left at the services against the documents."""
        billed = self.billed()
        for services in (("polly",), AZURE):
            # The services of Azure speak with the same voices, and what one of them has made the others find.
            expected = sum(work.characters for work in self.works if work.kind.service in services)
            paid = sum(billed[service]["characters"] for service in services)
            assert paid == expected, f"{services}: {paid} characters were billed for documents of {expected}"
        clips = {text for work in self.works if work.kind.service == "polly" for text in work.texts}
        assert self._polly_tasks() - self._polly_before == len(clips)
        for work in self.works:
            work.verify(self._airflow)
        self._clean_up()
        left = [job for job in self._azure_jobs() if _name(job).startswith(OURS)]
        assert not left, f"{len(left)} jobs whose clips are in the store were left at Azure: {left[:3]}"
        assert self.billed() == billed

    # -- faults

    def _strike(self, target: tuple[str, ...], moment: Moment | None, *, patience: float) -> None:
        if moment is DELETED:
            self._cleaning.append(self._airflow.trigger(RETENTION, CLEAN))
        elif moment is not None and moment.begins_anew:
            self._begin_work()
        if moment is None:
            time.sleep(self._dice.uniform(0, 10))
        came = moment is None or moment.await_in(self._outside, timeout=patience)
        self._kill(target)
        fault = Fault(
            number=len(self.faults) + 1,
            at=time.monotonic() - self._begun,
            target=target,
            moment=AT_ANY_MOMENT if moment is None else moment.name,
            came=came,
        )
        self.faults.append(fault)
        self._tell(str(fault))

    def _kill(self, target: tuple[str, ...]) -> None:
        pause = self._dice.uniform(0, 4)
        if target == (ALL,):
            self._airflow.kill_all()
            time.sleep(pause)
            self._airflow.start()
            return
        # The worker first: what is written while the other one dies must not be told from a bill that is too late.
        for name in target:
            if name == WORKER:
                self._airflow.kill_worker(timeout=120)
            else:
                self._airflow.kill(name)
        time.sleep(pause)
        for name in target:
            if name != WORKER:
                self._airflow.restart(name)
        patiently(self._airflow.api.health)
        patiently(self._bill)

    # -- works

    def _begin_work(self) -> None:
        twice = self._dice.random() < 0.3
        self.works.append(self._desk.narrate(next(self._kinds), runs=2 if twice else 1))

    def _run_again(self) -> None:
        """Start another run of a document that is under way, as a person does who sees a task fail."""
        candidates = [work for work in self._under_way() if work.kind in KINDS and len(work.runs) < 3]
        if candidates:
            self._desk.again(self._dice.choice(candidates))

    def _under_way(self) -> list[Work]:
        return [work for work in self.works if not work.finished]

    def _tend(self) -> None:
        """See what is finished and what has failed, clear some of it, and put new works in the place of the old."""
        for work in self._under_way():
            self._look_after(work)
        while len(self._under_way()) < self._at_once:
            self._begin_work()

    def _look_after(self, work: Work, *, patient: bool = True) -> None:
        """
        :param patient: leave some failed attempts to the automatic retry, also where that waits for minutes.
        """
        states = work.states(self._airflow)
        for run_id, instances in work.instances(self._airflow).items():
            if states[run_id] == "failed":
                self._clear_failed(work, run_id, instances)
                states[run_id] = "queued"
            waiting = [ti for ti in instances if ti["state"] == "up_for_retry"]
            for ti in waiting:
                attempt = (run_id, ti["task_id"], ti["map_index"], ti["try_number"])
                long = ti["try_number"] >= _WAITS_TOO_LONG_FROM_ATTEMPT and not patient
                if attempt not in self._decided and (self._dice.random() < 0.5 or long):
                    which = ti["task_id"] if ti["map_index"] < 0 else [ti["task_id"], ti["map_index"]]
                    patiently(
                        lambda run_id=run_id, which=which: self._airflow.clear(
                            work.kind.dag_id, run_id, task_ids=[which]
                        )
                    )
                    self._say(f"{work.name}: {ti['task_id']} cleared after {ti['try_number']} attempts")
                self._decided.add(attempt)
        work.finished = all(state == "success" for state in states.values())
        if work.finished:
            self._say(f"{work.name}: narrated, {work.characters} characters")

    def _clear_failed(self, work: Work, run_id: str, instances: list[dict[str, Any]]) -> None:
        failed = [ti for ti in instances if ti["state"] == "failed"]
        for ti in failed:
            error = self._airflow.error(work.kind.dag_id, run_id, ti["task_id"], map_index=ti["map_index"])
            attempts = ti["try_number"]
            self._say(f"{work.name}: {ti['task_id']} failed for good after {attempts} attempts: {error}")
        work.clears += 1
        if work.clears > _MOST_CLEARS:
            pytest.fail(f"{work.name} fails again and again")
        patiently(lambda: self._airflow.clear(work.kind.dag_id, run_id, only_failed=True))

    def _settle(self, *, timeout: float = 900) -> None:
        deadline = time.monotonic() + timeout
        while self._under_way():
            if time.monotonic() > deadline:
                pytest.fail(f"not finished after {timeout} seconds: {[work.name for work in self._under_way()]}")
            for work in self._under_way():
                self._look_after(work, patient=False)
            time.sleep(2)
        for run_id in self._cleaning:
            self._airflow.wait(RETENTION, run_id)

    # -- what the services say

    def _bill(self) -> dict[str, dict[str, int]]:
        return patiently(lambda: self._airflow.session.cloud.request("GET", "/_local/bill"))

    def billed(self) -> dict[str, dict[str, int]]:
        """What each service has charged since the storm began."""
        return {
            service: {name: charged[name] - self._before[service][name] for name in charged}
            for service, charged in self._bill().items()
        }

    def _polly_tasks(self) -> int:
        return self._bill()["polly"]["jobs"]

    def _azure_jobs(self) -> list[dict[str, Any]]:
        return patiently(lambda: self._airflow.session.cloud.request("GET", "/_local/azure/jobs"))["jobs"]

    def _clean_up(self) -> None:
        run_id = self._airflow.trigger(RETENTION, CLEAN)
        run = self._airflow.wait(RETENTION, run_id)
        assert run["state"] == "success", self._airflow.error(RETENTION, run_id, "clean_up")

    # -- telling

    def _say(self, what: str) -> None:
        self.said.append(f"    {time.monotonic() - self._begun:6.0f} s  {what}")
        self._tell(self.said[-1])

    def table(self) -> str:
        """What came to pass."""
        minutes = (time.monotonic() - self._begun) / 60
        lines = [f"Seed {self._seed}: {len(self.faults)} faults in {minutes:.1f} minutes", *map(str, self.faults)]
        for what, counted in (
            ("killed", Counter(name for fault in self.faults for name in fault.target)),
            ("moments", Counter(fault.moment if fault.came else AT_ANY_MOMENT for fault in self.faults)),
            ("works", Counter(work.name.split(",")[0] for work in self.works)),
            ("runs", Counter(work.kind.dag_id for work in self.works for _ in work.runs)),
        ):
            lines.append(f"{what}: " + ", ".join(f"{name} {number}" for name, number in counted.most_common()))
        lines += self.said
        return "\n".join(lines)

    def money(self) -> str:
        """What was billed, beside what the documents have."""
        billed = self.billed()
        own = Counter[str]()
        for work in self.works:
            own[work.kind.service] += characters(work.texts)
        return "\n".join(
            f"{service}: {billed[service]['characters']} characters billed in {billed[service]['jobs']} jobs, "
            f"{own[service]} in the documents"
            for service in ("polly", *AZURE)
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what came to pass when something is not as it should be."""
        try:
            yield
        except BaseException as error:
            error.add_note(self.table())
            for tell in (self.money, self._states):
                # Airflow may be what has failed: what can still be told is told.
                try:
                    error.add_note(tell())
                except Exception as trouble:
                    error.add_note(f"{tell.__name__}: {trouble}")
            raise

    def _states(self) -> str:
        lines = []
        for work in self.works:
            for run_id, instances in work.instances(self._airflow).items():
                states = Counter((ti["task_id"], ti["state"], ti["try_number"]) for ti in instances)
                lines.append(f"{work.name}, {run_id}: {dict(states)}")
        return "\n".join(lines)


def _endlessly(deck: Sequence[T], dice: random.Random) -> Iterator[T]:
    """Deal the cards of a deck, and shuffle it whenever it is through: all come by, in any order."""
    while True:
        yield from dice.sample(deck, len(deck))


def _name(job: dict[str, Any]) -> str:
    """What a job is known by: its display name, or with the API that has none its id."""
    return str(job.get("displayName") or job.get("id") or "")
