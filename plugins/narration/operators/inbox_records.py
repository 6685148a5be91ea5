"""What runs over an inbox remember of it: what each of them saw, and what became of each document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from narration.inbox.choosing import Look
from narration.inbox.layout import Interval
from narration.inbox.record import DocumentRecord, State
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from narration.store import Store

_STAMP = "%Y%m%dT%H%M%SZ"


class InboxRecords:
    """
    Keep the records of one inbox in the store.

    Layout::

        inboxes/<key>/looks/<interval>.json              what the run of an interval saw
        inboxes/<key>/documents/<name>.json              what became of a document
        inboxes/<key>/documents/<name>.taken-N.json      which run took it, the Nth time that it was taken

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

    def document(self, name: str) -> DocumentRecord | None:
        """Give what became of a document."""
        try:
            return DocumentRecord.from_dict(self._store.read_json(*self._parts(name)))
        except FileNotFoundError:
            return None

    def take(
        self, request: Mapping[str, Any], *, known: DocumentRecord | None, under_way: Callable[[str, str], bool]
    ) -> dict[str, Any] | None:
        """
        Take a document for a run, unless another one takes it at the same moment.

        :param request: its request.
        :param known: what was remembered of it when that was decided.
        :param under_way: tells of a Dag and a run whether that is still under way.
        :return: the request, with what the tasks of the document need to say what becomes of it; ``None`` if another
            run was quicker.
        """
        run = {"run_id": request["run_id"], "dag_id": request["dag_id"]}
        number = known.number if known is not None else 0
        while True:
            number += 1
            parts = self._parts(request["name"], f"taken-{number}.json")
            if self._store.create_json(*parts, value=run):
                break
            holder = self._store.read_json(*parts)
            # A run that died between the two writes, this one or another, left no record.
            if holder == run:
                break
            if under_way(holder["dag_id"], holder["run_id"]):
                return None
        taken = {**request, "number": number}
        self._note(taken, state="taken")
        return taken

    def published(self, request: Mapping[str, Any], *, narration: str, storage: str) -> None:
        """Note that a document was narrated."""
        self._note(request, state="published", narration=narration, storage=storage)

    def failed(self, request: Mapping[str, Any], *, reason: str) -> None:
        """Note that a document cannot be narrated as it is."""
        self._note(request, state="failed", reason=reason)

    def _note(self, request: Mapping[str, Any], *, state: State, **facts: str) -> None:
        record = DocumentRecord(
            document=str(request["name"]),
            version=request["version"],
            file=request["file"],
            run_id=request["run_id"],
            dag_id=request["dag_id"],
            number=request["number"],
            state=state,
            at=datetime.now(UTC).isoformat(),
            **facts,
        )
        self._store.write_json(*self._parts(record.document), value=record.to_dict())

    def _parts(self, name: str, suffix: str = "json") -> tuple[str, ...]:
        return ("inboxes", self._key, "documents", f"{digest(name)}.{suffix}")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_STAMP)


def _interval(name: str) -> Interval | None:
    try:
        start, end = (datetime.strptime(part, _STAMP).replace(tzinfo=UTC) for part in name.split("--"))
    except ValueError:
        return None
    return Interval(start=start, end=end)
