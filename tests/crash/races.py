"""Several processes at once, one of them perhaps standing still: what the tests of races share."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.books import Book, write_book
from tests.crash.listening import listen
from tests.crash.runs import Action, Run, form
from tests.crash.universe import Attempt, Universe

_MOST_ROUNDS = 60


@dataclass(kw_only=True)
class Stage:
    """
    A store, a resource and runs that use both at the same time.

    :param word: in every paragraph, so that no other stage has bought it.
    """

    universe: Universe
    folder: Path
    word: str
    runs: list[Run] = field(default_factory=list, init=False)
    _attempts: list[Attempt] = field(default_factory=list, init=False)

    def close(self) -> None:
        """End what still stands still, with whatever lock it holds."""
        for attempt in self._attempts:
            attempt.child.kill()

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.universe.mend_cloud()
        self.universe.call("DELETE", "faults")
        self._before = self.universe.bill()

    def book(self, *, long: bool) -> Book:
        sizes = (4, 4) if long else (2, 2)
        return write_book(random.Random(self.word), word=self.word, long=long, sizes=sizes)

    def start(self, service: str, book: Book, **params: Any) -> Run:
        """Begin another run of a document."""
        number = len(self.runs)
        path = book.write(self.folder / f"book-{number}.txt")
        run = Run(
            run_id=f"run-{number}",
            service=service,
            book=book,
            params={
                **form(service),
                "document": str(path),
                "title": self.word,
                "storage": f"file://{self.folder}/store",
                "paragraphs_per_order": 4,
                **params,
            },
            folder=self.folder,
            started=self.universe.clock.now(),
        )
        self.runs.append(run)
        return run

    # -- steps ---------------------------------------------------------------------------------------------------

    def begin(self, action: Action, *, stop_at: str = "", kill_at: str = "") -> Attempt:
        """Begin one attempt; it stands still or dies where it is told."""
        kill = []
        for text, act in ((stop_at, "stop"), (kill_at, "kill")):
            if text:
                point, _, nth = text.partition(":")
                kill.append({"point": point, "nth": int(nth or 1), "act": act})
        if action.step == "trigger":
            self._until_due(action)
        environment = self.universe.environment(azure_key=f"key-{self.word}")
        attempt = self.universe.begin(self.folder, action.run.order_for(action, environment=environment), kill=kill)
        self._attempts.append(attempt)
        return attempt

    def end(self, action: Action, attempt: Attempt) -> dict[str, Any]:
        """Wait for its end, and keep what came of it as Airflow would."""
        self.universe.finish(attempt)
        outcome = attempt.outcome
        assert outcome is not None, f"{action.step} died; see {attempt.folder}"
        if outcome["kind"] == "failed":
            assert not outcome["permanent"], f"{action.step}: {outcome['message']}"
            self.universe.move(15.0)
            action.run.begin_again(action)
        else:
            action.run.take(action, outcome)
        return outcome

    def _until_due(self, action: Action) -> None:
        waiting = action.run.mapped_at(action.index).deferral["trigger"]["kwargs"]
        if not waiting["job_ids"] and waiting["look_again_at"] is not None:
            self.universe.move(max(0.0, waiting["look_again_at"] - self.universe.clock.now() + 0.01))

    def until(self, run: Run, *steps: str) -> Action:
        """Go on with one run alone until it is about to do one of these; gives what."""
        for _ in range(_MOST_ROUNDS):
            action = run.actions()[0]
            if action.step in steps:
                return action
            self.end(action, self.begin(action))
        raise AssertionError(f"{run.run_id} never came to {steps}")

    def collect(self, run: Run) -> None:
        """Go on with one run until all that it wants is in the store."""
        self.until(run, "assemble", "publish")

    def finish(self, run: Run) -> None:
        """Go on with one run until it is published."""
        while actions := run.actions():
            self.end(actions[0], self.begin(actions[0]))

    def together(self, *runs: Run, start_at: str = "begun") -> None:
        """
        Go on with several runs side by side until all that they want is in the store.

        In each round each of them does a step, and all are let go at one moment.
        """
        for _ in range(_MOST_ROUNDS):
            actions = [action for run in runs if (action := run.actions()[0]).step != "assemble"]
            if not actions:
                return
            attempts = [self.begin(action, stop_at=start_at) for action in actions]
            standing = [attempt for attempt in attempts if self.universe.wait_for_note(attempt)]
            self.universe.go_on(*standing)
            for action, attempt in zip(actions, attempts, strict=True):
                self.end(action, attempt)
        raise AssertionError("the runs that went side by side were not finished")

    def clean_up(self) -> dict[str, Any]:
        """Have every job deleted that is of no more use."""
        order = {
            "step": "cleanup",
            "environment": self.universe.environment(azure_key=f"key-{self.word}"),
            "dag": "azure_retention",
            "run_id": "retention",
            "started": self.universe.clock.now(),
            "params": {},
            "state": str(self.folder / "cleanup.state.json"),
            "storage": f"file://{self.folder}/store",
        }
        attempt = self.universe.begin(self.folder, order)
        self.universe.finish(attempt)
        outcome = attempt.outcome
        assert outcome is not None
        return outcome["value"]

    # -- the comparison ------------------------------------------------------------------------------------------

    def billed(self) -> int:
        """Characters since the stage was set, of all services."""
        now = self.universe.bill()
        return sum(now[name]["characters"] - self._before[name]["characters"] for name in now)

    def jobs(self) -> int:
        now = self.universe.bill()
        return sum(now[name]["jobs"] - self._before[name]["jobs"] for name in now)

    def sees_another_job(self, known: int, *, within: float) -> bool:
        """Tell whether the cloud accepts a job beyond those that are known, waiting some seconds for it."""
        end = time.monotonic() + within
        while self.jobs() == known:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def compare(self, runs: Sequence[Run] = ()) -> None:
        """Each different paragraph was paid for once, nothing is left to buy, and what was published says it all."""
        texts = dict.fromkeys(text for run in self.runs for text in run.book.texts)
        assert self.billed() == sum(map(len, texts))
        for run in runs or self.runs:
            if run.published is not None:
                listen(run.published, run.book.texts)
            else:
                again = self.start(run.service, run.book, paragraphs_per_order=run.params["paragraphs_per_order"])
                self.collect(again)
                assert again.mapped == [], "something is not in the store"
                self.runs.remove(again)
