"""Where everything lies, and the environment in which Airflow and the local cloud run."""

from __future__ import annotations

import json
import os
import secrets
import string
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from include.commands.component import DATABASE
from include.commands.errors import CommandError

CHECKOUT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"

#: Where everything is kept that is made with the local cloud.
STATE = CHECKOUT / ".narration"

#: The Dag that ``make run`` starts.
NARRATE = "narrate_polly"

#: The Dag that narrates whatever lies in an inbox, and so takes no document.
NIGHTLY = "narrate_nightly"

#: The bucket into which Polly writes, in the local cloud.
LOCAL_BUCKET = "narration-output"

_SECRETS = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """
    The folders of one running Narration.

    :param state: everything that it keeps; nothing is written outside.
    :param dags: the Dags that it serves.
    """

    state: Path
    dags: Path = CHECKOUT / "dags"

    @property
    def airflow(self) -> Path:
        return self.state / "airflow"

    @property
    def local_cloud(self) -> Path:
        return self.state / "local_cloud"

    @property
    def store(self) -> Path:
        return self.state / "store"

    @property
    def inbox(self) -> Path:
        return self.state / "inbox"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def record(self) -> Path:
        return self.run / "processes.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def task_log(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> Path:
        """Where Airflow keeps the log of one attempt (its default ``log_filename_template``)."""
        folder = self.airflow / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return folder / f"attempt={try_number}.log"

    def of_aws(self) -> Layout:
        """
        The folders for real AWS, apart from those for the local cloud.

        A clip is known by what it should sound like and not by who spoke it. In one store, Amazon's voices and the
        local cloud's would pass for each other.
        """
        return replace(self, state=self.state / "aws")

    def create(self) -> None:
        for folder in (self.airflow, self.local_cloud, self.store, self.inbox, self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """
    :param airflow: of the UI and REST API.
    :param speech: of the local cloud's Polly.
    :param s3: of the local cloud's S3.
    """

    airflow: int = 8080
    speech: int = 8600
    s3: int = 8601

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Ports:
        return cls(**{name: _port(environment, PORT_VARIABLES[name], getattr(cls, name)) for name in PORT_VARIABLES})

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.airflow}"

    @property
    def airflow_url(self) -> str:
        return f"http://{LOOPBACK}:{self.airflow}"

    @property
    def speech_url(self) -> str:
        return f"http://{LOOPBACK}:{self.speech}"

    @property
    def s3_url(self) -> str:
        return f"http://{LOOPBACK}:{self.s3}"


#: The environment variable that moves each port.
PORT_VARIABLES = {
    "airflow": "AIRFLOW_PORT",
    "speech": "LOCAL_CLOUD_SPEECH_PORT",
    "s3": "LOCAL_CLOUD_S3_PORT",
}


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CommandError(
            f"{variable} is {text!r}, which is not a port.",
            remedy=f"Give a number from 1 to 65535, or unset {variable}.",
        )
    return int(text)


