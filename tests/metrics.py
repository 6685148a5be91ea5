"""A StatsD server for tests: what Airflow's statistics send over UDP, read back."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from narration import metrics

_LINE = re.compile(r"(?P<name>[\w.]+)(?P<tags>(?:,[^:|]+=[^,|]+)*):(?P<value>[^|]+)\|(?P<kind>\w+)")
PREFIX = "airflow.narration."


@dataclass(frozen=True, kw_only=True)
class Sent:
    """
    One metric as it went over the wire.

    :param name: without Airflow's prefix and the project's.
    :param kind: StatsD's: ``c`` counter, ``g`` gauge, ``ms`` timer.
    """

    name: str
    value: float
    kind: str
    tags: dict[str, str]


class StatsD:
    """A socket on a free port, in which what was sent waits to be read."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._read: list[str] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def keep_reading(self) -> None:
        """Read all the time, for senders who send more than a socket holds."""

        def read() -> None:
            while not self._closed.wait(0.02):
                self._drain()

        threading.Thread(target=read, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """Airflow's settings that lead here, with tags."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    @property
    def lines(self) -> list[str]:
        """Everything that was sent so far, as it was sent."""
        self._drain()
        return list(self._read)

    def _drain(self) -> None:
        with self._lock:
            try:
                while not self._closed.is_set():
                    self._read.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return

    @property
    def sent(self) -> list[Sent]:
        """What this project sent so far."""
        found = []
        for line in self.lines:
            if not line.startswith(PREFIX):
                continue
            match = _LINE.fullmatch(line)
            assert match, line
            tags = dict(tag.split("=", 1) for tag in match["tags"].split(",")[1:])
            name = match["name"].removeprefix(PREFIX)
            found.append(Sent(name=name, value=float(match["value"]), kind=match["kind"], tags=tags))
        return found

    def total(self, name: str, **tags: str) -> float:
        """The sum of a counter so far, of those of its parts that have the tags."""
        return sum(one.value for one in self.sent if one.name == name and tags.items() <= one.tags.items())

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._socket.close()


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsD]:
    """Airflow's statistics of this process lead here."""
    server = StatsD()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    metrics._stats.cache_clear()
    yield server
    metrics._stats.cache_clear()
    server.close()
