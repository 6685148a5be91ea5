"""Of several that would buy a clip, one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
        won = list(pool.map(lambda n: take(Claims(store=store, owner=f"run {n}")), range(8)))

    assert sorted(won) == [[]] * 7 + [["aa"]]


def test_the_other_one_waits_until_the_purchase_must_have_shown(store):
    take(Claims(store=store, owner="first"))
    record = OrderRecord()

    assert take(Claims(store=store, owner="second"), record=record, now=101.0) == []
    assert record.unsettled(now=101.0, settle_seconds=SETTLE) == {"aa": 100.0 + SETTLE}

    assert take(Claims(store=store, owner="second"), now=100.0 + SETTLE) == ["aa"]


def test_the_other_one_adopts_what_was_bought_a_moment_ago(store):
    first = Claims(store=store, owner="first")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord()

    assert take(Claims(store=store, owner="second"), record=record, now=101.0) == []
    assert record.elsewhere == [job("1")]


def test_what_was_not_bought_is_free_at_once(store):
    first = Claims(store=store, owner="first")
    take(first)
    first.settle(["aa"], jobs=(), lost=(), now=100.5)

    assert take(Claims(store=store, owner="second"), now=101.0) == ["aa"]


def test_a_lost_answer_keeps_the_claim_from_the_moment_of_the_loss(store):
    first = Claims(store=store, owner="first")
    take(first)
    first.settle(["aa"], jobs=(), lost={"aa"}, now=120.0)

    assert take(Claims(store=store, owner="second"), now=149.0) == []
    assert take(Claims(store=store, owner="second"), now=150.0) == ["aa"]


def test_a_job_that_failed_gives_the_clip_free(store):
    first = Claims(store=store, owner="first")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord(jobs={"1": job("1", state=JobState.FAILED)})

    assert take(Claims(store=store, owner="second"), record=record, now=101.0) == ["aa"]
