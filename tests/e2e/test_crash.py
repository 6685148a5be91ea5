"""
The part of the crash matrix that runs against a real Airflow.

In a short form with all end-to-end tests, in the whole with ``make crash-test``. ``CRASH_AIRFLOW_FAULTS`` says how
many faults come, ``CRASH_SEED`` repeats their order. :mod:`tests.e2e.storm` describes what is killed and when.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import listen, succeeded, write_book
from tests.e2e.moments import DELETED, MOMENTS
from tests.e2e.storm import Storm
from tests.e2e.works import BACKFILLED

FAULTS = int(os.environ.get("CRASH_AIRFLOW_FAULTS") or 5)
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**6))

DAG = "narrate_polly"

pytestmark = [pytest.mark.e2e, pytest.mark.crash]


@pytest.mark.timeout(600 + 60 * FAULTS)
@pytest.mark.parametrize("faults", [FAULTS], ids=[f"{FAULTS}-faults"])
def test_whatever_is_killed_at_whatever_moment_everything_is_narrated_and_paid_for_once(
    airflow: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], faults: int
) -> None:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    tell(f"\nCRASH_SEED={SEED} CRASH_AIRFLOW_FAULTS={faults}")
    short = faults < 10
    storm = Storm(airflow=airflow, folder=tmp_path, seed=SEED, at_once=2 if short else 4, tell=tell)
    with storm.told():
        storm.blow(
            faults,
            backfills=BACKFILLED[:1] if short else BACKFILLED,
            # A cleaning that was killed goes on a minute later, and in a short form it is waited for.
            moments=[moment for moment in MOMENTS if not (short and moment is DELETED)],
            patience=20 if short else 45,
        )
        storm.compare()
        assert len(storm.faults) == faults
    tell(f"{storm.table()}\n{storm.money()}")


@pytest.mark.timeout(600)
def test_an_order_that_is_cleared_after_its_document_changed_is_what_the_new_plan_says(
    airflow: Any, tmp_path: Path
) -> None:
    book = tmp_path / "edited-meanwhile.txt"
    texts = write_book(book, seed=SEED + 10**9, chapters=3, paragraphs=8)
    run_id = airflow.trigger(DAG, {"document": str(book), "paragraphs_per_order": 9})
    succeeded(airflow, DAG, run_id)
    before = airflow.bill()["characters"]
    first, last = f"Put in front of {book.stem} {SEED}.", f"Put behind {book.stem} {SEED}."
    book.write_text("\n\n".join([first, book.read_text(), last]), encoding="utf-8")

    # The first and the last of what now are four orders lack a paragraph. So the order with the index 1 is not the
    # second one any more.
    airflow.clear(DAG, run_id, task_ids=["read", "plan"])
    airflow.wait(DAG, run_id)
    assert len(airflow.xcom(DAG, run_id, "plan")) == 2
    airflow.clear(DAG, run_id, task_ids=[["synthesize", 1]])
    airflow.wait(DAG, run_id)

    assert airflow.bill()["characters"] - before == len(last)
    airflow.clear(DAG, run_id, task_ids=["assemble", "publish"])
    assert airflow.wait(DAG, run_id)["state"] == "failed"
    assert "1 paragraph(s)" in airflow.error(DAG, run_id, "assemble")
    assert airflow.bill()["characters"] - before == len(last)

    airflow.clear(DAG, run_id)
    assert airflow.wait(DAG, run_id)["state"] == "success"
    # Not succeeded(): Airflow keeps the third instance, for which there is no order any more, as "removed".
    result = airflow.xcom(DAG, run_id, "publish")

    assert airflow.bill()["characters"] - before == len(first) + len(last)
    spoken = [paragraph["text"] for paragraph in listen(airflow.store, result)["paragraphs"]]
    assert spoken == [first, *texts, last]
