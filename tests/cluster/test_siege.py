"""
Twenty documents at once on a cluster that loses a worker, a triggerer and, for a while, its database.

``make cluster-test`` runs it in full and ``make test`` with fewer documents. What happens when is said with
``CLUSTER_…`` (see :class:`tests.cluster.siege.Plan`); it is printed in the form in which it can be given again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.siege import Plan, Siege

PLAN = Plan.of(os.environ)

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(PLAN.patience + 600)
def test_a_cluster_that_loses_a_worker_a_triggerer_and_its_database_narrates_everything_and_pays_once(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    tell(f"\n{PLAN}")
    siege = Siege(cluster=cluster, plan=PLAN, folder=tmp_path, tell=tell)
    siege.begin()
    siege.strike()
    siege.settle()
    try:
        siege.compare()
    finally:
        tell(siege.summary())
