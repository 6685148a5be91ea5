"""Listening on a port, or a plain sentence that says why not."""

from __future__ import annotations

import errno
import socket


class CloudError(Exception):
    """The local cloud cannot start or went down; the message says what to do."""


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket.

    :param port: 0 takes a free one.
    :param setting: the environment variable that chooses the port, for the message.
    :raises CloudError: when that is not possible.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise CloudError(
                f"port {port} is taken by another process; stop that one, or set {setting} to a free port."
            ) from error
        raise CloudError(
            f"{host}:{port} cannot be listened on ({error.strerror}); set LOCAL_CLOUD_HOST or {setting}."
        ) from error
    return listening
