"""Reading the record of an order, which is never taken for an empty one when it cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narration.synthesis.record import OrderRecord

if TYPE_CHECKING:
    from narration.store import Store


def read_record(store: Store, order_id: str) -> OrderRecord:
    """
    Read what became of an order so far; an empty record if nothing was written yet.

    :raises narration.paths.StoreError: if it is damaged: an empty one in its place could buy again what was bought.
    """
    from narration.paths import StoreError

    data = store.read_record(order_id)
    try:
        return OrderRecord.from_dict(data)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{store.uri_of('orders', f'{order_id}.record.json')} is not a record of an order "
            f"({type(error).__name__}: {error}). Remove it and run again: the service is asked for its jobs."
        ) from error
