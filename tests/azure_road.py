"""What the tests of the road share for Azure: orders to see through, with a resource of their own for each test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from narration.document.model import Chapter, Document, Paragraph
from narration.services.registry import make_service
from narration.synthesis.orders import WantedClip, pack
from narration.synthesis.planning import plan_narration
from narration.synthesis.profile import VoiceProfile
from tests.conftest import CloudHandle
from tests.road import Bench, Road, Run, generous

PROFILE = VoiceProfile(
    service="azure",
    voice="en-US-JennyNeural",
    engine="neural",
    language_code=None,
    audio_format="wav",
    sample_rate=24000,
    options=(("output_format", "riff-24khz-16bit-mono-pcm"),),
)
SERVICES = ("azure_batch", "azure_batch_preview", "azure_long_audio")
CREATE = {
    "azure_batch": "CreateBatchSynthesis",
    "azure_batch_preview": "CreateBatchSynthesis",
    "azure_long_audio": "CreateLongAudioSynthesis",
}


SHORT = "azure_long_audio, short"
"""Long Audio with paragraphs that are too short for a script of its own."""


class AzureBench(Bench):
    """
    A store, a resource of Azure's at the local cloud, and orders.

    :param service: one of :data:`SERVICES`, or :data:`SHORT`.
    """

    def __init__(self, *, cloud: CloudHandle, folder: Path, service: str) -> None:
        self.is_short = service == SHORT
        self.service = "azure_long_audio" if self.is_short else service
        self.key = f"bench-{uuid4().hex}"
        super().__init__(cloud=cloud, folder=folder)
        self._azure_bill = self._now()

    def connect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = {
            "conn_type": "azure_speech",
            "host": self.cloud.speech_url,
            "password": self.key,
            "extra": {"region": "eastus"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", json.dumps(connection))

    @property
    def adapter(self) -> Any:
        return make_service(self.service, {"azure_speech_conn_id": "azure_speech_default"})

    @property
    def seller(self) -> str:
        """The API that makes the jobs."""
        return "azure_batch" if self.is_short else self.service

    @property
    def create(self) -> str:
        """What the local cloud calls the operation that buys."""
        return CREATE[self.seller]

    def _now(self) -> dict[str, int]:
        """The bill of the service; what is too short for Long Audio is on that of batch synthesis."""
        bill = self.cloud._call("GET", "bill")
        services = [self.service, "azure_batch"] if self.service == "azure_long_audio" else [self.service]
        return {name: sum(bill[service][name] for service in services) for name in ("jobs", "characters")}

    @property
    def bought(self) -> int:
        return self._now()["jobs"] - self._azure_bill["jobs"]

    @property
    def billed(self) -> int:
        return self._now()["characters"] - self._azure_bill["characters"]

    def fault(self, kind: str, **more: Any) -> None:
        self.cloud.order_fault(kind, service=self.seller, **more)

    def seed(self, **order: Any) -> None:
        """Put jobs into the resource that nobody bought."""
        self.cloud._call("POST", "azure/jobs", {"api": self.seller, "key": self.key, **order})

    def empty(self) -> None:
        """Take every job out of the resource."""
        self.cloud._call("DELETE", "azure/jobs", {"api": self.seller, "key": self.key})

    def text(self, what: Any) -> str:
        """A paragraph that no other test has, and long enough for a Long Audio script of its own if it is to be."""
        more = "" if self.is_short else "It goes on for a while, as stories do. " * 11
        return f"Paragraph {what} of the story {self.word}. {more}"

    def clip(self, text: str, *, text_type: str = "text", profile: VoiceProfile = PROFILE) -> WantedClip:
        document = Document(
            title="Story",
            source="story.txt",
            chapters=(Chapter(title="One", paragraphs=(Paragraph(text=text.strip(), text_type=text_type, line=7),)),),
        )
        return (
            plan_narration(document, profile=profile, rules=self.adapter.rules(profile), pauses={}).paragraphs[0].clip
        )

    def order(self, *clips: WantedClip | str, profile: VoiceProfile = PROFILE, **_: Any) -> dict[str, Any]:
        wanted = [self.clip(clip, profile=profile) if isinstance(clip, str) else clip for clip in clips]
        adapter = self.adapter
        limits = adapter.order_limits(paragraphs_per_order=10_000)
        (order,) = pack(wanted, profile=profile, limits=limits, account=adapter.account)
        self.store.write_order(order.order_id, order.to_dict())
        return {
            "order_id": order.order_id,
            "label": "One",
            "storage": self.storage,
            "service": self.service,
            "connection": adapter.connection(),
        }

    def forget_records(self) -> None:
        """Lose what is remembered of every order, and every claim."""
        for path in (*(self.folder / "store").rglob("*.record.json"), *(self.folder / "store").rglob("*.claim-*.json")):
            path.unlink()


def params(**change: Any) -> dict[str, Any]:
    """The parameters of a run of ``narrate_azure_batch``, as the form gives them."""
    return {
        "document": "story.txt",
        "title": None,
        "text_type": "auto",
        "voice": "en-US-JennyNeural",
        "other_voice": None,
        "style": None,
        "style_degree": None,
        "role": None,
        "rate": None,
        "pitch": "",
        "volume": None,
        "output_format": "audio-24khz-160kbitrate-mono-mp3",
        "api_version": "2024-04-01",
        "paragraphs_per_order": 100,
        "storage": "/data",
        "azure_speech_conn_id": "azure_speech_default",
        "storage_conn_id": "aws_default",
        "paragraph_pause_ms": 500,
        "heading_pause_ms": 900,
        "scene_pause_ms": 1400,
        "chapter_pause_ms": 1800,
        **change,
    }


class AzureRoad(Road):
    """
    A run of the whole road through one of the APIs: the bench's, unless a test says ``through=`` another one.

    In a format that every API makes and the tone cloud speaks.
    """

    bench: AzureBench
    _through: str | None = None

    @property
    def service(self) -> str:  # type: ignore[override]
        return "azure_long_audio" if self.api == "azure_long_audio" else "azure_batch"

    @property
    def api(self) -> str:
        return self._through or self.bench.service

    def params(self, **change: Any) -> dict[str, Any]:
        version = "3.1-preview1" if self.api == "azure_batch_preview" else "2024-04-01"
        return params(**{"output_format": "riff-24khz-16bit-mono-pcm", "api_version": version, **change})

    def plan(self, run: Run, *, through: str | None = None, **change: Any) -> list[dict[str, Any]]:
        with self._moved(through):
            return super().plan(run, **change)

    def narrate(self, run: Run, *, through: str | None = None, **change: Any) -> dict[str, Any]:
        with self._moved(through):
            return super().narrate(run, **change)

    @contextmanager
    def _moved(self, through: str | None) -> Iterator[None]:
        before = self._through
        self._through = through or before
        try:
            yield
        finally:
            self._through = before


@pytest.fixture(params=SERVICES)
def azure_bench(
    request: pytest.FixtureRequest,
    fresh_object_storage: None,
    tone_cloud: CloudHandle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[AzureBench]:
    """An empty store and an empty resource at the tone cloud, for each of the three APIs."""
    tone_cloud.clear_faults()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous(tone_cloud))
    bench = AzureBench(cloud=tone_cloud, folder=tmp_path, service=request.param)
    bench.connect(monkeypatch)
    yield bench
    tone_cloud.clear_faults()
