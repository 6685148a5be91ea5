"""
Many documents at once on a cluster of which parts die: what is narrated, what dies when, and what is compared.

Everything that is left to chance comes from one seed; what is given (``CLUSTER_…``) is not left to chance.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import characters, write_book
from tests.e2e.moments import patiently
from tests.e2e.works import KINDS, OVER, Kind, Work

AZURE = ("azure_batch", "azure_batch_preview", "azure_long_audio")
EVERYWHERE = "These words stand in every chapter of every book of number {}."


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    What is to happen.

    :param documents: how many are narrated at once.
    :param kill_worker: seconds after the runs were started.
    :param kill_triggerer: likewise.
    :param restart_database: likewise.
    :param database_down: seconds for which it does not answer.
    :param comes_back: seconds after which what was killed is there again; None if its machine is gone for good.
    :param worker: which one; ``triggerer`` likewise, from 0.
    :param patience: seconds for the whole.
    """

    seed: int
    documents: int
    kill_worker: float
    kill_triggerer: float
    restart_database: float
    database_down: float
    comes_back: float | None
    worker: int
    triggerer: int
    patience: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Plan:
        """Read what is given as ``CLUSTER_…``, and throw the dice for the rest."""

        def given(name: str) -> str:
            return environment.get(f"CLUSTER_{name}", "").strip()

        seed = int(given("SEED") or random.SystemRandom().randrange(10**6))
        dice = random.Random(f"{seed} plan")
        chance = {name: round(dice.uniform(10, 90), 1) for name in ("worker", "triggerer", "database")}
        which = {name: dice.randrange(2) for name in ("worker", "triggerer")}
        down = round(dice.uniform(0.5, 10), 1)
        return cls(
            seed=seed,
            documents=int(given("DOCUMENTS") or 20),
            kill_worker=float(given("KILL_WORKER") or chance["worker"]),
            kill_triggerer=float(given("KILL_TRIGGERER") or chance["triggerer"]),
            restart_database=float(given("RESTART_DATABASE") or chance["database"]),
            database_down=float(given("DATABASE_DOWN") or down),
            comes_back=float(given("COMES_BACK")) if given("COMES_BACK") else None,
            worker=which["worker"],
            triggerer=which["triggerer"],
            patience=float(given("PATIENCE") or 1800),
        )

    def __str__(self) -> str:
        back = "" if self.comes_back is None else f" CLUSTER_COMES_BACK={self.comes_back:g}"
        return (
            f"CLUSTER_SEED={self.seed} CLUSTER_DOCUMENTS={self.documents} CLUSTER_KILL_WORKER={self.kill_worker:g} "
            f"CLUSTER_KILL_TRIGGERER={self.kill_triggerer:g} CLUSTER_RESTART_DATABASE={self.restart_database:g} "
            f"CLUSTER_DATABASE_DOWN={self.database_down:g}{back}"
        )


