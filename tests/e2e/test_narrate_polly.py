"""The whole road on a real Airflow: what is heard, what is billed, and what a kill at the wrong moment costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import characters, listen, succeeded, write_book

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DAG = "narrate_polly"


def test_a_book_becomes_an_audiobook_that_is_billed_exactly_and_only_once(airflow: Any, tmp_path: Path) -> None:
    book = tmp_path / "a-small-book.txt"
    texts = write_book(book, seed=1, chapters=3, paragraphs=8, repeated="And so the day ended.")
    before = airflow.bill()["characters"]

    first = succeeded(airflow, DAG, airflow.trigger(DAG, {"document": str(book), "paragraphs_per_order": 10}))

    assert airflow.bill()["characters"] - before == characters(texts)
    manifest = listen(airflow.store, first)
    assert [chapter["title"] for chapter in manifest["chapters"]] == [
        f"Chapter {number}. Of Book 1" for number in (1, 2, 3)
    ]
    assert list(dict.fromkeys(paragraph["text"] for paragraph in manifest["paragraphs"])) == texts
    assert len(manifest["paragraphs"]) == 3 * (1 + 8 + 1)
    assert manifest["billed_characters"] == first["billed_characters"] == characters(texts)
    assert first["bought_characters_this_run"] == characters(texts)

    second = succeeded(airflow, DAG, airflow.trigger(DAG, {"document": str(book), "paragraphs_per_order": 10}))

    assert airflow.bill()["characters"] - before == characters(texts)
    assert second["bought_characters_this_run"] == 0
    assert second["narration_uri"] == first["narration_uri"]


def test_a_worker_killed_while_it_buys_buys_nothing_twice(airflow: Any, tmp_path: Path) -> None:
    book = tmp_path / "killed-worker.txt"
    texts = write_book(book, seed=2, chapters=2, paragraphs=40)
    before = airflow.bill()
    run_id = airflow.trigger(DAG, {"document": str(book), "paragraphs_per_order": 1000})

    airflow.wait(DAG, run_id, until=lambda _: airflow.bill()["jobs"] > before["jobs"] + 3)
    airflow.kill_worker()

    result = succeeded(airflow, DAG, run_id)
    assert airflow.bill()["characters"] - before["characters"] == characters(texts)
    listen(airflow.store, result)


def test_a_triggerer_killed_while_it_waits_costs_nothing(airflow: Any, tmp_path: Path, order_fault: Any) -> None:
    book = tmp_path / "killed-triggerer.txt"
    texts = write_book(book, seed=3, chapters=1, paragraphs=12)
    before = airflow.bill()["characters"]
    order_fault(kind="object_late", count=2, seconds=20)
    run_id = airflow.trigger(DAG, {"document": str(book)})

    airflow.wait_for_task(DAG, run_id, "synthesize", states=("deferred",))
    airflow.kill("triggerer")
    airflow.restart("triggerer")

    result = succeeded(airflow, DAG, run_id)
    assert airflow.bill()["characters"] - before == characters(texts)
    assert len(listen(airflow.store, result)["paragraphs"]) == len(texts)


def test_all_of_airflow_killed_while_it_collects_costs_nothing(airflow: Any, tmp_path: Path) -> None:
    book = tmp_path / "killed-airflow.txt"
    texts = write_book(book, seed=4, chapters=2, paragraphs=45)
    before = airflow.bill()["characters"]
    clips = airflow.store / "clips"
    held = len(list(clips.rglob("*.json")))
    run_id = airflow.trigger(DAG, {"document": str(book), "paragraphs_per_order": 1000})

    airflow.wait(DAG, run_id, until=lambda _: len(list(clips.rglob("*.json"))) > held)
    airflow.kill_all()
    airflow.start()

    result = succeeded(airflow, DAG, run_id)
    assert airflow.bill()["characters"] - before == characters(texts)
    listen(airflow.store, result)


def test_lost_replies_throttling_and_server_errors_cost_nothing(airflow: Any, tmp_path: Path, order_fault: Any) -> None:
    book = tmp_path / "bad-weather.txt"
    texts = write_book(book, seed=5, chapters=1, paragraphs=25)
    before = airflow.bill()["characters"]
    for kind, count in (("drop_reply", 3), ("throttle", 4), ("error_500", 2)):
        order_fault(kind=kind, count=count, operation="StartSpeechSynthesisTask")

    result = succeeded(airflow, DAG, airflow.trigger(DAG, {"document": str(book)}))

    assert airflow.bill()["characters"] - before == characters(texts)
    listen(airflow.store, result)


SSML = "<speak>\n<p>One.</p>\n<p>Two <emphasis>loud</emphasis>.</p>\n</speak>\n"
BAD_INPUT: dict[str, tuple[str, bytes, dict[str, Any], str, tuple[str, ...]]] = {
    "empty": ("empty.txt", b"", {}, "read", ("empty.txt", "empty")),
    "binary": ("picture.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", {}, "read", ("picture.txt",)),
    "latin-1": ("latin.txt", "Fine.\n\nUn caf\xe9 noir.\n".encode("latin-1"), {}, "read", ("line 3", "UTF-8")),
    "malformed": ("bad.ssml", b"<speak>\n<p>One.</p>\n<p>Two.\n</speak>\n", {}, "read", ("line", "bad.ssml")),
    "tag": ("loud.ssml", SSML.encode(), {"engine": "neural"}, "plan", ("line 3", "<emphasis>", "neural")),
    "engine": ("fine.txt", b"Fine.\n", {"voice": "Ivy", "engine": "generative"}, "read", ("Ivy", "generative")),
    "rate": ("fine.txt", b"Fine.\n", {"output_format": "pcm", "sample_rate": "24000"}, "read", ("pcm", "16000")),
    "bucket": ("fine.txt", b"Fine.\n", {"output_bucket": "nowhere-at-all"}, "plan", ("nowhere-at-all", "Create")),
    "connection": ("fine.txt", b"Fine.\n", {"aws_conn_id": "nobody"}, "plan", ("nobody", "connection")),
    "missing": ("", b"", {"document": "/nowhere/book.txt"}, "read", ("/nowhere/book.txt",)),
}


def test_bad_input_is_named_with_its_remedy_and_costs_nothing(airflow: Any, tmp_path: Path) -> None:
    before = airflow.bill()
    runs = {}
    for case, (name, data, conf, _, _) in BAD_INPUT.items():
        if name:
            (tmp_path / case).mkdir()
            (tmp_path / case / name).write_bytes(data)
        runs[case] = airflow.trigger(DAG, {"document": str(tmp_path / case / name), **conf})
    for case, (_, _, _, task_id, words) in BAD_INPUT.items():
        assert airflow.wait(DAG, runs[case])["state"] == "failed", case
        instance = next(ti for ti in airflow.task_instances(DAG, runs[case]) if ti["task_id"] == task_id)
        assert (instance["state"], instance["try_number"]) == ("failed", 1), case
        message = airflow.error(DAG, runs[case], task_id)
        for word in words:
            assert word in message, f"{case}: {message}"
    assert airflow.bill() == before
