"""
The points at which a process can be killed.

An order to kill is ``<point>`` or ``<point>:<n>``: at the n-th time (1 if not given) that the process comes by. A point
may be a pattern (``write.*``); occurrences of all that it matches are then counted together. The points:

``begun``, ``returned``, ``deferred``, ``fired``
    the step has just begun; it is done, it has deferred, its trigger has fired, and Airflow has not been told.
``loaded``
    the document was read.
``<request>.before``, ``.half_sent``, ``.sent``, ``.accepted``, ``.answered``, ``.body``
    of a request: before anything is sent; half of it was; all of it was; an answer has arrived and nobody has looked at
    it; its head was read; half of its body was. Requests are called ``buy``, ``look`` (where does this job stand),
    ``list``, ``ask`` (voices), ``download``, ``delete`` and ``put``.
``buy.asked``
    a purchase is about to be put into words; no request exists yet.
``write.<file>.before``, ``.half``, ``.written``, ``.after``
    of a file of the store: before; half of its bytes are on the disk; all of them, under another name; it is there.
    Files are called ``document``, ``plan``, ``order``, ``claim`` (taking it), ``settled`` (what came of it), ``record``
    (after a look), ``intent`` (before a purchase), ``answer`` (after it), ``boundaries``, ``audio``, ``facts``,
    ``mp3``, ``m4b``, ``manifest``.
``wait.look``, ``wait.looked``
    a trigger asks about its jobs; it has an answer.
``assemble.clip``, ``assemble.verify``
    a clip is read for the narration; a finished file is about to be checked.
``audit.<event>``
    any of Python's audit events of :data:`AUDITED`, of which nobody has chosen one: ``audit.open:17``, ``audit.*:40``.

What happens there is one of :data:`ACTS`. To add a point, call :func:`reach` from a wrapper in :func:`install`; to give
a step of the protocol to the matrix, add a line to :data:`tests.crash.steps.STEPS`.
"""

from __future__ import annotations

import builtins
import fnmatch
import http.client
import json
import os
import re
import select
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

ACTS = ("kill", "stop", "kill_cloud", "kill_both")
"""SIGKILL for this process; SIGSTOP for it; SIGKILL for the local cloud, and it goes on; SIGKILL for both."""

AUDITED = frozenset(
    {
        "open",
        "os.rename",
        "os.link",
        "os.remove",
        "os.mkdir",
        "shutil.copyfile",
        "socket.connect",
        "http.client.connect",
        "http.client.send",
        "sqlite3.connect",
        "tempfile.mkstemp",
        "tempfile.mkdtemp",
        "fcntl.flock",
    }
)

_replace, _link, _open, _write_out = os.replace, os.link, builtins.open, os.write


@dataclass(kw_only=True)
class KillOrder:
    """
    Where and how.

    :param point: name or pattern.
    :param nth: at which occurrence.
    :param act: one of :data:`ACTS`.
    :param cloud: process id of the local cloud.
    :param note: file in which it says where it was carried out.
    """

    point: str
    nth: int = 1
    act: str = "kill"
    cloud: int = 0
    note: str = ""
    _seen: int = field(default=0, init=False)

    @classmethod
    def parse(cls, text: str, **more: Any) -> KillOrder:
        """Read ``point`` or ``point:n``."""
        point, _, nth = text.partition(":")
        return cls(point=point, nth=int(nth or 1), **more)

    def meets(self, name: str) -> bool:
        """Count an occurrence, and tell whether it is the one."""
        if not fnmatch.fnmatchcase(name, self.point):
            return False
        self._seen += 1
        return self._seen == self.nth

    def carry_out(self, name: str) -> None:
        """Do what is to be done at this point."""
        # Into the file whole before anything dies: whoever counts the dead reads it.
        descriptor = os.open(self.note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _write_out(descriptor, f"{name}\n".encode())
        os.close(descriptor)
        if self.act in {"kill_cloud", "kill_both"}:
            os.kill(self.cloud, signal.SIGKILL)
        if self.act in {"kill", "kill_both"}:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.act == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)


_orders: list[KillOrder] = []
_counts: Counter[str] = Counter()
_lock = threading.RLock()
_local = threading.local()


def reach(name: str) -> None:
    """The process comes by a point."""
    due = meets(name)
    if due is not None:
        due.carry_out(name)


def meets(name: str) -> KillOrder | None:
    """Count a point, and give the order that is to be carried out there, for a caller who does half of something."""
    if getattr(_local, "quiet", False):
        return None
    with _lock:
        _local.quiet = True
        try:
            _counts[name] += 1
            return next((order for order in _orders if order.meets(name)), None)
        finally:
            _local.quiet = False


