"""What is said when a run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.commands.errors import CommandError
from include.commands.follow import Failure, Outcome
from include.commands.progress import clock

_FAILURES_SHOWN = 3


def local_path(uri: str) -> str:
    """A plain path for a ``file://`` URI, which Airflow writes without escapes; others as they are."""
    return uri.removeprefix("file://") if uri.startswith("file:///") else uri


def size(count: int) -> str:
    """``6.1 MB``: decimal units, as file managers show them."""
    if count < 1000:
        return f"{count} bytes"
    for unit, scale in (("kB", 1000), ("MB", 1000**2), ("GB", 1000**3)):
        if count < scale * 1000 or unit == "GB":
            return f"{count / scale:.1f} {unit}"
    raise ValueError(count)


def success(outcome: Outcome, *, local: bool) -> str:
    """
    :param local: whether the local cloud was the service, so that no money was spent.
    """
    result = outcome.result
    if not result:
        return outcome.note or f"The run {outcome.run_id} succeeded in {clock(outcome.elapsed)}."
    length = _length(float(result.get("duration_seconds", 0)))
    lines = [f"“{result.get('title', '')}” is narrated: {length}, in {clock(outcome.elapsed)}.", ""]
    lines += [
        f"  {name:<9} {local_path(str(result[uri]))}{_size(result, bytes_)}"
        for name, uri, bytes_ in (
            ("MP3", "mp3_uri", "mp3_bytes"),
            ("M4B", "m4b_uri", "m4b_bytes"),
            ("manifest", "manifest_uri", ""),
        )
        if result.get(uri)
    ]
    return "\n".join([*lines, "", "  " + _paid(result, local=local)])


def _length(seconds: float) -> str:
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _size(result: Mapping[str, Any], name: str) -> str:
    return f"  ({size(int(result[name]))})" if name and result.get(name) else ""


def _paid(result: Mapping[str, Any], *, local: bool) -> str:
    bought = int(result.get("bought_characters_this_run", 0))
    paragraphs = int(result.get("paragraphs", 0))
    if not bought:
        return f"Nothing was bought: all {paragraphs:,} paragraphs were already in the store."
    whose = " by the local cloud, so no money was spent" if local else ""
    return f"Billed: {bought:,} characters{whose}."


def failed(outcome: Outcome) -> CommandError:
    """The failed tasks, what they said, and where to read on."""
    lines = [f"The narration failed (run {outcome.run_id})."]
    for failure in outcome.failures[:_FAILURES_SHOWN]:
        lines += _failure(failure)
    if len(outcome.failures) > _FAILURES_SHOWN:
        lines.append(f"  and {len(outcome.failures) - _FAILURES_SHOWN} more tasks.")
    return CommandError(
        "\n".join(lines),
        remedy="Put right what the message names and run the same command again: what was paid for is kept.",
    )


def _failure(failure: Failure) -> list[str]:
    attempts = f" after {failure.attempts} attempts" if failure.attempts > 1 else ""
    return [
        f"  Task {failure.task} failed{attempts}:",
        *(f"    {line}" for line in (failure.error or "no exception in its log").splitlines()),
        f"    Log: {failure.log}",
    ]
