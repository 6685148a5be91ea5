"""Of several that would buy a clip, one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from narration.operators.claims import Claims
from narration.store import Store
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord
from tests.conftest import BUCKET

SETTLE = 30.0


@pytest.fixture(params=["file", "s3"])
def store(request, bench, tmp_path):
    location = tmp_path / "shared" if request.param == "file" else f"s3://aws_default@{BUCKET}/{bench.word}"
    return Store(location=str(location))


def job(number: str, *, state: JobState = JobState.ACTIVE) -> Job:
    return Job(job_id=number, clip_keys=("aa",), state=state, created_at=100.0, output="s3://b/aa.1.pcm")


def take(claims: Claims, *, record: OrderRecord | None = None, now: float = 100.0) -> list[str]:
    record = OrderRecord() if record is None else record
    return claims.take(["aa"], record=record, now=now, settle_seconds=SETTLE)


def test_of_many_that_try_at_once_one_gets_the_clip(store):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: take(Claims(store=store, order_id="order", run_id=f"run {n}")), range(8)))

    assert sorted(won) == [[]] * 7 + [["aa"]]


def test_the_other_one_waits_until_the_purchase_must_have_shown(store):
    take(Claims(store=store, order_id="first", run_id="run"))
    record = OrderRecord()

    assert take(Claims(store=store, order_id="second", run_id="run"), record=record, now=101.0) == []
    assert record.unsettled(now=101.0, settle_seconds=SETTLE) == {"aa": 100.0 + SETTLE}

    assert take(Claims(store=store, order_id="second", run_id="run"), now=100.0 + SETTLE) == ["aa"]


def test_the_other_one_adopts_what_was_bought_a_moment_ago(store):
    first = Claims(store=store, order_id="first", run_id="run")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord()

    assert take(Claims(store=store, order_id="second", run_id="run"), record=record, now=101.0) == []
    assert record.elsewhere == [job("1")]


def test_what_was_not_bought_is_free_at_once(store):
    first = Claims(store=store, order_id="first", run_id="run")
    take(first)
    first.settle(["aa"], jobs=(), lost=(), now=100.5)

    assert take(Claims(store=store, order_id="second", run_id="run"), now=101.0) == ["aa"]


def test_a_lost_answer_keeps_the_claim_from_the_moment_of_the_loss(store):
    first = Claims(store=store, order_id="first", run_id="run")
    take(first)
    first.settle(["aa"], jobs=(), lost={"aa"}, now=120.0)

    assert take(Claims(store=store, order_id="second", run_id="run"), now=149.0) == []
    assert take(Claims(store=store, order_id="second", run_id="run"), now=150.0) == ["aa"]


def test_a_job_that_failed_gives_the_clip_free(store):
    first = Claims(store=store, order_id="first", run_id="run")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord(jobs={"1": job("1", state=JobState.FAILED)})

    assert take(Claims(store=store, order_id="second", run_id="run"), record=record, now=101.0) == ["aa"]


PURCHASES = {f"{'1' * 40}-aaaaaaaaaaaa": ("aa", "bb"), f"{'1' * 40}-bbbbbbbbbbbb": ("cc",)}


class TestAServiceThatHidesWhatItsJobsMake:
    """What another order may have bought is in that order's record, and is looked for before its claim is passed by."""

    def claims(self, store: Store, order: str) -> Claims:
        return Claims(store=store, order_id=order, run_id="run", hidden_inputs=True)

    def other_order_dies_while_it_buys(self, store: Store) -> None:
        store.write_record("1" * 40, OrderRecord(purchases=PURCHASES).to_dict())
        assert take(self.claims(store, "1" * 40)) == ["aa"]

    def test_a_purchase_that_may_have_taken_place_is_looked_for_once_before_the_clip_is_ours(self, store):
        self.other_order_dies_while_it_buys(store)
        mine, record = self.claims(store, "2" * 40), OrderRecord()

        assert take(mine, record=record, now=100.0 + SETTLE) == []
        assert record.purchases == {f"{'1' * 40}-aaaaaaaaaaaa": ("aa", "bb")}
        assert take(mine, record=record, now=100.0 + SETTLE) == ["aa"]

    def test_a_job_that_was_bought_is_adopted_with_all_its_clips_in_their_order(self, store):
        store.write_record("1" * 40, OrderRecord(purchases=PURCHASES).to_dict())
        first, record = self.claims(store, "1" * 40), OrderRecord()
        assert take(first) == ["aa"]
        bought = replace(job("7"), clip_keys=("aa", "bb"), job_key=f"{'1' * 40}-aaaaaaaaaaaa")
        first.settle(["aa"], jobs=[bought], lost=(), now=100.0)

        assert take(self.claims(store, "2" * 40), record=record, now=101.0) == []
        assert record.elsewhere == [bought]

    def test_what_was_given_back_is_free_at_once(self, store):
        self.other_order_dies_while_it_buys(store)
        first = self.claims(store, "3" * 40)
        assert take(first, now=100.0 + SETTLE, record=OrderRecord(purchases=PURCHASES)) == ["aa"]
        first.settle(["aa"], jobs=(), lost=(), now=131.0)

        record = OrderRecord(purchases=PURCHASES)
        assert take(self.claims(store, "2" * 40), record=record, now=132.0) == ["aa"]
