"""The small YAML file beside a document, or at the top of an inbox, that says how documents are narrated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

import yaml

from narration.inbox.errors import ProfileError

SUFFIXES = (".yaml", ".yml", ".YAML", ".YML")
FOLDER_PROFILES = tuple(f"profile{suffix}" for suffix in SUFFIXES)
"""Names of the profile for everything in a folder and below it that has none of its own."""
LARGEST_PROFILE = 64 * 1024
"""Bytes."""


class _WithoutAliases(yaml.SafeLoader):
    """Reads what a profile may hold; a few lines of aliases can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, "a profile has no aliases", event.start_mark)
        return super().compose_node(parent, index)


def own_profile_names(name: str) -> tuple[str, ...]:
    """
    Name the files that hold the profile of one document, the first that exists counts.

    :param name: of the document, with the folders it lies in: ``2026-11-28/emma.txt`` has its profile in
        ``2026-11-28/emma.txt.yaml`` or ``2026-11-28/emma.yaml``.
    """
    path = PurePosixPath(name)
    stem = str(path.with_suffix(""))
    return tuple(f"{start}{suffix}" for start in (name, stem) for suffix in SUFFIXES)


def folder_profile_names(name: str) -> tuple[str, ...]:
    """Name the files that hold the profile of a document's folder, the nearest first and the inbox's own last."""
    return tuple(str(folder / profile) for folder in PurePosixPath(name).parents for profile in FOLDER_PROFILES)


def read_profile(data: bytes | str, *, source: str) -> dict[str, Any]:
    """
    Read a profile: names and values, nothing nested but lists of ``outputs`` and ``lexicons``.

    :param source: the file as people know it, for messages.
    :raises ProfileError: naming the file, the line and the remedy.
    """
    if len(data) > LARGEST_PROFILE:
        raise ProfileError(
            f"{source} has {len(data):,} bytes, which is no profile. A profile is a few lines such as 'voice: Amy'."
        )
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise ProfileError(f"{source} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    try:
        value = yaml.load(text, Loader=_WithoutAliases)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise ProfileError(
            f"{source}{where} is not YAML: {error.problem or error.context}. Write one 'name: value' a line."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProfileError(f"{source} is not YAML: {error}. Write one 'name: value' a line.") from error
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ProfileError(f"{source} holds no names. Write one 'name: value' a line, for example 'voice: Amy'.")
    strange = [key for key in value if not isinstance(key, str)]
    if strange:
        raise ProfileError(f"{source} has the name {strange[0]!r}, which is no text. Put it in quotation marks.")
    return dict(value)


def check_names(profile: Mapping[str, Any], *, known: Collection[str], source: str) -> None:
    """
    Refuse a profile that sets something unknown, which would otherwise be overheard.

    :raises ProfileError: naming what was meant, if that can be guessed.
    """
    for name in profile:
        if name not in known:
            meant = get_close_matches(name, list(known), n=1, cutoff=0.6)
            hint = f"Did you mean {meant[0]!r}?" if meant else f"A profile may set {', '.join(sorted(known))}."
            raise ProfileError(f"{source} sets {name!r}, which is unknown. {hint}")
