"""What Airflow does: tasks that follow each other, what it keeps of them, and how it goes on after a death."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.books import Book

DAG = {
    "polly": ("narrate_polly", "polly"),
    "azure_batch": ("narrate_azure_batch", "azure_batch"),
    "azure_batch_preview": ("narrate_azure_batch", "azure_batch"),
    "azure_long_audio": ("narrate_azure_long_audio", "azure_long_audio"),
}
PAUSES = {f"{name}_pause_ms": 150 for name in ("paragraph", "heading", "scene", "chapter")}


def form(service: str) -> dict[str, Any]:
    """What a person filled in, for each service: formats that lose nothing, so that what is heard can be compared."""
    if service == "polly":
        return {"output_format": "pcm", "output_bucket": "narration-output", **PAUSES}
    version = {"azure_batch": "2024-04-01", "azure_batch_preview": "3.1-preview1"}.get(service)
    form = {"output_format": "riff-24khz-16bit-mono-pcm", **PAUSES}
    return form if version is None else {**form, "api_version": version}


@dataclass(kw_only=True)
class Mapped:
    """
    One mapped task instance.

    :param order: what it is mapped over.
    :param state: ``ready``, ``deferred`` (a trigger is to run), ``fired`` (the worker is to resume), ``done``.
    """

    order: dict[str, Any]
    state: str = "ready"
    deferral: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    result: Any = None


@dataclass(frozen=True, kw_only=True)
class Action:
    """
    What can be done next.

    :param step: as :mod:`tests.crash.victim` names it.
    :param index: which of the mapped task instances.
    """

    run: Run
    step: str
    index: int = -1


@dataclass(kw_only=True, eq=False)
class Run:
    """
    One run of the Dag.

    :param params: of the form; the rest are its defaults.
    :param started: seconds since the epoch.
    """

    run_id: str
    service: str
    book: Book
    params: dict[str, Any]
    folder: Path
    started: float
    document: Any = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    mapped: list[Mapped] | None = None
    assembled: Any = None
    published: Any = None

    def actions(self) -> list[Action]:
        """What can be done next."""
        if self.published is not None:
            return []
        if self.document is None:
            return [Action(run=self, step="read")]
        if self.mapped is None:
            return [Action(run=self, step="plan")]
        steps = {"ready": "synthesize", "deferred": "trigger", "fired": "resume"}
        found = [
            Action(run=self, step=steps[each.state], index=index)
            for index, each in enumerate(self.mapped)
            if each.state != "done"
        ]
        if found:
            return found
        return [Action(run=self, step="assemble" if self.assembled is None else "publish")]

    def order_for(self, action: Action, *, environment: dict[str, str]) -> dict[str, Any]:
        """What the process is given that does it."""
        dag, service = DAG[self.service]
        name = f"{self.run_id}-{'synthesize' if action.step in {'resume', 'trigger'} else action.step}-{action.index}"
        order = {
            "step": action.step,
            "environment": environment,
            "dag": dag,
            "service": service,
            "run_id": self.run_id,
            "started": self.started,
            "params": self.params,
            "state": str(self.folder / f"{name}.state.json"),
            "document": self.document,
            "plan": self.xcoms.get("plan"),
            "assembled": self.assembled,
            "xcoms": {
                "plan": self.xcoms,
                "synthesize": {
                    "return_value": [each.result for each in self.mapped or () if each.result is not None] or None
                },
            },
        }
        if action.index >= 0:
            each = self.mapped_at(action.index)
            order |= {"order": each.order, "deferral": each.deferral, "event": each.event}
            order["trigger"] = each.deferral.get("trigger")
        return order

    def mapped_at(self, index: int) -> Mapped:
        assert self.mapped is not None
        return self.mapped[index]

    def take(self, action: Action, outcome: dict[str, Any]) -> None:
        """Keep what came of an attempt."""
        kind = outcome["kind"]
        if action.index >= 0:
            each = self.mapped_at(action.index)
            if kind == "event":
                each.state, each.event = "fired", outcome["event"]
            elif kind == "deferred":
                each.state, each.deferral = "deferred", {key: outcome[key] for key in ("trigger", "method", "kwargs")}
            else:
                each.state, each.result = "done", outcome["value"]
        elif action.step == "read":
            self.document = outcome["value"]
        elif action.step == "plan":
            self.xcoms = outcome["xcoms"]
            self.mapped = [Mapped(order=order) for order in outcome["value"]]
        elif action.step == "assemble":
            self.assembled = outcome["value"]
        else:
            self.published = outcome["value"]

    def begin_again(self, action: Action) -> None:
        """
        Retry: the next attempt begins from the start.

        Of an attempt that deferred nothing is left but the jobs. A trigger that died with its triggerer is simply run
        again by the next one.
        """
        if action.step in {"synthesize", "resume"}:
            self.clear(action.index)

    def clear(self, index: int) -> None:
        """Clear a mapped task instance, and what follows it."""
        each = self.mapped_at(index)
        self.mapped_at(index).state = "ready"
        each.deferral, each.event, each.result = {}, {}, None
        self.assembled = self.published = None
