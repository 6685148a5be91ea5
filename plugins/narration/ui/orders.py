"""Reading orders from their store in the API server, which must not hang and need not see what the workers see."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from narration.errors import NarrationError
from narration.synthesis.orders import Order
from narration.synthesis.record import OrderRecord
from narration.ui.runs import OrderPlace
from narration.ui.states import ShownParagraph, paragraphs_of

if TYPE_CHECKING:
    from narration.store import Store
    from narration.synthesis.failed import FailedParagraph

T = TypeVar("T")

log = logging.getLogger(__name__)

LONGEST_READING = 20.0
"""Seconds that a page waits for the store."""
AT_ONCE = 4
"""Pages that read from stores at once; each may hold a thread of the API server."""
_MANY_CLIPS = 1000
"""Above this, clips are found by listing folders and not by asking for each of them."""

_readers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="narration-page")


class OrderUnreadableError(NarrationError):
    """An order could not be read from the API server, which says nothing of what workers can read."""


@dataclass(frozen=True, kw_only=True)
class ShownOrder:
    """
    One order of the page.

    :param paragraphs: all of them; those that failed first, each group in the order of the document.
    :param unreadable: why the order could not be read; it then has no paragraphs.
    """

    place: OrderPlace
    paragraphs: tuple[ShownParagraph, ...] = ()
    unreadable: str = ""


def read_order(
    place: OrderPlace, *, failed: Collection[FailedParagraph] = (), seconds: float = LONGEST_READING
) -> ShownOrder:
    """
    Read an order and say of each of its paragraphs where it stands.

    :param failed: paragraphs that the task instance failed for.
    :param seconds: how long to wait for the store.
    """
    try:
        paragraphs = _within(seconds, lambda: _paragraphs(place, failed=failed))
    except (NarrationError, OSError, ImportError) as error:
        log.info("Order %s cannot be shown: %s", place.order_id, error)
        return ShownOrder(place=place, unreadable=str(error) or type(error).__name__)
    return ShownOrder(place=place, paragraphs=tuple(sorted(paragraphs, key=lambda each: not each.state.is_trouble)))


def _within(seconds: float, act: Callable[[], T]) -> T:
    future = _readers.submit(act)
    try:
        return future.result(timeout=seconds)
    except TimeoutError as error:
        future.cancel()
        raise OrderUnreadableError(f"The store did not answer within {seconds:.0f} s. Load this page again.") from error


def _paragraphs(place: OrderPlace, *, failed: Iterable[FailedParagraph]) -> list[ShownParagraph]:
    from narration.store import Store

    store = Store(location=place.storage)
    # This process lives long, and the filesystem would go on with what it saw in a folder long ago.
    store.root.fs.invalidate_cache()
    name = f"{place.order_id}.json"
    try:
        order = Order.from_dict(store.read_json("orders", name))
    except FileNotFoundError as error:
        raise OrderUnreadableError(
            f"{store.uri_of('orders', name)} is not there for the API server, which shows this page."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise OrderUnreadableError(f"{store.uri_of('orders', name)} is not an order.") from error
    try:
        record = OrderRecord.from_dict(store.read_record(place.order_id))
    except (KeyError, TypeError, ValueError) as error:
        record_uri = store.uri_of("orders", f"{place.order_id}.record.json")
        raise OrderUnreadableError(f"{record_uri} is not a record of an order.") from error
    return paragraphs_of(order, record=record, stored=_stored(store, order), failed=failed)


def _stored(store: Store, order: Order) -> Collection[str]:
    keys = [clip.clip_key for clip in order.clips]
    if len(keys) <= _MANY_CLIPS:
        return store.clips(keys)
    starts = sorted({key[:2] for key in keys})
    return frozenset[str]().union(*store.parallel(store.whole_clips, starts))
