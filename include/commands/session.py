"""A running Narration: the local cloud and Airflow, from the first process until all are healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from include.commands import components
from include.commands.errors import CommandError
from include.commands.plan import Component
from include.commands.preflight import check_port, check_state_folder
from include.commands.rest import Airflow, Rest, RestError
from include.commands.settings import (
    NARRATE,
    PORT_VARIABLES,
    Layout,
    Ports,
    airflow_environment,
)
from include.commands.supervisor import Supervisor, clean_up, take_lock

_DAG_SECONDS = 180.0


class Session:
    """
    :param command: what a person typed, for messages of other commands.
    :param layout: the folders.
    :param ports: the ports.
    :param environment: the caller's environment.
    :param aws: real AWS in place of the local cloud.
    :param airflow: whether Airflow is wanted, or the local cloud alone.
    :param tolerate: components that somebody ends on purpose.
    """

    _start_seconds = 180.0

    def __init__(
        self,
        *,
        command: str,
        layout: Layout,
        ports: Ports,
        environment: Mapping[str, str],
        aws: bool = False,
        airflow: bool = True,
        tolerate: frozenset[str] = frozenset(),
    ) -> None:
        self.layout = layout
        self.ports = ports
        self.aws = aws
        self.with_airflow = airflow
        self._command = command
        self._environment = environment
        self._tolerate = tolerate
        self.supervisor: Supervisor | None = None
        self.api = Airflow(url=ports.airflow_url)
        self.cloud = Rest(url=ports.speech_url, timeout=10)

    def check(self) -> None:
        """
        Everything that can be known beforehand.

        :raises CommandError: with what is wrong and what to do.
        """
        check_state_folder(self.layout.state)
        self.layout.create()
        # The ports may still be held by an earlier run that was killed: that one is ours to end.
        with take_lock(self.layout):
            clean_up(self.layout)
        wanted = {}
        if self.with_airflow:
            wanted["airflow"] = "Airflow's UI"
        if not self.aws:
            wanted |= {"speech": "the local cloud's Polly", "s3": "the local cloud's S3"}
        numbers: dict[int, str] = {}
        for name in wanted:
            port = getattr(self.ports, name)
            if port in numbers:
                raise CommandError(
                    f"{PORT_VARIABLES[name]} and {numbers[port]} are both {port}.", remedy="Give each its own."
                )
            numbers[port] = PORT_VARIABLES[name]
        for name, purpose in wanted.items():
            check_port(getattr(self.ports, name), purpose=purpose, variable=PORT_VARIABLES[name])

    def start(self, *, on_tick: Callable[[str], None] = lambda stage: None) -> None:
        """
        Start everything and return when it is healthy.

        :param on_tick: called several times a second with what is being waited for.
        :raises CommandError: when a component dies or takes far too long.
        """
        wanted, environment = self._plan()
        facts: dict[str, Any] = {
            "command": self._command,
            "url": self.ports.ui_url if self.with_airflow else self.ports.speech_url,
        }
        self.supervisor = Supervisor(
            layout=self.layout, components=wanted, environment=environment, facts=facts, tolerate=self._tolerate
        )
        self.supervisor.start()
        if not self.aws:
            self._await(self._cloud_is_up, "Starting the local cloud", on_tick)
        if self.with_airflow:
            self._await(self._airflow_is_up, "Starting Airflow", on_tick)
            self._log_in()
        self.supervisor.settle()

    def _plan(self) -> tuple[list[Component], dict[str, str]]:
        """What is to run, and the environment of all of it."""
        wanted = (
            [components.local_cloud(self._environment, layout=self.layout, ports=self.ports)] if not self.aws else []
        )
        environment = dict(self._environment)
        if self.with_airflow:
            wanted += components.airflow(layout=self.layout)
            environment = airflow_environment(environment, layout=self.layout, ports=self.ports, aws=self.aws)
        return wanted, environment

    def _log_in(self) -> None:
        self.api.log_in()

    def await_dag(
        self, dag_id: str = NARRATE, *, on_tick: Callable[[str], None] = lambda stage: None
    ) -> dict[str, Any]:
        """
        Wait until a Dag has been parsed, and switch it on.

        :return: the Dag, with its parameters.
        :raises CommandError: when its file does not parse, with the reason.
        """
        found: list[dict[str, Any]] = []

        def parsed() -> bool:
            try:
                dag = self.api.dag(dag_id)
                if dag is None:
                    self._check_import_errors(dag_id)
                    return False
                if dag["is_paused"]:
                    self.api.unpause(dag_id)
            except RestError as error:
                if error.status in (0, 500, 503):
                    return False
                raise
            found.append(dag)
            return True

        self._await(parsed, f"Reading the Dag {dag_id}", on_tick, timeout=_DAG_SECONDS)
        return found[0]

    def stop(self, *, grace: float = 10.0) -> None:
        if self.supervisor is not None:
            self.supervisor.stop(grace=grace)
            self.supervisor = None

    def bill(self) -> dict[str, Any]:
        """What the local cloud has charged, all services together; empty with real AWS, or when it is too busy."""
        if self.aws:
            return {}
        try:
            services = self.cloud.request("GET", "/_local/bill").values()
        except RestError:
            return {}
        return {name: sum(charged[name] for charged in services) for name in ("jobs", "characters")}

    def _await(
        self, ready: Callable[[], bool], stage: str, on_tick: Callable[[str], None], *, timeout: float = 0.0
    ) -> None:
        if self.supervisor is not None:
            patience = timeout or self._start_seconds
            self.supervisor.wait_until(ready, timeout=patience, what=stage, on_tick=lambda: on_tick(stage))

    def _cloud_is_up(self) -> bool:
        try:
            return self.cloud.request("GET", "/_local/health").get("status") == "ok"
        except RestError:
            return False

    def _airflow_is_up(self) -> bool:
        try:
            health = self.api.health()
        except RestError:
            return False
        return all((health.get(name) or {}).get("status") == "healthy" for name in components.HEALTH_NAMES.values())

    def _check_import_errors(self, dag_id: str) -> None:
        for error in self.api.import_errors():
            if dag_id in str(error.get("filename")):
                last = str(error["stack_trace"]).strip().splitlines()[-1]
                raise CommandError(
                    f"Airflow cannot read the Dag file {error['filename']}: {last}",
                    remedy="Correct the file (make lint may help), then try again.",
                )
