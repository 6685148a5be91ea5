"""A server that answers what a test tells it to: for what no well-behaved cloud can be made to do."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """
    One answer.

    :param body: bytes, or what is to be written as JSON.
    :param resets: break the connection off instead, after the request was read.
    :param short_by: promise so many bytes more than are sent.
    :param unannounced: do not say how long the body is; it ends with the connection.
    :param drips: send the body byte by byte, with so many seconds before each.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    resets: bool = False
    short_by: int = 0
    unannounced: bool = False
    drips: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers requests in turn with what was scripted, the last answer again and again, and remembers them."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._script: list[Scripted] = []
        script, received = self._script, self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(method=self.command, path=self.path, headers=headers, body=body))
                answer = script.pop(0) if len(script) > 1 else script[0]
                if answer.resets:
                    # Lingering for no time at all makes the kernel send a reset.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if not answer.unannounced:
                    self.send_header("Content-Length", str(len(content) + answer.short_by))
                self.end_headers()
                pieces = [content[at : at + 1] for at in range(len(content))] if answer.drips else [content]
                # Whoever asked may have had enough.
                with suppress(OSError):
                    for piece in pieces:
                        time.sleep(answer.drips)
                        self.wfile.write(piece)
                if answer.short_by or answer.unannounced:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = answer

            def handle(self) -> None:
                # Whoever asked may have gone away in the middle of an answer.
                with suppress(ConnectionError):
                    super().handle()

            def finish(self) -> None:
                # A connection that was reset on purpose cannot be flushed.
                with suppress(OSError, ValueError):
                    super().finish()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answers(self, *answers: Scripted) -> None:
        """Say what comes next."""
        self._script[:] = answers
        self.received.clear()

    @contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
