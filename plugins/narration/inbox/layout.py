"""Which run a file of an inbox belongs to: by the folder it lies in, or by its time of modification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from narration.inbox.errors import InboxError

Layout = Literal["date", "modified"]

DEFAULT_FOLDERS = "%Y-%m-%d"

_MOST_FOLDERS = 20_000
_DIRECTIVES = {"%Y": "year", "%m": "month", "%d": "day", "%j": "day", "%H": "hour", "%M": "minute"}
_SMALLEST_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """
    From ``start`` up to, but not including, ``end``: the data interval of a run. Both know their time zone.

    Airflow gives a run that somebody starts by hand an interval of no length if its Dag has no schedule; it holds
    nothing.
    """

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def before(self, days: int) -> Interval:
        """Give the so many days before this interval."""
        return Interval(start=self.start - timedelta(days=days), end=self.start)

    def __str__(self) -> str:
        return f"{self.start.isoformat()} to {self.end.isoformat()}"


class DatedFolders:
    """
    Folders that are named by the time that they are for, such as ``2026-11-28`` or ``2026/11/28/14``.

    A folder belongs to the run in whose data interval it becomes complete: the folder of a day to the interval that
    holds the last moment of that day. So it does not matter whether a nightly run begins at midnight or at three.

    :param pattern: how they are named, in the directives of :meth:`datetime.datetime.strftime`: ``%Y``, ``%m``,
        ``%d``, ``%j``, ``%H``, ``%M``; a slash makes a folder in a folder.
    :param timezone: whose days and hours they are.
    :raises InboxError: if the pattern names no year, has a gap (a day without a month), or something else in it.
    """

    def __init__(self, *, pattern: str, timezone: tzinfo) -> None:
        self.pattern = pattern.strip().strip("/")
        self.timezone = timezone
        found = re.findall(r"%.", self.pattern)
        unknown = [directive for directive in found if directive not in _DIRECTIVES]
        units = {_DIRECTIVES[directive] for directive in found if directive in _DIRECTIVES}
        order = ("year", "month", "day", "hour", "minute")
        if "%j" in found:
            units.add("month")
        depth = max((order.index(unit) for unit in units), default=-1)
        if unknown or depth < 0 or units != set(order[: depth + 1]):
            raise InboxError(
                f"The names of the inbox's folders cannot be {pattern!r}. Give the parameter 'folders' a pattern such "
                "as %Y-%m-%d (a folder for each day) or %Y/%m/%d/%H, from the year down and without gaps, made of %Y, "
                "%m, %d, %j, %H and %M."
            )
        self._unit = order[depth]

    def within(self, interval: Interval) -> Iterator[tuple[str, datetime]]:
        """
        Give the folders that become complete within an interval, each with its last moment.

        :raises InboxError: if there are more than 20,000.
        """
        start = self._floor(interval.start - timedelta(days=366 if self._unit == "year" else 31))
        if self._unit not in ("year", "month"):
            start = self._floor(interval.start - timedelta(days=1))
        count = 0
        while start.astimezone(interval.end.tzinfo) < interval.end:
            following = self._next(start)
            # Compared as moments: an hour that a clock shows twice lasts two hours.
            last = following.astimezone(interval.start.tzinfo) - _SMALLEST_MOMENT
            if last in interval:
                count += 1
                if count > _MOST_FOLDERS:
                    raise InboxError(
                        f"{interval} holds more than {_MOST_FOLDERS:,} folders named like {self.pattern}. Choose "
                        "shorter intervals, or folders for longer times."
                    )
                yield start.strftime(self.pattern), last
            start = following

    def _floor(self, moment: datetime) -> datetime:
        local = moment.astimezone(self.timezone)
        parts: dict[str, int] = {"microsecond": 0, "second": 0}
        for unit, least in (("minute", 0), ("hour", 0), ("day", 1), ("month", 1)):
            if unit == self._unit:
                break
            parts[unit] = least
        return datetime(
            local.year,
            parts.get("month", local.month),
            parts.get("day", local.day),
            parts.get("hour", local.hour),
            parts.get("minute", local.minute),
            tzinfo=self.timezone,
        )

    def _next(self, start: datetime) -> datetime:
        if self._unit == "year":
            return start.replace(year=start.year + 1)
        if self._unit == "month":
            return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        # On the clock of the wall, as the names are: days have 23 to 25 hours.
        naive = start.replace(tzinfo=None) + timedelta(**{f"{self._unit}s": 1})
        return naive.replace(tzinfo=self.timezone)
