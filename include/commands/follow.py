"""Starts a run of the Dag, or finds the one that was interrupted, and follows it to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.commands.logs import error_of_task, read_task_log
from include.commands.progress import Display, Progress, measure
from include.commands.rest import RestError
from include.commands.session import Session

_UNFINISHED = ("queued", "running")
_EVERY_SECONDS = 1.5
# The state of this many orders is asked for each time; they take turns.
_ORDERS_EACH_TIME = 6


@dataclass(frozen=True, kw_only=True)
class Failure:
    """
    A task that failed.

    :param error: the exception's message; empty when its log has none.
    :param log: where its log is.
    """

    task: str
    attempts: int
    error: str
    log: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """
    :param state: of the Dag run: ``success`` or ``failed``.
    :param result: what ``publish`` handed on.
    :param plan: the summary that ``plan`` handed on.
    :param note: what a run that published nothing says of itself: a dry run, or one that was rejected.
    :param elapsed: since following began (seconds).
    """

    run_id: str
    state: str
    result: Mapping[str, Any]
    plan: Mapping[str, Any]
    failures: tuple[Failure, ...]
    elapsed: float
    note: str = ""


def unfinished_run(session: Session, *, dag_id: str, conf: Mapping[str, Any]) -> str | None:
    """The run with the same parameters that an earlier command left unfinished."""
    for run in session.api.runs(dag_id, states=_UNFINISHED):
        if run.get("conf") == conf:
            return str(run["dag_run_id"])
    return None


class Follower:
    """
    :param session: a running Narration.
    :param dag_id: of the Dag.
    :param run_id: of the run.
    :param display: where to show progress.
    """

    def __init__(self, *, session: Session, dag_id: str, run_id: str, display: Display) -> None:
        self._session = session
        self._api = session.api
        self._dag_id = dag_id
        self._run_id = run_id
        self._display = display
        self._plan: Mapping[str, Any] | None = None
        self._orders: dict[int, Mapping[str, Any]] = {}
        self._assembled: Mapping[str, Any] | None = None
        self._settled: set[int] = set()
        self._turn = 0
        self._begun = time.monotonic()
        self._billed_before = int(session.bill().get("characters", 0))

    def follow(self) -> Outcome:
        """
        :raises CommandError: when a component of Airflow or the local cloud dies meanwhile.
        """
        state: list[str] = []

        def finished() -> bool:
            try:
                run = self._api.run(self._dag_id, self._run_id)
                self._show(run)
            except RestError as error:
                if error.status in (0, 500, 503):
                    return False  # busy: the next time will do; a dead server is noticed elsewhere
                raise
            if run["state"] in _UNFINISHED:
                return False
            state.append(run["state"])
            return True

        supervisor = self._session.supervisor
        if supervisor is None:
            raise RuntimeError("the session has not been started")
        supervisor.wait_until(finished, timeout=float("inf"), what="The run", every=_EVERY_SECONDS)
        return self._outcome(state[0])

    def _show(self, run: Mapping[str, Any]) -> None:
        instances = self._api.task_instances(self._dag_id, self._run_id)
        if self._plan is None and any(ti["task_id"] == "plan" and ti["state"] == "success" for ti in instances):
            self._plan = self._api.xcom(self._dag_id, self._run_id, "plan", "summary")
        self._ask_orders(instances)
        self._ask_assembly(instances)
        progress = self._measure(run, instances)
        self._display.show(progress.line(elapsed=time.monotonic() - self._begun), key=progress.stage)

    def _measure(self, run: Mapping[str, Any], instances: list[dict[str, Any]]) -> Progress:
        billed = max(0, int(self._session.bill().get("characters", 0)) - self._billed_before)
        return measure(
            run=run,
            instances=instances,
            plan=self._plan,
            orders=list(self._orders.values()),
            billed=billed,
            assembled=self._assembled,
        )

    def _ask_orders(self, instances: list[dict[str, Any]]) -> None:
        states = {ti["map_index"]: ti["state"] for ti in instances if ti["task_id"] == "synthesize"}
        open_orders = [
            index for index, state in sorted(states.items()) if index >= 0 and state and index not in self._settled
        ]
        if not open_orders:
            return
        start = self._turn % len(open_orders)
        asked = (open_orders[start:] + open_orders[:start])[:_ORDERS_EACH_TIME]
        self._turn = start + len(asked)
        for index in asked:
            value = self._api.task_state(self._dag_id, self._run_id, "synthesize", "progress", map_index=index)
            if isinstance(value, dict):
                self._orders[index] = value
            if states[index] == "success":
                self._settled.add(index)

    def _ask_assembly(self, instances: list[dict[str, Any]]) -> None:
        running = any(ti["task_id"] == "assemble" and ti["state"] == "running" for ti in instances)
        value = self._api.task_state(self._dag_id, self._run_id, "assemble", "progress") if running else None
        self._assembled = value if isinstance(value, dict) else None

    def _outcome(self, state: str) -> Outcome:
        result = self._api.xcom(self._dag_id, self._run_id, "publish") if state == "success" else None
        return Outcome(
            run_id=self._run_id,
            state=state,
            result=result if isinstance(result, dict) else {},
            plan=self._plan or {},
            failures=() if state == "success" else self._failures(),
            elapsed=time.monotonic() - self._begun,
            note="" if result or state != "success" else self._note(),
        )

    def _note(self) -> str:
        said = (self._api.xcom(self._dag_id, self._run_id, task, "run_note") for task in ("approve", "plan"))
        return str(next(filter(None, said), ""))

    def _failures(self) -> tuple[Failure, ...]:
        failed = [ti for ti in self._api.task_instances(self._dag_id, self._run_id) if ti["state"] == "failed"]
        return tuple(self._failure(ti) for ti in failed)

    def _failure(self, ti: Mapping[str, Any]) -> Failure:
        index = int(ti.get("map_index", -1))
        path = self._session.layout.task_log(
            dag_id=self._dag_id,
            run_id=self._run_id,
            task_id=ti["task_id"],
            map_index=index,
            try_number=int(ti["try_number"]),
        )
        return Failure(
            task=ti["task_id"] + (f" (order {index})" if index >= 0 else ""),
            attempts=int(ti["try_number"]),
            error=error_of_task(read_task_log(path)),
            log=str(path),
        )
