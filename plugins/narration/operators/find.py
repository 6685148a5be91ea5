"""The first task of a nightly run: which documents of the inbox are its own, and how each is to be narrated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.inbox.choosing import InboxFile, choose
from narration.inbox.errors import InboxError, ProfileError
from narration.inbox.layout import Interval
from narration.inbox.record import DocumentRecord, Verdict, judge
from narration.operators.form_nightly import NightlyParameters
from narration.operators.inbox_files import InboxFiles
from narration.operators.inbox_records import InboxRecords
from narration.operators.manifest import published_manifest
from narration.operators.run_note import push_note
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.store import Store

_MOST_NAMED = 5
_MOST_KEPT = 100
_UNFINISHED_RUNS = ["queued", "running"]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """
    A document that is to be narrated.

    :param origin: which list of names it belongs to besides ``documents``: ``own``, ``late`` or ``returned``.
    """

    request: dict[str, Any]
    known: DocumentRecord | None
    origin: str


class FindDocumentsOperator(BaseOperator):
    """
    Look through an inbox, and return a request for each document that this run has to narrate.

    A document belongs to the run in whose data interval it was modified, or its dated folder became complete; see
    :mod:`narration.inbox.layout`. What was narrated already and did not change since, neither itself nor its profile,
    is left out, and so is what another run has under way. Of earlier intervals the run takes what came late, and what
    their runs left undone: what failed and was mended since, what was replaced by another document, and what a run took
    that is over now and did not bring it to an end. A profile that cannot be used is the trouble of its documents
    alone: their requests hold the ``problem``, and their first task fails with it.

    Returns ``[{"name", "uri", "service", "params", "version", "file", "records", "run_id", "dag_id", "number",
    "problem"}, …]`` (``number`` only if something may be bought) and pushes ``found``: ``inbox``, ``interval``,
    ``other`` (a number), ``documents``, ``late`` and ``returned`` (lists of names), and ``unchanged``, ``elsewhere``,
    ``strange``, ``unclaimed`` and ``unused``, each ``{"number", "names"}`` with its first hundred names.

    :param timezone: whose days and hours dated folders are named by.
    :raises InboxError: if the inbox cannot be looked through, or holds more documents than Airflow maps over.
    """

    ui_color = "#dfe8f5"

    def __init__(self, *, timezone: str = "UTC", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timezone = timezone

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from narration.store import Store

        parameters = NightlyParameters.read(context["params"])
        run: Any = context["dag_run"]
        ti: Any = context["ti"]
        interval = parameters.interval(
            start=run.data_interval_start, end=run.data_interval_end, now=run.run_after or datetime.now(UTC)
        )
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        inbox = InboxFiles(parameters, timezone=self.timezone, store=store)
        records = InboxRecords(store=store, key=InboxRecords.key_of(parameters.inbox))
        earlier = interval.before(parameters.late_days if parameters.since is None else 0)
        files = inbox.files(Interval(start=earlier.start, end=interval.end))
        chosen = choose(files, interval=interval, earlier=earlier, looks=records.looks(earlier))

        @cache
        def under_way(dag_id: str, run_id: str) -> bool:
            return ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=_UNFINISHED_RUNS) > 0

        candidates: list[_Candidate] = []
        left: defaultdict[str, list[str]] = defaultdict(list)
        for origin, some in (("own", chosen.own), ("late", chosen.late), ("returned", chosen.seen)):
            became = store.parallel(lambda file: records.document(file.name), some)
            for file, known in zip(some, became, strict=True):
                request = self._request(file, inbox, store=store, parameters=parameters)
                request.update(run_id=run.run_id, dag_id=ti.dag_id)
                verdict = self._verdict(request, known, own=origin == "own", file=file, again=parameters.again)
                if verdict is Verdict.TAKEN and known is not None and under_way(known.dag_id, known.run_id):
                    left["elsewhere"].append(file.name)
                elif verdict in (Verdict.NARRATE, Verdict.TAKEN):
                    candidates.append(_Candidate(request=request, known=known, origin=origin))
                elif origin == "own":
                    left["unchanged"].append(file.name)
        self._check_number(candidates)
        requests = [each.request for each in candidates]
        if not parameters.dry_run:
            taken = store.parallel(
                lambda each: records.take(each.request, known=each.known, under_way=under_way), candidates
            )
            left["elsewhere"] += [each["name"] for each, got in zip(requests, taken, strict=True) if got is None]
            requests = [got for got in taken if got is not None]
            if parameters.since is None:
                records.looked(interval, names=(file.name for file in chosen.own))
        names = [request["name"] for request in requests]
        left.update((key, [file.name for file in getattr(chosen, key)]) for key in ("strange", "unclaimed", "unused"))
        origins = {each.request["name"]: each.origin for each in candidates}
        self._tell(
            context,
            found={
                "inbox": parameters.inbox,
                "interval": [interval.start.isoformat(), interval.end.isoformat()],
                "documents": names,
                "late": [name for name in names if origins[name] == "late"],
                "returned": [name for name in names if origins[name] == "returned"],
                **{key: _counted(left[key]) for key in ("unchanged", "elsewhere", "strange", "unclaimed", "unused")},
                "other": inbox.number - len(names) - sum(len(some) for some in left.values()),
            },
        )
        return requests

    def _verdict(
        self, request: Mapping[str, Any], known: DocumentRecord | None, *, own: bool, file: InboxFile, again: bool
    ) -> Verdict:
        verdict = judge(
            known,
            version=request["version"],
            file=file.version,
            run_id=request["run_id"],
            # What could not even be looked at has no time, and so belongs to every run.
            own=own and file.error is None,
            again=again,
        )
        if verdict is Verdict.HOPELESS and known is not None:
            self.log.info("%s failed before and did not change: %s", file.name, known.reason)
        if verdict is Verdict.PUBLISHED and own and known is not None:
            from narration.store import Store

            if published_manifest(Store(location=known.storage), known.narration) is None:
                self.log.info("%s was narrated, but the narration is gone; it is put together again.", file.name)
                return Verdict.NARRATE
        return verdict

    def _request(
        self, file: InboxFile, inbox: InboxFiles, *, store: Store, parameters: NightlyParameters
    ) -> dict[str, Any]:
        settings: dict[str, Any] = {"service": "", "params": {}}
        problem = file.error
        if problem is None:
            try:
                settings = inbox.settings_of(file.name)
            except ProfileError as error:
                problem = str(error)
        request = {
            "name": file.name,
            "uri": file.uri,
            **settings,
            "version": digest({"file": file.version, **settings, "problem": problem}),
            "file": file.version,
            "records": {"storage": store.uri, "key": InboxRecords.key_of(parameters.inbox)},
            "problem": problem,
        }
        if settings["params"]:
            request["params"] = {**settings["params"], "document": file.uri, "dry_run": parameters.dry_run}
        return request

    @staticmethod
    def _check_number(requests: Sequence[Any]) -> None:
        from airflow.sdk import conf

        most = conf.getint("core", "max_map_length", fallback=1024)
        if len(requests) > most:
            raise InboxError(
                f"{len(requests):,} documents are to be narrated, and Airflow maps a task over {most:,} at most. Raise "
                "AIRFLOW__CORE__MAX_MAP_LENGTH on the workers and the scheduler, choose a shorter interval, or start "
                "the Dag for parts of it with 'since' and 'until'."
            )

    def _tell(self, context: Context, *, found: Mapping[str, Any]) -> None:
        start, end = found["interval"]
        lines = [f"{found['inbox']}: {len(found['documents'])} document(s) to narrate from {start} to {end}."]
        for words, key in (
            ("came late: {}", "late"),
            ("of earlier runs, left undone or changed since: {}", "returned"),
            ("under way in other runs: {}", "elsewhere"),
            ("narrated already, or known to fail and not changed: {}", "unchanged"),
            ("no documents, because their names end otherwise: {}", "strange"),
            ("of days that no run has looked at, which a backfill narrates: {}", "unclaimed"),
            ("profiles of no document (emma.txt has its own in emma.yaml or emma.txt.yaml): {}", "unused"),
        ):
            some = found[key]
            number, names = (some["number"], some["names"]) if isinstance(some, Mapping) else (len(some), some)
            if number:
                more = number - _MOST_NAMED
                named = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
                lines.append(f"{number} {words.format(named)}.")
        if found["other"] > 0:
            lines.append(f"{found['other']} file(s) belong to other runs or are profiles.")
        for line in lines:
            self.log.info("%s", line)
        context["ti"].xcom_push(key="found", value=found)
        push_note(context, " ".join(lines))


def _counted(names: Sequence[str]) -> dict[str, Any]:
    """Keep few of many names: what a task pushes goes into Airflow's database."""
    return {"number": len(names), "names": list(names[:_MOST_KEPT])}
