"""Ask stores which of the service's jobs somebody may still want: quickly, for thousands of jobs with many clips."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from narration.synthesis.azure_retention import (
    Kept,
    StoredJob,
    kept_for_any,
    kept_for_use,
    needed_clips,
    unaccepted_clips,
)
from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.paths import StoreError
    from narration.store import Store

log = logging.getLogger(__name__)

#: Clips that one folder of the store is asked for one by one before it is listed instead.
_LOOKED_UP_SINGLY = 20


class Holdings:
    """
    The clips that one store holds.

    A few clips are looked up one by one. Once a folder of the store was asked for more than a few, it is listed, once,
    because a listing names a thousand files for what one look costs. A listing is not repeated: a clip that comes
    later is missed, and its job is left to the next run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listed: dict[str, frozenset[str]] = {}
        self._asked: Counter[str] = Counter()

    def of(self, keys: Collection[str]) -> set[str]:
        """Give those of the clips that the store holds, with all of their audio."""
        wanted: dict[str, list[str]] = {}
        for key in dict.fromkeys(keys):
            wanted.setdefault(key[:2], []).append(key)
        to_list = []
        singly: list[str] = []
        for start, here in wanted.items():
            if start in self._listed:
                continue
            self._asked[start] += len(here)
            if self._asked[start] > _LOOKED_UP_SINGLY:
                to_list.append(start)
            else:
                singly.extend(here)
        self._listed.update(zip(to_list, self._store.parallel(self._store.whole_clips, to_list), strict=True))
        found = {key for key, held in zip(singly, self._store.parallel(self._held, singly), strict=True) if held}
        for start, here in wanted.items():
            found.update(self._listed.get(start, frozenset()).intersection(here))
        return found

    def _held(self, key: str) -> bool:
        from narration.paths import StoreError

        try:
            return self._store.has_whole(key)
        except StoreError as error:
            if not _is_damage(error):
                raise
            log.warning("%s It counts as not in the store.", error)
            return False


class StoreUse:
    """
    What one store still wants of the service's jobs.

    :param store: with the records of its orders, and its clips.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holdings = Holdings(store)

    def why_kept(self, jobs: Sequence[StoredJob]) -> list[Kept | None]:
        """
        Tell of each job why this store wants it kept; ``None`` if it does not.

        :raises narration.paths.StoreError: the store cannot be read; nothing may be concluded then.
        """
        orders = list(dict.fromkeys(job.order_id for job in jobs))
        records = dict(zip(orders, self._store.parallel(self._record, orders), strict=True))
        needed: list[tuple[str, ...] | None] = []
        for job in jobs:
            record = records[job.order_id]
            needed.append(None if record is None else needed_clips(job, record))
        held = self._holdings.of([key for clips in needed for key in clips or ()])
        verdicts: list[Kept | None] = []
        for job, clips in zip(jobs, needed, strict=True):
            record = records[job.order_id]
            if record is None:
                verdicts.append(Kept.DAMAGED)
            else:
                verdicts.append(kept_for_use(job, needed=clips, held=held, unaccepted=unaccepted_clips(job, record)))
        return verdicts

    def _record(self, order_id: str) -> OrderRecord | None:
        """Read the record of an order, an empty one if there is none; ``None`` if it cannot be made sense of."""
        from narration.paths import StoreError

        try:
            return OrderRecord.from_dict(self._store.read_record(order_id))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("The record of order %s is not one (%s: %s).", order_id, type(error).__name__, error)
        except StoreError as error:
            if not _is_damage(error):
                raise
            log.warning("%s", error)
        return None


def why_kept(jobs: Sequence[StoredJob], *, uses: Sequence[StoreUse]) -> list[Kept | None]:
    """Tell of each job why any of the stores wants it kept; a job that none of them knows is kept too."""
    verdicts = [use.why_kept(jobs) for use in uses]
    return [kept_for_any(verdict[number] for verdict in verdicts) for number in range(len(jobs))]


def _is_damage(error: StoreError) -> bool:
    """Tell a file that holds something else than it should from a store that does not answer."""
    return isinstance(error.__cause__, ValueError | TypeError)
