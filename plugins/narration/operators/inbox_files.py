"""The files of an inbox as a run sees them, and the profiles among them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from narration.inbox.choosing import InboxFile
from narration.inbox.errors import InboxError, ProfileError
from narration.inbox.layout import DatedFolders, Interval
from narration.inbox.profile import folder_profile_names, own_profile_names, read_profile
from narration.operators.form_nightly import NightlyParameters, timezone_of
from narration.operators.profiles import settings_of
from narration.synthesis.keys import digest

if TYPE_CHECKING:
    from narration.listing import FoundFile
    from narration.store import Store

_NEVER_LISTED = datetime(1970, 1, 1, tzinfo=UTC)


class InboxFiles:
    """
    The files of an inbox, and the profiles among them.

    :param timezone: whose days and hours dated folders are named by.
    :param store: where the clips are kept. If it lies in the inbox, nothing in it belongs to the inbox.
    :raises InboxError: if its dated folders cannot be named so, or it is the storage itself.
    """

    def __init__(self, parameters: NightlyParameters, *, timezone: str, store: Store) -> None:
        self._parameters = parameters
        self._run = {"storage": store.uri, "storage_conn_id": parameters.storage_conn_id}
        self._location = parameters.inbox.rstrip("/") or "/"
        self._folders = (
            DatedFolders(pattern=parameters.folders, timezone=timezone_of(timezone))
            if parameters.layout == "date"
            else None
        )
        self._without = self._storage_within(store)
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
        from narration.listing import list_files

        location = f"{self._location}/{folder}" if folder else self._location
        try:
            listed = list(list_files(location, conn_id=self._parameters.storage_conn_id, parameter="inbox"))
        except FileNotFoundError:
            if folder:
                raise
            self._check_existence()
            listed = []
        start = f"{folder}/" if folder else ""
        if self._without is not None:
            listed = [found for found in listed if not f"{start}{found.name}".startswith(self._without)]
        self._folders_listed.add(start)
        self._listed.update((f"{start}{found.name}", found) for found in listed)
        return listed

    def _storage_within(self, store: Store) -> str | None:
        """
        Give what the names of the storage's files begin with, if it lies in the inbox.

        :raises InboxError: if both are the same place.
        """
        from narration.paths import object_path, same_kind

        inbox = object_path(self._location, conn_id=self._parameters.storage_conn_id, parameter="inbox")
        if not same_kind(inbox, store.root):
            return None
        outer, inner = f"{inbox.path.rstrip('/')}/", f"{store.root.path.rstrip('/')}/"
        if outer == inner:
            raise InboxError(
                f"The inbox and the storage are the same place, {self._location}. Give one of the parameters 'inbox' "
                "and 'storage' a folder of its own."
            )
        return inner.removeprefix(outer) if inner.startswith(outer) else None

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
