"""Moments and durations as the Azure APIs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def milliseconds(moment: float) -> str:
    """``2022-11-16T15:07:04.121Z``: the preview and Long Audio."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ticks(moment: float, *, zone: bool = True) -> str:
    """``2024-03-12T07:23:18.0097387Z``: 2024-04-01 writes 7 digits, and sometimes no zone."""
    # Epoch seconds have no seventh digit to give.
    written = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
    return written + ("Z" if zone else "")


def seconds(moment: float) -> str:
    """``2022-11-11T01:49:43Z``: headers and signed URLs."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_seconds(text: str) -> float | None:
    """The moment that :func:`seconds` wrote, or a date alone; ``None`` for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def duration(milliseconds: int) -> str:
    """``PT5M57.252S``: ISO 8601 as .NET writes it."""
    days, left = divmod(milliseconds, 86_400_000)
    hours, left = divmod(left, 3_600_000)
    minutes, left = divmod(left, 60_000)
    written = f"P{days}D" if days else "P"
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if left or not (days or time):
        time += f"{left / 1000:.3f}".rstrip("0").rstrip(".") + "S"
    return written + (f"T{time}" if time else "")


def read_duration(text: str) -> float | None:
    """Seconds of an ISO 8601 duration without years and months; ``None`` for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None or text in {"P", "PT"} or text.endswith("T"):
        return None
    return sum(float(found[unit] or 0) * size for unit, size in _UNITS.items())
