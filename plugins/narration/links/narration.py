"""The way from the task that publishes to what it published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narration.links.console import console_url, object_url
from narration.links.stored import StoredLink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator, Context, ObjectStoragePath


class NarrationFolderLink(StoredLink):
    """Open the folder of the narration in the console of its storage: audio and manifest."""

    name = "Narration"
    key = "narration_folder"


class NarrationMp3Link(StoredLink):
    """Open the MP3 in the console of its storage."""

    name = "MP3"
    key = "narration_mp3"


class NarrationM4bLink(StoredLink):
    """Open the M4B in the console of its storage."""

    name = "M4B"
    key = "narration_m4b"


class NarrationManifestLink(StoredLink):
    """Open the manifest in the console of its storage."""

    name = "Manifest"
    key = "narration_manifest"


def persist_narration(
    *, context: Context, operator: BaseOperator, folder: ObjectStoragePath, files: Mapping[str, str]
) -> None:
    """
    Write the addresses of a narration down, without a signature: whoever follows one needs access of their own.

    A folder on a worker has none; the task's result says where it is.

    :param files: names of files in the folder, by ``mp3``, ``m4b`` and ``manifest``; those that there are.
    """
    NarrationFolderLink.persist(context=context, operator=operator, url=console_url(folder))
    for kind, link in {"mp3": NarrationMp3Link, "m4b": NarrationM4bLink, "manifest": NarrationManifestLink}.items():
        if kind in files:
            link.persist(context=context, operator=operator, url=object_url(folder / files[kind]))
