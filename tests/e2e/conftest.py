"""A real Airflow with its local cloud, as ``make run`` starts them, for all end-to-end tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.commands.logs import error_of_task, read_task_log
from include.commands.processes import Mark, descendants, signal_all
from include.commands.rest import Airflow
from include.commands.session import Session
from include.commands.settings import CHECKOUT, Layout, Ports, airflow_environment
from tests.e2e.moments import patiently

_COMPONENTS = frozenset({"local-cloud", "api-server", "scheduler", "dag-processor", "triggerer"})

# A killed worker, scheduler or triggerer is noticed by its missing heartbeat: sooner here than in a real run.
_IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    # A task that a killed worker had taken and not begun is queued anew.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
}

# The project's own Dags, and those that only the tests need.
_BUNDLES = [
    {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": kwargs}
    for name, kwargs in (("dags-folder", {}), ("tests", {"path": str(Path(__file__).parent / "dags")}))
]


class RunningAirflow:
    """
    Airflow and the local cloud on free ports, with all state in one folder of its own.

    :param state: that folder. It survives :meth:`kill_all` and :meth:`start`, as ``.narration`` does.
    :param environment: what to change in the environment of all processes.
    """

    def __init__(self, *, state: Path, environment: dict[str, str] | None = None) -> None:
        self.layout = Layout(state=state)
        self.ports = _free_ports()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "LOCAL_CLOUD", "NARRATION", "AWS_", "PYTEST"))
        }
        self._environment = {
            **kept,
            "LOCAL_CLOUD_PRESET": "fast",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_BUNDLES),
            **_IMPATIENT,
            **(environment or {}),
        }
        self._session: Session | None = None
        self._seen: set[Mark] = set()

    # -- addresses

    @property
    def speech_url(self) -> str:
        """The local cloud's Polly; ``/_local/bill``, ``/_local/requests`` and ``/_local/faults`` are there too."""
        return self.ports.speech_url

    @property
    def s3_url(self) -> str:
        return self.ports.s3_url

    @property
    def store(self) -> Path:
        """The folder of clips, orders and narrations."""
        return self.layout.store

    @property
    def session(self) -> Session:
        if self._session is None:
            pytest.fail("Airflow is not running: call start() first")
        return self._session

    @property
    def api(self) -> Airflow:
        """Airflow's REST API."""
        return self.session.api

    # -- life

    def start(self) -> None:
        """Start everything, with the state that is there, and wait until it is healthy."""
        self._session = Session(
            command="the end-to-end tests",
            layout=self.layout,
            ports=self.ports,
            environment=self._environment,
            tolerate=_COMPONENTS,
        )
        self._session.check()
        self._session.start()

    def stop(self) -> None:
        """End everything in good order, and make sure that it is gone."""
        if self._session is not None:
            self._see()
            session, self._session = self._session, None
            session.stop(grace=5)
        assert not self.left_over()

    def kill_all(self) -> None:
        """SIGKILL for every process at the same moment, as when the machine loses power."""
        self._see()
        signal_all(self._seen, signal.SIGKILL)
        session, self._session = self._session, None
        if session is not None:
            session.stop(grace=0)

    def left_over(self) -> list[Mark]:
        """The processes that should be gone and are not, five seconds later."""
        deadline = time.monotonic() + 5
        while True:
            alive = [mark for mark in self._seen if mark.process() is not None]
            if not alive or time.monotonic() > deadline:
                return alive
            time.sleep(0.1)

    def _see(self) -> None:
        for pid in self.pids.values():
            mark = Mark.of(pid)
            if mark is not None:
                self._seen |= {mark, *descendants(pid)}

    # -- processes

    @property
    def pids(self) -> dict[str, int]:
        """
        The process id of ``keeper``, ``local-cloud``, ``api-server``, ``scheduler``,
        ``dag-processor`` and ``triggerer``, of those that live.
        """
        supervisor = self._session.supervisor if self._session is not None else None
        return supervisor.pids if supervisor is not None else {}

    def busy_workers(self) -> list[psutil.Process]:
        """The executor's workers that have a task in hand, and the processes of those tasks below them."""
        workers = []
        for child in psutil.Process(self.pids["scheduler"]).children():
            try:
                if child.children():
                    workers += [child, *child.children(recursive=True)]
            except psutil.Error:
                continue
        return workers

    def kill_worker(self, *, timeout: float = 60) -> None:
        """SIGKILL for the workers that have a task in hand, waiting for one to have."""
        deadline = time.monotonic() + timeout
        while not (busy := self.busy_workers()):
            if time.monotonic() > deadline:
                pytest.fail(f"no worker had a task within {timeout} seconds")
            time.sleep(0.02)
        for process in busy:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def kill(self, name: str) -> None:
        """SIGKILL for one component, which stays dead until :meth:`restart`."""
        self._see()
        os.kill(self.pids[name], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while name in self.pids:
            if time.monotonic() > deadline:
                pytest.fail(f"{name} does not die")
            time.sleep(0.05)

    def restart(self, name: str) -> None:
        """Start one component that was killed."""
        supervisor = self.session.supervisor
        assert supervisor is not None
        supervisor.restart(name)
        supervisor.wait_until(lambda: name in self.pids, timeout=30, what=f"restarting {name}")

    # -- runs

    def trigger(self, dag_id: str, conf: dict[str, Any], *, logical_date: str | None = None) -> str:
        """:return: the id of the new run."""
        self.session.await_dag(dag_id)
        return self.api.trigger(dag_id, conf, logical_date=logical_date)

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float = 300,
        until: Callable[[dict[str, Any]], bool] = lambda run: run["state"] in ("success", "failed"),
    ) -> dict[str, Any]:
        """
        :param until: tells from the run, as the REST API gives it, whether the waiting is over.
        :return: the run.
        """
        deadline = time.monotonic() + timeout
        while True:
            run = self.api.run(dag_id, run_id)
            if until(run):
                return run
            if time.monotonic() > deadline:
                states = {(ti["task_id"], ti["map_index"]): ti["state"] for ti in self.task_instances(dag_id, run_id)}
                pytest.fail(f"{dag_id} {run_id} is {run['state']} after {timeout} seconds: {states}")
            time.sleep(0.5)

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *, states: tuple[str, ...], timeout: float = 120
    ) -> dict[str, Any]:
        """Wait until a task (any of its mapped instances) is in one of these states; that instance."""
        found: list[dict[str, Any]] = []

        def reached(_: dict[str, Any]) -> bool:
            instances = self.task_instances(dag_id, run_id)
            found[:] = [ti for ti in instances if ti["task_id"] == task_id and ti["state"] in states]
            return bool(found)

        self.wait(dag_id, run_id, timeout=timeout, until=reached)
        return found[0]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.api.task_instances(dag_id, run_id)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        return self.api.xcom(dag_id, run_id, task_id, key, map_index=map_index)

    def clear(self, dag_id: str, run_id: str, *, task_ids: list[Any] | None = None, only_failed: bool = False) -> None:
        """
        :param task_ids: task ids, or ``[task id, map index]`` for one mapped instance; all of them unless given.
        """
        patiently(lambda: self.api.clear(dag_id, run_id, task_ids=task_ids, only_failed=only_failed))

    def backfill(
        self,
        dag_id: str,
        *,
        first: str,
        last: str,
        conf: dict[str, Any],
        at_once: int,
        reprocess: str = "none",
        backwards: bool = False,
    ) -> None:
        """
        Do what ``make airflow ARGS='backfill create …'`` does, and switch the Dag on, which until then is not.

        :param first: the first day, such as ``2026-01-01``; ``last`` is the last one.
        :param at_once: how many of its runs may be under way.
        :param reprocess: what becomes of days that have a run: ``none``, ``failed`` or ``completed`` are run again.
        :param backwards: whether the last day comes first.
        """
        self.session.supervisor.wait_until(
            lambda: patiently(lambda: self.api.dag(dag_id)) is not None, timeout=180, what=f"Reading the Dag {dag_id}"
        )
        # Airflow has one backfill of a Dag at a time, and finds out a while later that one is over.
        self.session.supervisor.wait_until(
            lambda: not self._backfills_under_way(dag_id), timeout=120, what="The end of the backfill before"
        )
        command = ["backfill", "create", "--dag-id", dag_id, "--from-date", first, "--to-date", last]
        command += ["--dag-run-conf", json.dumps(conf), "--max-active-runs", str(at_once)]
        command += ["--reprocess-behavior", reprocess, *(["--run-backwards"] if backwards else [])]
        done = subprocess.run(
            [sys.executable, "-m", "include.commands.component", *command],
            cwd=CHECKOUT,
            env=airflow_environment(self._environment, layout=self.layout, ports=self.ports),
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            pytest.fail(f"airflow {' '.join(command)}: {done.stderr[-2000:]}")
        self.session.await_dag(dag_id)

    def _backfills_under_way(self, dag_id: str) -> list[dict[str, Any]]:
        known = patiently(lambda: self.api.request("GET", "/api/v2/backfills", query={"dag_id": dag_id}))["backfills"]
        return [backfill for backfill in known if backfill["completed_at"] is None]

    def error(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> str:
        """The message of the exception that failed the last attempt of a task."""
        instance = next(
            ti
            for ti in self.task_instances(dag_id, run_id)
            if ti["task_id"] == task_id and ti["map_index"] == map_index
        )
        path = self.layout.task_log(
            dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, try_number=instance["try_number"]
        )
        return error_of_task(read_task_log(path))

    def bill(self, service: str = "polly") -> dict[str, int]:
        """What a service has charged since the state was new: ``{"jobs": n, "characters": n}``."""
        return self.session.cloud.request("GET", "/_local/bill")[service]


def _free_ports() -> Ports:
    with ExitStack() as stack:
        numbers = []
        for _ in range(3):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            numbers.append(listener.getsockname()[1])
        return Ports(airflow=numbers[0], speech=numbers[1], s3=numbers[2])


@pytest.fixture
def order_fault(airflow: RunningAirflow) -> Callable[..., None]:
    """Order a failure of the local cloud; see ``include/local_cloud/faults.py`` for the kinds."""

    def order(*, service: str = "polly", **fault: Any) -> None:
        airflow.session.cloud.request("POST", "/_local/faults", body={"service": service, **fault})

    return order


@pytest.fixture(scope="session")
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """One Airflow for the whole session. A test that kills something starts it again."""
    if hasattr(request.config, "workerinput"):
        pytest.fail("the end-to-end tests share one Airflow and two cores: run them without xdist (-p no:xdist)")
    running = RunningAirflow(state=tmp_path_factory.mktemp("narration"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
