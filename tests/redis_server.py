"""A Redis of the tests' own: on a free port, with a password, and with a clock, a crash and a loss whenever wanted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "p@ss/word-that-no-log-may-show"
ENCODED = "p%40ss%2Fword-that-no-log-may-show"


class RedisInTest:
    """
    One redis-server, which keeps nothing on disk.

    :param folder: its working folder.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What the setting says."""
        return f"redis://:{ENCODED}@127.0.0.1:{self.port}/1"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # Neither files nor copies of itself on disk: what it forgets is forgotten.
        settings = {"bind": "127.0.0.1", "port": self.port, "requirepass": PASSWORD, "save": "", "appendonly": "no"}
        arguments = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [_program(), *arguments, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        end = time.monotonic() + 30
        while not self.answers():
            assert self._process.poll() is None, "redis-server has ended at once"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it, with all that it knows."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        """A client that is independent of everything that is tested."""
        from redis import Redis

        return Redis(port=self.port, db=1, password=PASSWORD)

    def answers(self) -> bool:
        from redis import RedisError

        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False


def _program() -> str:
    found = shutil.which("redis-server")
    if found is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        # A machine that lives for these tests alone.
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-qq", "--no-install-recommends", "redis-server"], check=False)
        found = shutil.which("redis-server")
    if found is None:
        pytest.fail(
            "There is no redis-server on the PATH, which the tests of limits across machines start for themselves. "
            "Install it: apt install redis-server, or brew install redis. (Narration itself does not need it.)"
        )
    return found
