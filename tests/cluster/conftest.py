"""The cluster of docker-compose.yaml, as processes of this machine, for all tests of this room."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.commands.cluster import POSTGRES, TRIGGERER, WORKER, ClusterPorts, ClusterSession
from include.commands.logs import error_of_task, read_task_log
from include.commands.processes import Mark, descendants, signal_all
from include.commands.rest import Airflow
from include.commands.settings import Layout
from tests.e2e.moments import patiently

#: The bucket of documents and of the store; the one that Polly writes to is another.
BUCKET = "narration"
ON_VOLUME = "file:///opt/airflow/store"


class RunningCluster:
    """
    :param folder: of all state. PostgreSQL, run by another user, must get through to it.
    :param storage: where the store is, as ``.env`` would say it; S3 of the local cloud unless given.
    :param changes: settings to change in all processes of Airflow.
    """

    def __init__(self, *, folder: Path, storage: str = "", changes: dict[str, str] | None = None) -> None:
        self.layout = Layout(state=folder)
        self.ports = ClusterPorts.free()
        self.session = ClusterSession(
            command="the tests of the cluster",
            layout=self.layout,
            ports=self.ports,
            environment=os.environ,
            storage=storage,
            changes=changes,
        )
        self._seen: set[Mark] = set()
        self._mirror: Path | None = None

    @property
    def api(self) -> Airflow:
        return self.session.api

    @property
    def pids(self) -> dict[str, int]:
        supervisor = self.session.supervisor
        return supervisor.pids if supervisor is not None else {}

    @property
    def workers(self) -> list[str]:
        return self.session.names(WORKER)

    @property
    def triggerers(self) -> list[str]:
        return self.session.names(TRIGGERER)

    # -- life

    def start(self) -> None:
        self.session.check()
        self.session.start()

    def stop(self) -> None:
        self._see()
        self.session.stop(grace=5)
        deadline = time.monotonic() + 5
        while left := [mark for mark in self._seen if mark.process() is not None]:
            assert time.monotonic() < deadline, f"{left} should be gone"
            time.sleep(0.1)

    def _see(self) -> None:
        for pid in self.pids.values():
            mark = Mark.of(pid)
            if mark is not None:
                self._seen |= {mark, *descendants(pid)}

    # -- faults

    def tree(self, name: str) -> list[Mark]:
        """A container's processes."""
        own = Mark.of(self.pids[name])
        return [own, *descendants(own.pid)] if own else []

    def busy(self, worker: str) -> int:
        """How many tasks a worker has in hand: each is a process of its own below one of the pool's."""
        pool = [mark for mark in descendants(self.pids[worker]) if _parent(mark) == self.pids[worker]]
        return sum(1 for mark in pool if descendants(mark.pid))

    def kill(self, name: str, *, comes_back: bool) -> None:
        """
        SIGKILL for all processes of a container at once.

        :param comes_back: whether it is started again, as its restart policy says; else its machine is gone.
        """
        self._see()
        if not comes_back:
            self._supervisor.hold(name)
            time.sleep(0.2)
        pid, marks = self.pids[name], self.tree(name)
        signal_all(marks, signal.SIGKILL)
        self._until(lambda: self.pids.get(name) != pid, what=f"{name} to die")

    def come_back(self, name: str) -> None:
        self._supervisor.restart(name)
        self._until(lambda: name in self.pids, what=f"{name} to come back")

    def restart_database(self, *, down: float) -> None:
        """
        A fast restart: all its clients are thrown out.

        :param down: how long nobody answers (seconds).
        """
        self._supervisor.hold(POSTGRES)
        time.sleep(0.2)
        os.kill(self.pids[POSTGRES], signal.SIGINT)
        self._until(lambda: POSTGRES not in self.pids, what="the database to end")
        time.sleep(down)
        self.come_back(POSTGRES)

    @property
    def _supervisor(self) -> Any:
        assert self.session.supervisor is not None
        return self.session.supervisor

    def _until(self, ready: Callable[[], bool], *, what: str, timeout: float = 30) -> None:
        self._supervisor.wait_until(ready, timeout=timeout, what=f"Waiting for {what}", every=0.05)

    # -- runs, as tests.e2e.works and tests.e2e.books want to see them

    def pause(self, dag_id: str) -> None:
        """Let no run of a Dag begin, once it has been parsed, until somebody awaits it."""
        self.session.await_dag(dag_id)
        patiently(lambda: self.api.request("PATCH", f"/api/v2/dags/{dag_id}", body={"is_paused": True}))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return patiently(lambda: self.api.task_instances(dag_id, run_id))

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        return patiently(lambda: self.api.xcom(dag_id, run_id, task_id, key, map_index=map_index))

    def error(self, dag_id: str, run_id: str, task_id: str, *, try_number: int, map_index: int = -1) -> str:
        """The message of the exception that failed an attempt; empty when it was not given one."""
        folder = self.session.folder("airflow-logs") / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return error_of_task(read_task_log(folder / f"attempt={try_number}.log"))

    def bill(self) -> dict[str, dict[str, int]]:
        """What each service has charged."""
        return patiently(lambda: self.session.cloud.request("GET", "/_local/bill"))

    # -- what lies in the local cloud

    def s3(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.ports.s3_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local-secret",
        )

    def put_document(self, path: Path) -> str:
        """Put a document where all workers can read it, and give its URI."""
        self.s3().upload_file(str(path), BUCKET, f"texts/{path.name}")
        return f"s3://aws_default@{BUCKET}/texts/{path.name}"

    @property
    def store(self) -> Path:
        """The store as a folder; what is on S3 is fetched, once."""
        if self.session.variables["NARRATION_STORAGE"] == ON_VOLUME:
            return self.session.folder("narration-store")
        if self._mirror is None:
            self._mirror = self.layout.state / "mirror"
            client = self.s3()
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="store/"):
                for entry in page.get("Contents", ()):
                    target = self._mirror / entry["Key"].removeprefix("store/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    client.download_file(BUCKET, entry["Key"], str(target))
        return self._mirror


def _parent(mark: Mark) -> int:
    process = mark.process()
    return process.ppid() if process is not None else 0


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    """One cluster for the whole session."""
    if hasattr(request.config, "workerinput"):
        pytest.fail("the tests of the cluster share two cores: run them without xdist (-p no:xdist)")
    # The temporary folder of the tests is closed to the user who runs PostgreSQL.
    folder = Path(tempfile.mkdtemp(prefix="narration-cluster-", dir="/tmp"))
    folder.chmod(0o755)
    running = RunningCluster(folder=folder, storage=os.environ.get("CLUSTER_STORAGE", ""))
    try:
        running.start()
        yield running
        well = request.session.testsfailed == 0
    except BaseException:
        well = False
        raise
    finally:
        running.stop()
        if well:
            shutil.rmtree(folder)
        else:
            print(f"\nThe logs of all processes: {running.layout.logs}")
