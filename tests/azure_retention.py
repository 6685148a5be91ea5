"""What the tests of retention share: a local cloud whose request limits are the test's, its jobs, and stores."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from narration.hooks.azure_api import SynthesisApi
from narration.operators.azure_cleanup import AzureSynthesisCleanupOperator
from narration.store import Store, StoredClip
from narration.synthesis.keys import digest, job_key
from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import Defect, OrderRecord
from tests.conftest import REPOSITORY, StateStore, TaskInstanceInTest

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
SERVICES = {BATCH: "azure_batch", PREVIEW: "azure_batch_preview", LONG_AUDIO: "azure_long_audio"}
DELETE = {BATCH: "DeleteBatchSynthesis", PREVIEW: "DeleteBatchSynthesis", LONG_AUDIO: "DeleteLongAudioSynthesis"}
HOUR = 3600.0
DAY = 24 * HOUR
AUDIO = b"RIFF of a clip"

SERVE = """
import dataclasses, json, sys
from include.local_cloud.azure.quotas import SERVICES, AzureQuotas, Window
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import FAST
requests, seconds = int(sys.argv[1]), float(sys.argv[2])
quotas = AzureQuotas(requests=dict.fromkeys(SERVICES, Window(requests=requests, seconds=seconds)), median_seconds=0.0)
preset = dataclasses.replace(FAST, name="test", azure=quotas)
# The reading that tells a job that was deleted from one that was never there.
readings = AzureReadings(long_audio_unknown_delete="404")
with LocalCloud(preset=preset, azure_readings=readings, render=lambda request: b"") as cloud:
    print(cloud.speech_url, flush=True)
    sys.stdin.read()
