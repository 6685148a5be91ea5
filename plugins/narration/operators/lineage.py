"""What a task of the road tells OpenLineage: from which files it made which, and what it bought for that."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from narration.paths import object_path

PRODUCER = "urn:narration:airflow"
SCHEMA = "urn:narration:openlineage:1-0-0:NarrationRunFacet#/$defs/NarrationRunFacet"
"""Names the schema in docs/openlineage/NarrationRunFacet.json."""
FACET = "narration_run"
"""The run facet of this project's own; OpenLineage wants its name to begin with that of the project."""

_NAMESPACES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "wasb": "wasbs", "abfs": "abfss", "adl": "abfss"}
_AZURE = ("wasbs", "abfss")
_WEB = ("http", "https")


@dataclass(frozen=True, kw_only=True)
class File:
    """
    One file that a task read or made.

    :param location: a path or URI, as the task knows it.
    :param conn_id: connection for an S3 location that names none.
    :param description: what it is, for people.
    :param size: bytes, for a file that was made now; ``None`` if it was there before.
    """

    location: str
    conn_id: str | None = None
    description: str = ""
    size: int | None = None


@dataclass(kw_only=True)
class Lineage:
    """
    Gather what a task reads and makes, and tell it in OpenLineage's words when it is asked for.

    Nothing of OpenLineage is imported before that, and nothing at all where its provider is not installed.
    """

    inputs: dict[str, File] = field(default_factory=dict)
    outputs: dict[str, File] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def reads(self, location: str, *, conn_id: str | None = None, description: str = "") -> None:
        """Note a file that the task reads."""
        self.inputs[location] = File(location=location, conn_id=conn_id, description=description)

    def makes(self, location: str, *, description: str = "", size: int | None = None) -> None:
        """Note a file that the task makes, or that was made from the same before."""
        self.outputs[location] = File(location=location, description=description, size=size)

    def says(self, **facts: Any) -> None:
        """Note facts of the run: fields of the schema that :data:`SCHEMA` names."""
        self.facts.update(facts)

    def adds(self, **numbers: int) -> None:
        """Add to facts that are numbers."""
        for name, number in numbers.items():
            self.facts[name] = self.facts.get(name, 0) + number

    def to_openlineage(self) -> Any:
        """Give an ``OperatorLineage``, or ``None`` where OpenLineage's provider is not installed."""
        try:
            from airflow.providers.common.compat.openlineage.facet import ExternalQueryRunFacet
            from airflow.providers.openlineage.extractors import OperatorLineage
        except ImportError:
            return None
        run_facets = {}
        if self.facts:
            run_facets[FACET] = _run_facet()(**self.facts, producer=PRODUCER)
        jobs = self.facts.get("jobs", ())
        if len(jobs) == 1:
            # The standard facet has room for one id; of several, all stand in our own.
            run_facets["externalQuery"] = ExternalQueryRunFacet(externalQueryId=jobs[0], source=self.facts["service"])
        return OperatorLineage(
            inputs=list(_datasets(self.inputs.values(), made=False)),
            outputs=list(_datasets(self.outputs.values(), made=True)),
            run_facets=run_facets,
        )


class LineageMixin:
    """An operator that fills :attr:`lineage` while it runs; OpenLineage's listener then calls the two methods."""

    @property
    def lineage(self) -> Lineage:
        """What the task has read and made so far."""
        return self.__dict__.setdefault("_lineage", Lineage())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell what the task read, made and bought."""
        return self.lineage.to_openlineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Tell as much of it as was true when the task failed."""
        return self.lineage.to_openlineage()


def dataset_name(location: str, *, conn_id: str | None = None) -> tuple[str, str]:
    """
    Give namespace and name of a file by OpenLineage's naming rules.

    No connection, credentials or signature of the location are in it.

    :param location: a path on the worker, or a URI, with or without the connection that opens it.
    """
    scheme, found, rest = location.partition("://")
    if not found or scheme == "file":
        return "file", os.path.abspath(os.path.expanduser(rest if found else location))
    scheme = _NAMESPACES.get(scheme, scheme)
    if scheme in _WEB:
        rest = rest.partition("?")[0].partition("#")[0]
    place, _, name = rest.partition("/")
    before, _, place = place.rpartition("@")
    if scheme in _AZURE:
        # Azure's own URIs have the container before the account; Airflow's have the connection before the container.
        container, account = (before, place) if "." in place else (place, _account_of(location, conn_id=conn_id))
        place = f"{container}@{account}" if account else container
    return f"{scheme}://{place}", name.rstrip("/") or "/"


def _account_of(location: str, *, conn_id: str | None) -> str:
    """Name the storage account of a location that only names a connection, as far as its filesystem knows it."""
    path = object_path(location, conn_id=conn_id, parameter="location")
    return str(getattr(path.fs, "account_name", None) or "")


def _datasets(files: Iterable[File], *, made: bool) -> Iterable[Any]:
    from airflow.providers.common.compat.openlineage.facet import (
        DocumentationDatasetFacet,
        InputDataset,
        LifecycleStateChange,
        LifecycleStateChangeDatasetFacet,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )

    for file in files:
        namespace, name = dataset_name(file.location, conn_id=file.conn_id)
        facets: dict[str, Any] = {}
        if file.description:
            facets["documentation"] = DocumentationDatasetFacet(description=file.description)
        if not made:
            yield InputDataset(namespace=namespace, name=name, facets=facets)
            continue
        statistics: dict[str, Any] = {}
        if file.size is not None:
            facets["lifecycleStateChange"] = LifecycleStateChangeDatasetFacet(
                lifecycleStateChange=LifecycleStateChange.OVERWRITE
            )
            statistics["outputStatistics"] = OutputStatisticsOutputDatasetFacet(size=file.size, fileCount=1)
        yield OutputDataset(namespace=namespace, name=name, facets=facets, outputFacets=statistics)


@cache
def _run_facet() -> Any:
    """Make the class of :data:`FACET`; its base is there only where OpenLineage is installed."""
    import attrs
    from airflow.providers.common.compat.openlineage.facet import RunFacet

    @attrs.define(kw_only=True)
    class NarrationRunFacet(RunFacet):
        title: str | None = None
        service: str | None = None
        voice: str | None = None
        engine: str | None = None
        language: str | None = None
        audioFormat: str | None = None
        clips: int | None = None
        clipsBought: int | None = None
        clipsReused: int | None = None
        charactersPlanned: int | None = None
        charactersBought: int | None = None
        charactersReused: int | None = None
        charactersOfNarration: int | None = None
        amount: float | None = None
        currency: str | None = None
        jobs: list[str] | None = None
        durationSeconds: float | None = None

        @staticmethod
        def _get_schema() -> str:
            return SCHEMA

    return NarrationRunFacet
