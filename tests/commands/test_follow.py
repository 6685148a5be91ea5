"""Following a run over the REST API."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from include.commands.follow import Follower
from include.commands.progress import Display
from include.commands.session import Session
from include.commands.settings import Layout, Ports


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session(command="make run", layout=Layout(state=tmp_path), ports=Ports(), environment={})
    monkeypatch.setattr(session, "bill", dict)
    return session


def shown(session: Session, monkeypatch: pytest.MonkeyPatch, *, state: str, kept: Any) -> str:
    """The line about a run whose task ``assemble`` is in that state and keeps that."""
    asked = {("assemble", "progress"): kept}
    instances = [{"task_id": "assemble", "state": state, "map_index": -1, "try_number": 1}]
    monkeypatch.setattr(session.api, "task_instances", lambda dag_id, run_id: instances)
    monkeypatch.setattr(session.api, "task_state", lambda dag_id, run_id, task, key, map_index=-1: asked[task, key])
    stream = io.StringIO()
    display = Display(stream=stream, tty=False)
    Follower(session=session, dag_id="narrate_polly", run_id="r", display=display)._show({"state": "running"})
    return stream.getvalue()


def test_assemble_is_asked_how_far_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(session, monkeypatch, state="running", kept={"percent": 43}).startswith("Joining the audio · 43 %")


@pytest.mark.parametrize("kept", [None, "half"])
def test_assemble_need_not_have_said_anything(session: Session, monkeypatch: pytest.MonkeyPatch, kept: Any) -> None:
    assert shown(session, monkeypatch, state="running", kept=kept) == "Joining the audio · 0:00\n"


def test_what_an_earlier_attempt_said_is_not_shown_while_the_next_one_waits(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "%" not in shown(session, monkeypatch, state="up_for_retry", kept={"percent": 43})
