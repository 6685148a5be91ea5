"""How long is the window in which a process that stands still may buy what others have bought meanwhile?

Claim: between the last look at the clocks and the moment at which a purchase leaves for the service lie a few
milliseconds at most, once the connection is open. A worker that is suspended before that moment buys nothing when it
wakes too late. One that is suspended within it, and stays so for half of the service's settle time (Polly 15 s, the
preview of batch synthesis and Long Audio 120 s) while another attempt goes on, pays a second time, because these
services have no idempotency token. Batch synthesis 2024-04-01 takes the id that the client chose once, so its window
is closed; it is measured all the same.

``opening`` are the purchases for which a connection had to be opened first, which for a distant service takes some
round trips more; ``open`` are the others. All figures are microseconds, for purchases that were really made at the
local cloud.

Run: ``.venv/bin/python benchmarks/purchase_window.py --purchases 200``
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "plugins")]

SERVICES = ("polly", "azure_batch", "azure_batch_preview", "azure_long_audio")
_MANY = {"requests": 100_000, "seconds": 1}


def serve() -> None:
    """Be the cloud, until the input ends; its sounds cost nothing."""
    from dataclasses import replace

    from include.local_cloud.azure.quotas import AzureQuotas, Window
    from include.local_cloud.server import LocalCloud
    from include.local_cloud.settings import FAST

    many = {api: Window(requests=100_000, seconds=1) for api in AzureQuotas().requests}
    any_number = dict.fromkeys(AzureQuotas().active_jobs, None)
    preset = replace(FAST, azure=replace(FAST.azure, requests=many, active_jobs=any_number))
    with LocalCloud(preset=preset, render=lambda request: b"\0\1" * request.sample_rate) as cloud:
        print(json.dumps({"speech": cloud.speech_url, "s3": cloud.s3_url}), flush=True)
        sys.stdin.read()


@contextmanager
def running_cloud() -> Iterator[dict[str, str]]:
    """The cloud in a process of its own; gives its addresses."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


class Stopwatch:
    """Time from the last look at the clocks to the first byte of a purchase, thread by thread."""

    def __init__(self) -> None:
        self.open: list[float] = []
        self.opening: list[float] = []
        self._here = threading.local()

    def install(self) -> None:
        from narration.hooks.deadline import Deadline

        look, send = Deadline.is_over.fget, http.client.HTTPConnection.send
        assert look is not None

        def is_over(deadline: Deadline) -> bool:
            answer = look(deadline)
            self._here.looked = time.perf_counter()
            return answer

        def sent(connection: Any, data: Any) -> None:
            looked, self._here.looked = getattr(self._here, "looked", None), None
            is_open = connection.sock is not None
            if not is_open:
                # What the original would do here.
                connection.connect()
            if looked is not None:
                (self.open if is_open else self.opening).append((time.perf_counter() - looked) * 1e6)
            send(connection, data)

        Deadline.is_over = property(is_over)  # type: ignore[assignment]
        http.client.HTTPConnection.send = sent  # type: ignore[method-assign]


def connect(cloud: dict[str, str]) -> None:
    """Make the Airflow connections that lead to the cloud."""
    endpoints = {name: {"endpoint_url": cloud["speech" if name == "polly" else "s3"]} for name in ("polly", "s3")}
    extra = {"region_name": "us-east-1", "service_config": endpoints, "polly_quotas": {"start": 1000, "read": 1000}}
    aws = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    quotas = dict.fromkeys(("batch-synthesis-2024-04-01", "batch-synthesis-3.1-preview1", "long-audio-v3.0"), _MANY)
    azure = {
        "conn_type": "azure_speech",
        "host": cloud["speech"],
        "password": "key-of-the-benchmark",
        "extra": {"region": "eastus", "quotas": quotas},
    }
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(aws)
    os.environ["AIRFLOW_CONN_AZURE_SPEECH_DEFAULT"] = json.dumps(azure)


def purchases(service: str, count: int) -> Stopwatch:
    """Buy so many jobs, as the operator does, and time each."""
    from narration.hooks.deadline import Deadline
    from narration.services.base import Batch
    from narration.services.registry import make_service
    from narration.synthesis.keys import job_key
    from narration.synthesis.orders import WantedClip
    from narration.synthesis.profile import VoiceProfile

    is_polly = service == "polly"
    connection = {"aws_conn_id": "aws_default", "bucket": "narration-output"} if is_polly else {}
    adapter = make_service(service, connection or {"azure_speech_conn_id": "azure_speech_default"})
    profile = VoiceProfile(
        service="polly" if is_polly else "azure",
        voice="Joanna" if is_polly else "en-US-JennyNeural",
        engine="neural",
        language_code=None,
        audio_format="pcm" if is_polly else "wav",
        sample_rate=16000 if is_polly else 24000,
        options=() if is_polly else (("output_format", "riff-24khz-16bit-mono-pcm"),),
    )
    batches = []
    for number in range(count):
        text = f"Paragraph {number} of the benchmark. " + "It goes on for a while. " * 18
        key = f"{number:040x}"
        clip = WantedClip(
            clip_key=key, text=text, text_type="text", spoken_text=text, characters=len(text), place=f"{number}"
        )
        batches.append(Batch(job_key=job_key(order="0" * 40, clip_keys=[key], attempt=0), clips=(clip,)))
    portion = adapter.portion if is_polly else 20
    watch = Stopwatch()
    watch.install()
    bought = 0
    for start in range(0, count, portion):
        outcome = adapter.buy(batches[start : start + portion], profile=profile, until=Deadline.after(60))
        bought += len(outcome.jobs)
    if bought != count:
        raise SystemExit(f"{service}: {bought} of {count} were bought")
    return watch


def described(times: list[float]) -> dict[str, Any]:
    """Count, least, median, 99th percentile and most, in microseconds."""
    if not times:
        return {"purchases": 0}
    ordered = sorted(times)
    ranks = {"min": 0, "median": len(ordered) // 2, "p99": int(len(ordered) * 0.99), "max": len(ordered) - 1}
    return {"purchases": len(ordered), **{name: round(ordered[rank]) for name, rank in ranks.items()}}


def main() -> None:
    """Measure each service in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--purchases", type=int, default=200, help="for each service")
    parser.add_argument("--service", choices=SERVICES, help="only this one")
    parser.add_argument("--cloud", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
    elif arguments.cloud:
        connect(json.loads(arguments.cloud))
        watch = purchases(arguments.service, arguments.purchases)
        print(json.dumps({"open": described(watch.open), "opening": described(watch.opening)}))
    else:
        with running_cloud() as cloud, tempfile.TemporaryDirectory() as folder:
            for service in [arguments.service] if arguments.service else SERVICES:
                command = [sys.executable, __file__, "--cloud", json.dumps(cloud), "--service", service]
                command += ["--purchases", str(arguments.purchases)]
                environment = {**os.environ, "AIRFLOW_HOME": folder, "TMPDIR": folder}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                print(json.dumps({"service": service, **json.loads(done.stdout.splitlines()[-1])}), flush=True)


if __name__ == "__main__":
    main()
