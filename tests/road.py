"""
What the tests of the road share: orders to see through, and whole runs of the Dag.

Every test takes words of its own, so that no test finds what another one bought.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import botocore.loaders
import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred

from narration.operators.assemble import AssembleNarrationOperator
from narration.operators.plan import PlanNarrationOperator
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from narration.operators.synthesize import SynthesizeOrderOperator
from narration.store import Store
from narration.synthesis.orders import Order, OrderLimits, WantedClip, pack
from narration.synthesis.planning import plan_narration
from narration.synthesis.polly_rules import PollyRules
from narration.synthesis.profile import VoiceProfile
from tests.conftest import BUCKET, CloudHandle, StateStore, TaskInstanceInTest, running_cloud

START = "StartSpeechSynthesisTask"
LIST = "ListSpeechSynthesisTasks"
PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="pcm", sample_rate=16000
)


@pytest.fixture(scope="session")
def tone_cloud() -> Iterator[CloudHandle]:
    """The cloud of :mod:`tests.cloud_process` that speaks in tones, for all tests of this process."""
    with running_cloud("tones") as cloud, pytest.MonkeyPatch.context() as patch:
        # Every attempt makes its clients anew, and most of that is reading the same descriptions of AWS.
        patch.setattr(botocore.session, "create_loader", functools.cache(lambda *_: botocore.loaders.create_loader()))
        yield cloud


@pytest.fixture
def clouds(fresh_object_storage: None, tone_cloud: CloudHandle, monkeypatch: pytest.MonkeyPatch) -> CloudHandle:
    """The connections ``library`` to S3, and ``archive`` and ``wasb_default`` to Blob."""
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY", json.dumps(tone_cloud.connection()))
    for name in ("ARCHIVE", "WASB_DEFAULT"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(tone_cloud.blob_connection()))
    return tone_cloud


def generous(cloud: CloudHandle, **extra: Any) -> str:
    """The connection to a cloud, for an account that AWS granted high quotas."""
    return json.dumps(cloud.connection(polly_quotas={"start": 500, "read": 500}, **extra))


class TaskInstanceOfRoad(TaskInstanceInTest):
    """Also gives the results of the mapped task, as ``xcom_pull`` does: one, several, or none at all."""

    results: Any = None

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        return self.results if key == "return_value" else self.xcoms.get(key)


class Run:
    """One run of the Dag, as far as one mapped task sees it; a second attempt takes the same one."""

    def __init__(self, run_id: str, *, started: datetime) -> None:
        self.ti = TaskInstanceOfRoad()
        self.state = StateStore()
        self.context: dict[str, Any] = {
            "run_id": run_id,
            "dag_run": SimpleNamespace(start_date=started, run_after=None),
            "task_state_store": self.state,
            "ti": self.ti,
        }


class Bench:
    """A store, an account at the local cloud, and orders."""

    def __init__(self, *, cloud: CloudHandle, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.storage = f"file://{folder}/store"
        self.word = uuid4().hex[:8]
        self._bill = cloud.bill()

    def run(self, run_id: str) -> Run:
        """A run that starts now, by the clock of the cloud."""
        return Run(run_id, started=datetime.fromtimestamp(self.cloud._call("GET", "clock")["now"], UTC))

    def calls(self, operation: str) -> int:
        return self.cloud.calls(operation)

    @property
    def store(self) -> Store:
        return Store(location=self.storage)

    @property
    def s3(self) -> Any:
        return self.cloud.client("s3")

    @property
    def bought(self) -> int:
        """Jobs that were paid for since the test began."""
        return self.cloud.bill()["jobs"] - self._bill["jobs"]

    @property
    def billed(self) -> int:
        """Characters that were paid for since the test began."""
        return self.cloud.bill()["characters"] - self._bill["characters"]

    def text(self, what: Any) -> str:
        """A paragraph that no other test has."""
        return f"Paragraph {what} of the story {self.word}."

    def clip(self, text: str, *, text_type: str = "text", profile: VoiceProfile = PROFILE) -> WantedClip:
        from narration.document.model import Chapter, Document, Paragraph

        document = Document(
            title="Story",
            source="story.txt",
            chapters=(Chapter(title="One", paragraphs=(Paragraph(text=text, text_type=text_type, line=7),)),),
        )
        rules = PollyRules(engine=profile.engine, voice=profile.voice)
        return plan_narration(document, profile=profile, rules=rules, pauses={}).paragraphs[0].clip

    def order(self, *clips: WantedClip | str, bucket: str = BUCKET, profile: VoiceProfile = PROFILE) -> dict[str, Any]:
        """Write one order into the store and give what the plan would hand to the task."""
        wanted = [self.clip(clip, profile=profile) if isinstance(clip, str) else clip for clip in clips]
        (order,) = pack(wanted, profile=profile, limits=OrderLimits(clips=1000), account="polly:aws_default:")
        self.store.write_order(order.order_id, order.to_dict())
        return {
            "order_id": order.order_id,
            "label": "One",
            "storage": self.storage,
            "service": "polly",
            "connection": {"aws_conn_id": "aws_default", "bucket": bucket},
        }

    def stories(self, count: int) -> dict[str, Any]:
        """An order of so many paragraphs."""
        return self.order(*(self.text(number) for number in range(count)))

    def wanted(self, order: dict[str, Any]) -> Order:
        return Order.from_dict(self.store.read_order(order["order_id"]))

    def record(self, order: dict[str, Any]) -> Any:
        return self.store.read_record(order["order_id"])

    def stored(self, order: dict[str, Any]) -> int:
        return len(self.store.clips(clip.clip_key for clip in self.wanted(order).clips))

    def operator(self, order: dict[str, Any], **arguments: Any) -> SynthesizeOrderOperator:
        operator = SynthesizeOrderOperator(task_id="synthesize", order=order, **arguments)
        # Below what the operator accepts, so that a test need not wait for seconds.
        operator.poll_interval = 0.03
        return operator

    def first_look(self, order: dict[str, Any], run: Run, **arguments: Any) -> TaskDeferred:
        """Let one attempt run until it defers."""
        with pytest.raises(TaskDeferred) as deferred:
            self.operator(order, **arguments).execute(run.context)
        return deferred.value

    def resume(self, order: dict[str, Any], run: Run, deferred: TaskDeferred, event: Any, **arguments: Any) -> Any:
        return self.operator(order, **arguments).resume(run.context, event, **deferred.kwargs)

    def see_through(self, order: dict[str, Any], run: Run, *, looks: int = 20, **arguments: Any) -> dict[str, Any]:
        """Do what Airflow does: run the task, run its trigger, resume the task, until it is over."""
        return self._until_done(
            order, run, lambda: self.operator(order, **arguments).execute(run.context), looks=looks, **arguments
        )

    def resume_until_done(self, order: dict[str, Any], run: Run, deferred: TaskDeferred) -> dict[str, Any]:
        """Go on from a deferral as :meth:`see_through` does."""
        event = event_of(deferred)
        return self._until_done(order, run, lambda: self.resume(order, run, deferred, event), looks=20)

    def _until_done(
        self, order: dict[str, Any], run: Run, step: Callable[[], dict[str, Any]], *, looks: int, **arguments: Any
    ) -> dict[str, Any]:
        for _ in range(looks):
            try:
                return step()
            except TaskDeferred as deferred:
                event, kwargs = event_of(deferred), deferred.kwargs
                step = lambda e=event, k=kwargs: self.operator(order, **arguments).resume(run.context, e, **k)  # noqa: E731
        raise AssertionError(f"the order was not finished after {looks} looks")

    def wait_for_jobs(self, count: int, *, within: float = 20.0) -> None:
        """Wait until the cloud has finished so many of this test's jobs."""
        end = time.monotonic() + within
        while sum(self.mine(task) and task["TaskStatus"] == "completed" for task in self.tasks()) < count:
            assert time.monotonic() < end, self.tasks()
            time.sleep(0.02)

    def tasks(self) -> list[dict[str, Any]]:
        polly = self.cloud.client("polly")
        return [
            task
            for page in polly.get_paginator("list_speech_synthesis_tasks").paginate()
            for task in page["SynthesisTasks"]
        ]

    def mine(self, task: dict[str, Any]) -> bool:
        return any(key in task["OutputUri"] for key in self._keys)

    @property
    def _keys(self) -> set[str]:
        orders = Path(self.folder, "store", "orders").glob("*.json")
        data = [json.loads(path.read_text()) for path in orders if ".record." not in path.name]
        return {clip["clip_key"] for order in data for clip in order["clips"]}

    def objects(self, order: dict[str, Any]) -> dict[str, str]:
        """The objects at S3, by clip key."""
        found = {}
        for clip in self.wanted(order).clips:
            answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"narration/clips/{clip.clip_key}.")
            for item in answer.get("Contents", []):
                found[clip.clip_key] = item["Key"]
        return found

    def forget_store(self) -> None:
        """Lose every clip and every record; what the orders want is written again by the plan, so it stays."""
        import shutil

        shutil.rmtree(self.folder / "store" / "clips", ignore_errors=True)
        for record in (self.folder / "store" / "orders").glob("*.record.json"):
            record.unlink()


