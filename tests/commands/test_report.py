"""What is said at the end."""

from __future__ import annotations

from typing import Any

from include.commands import report
from include.commands.follow import Failure, Outcome

RESULT = {
    "title": "The Ledger",
    "narration_uri": "file:///my books/store/narrations/ledger",
    "manifest_uri": "file:///my books/store/narrations/ledger/manifest.json",
    "mp3_uri": "file:///my books/store/narrations/ledger/ledger.mp3",
    "m4b_uri": "file:///my books/store/narrations/ledger/ledger.m4b",
    "duration_seconds": 785.6,
    "mp3_bytes": 6_120_000,
    "m4b_bytes": 6_480_000,
    "paragraphs": 42,
    "billed_characters": 11234,
    "bought_characters_this_run": 11234,
}


def outcome(*, state: str = "success", failures: tuple[Failure, ...] = (), **result: Any) -> Outcome:
    return Outcome(run_id="manual__1", state=state, result=result, plan={}, failures=failures, elapsed=75.0)


def test_success_tells_where_the_audio_lies_its_length_size_and_price() -> None:
    assert report.success(outcome(**RESULT), local=True).splitlines() == [
        "“The Ledger” is narrated: 0:13:06, in 1:15.",
        "",
        "  MP3       /my books/store/narrations/ledger/ledger.mp3  (6.1 MB)",
        "  M4B       /my books/store/narrations/ledger/ledger.m4b  (6.5 MB)",
        "  manifest  /my books/store/narrations/ledger/manifest.json",
        "",
        "  Billed: 11,234 characters by the local cloud, so no money was spent.",
    ]


def test_a_run_that_published_nothing_says_why() -> None:
    dry = Outcome(run_id="manual__1", state="success", result={}, plan={}, failures=(), elapsed=9.0, note="Dry run.")
    assert report.success(dry, local=True) == "Dry run."


def test_real_money_is_not_called_free() -> None:
    assert report.success(outcome(**RESULT), local=False).endswith("Billed: 11,234 characters.")


def test_a_second_run_says_that_nothing_was_bought() -> None:
    told = report.success(outcome(**{**RESULT, "bought_characters_this_run": 0}), local=True)
    assert told.endswith("Nothing was bought: all 42 paragraphs were already in the store.")


def test_audio_in_a_bucket_keeps_its_uri() -> None:
    assert report.local_path("s3://bucket/a.mp3") == "s3://bucket/a.mp3"


def test_a_failure_names_task_error_and_log() -> None:
    failure = Failure(task="read", attempts=2, error="DocumentError: a.txt: line 3", log="/logs/attempt=2.log")
    error = report.failed(outcome(state="failed", failures=(failure,)))
    assert error.message.splitlines() == [
        "The narration failed (run manual__1).",
        "  Task read failed after 2 attempts:",
        "    DocumentError: a.txt: line 3",
        "    Log: /logs/attempt=2.log",
    ]
    assert "run the same command again" in error.remedy


def test_many_failures_are_counted_rather_than_listed() -> None:
    failures = tuple(Failure(task=f"synthesize (order {n})", attempts=1, error="", log="") for n in range(5))
    assert "  and 2 more tasks." in report.failed(outcome(state="failed", failures=failures)).message


def test_sizes_are_shown_as_file_managers_do() -> None:
    assert [report.size(count) for count in (999, 1000, 999_949, 12_345_678, 3 * 10**9)] == [
        "999 bytes",
        "1.0 kB",
        "999.9 kB",
        "12.3 MB",
        "3.0 GB",
    ]
