"""The road through Azure on a real Airflow: one bill, whichever API speaks, and kills that cost nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import characters, listen, succeeded, write_book

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BATCH = "narrate_azure_batch"
LONG_AUDIO = "narrate_azure_long_audio"


def test_a_book_that_moves_from_long_audio_to_batch_synthesis_is_paid_for_once(airflow: Any, tmp_path: Path) -> None:
    book = tmp_path / "a-book-for-azure.txt"
    texts = write_book(book, seed=11, chapters=2, paragraphs=10, repeated="And so the day ended.")
    long_audio, batch = airflow.bill("azure_long_audio"), airflow.bill("azure_batch")

    first = succeeded(airflow, LONG_AUDIO, airflow.trigger(LONG_AUDIO, {"document": str(book)}))

    assert airflow.bill("azure_long_audio")["characters"] - long_audio["characters"] == characters(texts)
    manifest = listen(airflow.store, first)
    assert len(manifest["paragraphs"]) == 2 * (1 + 10 + 1)
    assert manifest["billed_characters"] == first["bought_characters_this_run"] == characters(texts)

    with book.open("a", encoding="utf-8") as file:
        file.write("\nOne sentence that was added later.\n")
    second = succeeded(airflow, BATCH, airflow.trigger(BATCH, {"document": str(book)}))

    assert airflow.bill("azure_batch")["characters"] - batch["characters"] == len("One sentence that was added later.")
    assert listen(airflow.store, second)["paragraphs"][-1]["text"] == "One sentence that was added later."


def test_killed_while_it_buys_and_while_it_waits_it_buys_nothing_twice(
    airflow: Any, tmp_path: Path, order_fault: Any
) -> None:
    book = tmp_path / "killed-for-azure.txt"
    texts = write_book(book, seed=12, chapters=2, paragraphs=30)
    before = airflow.bill("azure_batch")
    order_fault(service="azure_batch", kind="stuck_not_started", count=2, seconds=20)
    run_id = airflow.trigger(BATCH, {"document": str(book), "paragraphs_per_order": 10})

    airflow.wait(BATCH, run_id, until=lambda _: airflow.bill("azure_batch")["jobs"] > before["jobs"])
    airflow.kill_worker()
    airflow.wait_for_task(BATCH, run_id, "synthesize", states=("deferred",))
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    result = succeeded(airflow, BATCH, run_id)
    assert airflow.bill("azure_batch")["characters"] - before["characters"] == characters(texts)
    assert len(listen(airflow.store, result)["paragraphs"]) == len(texts)


def test_all_of_airflow_killed_while_it_collects_from_long_audio_costs_nothing(
    airflow: Any, tmp_path: Path, order_fault: Any
) -> None:
    book = tmp_path / "killed-for-long-audio.txt"
    texts = write_book(book, seed=13, chapters=2, paragraphs=30)
    before = [airflow.bill(service)["characters"] for service in ("azure_long_audio", "azure_batch")]
    order_fault(service="azure_long_audio", kind="partial_failure", match_text="at place 7 of 2")
    clips = airflow.store / "clips"
    held = len(list(clips.rglob("*.json")))
    run_id = airflow.trigger(LONG_AUDIO, {"document": str(book), "paragraphs_per_order": 100})

    airflow.wait(LONG_AUDIO, run_id, until=lambda _: len(list(clips.rglob("*.wav")) + list(clips.rglob("*.mp3"))) > 0)
    airflow.wait(LONG_AUDIO, run_id, until=lambda _: len(list(clips.rglob("*.json"))) > held + len(texts))
    airflow.kill_all()
    airflow.start()

    result = succeeded(airflow, LONG_AUDIO, run_id)
    # A script needs more than 400 characters: the one paragraph that failed is bought again from batch synthesis.
    failed = next(text for text in texts if "at place 7 of 2" in text)
    after = [airflow.bill(service)["characters"] for service in ("azure_long_audio", "azure_batch")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [
        characters(texts) - len(failed),
        len(failed),
    ]
    listen(airflow.store, result)
