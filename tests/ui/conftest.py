"""A real Airflow API server with the plugin, and runs in its database as the road leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from narration.links.paragraphs import page_address
from narration.store import Store
from narration.synthesis.failed import FAILED_PARAGRAPHS
from narration.synthesis.orders import Order, OrderLimits, WantedClip, pack
from narration.synthesis.profile import VoiceProfile
from tests.conftest import REPOSITORY
from tests.road import bench, road, run, tone_cloud

__all__ = ["bench", "road", "run", "tone_cloud"]

PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="pcm", sample_rate=16000
)


def clip(number: int, text: str | None = None, *, text_type: str = "text") -> WantedClip:
    """A paragraph of a book; its key begins with its number."""
    text = text if text is not None else f"Paragraph {number} of the book."
    return WantedClip(
        clip_key=f"{number:040x}"[::-1],
        text=text,
        text_type=text_type,
        spoken_text=text,
        characters=len(text),
        place=f"Chapter I, paragraph {number} (line {number * 2} of book.txt)",
    )


def order_of(*clips: WantedClip) -> Order:
    (order,) = pack(clips, profile=PROFILE, limits=OrderLimits(clips=100_000), account="polly:aws_default:")
    return order


def planned(
    order: Order, *, storage: str, label: str = "Chapter I, paragraph 1 and on: 3 paragraphs"
) -> dict[str, Any]:
    """What the task ``plan`` returns of an order."""
    connection = {"aws_conn_id": "aws_default", "bucket": "books"}
    return {
        "order_id": order.order_id,
        "label": label,
        "storage": storage,
        "service": "polly",
        "connection": connection,
    }


def failed(wanted: WantedClip, reason: str) -> dict[str, str]:
    """What a task pushes of a paragraph that failed."""
    return {
        "place": wanted.place,
        "text": wanted.text,
        "excerpt": wanted.text,
        "reason": reason,
        "clip_key": wanted.clip_key,
    }


class RunInDatabase:
    """One run of a Dag, as Airflow's database knows it."""

    def __init__(self) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session

        self.dag_id, self.run_id = "narrate_polly", f"manual__2026-11-01T07:00:00+00:00_{uuid4().hex[:8]}"
        now = datetime.now(UTC)
        with create_session() as session:
            dag_run = DagRun(dag_id=self.dag_id, run_id=self.run_id, run_after=now, run_type="manual", state="running")
            session.add(dag_run)
            session.flush()
            self.key = dag_run.id

    def add_task(
        self,
        task_id: str,
        *,
        map_index: int = -1,
        state: str | None = "success",
        label: str | None = None,
        **xcoms: Any,
    ) -> None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import insert

        where = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": task_id, "map_index": map_index}
        with create_session() as session:
            session.execute(
                insert(TaskInstance.__table__).values(
                    id=uuid4(), **where, state=state, pool="default_pool", pool_slots=1, rendered_map_index=label
                )
            )
            for key, value in xcoms.items():
                # As the Execution API keeps it: JSON in JSON.
                text = json.dumps(value)
                session.execute(
                    insert(XComModel.__table__).values(
                        **where, dag_run_id=self.key, key=key, value=text, timestamp=datetime.now(UTC)
                    )
                )

    def add_failed_task(self, task_id: str, *paragraphs: dict[str, str], map_index: int = -1, **more: Any) -> None:
        self.add_task(task_id, map_index=map_index, state="failed", **{FAILED_PARAGRAPHS: list(paragraphs)}, **more)

    def add_progress(self, task_id: str, *, map_index: int, done: int, total: int) -> None:
        from airflow.models.task_state_store import TaskStateStoreModel
        from airflow.utils.session import create_session

        where = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": task_id, "map_index": map_index}
        value = json.dumps({"done": done, "total": total, "billed_characters": 0})
        with create_session() as session:
            session.add(TaskStateStoreModel(**where, dag_run_id=self.key, key="progress", value=value))

    def add_rendered(self, task_id: str, *, map_index: int, **fields: Any) -> None:
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.utils.session import create_session
        from sqlalchemy import insert

        where = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": task_id, "map_index": map_index}
        with create_session() as session:
            session.execute(insert(RenderedTaskInstanceFields.__table__).values(**where, rendered_fields=fields))

    def address(self, task_id: str | None = None, map_index: int = -1) -> str:
        """The path of a page, under the host."""
        if task_id is None:
            return f"/narration/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}"
        return "/" + page_address(dag_id=self.dag_id, run_id=self.run_id, task_id=task_id, map_index=map_index)


@pytest.fixture(scope="session")
def api_server() -> Iterator[Any]:
    """Airflow's own application, with the plugin as Airflow itself loads it and a database of its own."""
    from airflow import models, plugins_manager, settings
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from airflow.models.base import Base

    models.import_all_models()
    Base.metadata.create_all(settings.engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "PLUGINS_FOLDER", str(REPOSITORY / "plugins"))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", uuid4().hex * 2)
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        _forget_plugins(plugins_manager)
        yield create_app()
    _forget_plugins(plugins_manager)
    purge_cached_app()


def _forget_plugins(plugins_manager: Any) -> None:
    for each in vars(plugins_manager).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()


class Reader:
    """Somebody with a browser."""

    def __init__(self, app: Any, *, role: str | None, **client: Any) -> None:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from fastapi.testclient import TestClient

        self.client = TestClient(app, **client)
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ada", role=role))
        self.client.cookies.set("_token", token)

    def get(self, address: str) -> Any:
        return self.client.get(address)

    def read(self, address: str) -> str:
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def reader(api_server: Any) -> Reader:
    """Somebody who may read every Dag, and change none."""
    return Reader(api_server, role="VIEWER")


@pytest.fixture
def airflow_run(api_server: Any) -> RunInDatabase:
    """A run without tasks."""
    return RunInDatabase()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that the API server sees."""
    return Store(location=f"file://{tmp_path}/store")
