"""
The services of docker-compose.yaml as processes of this machine: the same commands with the same settings.

Replaced are only the names of hosts, the ports, and the paths inside of the containers. Each process has a home, a
temporary folder and an environment of its own, as a container has.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.commands import compose
from include.commands.components import LAST
from include.commands.environment import filled_in, fresh_secrets
from include.commands.errors import CommandError
from include.commands.plan import Component
from include.commands.servers import POSTGRES_USER, ensure_servers, make_database, redis_settings
from include.commands.session import Session
from include.commands.settings import CHECKOUT, LOOPBACK, Layout, Ports, read_settings

COMPOSE_FILE = CHECKOUT / "docker-compose.yaml"
PROFILE = "local-cloud"

POSTGRES, REDIS, CLOUD = "postgres", "redis", "local-cloud"
API_SERVER, SCHEDULER = "airflow-apiserver", "airflow-scheduler"
DAG_PROCESSOR, WORKER, TRIGGERER = "airflow-dag-processor", "airflow-worker", "airflow-triggerer"

_ONCE = ("airflow-init", "local-cloud-connections")
_BAKED_IN = {f"/opt/airflow/{name}": CHECKOUT / name for name in ("dags", "plugins", "include")}
_NOT_OURS = ("AIRFLOW", "LOCAL_CLOUD", "NARRATION", "AWS_", "AZURE_", "CELERY", "PYTEST", "PYTHON", "PG", "COMPOSE")


@dataclass(frozen=True, kw_only=True)
class ClusterPorts(Ports):
    """
    :param postgres: of the database; 0 for a free one, as with the others that are only used inside.
    :param redis: of the broker.
    :param scheduler: of the scheduler's health check.
    """

    postgres: int = 0
    redis: int = 0
    scheduler: int = 0

    @classmethod
    def free(cls, **given: int) -> ClusterPorts:
        """Take free ports for all that are not given."""
        names = [name for name in ("airflow", "speech", "s3", "postgres", "redis", "scheduler") if not given.get(name)]
        with ExitStack() as stack:
            for name in names:
                listener = stack.enter_context(socket.socket())
                listener.bind((LOOPBACK, 0))
                given[name] = listener.getsockname()[1]
        return cls(**given)

    def addresses(self) -> dict[tuple[str, int], int]:
        """The port on this machine for each host and port of the compose file."""
        return {
            (POSTGRES, 5432): self.postgres,
            (REDIS, 6379): self.redis,
            (API_SERVER, 8080): self.airflow,
            (CLOUD, 8600): self.speech,
            (CLOUD, 8601): self.s3,
        }


def _kept_variables(path: Path) -> dict[str, str]:
    """What ``make env`` would have written: once for each state folder, whose database knows the password."""
    if not path.exists():
        example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(filled_in(example, values=fresh_secrets(), real=False))
    return read_settings(path)


@dataclass(frozen=True, kw_only=True)
class Translation:
    """
    From what is true inside of a container to what is true on this machine.

    :param service: whose containers.
    :param name: which of them.
    """

    service: compose.Service
    name: str
    layout: Layout
    ports: ClusterPorts

    @property
    def home(self) -> Path:
        return self.layout.state / "homes" / self.name

    def folders(self) -> dict[str, Path]:
        """The folder on this machine for each path inside, the longest path first."""
        inside = {**_BAKED_IN, "/opt/airflow": self.home}
        for path, source in self.service.volumes.items():
            # What is named by a path is of this checkout, all else is a volume.
            here = CHECKOUT / source if source.startswith(("./", "/")) else self.layout.state / "volumes" / source
            inside[path] = here
        return dict(sorted(inside.items(), key=lambda pair: -len(pair[0])))

    def __call__(self, text: str) -> str:
        """
        Translate a setting or a word of a command.

        :raises CommandError: for a service that is not known here.
        """
        own = {port: here for (host, port), here in self.ports.addresses().items() if host == self.service.name}
        if self.service.name == SCHEDULER:
            own[8974] = self.ports.scheduler

        def address(match: re.Match[str]) -> str:
            host, port = match.group(1), int(match.group(2))
            here = own.get(port) if host == "localhost" else self.ports.addresses().get((host, port))
            if here is None:
                raise CommandError(f"{COMPOSE_FILE.name}, {self.service.name}: nobody listens at {host}:{port}.")
            return f"{LOOPBACK}:{here}"

        hosts = "|".join(["localhost", *sorted({host for host, _ in self.ports.addresses()})])
        text = re.sub(rf"(?<=[/@])({hosts}):(\d+)", address, text)
        for inside, here in self.folders().items():
            text = re.sub(rf"(?<![\w.]){re.escape(inside)}(?=/|$)", lambda _, here=here: str(here), text)  # type: ignore[misc]
        return text

    def environment(self) -> dict[str, str]:
        """Of the process: what the compose file says, and where it listens."""
        temporary = self.layout.state / "tmp" / self.name
        for folder in (self.home, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        return {
            **{name: self(value) for name, value in self.service.environment.items()},
            **self._listening(),
            "AIRFLOW_HOME": str(self.home),
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "HOSTNAME": self.name if self.service.name == WORKER else socket.gethostname(),
            "PYTHONUNBUFFERED": "1",
        }

    def _listening(self) -> dict[str, str]:
        return {
            API_SERVER: {"AIRFLOW__API__HOST": LOOPBACK, "AIRFLOW__API__PORT": str(self.ports.airflow)},
            SCHEDULER: {
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": LOOPBACK,
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports.scheduler),
            },
            CLOUD: {
                "LOCAL_CLOUD_HOST": LOOPBACK,
                "LOCAL_CLOUD_SPEECH_PORT": str(self.ports.speech),
                "LOCAL_CLOUD_S3_PORT": str(self.ports.s3),
            },
        }.get(self.service.name, {})


class ClusterSession(Session):
    """
    The cluster, from the first process until all are healthy.

    :param storage: where the store is, as ``.env`` would say it; on the local cloud's S3 unless given.
    :param changes: settings to change in all of Airflow's processes, for tests.
    """

    # Ten processes that import Airflow take minutes on two busy cores.
    _start_seconds = 600.0

    def __init__(
        self,
        *,
        command: str,
        layout: Layout,
        ports: ClusterPorts,
        environment: Mapping[str, str],
        storage: str = "",
        changes: Mapping[str, str] | None = None,
    ) -> None:
        kept = {name: value for name, value in environment.items() if not name.startswith(_NOT_OURS)}
        super().__init__(command=command, layout=layout, ports=ports, environment=kept)
        self.addresses = ports
        self._changes = changes or {}
        self.variables = {**_kept_variables(layout.state / ".env"), "AIRFLOW_URL": ports.ui_url}
        if storage:
            self.variables["NARRATION_STORAGE"] = storage
        services = compose.read(COMPOSE_FILE, self.variables)
        self.services = compose.chosen(services, profiles=[PROFILE])
        self.containers = dict(self._containers())

    def _containers(self) -> Iterator[tuple[str, Translation]]:
        for service in self.services.values():
            for number in range(1, service.replicas + 1):
                name = f"{service.name}-{number}" if service.replicas > 1 else service.name
                yield name, Translation(service=service, name=name, layout=self.layout, ports=self.addresses)

    def names(self, service: str) -> list[str]:
        """The containers of a service."""
        return [name for name, container in self.containers.items() if container.service.name == service]

    def folder(self, volume: str) -> Path:
        """Where a volume of the compose file lies."""
        return self.layout.state / "volumes" / volume

    def _plan(self) -> tuple[list[Component], dict[str, str]]:
        programs, redis = ensure_servers()
        components = []
        for name, container in self.containers.items():
            service = container.service
            for volume in service.volumes.values():
                if not volume.startswith(("./", "/")):
                    self.folder(volume).mkdir(parents=True, exist_ok=True)
            run: Callable[[Translation], dict[str, Any]] = self._airflow
            if service.name == POSTGRES:
                components.append(self._component(name, container, **self._postgres(container, programs)))
                continue
            if service.name == REDIS:
                components.append(self._component(name, container, **self._redis(container, redis)))
                continue
            if service.name == CLOUD:
                run = _module
            components.append(self._component(name, container, **run(container)))
        environment = {**self._environment, "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK, "NO_COLOR": "1"}
        return components, environment

    def _component(self, name: str, container: Translation, **facts: Any) -> Component:
        once = container.service.name in _ONCE
        environment = container.environment()
        if container.service.name.startswith("airflow-"):
            environment |= self._changes
        return Component(
            name=name,
            log=str(self.layout.log(name)),
            environment=environment,
            once=once,
            restarts=container.service.restarts,
            **facts,
        )

    def _airflow(self, container: Translation) -> dict[str, Any]:
        command = [container(word) for word in container.service.command]
        if command[:2] == ["python", "-m"]:
            facts = _module(container)
        else:
            if container.service.name == WORKER:
                # A container has a name of its own by itself.
                command += ["--celery-hostname", container.name]
            facts = {"module": "include.commands.component", "arguments": tuple(command)}
        # What docker compose starts when the one before has succeeded.
        after = {_ONCE[0]: "", _ONCE[1]: _ONCE[0]}.get(container.service.name, _ONCE[1])
        return {**facts, "after": after, "stop_order": LAST if container.service.name == API_SERVER else 0}

    def _postgres(self, container: Translation, programs: Path) -> dict[str, Any]:
        settings = container.service.environment
        folder = self.folder(container.service.volumes["/var/lib/postgresql/data"])
        make_database(
            folder,
            programs=programs,
            user=settings["POSTGRES_USER"],
            password=settings["POSTGRES_PASSWORD"],
            name=settings["POSTGRES_DB"],
        )
        given = container.service.command[1:]
        own = ["-D", str(folder), "-h", LOOPBACK, "-p", str(self.addresses.postgres), "-c", "unix_socket_directories="]
        return {
            "program": str(programs / "postgres"),
            "arguments": (*own, *given),
            "user": POSTGRES_USER,
            "stop_signal": "SIGINT",
            "stop_order": LAST + 1,
        }

    def _redis(self, container: Translation, redis: Path) -> dict[str, Any]:
        folder = self.folder(container.service.volumes["/data"])
        shared = container.folders()["/etc/narration/redis.conf"].read_text(encoding="utf-8")
        settings = self.layout.run / "redis.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            redis_settings(
                shared,
                folder=folder,
                port=self.addresses.redis,
                password=container.service.environment["REDIS_PASSWORD"],
            ),
            encoding="utf-8",
        )
        return {"program": str(redis), "arguments": (str(settings),), "stop_order": LAST + 1}

    @property
    def user(self) -> str:
        """The first user of the UI."""
        return self.services[_ONCE[0]].environment["NARRATION_ADMIN_USER"]

    def _log_in(self) -> None:
        self.api.log_in_as(self.user, self.services[_ONCE[0]].environment["NARRATION_ADMIN_PASSWORD"])

    def _airflow_is_up(self) -> bool:
        return all(_has_said(self.layout.log(name), " ready.") for name in self.names(WORKER)) and (
            super()._airflow_is_up()
        )


def _module(container: Translation) -> dict[str, Any]:
    _, _, module, *arguments = (container(word) for word in container.service.command)
    stop_order = LAST if container.service.name == CLOUD else 0
    return {"module": module, "arguments": tuple(arguments), "stop_order": stop_order}


def _has_said(log: Path, words: str) -> bool:
    try:
        return words in log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
