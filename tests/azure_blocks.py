"""What the tests of the Azure blocks share: a Speech resource of their own at the local cloud, and a task instance."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_speech import AzureSpeechHook
from tests.conftest import CloudHandle, StateStore, TaskInstanceInTest

SERVICES = {
    SynthesisApi.BATCH: "azure_batch",
    SynthesisApi.BATCH_PREVIEW: "azure_batch_preview",
    SynthesisApi.LONG_AUDIO: "azure_long_audio",
}
CREATE = {
    SynthesisApi.BATCH: "CreateBatchSynthesis",
    SynthesisApi.BATCH_PREVIEW: "CreateBatchSynthesis",
    SynthesisApi.LONG_AUDIO: "CreateLongAudioSynthesis",
}
GET = {
    SynthesisApi.BATCH: "GetBatchSynthesis",
    SynthesisApi.BATCH_PREVIEW: "GetBatchSynthesis",
    SynthesisApi.LONG_AUDIO: "GetLongAudioSynthesis",
}
LONG_TEXT = "\n".join(f"Paragraph {number} of a text that Long Audio finds long enough to read." for number in range(8))
VOICE = "en-US-JennyNeural"
EVERY_API = pytest.mark.parametrize("api", list(SynthesisApi), ids=["batch", "preview", "long_audio"])


class AzureResource:
    """A resource that no other test has, at the cloud that speaks in tones, with the connection that leads to it."""

    def __init__(self, cloud: CloudHandle) -> None:
        self.cloud = cloud
        self.key = f"test-key-{uuid4().hex}"
        self.hook = AzureSpeechHook()

    def connection(self, **extra: Any) -> str:
        return json.dumps(
            {
                "conn_type": "azure_speech",
                "host": self.cloud.speech_url,
                "password": self.key,
                "extra": {"region": "eastus", **extra},
            }
        )

    def bought(self, api: SynthesisApi) -> int:
        """Jobs bought since the cloud started, by every resource."""
        return self.cloud._call("GET", "bill")[SERVICES[api]]["jobs"]

    def calls(self, api: SynthesisApi, operation: str) -> int:
        return self.cloud._call("GET", "requests").get(SERVICES[api], {}).get(operation, {}).get("calls", 0)

    def order_fault(self, kind: str, api: SynthesisApi, **more: Any) -> None:
        self.cloud.order_fault(kind, service=SERVICES[api], **more)

    def start(self, api: SynthesisApi, text: str = LONG_TEXT, **more: Any) -> str:
        """Buy a job without any of the blocks."""
        if api is SynthesisApi.LONG_AUDIO:
            return self.hook.create_long_audio_synthesis(
                display_name="by hand", locale="en-US", voices=[{"voiceName": VOICE}], script=text, **more
            )
        name = {"synthesis_id": f"by-hand-{uuid4().hex}"} if api is SynthesisApi.BATCH else {"display_name": "by hand"}
        arguments = {
            "inputs": [text],
            "input_kind": "PlainText",
            "synthesis_config": {"voice": VOICE},
            **more,
        }
        return self.hook.create_batch_synthesis(api=api, **name, **arguments).job_id

    def jobs(self, api: SynthesisApi) -> list[AzureJob]:
        return list(self.hook.list_jobs(api=api))

    def finish(self, api: SynthesisApi, job_id: str, *, within: float = 20.0) -> AzureJob:
        """Wait until a job is finished."""
        end = time.monotonic() + within
        while not (job := self.hook.get_job(api=api, job_id=job_id)).is_finished:
            assert time.monotonic() < end, job
            time.sleep(0.05)
        return job


@pytest.fixture
def azure(tone_cloud: CloudHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureResource]:
    """A resource, and the Airflow connection ``azure_speech_default`` that leads to it."""
    resource = AzureResource(tone_cloud)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", resource.connection())
    tone_cloud.clear_faults()
    yield resource
    tone_cloud.clear_faults()


class TaskInstanceOfBlock(TaskInstanceInTest):
    """Also says which task instance it is; ``try_number`` counts its attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.dag_id, self.task_id, self.map_index, self.try_number = "books", "create", -1, 1
        self.run_id = f"manual__{uuid4().hex}"


@pytest.fixture
def block_context() -> dict[str, Any]:
    """The context of one task instance, with a run of its own; a second execution with it is its next attempt."""
    ti = TaskInstanceOfBlock()
    return {"ti": ti, "run_id": ti.run_id, "task_state_store": StateStore()}