def bill(*, jobs: int, characters: int) -> dict[str, Any]:
    """The bill of jobs that cost what was estimated, as an order hands it on."""
    return {
        "jobs": jobs,
        "characters_estimated": characters,
        "characters_billed": characters,
        "uncounted": 0,
        "differences": [],
        "different": 0,
    }


def event_of(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger as the triggerer does: rebuilt from what was serialised."""
    path, kwargs = deferred.trigger.serialize()
    kwargs = json.loads(json.dumps(kwargs))

    async def first_event() -> dict[str, Any]:
        async for event in type(deferred.trigger)(**kwargs).run():
            return event.payload
        raise AssertionError(f"{path} ended without an event")

    return asyncio.run(asyncio.wait_for(first_event(), timeout=30))


@pytest.fixture
def bench(
    fresh_object_storage: None, tone_cloud: CloudHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """An empty store and an account at the tone cloud."""
    tone_cloud.clear_faults()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous(tone_cloud))
    yield Bench(cloud=tone_cloud, folder=tmp_path)
    tone_cloud.clear_faults()


@pytest.fixture
def run(bench: Bench) -> Run:
    """The run of monday."""
    return bench.run("monday")


_MODULES_WITH_A_CLOCK = (
    *(f"narration.operators.{name}" for name in ("synthesize", "reconciling", "purchasing", "claims", "collect")),
    "narration.hooks.deadline",
    "narration.services.azure_common",
    "narration.triggers.jobs",
)


class MovedClock:
    """The worker's clock, moved forward by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._moved = 0.0
        # The modules' own names and not the time of everybody: other clocks must not see the jump.
        for module in _MODULES_WITH_A_CLOCK:
            monkeypatch.setattr(f"{module}.time", SimpleNamespace(time=self, monotonic=time.monotonic))

    def __call__(self) -> float:
        return time.time() + self._moved

    def forward(self, by: timedelta | float) -> None:
        self._moved += by.total_seconds() if isinstance(by, timedelta) else by


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return MovedClock(monkeypatch)


def params(**change: Any) -> dict[str, Any]:
    """The parameters of a run of ``narrate_polly``, as the form gives them."""
    return {
        "document": "story.txt",
        "title": None,
        "text_type": "auto",
        "voice": "Joanna",
        "engine": "neural",
        "language_code": None,
        "output_format": "pcm",
        "sample_rate": "auto",
        "lexicons": [],
        "paragraphs_per_order": 100,
        "storage": "",
        "output_bucket": BUCKET,
        "aws_conn_id": "aws_default",
        "paragraph_pause_ms": 500,
        "heading_pause_ms": 900,
        "scene_pause_ms": 1400,
        "chapter_pause_ms": 1800,
        **change,
    }


class Road:
    """
    A run of the whole road, task by task, on a document of a test's own.

    :cvar service: the service that the Dag stands for.
    """

    service = "polly"

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.document = bench.folder / "story.txt"

    def heading(self, number: int) -> str:
        """The heading of a chapter; it is bought too, so it is another one in every test."""
        return f"Chapter {number + 1}: The {self.bench.word}"

    def write(self, *paragraphs: str, chapters: int = 1) -> None:
        """Write a plain text with headings."""
        share = -(-len(paragraphs) // chapters)
        parts = []
        for number in range(chapters):
            parts.append(self.heading(number))
            parts.extend(paragraphs[number * share : (number + 1) * share])
        self.document.write_text("\n\n".join(parts) + "\n")

    def context(self, run: Run, **change: Any) -> dict[str, Any]:
        given = {"document": str(self.document), "storage": self.bench.storage, **change}
        return {**run.context, "params": self.params(**given)}

    def params(self, **change: Any) -> dict[str, Any]:
        return params(**change)

    def read(self, run: Run, **change: Any) -> dict[str, Any]:
        return ReadDocumentOperator(task_id="read", service=self.service).execute(self.context(run, **change))

    def plan(self, run: Run, **change: Any) -> list[dict[str, Any]]:
        document = self.read(run, **change)
        operator = PlanNarrationOperator(task_id="plan", service=self.service, document=document)
        return operator.execute(self.context(run, **change))

    def assemble(self, run: Run, **change: Any) -> dict[str, Any]:
        operator = AssembleNarrationOperator(task_id="assemble", service=self.service, plan=run.ti.xcoms["plan"])
        return operator.execute(self.context(run, **change))

    def publish(self, run: Run, assembled: Any, results: Any, **change: Any) -> dict[str, Any]:
        run.ti.results = results
        operator = PublishNarrationOperator(
            task_id="publish", service=self.service, assembled=assembled, orders_task_id="synthesize"
        )
        return operator.execute(self.context(run, **change))

    def buy(self, run: Run, **change: Any) -> list[dict[str, Any]]:
        """Everything that costs money."""
        return [self.bench.see_through(order, run) for order in self.plan(run, **change)]

    def narrate(self, run: Run, **change: Any) -> dict[str, Any]:
        """Everything that the Dag does."""
        results = self.buy(run, **change)
        return self.publish(run, self.assemble(run, **change), results or None, **change)


@pytest.fixture
def road(bench: Bench) -> Road:
    return Road(bench)
