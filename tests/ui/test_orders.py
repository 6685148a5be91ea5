"""Reading orders where it may hang, and where another process writes."""

from __future__ import annotations

import threading

from narration.synthesis.record import OrderRecord
from narration.ui import orders
from narration.ui.orders import read_order
from narration.ui.runs import OrderPlace
from narration.ui.states import ParagraphState
from tests.conftest import BUCKET
from tests.ui.conftest import clip, order_of


def place(order, location):
    return OrderPlace(order_id=order.order_id, label="One", storage=location)


def test_a_store_that_does_not_answer_holds_a_page_for_no_longer_than_it_says(store, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def hang(*_):
        asked.set()
        answer.wait(20)

    monkeypatch.setattr("narration.store.Store.read_json", hang)
    try:
        shown = read_order(place(order_of(clip(1)), store.uri), seconds=0.05)
    finally:
        answer.set()

    assert asked.is_set()
    assert "did not answer" in shown.unreadable
    assert shown.paragraphs == ()


def test_trouble_comes_first_and_otherwise_the_order_of_the_document_stays(store):
    from narration.synthesis.failed import FailedParagraph

    order = order_of(*(clip(number) for number in range(1, 5)))
    store.write_order(order.order_id, order.to_dict())
    third = order.clips[2]
    failed = FailedParagraph(place=third.place, text=third.text, excerpt="", reason="No.", clip_key=third.clip_key)

    shown = read_order(place(order, store.uri), failed=[failed])

    assert [each.place.split()[3] for each in shown.paragraphs] == ["3", "1", "2", "4"]


def test_a_store_at_s3_is_read_through_its_connection_and_seen_as_it_is_now(bench, run, monkeypatch):
    bench.storage = f"s3://aws_default@{BUCKET}/{bench.word}"
    order = bench.stories(2)
    where = OrderPlace(order_id=order["order_id"], label="One", storage=order["storage"])
    monkeypatch.setattr(orders, "_MANY_CLIPS", 1)
    before = read_order(where)

    bench.see_through(order, run)
    after = read_order(where)

    assert {each.state for each in before.paragraphs} == {ParagraphState.UNBOUGHT}
    assert {each.state for each in after.paragraphs} == {ParagraphState.STORED}


def test_a_damaged_record_is_named_and_not_taken_for_an_empty_one(store):
    order = order_of(clip(1))
    store.write_order(order.order_id, order.to_dict())
    store.write_record(order.order_id, {"jobs": "none"})

    shown = read_order(place(order, store.uri))

    assert "is not a record of an order" in shown.unreadable


def test_an_order_that_nobody_has_begun_has_no_record(store):
    order = order_of(clip(1))
    store.write_order(order.order_id, order.to_dict())

    (paragraph,) = read_order(place(order, store.uri)).paragraphs

    assert paragraph.state is ParagraphState.UNBOUGHT
    assert OrderRecord.from_dict(store.read_record(order.order_id)) == OrderRecord()