@dataclass(kw_only=True)
class Siege:
    """
    :param cluster: the :class:`~tests.cluster.conftest.RunningCluster`.
    :param folder: where the documents are written.
    :param tell: takes a line about each thing that happens.
    """

    cluster: Any
    plan: Plan
    folder: Path
    tell: Callable[[str], None]
    works: list[Work] = field(default_factory=list)
    begun: float = 0.0

    # -- what is narrated

    def begin(self) -> None:
        """Write the documents, let some jobs take their time, and start all runs."""
        dice = random.Random(f"{self.plan.seed} books")
        self.before = self.cluster.bill()
        written = []
        for number in range(self.plan.documents):
            kind = KINDS[number % len(KINDS)]
            written.append((kind, *self._document(kind, number, dice)))
        for kind in KINDS:
            self._stall(kind, seconds=dice.randint(20, 60), jobs=2)
        self.begun = time.monotonic()
        dags = sorted({kind.dag_id for kind in KINDS})
        for dag_id in dags:
            self.cluster.pause(dag_id)
        for kind, uri, texts in written:
            name = uri.rpartition("/")[2]
            conf = {**kind.conf, "document": uri, "paragraphs_per_order": dice.randint(4, 8)}
            work = Work(name=f"{kind.service}, {name}", kind=kind, conf=conf)
            work.runs[self.cluster.api.trigger(kind.dag_id, conf)] = texts
            self.works.append(work)
        # All at once.
        for dag_id in dags:
            self.cluster.session.await_dag(dag_id)
        self.begun = time.monotonic()
        self.say(f"{len(self.works)} runs begin")

    def _document(self, kind: Kind, number: int, dice: random.Random) -> tuple[str, list[str]]:
        """
        Two chapters: one of its own, and one that it shares with another document of the same kind.

        :return: its URI, and its distinct paragraphs.
        """
        path = self.folder / f"book-{self.plan.seed}-{number}.txt"
        shared = number // (2 * len(KINDS)) * len(KINDS) + number % len(KINDS)
        chapters, texts = [], []
        for seed in (self.plan.seed * 1000 + number, self.plan.seed * 1000 + 500 + shared):
            paragraphs = random.Random(seed).randint(4, 7)
            texts += write_book(
                path, seed=seed, chapters=1, paragraphs=paragraphs, repeated=EVERYWHERE.format(self.plan.seed)
            )
            chapters.append(path.read_text(encoding="utf-8"))
        path.write_text("\n".join(chapters), encoding="utf-8")
        return self.cluster.put_document(path), texts

    def _stall(self, kind: Kind, *, seconds: int, jobs: int) -> None:
        body = {"service": kind.service, "count": jobs, "seconds": seconds, **kind.stall}
        patiently(lambda: self.cluster.session.cloud.request("POST", "/_local/faults", body=body))

    # -- what dies

    def strike(self) -> None:
        """Let everything happen at its time."""
        cluster, plan = self.cluster, self.plan
        worker, triggerer = cluster.workers[plan.worker], cluster.triggerers[plan.triggerer]
        events: list[tuple[float, Callable[[], None]]] = [
            (plan.kill_worker, lambda: self._kill_busy(worker)),
            (plan.kill_triggerer, lambda: self._kill_waiting(triggerer)),
            (plan.restart_database, self._restart_database),
        ]
        if plan.comes_back is not None:
            for at, name in ((plan.kill_worker, worker), (plan.kill_triggerer, triggerer)):
                events.append((at + plan.comes_back, lambda name=name: self._come_back(name)))
        for at, act in sorted(events, key=lambda event: event[0]):
            time.sleep(max(0.0, self.begun + at - time.monotonic()))
            act()

    def _kill_busy(self, worker: str) -> None:
        busy = self._wait_for(lambda: self.cluster.busy(worker), what=f"{worker} to have a task")
        self.cluster.kill(worker, comes_back=False)
        self.say(f"{worker} killed with {busy} tasks in hand")

    def _kill_waiting(self, triggerer: str) -> None:
        waiting = self._wait_for(self._deferred, what="a task to be deferred")
        self.cluster.kill(triggerer, comes_back=False)
        self.say(f"{triggerer} killed while {waiting} tasks waited in the triggerers")

    def _restart_database(self) -> None:
        under_way = sum(state not in OVER for work in self.works for state in work.states(self.cluster).values())
        self.cluster.restart_database(down=self.plan.database_down)
        self.say(f"database restarted with {under_way} runs under way")

    def _come_back(self, name: str) -> None:
        self.cluster.come_back(name)
        self.say(f"{name} is back")

    def _deferred(self) -> int:
        query = {"state": "deferred", "limit": 1}
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        return patiently(lambda: self.cluster.api.request("GET", path, query=query))["total_entries"]

    @staticmethod
    def _wait_for(look: Callable[[], int], *, what: str, timeout: float = 900) -> int:
        deadline = time.monotonic() + timeout
        while not (seen := look()):
            if time.monotonic() > deadline:
                pytest.fail(f"waited in vain for {what}")
            time.sleep(0.05)
        return seen

    # -- what comes of it

    def settle(self) -> None:
        """Wait until all runs are over. Nobody helps: no clear, no second run."""
        deadline = self.begun + self.plan.patience
        while under_way := [work for work in self.works if not work.finished]:
            for work in under_way:
                states = work.states(self.cluster)
                work.finished = all(state in OVER for state in states.values())
                if work.finished:
                    self.say(f"{work.name}: {', '.join(states.values())}")
            if time.monotonic() > deadline:
                pytest.fail(f"not finished after {self.plan.patience:.0f} s:\n{self.states()}")
            time.sleep(2)
        self.say("all runs are over")

    def compare(self) -> None:
        """Hold what was billed and what is heard against the documents."""
        for work in self.works:
            states = work.states(self.cluster)
            assert set(states.values()) == {"success"}, f"{work.name} {states}:\n{self.states()}"
        billed = self.billed()
        for services in (("polly",), AZURE):
            # The services of Azure speak with the same voices, and what one of them has made the others find.
            paid = sum(billed[service]["characters"] for service in services)
            wanted = characters(self.texts(services))
            assert paid == wanted, f"{services}: {paid} characters were billed for {wanted}"
        assert billed["polly"]["jobs"] == len(self.texts(("polly",)))
        for work in self.works:
            work.verify(self.cluster)

    def texts(self, services: tuple[str, ...]) -> list[str]:
        """The distinct paragraphs of all documents for these services."""
        return list(dict.fromkeys(text for work in self.works if work.kind.service in services for text in work.texts))

    def billed(self) -> dict[str, dict[str, int]]:
        """What each service has charged since the siege began."""
        return {
            service: {name: charged[name] - self.before[service][name] for name in charged}
            for service, charged in self.cluster.bill().items()
        }

    # -- telling

    def say(self, what: str) -> None:
        self.tell(f"    {time.monotonic() - self.begun:6.1f} s  {what}")

    def states(self) -> str:
        lines = []
        for work in self.works:
            for run_id, instances in work.instances(self.cluster).items():
                states = Counter((ti["task_id"], ti["state"], ti["try_number"]) for ti in instances)
                lines.append(f"{work.name}, {run_id}: {dict(states)}")
        return "\n".join(lines)

    def summary(self) -> str:
        """What it cost, and which tasks needed more than one attempt, with what was wrong with those before."""
        billed = self.billed()
        lines = [
            f"{service}: {billed[service]['characters']} characters billed in {billed[service]['jobs']} jobs"
            for service in ("polly", *AZURE)
        ]
        for services in (("polly",), AZURE):
            lines.append(f"in the documents for {', '.join(services)}: {characters(self.texts(services))} characters")
        troubles: Counter[str] = Counter()
        for work in self.works:
            for run_id, instances in work.instances(self.cluster).items():
                for ti in instances:
                    for attempt in range(1, ti["try_number"]):
                        place = {"map_index": ti["map_index"], "try_number": attempt}
                        error = self.cluster.error(work.kind.dag_id, run_id, ti["task_id"], **place)
                        troubles[f"{ti['task_id']}: {error[:200] or 'ended without a word'}"] += 1
        lines += [f"{number} attempts again, {what}" for what, number in troubles.most_common()]
        return "\n".join(lines)