def counted() -> dict[str, int]:
    """How often which point was passed."""
    with _lock:
        return dict(_counts)


def install(orders: list[KillOrder]) -> None:
    """Begin to count, and carry the orders out; in a process that does nothing else."""
    _orders[:] = orders
    _counts.clear()
    _wrap_http()
    _wrap_files()
    _wrap_library()
    # Counting them costs something, so only where they are meant.
    if any(fnmatch.fnmatchcase("audit.", order.point[:6]) or order.point == "*" for order in orders):
        sys.addaudithook(_audited)


def _wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))


def _audited(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in AUDITED or getattr(_local, "quiet", False):
        return
    if event == "open" and str(arguments[0]).endswith((".py", ".pyc", ".so")):
        return
    reach(f"audit.{event}")


# -- requests --------------------------------------------------------------------------------------------------------

_REQUESTS = (
    ("buy", re.compile(r"POST /v1/synthesisTasks")),
    ("list", re.compile(r"GET /v1/synthesisTasks(\?|$)")),
    ("look", re.compile(r"GET /v1/synthesisTasks/")),
    ("ask", re.compile(r"GET /v1/(voices|lexicons)|GET .*/voices(/list)?(\?|$)")),
    ("buy", re.compile(r"(PUT|POST) (/api)?/texttospeech/")),
    ("delete", re.compile(r"DELETE (/api)?/texttospeech/")),
    ("list", re.compile(r"GET (/api)?/texttospeech/[^?]*(batchsyntheses|batchsynthesis|longaudiosynthesis)/?(\?|$)")),
    ("look", re.compile(r"GET (/api)?/texttospeech/")),
    ("list", re.compile(r"GET .*list-type=2")),
    ("look", re.compile(r"HEAD ")),
    ("put", re.compile(r"(PUT|POST) ")),
    ("delete", re.compile(r"DELETE ")),
    ("download", re.compile(r"GET ")),
)


def request_name(method: str, url: str) -> str:
    """What a request is for."""
    path = re.sub(r"^https?://[^/]+", "", url)
    return next((name for name, pattern in _REQUESTS if pattern.match(f"{method} {path}")), "other")


def _wrap_http() -> None:
    connection, response = http.client.HTTPConnection, http.client.HTTPResponse

    def putrequest(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            self.crash_name = request_name(method, url)
            reach(f"{self.crash_name}.before")
            self.crash_begins = True
            return original(self, method, url, *args, **kwargs)

        return wrapped

    def send(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, data: Any) -> Any:
            if getattr(self, "crash_begins", False) and isinstance(data, bytes | bytearray):
                self.crash_begins = False
                due = meets(f"{self.crash_name}.half_sent")
                if due is not None:
                    half = len(data) // 2
                    original(self, data[:half])
                    due.carry_out(f"{self.crash_name}.half_sent")
                    return original(self, data[half:])
            return original(self, data)

        return wrapped

    def getresponse(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            name = getattr(self, "crash_name", "other")
            reach(f"{name}.sent")
            due = meets(f"{name}.accepted")
            if due is not None:
                if self.sock is not None:
                    select.select([self.sock], [], [], 30)
                due.carry_out(f"{name}.accepted")
            answer = original(self, *args, **kwargs)
            reach(f"{name}.answered")
            # urllib3 wraps it; its own is below.
            inner = getattr(answer, "_fp", answer)
            inner.crash_name = name
            return answer

        return wrapped

    def body(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            name = self.__dict__.pop("crash_name", None)
            if name is not None and self.length:
                due = meets(f"{name}.body")
                if due is not None:
                    begun = read(self, max(1, self.length // 2))
                    due.carry_out(f"{name}.body")
                    # Whoever survives this (another process was killed) is given what came, and reads on.
                    if len(args) != 1 or args[0] is None:
                        return begun + original(self, *args, **kwargs)
                    return begun
            return original(self, *args, **kwargs)

        return wrapped

    read = response.read
    _wrap(connection, "putrequest", putrequest)
    _wrap(connection, "send", send)
    _wrap(connection, "getresponse", getresponse)
    _wrap(response, "read", body)
    _wrap(response, "read1", body)


# -- files of the store ----------------------------------------------------------------------------------------------

_FILES = (
    ("claim", re.compile(r"/clips/.*\.claim-\d+\.json$")),
    ("boundaries", re.compile(r"/clips/.*\.boundaries\.json$")),
    ("facts", re.compile(r"/clips/.*\.json$")),
    ("audio", re.compile(r"/clips/")),
    ("record", re.compile(r"/orders/.*\.record\.json$")),
    ("order", re.compile(r"/orders/")),
    ("document", re.compile(r"/documents/")),
    ("plan", re.compile(r"/plans/")),
    ("manifest", re.compile(r"/narrations/.*/manifest\.json$")),
    ("mp3", re.compile(r"/narrations/.*\.mp3$")),
    ("m4b", re.compile(r"/narrations/.*\.m4b$")),
)
_PARTIAL = re.compile(r"\.[0-9a-f]{8}\.part$")
_names: dict[str, str] = {}


def file_name(path: str, data: bytes | None = None) -> str:
    """What a file of the store is for; a record and a claim by what is in them."""
    name = next((name for name, pattern in _FILES if pattern.search(path)), "other")
    if data is not None and name == "record":
        record = json.loads(data)
        name = "intent" if record["intents"] else "answer" if record["jobs"] else "record"
    if data is not None and name == "claim" and ("job" in (claim := json.loads(data)) or "released" in claim):
        name = "settled"
    return name


class _HalfWriter:
    """A file that is opened to be written in one go."""

    def __init__(self, file: Any, path: str) -> None:
        self._file = file
        self._path = path

    def __enter__(self) -> _HalfWriter:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def write(self, data: bytes) -> int:
        name = _names[self._path] = file_name(_PARTIAL.sub("", self._path), data)
        reach(f"write.{name}.before")
        due = meets(f"write.{name}.half")
        if due is None:
            return self._file.write(data)
        half = self._file.write(data[: len(data) // 2])
        self._file.flush()
        due.carry_out(f"write.{name}.half")
        return half + self._file.write(data[half:])


def _wrap_files() -> None:
    import fsspec.implementations.local

    import narration.store

    def open_store(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = _open(path, mode, *args, **kwargs)
        return _HalfWriter(file, os.fspath(path)) if "w" in mode else file

    narration.store.open = open_store  # type: ignore[attr-defined]

    def moving(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(source: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            name = _names.pop(os.fspath(source), None)
            if name is None:
                return original(source, target, *args, **kwargs)
            reach(f"write.{name}.written")
            done = original(source, target, *args, **kwargs)
            reach(f"write.{name}.after")
            return done

        return wrapped

    _wrap(os, "replace", moving)
    _wrap(os, "link", moving)

    def put_file(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, source: str, target: str, *args: Any, **kwargs: Any) -> Any:
            name = _names[target] = file_name(_PARTIAL.sub("", target))
            reach(f"write.{name}.before")
            due = meets(f"write.{name}.half")
            if due is not None:
                with _open(source, "rb") as whole, _open(target, "wb") as part:
                    shutil.copyfileobj(whole, part)
                    part.truncate(os.path.getsize(source) // 2)
                due.carry_out(f"write.{name}.half")
            return original(self, source, target, *args, **kwargs)

        return wrapped

    _wrap(fsspec.implementations.local.LocalFileSystem, "put_file", put_file)


# -- the library's own moments ---------------------------------------------------------------------------------------


def _wrap_library() -> None:
    import narration.audio.assembly
    import narration.document.reading
    import narration.hooks.azure_speech
    import narration.hooks.polly
    import narration.store
    import narration.triggers.jobs

    def before(point: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                reach(point)
                return original(*args, **kwargs)

            return wrapped

        return make

    for owner, name in (
        (narration.hooks.polly.PollyHook, "start_speech_synthesis_task"),
        (narration.hooks.azure_speech.AzureSpeechHook, "create_batch_synthesis"),
        (narration.hooks.azure_speech.AzureSpeechHook, "create_long_audio_synthesis"),
    ):
        _wrap(owner, name, before("buy.asked"))
    _wrap(narration.document.reading, "read_document", before("loaded"))
    _wrap(narration.store.Store, "clip_audio", before("assemble.clip"))
    _wrap(narration.audio.assembly, "verify_file", before("assemble.verify"))

    def make_service(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(name: str, connection: Mapping[str, Any]) -> Any:
            adapter = original(name, connection)
            look = adapter.outstanding_jobs

            async def outstanding_jobs(job_ids: Any) -> Any:
                reach("wait.look")
                found = await look(job_ids)
                reach("wait.looked")
                return found

            adapter.outstanding_jobs = outstanding_jobs
            return adapter

        return wrapped

    _wrap(narration.triggers.jobs, "make_service", make_service)


def note_of(folder: Path) -> Path:
    """Where orders of a step say that they were carried out."""
    return folder / "carried-out"
