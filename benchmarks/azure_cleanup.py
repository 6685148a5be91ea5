"""How fast stored Azure jobs are deleted, and whether the service ever has to say no.

Claim: the cleaning deletes at no less than 95 % of the rate that the service allows (Long Audio 5 requests a second,
batch synthesis 3.1-preview1 50 in 5 s, 2024-04-01 100 in 10 s), without a single 429, also when the service is far
away (``--latency 0.3``) and also while somebody else at the same machine uses the same resource (``--others 1``),
whose requests count in ``all_requests_per_second`` but not in ``deletions_per_second``.

The local cloud runs in a process of its own with the documented limits, which it keeps as strictly as a window can
be kept: a request that is one too many in any stretch of a second is a 429. Each job is this project's, and its clips
are looked up in a store on disk before it goes. The clock begins when the first deletion is sent and ends with the
answer to the last one; the list that is read before is left out (200 pages for 20,000 jobs: 40 s).

Run: ``.venv/bin/python benchmarks/azure_cleanup.py --deletions 300``, or ``--api batch-synthesis-2024-04-01``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "plugins")]

SERVICES = {
    "long-audio-v3.0": "azure_long_audio",
    "batch-synthesis-3.1-preview1": "azure_batch_preview",
    "batch-synthesis-2024-04-01": "azure_batch",
}
KEY = "key-of-the-benchmark"
CLIPS_PER_JOB = 20
KEPT_JOBS = 30


def serve() -> None:
    """Be the cloud, until the input ends."""
    from include.local_cloud.server import LocalCloud

    with LocalCloud(preset="documented") as cloud:
        print(cloud.speech_url, flush=True)
        sys.stdin.read()


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Run a part of this file in a process of its own; gives its first line."""
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()  # type: ignore[union-attr]


def be_far_away(url: str, *, latency: float) -> str:
    """Put half of a round trip before and behind the cloud; gives the address to use."""
    port = int(url.rpartition(":")[2])
    ready: list[int] = []
    started = threading.Event()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await source.read(65536):
            loop.call_later(latency / 2, target.write, data)
        loop.call_later(latency / 2, target.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    async def listen() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        ready.append(server.sockets[0].getsockname()[1])
        started.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    started.wait(10)
    return f"http://127.0.0.1:{ready[0]}"


def admin(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/_local/{path}", data=data), timeout=60) as answer:
        return json.load(answer)


def fill(url: str, *, api: str, count: int, storage: str) -> None:
    """Put finished jobs of this project at the service, and their clips into a store."""
    from narration.store import Store, StoredClip
    from narration.synthesis.keys import digest, job_key
    from narration.synthesis.record import OrderRecord

    store = Store(location=storage)
    names = []
    for number in range(count):
        clips = tuple(digest([number, clip]) for clip in range(CLIPS_PER_JOB))
        order = digest(["order", number])
        key = job_key(order=order, clip_keys=clips, attempt=0)
        names.append(f"narration-{key}")
        store.write_record(order, OrderRecord(purchases={key: clips}).to_dict())
        for clip in clips:
            facts = {"sample_rate": 24000, "samples": 1, "sha256": "", "bytes": 1, "service": "azure", "job_id": "x"}
            store.add_clip(
                StoredClip(clip_key=clip, audio_format="mp3", characters=1, characters_reported=True, **facts),  # type: ignore[arg-type]
                data=b"x",
            )
    member = "ids" if api == "batch-synthesis-2024-04-01" else "display_names"
    now = time.time()
    times = {"created_from": now - 20 * 86400, "created_to": now - 86400}
    admin(url, "azure/jobs", {"api": SERVICES[api], "key": KEY, member: names, **times})


def disturb(connection: str, api: str) -> None:
    """Use the same resource, as a task of another worker process would, until the input ends."""
    os.environ["AIRFLOW_CONN_AZURE_SPEECH_DEFAULT"] = connection
    from narration.hooks.azure_api import SynthesisApi
    from narration.hooks.azure_speech import AzureSpeechHook

    def list_now_and_then() -> None:
        hook = AzureSpeechHook()
        while True:
            next(iter(hook.list_jobs(api=SynthesisApi(api))), None)
            time.sleep(1)

    threading.Thread(target=list_now_and_then, daemon=True).start()
    print("disturbing", flush=True)
    sys.stdin.read()


def run(*, api: str, deletions: int, latency: float, others: int, folder: str) -> dict[str, Any]:
    """Clean one API and return the figures."""
    from narration.hooks.azure_api import FACTS, SynthesisApi
    from narration.hooks.azure_speech import AzureSpeechHook
    from narration.operators.azure_cleanup import AzureSynthesisCleanupOperator

    rate = FACTS[SynthesisApi(api)].rate
    # Together with the pages of the list a multiple of what one window takes. A last window that is not used up would
    # lower the rate of a short run and says nothing about a long one.
    pages = -(-(deletions + KEPT_JOBS) // 100)
    deletions = -(-(deletions + pages) // rate.requests) * rate.requests - pages
    moments: list[float] = []

    class Timed(AzureSpeechHook):
        def delete_job(self, *, api: SynthesisApi, job_id: str) -> bool:
            moments.append(time.monotonic())
            try:
                return super().delete_job(api=api, job_id=job_id)
            finally:
                moments.append(time.monotonic())

    with running("--serve") as url:
        fill(url, api=api, count=deletions + KEPT_JOBS, storage=folder)
        there = be_far_away(url, latency=latency) if latency else url
        connection = json.dumps(
            {"conn_type": "azure_speech", "host": there, "password": KEY, "extra": {"region": "eastus"}}
        )
        os.environ["AIRFLOW_CONN_AZURE_SPEECH_DEFAULT"] = connection
        operator = AzureSynthesisCleanupOperator(
            task_id="clean_up", apis=[api], targets={api: KEPT_JOBS}, storages=[folder]
        )
        operator.hook = Timed()
        if others:
            with running("--disturb", connection, "--api", api):
                figures = operator.execute({})[api]
        else:
            figures = operator.execute({})[api]
        requests = admin(url, "requests")[SERVICES[api]]
    seconds = max(moments) - min(moments)
    allowed = rate.requests / rate.seconds
    # The first window's worth of requests may all go at once, the pages among them; what follows is the rate.
    achieved = (deletions + pages - rate.requests) / max(seconds - latency, 1e-9)
    return {
        "api": api,
        "deleted": figures["deleted"],
        "seconds": round(seconds, 2),
        "allowed_per_second": allowed,
        "deletions_per_second": round(achieved, 3),
        "share_of_allowed_percent": round(100 * achieved / allowed, 1),
        "all_requests_per_second": None
        if not others
        else round(sum(each["calls"] for each in requests.values()) / seconds, 2),
        "throttled_429": sum(each["throttled"] for each in requests.values()),
        "latency_seconds": latency,
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--api", choices=list(SERVICES), default="long-audio-v3.0")
    parser.add_argument("--deletions", type=int, default=300)
    parser.add_argument("--latency", type=float, default=0.0, help="of a round trip to the service, in seconds")
    parser.add_argument("--others", type=int, choices=(0, 1), default=0, help="somebody else uses the resource too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--disturb", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
    elif arguments.disturb:
        disturb(arguments.disturb, arguments.api)
    else:
        logging.getLogger().setLevel(logging.ERROR)
        with tempfile.TemporaryDirectory() as folder:
            figures = run(
                api=arguments.api,
                deletions=arguments.deletions,
                latency=arguments.latency,
                others=arguments.others,
                folder=folder,
            )
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
