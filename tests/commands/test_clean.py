"""``make clean`` removes what can be had again for nothing."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from include.commands.clean import clean


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (".venv/bin", ".narration/airflow", ".narration/run", ".narration/store/clips", ".mypy_cache"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "plugins" / "narration" / "__pycache__").mkdir(parents=True)
    (tmp_path / ".narration" / "run" / "lock").touch()
    (tmp_path / ".narration" / "store" / "clips" / "a.ogg").touch()
    (tmp_path / "README.md").touch()
    return tmp_path


def files(checkout: Path) -> set[str]:
    return {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()}


def test_audio_is_kept_since_it_may_have_been_paid_for(checkout: Path) -> None:
    assert "was kept" in clean(checkout=checkout, everything=False)
    assert files(checkout) == {"README.md", ".narration/store/clips/a.ogg"}
    assert not (checkout / ".venv").exists()
    assert not (checkout / "plugins" / "narration" / "__pycache__").exists()


def test_what_was_packed_is_removed(checkout: Path) -> None:
    for name in ("dist/plugins.zip", "build/lib/narration/store.py"):
        (checkout / name).parent.mkdir(parents=True)
        (checkout / name).touch()

    clean(checkout=checkout, everything=True)

    assert files(checkout) == {"README.md"}


def test_audio_that_was_bought_with_real_money_is_kept(checkout: Path) -> None:
    bought = checkout / ".narration" / "aws" / "store" / "clips" / "b.ogg"
    for path in (bought, checkout / ".narration" / "aws" / "airflow" / "airflow.db"):
        path.parent.mkdir(parents=True)
        path.touch()
    (checkout / ".narration" / "store" / "clips" / "a.ogg").unlink()
    (checkout / ".narration" / "store" / "clips").rmdir()

    assert f"{checkout}/.narration/aws/store was kept" in clean(checkout=checkout, everything=False)
    assert files(checkout) == {"README.md", ".narration/aws/store/clips/b.ogg"}
    assert not (checkout / ".narration" / "store").exists()
    assert not (checkout / ".narration" / "aws" / "airflow").exists()
    assert clean(checkout=checkout, everything=True) == "Clean."
    assert files(checkout) == {"README.md"}


def test_both_stores_are_kept(checkout: Path) -> None:
    bought = checkout / ".narration" / "aws" / "store" / "b.ogg"
    bought.parent.mkdir(parents=True)
    bought.touch()
    told = clean(checkout=checkout, everything=False)
    assert "/.narration/store and " in told
    assert files(checkout) == {"README.md", ".narration/store/clips/a.ogg", ".narration/aws/store/b.ogg"}


def test_audio_goes_too_when_asked_for(checkout: Path) -> None:
    assert clean(checkout=checkout, everything=True) == "Clean."
    assert files(checkout) == {"README.md"}


@pytest.mark.parametrize("state", [".narration", ".narration/aws"])
def test_nothing_is_touched_while_narration_runs(checkout: Path, state: str) -> None:
    (checkout / state / "run").mkdir(parents=True, exist_ok=True)
    (checkout / state / "run" / "lock").touch()
    before = files(checkout)
    with (checkout / state / "run" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean(checkout=checkout, everything=True).startswith("Narration is running")
    assert files(checkout) == before


def test_a_clean_checkout_stays_clean(tmp_path: Path) -> None:
    assert clean(checkout=tmp_path, everything=False) == "Clean."
