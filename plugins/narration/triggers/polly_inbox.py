"""One receive loop per queue and triggerer, shared by every trigger that waits for a notice from it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol
from weakref import WeakKeyDictionary

from narration.errors import PermanentNarrationError
from narration.hooks.polly_notices import Received, task_of_notice

log = logging.getLogger(__name__)


class NoticeQueue(Protocol):
    """What the loop asks of :class:`narration.hooks.polly_queue.PollyNoticeQueue`."""

    @property
    def queue_url(self) -> str: ...
    @property
    def ordered(self) -> bool: ...
    async def receive(self) -> Sequence[Received]: ...
    async def delete(self, messages: Iterable[Received]) -> None: ...
    async def put_back(self, messages: Mapping[Received, int]) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Patience:
    """
    How long the loop waits for what. All in seconds, but ``times`` and ``failures``.

    :param unwatched: how old a notice of a task that nobody here waits for may become. Younger, it is put back for
        another triggerer; older, it is deleted: whoever waits now has asked Polly since.
    :param times: how often such a notice is received at most, should the clocks of SQS and this machine disagree.
    :param put_back: for how long at most nobody shall get a notice that was put back: 0 at first, then 1, 3, 7 …
    :param aside: for how long at most this loop does not receive after it put a notice back, so that another
        triggerer gets it: until a second after it can be received again.
    :param foreign: as ``put_back``, for a message that is no notice of Polly's: 1, 2, 4 … It is never deleted.
    :param failures: so many failed requests in a row make the queue count as unusable; one that was refused does.
    :param pause: how long the loop rests at most after a failed request.
    :param least: how long a request that brought nothing takes at least, whatever the queue does.
    """

    unwatched: float = 300.0
    times: int = 25
    put_back: int = 30
    aside: float = 2.0
    foreign: int = 900
    failures: int = 3
    pause: float = 60.0
    least: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """
    What to do with the messages of one receipt.

    :param told: tasks that somebody here waits for and that have a notice.
    :param delete: messages that are dealt with.
    :param put_back: messages for others, and for how many seconds nobody shall get them.
    :param foreign: how many of those are no notices at all.
    :param aside: how many seconds to leave the queue to others.
    """

    told: frozenset[str]
    delete: tuple[Received, ...]
    put_back: Mapping[Received, int]
    foreign: int = 0
    aside: float = 0.0


def sort_messages(
    messages: Iterable[Received],
    *,
    waiting: Callable[[str], bool],
    told_before: Callable[[str], bool],
    ordered: bool,
    now: float,
    patience: Patience,
) -> Sorted:
    """
    Decide about messages; see :class:`Patience` for the limits.

    :param waiting: whether somebody here waits for a task.
    :param told_before: whether somebody here was told of a task already: what comes then is a copy.
    :param ordered: whether the queue is a FIFO queue. To put a message back there would hold up all that come after
        it, so what nobody here waits for is deleted at once; another triggerer finds out by asking Polly.
    :param now: seconds since the epoch.
    """
    told: set[str] = set()
    delete: list[Received] = []
    put_back: dict[Received, int] = {}
    foreign = 0
    aside = 0.0
    for message in messages:
        task_id = task_of_notice(message.body)
        doubling = 2 ** min(message.times - 1, 30)
        if task_id is None:
            put_back[message] = min(doubling, patience.foreign)
            foreign += 1
        elif waiting(task_id):
            told.add(task_id)
            delete.append(message)
        elif ordered or told_before(task_id) or _stale(message, now=now, patience=patience):
            delete.append(message)
        else:
            put_back[message] = min(doubling - 1, patience.put_back)
            aside = max(aside, min(put_back[message] + 1.0, patience.aside))
    return Sorted(told=frozenset(told), delete=tuple(delete), put_back=put_back, foreign=foreign, aside=aside)


def _stale(message: Received, *, now: float, patience: Patience) -> bool:
    old = message.sent is not None and now - message.sent >= patience.unwatched
    return old or message.times >= patience.times


class Watch:
    """
    What one trigger knows of its notice.

    A notice is a hint: it may be early, late, doubled, forged or lost. Whoever gets one asks Polly.
    """

    def __init__(self, inbox: SharedInbox) -> None:
        self._inbox = inbox
        self._changed = asyncio.Event()
        self._told = False

    @property
    def trouble(self) -> str | None:
        """Why the queue cannot be used at present; None while it can."""
        return self._inbox.trouble

    def take_notice(self) -> bool:
        """Whether a notice has come since the last call."""
        told, self._told = self._told, False
        return told

    async def changed(self) -> None:
        """Wait until a notice has come, or the queue has become usable or unusable."""
        await self._changed.wait()
        self._changed.clear()

    def tell(self) -> None:
        """Say that a notice has come."""
        self._told = True
        self._changed.set()

    def stir(self) -> None:
        """Say that the state of the queue has changed."""
        self._changed.set()


class SharedInbox:
    """
    Receive from one queue for all who wait, and hand each notice to those that it concerns.

    It runs while somebody watches, and ends with its last watcher. It never gives up: while the queue cannot be used
    it says so to its watchers, who then ask Polly as often as they would without a queue, and tries again every
    minute.

    :param queue: receives, deletes and puts back.
    :param patience: how long the loop waits for what.
    """

    _running: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, SharedInbox]]] = WeakKeyDictionary()
    # Enough for the notices of a day; a copy that comes later is only put back a few times more.
    _REMEMBERED = 10_000
    _SETTLING_SECONDS = 5.0

    def __init__(self, *, queue: NoticeQueue, patience: Patience) -> None:
        self._queue = queue
        self._patience = patience
        self._watches: dict[str, set[Watch]] = {}
        self._told: OrderedDict[str, None] = OrderedDict()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._foreign = 0
        #: Why the queue cannot be used at present; None while it can.
        self.trouble: str | None = None

    @classmethod
    @asynccontextmanager
    async def watching(
        cls,
        key: Hashable,
        *,
        task_id: str,
        queue: NoticeQueue,
        patience: Patience | None = None,
    ) -> AsyncIterator[Watch]:
        """
        Join the loop of a queue, starting it if nobody watches yet.

        :param key: the queue and the connection; watchers with the same key share one loop.
        :param task_id: Polly's ``TaskId`` of the task that this watcher waits for.
        :param queue: used if the loop has to be started.
        :param patience: likewise.
        """
        inboxes = cls._running.setdefault(asyncio.get_running_loop(), {})
        inbox = inboxes.get(key)
        if inbox is None:
            inbox = inboxes[key] = cls(queue=queue, patience=patience or Patience())
            inbox._task = asyncio.create_task(inbox._run())
        watch = Watch(inbox)
        inbox._watches.setdefault(task_id, set()).add(watch)
        try:
            yield watch
        finally:
            inbox._watches[task_id].discard(watch)
            if not inbox._watches[task_id]:
                del inbox._watches[task_id]
            if not inbox._watches:
                inboxes.pop(key, None)
                await inbox._end()

    async def _end(self) -> None:
        """Stop receiving, but first deal with what was received already."""
        try:
            async with asyncio.timeout(self._SETTLING_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%s is too slow to delete what was received from it; it comes again.", self._queue.queue_url)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
            await self._queue.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failed = 0
        while True:
            begun = loop.time()
            try:
                outcome = await self._round()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Whatever it is, the watchers go on without the queue, and the loop tries again.
                failed += 1
                refused = isinstance(error, PermanentNarrationError)
                log.debug("Receiving failed %d time(s): %s", failed, error)
                if refused or failed >= self._patience.failures:
                    self._troubled(str(error) or type(error).__name__)
                self._idle.set()
                pause = self._patience.pause if refused else min(2.0**failed, self._patience.pause)
                await asyncio.sleep(pause)
                continue
            failed = 0
            self._troubled(None)
            if outcome is None:
                await asyncio.sleep(max(0.0, self._patience.least - (loop.time() - begun)))
            elif outcome.aside:
                await asyncio.sleep(outcome.aside)

    async def _round(self) -> Sorted | None:
        """Receive once and deal with what came; None when nothing did."""
        self._idle.set()
        messages = await self._queue.receive()
        if not messages:
            return None
        self._idle.clear()
        outcome = sort_messages(
            messages,
            waiting=self._watches.__contains__,
            told_before=self._told.__contains__,
            ordered=self._queue.ordered,
            now=time.time(),
            patience=self._patience,
        )
        # A triggerer that dies between the two lines loses nothing: whoever begins to wait anew asks Polly first.
        self._tell(outcome.told)
        await self._queue.delete(outcome.delete)
        await self._queue.put_back(outcome.put_back)
        self._mention(outcome.foreign)
        self._idle.set()
        return outcome

    def _tell(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            self._told[task_id] = None
            self._told.move_to_end(task_id)
            for watch in self._watches[task_id]:
                watch.tell()
        while len(self._told) > self._REMEMBERED:
            self._told.popitem(last=False)

    def _troubled(self, trouble: str | None) -> None:
        if trouble == self.trouble:
            return
        self.trouble = trouble
        for watches in self._watches.values():
            for watch in watches:
                watch.stir()

    def _mention(self, foreign: int) -> None:
        """Say once that the queue has other users, or other topics."""
        if foreign and not self._foreign:
            log.warning(
                "%s holds messages that are no notices of Polly's. They are left there; give the notices a queue of "
                "their own.",
                self._queue.queue_url,
            )
        self._foreign += foreign
