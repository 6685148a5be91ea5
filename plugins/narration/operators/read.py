"""The first task of the road: check what was asked for, and read the document."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from narration import logs
from narration.inbox.errors import ProfileError
from narration.operators.base import RoadOperator
from narration.operators.parameters import ParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

LARGEST_DOCUMENT = 64 * 1024 * 1024
"""Bytes; the longest novels have about 4 MB of text."""


class ReadDocumentOperator(RoadOperator):
    """
    Check the parameters of the run, read the document and keep it in the store for the tasks that follow.

    Returns ``{"document": <its name in the store>, "title", "chapters", "paragraphs", "left_out"}``.

    """

    ui_color = "#dfe8f5"

    def work(self, context: Context) -> dict[str, Any]:
        from narration.document.reading import read_document
        from narration.store import Store
        from narration.synthesis.keys import digest

        if self.request is not None and self.request["problem"]:
            raise ProfileError(self.request["problem"])
        parameters = self.parameters(context)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        self.lineage.reads(parameters.document, conn_id=parameters.storage_conn_id)
        data = load(parameters.document, conn_id=parameters.storage_conn_id)
        document = read_document(
            data, source=source_name(parameters.document), text_type=parameters.text_type, title=parameters.title
        )
        content = document.to_dict()
        name = digest(content)
        logs.add(document=document.title)
        self.lineage.says(title=document.title, service=parameters.service)
        self.lineage.makes(store.uri_of("documents", f"{name}.json"), description=f"{document.title}: its paragraphs")
        store.write_json("documents", f"{name}.json", value=content)
        count = sum(len(chapter.paragraphs) for chapter in document.chapters)
        self.log.info("Read %r: %d chapters, %d paragraphs.", document.title, len(document.chapters), count)
        for item in document.left_out:
            self.log.info("Not narrated: lines %d to %d, %s.", item.first_line, item.last_line, item.reason)
        return {
            "document": name,
            "title": document.title,
            "chapters": len(document.chapters),
            "paragraphs": count,
            "left_out": len(document.left_out),
        }


def source_name(location: str) -> str:
    """Give the part of a path or URI that a person knows the document by."""
    # Not as the path of a URL: a name may hold # and ?, which mean nothing here.
    return os.path.basename(location) or location


def load(location: str, *, conn_id: str | None, parameter: str = "document") -> bytes:
    """
    Read a whole file from a path or from any object storage that Airflow knows.

    :param location: a path on the worker, or a URI such as ``s3://bucket/key`` (``s3://my_conn@bucket/key`` to name
        another connection).
    :param parameter: the parameter that holds the location, for messages.
    :raises ParameterError: if it is not there, is a folder, or is too large.
    :raises narration.paths.LocationError: if its storage or its connection does not exist.
    :raises narration.paths.StoreError: if it could not be read, which another attempt may put right.
    """
    from narration.paths import StoreError, object_path, storage_errors

    path = object_path(location, conn_id=conn_id, parameter=parameter)
    try:
        with storage_errors(location, hint="Trying again may help."):
            # A process that looked into the folder before would not see what has arrived since.
            path.fs.invalidate_cache()
            if path.is_dir():
                raise ParameterError(f"{location} is a folder. Give the parameter {parameter!r} one file.")
            size = path.stat().st_size
            if size > LARGEST_DOCUMENT:
                raise ParameterError(
                    f"{location} has {size:,} bytes; a document may have {LARGEST_DOCUMENT:,}. Is it really a text? "
                    "Split it."
                )
            return path.read_bytes()
    except FileNotFoundError as error:
        where = f"with connection {path.conn_id!r}" if path.conn_id else "on the machine of the worker"
        raise ParameterError(
            f"There is no document at {location} ({where}). Check the parameter {parameter!r}."
        ) from error
    except StoreError as error:
        if isinstance(error.__cause__, PermissionError):
            raise ParameterError(f"{location} may not be read. Check its permissions.") from error
        raise
