"""One document, brought to publication through several faults, and what it must have cost at the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.books import write_book
from tests.crash.listening import listen
from tests.crash.runs import Action, Run, form
from tests.crash.steps import AZURE, Step
from tests.crash.universe import Attempt, Universe

RETRY_DELAY = 15.0
_MOST_ATTEMPTS = 150
_EVENT_SECONDS = 1.0
_MOST_MOVES = 60

_HARMLESS = {
    "polly": (
        {"kind": "throttle", "operation": "StartSpeechSynthesisTask"},
        {"kind": "throttle", "operation": "ListSpeechSynthesisTasks"},
        {"kind": "error_500", "operation": "StartSpeechSynthesisTask"},
        {"kind": "drop_reply", "operation": "StartSpeechSynthesisTask"},
        {"kind": "drop_reply", "operation": "ListSpeechSynthesisTasks"},
        {"kind": "object_late", "seconds": 20},
        {"kind": "stuck_scheduled", "seconds": 60},
    ),
    "azure": (
        {"kind": "throttle"},
        {"kind": "error_500"},
        {"kind": "garbage_reply"},
        {"kind": "drop_reply"},
        {"kind": "stuck_not_started", "seconds": 90},
        {"kind": "fail"},
        {"kind": "partial_failure"},
        {"kind": "truncated_download"},
        {"kind": "expired_url"},
    ),
}
"""Failures of the service that do not change what is billed for a document in the end."""
_OF_A_CALL = {"drop_reply", "error_500", "garbage_reply", "throttle"}
_CREATE = {"azure_long_audio": "CreateLongAudioSynthesis"}


class ScenarioError(AssertionError):
    """Something was lost, paid for twice or left behind; the message says all that is needed to see it again."""


@dataclass(kw_only=True)
class Hit:
    """
    One fault that happened.

    :param step: its row of the matrix.
    :param point: where exactly.
    :param task: which attempt was hit.
    :param then: how the run was continued.
    """

    step: str
    point: str
    task: str
    then: str = ""


@dataclass(kw_only=True)
class Scenario:
    """
    Bring a document to publication through faults.

    :param seed: everything that is drawn is drawn from this.
    :param faults: rows of the matrix that are to be hit; those that never came up are in :attr:`left` at the end.
    """

    universe: Universe
    service: str
    seed: str
    faults: Sequence[Step]
    folder: Path
    hits: list[Hit] = field(default_factory=list, init=False)
    left: list[Step] = field(default_factory=list, init=False)
    ordered: list[str] = field(default_factory=list, init=False)
    runs: list[Run] = field(default_factory=list, init=False)
    bill: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._word = f"{self._dice.choice(_NAMES)}{self._dice.randrange(10**6)}"
        self._key = f"key-{self._word}-{self._dice.randrange(10**9)}"
        # The Long Audio API takes no short script; short ones go another way there.
        self._long = self.service == "azure_long_audio" and self._dice.random() < 0.6
        self.left = list(self.faults)
        self._passed: Counter[str] = Counter()
        self._started = 0
        self._store = self.folder / "store"

    # -- the whole of it -----------------------------------------------------------------------------------------

    def play(self) -> None:
        """
        Do it, and compare at the end.

        :raises ScenarioError: something is not as it must be.
        """
        self.folder.mkdir(parents=True)
        try:
            self._play()
        except Exception as error:
            raise ScenarioError(f"{self.describe()}\n{traceback.format_exc()}") from error
        if not os.environ.get("CRASH_KEEP"):
            shutil.rmtree(self.folder)

    def describe(self) -> str:
        """Say what happened, for whoever looks into a failure."""
        lines = [f"scenario {self.seed}, {self.service}; its folder: {self.folder}"]
        lines += [f"  the cloud was told: {fault}" for fault in self.ordered]
        lines += [f"  {hit.task} at {hit.point} ({hit.step}); then {hit.then}" for hit in self.hits]
        return "\n".join([*lines, f"  the bill: {self.bill}"])

    def _play(self) -> None:
        self.universe.mend_cloud()
        self._jobs_before: set[str] = set()
        self._jobs_before = {job["id"] for job in self._jobs()}
        self._before = self.universe.bill()
        self._order_failures()
        book = write_book(self._dice, word=self._word, long=self._long)
        self._start(book)
        for _ in range(_MOST_ATTEMPTS):
            actions = [action for run in self.runs for action in run.actions()]
            if not actions:
                # Rows that belong to tasks which are over are hit by another run.
                if not self.left or len(self.runs) > 3:
                    break
                self._start(self._another_book())
                continue
            self._advance(self._dice.choice(actions))
            if self._dice.random() < 0.06:
                self._clean_up()
        else:
            raise AssertionError(f"nothing was published after {_MOST_ATTEMPTS} attempts")
        self.universe.call("DELETE", "faults")
        if self.service in AZURE:
            self._retain()
        self._compare()

    def _start(self, book: Any) -> None:
        # Not how many there are: some are given up, and what they leave is not to be overwritten.
        number = self._started
        self._started += 1
        path = book.write(self.folder / f"{self._word}-{number}.txt")
        params = {
            **form(self.service),
            "document": str(path),
            "title": self._word,
            "storage": f"file://{self._store}",
            "paragraphs_per_order": 4 if self._long else self._dice.choice((3, 4, 100)),
        }
        if self.runs:
            # The same words in other portions would be other orders; that has scenarios of its own.
            params["paragraphs_per_order"] = self.runs[0].params["paragraphs_per_order"]
        self.runs.append(
            Run(
                run_id=f"run-{number}",
                service=self.service,
                book=book,
                params=params,
                folder=self.folder,
                started=self.universe.clock.now(),
            )
        )

    def _another_book(self) -> Any:
        first = self.runs[0].book
        word = f"{self._word}x{len(self.runs)}"
        return self._dice.choice((first, first.swapped(), first.edited(self._dice, word=word, long=self._long)))

    def _order_failures(self) -> None:
        """Have the cloud fail as it may: nothing that changes what is billed in the end."""
        self.universe.call("DELETE", "faults")
        if self._dice.random() < 0.4:
            for _ in range(self._dice.randint(1, 2)):
                kinds = _HARMLESS.get(self.service, _HARMLESS["azure"])
                fault = {"service": self.service, **self._dice.choice(kinds)}
                if self.service in AZURE and fault["kind"] in _OF_A_CALL:
                    fault["operation"] = _CREATE.get(self.service, "CreateBatchSynthesis")
                self.universe.call("POST", "faults", fault)
                self.ordered.append(str(fault))

    # -- one attempt ---------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        return self.universe.environment(azure_key=self._key)

    def _advance(self, action: Action) -> None:
        if action.step == "trigger" and not action.run.mapped_at(action.index).deferral["trigger"]["kwargs"]["job_ids"]:
            self._until_it_is_due(action)
        step = self._armed(action)
        order = action.run.order_for(action, environment=self._environment())
        if step is not None and step.point == "time":
            attempt = self.universe.begin(self.folder, order)
            hit = self._kill_some_time(attempt, step, action)
        else:
            kill = [] if step is None else [self._kill(step)]
            attempt = self.universe.begin(self.folder, order, kill=kill)
            if step is not None and step.act == "kill_all":
                hit = self._kill_all(attempt, step, action)
            else:
                self._see_through(attempt, action)
                hit = self._hit(attempt, step, action)
        outcome = attempt.outcome
        if outcome is None and hit is None:
            raise AssertionError(f"a step died by itself; see {attempt.folder}")
        if hit is not None and step is not None:
            self.hits.append(hit)
            self.left.remove(step)
        if outcome is not None and outcome["kind"] == "failed" and outcome["permanent"]:
            raise AssertionError(f"{action.step} failed for good: {outcome['error']}: {outcome['message']}")
        if outcome is not None and outcome["kind"] != "failed":
            action.run.take(action, outcome)
            if hit is not None:
                hit.then = "it went on"
            return
        self._continue(action, hit)

    def _armed(self, action: Action) -> Step | None:
        """Choose a row that this attempt may be hit at."""
        fitting = [step for step in self.left if action.step in step.tasks]
        if not fitting or self._dice.random() < 0.15:
            return None
        # Of several, one that was not tried here in vain.
        step = self._dice.choice(fitting)
        self._passed[step.name] += 1
        return step

    def _kill(self, step: Step) -> dict[str, Any]:
        # The later ones may not come up; the first always does where there is any.
        most = step.most if self._passed[step.name] < 3 else 1
        act = "stop" if step.act == "kill_all" else step.act
        nth = step.most if step.exactly else self._dice.randint(1, most)
        return {"point": step.point, "nth": nth, "act": act}

    def _hit(self, attempt: Attempt, step: Step | None, action: Action) -> Hit | None:
        if step is None or not attempt.carried_out:
            return None
        return Hit(step=step.name, point=attempt.carried_out[0], task=action.step)

    def _see_through(self, attempt: Attempt, action: Action) -> None:
        """Wait for its end. A trigger may have nothing to see until time passes."""
        if action.step != "trigger":
            self.universe.finish(attempt)
            return
        for _ in range(_MOST_MOVES):
            end = time.monotonic() + _EVENT_SECONDS
            while time.monotonic() < end:
                if attempt.child.wait(0.02) is not None:
                    return
                self.universe.mend_cloud()
            self.universe.move(15.0)
        attempt.child.kill()
        raise AssertionError(f"a trigger saw nothing in {15 * _MOST_MOVES} s; see {attempt.folder}")

    def _kill_some_time(self, attempt: Attempt, step: Step, action: Action) -> Hit | None:
        """Kill at a moment that nobody has chosen, if it lives so long."""
        longest = {"assemble": 0.8, "publish": 0.1, "read": 0.1, "plan": 0.3}.get(action.step, 0.4)
        after = self._dice.uniform(0.0, longest)
        if attempt.child.wait(after) is None:
            if step.act == "kill_cloud":
                self.universe.cloud.kill()
            else:
                attempt.child.kill()
            hit = Hit(step=step.name, point=f"{after:.3f} s", task=action.step)
        else:
            hit = None
        self._see_through(attempt, action)
        return hit

    def _kill_all(self, attempt: Attempt, step: Step, action: Action) -> Hit | None:
        """Kill a worker at its point, a trigger that waits meanwhile, and the cloud: all at once."""
        waiting = [each for run in self.runs for each in run.actions() if each.step == "trigger"]
        triggers = [
            self.universe.begin(self.folder, each.run.order_for(each, environment=self._environment()))
            for each in waiting[:1]
        ]
        reached = self.universe.wait_for_note(attempt)
        if reached:
            for each in (attempt, *triggers):
                each.child.signal(signal.SIGKILL)
            self.universe.cloud.kill()
        for each in (attempt, *triggers):
            if reached:
                self.universe.finish(each)
        if not reached:
            for each, trigger in zip(triggers, waiting, strict=False):
                self._see_through(each, trigger)
        self.universe.mend_cloud()
        return self._hit(attempt, step, action) if reached else None

    def _until_it_is_due(self, action: Action) -> None:
        """Nothing can happen before a certain moment, so it is that moment."""
        due = action.run.mapped_at(action.index).deferral["trigger"]["kwargs"]["look_again_at"]
        if due is not None and due > self.universe.clock.now():
            self.universe.move(due - self.universe.clock.now() + 0.01)

    # -- going on ------------------------------------------------------------------------------------------------

    def _continue(self, action: Action, hit: Hit | None) -> None:
        """Go on as Airflow does, or as a person would."""
        self.universe.mend_cloud()
        how = self._dice.choices(("retry", "clear", "new run", "backfill"), weights=(6, 2, 2, 1))[0]
        if action.step == "trigger":
            # The next triggerer takes it over.
            how = "the trigger is run again"
        elif len(self.runs) > 2 and how in {"new run", "backfill"}:
            how = "retry"
        delay = self._dice.choice((0.0, RETRY_DELAY, 2 * RETRY_DELAY, 20 * RETRY_DELAY))
        self.universe.move(delay)
        action.run.begin_again(action)
        if how == "clear" and action.run.mapped:
            action.run.clear(self._dice.randrange(len(action.run.mapped)))
        elif how == "new run":
            # The old one is given up, as a person does who marks it failed and starts the document again.
            book = action.run.book
            self._start(book)
            self.runs.remove(action.run)
        elif how == "backfill":
            self._start(self._another_book())
        if hit is not None:
            hit.then = f"{how}, after {delay:.0f} s"

    # -- retention -----------------------------------------------------------------------------------------------

    def _cleanup_order(self) -> dict[str, Any]:
        return {
            "step": "cleanup",
            "environment": self._environment(),
            "dag": "azure_retention",
            "run_id": "retention",
            "started": self.universe.clock.now(),
            "params": {},
            "state": str(self.folder / "cleanup.state.json"),
            "storage": f"file://{self._store}",
        }

    def _clean_up(self) -> None:
        """Have finished jobs deleted in the middle of everything: those whose clips are not in the store must stay."""
        if self.service in AZURE:
            attempt = self.universe.begin(self.folder, self._cleanup_order())
            self.universe.finish(attempt)

    def _retain(self) -> None:
        """Have all jobs deleted, through the rows that belong to that."""
        action = Action(run=self.runs[0], step="cleanup")
        for _ in range(20):
            step = self._armed(action)
            kill = [] if step is None else [self._kill(step)]
            attempt = self.universe.begin(self.folder, self._cleanup_order(), kill=kill)
            self.universe.finish(attempt)
            self.universe.mend_cloud()
            hit = self._hit(attempt, step, action)
            if hit is not None and step is not None:
                hit.then = "retry"
                self.hits.append(hit)
                self.left.remove(step)
                continue
            outcome = attempt.outcome
            is_done = outcome is not None and outcome["kind"] == "returned"
            if is_done and (step is None or all(api["stored"] == 0 for api in outcome["value"].values())):
                return
        raise AssertionError("the jobs were not cleaned up")

    # -- the comparison ------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        self._wait_until_all_is_made()
        after = self.universe.bill()
        self.bill = {
            service: {name: after[service][name] - self._before[service][name] for name in after[service]}
            for service in after
            if after[service] != self._before[service]
        }
        texts = list(dict.fromkeys(text for run in self.runs for text in run.book.texts))
        charged = sum(bill["characters"] for bill in self.bill.values())
        assert charged == sum(map(len, texts)), f"{charged} characters were billed for {sum(map(len, texts))}"
        for run in self.runs:
            listen(run.published, run.book.texts)
        if self.service == "polly":
            assert self.bill["polly"]["jobs"] == len(texts), "Polly has other tasks than one for each clip"
        else:
            left = [job for job in self._jobs() if job["status"] != "Failed"]
            assert not left, f"{len(left)} jobs were left at the service: {left}"
        self._start(self.runs[0].book)
        for _ in range(2):
            (action,) = self.runs[-1].actions()
            attempt = self.universe.begin(self.folder, self.runs[-1].order_for(action, environment=self._environment()))
            self.universe.finish(attempt)
            assert attempt.outcome is not None
            self.runs[-1].take(action, attempt.outcome)
        assert self.runs[-1].mapped == [], "another run of the document would order something"

    def _jobs(self) -> list[dict[str, Any]]:
        jobs = self.universe.call("GET", "azure/jobs")["jobs"]
        return [job for job in jobs if job["id"] not in self._jobs_before]

    def _wait_until_all_is_made(self) -> None:
        """What a service charges for a job it may charge at the job's end."""
        end = time.monotonic() + 20
        while True:
            if self.service == "polly":
                open_jobs = [task for task in self.universe.call("GET", "tasks")["polly"] if not task["Settled"]]
            else:
                open_jobs = [job for job in self._jobs() if job["status"] not in {"Succeeded", "Failed"}]
            if not open_jobs:
                return
            assert time.monotonic() < end, f"jobs are still being made: {open_jobs}"
            self.universe.move(10.0)
            time.sleep(0.02)


_NAMES = ("Aldermoor", "Brackwater", "Coldharbour", "Dunmere", "Eastwick", "Fenland", "Grimsdale", "Hollowell")
