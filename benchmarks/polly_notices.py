"""What do Polly's notices save of the calls that wait for its tasks?

Claim: to wait for 200 tasks takes few calls either way, because the sensors of a triggerer share one list of the
account's unfinished tasks; with notices by SNS and SQS it takes fewer still, and a sensor ends seconds after its task
and not up to an interval later. Every task is asked about once at its end, so that much is the same.

Measured at the local cloud with the quotas that AWS documents (10 Get and List calls per second): 200 triggers in one
event loop, as in one triggerer, with the intervals that the sensor has by default (30 s, and 300 s with a queue).
Not counted are the starts, and the look that each sensor takes on its worker before it defers: one Get for each task.
``late`` is the time from the end of a task at Polly to the event of its trigger, in seconds.

Run: ``.venv/bin/python benchmarks/polly_notices.py --seconds 600``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "plugins")]

_STARTS_PER_SECOND = 8
_COUNTED = {
    "polly": ("GetSpeechSynthesisTask", "ListSpeechSynthesisTasks"),
    "sqs": ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"),
}


class Cloud:
    """The running local cloud and plain clients of it."""

    def __init__(self, cloud: Any) -> None:
        import boto3

        self.running = cloud
        keys: dict[str, Any] = {
            "region_name": "us-east-1",
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
        }
        self.polly = boto3.client("polly", endpoint_url=cloud.speech_url, **keys)
        self.sns = boto3.client("sns", endpoint_url=cloud.s3_url, **keys)
        self.sqs = boto3.client("sqs", endpoint_url=cloud.s3_url, **keys)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.running.speech_url}/_local/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def counts(self) -> dict[str, dict[str, int]]:
        report = self.call("GET", "requests")
        counts = {}
        for service, operations in _COUNTED.items():
            found = report.get(service, {})
            counts.update({name: found.get(name, {"calls": 0, "throttled": 0}) for name in operations})
        return counts

    def notice_queue(self) -> tuple[str, str]:
        """A topic and a queue that is subscribed to it: ARN and URL."""
        topic = self.sns.create_topic(Name="narrated")["TopicArn"]
        url = self.sqs.create_queue(QueueName="narrated")["QueueUrl"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:narrated")
        return topic, url

    def start(self, *, tasks: int, seconds: float, topic: str | None) -> dict[str, float]:
        """Start tasks that are under way for some seconds; when each was started, by its id."""
        self.call("POST", "faults", {"service": "polly", "kind": "stuck_scheduled", "seconds": seconds, "count": tasks})
        started = {}
        for _ in range(tasks):
            answer = self.polly.start_speech_synthesis_task(
                Text="It is a truth universally acknowledged.",
                OutputFormat="pcm",
                VoiceId="Joanna",
                OutputS3BucketName="narration-output",
                **({"SnsTopicArn": topic} if topic else {}),
            )
            started[answer["SynthesisTask"]["TaskId"]] = time.time()
            time.sleep(1 / _STARTS_PER_SECOND)
        return started


async def wait_for_all(task_ids: list[str], *, queue_url: str | None, until: float) -> dict[str, float]:
    """Wait as a triggerer does; when each trigger fired."""
    from narration.triggers.polly import PollySpeechSynthesisTaskTrigger

    fired = {}

    async def wait(task_id: str) -> None:
        trigger = PollySpeechSynthesisTaskTrigger(task_id=task_id, end_time=until, completion_queue_url=queue_url)
        async for event in trigger.run():
            if event.payload["status"] != "completed":
                raise SystemExit(f"{task_id}: {event.payload}")
            fired[task_id] = time.time()

    await asyncio.gather(*(wait(task_id) for task_id in task_ids))
    return fired


class Ends:
    """Notes when the cloud says that a task is completed, by looking past the API."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.ended: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            for task in self._cloud.call("GET", "tasks")["polly"]:
                if task["TaskStatus"] == "completed":
                    self.ended.setdefault(task["TaskId"], time.time())

    def stop(self) -> dict[str, float]:
        self._over.set()
        self._thread.join()
        return self.ended


def measure(*, tasks: int, seconds: float, with_queue: bool) -> dict[str, Any]:
    from include.local_cloud.server import LocalCloud

    with LocalCloud(preset="documented", render=lambda request: b"\0\1" * request.sample_rate) as running:
        endpoints = {"polly": running.speech_url, **dict.fromkeys(("s3", "sns", "sqs"), running.s3_url)}
        extra = {
            "region_name": "us-east-1",
            "service_config": {name: {"endpoint_url": url} for name, url in endpoints.items()},
        }
        connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
        cloud = Cloud(running)
        topic, queue_url = cloud.notice_queue() if with_queue else (None, None)
        started = cloud.start(tasks=tasks, seconds=seconds, topic=topic)
        ends = Ends(cloud)
        before = cloud.counts()
        fired = asyncio.run(wait_for_all(list(started), queue_url=queue_url, until=time.time() + seconds + 600))
        after = cloud.counts()
        ended = ends.stop()
        late = sorted(fired[task_id] - ended[task_id] for task_id in fired)
        return {
            "mode": "notices" if with_queue else "polling",
            "tasks": tasks,
            "seconds": seconds,
            "calls": {name: after[name]["calls"] - before[name]["calls"] for name in after},
            "throttled": {name: after[name]["throttled"] - before[name]["throttled"] for name in after},
            "late": {"median": round(late[len(late) // 2], 1), "max": round(late[-1], 1)},
        }


def main() -> None:
    """Measure with and without a queue, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600, help="how long each task is under way")
    parser.add_argument("--mode", choices=("polling", "notices"), help="only this one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_HOME"] = folder
        for mode in [arguments.mode] if arguments.mode else ["polling", "notices"]:
            outcome = measure(tasks=arguments.tasks, seconds=arguments.seconds, with_queue=mode == "notices")
            print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
