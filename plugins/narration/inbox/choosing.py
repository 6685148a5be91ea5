"""Which files of an inbox a run narrates, and why the others are left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from narration.inbox.layout import Interval
from narration.inbox.profile import FOLDER_PROFILES, SUFFIXES, own_profile_names

DOCUMENTS = (".txt", ".text", ".ssml", ".xml")
"""What the names of documents end with."""
UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp")
"""What the names of files end with that a program is still writing."""


@dataclass(frozen=True, kw_only=True)
class InboxFile:
    """
    A file that lies in an inbox.

    :param name: its path below the inbox, with slashes.
    :param uri: where it can be read.
    :param moment: what decides which run it belongs to: the last moment of its folder, or its time of modification.
    :param version: changes when the file does.
    :param error: why nothing is known of it, if it could not be looked at.
    """

    name: str
    uri: str
    moment: datetime
    version: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """
    What an earlier run saw.

    :param interval: its data interval.
    :param names: the files that it found to be its own.
    """

    interval: Interval
    names: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """
    What a run is about.

    :param own: documents of its own data interval.
    :param late: documents of earlier intervals that came after the runs of these had looked.
    :param seen: documents of earlier intervals that the runs of these did see.
    :param unclaimed: documents of earlier intervals for which no run has looked.
    :param strange: files that are neither documents nor profiles.
    :param unused: profiles of its own data interval that no document has.
    """

    own: tuple[InboxFile, ...]
    late: tuple[InboxFile, ...]
    seen: tuple[InboxFile, ...]
    unclaimed: tuple[InboxFile, ...]
    strange: tuple[InboxFile, ...]
    unused: tuple[InboxFile, ...]


def choose(files: Iterable[InboxFile], *, interval: Interval, earlier: Interval, looks: Sequence[Look]) -> Chosen:
    """
    Choose among the files of an inbox.

    A file of an earlier interval is late only if a run for that interval has looked and did not see it. So a backfill
    whose runs stand side by side, or in reverse, never takes a file for late that belongs to a run which is still to
    come.

    :param interval: the data interval of this run.
    :param earlier: how far back to look for what was late.
    :param looks: what earlier runs saw.
    """
    every = sorted(files, key=lambda each: each.name)
    used = {profile for file in every if is_document(file.name) for profile in own_profile_names(file.name)}
    own: list[InboxFile] = []
    late: list[InboxFile] = []
    seen: list[InboxFile] = []
    unclaimed: list[InboxFile] = []
    strange: list[InboxFile] = []
    unused: list[InboxFile] = []
    for file in every:
        mine = file.moment in interval
        if mine and is_profile(file.name) and not _is_for_folder(file.name) and file.name not in used:
            unused.append(file)
        if is_beside(file.name) or not (mine or file.moment in earlier):
            continue
        # What could not be looked at may be a folder full of documents.
        if not is_document(file.name) and file.error is None:
            if mine:
                strange.append(file)
            continue
        if mine:
            own.append(file)
        elif covering := [look for look in looks if file.moment in look.interval]:
            (seen if any(file.name in look.names for look in covering) else late).append(file)
        else:
            unclaimed.append(file)
    return Chosen(
        own=tuple(own),
        late=tuple(late),
        seen=tuple(seen),
        unclaimed=tuple(unclaimed),
        strange=tuple(strange),
        unused=tuple(unused),
    )


def is_document(name: str) -> bool:
    """Tell from a name whether it is that of a document."""
    return PurePosixPath(name).suffix.lower() in DOCUMENTS


def is_beside(name: str) -> bool:
    """Tell from a name whether a file is no matter of its own: a profile, hidden, or still being written."""
    path = PurePosixPath(name)
    unfinished = path.suffix.lower() in UNFINISHED or path.name.endswith("~")
    return _is_hidden(name) or unfinished or is_profile(name)


def is_profile(name: str) -> bool:
    """Tell from a name whether a file is meant to be a profile."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not _is_hidden(name)


def _is_for_folder(name: str) -> bool:
    return PurePosixPath(name).name in FOLDER_PROFILES


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "~$", "__MACOSX")) for part in PurePosixPath(name).parts)
