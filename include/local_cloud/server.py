"""The local cloud as one object: storage, services and their server, in threads of this process."""

from __future__ import annotations

import secrets
import signal
import socket
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import uvicorn
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from include.local_cloud.admin import Admin
from include.local_cloud.aws_messaging_calls import SQS_OPERATIONS, MessagingCalls
from include.local_cloud.aws_storage import AwsStorage, AwsStorageError
from include.local_cloud.azure.blob_api import SERVICE as BLOB_SERVICE
from include.local_cloud.azure.cloud import AzureSpeech
from include.local_cloud.azure.errors import AzureError, ErrorStyle
from include.local_cloud.azure.quotas import SERVICES
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.calls import CallCounter
from include.local_cloud.clock import Clock
from include.local_cloud.faults import Faults
from include.local_cloud.listening import CloudError, listen
from include.local_cloud.polly.api import ROUTES, PollyApi, refusal
from include.local_cloud.polly.errors import PollyError
from include.local_cloud.polly.service import PollyService
from include.local_cloud.polly.tasks import TaskLedger
from include.local_cloud.polly.tokens import PageTokens
from include.local_cloud.polly.worker import Storage, TaskWorker
from include.local_cloud.rendering import Renderer
from include.local_cloud.replies import TransportInScope
from include.local_cloud.settings import PRESETS, PollyReadings, Preset
from include.local_cloud.speech import SpeechRequest
from include.local_cloud.state import State
from include.local_cloud.throttling import Throttle
from include.local_cloud.trouble import Trouble

BUCKETS = ("narration", "narration-output")
_START_TIMEOUT = 30.0


class StorageServer(Storage, Protocol):
    """S3 and SNS with their own address."""

    endpoint_url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def ensure_bucket(self, name: str, region: str = "us-east-1") -> None: ...