def read_settings(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, the format that docker compose takes as an ``env_file``."""
    settings = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings[name.strip()] = value.strip()
    return settings


def connections(environment: Mapping[str, str], *, ports: Ports) -> dict[str, str]:
    """The connections of ``include/airflow/connections.json`` as Airflow reads them from its environment."""
    rendered = rendered_connections(
        speech_url=ports.speech_url, s3_url=ports.s3_url, preset=environment.get("LOCAL_CLOUD_PRESET", "fast")
    )
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in rendered.items()}


def rendered_connections(*, speech_url: str, s3_url: str, preset: str) -> dict[str, dict[str, Any]]:
    """
    The connections of ``include/airflow/connections.json``, by id.

    :param speech_url: of the local cloud's Polly and Azure Speech.
    :param s3_url: of its S3.
    :param preset: ``documented`` has the quotas that AWS grants everybody, ``fast`` generous ones.
    """
    text = (CHECKOUT / "include" / "airflow" / "connections.json").read_text(encoding="utf-8")
    text = string.Template(text).substitute(
        LOCAL_CLOUD_SPEECH_URL=speech_url,
        LOCAL_CLOUD_S3_URL=s3_url,
        LOCAL_CLOUD_STARTS_PER_SECOND=40 if preset == "fast" else 10,
        LOCAL_CLOUD_READS_PER_SECOND=40 if preset == "fast" else 10,
    )
    return dict(json.loads(text))


def uses_aws(environment: Mapping[str, str]) -> bool:
    """Whether real AWS was asked for (``NARRATION_CLOUD=aws``). Never by accident: that costs money."""
    cloud = environment.get("NARRATION_CLOUD", "local").strip().lower() or "local"
    if cloud not in ("local", "aws"):
        raise CommandError(
            f"NARRATION_CLOUD is {cloud!r}.", remedy="Say local (the local cloud, free) or aws (real AWS, paid)."
        )
    return cloud == "aws"


def airflow_environment(
    environment: Mapping[str, str], *, layout: Layout, ports: Ports, aws: bool = False
) -> dict[str, str]:
    """
    The environment of every Airflow component.

    What ties it to this checkout is set, whatever the caller's own environment says about
    some other Airflow; how it is tuned can be overridden from there.
    """
    folder = CHECKOUT / "include" / "airflow"
    tuning = {**read_settings(folder / "settings.env"), **read_settings(folder / "embedded.env")}
    result = {**tuning, **environment}
    for name in ("PYTHONPATH", "PYTHONHOME", "AIRFLOW_CONFIG", "_AIRFLOW__AS_LIBRARY"):
        result.pop(name, None)
    result.update(
        AIRFLOW_HOME=str(layout.airflow),
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__DAGS_FOLDER=str(layout.dags),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(CHECKOUT / "plugins"),
        AIRFLOW__CORE__AUTH_MANAGER="airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        # No login: the server listens on the loopback interface only.
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{ports.airflow_url}/execution/",
        AIRFLOW__API__HOST=LOOPBACK,
        AIRFLOW__API__PORT=str(ports.airflow),
        AIRFLOW__API__BASE_URL=ports.ui_url,
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(layout.airflow / "logs"),
        AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY=str(layout.airflow / "logs" / "dag_processor"),
        # SQLite gives up after five seconds by default; here writers queue for a minute.
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{layout.airflow / DATABASE}?timeout=60",
        AIRFLOW__DATABASE__CHECK_MIGRATIONS="False",
        PYTHONUNBUFFERED="1",
        NO_COLOR="1",
        **_secrets(layout.airflow / "secrets.json"),
    )
    storage = f"file://{layout.store}"
    result.setdefault("AIRFLOW__NARRATION__INBOX", f"file://{layout.inbox}")
    if aws:
        result.setdefault("AIRFLOW__NARRATION__STORAGE", storage)
    else:
        # A store that the shell names is for real audio.
        result["AIRFLOW__NARRATION__STORAGE"] = storage
        result["AIRFLOW__NARRATION__POLLY_BUCKET"] = LOCAL_BUCKET
        result.update(connections(environment, ports=ports))
    for name in ("NO_PROXY", "no_proxy"):
        # Components talk to each other over loopback, and must not be sent to a proxy for it.
        result[name] = ",".join(filter(None, (result.get(name, ""), LOOPBACK, "localhost")))
    return result


def local_cloud_environment(environment: Mapping[str, str], *, layout: Layout, ports: Ports) -> dict[str, str]:
    return {
        "LOCAL_CLOUD_HOST": environment.get("LOCAL_CLOUD_HOST", LOOPBACK),
        "LOCAL_CLOUD_SPEECH_PORT": str(ports.speech),
        "LOCAL_CLOUD_S3_PORT": str(ports.s3),
        "LOCAL_CLOUD_STATE": environment.get("LOCAL_CLOUD_STATE") or str(layout.local_cloud),
        "LOCAL_CLOUD_PRESET": environment.get("LOCAL_CLOUD_PRESET") or "fast",
    }


def _secrets(path: Path) -> dict[str, str]:
    """The keys with which this state folder's Airflow encrypts and signs: made once, readable by the owner only."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        made = {name: urlsafe_b64encode(secrets.token_bytes(32)).decode() for name in _SECRETS}
    except ValueError as error:
        raise CommandError(
            f"{path} is damaged, so Airflow cannot decrypt what it stored.",
            remedy=f"Remove the folder {path.parent}: Airflow starts afresh and no audio is lost.",
        ) from error
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(made, file)
    temporary.replace(path)
    return made
