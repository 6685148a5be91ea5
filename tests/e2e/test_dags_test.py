"""``airflow dags test``: a whole Dag in one process, without scheduler, triggerer and workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from include.commands.settings import Layout, airflow_environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bare(airflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the CLI with a database of its own, against the local cloud that runs already."""
    layout = Layout(state=tmp_path_factory.mktemp("bare"))
    layout.create()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "NARRATION", "PYTEST"))
    }
    environment = airflow_environment(kept, layout=layout, ports=airflow.ports)

    def cli(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=layout.state,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
        )
        cli.code = done.returncode  # type: ignore[attr-defined]
        return done.stdout

    cli.layout = layout  # type: ignore[attr-defined]
    cli("db", "migrate")
    return cli


def narrations(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (layout.store / "narrations").glob("*/manifest.json")]


def test_a_document_is_narrated(airflow: Any, bare: Any, tmp_path: Path) -> None:
    word = uuid4().hex[:8]
    document = tmp_path / "story.txt"
    document.write_text(f"The story of {word}.\n\nIt has two paragraphs, says {word}.\n")

    said = bare("dags", "test", "narrate_polly", "--conf", json.dumps({"document": str(document)}))

    assert bare.code == 0, said[-3000:]
    assert [each for each in narrations(bare.layout) if word in json.dumps(each)]


# As for a run that somebody starts by hand, the day is the last one that is complete at the given moment.
def test_a_night_is_narrated_and_a_bad_document_fails_alone(airflow: Any, bare: Any, tmp_path: Path) -> None:
    word = uuid4().hex[:8]
    moment = datetime(2026, 2, 3, 12, tzinfo=UTC).timestamp()
    for name, text in {"good.txt": f"A good one of {word}.\n", "bad.txt": f"A bad one of {word}.\n"}.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (moment, moment))
    (tmp_path / "bad.yaml").write_text("voice: Joana\n")
    conf = json.dumps({"inbox": str(tmp_path)})

    said = bare("dags", "test", "narrate_nightly", "2026-02-04", "--conf", conf)

    assert "1 document(s) narrated" in said
    assert "1 failed: bad.txt" in said
    assert [each["title"] for each in narrations(bare.layout) if word in json.dumps(each)] == ["Good"]

    (tmp_path / "bad.yaml").write_text("voice: Joanna\n")
    said = bare("dags", "test", "narrate_nightly", "2026-02-04", "--conf", conf)

    assert bare.code == 0, said[-3000:]
    assert "1 document(s) narrated" in said
    assert "1 narrated already" in said
    assert len([each for each in narrations(bare.layout) if word in json.dumps(each)]) == 2
