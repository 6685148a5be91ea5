"""The services of docker-compose.yaml on one machine: what is translated, and that nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from include.commands import servers
from include.commands.cluster import WORKER, ClusterPorts, ClusterSession
from include.commands.errors import CommandError
from include.commands.plan import Component
from include.commands.settings import CHECKOUT, Layout, read_settings

PORTS = ClusterPorts(airflow=18080, speech=18600, s3=18601, postgres=15432, redis=16379, scheduler=18974)


@pytest.fixture
def session(tmp_path: Path) -> ClusterSession:
    shell = {
        "PATH": os.environ["PATH"],
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AWS_ACCESS_KEY_ID": "real",
        "COMPOSE_PROFILES": "other",
        "PGHOST": "production",
    }
    layout = Layout(state=tmp_path / "cluster")
    return ClusterSession(command="make cluster", layout=layout, ports=PORTS, environment=shell)


@pytest.fixture
def components(session: ClusterSession, monkeypatch: pytest.MonkeyPatch) -> dict[str, Component]:
    monkeypatch.setattr("include.commands.cluster.ensure_servers", lambda: (Path("/pg/bin"), Path("/redis-server")))
    monkeypatch.setattr("include.commands.cluster.make_database", lambda *_, **__: None)
    session.layout.create()
    planned, _ = session._plan()
    return {component.name: component for component in planned}


def test_it_has_as_many_processes_as_the_compose_file_has_containers(components: dict[str, Component]) -> None:
    assert sorted(components) == [
        "airflow-apiserver",
        "airflow-dag-processor",
        "airflow-init",
        "airflow-scheduler",
        "airflow-triggerer-1",
        "airflow-triggerer-2",
        "airflow-worker-1",
        "airflow-worker-2",
        "local-cloud",
        "local-cloud-connections",
        "postgres",
        "redis",
    ]


def test_only_hosts_ports_and_paths_differ_from_the_compose_file(
    session: ClusterSession, components: dict[str, Component]
) -> None:
    for name, component in components.items():
        if name in ("postgres", "redis"):
            continue
        given = session.containers[name].service.environment
        for variable, value in given.items():
            here = component.environment[variable]
            if here == value:
                continue
            moved = [part for part in ("postgres:", "redis:", "airflow-apiserver:", "local-cloud:") if part in value]
            listens = variable in ("LOCAL_CLOUD_HOST", "LOCAL_CLOUD_SPEECH_PORT", "LOCAL_CLOUD_S3_PORT")
            assert moved or listens or value.startswith(("/opt/airflow", "/var/lib")), f"{name}: {variable}"
            assert "/opt/airflow" not in here, f"{name}: {variable}"


def test_the_tuning_is_that_of_include_airflow(components: dict[str, Component]) -> None:
    for file in ("settings.env", "cluster.env"):
        for variable, value in read_settings(CHECKOUT / "include" / "airflow" / file).items():
            assert components["airflow-worker-1"].environment[variable] == value


def test_addresses_lead_to_this_machine(components: dict[str, Component]) -> None:
    worker = components["airflow-worker-1"].environment
    assert worker["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@127.0.0.1:15432/airflow")
    assert worker["AIRFLOW__CELERY__BROKER_URL"].endswith("@127.0.0.1:16379/0")
    assert worker["AIRFLOW__NARRATION__LIMITS"].endswith("@127.0.0.1:16379/1")
    assert worker["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    connections = components["local-cloud-connections"].environment
    assert connections["LOCAL_CLOUD_SPEECH_URL"] == "http://127.0.0.1:18600"


def test_each_has_a_home_of_its_own_and_they_share_what_containers_share(
    session: ClusterSession, components: dict[str, Component]
) -> None:
    airflow = {name: part.environment for name, part in components.items() if name.startswith("airflow-")}
    for variable in ("AIRFLOW_HOME", "HOME", "TMPDIR"):
        assert len({environment[variable] for environment in airflow.values()}) == len(airflow)
    logs = {environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] for environment in airflow.values()}
    assert logs == {str(session.folder("airflow-logs"))}
    assert {environment["AIRFLOW__CORE__DAGS_FOLDER"] for environment in airflow.values()} == {str(CHECKOUT / "dags")}


def test_commands_are_those_of_the_compose_file(session: ClusterSession, components: dict[str, Component]) -> None:
    for name in session.names(WORKER):
        given = session.containers[name].service.command
        assert components[name].arguments == (*given, "--celery-hostname", name)
    assert components["airflow-scheduler"].arguments == session.services["airflow-scheduler"].command
    init = components["airflow-init"]
    assert ("python", "-m", init.module, *init.arguments) == session.services["airflow-init"].command
    assert components["postgres"].arguments[-2:] == session.services["postgres"].command[-2:]


def test_nothing_starts_before_what_it_waits_for_in_the_compose_file(components: dict[str, Component]) -> None:
    assert components["airflow-init"].after == ""
    assert components["local-cloud-connections"].after == "airflow-init"
    for name in ("airflow-apiserver", "airflow-scheduler", "airflow-worker-2", "airflow-triggerer-1"):
        assert components[name].after == "local-cloud-connections"


def test_what_restarts_there_restarts_here(session: ClusterSession, components: dict[str, Component]) -> None:
    for name, component in components.items():
        assert component.restarts == session.containers[name].service.restarts
        assert component.once == (name in ("airflow-init", "local-cloud-connections"))


def test_the_shell_s_own_airflow_and_accounts_stay_out(
    session: ClusterSession, components: dict[str, Component]
) -> None:
    _, environment = session._plan()
    assert not [name for name in environment if name.startswith(("AIRFLOW", "AWS_", "COMPOSE", "PG"))]
    assert components["airflow-scheduler"].environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_its_secrets_are_kept_with_the_state_for_its_owner_alone(session: ClusterSession, tmp_path: Path) -> None:
    again = ClusterSession(command="make cluster", layout=session.layout, ports=PORTS, environment={})
    assert again.variables == session.variables
    assert (session.layout.state / ".env").stat().st_mode & 0o777 == 0o600
    other = ClusterSession(command="make cluster", layout=Layout(state=tmp_path / "other"), ports=PORTS, environment={})
    assert other.variables["POSTGRES_PASSWORD"] != session.variables["POSTGRES_PASSWORD"]


def test_a_health_check_asks_at_the_port_of_this_machine(session: ClusterSession) -> None:
    for name, address in (("airflow-apiserver", "127.0.0.1:18080"), ("airflow-scheduler", "127.0.0.1:18974")):
        container = session.containers[name]
        assert address in container(container.service.health[-1])


def test_an_address_that_nobody_has_is_refused(session: ClusterSession) -> None:
    with pytest.raises(CommandError, match="nobody listens at redis:6380"):
        session.containers["airflow-worker-1"]("redis://redis:6380/0")


class TestServers:
    @pytest.fixture
    def programs(self, tmp_path: Path) -> Callable[[str], Path]:
        def make(name: str) -> Path:
            folder = tmp_path / name / "bin"
            folder.mkdir(parents=True)
            for program in ("initdb", "postgres"):
                (folder / program).touch()
            return folder

        return make

    def test_the_latest_postgresql_is_taken(self, programs: Callable[[str], Path], tmp_path: Path) -> None:
        programs("9")
        latest = programs("16")
        programs("15")
        (tmp_path / "17" / "bin").mkdir(parents=True)
        (tmp_path / "17" / "bin" / "postgres").touch()  # without initdb it is of no use
        assert servers.find_postgres(folders=[f"{tmp_path}/*/bin"]) == latest

    def test_what_is_missing_and_cannot_be_installed_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "find_postgres", lambda: Path("/pg"))
        monkeypatch.setattr(servers, "find_redis", lambda: None)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(CommandError, match="needs Redis") as caught:
            servers.ensure_servers()
        assert "apt install postgresql redis-server" in caught.value.remedy

    def test_redis_takes_the_settings_of_the_compose_file(self, tmp_path: Path) -> None:
        shared = (CHECKOUT / "include" / "airflow" / "redis.conf").read_text()
        text = servers.redis_settings(shared, folder=tmp_path / "a b", port=1, password="p")
        assert text.startswith(shared)
        assert "bind 127.0.0.1\nport 1\n" in text
        assert f'dir "{tmp_path}/a b"' in text
        assert "requirepass p\n" in text
