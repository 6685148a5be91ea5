"""What the tests of the local cloud share: clients, the admin endpoints, waiting without guessing."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from include.local_cloud.clock import Clock
from include.local_cloud.speech import SpeechRequest

BUCKET = "narration-output"
_SESSION = boto3.Session()


def spoken(request: SpeechRequest) -> bytes:
    """Instead of audio: what would have been said, and how."""
    how = [request.voice_id, request.language_code, request.output_format, request.sample_rate]
    return json.dumps([*how, len(request.lexicons), request.text]).encode()


def client(service: str, url: str, *, region: str = "us-east-1", access_key: str = "local", attempts: int = 1) -> Any:
    return _SESSION.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="local-secret",
        config=Config(retries={"total_max_attempts": attempts}),
    )


class Admin:
    """The endpoints under /_local of a running cloud."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/_local/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path: str) -> Any:
        return self("GET", path)[1]

    def order(self, kind: str, **fault: Any) -> None:
        status, answer = self("POST", "faults", {"service": "polly", "kind": kind, **fault})
        assert status == 201, answer

    def bill(self) -> dict[str, int]:
        return self.get("bill")["polly"]

    def advance(self, seconds: float) -> None:
        assert self("POST", "clock", {"advance_seconds": seconds})[0] == 200


def eventually(look: Callable[[], Any], *, within: float = 20.0) -> Any:
    """The first true value, asked for every few milliseconds."""
    end = time.monotonic() + within
    while not (value := look()):
        assert time.monotonic() < end, f"{look} was still {value!r} after {within} s"
        time.sleep(0.01)
    return value


def ended(polly: Any, task_id: str, *, within: float = 20.0) -> dict[str, Any]:
    """The task once it is completed or failed."""

    def look() -> dict[str, Any] | None:
        task = polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]
        return task if task["TaskStatus"] in {"completed", "failed"} else None

    return eventually(look, within=within)


def start(polly: Any, **arguments: Any) -> dict[str, Any]:
    """A task with as little as the API asks for, unless told otherwise."""
    least = {"OutputFormat": "mp3", "OutputS3BucketName": BUCKET, "Text": "Hello.", "VoiceId": "Joanna"}
    return polly.start_speech_synthesis_task(**least | arguments)["SynthesisTask"]


def frozen_clock() -> Clock:
    return Clock(source=lambda: 1_800_000_000.0)
