"""How often each operation was called, throttled and refused, since the start of the process."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass


@dataclass
class Calls:
    """Counts of one operation; ``errors`` does not count the throttled ones again."""

    calls: int = 0
    throttled: int = 0
    errors: int = 0


class CallCounter:
    """Counts per service and operation."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, defaultdict[str, Calls]] = defaultdict(lambda: defaultdict(Calls))

    def of(self, *, service: str, operation: str) -> Calls:
        return self._counts[service][operation]

    def report(self) -> dict[str, dict[str, dict[str, int]]]:
        return {
            service: {operation: asdict(calls) for operation, calls in sorted(operations.items())}
            for service, operations in sorted(self._counts.items())
        }