"""


class RetentionCloud:
    """A running local cloud, as these tests see it."""

    def __init__(self, url: str, *, requests: int, seconds: float) -> None:
        self.url = url
        self.quotas = {api.value: {"requests": requests, "seconds": seconds} for api in SynthesisApi}

    def connection(self, key: str) -> str:
        return json.dumps(
            {
                "conn_type": "azure_speech",
                "host": self.url,
                "password": key,
                "extra": {"region": "eastus", "quotas": self.quotas},
            }
        )

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def calls(self, api: SynthesisApi, operation: str) -> dict[str, int]:
        counted = self.admin("GET", "requests").get(SERVICES[api], {})
        return counted.get(operation, {"calls": 0, "throttled": 0, "errors": 0})

    def throttled(self, api: SynthesisApi) -> int:
        counted = self.admin("GET", "requests").get(SERVICES[api], {})
        return sum(operation["throttled"] for operation in counted.values())


@contextmanager
def retention_cloud(*, requests: int = 100_000, seconds: float = 1.0) -> Iterator[RetentionCloud]:
    """A local cloud in a process of its own that takes so many requests in any window of so many seconds."""
    command = [sys.executable, "-c", SERVE, str(requests), str(seconds)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield RetentionCloud(process.stdout.readline().strip(), requests=requests, seconds=seconds)


class Resource:
    """A Speech resource of one test, with a store beside it."""

    def __init__(self, cloud: RetentionCloud, folder: Path) -> None:
        self.cloud = cloud
        self.key = f"key-of-{uuid4().hex}"
        self.folder = folder
        self.state = StateStore()
        self.now = time.time()

    # -- the store -----------------------------------------------------------------------------------------------

    def store(self, name: str = "store") -> Store:
        return Store(location=f"file://{self.folder}/{name}")

    def purchase(self, *words: Any, attempt: int = 0, store: str = "store", note: bool = True) -> Purchase:
        """What an order means to buy, of one clip for each word; written into its record."""
        clips = [digest({"clip": word}) for word in words]
        order = digest({"order": list(words)})
        made = Purchase(self, order=order, clips=clips, key=job_key(order=order, clip_keys=clips, attempt=attempt))
        if note:
            made.note(store=store)
        return made

    def keep_clips(self, keys: Iterable[str], *, store: str = "store") -> None:
        """Put clips into a store."""
        place = self.store(store)
        for key in keys:
            place.add_clip(
                StoredClip(
                    clip_key=key,
                    audio_format="mp3",
                    sample_rate=24000,
                    samples=1,
                    sha256=digest(key),
                    bytes=len(AUDIO),
                    service="azure",
                    job_id="x",
                    characters=1,
                    characters_reported=True,
                ),
                data=AUDIO,
            )

    # -- the service ---------------------------------------------------------------------------------------------

    def seed(
        self,
        *names: str,
        api: SynthesisApi = LONG_AUDIO,
        status: str = "Succeeded",
        oldest: float = 30 * DAY,
        youngest: float | None = None,
    ) -> list[str]:
        """Put jobs of these names (2024-04-01: ids) at the service, created in that order; gives their ids."""
        times = {"created_from": self.now - oldest, "created_to": self.now - (oldest if youngest is None else youngest)}
        member = "ids" if api is BATCH else "display_names"
        before = set(self.jobs(api=api))
        order = {"api": SERVICES[api], "key": self.key, "status": status, member: list(names), **times}
        self.cloud.admin("POST", "azure/jobs", order)
        return [job_id for job_id in self.jobs(api=api) if job_id not in before]

    def jobs(self, *, api: SynthesisApi = LONG_AUDIO) -> dict[str, str]:
        """Ids and statuses of what the service keeps, in the order in which it was put there."""
        jobs = self.cloud.admin("GET", "azure/jobs")["jobs"]
        mine = self._account
        return {job["id"]: job["status"] for job in jobs if job["resource"] == mine and job["api"] == SERVICES[api]}

    @property
    def _account(self) -> str:
        from include.local_cloud.azure.accounts import Account

        account = Account.of_key(self.key)
        assert account is not None
        return account.id

    # -- the operator --------------------------------------------------------------------------------------------

    def operator(self, **arguments: Any) -> AzureSynthesisCleanupOperator:
        given = {"apis": [LONG_AUDIO], "storages": [f"file://{self.folder}/store"], **arguments}
        if "target" in given:
            given["targets"] = dict.fromkeys(SynthesisApi, given.pop("target"))
        return AzureSynthesisCleanupOperator(task_id="clean_up", **given)

    def clean(self, **arguments: Any) -> dict[str, Any]:
        """Clean one API and give its figures."""
        operator = self.operator(**arguments)
        (figures,) = self.run(operator).values()
        return figures

    def run(self, operator: AzureSynthesisCleanupOperator) -> dict[str, Any]:
        results = operator.execute({"task_state_store": self.state, "ti": TaskInstanceInTest()})
        assert results == json.loads(json.dumps(results))
        for figures in results.values():
            if "stored" in figures:
                parts = (*figures["kept"].values(), *figures["refused"].values())
                gone = figures["deleted"] + figures["gone"] + figures["would_delete"]
                assert sum(parts) + gone == figures["stored"], figures
        return results


class Purchase:
    """One job that an order bought, or meant to."""

    def __init__(self, resource: Resource, *, order: str, clips: list[str], key: str) -> None:
        self.resource = resource
        self.order = order
        self.clips = clips
        self.key = key

    @property
    def name(self) -> str:
        return f"narration-{self.key}"

    def note(self, *, store: str = "store", **more: Any) -> Purchase:
        """Write the order's record."""
        record = OrderRecord(purchases={self.key: tuple(self.clips)}, **more)
        self.resource.store(store).write_record(self.order, record.to_dict())
        return self

    def collected(self, *, store: str = "store") -> Purchase:
        self.resource.keep_clips(self.clips, store=store)
        return self

    def job(self, job_id: str, state: JobState) -> Job:
        return Job(job_id=job_id, clip_keys=tuple(self.clips), state=state, job_key=self.key)

    def defect(self, job_id: str, clip: str, *, flawed: bool = False) -> dict[str, dict[str, Defect]]:
        return {job_id: {clip: Defect(reason="silent" if flawed else "no audio", flawed=flawed)}}
