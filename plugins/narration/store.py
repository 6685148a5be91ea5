"""Where clips, orders, plans and narrations live: one folder of any object storage that Airflow knows."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from narration.paths import S3, LocationError, StoreError, object_path, storage_errors
from narration.threads import Threads

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

T = TypeVar("T")
R = TypeVar("R")

PARALLEL_REQUESTS = 8
"""Object-storage requests under way at once in one task."""

SUFFIXES = {
    "wav": "wav",
    "mp3": "mp3",
    "ogg_vorbis": "ogg",
    "ogg_opus": "ogg",
    "pcm": "pcm",
    "mulaw": "ulaw",
    "alaw": "alaw",
}


@dataclass(frozen=True, kw_only=True)
class StoredClip:
    """
    What the store knows of one verified clip.

    :param clip_key: its key.
    :param audio_format: a format of :mod:`narration.audio.formats`.
    :param sample_rate: samples per second.
    :param samples: exact length, in decoded samples.
    :param sha256: hash of its bytes.
    :param bytes: their number.
    :param service: who made it.
    :param job_id: the job that made it.
    :param characters: billable characters.
    :param characters_reported: whether the service counted them (otherwise they are an estimate).
    :param order_id: the order whose record knows the job; empty for clips from before this was noted.
    """

    clip_key: str
    audio_format: str
    sample_rate: int
    samples: int
    sha256: str
    bytes: int
    service: str
    job_id: str
    characters: int
    characters_reported: bool
    order_id: str = ""


class Store:
    """
    Keep clips under their keys, and orders, plans and manifests beside them.

    Layout::

        clips/<first two characters>/<clip key>.<suffix>   audio, verified
        clips/<first two characters>/<clip key>.json       its facts; a clip is in the store if this file is there
        clips/<first two characters>/<clip key>.claim-N.json   who is buying it, or bought it
        clips/<first two characters>/<clip key>.boundaries.json   when its words and sentences are spoken, if known
        orders/<order id>.json                             what an order wants
        orders/<order id>.record.json                      what became of it: a cache of the service's own list
        documents/, plans/                                 what one run hands from task to task
        narrations/<name>/                                 finished audio and its manifest

    Nothing is ever half there: local files are written under another name and renamed, object stores replace an
    object at once, and the small file that says "this is there" is written last.

    :param location: a path or URI, for example ``s3://my_aws@bucket/narration``,
        ``abfs://my_azure@container/narration`` or ``file:///data/narration``.
    :param conn_id: AWS connection for an S3 location that names none.
    :raises LocationError: if the location is empty or not understood.
    """

    def __init__(self, *, location: str, conn_id: str | None = None) -> None:
        if not location.strip():
            raise LocationError(
                "No storage is set. Give the parameter 'storage' a URI such as s3://bucket/prefix or file:///path, "
                "or set AIRFLOW__NARRATION__STORAGE."
            )
        self.root = object_path(location.rstrip("/"), conn_id=conn_id, parameter="storage")
        self._local = self.root.protocol in ("", "file", "local")

    @property
    def uri(self) -> str:
        """The location, as given to the tasks that follow."""
        conn = f"{self.root.conn_id}@" if self.root.conn_id else ""
        return f"{self.root.protocol or 'file'}://{conn}{self.root.path}"

    # -- files ---------------------------------------------------------------------------------------------------

    def path(self, *parts: str) -> ObjectStoragePath:
        """Give the path of something in the store."""
        path = self.root
        for part in parts:
            path = path / part
        return path

    def uri_of(self, *parts: str) -> str:
        """Give the URI of something in the store, for people and for other tasks."""
        return "/".join((self.uri.rstrip("/"), *parts))

    def write(self, *parts: str, data: bytes) -> None:
        """
        Write one file whole or not at all.

        :raises LocationError: if the store has no place to write to, such as a bucket that does not exist.
        """
        path = self.path(*parts)
        self._put(parts, lambda: self._replace(path, data))

    def read(self, *parts: str) -> bytes:
        """
        Read one file.

        :raises FileNotFoundError: if it is not there.
        :raises StoreError: if it could not be read, which is another thing.
        """
        path = self.path(*parts)
        return self._guarded(parts, path.read_bytes if self._local else lambda: self._fetched(path))

    @staticmethod
    def _fetched(path: ObjectStoragePath) -> bytes:
        """
        Fetch an object in one request.

        Opening it would ask for its version first, and fail if another worker replaces it meanwhile.
        """
        one = {"max_concurrency": 1} if path.protocol in S3 else {}
        return bytes(path.fs.cat_file(path.path, **one))

    def names(self, *parts: str) -> list[str]:
        """Name the files of one folder, sorted; none if there is no such folder."""
        path = self.path(*parts)

        def listed() -> list[str]:
            path.fs.invalidate_cache(path.path)
            return sorted(str(entry["name"]).rsplit("/", 1)[-1] for entry in path.fs.ls(path.path, detail=True))

        try:
            return self._guarded(parts, listed)
        except FileNotFoundError:
            return []

    def write_json(self, *parts: str, value: Any) -> None:
        """Write a JSON value whole or not at all."""
        self.write(*parts, data=json.dumps(value, ensure_ascii=False, indent=1).encode())

    def read_json(self, *parts: str) -> Any:
        """Read a JSON value."""
        try:
            return json.loads(self.read(*parts))
        except ValueError as error:
            raise StoreError(
                f"{self.uri_of(*parts)} is not readable JSON ({error}). Remove it and run again."
            ) from error

    def create_json(self, *parts: str, value: Any) -> bool:
        """
        Write a JSON value unless something is there already, as one step: of several that try at once, one succeeds.

        S3 and Blob do this with a conditional write (``If-None-Match``), a local folder with a link.

        :return: whether it was written.
        """
        path = self.path(*parts)
        data = json.dumps(value, ensure_ascii=False, indent=1).encode()

        def create() -> None:
            if not self._local:
                path.fs.pipe_file(path.path, data, mode="create")
                return
            with self._partial(path.path) as partial:
                with open(partial, "wb") as file:
                    file.write(data)
                os.link(partial, path.path)

        try:
            self._put(parts, create)
        except FileExistsError:
            return False
        return True

    def upload(self, source: os.PathLike[str], *parts: str) -> None:
        """Copy a local file into the store, whole or not at all."""
        path = self.path(*parts)

        def copy() -> None:
            if self._local:
                with self._partial(path.path) as partial:
                    path.fs.put_file(os.fspath(source), partial)
                    os.replace(partial, path.path)
            else:
                path.fs.put_file(os.fspath(source), path.path)

        self._put(parts, copy)

    def _replace(self, path: ObjectStoragePath, data: bytes) -> None:
        if not self._local:
            # One request, where writing through an open file takes Blob two.
            path.fs.pipe_file(path.path, data)
            return
        with self._partial(path.path) as partial:
            with open(partial, "wb") as file:
                file.write(data)
            os.replace(partial, path.path)

    @staticmethod
    @contextmanager
    def _partial(target: str) -> Iterator[str]:
        """Give a name beside a local file to write it under; what is left of it is removed."""
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = f"{target}.{uuid.uuid4().hex[:8]}.part"
        try:
            yield partial
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    def _remove(self, *parts: str) -> None:
        self._guarded(parts, lambda: self.path(*parts).unlink(missing_ok=True))

    def _put(self, parts: tuple[str, ...], act: Callable[[], None]) -> None:
        try:
            self._guarded(parts, act)
        except FileNotFoundError as error:
            raise LocationError(
                f"{self.uri_of(*parts)} cannot be written: {error.strerror or error}. Create the bucket, container or "
                "folder, or name another one in the parameter 'storage'."
            ) from error

    def _guarded(self, parts: tuple[str, ...], act: Callable[[], T]) -> T:
        with storage_errors(self.uri_of(*parts), hint="Nothing that was paid for is lost."):
            return act()

    # -- clips ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _clip_parts(key: str, suffix: str) -> tuple[str, str, str]:
        return ("clips", key[:2], f"{key}.{suffix}")

    def add_clip(self, clip: StoredClip, *, data: bytes, boundaries: Mapping[str, Any] | None = None) -> None:
        """
        Add a verified clip: first its audio, then the facts that make it count.

        :param boundaries: when its words and sentences are spoken, as in
            :class:`narration.services.base.FetchedClip`.
        """
        if boundaries is not None:
            self.write_json(*self._clip_parts(clip.clip_key, "boundaries.json"), value=dict(boundaries))
        self.write(*self._clip_parts(clip.clip_key, SUFFIXES[clip.audio_format]), data=data)
        self.write_json(*self._clip_parts(clip.clip_key, "json"), value=asdict(clip))

    def clip(self, key: str) -> StoredClip | None:
        """Give the facts of a clip, or ``None`` if the store does not hold it."""
        parts = self._clip_parts(key, "json")
        try:
            data = self.read(*parts)
        except FileNotFoundError:
            return None
        try:
            return StoredClip(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{self.uri_of(*parts)} is damaged ({error}). Remove it and run again.") from error

    def clips(self, keys: Iterable[str]) -> dict[str, StoredClip]:
        """Give the facts of those of the clips that the store holds."""
        found = self.parallel(self.clip, tuple(dict.fromkeys(keys)))
        return {clip.clip_key: clip for clip in found if clip is not None}

    def has_whole(self, key: str) -> bool:
        """Tell whether a clip is there with all of its audio, without reading that."""
        clip = self.clip(key)
        if clip is None:
            return False
        parts = self._clip_parts(key, SUFFIXES[clip.audio_format])
        try:
            return self._guarded(parts, lambda: self.path(*parts).stat().st_size) == clip.bytes
        except FileNotFoundError:
            return False

    def whole_clips(self, start: str) -> frozenset[str]:
        """
        Name the clips that are there, facts and audio, by listing one folder: the quick way to ask for many.

        :param start: the first two characters of their keys.
        """
        parts = ("clips", start)
        path = self.path(*parts)

        def names() -> set[str]:
            path.fs.invalidate_cache()
            try:
                entries = path.fs.ls(path.path, detail=True)
            finally:
                # A later look at a single file would be answered from this list.
                path.fs.invalidate_cache()
            return {str(entry["name"]).rsplit("/", 1)[-1] for entry in entries if entry["size"]}

        try:
            found = self._guarded(parts, names)
        except FileNotFoundError:
            return frozenset()
        audio = {key for key, _, suffix in (name.partition(".") for name in found) if suffix in SUFFIXES.values()}
        return frozenset(key for key in audio if f"{key}.json" in found)

    def boundaries(self, key: str) -> dict[str, Any] | None:
        """Give when the words and sentences of a clip are spoken; ``None`` if the service did not tell."""
        try:
            return self.read_json(*self._clip_parts(key, "boundaries.json"))
        except FileNotFoundError:
            return None

    def clip_audio(self, clip: StoredClip) -> bytes:
        """
        Read the audio of a clip and check that it is what was verified.

        :raises StoreError: if it is missing or altered; its facts are then set aside, so that the next run fetches
            or buys the clip again.
        """
        parts = self._clip_parts(clip.clip_key, SUFFIXES[clip.audio_format])
        try:
            data = self.read(*parts)
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != clip.sha256:
            self._remove(*self._clip_parts(clip.clip_key, "json"))
            raise StoreError(
                f"{self.uri_of(*parts)} is {'not what was verified' if data else 'missing'}. It no "
                "longer counts: start the Dag again, and the clip is fetched from the service's output or, if "
                "that is gone too, bought again."
            )
        return data

    def claim(self, key: str, *, number: int, value: Any) -> bool:
        """
        Claim the right to buy a clip, against every other run and worker that shares the store.

        :param number: 1 for the first claim; a claim that has lapsed is followed by the next number.
        :return: whether it is ours; otherwise :meth:`read_claim` says whose it is.
        """
        return self.create_json(*self._clip_parts(key, f"claim-{number}.json"), value=value)

    def read_claim(self, key: str, *, number: int) -> Any:
        """Read a claim."""
        return self.read_json(*self._clip_parts(key, f"claim-{number}.json"))

    def update_claim(self, key: str, *, number: int, value: Any) -> None:
        """Write down what came of a claim that is ours."""
        self.write_json(*self._clip_parts(key, f"claim-{number}.json"), value=value)

    def drop_claim(self, key: str, *, number: int) -> None:
        """Give back a claim that is ours and that nobody else can have passed by."""
        self._remove(*self._clip_parts(key, f"claim-{number}.json"))

    # -- orders --------------------------------------------------------------------------------------------------

    def write_order(self, order_id: str, value: Any) -> None:
        """Keep what an order wants."""
        self.write_json("orders", f"{order_id}.json", value=value)

    def read_order(self, order_id: str) -> Any:
        """Read what an order wants."""
        return self.handed_over("orders", f"{order_id}.json")

    def handed_over(self, *parts: str) -> Any:
        """
        Read what an earlier task of the run wrote.

        :raises StoreError: if it is not there, which between two machines means that they do not share the store.
        """
        try:
            return self.read_json(*parts)
        except FileNotFoundError as error:
            raise StoreError(
                f"{self.uri_of(*parts)}, which an earlier task wrote, is not there on this machine. All workers must "
                "share the storage: give the parameter 'storage' a bucket or a shared folder."
            ) from error

    def write_record(self, order_id: str, value: Any) -> None:
        """Keep what became of an order so far."""
        self.write_json("orders", f"{order_id}.record.json", value=value)

    def read_record(self, order_id: str) -> Any | None:
        """Read what became of an order; ``None`` if nothing was written yet (an unreadable record is an error)."""
        try:
            return self.read_json("orders", f"{order_id}.record.json")
        except FileNotFoundError:
            return None

    # ------------------------------------------------------------------------------------------------------------

    @staticmethod
    def parallel(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Run object-storage requests side by side, keeping their order."""
        todo = list(items)
        if len(todo) < 2:
            return [act(item) for item in todo]
        with Threads(PARALLEL_REQUESTS) as pool:
            return list(pool.map(act, todo))
