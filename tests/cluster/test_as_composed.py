"""The running cluster is what docker-compose.yaml describes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from include.commands.cluster import POSTGRES, WORKER
from include.commands.provide import connections_of, wanted_pools
from include.commands.settings import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def run_in(cluster: Any, name: str, command: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a container's process runs, with its environment."""
    kept = {variable: os.environ[variable] for variable in ("PATH", "LANG") if variable in os.environ}
    here = f"{os.path.dirname(sys.executable)}:{kept.get('PATH', '')}"
    environment = {**kept, "PATH": here, **cluster.session.containers[name].environment(), **changes}
    return subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def checked(cluster: Any) -> list[str]:
    """The containers with a health check that needs nothing but the image of Airflow or of the local cloud."""
    return [
        name
        for name, container in cluster.session.containers.items()
        if container.service.health and container.service.name not in (POSTGRES, "redis")
    ]


def test_every_health_check_passes(cluster: Any, checked: list[str]) -> None:
    assert len(checked) == 8
    for name in checked:
        container = cluster.session.containers[name]
        how, *words = (container(word) for word in container.service.health)
        command = ["sh", "-c", words[0].replace("${HOSTNAME}", "$HOSTNAME")] if how == "CMD-SHELL" else words
        done = run_in(cluster, name, command)
        assert done.returncode == 0, f"{name}: {command}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"


def test_a_health_check_notices_a_worker_that_is_not_there(cluster: Any) -> None:
    name = cluster.session.names(WORKER)[0]
    container = cluster.session.containers[name]
    done = run_in(cluster, name, ["sh", "-c", container.service.health[1]], HOSTNAME="nobody")
    assert done.returncode != 0


def test_the_pools_and_connections_of_the_project_are_there(cluster: Any) -> None:
    pools = {pool["name"]: pool for pool in cluster.api.request("GET", "/api/v2/pools")["pools"]}
    for name, facts in wanted_pools().items():
        assert {key: pools[name][key] for key in facts} == facts
    found = cluster.api.request("GET", "/api/v2/connections")["connections"]
    wanted = connections_of(cluster.session.containers["local-cloud-connections"].environment())
    assert {connection["connection_id"] for connection in found} == set(wanted)


def test_two_triggerers_and_one_of_each_other_kind_are_alive(cluster: Any) -> None:
    jobs = cluster.api.request("GET", "/api/v2/jobs", query={"is_alive": "true"})["jobs"]
    kinds = sorted(job["job_type"] for job in jobs)
    assert kinds == ["DagProcessorJob", "SchedulerJob", "TriggererJob", "TriggererJob"]


def test_nobody_gets_in_without_the_password(cluster: Any) -> None:
    from include.commands.rest import Airflow, RestError

    stranger = Airflow(url=cluster.ports.ui_url)
    with pytest.raises(RestError) as refused:
        stranger.log_in_as(cluster.session.user, "admin")
    assert refused.value.status in (401, 403)
    with pytest.raises(RestError) as refused:
        stranger.request("GET", "/api/v2/dags")
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("airflow:{password}@", "airflow:s3cret-and-wrong@"), "does not let the user 'airflow' in"),
        (("//airflow:", "//nobody:"), "does not let the user 'nobody' in"),
        (("/airflow", "/no_such_database"), "There is no database 'no_such_database'"),
    ],
    ids=["password", "user", "database"],
)
def test_what_is_wrong_with_the_database_is_said_with_what_to_do_and_without_the_password(
    cluster: Any, wrong: tuple[str, str], message: str
) -> None:
    init = cluster.session.containers["airflow-init"]
    setting = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    password = cluster.session.variables["POSTGRES_PASSWORD"]
    before, after = (text.format(password=password) for text in wrong)
    url = after.join(init.environment()[setting].rsplit(before, 1))
    _, _, module, *_ = init.service.command

    done = run_in(cluster, "airflow-init", [sys.executable, "-m", module, "database", "pools"], **{setting: url})

    assert done.returncode == 1
    assert message in done.stderr
    assert "→" in done.stderr
    for secret in (password, "s3cret-and-wrong"):
        assert secret not in done.stdout + done.stderr


def test_what_is_provided_a_second_time_changes_nothing(cluster: Any) -> None:
    init = cluster.session.containers["airflow-init"]
    before = cluster.api.request("GET", "/api/v2/pools")["pools"]
    _, _, module, *arguments = init.service.command
    done = run_in(cluster, "airflow-init", [sys.executable, "-m", module, *arguments])
    assert done.returncode == 0, done.stderr[-2000:]
    assert "already exist" in done.stdout + done.stderr
    assert cluster.api.request("GET", "/api/v2/pools")["pools"] == before
