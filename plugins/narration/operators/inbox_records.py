"""What runs over an inbox remember of it: what each of them saw, and what became of each document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from narration.inbox.choosing import Look
from narration.inbox.layout import Interval
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from narration.store import Store

_STAMP = "%Y%m%dT%H%M%SZ"
_PUBLISHED, _FAILED = "published", "failed"


class InboxRecords:
    """
    Keep the records of one inbox in the store: ``inboxes/<key>/looks/`` and ``inboxes/<key>/documents/``.

    They save work and decide nothing about money: without them a run would look at documents again and find that
    nothing is to be bought.

    :param store: where the clips live too.
    :param key: see :meth:`key_of`.
    """

    def __init__(self, *, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    @staticmethod
    def key_of(inbox: str) -> str:
        """Name the records of an inbox after where it lies."""
        return digest({"inbox": inbox.rstrip("/")})[:16]

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> InboxRecords:
        """Find the records that the request of a document belongs to."""
        from narration.store import Store

        place = request["records"]
        return cls(store=Store(location=place["storage"]), key=place["key"])

    # -- what runs saw -------------------------------------------------------------------------------------------

    def looks(self, within: Interval) -> list[Look]:
        """Give what runs saw whose intervals reach into a time."""
        found = []
        for name in self._store.names("inboxes", self._key, "looks"):
            interval = _interval(name.removesuffix(".json"))
            if interval is not None and interval.start < within.end and within.start < interval.end:
                seen = self._store.read_json("inboxes", self._key, "looks", name)
                found.append(Look(interval=interval, names=frozenset(seen["documents"])))
        return found

    def looked(self, interval: Interval, *, names: Iterable[str]) -> None:
        """Note what the run of an interval saw, besides what it saw when it ran before."""
        parts = ("inboxes", self._key, "looks", f"{_stamp(interval.start)}--{_stamp(interval.end)}.json")
        try:
            before = self._store.read_json(*parts)["documents"]
        except FileNotFoundError:
            before = []
        self._store.write_json(*parts, value={"documents": sorted({*before, *names})})

    # -- what became of documents --------------------------------------------------------------------------------

    def document(self, name: str) -> dict[str, Any] | None:
        """Give what became of a document: ``{"version", "run_id", "state", …}``."""
        try:
            return self._store.read_json(*self._document(name))
        except FileNotFoundError:
            return None

    def published(self, request: Mapping[str, Any], *, narration: str, storage: str) -> None:
        """Note that a document was narrated."""
        self._note(request, {"state": _PUBLISHED, "narration": narration, "storage": storage})

    def failed(self, request: Mapping[str, Any], *, reason: str) -> None:
        """Note that a document cannot be narrated as it is."""
        self._note(request, {"state": _FAILED, "reason": reason})

    def _note(self, request: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        name = str(request["name"])
        which = {"version": request["version"], "run_id": request.get("run_id")}
        value = {"document": name, **which, **facts, "at": datetime.now(UTC).isoformat()}
        self._store.write_json(*self._document(name), value=value)

    def _document(self, name: str) -> tuple[str, ...]:
        return ("inboxes", self._key, "documents", f"{digest(name)}.json")


def was_published(record: Mapping[str, Any] | None, *, version: str) -> bool:
    """Tell whether this version of a document was narrated."""
    return record is not None and record["state"] == _PUBLISHED and record["version"] == version


def has_failed(record: Mapping[str, Any] | None, *, version: str) -> bool:
    """Tell whether this version of a document is known not to be narratable."""
    return record is not None and record["state"] == _FAILED and record["version"] == version


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_STAMP)


def _interval(name: str) -> Interval | None:
    try:
        start, end = (datetime.strptime(part, _STAMP).replace(tzinfo=UTC) for part in name.split("--"))
    except ValueError:
        return None
    return Interval(start=start, end=end)