class LocalCloud:
    """Polly, Azure Speech, S3 and SNS on localhost, from ``start`` to ``stop`` or as a context manager.

    :param preset: ``fast`` or ``documented``, or a :class:`Preset` of your own.
    :param state: its folder; a temporary one, removed at the end, when ``None``.
    :param clock: the cloud's clock; wall time, moved by the state's offset, when ``None``.
    :param speech_port: 0 takes a free one; ``speech_url`` then says which. Likewise ``s3_port``.
    :param render: replaces the speech maker, for tests that need no real audio.
    :param storage: replaces the storage server.
    :raises CloudError: when a port is taken.
    :raises StateError: when the state folder cannot be used.
    """

    def __init__(
        self,
        *,
        preset: str | Preset = "fast",
        state: Path | None = None,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        speech_port: int = 0,
        s3_port: int = 0,
        readings: PollyReadings | None = None,
        azure_readings: AzureReadings | None = None,
        render: Callable[[SpeechRequest], bytes] | None = None,
        storage: StorageServer | None = None,
    ) -> None:
        self._preset = PRESETS[preset] if isinstance(preset, str) else preset
        self._folder = state
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._clock = clock
        self._host = host
        self._speech_port = speech_port
        self._s3_port = s3_port
        self._readings = readings or PollyReadings()
        self._azure_readings = azure_readings or AzureReadings()
        self._render = render
        self._given_storage = storage
        self._started_storage: StorageServer | None = None
        self._trouble = Trouble()
        self._state: State | None = None
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.speech_url = ""
        self.s3_url = ""

    @property
    def clock(self) -> Clock:
        if self._clock is None:
            raise CloudError("The clock exists once the local cloud was started; call start() first.")
        return self._clock

    @property
    def storage(self) -> StorageServer:
        if self._started_storage is None:
            raise CloudError("The storage exists once the local cloud was started; call start() first.")
        return self._started_storage

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Returns when every endpoint answers."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="local-cloud-")
        folder = self._folder or Path(self._temporary.name if self._temporary else "")
        # Both ports before anything else, so that a taken one leaves nothing behind.
        self._socket = listen(self._host, self._speech_port, setting="LOCAL_CLOUD_SPEECH_PORT")
        listen(self._host, self._s3_port, setting="LOCAL_CLOUD_S3_PORT").close()
        self._state = State(folder=folder)
        faults = Faults()
        messaging = MessagingCalls(faults=faults)
        self._started_storage = self._given_storage or AwsStorage(
            host=self._host,
            port=self._s3_port,
            state=folder / "storage",
            trouble=self._trouble,
            messaging=messaging,
        )
        try:
            self._started_storage.start()
        except AwsStorageError as error:
            raise CloudError(str(error)) from error
        for bucket in BUCKETS:
            self._started_storage.ensure_bucket(bucket)
        self.s3_url = self._started_storage.endpoint_url
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.speech_url = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            TransportInScope(self._application(self._state, self._started_storage, faults, messaging)),
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            # Longer than clients keep idle connections, so that the server is never the one to hang up on a call.
            timeout_keep_alive=120,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=_serve, args=(self._server, self._socket), name="local-cloud", daemon=True
        )
        self._thread.start()
        self._await_start()

    def _await_start(self) -> None:
        waited = threading.Event()
        for _ in range(int(_START_TIMEOUT / 0.01)):
            if self._server is not None and self._server.started:
                return
            if not self.running:
                break
            waited.wait(0.01)
        raise CloudError("The local cloud's server did not start; its log says why.")

    def stop(self) -> None:
        """Stop at once; unfinished tasks go on when the same state is started again."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        if self._socket is not None:
            self._socket.close()
        if self._started_storage is not None:
            self._started_storage.stop()
        if self._state is not None:
            self._state.close()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._server = self._thread = self._socket = self._state = self._temporary = self._started_storage = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _application(self, state: State, storage: StorageServer, faults: Faults, messaging: MessagingCalls) -> FastAPI:
        if self._clock is None:
            self._clock = Clock(offset=float(state.meta("clock_offset") or 0.0))
            self._clock.on_advance(lambda offset: self._keep_clock(state, offset))
        clock = self._clock
        counter = CallCounter()
        ledger = TaskLedger(state=state)
        renderer = Renderer() if self._render is None else Renderer(render=self._render, in_processes=False)
        worker = TaskWorker(ledger=ledger, storage=storage, renderer=renderer, clock=clock, trouble=self._trouble)
        service = PollyService(
            state=state,
            ledger=ledger,
            worker=worker,
            storage=storage,
            renderer=renderer,
            clock=clock,
            faults=faults,
            preset=self._preset,
            readings=self._readings,
            tokens=PageTokens(secret=_token_secret(state)),
        )
        azure = AzureSpeech(
            state=state,
            clock=clock,
            faults=faults,
            counter=counter,
            trouble=self._trouble,
            renderer=renderer,
            quotas=self._preset.azure,
            readings=self._azure_readings,
            render=self._render,
        )
        throttle = Throttle(rates=self._preset.polly_rates, clock=clock)
        admin = Admin(
            state=state,
            ledger=ledger,
            clock=clock,
            faults=faults,
            counter=counter,
            operations={"polly": tuple(ROUTES), "sqs": SQS_OPERATIONS} | dict(azure.operations),
            billed=("polly", "polly_synchronous", *SERVICES),
            requests=lambda: {BLOB_SERVICE: {"keys_sent": azure.keys_sent_to_blobs}} | messaging.report(),
            trouble=self._trouble,
            health={"preset": self._preset.name, "s3": self.s3_url},
        )

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            worker.start()
            azure.worker.start()
            try:
                yield
            finally:
                await worker.stop()
                await azure.worker.stop()
                renderer.close()
                azure.close()

        application = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
        application.include_router(admin.router())
        application.include_router(
            PollyApi(service=service, throttle=throttle, faults=faults, counter=counter).router()
        )
        for router in azure.routers():
            application.include_router(router)
        application.add_exception_handler(HTTPException, _no_such_operation)
        return application

    def _keep_clock(self, state: State, offset: float) -> None:
        try:
            state.set_meta("clock_offset", repr(offset))
        except sqlite3.Error as error:
            self._trouble.began("The clock", error)
        else:
            self._trouble.ended("The clock")


def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    # Speech processes are started from this thread and inherit its mask: Ctrl-C in a terminal reaches the whole
    # group, and must not hit one of them before it has its own handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    server.run(sockets=[listening])


async def _no_such_operation(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/_local/"):
        return JSONResponse({"message": f"There is no {request.method} {request.url.path}."}, status_code=404)
    if request.url.path.startswith(("/texttospeech/", "/api/texttospeech/")):
        return AzureError(404, "404", "Resource not found").response(ErrorStyle.WRAPPED)
    return refusal(PollyError("UnknownOperationException", "There is no such operation."))


def _token_secret(state: State) -> bytes:
    secret = state.meta("token_secret")
    if secret is None:
        secret = secrets.token_hex(16)
        state.set_meta("token_secret", secret)
    return bytes.fromhex(secret)
