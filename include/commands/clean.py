"""
``make clean``: everything that the commands made, except what may have cost money.

Uses the standard library only: it must work when ``.venv`` is broken or gone.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".coverage")
_SOURCES = ("dags", "plugins", "include", "tests", "benchmarks")


def clean(*, checkout: Path, everything: bool) -> str:
    """
    :param everything: the stores of finished audio as well, that of real AWS too.
    :return: what to tell.
    """
    local = checkout / ".narration"
    states = (local, local / "aws")
    for state in (*states, local / "cluster"):
        if _is_running(state):
            return f"Narration is running{_where(state)}.\n→ End it with Ctrl-C in its terminal, then clean."
    kept = [] if everything else [state / "store" for state in states if _holds_something(state / "store")]
    _remove_except(local, keep=kept)
    for name in (".venv", "build", "dist", *_CACHES):
        _remove(checkout / name)
    _remove(checkout / "plugins" / "narration.egg-info")
    for source in _SOURCES:
        for cache in sorted((checkout / source).rglob("__pycache__")):
            _remove(cache)
    if not kept:
        return "Clean."
    return f"Clean. The audio in {' and '.join(map(str, kept))} was kept; make clean ALL=1 removes it too."


def _is_running(state: Path) -> bool:
    lock = state / "run" / "lock"
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _remove_except(path: Path, *, keep: Sequence[Path]) -> None:
    """Remove a file or folder, but nothing that is to be kept."""
    if path in keep:
        return
    if not any(kept.is_relative_to(path) for kept in keep):
        _remove(path)
        return
    for inner in sorted(path.iterdir()):
        _remove_except(inner, keep=keep)


def _where(state: Path) -> str:
    try:
        return f" at {json.loads((state / 'run' / 'processes.json').read_text())['url']}"
    except (OSError, ValueError, KeyError):
        return ""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    try:
        told = clean(checkout=CHECKOUT, everything="--all" in arguments)
    except OSError as error:
        told = f"{error.filename} could not be removed: {error.strerror}.\n→ Remove it yourself."
    print(told)
    return 0 if told.startswith("Clean") else 1


if __name__ == "__main__":
    # Do not leave bytecode behind in what has just been cleaned.
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
