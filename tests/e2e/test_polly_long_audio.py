"""The Dag that is built from the blocks alone, on a real Airflow with its triggerer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DAG = "polly_long_audio"


def test_one_text_file_is_submitted_waited_for_and_handed_on(airflow: Any, tmp_path: Path) -> None:
    text = "A text that is long enough to be worth a file of its own. " * 20
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    before = airflow.bill()

    run_id = airflow.trigger(DAG, {"text_file": str(tmp_path / "text.txt"), "bucket": "narration-output"})

    assert airflow.wait(DAG, run_id)["state"] == "success"
    assert airflow.bill() == {"jobs": before["jobs"] + 1, "characters": before["characters"] + len(text)}
    handed_on = airflow.xcom(DAG, run_id, "hand_on")
    assert handed_on["output_uri"].startswith("https://s3.us-east-1.amazonaws.com/narration-output/polly_long_audio/")
    assert handed_on["size_bytes"] > 10_000
