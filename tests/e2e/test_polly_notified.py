"""A sensor that ends with Polly's notice, on a real Airflow whose triggerer receives it from SQS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CloudHandle
from tests.polly_notices import notice_board

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DAG = "polly_notified"


@pytest.mark.parametrize("raw", [False, True], ids=["envelope", "raw"])
def test_the_notice_ends_a_wait_that_looking_would_have_ended_an_hour_later(
    airflow: Any, order_fault: Callable[..., None], tmp_path: Path, raw: bool
) -> None:
    board = notice_board(CloudHandle(speech_url=airflow.speech_url, s3_url=airflow.s3_url), raw=raw)
    # Under way when the sensor looks, and when its trigger does.
    order_fault(kind="stuck_scheduled", seconds=25)

    run_id = airflow.trigger(DAG, {"topic": board.topic, "queue": board.queue_url, "voice": "Joanna"})
    airflow.wait_for_task(DAG, run_id, "wait", states=("deferred",))
    begun = time.monotonic()

    assert airflow.wait(DAG, run_id, timeout=120)["state"] == "success"
    assert time.monotonic() - begun < 100
    assert airflow.xcom(DAG, run_id, "wait")["task_status"] == "completed"
    assert board.messages() == 0
