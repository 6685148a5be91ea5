"""The Dags that are built from Azure's blocks alone, and the one that cleans up, on a real Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import characters, succeeded, write_book

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KEY = "local-cloud-key"


def stored(airflow: Any, service: str) -> list[dict[str, Any]]:
    """The jobs that the local cloud keeps."""
    return [job for job in airflow.session.cloud.request("GET", "/_local/azure/jobs")["jobs"] if job["api"] == service]


@pytest.mark.parametrize(
    ("dag_id", "service", "first"),
    [("azure_batch_synthesis", "azure_batch", "0001.wav"), ("azure_long_audio", "azure_long_audio", "0001.wav")],
)
def test_a_text_is_submitted_waited_for_downloaded_and_deleted(
    airflow: Any, tmp_path: Path, dag_id: str, service: str, first: str
) -> None:
    text = " ".join([f"A text for {dag_id} that is long enough to be worth a file."] * 8)
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    before, kept = airflow.bill(service), len(stored(airflow, service))

    run_id = airflow.trigger(
        dag_id,
        {
            "text_file": str(tmp_path / "text.txt"),
            "storage": str(tmp_path / "results"),
            "output_format": "riff-24khz-16bit-mono-pcm",
        },
    )

    assert airflow.wait(dag_id, run_id)["state"] == "success"
    assert airflow.bill(service) == {
        "jobs": before["jobs"] + 1,
        "characters": before["characters"] + len(text),
    }
    (audio,) = (tmp_path / "results").rglob(first)
    assert audio.read_bytes()[:4] == b"RIFF"
    assert len(stored(airflow, service)) == kept


def test_what_is_safely_in_the_store_is_cleaned_up_and_what_is_not_ours_stays(airflow: Any, tmp_path: Path) -> None:
    book = tmp_path / "to-be-cleaned-up.txt"
    texts = write_book(book, seed=21, chapters=1, paragraphs=8)
    airflow.session.cloud.request(
        "POST",
        "/_local/azure/jobs",
        body={"api": "azure_long_audio", "key": KEY, "count": 3, "display_name_prefix": "somebody-elses"},
    )
    before = airflow.bill("azure_long_audio")["characters"]
    succeeded(airflow, "narrate_azure_long_audio", airflow.trigger("narrate_azure_long_audio", {"document": str(book)}))
    assert airflow.bill("azure_long_audio")["characters"] - before == characters(texts)

    conf = {"long_audio_target": 0, "min_age_minutes": 0}
    run_id = airflow.trigger("azure_retention", conf)

    assert airflow.wait("azure_retention", run_id)["state"] == "success"
    said = airflow.xcom("azure_retention", run_id, "clean_up")["long-audio-v3.0"]
    left = stored(airflow, "azure_long_audio")
    assert said["deleted"] >= 1
    assert [job["displayName"].split("-0")[0] for job in left] == ["somebody-elses"] * 3
