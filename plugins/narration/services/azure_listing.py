"""
Going through an Azure resource's jobs without reading more of a long list than is needed.

The lists have no filter, may be 20,000 entries long, and their order is not documented. While one is read page by page,
jobs are deleted and bought, and everything moves. So a page always overlaps with what was read before it, and the order
of a list is believed for as long as all that is read of it is in that order.

How to go through a list is written as generators that yield what to skip and are sent the page found there: the same
for callers that wait and for the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, TypeVar

from narration.hooks.azure_api import LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_errors import AzureSpeechError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook

_T = TypeVar("_T")
Walk: TypeAlias = Generator[int, list[AzureJob], _T]
Visit: TypeAlias = Callable[[AzureJob], object]
Enough: TypeAlias = "Callable[[Stretch], bool]"

# So many different dates in a row are no accident.
_DATES_THAT_SHOW_AN_ORDER = 8
_NO_LIST_HAS = 1_000_000
_MOST_OVERLAP = LIST_PAGE_SIZE // 2
_MOST_PAGES_WITHOUT_NEWS = 40


@dataclass(frozen=True, kw_only=True)
class Reading:
    """
    What is known after a list was read.

    :param length: how many jobs it has, as far as this reading tells; 0 if it does not.
    :param is_complete: whether no job can have been missed that is old enough to be shown.
    """

    length: int
    is_complete: bool


class Stretch:
    """
    A part of a list that was read without a gap, and the order of what was met.

    :ivar last: what was met last.
    :ivar is_at_rest: whether the last page was a whole one with finished jobs alone.
    :param visit: is shown each job once.
    """

    def __init__(self, visit: Visit) -> None:
        self.met: set[str] = set()
        self.last: AzureJob | None = None
        self.is_at_rest = False
        self._visit = visit
        self._dates = 0
        self._rises = self._falls = True

    def add(self, page: list[AzureJob], *, backwards: bool = False) -> bool:
        """Add a page that touches the stretch; tell whether it brought anything new."""
        before = len(self.met)
        self.is_at_rest = len(page) == LIST_PAGE_SIZE and not any(job.is_active for job in page)
        for job in reversed(page) if backwards else page:
            if job.job_id not in self.met:
                self.met.add(job.job_id)
                self._follow(job)
                self._visit(job)
        return len(self.met) > before

    def touches(self, page: list[AzureJob]) -> bool:
        """Whether there can be no job between the stretch and the page."""
        return any(job.job_id in self.met for job in page)

    @property
    def rises(self) -> bool:
        """Whether everything was met in the order of creation."""
        return self._rises and self._dates >= _DATES_THAT_SHOW_AN_ORDER

    @property
    def falls(self) -> bool:
        """Whether everything was met against the order of creation, the newest first."""
        return self._falls and self._dates >= _DATES_THAT_SHOW_AN_ORDER

    def _follow(self, job: AzureJob) -> None:
        previous = self.last.created_at if self.last is not None else None
        if job.created_at is None:
            self._rises = self._falls = False
        elif previous is None:
            self._dates += 1
        elif job.created_at != previous:
            self._dates += 1
            self._rises = self._rises and job.created_at > previous
            self._falls = self._falls and job.created_at < previous
        self.last = job


def read_since(
    hook: AzureSpeechHook,
    *,
    api: SynthesisApi,
    since: float | None,
    length: int,
    known: Collection[str],
    visit: Visit,
) -> Reading:
    """
    Read all jobs that were created since some moment, and maybe older ones.

    Where the list is in the order of creation, only the end with the newest jobs is read, down to one that was known
    before: a list that is sorted by something else may look the same for a page, but has not the known ones there.

    :param since: seconds since the epoch; ``None`` to read everything.
    :param length: how long the list was when it was last read.
    :param known: ids of some of the newest jobs at that time.
    :param visit: is shown each job, some maybe twice.
    """
    return _run(hook, api=api, walk=_reading(since=since, length=length, known=known, visit=visit))


def count_active(hook: AzureSpeechHook, *, api: SynthesisApi, at_most: int) -> int:
    """
    Count unfinished jobs, and stop at a number beyond which it does not matter.

    Looks from the newest jobs back to the first whole page on which everything is finished: jobs are made about in
    the order in which they came. A list in no such order is read whole.
    """
    active: set[str] = set()

    def visit(job: AzureJob) -> None:
        if job.is_active:
            active.add(job.job_id)

    def enough(stretch: Stretch) -> bool:
        return len(active) >= at_most or (stretch.falls and stretch.is_at_rest)

    _run(hook, api=api, walk=from_newest(length=0, visit=visit, enough=enough))
    return min(len(active), at_most)


def from_newest(*, length: int, visit: Visit, enough: Enough, ends: bool = True) -> Walk[Reading]:
    """
    Go through a list from its newest end until it is enough, or through all of it.

    :param length: how long the list was when it was last read; 0 if that is not known.
    :param visit: is shown each job, some maybe twice.
    :param enough: tells after each page whether to stop.
    :param ends: whether it ever does; if not, the end is not looked for first.
    """
    first = Stretch(visit)
    page = yield 0
    first.add(page)
    if ends and len(page) == LIST_PAGE_SIZE and first.rises and not enough(first):
        reading = yield from _backwards(length=length, visit=visit, enough=enough)
        if reading is not None:
            return reading
    return (yield from _onwards(first, page, enough=enough))


def _reading(*, since: float | None, length: int, known: Collection[str], visit: Visit) -> Walk[Reading]:
    def enough(stretch: Stretch) -> bool:
        if since is None or not stretch.falls or not _is_before(stretch.last, since):
            return False
        return not stretch.met.isdisjoint(known)

    return (yield from from_newest(length=length, visit=visit, enough=enough, ends=since is not None))


def _onwards(stretch: Stretch, page: list[AzureJob], *, enough: Enough) -> Walk[Reading]:
    """Go on from the first page of a list."""
    skip, overlap, without_news = 0, 1, 0
    is_one_page = len(page) < LIST_PAGE_SIZE
    while len(page) == LIST_PAGE_SIZE:
        if enough(stretch):
            return Reading(length=0, is_complete=stretch.falls)
        end = skip + len(page)
        skip = max(0, end - overlap)
        page = yield skip
        # Jobs before this page were deleted, and others have moved up to where was read already.
        while skip and not stretch.touches(page):
            overlap *= 2
            skip = max(0, end - overlap)
            page = yield skip
        overlap = min(overlap, _MOST_OVERLAP)
        without_news = 0 if stretch.add(page) else without_news + 1
        if without_news > _MOST_PAGES_WITHOUT_NEWS:
            raise AzureSpeechError("Azure's list of jobs goes on and on without showing others. Try again later.")
    is_complete = is_one_page or stretch.rises or stretch.falls
    if not is_complete:
        # Where what happens to a job moves it to the front, one may have gone there while the rest was read.
        stretch.add((yield 0))
    return Reading(length=skip + len(page), is_complete=is_complete)


def _backwards(*, length: int, visit: Visit, enough: Enough) -> Walk[Reading | None]:
    """Go from the end of a list to its beginning; nothing if it turns out not to be in the order of creation."""
    skip, page = yield from _end(length)
    if not page:
        return None
    length = skip + len(page)
    stretch = Stretch(visit)
    stretch.add(page, backwards=True)
    while skip and not enough(stretch):
        # Deletions move jobs towards the beginning, and so to where is read next.
        skip = max(0, skip + 1 - LIST_PAGE_SIZE)
        page = yield skip
        if not stretch.touches(page):
            return None
        stretch.add(page, backwards=True)
        if len(stretch.met) >= LIST_PAGE_SIZE and not stretch.falls:
            return None
    return Reading(length=length, is_complete=stretch.falls) if stretch.falls or enough(stretch) else None


def _end(length: int) -> Walk[tuple[int, list[AzureJob]]]:
    """
    Find a page on which a list ends that has more than one: how many jobs there are, Azure does not say.

    :param length: how many there were, or 0.
    :return: what to skip, and the page; nothing if there is no such page any more.
    """
    full, beyond, step = 0, _NO_LIST_HAS, LIST_PAGE_SIZE
    skip = max(length, LIST_PAGE_SIZE) - LIST_PAGE_SIZE // 2
    while full < skip < beyond:
        page = yield skip
        if 0 < len(page) < LIST_PAGE_SIZE:
            return skip, page
        if page:
            full = skip
        else:
            beyond = skip
        skip = full + step if beyond == _NO_LIST_HAS else (full + beyond) // 2
        step *= 2
    return 0, []


def _run(hook: AzureSpeechHook, *, api: SynthesisApi, walk: Walk[_T]) -> _T:
    try:
        skip = next(walk)
        while True:
            jobs = hook.list_jobs(api=api, page_size=LIST_PAGE_SIZE, skip=skip)
            skip = walk.send(list(islice(jobs, LIST_PAGE_SIZE)))
    except StopIteration as end:
        return end.value


def _is_before(job: AzureJob | None, moment: float) -> bool:
    """Whether nothing has happened to a job since: a list by the last action is as good as one by creation."""
    return job is not None and all(at is None or at < moment for at in (job.created_at, job.last_action_at))
