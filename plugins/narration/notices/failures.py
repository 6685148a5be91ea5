"""Why a task has failed: written down by the task itself, for whoever tells people that its run has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from narration.errors import NarrationError
from narration.notices.notice import Event, Notice

if TYPE_CHECKING:
    from airflow.sdk import Context

FAILURE = "notice_failure"
"""The XCom of a failed task that says why, for a notice."""

LONGEST_REASON = 600

_UNKNOWN = (
    "it left no reason. Its worker may have been killed, or somebody has marked it as failed. Its log may say more."
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """
    Why one task instance has failed.

    :param task_id: with its group.
    :param map_index: ``-1`` if it is not mapped.
    :param label: what its ``map_index_template`` calls it, such as the chapter; empty if there is none.
    :param reason: in a few sentences, the remedy among them.
    :param event: :attr:`Event.OVER_BUDGET` if that is why.
    """

    task_id: str
    map_index: int = -1
    label: str = ""
    reason: str = _UNKNOWN
    event: Event = Event.FAILURE

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"

    @property
    def name(self) -> str:
        """Name the task for people."""
        if self.label:
            return f"{self.task_id}, {self.label}"
        return self.task_id if self.map_index < 0 else f"{self.task_id} {self.map_index}"

    def to_dict(self) -> dict[str, Any]:
        """Give the failure as JSON types, for XCom."""
        return {"label": self.label, "reason": self.reason, "event": str(self.event)}

    @classmethod
    def read(cls, value: Any, *, task_id: str, map_index: int = -1) -> Self:
        """
        Read what :meth:`to_dict` wrote.

        :param value: ``None`` for a task that left nothing.
        """
        if not isinstance(value, Mapping):
            return cls(task_id=task_id, map_index=map_index)
        return cls(
            task_id=task_id,
            map_index=map_index,
            label=value["label"],
            reason=value["reason"],
            event=Event(value["event"]),
        )


def remember_failure(context: Context) -> None:
    """
    Write down why the task of this context has failed; an ``on_failure_callback`` of tasks.

    Airflow calls it on the worker before it tells anybody that the task has failed, so it is there when the Dag's own
    callback looks for it.
    """
    error = context.get("exception")
    if error is None:
        # Called for a task whose worker is gone, from a process that can write no XCom.
        return
    ti = context["ti"]
    failure = Failure(
        task_id=ti.task_id,
        label=str(getattr(ti, "rendered_map_index", None) or ""),
        reason=reason_of(error),
        event=Event(error.notice) if isinstance(error, NarrationError) else Event.FAILURE,
    )
    ti.xcom_push(key=FAILURE, value=failure.to_dict())


def reason_of(error: BaseException | str) -> str:
    """
    Say in a few sentences why something has failed.

    The messages of Narration's own exceptions are made for people; of others the name says more than the message.
    """
    if isinstance(error, NarrationError):
        text = str(error)
    else:
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    text = " ".join(Notice(event=Event.FAILURE, title="", lines=(text,)).presentable().lines).strip()
    return _shortened(text) or type(error).__name__


def _shortened(text: str) -> str:
    """Cut a text after a sentence, or else after a word."""
    if len(text) <= LONGEST_REASON:
        return text
    cut = text[:LONGEST_REASON]
    end = cut.rfind(". ")
    if end > LONGEST_REASON // 2:
        return cut[: end + 1] + " …"
    return cut.rsplit(" ", 1)[0] + " …"
