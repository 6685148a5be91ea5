"""The first task of a nightly run: which documents of the inbox are its own, and how each is to be narrated."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.inbox.choosing import InboxFile, choose
from narration.inbox.errors import InboxError, ProfileError
from narration.inbox.layout import DatedFolders, Interval
from narration.inbox.profile import folder_profile_names, own_profile_names, read_profile
from narration.operators.form_nightly import NightlyParameters, timezone_of
from narration.operators.inbox_records import InboxRecords, has_failed, was_published
from narration.operators.manifest import published_manifest
from narration.operators.profiles import settings_of
from narration.operators.run_note import push_note
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.paths import FoundFile
    from narration.store import Store

_MOST_NAMED = 5
_NEVER_LISTED = datetime(1970, 1, 1, tzinfo=UTC)


class FindDocumentsOperator(BaseOperator):
    """
    Look through an inbox, and return a request for each document that this run has to narrate.

    A document belongs to the run in whose data interval it was modified, or its dated folder became complete; see
    :mod:`narration.inbox.layout`. What was narrated already and did not change since, neither itself nor its profile,
    is left out. So is what belongs to an earlier run, unless it came late, or failed there and was changed since. A
    profile that cannot be used is the trouble of its documents alone: their requests hold the
    ``problem``, and their first task fails with it.

    Returns ``[{"name", "uri", "service", "params", "version", "records", "late", "problem"}, …]`` and pushes ``found``:
    ``{"inbox", "interval", "documents", "late", "unchanged", "strange", "unclaimed", "other"}``.

    :param timezone: whose days and hours dated folders are named by.
    """

    ui_color = "#dfe8f5"

    def __init__(self, *, timezone: str = "UTC", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timezone = timezone

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from narration.store import Store

        parameters = NightlyParameters.read(context["params"])
        run: Any = context["dag_run"]
        interval = parameters.interval(
            start=run.data_interval_start, end=run.data_interval_end, now=run.run_after or datetime.now(UTC)
        )
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        inbox = _Inbox(parameters, timezone=self.timezone, storage=store.uri)
        records = InboxRecords(store=store, key=InboxRecords.key_of(parameters.inbox))
        earlier = interval.before(parameters.late_days if parameters.since is None else 0)
        files = inbox.files(Interval(start=earlier.start, end=interval.end))
        chosen = choose(files, interval=interval, earlier=earlier, looks=records.looks(earlier))
        requests: list[dict[str, Any]] = []
        unchanged: list[str] = []
        concerned = [*chosen.own, *chosen.late, *chosen.seen]
        known = store.parallel(lambda file: records.document(file.name), concerned)
        became = {file.name: record for file, record in zip(concerned, known, strict=True)}
        for file, late in (*((each, False) for each in chosen.own), *((each, True) for each in chosen.late)):
            request = self._request(file, inbox, store=store, parameters=parameters, late=late)
            record = became[file.name]
            known_elsewhere = record is not None and record.get("run_id") != run.run_id
            if self._is_done(
                request,
                record,
                settled=known_elsewhere and (late or file.error is not None),
                again=parameters.again,
            ):
                unchanged.append(file.name)
            else:
                requests.append(request)
        for file in chosen.seen:
            record = became[file.name]
            if record is not None and has_failed(record, version=record["version"]):
                request = self._request(file, inbox, store=store, parameters=parameters, late=True)
                if request["version"] != record["version"]:
                    self.log.info("%s failed before, and it or its profile was changed since.", file.name)
                    requests.append(request)
        look = uuid.uuid4().hex
        for request in requests:
            request.update(look=look, run_id=run.run_id)
        self._check_number(requests)
        if parameters.since is None and not parameters.dry_run:
            records.looked(interval, names=(file.name for file in chosen.own))
        self._tell(
            context,
            found={
                "look": look,
                "inbox": parameters.inbox,
                "interval": [interval.start.isoformat(), interval.end.isoformat()],
                "documents": [request["name"] for request in requests],
                "late": [request["name"] for request in requests if request["late"]],
                "unchanged": unchanged,
                "strange": [file.name for file in chosen.strange],
                "unclaimed": [file.name for file in chosen.unclaimed],
                "other": inbox.number - len(requests) - len(unchanged) - len(chosen.strange) - len(chosen.unclaimed),
            },
        )
        return requests

    def _request(
        self, file: InboxFile, inbox: _Inbox, *, store: Store, parameters: NightlyParameters, late: bool
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
            "records": {"storage": store.uri, "key": InboxRecords.key_of(parameters.inbox)},
            "late": late,
            "problem": problem,
        }
        if settings["params"]:
            request["params"] = {**settings["params"], "document": file.uri, "dry_run": parameters.dry_run}
        return request

    def _is_done(
        self, request: Mapping[str, Any], record: Mapping[str, Any] | None, *, settled: bool, again: bool
    ) -> bool:
        """
        Tell whether nothing is to be done for a document.

        :param settled: whether it is another run's, which has found that it cannot be narrated as it is.
        """
        if again or record is None:
            return False
        version = request["version"]
        if has_failed(record, version=version):
            # Whoever sets a run going anew means its documents; a later run need not try in vain every night. What
            # could not even be looked at has no time, and so belongs to every run.
            if settled:
                self.log.info("%s failed before and did not change: %s", request["name"], record["reason"])
                return True
            return False
        if not was_published(record, version=version):
            return False
        from narration.store import Store

        if published_manifest(Store(location=record["storage"]), record["narration"]) is None:
            self.log.info("%s was narrated, but the narration is gone; it is put together again.", request["name"])
            return False
        return True

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

    def _tell(self, context: Context, *, found: dict[str, Any]) -> None:
        start, end = found["interval"]
        lines = [f"{found['inbox']}: {len(found['documents'])} document(s) to narrate from {start} to {end}."]
        for words, key in (
            ("came late: {}", "late"),
            ("narrated already: {}", "unchanged"),
            ("no documents, because their names end otherwise: {}", "strange"),
            ("of days that no run has looked at, which a backfill narrates: {}", "unclaimed"),
        ):
            if found[key]:
                more = len(found[key]) - _MOST_NAMED
                named = ", ".join(found[key][:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
                lines.append(f"{len(found[key])} {words.format(named)}.")
        if found["other"] > 0:
            lines.append(f"{found['other']} file(s) belong to other runs or are profiles.")
        for line in lines:
            self.log.info("%s", line)
        context["ti"].xcom_push(key="found", value=found)
        push_note(context, " ".join(lines))


class _Inbox:
    """
    The files of an inbox, and the profiles among them.

    :raises InboxError: if its dated folders cannot be named so.
    """

    def __init__(self, parameters: NightlyParameters, *, timezone: str, storage: str) -> None:
        self._parameters = parameters
        self._run = {"storage": storage, "storage_conn_id": parameters.storage_conn_id}
        self._location = parameters.inbox.rstrip("/") or "/"
        self._folders = (
            DatedFolders(pattern=parameters.folders, timezone=timezone_of(timezone))
            if parameters.layout == "date"
            else None
        )
        self._listed: dict[str, FoundFile] = {}
        self._folders_listed: set[str] = set()
        self._profiles: dict[str, dict[str, Any] | None] = {}
        self._settings: dict[str, dict[str, Any]] = {}

    @property
    def number(self) -> int:
        """How many files were seen."""
        return len(self._listed)

    def files(self, window: Interval) -> list[InboxFile]:
        """
        List what a run may have to do with.

        :raises InboxError: if the inbox does not exist.
        """
        if self._folders is None:
            return [
                # What could not be looked at has no time that means anything: it is this run's trouble.
                self._file(
                    found.name,
                    found,
                    window.end - timedelta(microseconds=1)
                    if found.error is not None or found.modified is None
                    else found.modified,
                )
                for found in self._list("")
            ]
        files = []
        from narration.paths import StoreError

        there = False
        for folder, last in self._folders.within(window):
            try:
                listed = self._list(folder)
            except FileNotFoundError:
                continue
            except StoreError as error:
                if not isinstance(error.__cause__, PermissionError):
                    raise
                # The trouble of one folder, and not of all nights that look as far back.
                there = True
                files.append(
                    InboxFile(
                        name=folder, uri=f"{self._location}/{folder}", moment=last, version=folder, error=str(error)
                    )
                )
                continue
            there = True
            files += [self._file(f"{folder}/{found.name}", found, last) for found in listed]
        if not there:
            self._check_existence()
        return files

    def settings_of(self, name: str) -> dict[str, Any]:
        """
        Say how a document is narrated; see :func:`~narration.operators.profiles.settings_of`.

        :raises ProfileError: if its profile cannot be used.
        """
        for candidate in (*own_profile_names(name), *folder_profile_names(name)):
            profile = self._profile(candidate)
            if profile is not None:
                return self._settled(profile, f"The profile {candidate}")
        source = "The parameter 'profile'"
        return self._settled(read_profile(self._parameters.profile, source=source), source)

    def _settled(self, profile: dict[str, Any], source: str) -> dict[str, Any]:
        # Many documents have the same profile, and to check one takes longer than to list them.
        if source not in self._settings:
            self._settings[source] = settings_of(profile, source=source, run=self._run)
        return self._settings[source]

    def _profile(self, name: str) -> dict[str, Any] | None:
        if name not in self._profiles:
            self._profiles[name] = self._load_profile(name)
        return self._profiles[name]

    def _load_profile(self, name: str) -> dict[str, Any] | None:
        from narration.operators.parameters import ParameterError
        from narration.operators.read import load
        from narration.paths import LocationError, object_path

        listed = self._listed.get(name)
        if listed is not None and listed.error is not None:
            raise ProfileError(f"The profile {name} cannot be read: {listed.error}")
        if listed is None and any(name.startswith(folder) for folder in self._folders_listed):
            return None
        location = f"{self._location}/{name}"
        conn_id = self._parameters.storage_conn_id
        try:
            if not object_path(location, conn_id=conn_id, parameter="inbox").exists():
                return None
            return read_profile(load(location, conn_id=conn_id), source=f"The profile {name}")
        except (ParameterError, LocationError) as error:
            raise ProfileError(f"The profile {name} cannot be read: {error}") from error

    def _list(self, folder: str) -> Iterable[FoundFile]:
        from narration.paths import list_files

        location = f"{self._location}/{folder}" if folder else self._location
        try:
            listed = list(list_files(location, conn_id=self._parameters.storage_conn_id, parameter="inbox"))
        except FileNotFoundError:
            if folder:
                raise
            self._check_existence()
            listed = []
        start = f"{folder}/" if folder else ""
        self._folders_listed.add(start)
        self._listed.update((f"{start}{found.name}", found) for found in listed)
        return listed

    def _check_existence(self) -> None:
        from narration.paths import object_path

        path = object_path(self._location, conn_id=self._parameters.storage_conn_id, parameter="inbox")
        # A prefix of an object store exists while something lies below it.
        if path.protocol in ("", "file", "local") and not path.exists():
            raise self._missing()

    def _missing(self) -> InboxError:
        return InboxError(
            f"There is no inbox at {self._location}. Make the folder, seen by every worker, or correct the parameter "
            "'inbox'."
        )

    @staticmethod
    def _file(name: str, found: FoundFile, moment: datetime) -> InboxFile:
        modified = (found.modified or _NEVER_LISTED).isoformat()
        return InboxFile(
            name=name,
            uri=found.uri,
            moment=moment,
            version=digest({"size": found.size, "modified": modified, "etag": found.etag}),
            error=found.error,
        )
