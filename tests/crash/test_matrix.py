"""
The crash matrix as tests: a short form with a seed of its own each time, and the whole (marker ``crash``).

``make crash-test SEED=123`` plays a whole run again. What kills can be ordered is described in
:mod:`tests.crash.points`; ``python -m tests.crash --help`` has more.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.crash.matrix import Report, run
from tests.crash.steps import SERVICES

SHORT = 60
WHOLE = 500


def played(folder: Path, *, faults: int, every_cell: bool) -> Report:
    seed = os.environ.get("CRASH_SEED") or str(random.randrange(10**6))
    print(f"\nseed {seed}: make crash-test SEED={seed}, or python -m tests.crash --seed {seed} --faults {faults}")
    report = run(seed=seed, faults=faults, folder=folder, every_cell=every_cell)
    print(report.table())
    assert not report.failures, "\n\n".join([f"seed {seed}", *report.failures])
    assert report.faults >= faults
    return report


@pytest.mark.timeout(600)
def test_documents_survive_deaths_at_random_steps_and_are_paid_for_once(tmp_path):
    played(tmp_path, faults=SHORT, every_cell=False)


@pytest.mark.crash
@pytest.mark.timeout(3000)
def test_every_step_at_every_service_survives_death_and_nothing_is_paid_twice(tmp_path):
    faults = int(os.environ.get("CRASH_FAULTS") or WHOLE)

    report = played(tmp_path, faults=faults, every_cell=faults >= WHOLE)

    if faults >= WHOLE:
        assert not report.missing(SERVICES)
