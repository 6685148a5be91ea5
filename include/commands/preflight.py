"""Everything that can be known to fail is found before anything is started."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil

from include.commands.errors import CommandError
from include.commands.settings import LOOPBACK

# In a database URL, or in a value of Airflow's configuration, these mean something else.
_MISREAD = "?%#$"
_NEEDED_BYTES = 500 * 1024 * 1024
#: How long a killed process may take to let go of its sockets.
_DYING_SECONDS = 20.0


def check_state_folder(state: Path, *, needed: int = _NEEDED_BYTES) -> None:
    """
    :raises CommandError: when the folder cannot be written, or its disk is nearly full.
    """
    odd = [character for character in _MISREAD if character in str(state)]
    if odd:
        raise CommandError(
            f"The path {state} contains {odd[0]!r}, which SQLite's and Airflow's settings would misread.",
            remedy="Move the checkout to a path without it (spaces do no harm).",
        )
    probe = state / ".probe"
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
        free = shutil.disk_usage(state).free
    except OSError as error:
        raise disk_error(error, folder=state) from error
    if free < needed:
        raise CommandError(
            f"Only {free // 2**20} MB are free on the disk of {state}; Narration wants {needed // 2**20} MB.",
            remedy="Free some space (make clean removes the environment and all state but your audio), then try again.",
        )


def disk_error(error: OSError, *, folder: Path) -> CommandError:
    """The words for a write that failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CommandError(f"The disk of {folder} is full.", remedy="Free some space, then try again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CommandError(
            f"{error.filename or folder} cannot be written ({error.strerror}).",
            remedy=f"Make {folder} writable for you, or use a checkout that is.",
        )
    return CommandError(f"{error.filename or folder}: {error.strerror}.", remedy=f"Look at {folder}.")


def check_port(port: int, *, purpose: str, variable: str, host: str = LOOPBACK) -> None:
    """
    :raises CommandError: when somebody listens there already, naming him when the system tells.
    """
    deadline = time.monotonic() + _DYING_SECONDS
    while True:
        error = _bind_error(host, port)
        if error is None:
            return
        if error.errno == errno.EACCES:
            raise CommandError(
                f"Port {port}, wanted for {purpose}, is reserved for the system.",
                remedy=f"Choose another, e.g. {variable}={port + 8000 if port < 1024 else port + 100}.",
            )
        if error.errno != errno.EADDRINUSE:
            raise CommandError(f"Port {port} on {host}: {error.strerror}.", remedy=f"See {variable}.")
        holder = _holder(port)
        # A killed process is no longer shown while its last threads still hold its sockets.
        if holder or time.monotonic() > deadline:
            raise CommandError(
                f"Port {port}, wanted for {purpose}, is taken{holder}.",
                remedy=f"End that process, or choose another port: {variable}={port + 100}.",
            )
        time.sleep(0.1)


def _bind_error(host: str, port: int) -> OSError | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error
    return None


def _holder(port: int) -> str:
    """Who listens on a port, as far as the system tells (other users' processes it does not)."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline()) or process.name()
                return f" by process {connection.pid} ({command[:80]})"
    except (psutil.Error, OSError):
        return ""
    return ""


def resolve_document(document: str, *, folder: Path) -> str:
    """
    What to hand to the Dag for a document that a person named.

    :param document: a path (relative to where the command was typed), or a URI.
    :return: an absolute path, or the URI as it is.
    :raises CommandError: when a local file does not exist or cannot be read. A remote one is
        the Dag's to look for: it has the connection.
    """
    parts = urlsplit(document)
    if parts.scheme and parts.scheme != "file" and "://" in document:
        return document
    path = Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(document).expanduser()
    path = folder / path
    if path.is_dir():
        raise CommandError(f"{path} is a folder.", remedy="Name one file: make run DOCUMENT=path/to/book.txt")
    if not path.exists():
        raise CommandError(
            f"There is no document {path}.",
            remedy="Check the path; make run DOCUMENT=path/to/book.txt takes a path or a URI such as s3://bucket/key.",
        )
    if not os.access(path, os.R_OK):
        raise CommandError(f"{path} cannot be read.", remedy=f"Allow it: chmod u+r '{path}'")
    return str(path.resolve())
