"""Of several that would buy a clip, one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

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


class Service:
    """As much of an adapter as claims look at."""

    name = "polly"
    settle_seconds = SETTLE

    def __init__(self, *, account: str = "polly:aws_default:", hidden_inputs: bool = False) -> None:
        self.account = account
        self.hidden_inputs = hidden_inputs

    def connection(self) -> dict[str, str]:
        return {"aws_conn_id": self.account}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The time at which claims are written; it stands still until a test moves it."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("narration.operators.claims.time", SimpleNamespace(time=lambda: clock.now))
    return clock


def claims(store: Store, order: str, *, looked_at: float = 100.0, **more: Any) -> Claims:
    service = more.pop("service", None) or Service()
    return Claims(store=store, service=service, order_id=order, run_id="run", looked_at=looked_at, **more)


def take(claims: Claims, *, record: OrderRecord | None = None) -> list[str]:
    return claims.take(["aa"], record=OrderRecord() if record is None else record)


def test_of_many_that_try_at_once_one_gets_the_clip(store):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: take(claims(store, f"order {n}")), range(8)))

    assert sorted(won) == [[]] * 7 + [["aa"]]


def test_the_other_one_waits_until_the_purchase_must_have_shown(store):
    take(claims(store, "first"))
    record = OrderRecord()

    assert take(claims(store, "second", looked_at=101.0), record=record) == []
    assert record.unsettled(now=101.0, settle_seconds=SETTLE) == {"aa": 100.0 + SETTLE}

    assert take(claims(store, "second", looked_at=100.0 + SETTLE)) == ["aa"]


def test_a_look_that_began_before_the_purchase_does_not_end_its_claim_however_long_it_took(store, clock):
    take(claims(store, "first"))
    clock.now = 200.0

    assert take(claims(store, "second", looked_at=99.0)) == []


def test_the_other_one_adopts_what_was_bought_a_moment_ago(store):
    first = claims(store, "first")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord()

    assert take(claims(store, "second", looked_at=101.0), record=record) == []
    assert record.elsewhere == [job("1")]


@pytest.mark.parametrize("later", [1.0, SETTLE])
def test_what_was_not_bought_is_free_at_once(store, later):
    first = claims(store, "first")
    take(first)
    first.settle(["aa"], jobs=(), lost=(), now=100.0 + later)

    assert take(claims(store, "second", looked_at=101.0)) == ["aa"]


def test_a_claim_that_is_given_back_soon_leaves_no_file_behind(store):
    for number in range(5):
        attempt = claims(store, f"order {number}")
        assert take(attempt) == ["aa"]
        attempt.settle(["aa"], jobs=(), lost=(), now=101.0)

    with pytest.raises(FileNotFoundError):
        store.read_claim("aa", number=1)


def test_a_lost_answer_keeps_the_claim_from_the_moment_of_the_loss(store):
    first = claims(store, "first")
    take(first)
    first.settle(["aa"], jobs=(), lost={"aa"}, now=120.0)

    assert take(claims(store, "second", looked_at=149.0)) == []
    assert take(claims(store, "second", looked_at=150.0)) == ["aa"]


def test_a_job_that_failed_gives_the_clip_free(store):
    first = claims(store, "first")
    take(first)
    first.settle(["aa"], jobs=[job("1")], lost=(), now=100.5)
    record = OrderRecord(jobs={"1": job("1", state=JobState.FAILED)})

    assert take(claims(store, "second", looked_at=101.0), record=record) == ["aa"]


class TestAnotherAccount:
    """A claim of somebody who pays through another service or connection: his jobs are not in our list."""

    def other(self, store: Store) -> Claims:
        return claims(store, "first", service=Service(account="azure_long_audio:azure_speech_default:"))

    def test_does_not_lapse_with_time_and_says_who_is_to_be_asked(self, store):
        take(self.other(store))
        mine = claims(store, "second", looked_at=100.0 + 10 * SETTLE)

        assert take(mine) == []
        assert mine.elsewhere["aa"]["account"] == "azure_long_audio:azure_speech_default:"
        assert mine.elsewhere["aa"]["connection"] == {"aws_conn_id": "azure_long_audio:azure_speech_default:"}

    def test_is_passed_by_once_it_is_known_that_nothing_came_of_it(self, store):
        take(self.other(store))
        mine = claims(store, "second", looked_at=101.0)

        assert mine.take(["aa"], record=OrderRecord(), free=True) == ["aa"]

    def test_that_gave_its_claim_back_holds_nobody_up(self, store):
        other = self.other(store)
        take(other)
        other.settle(["aa"], jobs=(), lost=(), now=100.0 + SETTLE)

        assert take(claims(store, "second", looked_at=101.0)) == ["aa"]


PURCHASES = {f"{'1' * 40}-aaaaaaaaaaaa": ("aa", "bb"), f"{'1' * 40}-bbbbbbbbbbbb": ("cc",)}


class TestAServiceThatHidesWhatItsJobsMake:
    """What another order may have bought is in that order's record, and is looked for before its claim is passed by."""

    def claims(self, store: Store, order: str, *, looked_at: float = 100.0, looked_for: Any = ()) -> Claims:
        service = Service(hidden_inputs=True)
        return claims(store, order, looked_at=looked_at, service=service, looked_for=frozenset(looked_for))

    def other_order_dies_while_it_buys(self, store: Store) -> None:
        store.write_record("1" * 40, OrderRecord(purchases=PURCHASES).to_dict())
        assert take(self.claims(store, "1" * 40)) == ["aa"]

    def test_a_purchase_that_may_have_taken_place_is_looked_for_before_the_clip_is_ours(self, store):
        self.other_order_dies_while_it_buys(store)
        record, late = OrderRecord(), 100.0 + SETTLE

        assert take(self.claims(store, "2" * 40, looked_at=late), record=record) == []
        assert record.purchases == {f"{'1' * 40}-aaaaaaaaaaaa": ("aa", "bb")}
        # To know of it is not to have looked for it.
        assert take(self.claims(store, "2" * 40, looked_at=late), record=record) == []
        assert take(self.claims(store, "2" * 40, looked_at=late, looked_for=PURCHASES), record=record) == ["aa"]

    def test_a_job_that_was_bought_is_adopted_with_all_its_clips_in_their_order(self, store):
        store.write_record("1" * 40, OrderRecord(purchases=PURCHASES).to_dict())
        first, record = self.claims(store, "1" * 40), OrderRecord()
        assert take(first) == ["aa"]
        bought = replace(job("7"), clip_keys=("aa", "bb"), job_key=f"{'1' * 40}-aaaaaaaaaaaa")
        first.settle(["aa"], jobs=[bought], lost=(), now=100.0)

        assert take(self.claims(store, "2" * 40, looked_at=101.0), record=record) == []
        assert record.elsewhere == [bought]
