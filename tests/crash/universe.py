"""A cloud, a machine's temporary folder, a clock: all that attempts share, and what it takes to run one and kill it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.crash.clock import SharedOffset
from tests.crash.points import note_of
from tests.crash.zygote import Child, Zygote

REGION = "us-east-1"
BUCKET = "narration-output"
_CLOUD_STARTS = 40.0
_PATIENCE = 60.0
_DYING = 5.0


class UniverseError(AssertionError):
    """Something that no scenario does by itself happened: a process hangs, the cloud does not start."""


@dataclass(kw_only=True)
class Attempt:
    """
    One process that does one step.

    :param folder: where its log and its outcome are.
    """

    child: Child
    folder: Path

    @property
    def outcome(self) -> dict[str, Any] | None:
        """What came of it, once it has ended; ``None`` if it died."""
        try:
            return json.loads((self.folder / "outcome").read_text())
        except FileNotFoundError:
            return None

    @property
    def carried_out(self) -> list[str]:
        """The points at which its orders to kill were carried out."""
        note = note_of(self.folder)
        return note.read_text().split() if note.exists() else []


@dataclass(kw_only=True)
class Universe:
    """
    What the attempts of one lane share. Use as a context manager.

    :param folder: everything lies below it.
    """

    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack, init=False)
    _attempts: int = field(default=0, init=False)
    _starts: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        tmp = self.folder / "tmp"
        tmp.mkdir()
        clock = self.folder / "clock"
        self.clock = SharedOffset(clock)
        self._ports = _free_ports()
        common = {
            "TMPDIR": str(tmp),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            "PYTHONPATH": os.pathsep.join(("plugins", ".")),
        }
        cloud = Zygote("tests.crash.cloud", environment=common, log=self.folder / "cloud.log")
        self._clouds = self._stack.enter_context(cloud)
        victims = Zygote(
            "tests.crash.victim",
            environment={**common, "CRASH_CLOCK": str(clock)},
            log=self.folder / "victims.log",
        )
        self._victims = self._stack.enter_context(victims)
        self.start_cloud()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # -- the cloud -----------------------------------------------------------------------------------------------

    def start_cloud(self) -> None:
        """Start the local cloud, on the state and the ports that it has had all along."""
        self._starts += 1
        ready = self.folder / f"ready-{self._starts}"
        speech, s3 = self._ports
        state = self.folder / "cloud"
        order = {"state": str(state), "speech_port": speech, "s3_port": s3, "ready": str(ready)}
        self.cloud = self._clouds.fork(order)
        end = time.monotonic() + _CLOUD_STARTS
        while not ready.exists():
            if self.cloud.status is not None or time.monotonic() > end:
                raise UniverseError(f"The local cloud did not start; see {self.folder / 'cloud.log'}.")
            time.sleep(0.01)
        urls = json.loads(ready.read_text())
        self.speech_url, self.s3_url = urls["speech_url"], urls["s3_url"]
        self._keep_time()

    def mend_cloud(self) -> bool:
        """Start the local cloud again if it is dead; whether it was."""
        if self.cloud.status is None:
            return False
        self.start_cloud()
        return True

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Talk to the cloud's admin endpoints; one that was killed a moment ago is started again."""
        try:
            return self._call(method, path, body)
        except (ConnectionError, urllib.error.URLError, http.client.HTTPException):
            if self.cloud.wait(_DYING) is None:
                raise
        self.mend_cloud()
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            f"{self.speech_url}/_local/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def bill(self) -> dict[str, dict[str, int]]:
        """Jobs and characters by service, since the universe began."""
        return self.call("GET", "bill")

    def move(self, seconds: float) -> None:
        """Move everybody's wall clock."""
        self.clock.move(seconds)
        if self.cloud.status is None:
            self._keep_time()

    def _keep_time(self) -> None:
        behind = self.clock() - self.call("GET", "clock")["advanced_seconds"]
        if behind > 0.001:
            self.call("POST", "clock", {"advance_seconds": behind})

    # -- attempts ------------------------------------------------------------------------------------------------

    def environment(self, *, azure_key: str) -> dict[str, str]:
        """The Airflow connections of one scenario."""
        many = {"requests": 100_000, "seconds": 1}
        aws = {
            "conn_type": "aws",
            "login": "local",
            "password": "local-secret",
            "extra": {
                "region_name": REGION,
                "polly_quotas": {"start": 1000, "read": 1000},
                "service_config": {
                    name: {"endpoint_url": self.speech_url if name == "polly" else self.s3_url}
                    for name in ("polly", "s3", "sns", "sts")
                },
            },
        }
        quotas = dict.fromkeys(("batch-synthesis-2024-04-01", "batch-synthesis-3.1-preview1", "long-audio-v3.0"), many)
        azure = {
            "conn_type": "azure_speech",
            "host": self.speech_url,
            "password": azure_key,
            "extra": {"region": "eastus", "quotas": quotas},
        }
        return {
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
            "AIRFLOW_CONN_AZURE_SPEECH_DEFAULT": json.dumps(azure),
        }

    def begin(self, folder: Path, order: Mapping[str, Any], *, kill: Sequence[Mapping[str, Any]] = ()) -> Attempt:
        """Begin one step; what it is and what it is given is in ``order`` (see :mod:`tests.crash.victim`)."""
        self._attempts += 1
        place = folder / f"{self._attempts:05}-{order['step']}"
        place.mkdir(parents=True)
        orders = [{**each, "cloud": self.cloud.pid} for each in kill]
        whole = {**order, "folder": str(place), "kill": orders}
        (place / "order").write_text(json.dumps(whole, indent=1))
        return Attempt(child=self._victims.fork(whole), folder=place)

    def finish(self, attempt: Attempt, *, within: float = _PATIENCE) -> int:
        """
        Wait for a step's end, and start the cloud again if it dies meanwhile.

        :raises UniverseError: it hangs.
        """
        end = time.monotonic() + within
        while (status := attempt.child.wait(0.02)) is None:
            self.mend_cloud()
            if time.monotonic() > end:
                attempt.child.kill()
                raise UniverseError(f"A step did not end within {within} s; see {attempt.folder}.")
        return status

    def wait_for_note(self, attempt: Attempt, *, within: float = _PATIENCE) -> bool:
        """Wait until a step has come to its point, and stands still there; ``False`` if it ended without."""
        end = time.monotonic() + within
        while not (attempt.carried_out and _is_stopped(attempt.child.pid)):
            if attempt.child.wait(0.002) is not None:
                return False
            if time.monotonic() > end:
                attempt.child.kill()
                raise UniverseError(f"A step came to no point within {within} s; see {attempt.folder}.")
        return True

    def go_on(self, *attempts: Attempt) -> None:
        """Let steps that stand still go on, all at once."""
        for attempt in attempts:
            attempt.child.signal(signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"T", "t"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
