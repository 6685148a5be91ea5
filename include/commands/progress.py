"""What a run is doing, as one line on a terminal."""

from __future__ import annotations

import io
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

_STAGES = {
    "read": "Reading the document",
    "plan": "Planning",
    "approve": "Checking the price",
    "synthesize": "Narrating",
    "assemble": "Joining the audio",
    "publish": "Publishing",
}
_FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_PLAIN_EVERY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """
    :param stage: in words.
    :param percent: of the stage, where it tells.
    :param orders_done: orders of which every paragraph has its clip.
    :param orders: all orders of the run; 0 until they are planned.
    :param paragraphs_done: paragraphs whose clip is in the store.
    :param paragraphs: all of the document; 0 until it is planned.
    :param billed_characters: paid for by this run so far.
    :param retries: attempts beyond the first, over all tasks.
    """

    stage: str
    percent: int | None = None
    orders_done: int = 0
    orders: int = 0
    paragraphs_done: int = 0
    paragraphs: int = 0
    billed_characters: int = 0
    retries: int = 0

    def line(self, *, elapsed: float) -> str:
        parts = [self.stage]
        if self.percent is not None:
            parts.append(f"{self.percent} %")
        if self.paragraphs:
            parts.append(f"{self.paragraphs_done:,} of {self.paragraphs:,} paragraphs")
        if self.orders:
            parts.append(f"{self.orders_done} of {self.orders} orders")
        if self.paragraphs or self.billed_characters:
            parts.append(f"{self.billed_characters:,} characters billed")
        parts.append(clock(elapsed))
        return " · ".join(parts)


def measure(
    *,
    run: Mapping[str, Any],
    instances: Iterable[Mapping[str, Any]],
    plan: Mapping[str, Any] | None,
    orders: Iterable[Mapping[str, Any]],
    billed: int,
    assembled: Mapping[str, Any] | None = None,
) -> Progress:
    """
    :param run: the Dag run, as the REST API gives it.
    :param instances: its task instances.
    :param plan: the summary that ``plan`` handed on; None before that.
    :param orders: the ``progress`` of each order, as far as known.
    :param assembled: the ``progress`` of ``assemble``; None before it says anything.
    :param billed: by how much the service's own bill has grown since the run was started.
    """
    listed = list(instances)
    known = list(orders)
    synthesis = [ti for ti in listed if ti["task_id"] == "synthesize" and ti.get("map_index", -1) >= 0]
    paragraphs = int(plan["paragraphs"]) if plan else 0
    # What was bought before and is not fetched yet is not in the store either.
    to_buy = int(plan.get("to_buy", 0)) + int(plan.get("on_order", 0)) if plan else 0
    bought = min(to_buy, sum(int(order.get("done", 0)) for order in known))
    if plan and synthesis and all(ti["state"] == "success" for ti in synthesis):
        bought = to_buy
    stage = _stage(run, listed)
    percent = (assembled or {}).get("percent") if stage == _STAGES["assemble"] else None
    return Progress(
        stage=stage,
        percent=int(percent) if isinstance(percent, int | float) else None,
        orders_done=sum(ti["state"] == "success" for ti in synthesis),
        orders=len(synthesis),
        paragraphs_done=max(0, paragraphs - to_buy + bought),
        paragraphs=paragraphs,
        billed_characters=max(billed, sum(int(order.get("billed_characters", 0)) for order in known)),
        retries=sum(max(0, int(ti.get("try_number") or 0) - 1) for ti in listed),
    )


def _stage(run: Mapping[str, Any], instances: list[Mapping[str, Any]]) -> str:
    if run.get("state") == "queued" or not instances:
        return "Waiting for the scheduler"
    if any(ti.get("state") == "awaiting_input" for ti in instances):
        return "Waiting for somebody to approve the price, in the UI under Required Actions"
    unfinished = {ti["task_id"] for ti in instances if ti.get("state") not in _FINISHED}
    for task, words in _STAGES.items():
        if task in unfinished:
            return words
    return f"Running {sorted(unfinished)[0]}" if unfinished else "Finishing"


def clock(seconds: float) -> str:
    """``h:mm:ss``, or ``m:ss`` under an hour."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display:
    """
    One line that is written over and over on a terminal; elsewhere a line whenever the stage
    changes, and every 30 seconds in between.

    :param stream: where to; standard output unless told.
    :param tty: whether it is a terminal.
    """

    def __init__(
        self, *, stream: TextIO | None = None, tty: bool | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._tty = self._stream.isatty() if tty is None else tty
        self._monotonic = monotonic
        self._open = False
        self._key = ""
        self._written = ""
        self._at = float("-inf")

    def show(self, line: str, *, key: str) -> None:
        """
        :param key: what makes a line new: the stage.
        """
        if self._tty:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{line[: width - 1]}")
            self._open = True
        elif key != self._key or (line != self._written and self._monotonic() - self._at >= _PLAIN_EVERY_SECONDS):
            self._write(line + "\n")
            self._at = self._monotonic()
        self._key, self._written = key, line

    def say(self, text: str = "") -> None:
        """Write something that stays."""
        if self._open:
            self._write("\r\x1b[K")
            self._open = False
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, OSError):
            # Whoever read our output is gone (make run | head): the run goes on without him.
            self._stream = io.StringIO()
