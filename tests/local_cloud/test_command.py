"""The command itself: real processes, real audio, the aws CLI, ports that are taken, SIGTERM and SIGKILL."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.local_cloud.state import State, StateError
from tests.local_cloud.cloud_helpers import BUCKET, Admin, client, ended, eventually, start

ROOT = Path(__file__).parents[2]


class Command:
    """A running ``python -m include.local_cloud``."""

    def __init__(self, *, state: Path, log: Path, **settings: str) -> None:
        self.speech_port, self.s3_port = _free_port(), _free_port()
        self.speech_url = f"http://127.0.0.1:{self.speech_port}"
        self.s3_url = f"http://127.0.0.1:{self.s3_port}"
        self.log = log
        self.process = launch(
            state=state, log=log, speech_port=self.speech_port, s3_port=self.s3_port, settings=settings
        )
        eventually(lambda: self.process.poll() is not None or "Local cloud (" in self.log.read_text(), within=100)
        assert self.process.poll() is None, self.log.read_text()

    def workers(self) -> list[int]:
        """Ids of the speech processes and their helper."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for line in children for child in line.read_text().split()]

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def launch(
    *, state: Path, log: Path, speech_port: int, s3_port: int, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "LOCAL_CLOUD_STATE": str(state),
        "LOCAL_CLOUD_SPEECH_PORT": str(speech_port),
        "LOCAL_CLOUD_S3_PORT": str(s3_port),
        **settings,
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "include.local_cloud"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def run(**settings: str) -> Command:
        cloud = Command(state=tmp_path / "state", log=tmp_path / f"{len(started)}.log", **settings)
        started.append(cloud)
        return cloud

    yield run
    for cloud in started:
        if cloud.process.poll() is None:
            cloud.stop(signal.SIGKILL)


@pytest.mark.timeout(240)
def test_killed_at_work_it_goes_on_where_it_was_with_the_same_bill(command: Callable[..., Command]) -> None:
    cloud = command()
    polly = client("polly", cloud.speech_url)
    text = "The quick brown fox jumps over the lazy dog, and nobody minds at all. " * 3
    started = [start(polly, Text=f"{number} {text}")["TaskId"] for number in range(12)]
    ended(polly, started[0], within=60)
    bill = Admin(cloud.speech_url).bill()
    workers = cloud.workers()
    assert workers
    cloud.stop(signal.SIGKILL)
    eventually(lambda: not any(alive(worker) for worker in workers))

    cloud = command()
    polly = client("polly", cloud.speech_url)
    for task_id in started:
        assert ended(polly, task_id, within=90)["TaskStatus"] == "completed"
    assert (
        Admin(cloud.speech_url).bill()
        == bill
        == {"jobs": 12, "characters": sum(len(f"{number} {text}") for number in range(12))}
    )
    objects = client("s3", cloud.s3_url).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert sorted(entry["Key"] for entry in objects) == sorted(f"{task_id}.mp3" for task_id in started)
    assert all(entry["Size"] > 10_000 for entry in objects)

    workers = cloud.workers()
    assert cloud.stop(signal.SIGTERM) == 0
    assert "Traceback" not in cloud.log.read_text()
    eventually(lambda: not any(alive(worker) for worker in workers))


@pytest.mark.timeout(240)
def test_the_vendors_page_for_the_cli_works_with_the_endpoint_changed(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    cloud = command()
    (tmp_path / "text_file.txt").write_text("Hello from a file, read by a voice.", encoding="utf-8")

    aws_cli = str(Path(sys.executable).parent / "aws")

    def aws(service: str, *arguments: str, url: str) -> Any:
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local-secret",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        done = subprocess.run(
            [aws_cli, service, *arguments, "--endpoint-url", url, "--region", "us-east-2", "--output", "json"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    aws("s3", "mb", "s3://your-bucket-name", url=cloud.s3_url)
    task = aws(
        "polly",
        "start-speech-synthesis-task",
        *("--output-format", "mp3"),
        *("--output-s3-bucket-name", "your-bucket-name"),
        *("--output-s3-key-prefix", "optional/prefix/path/file"),
        *("--voice-id", "Joanna"),
        *("--text", "file://text_file.txt"),
        url=cloud.speech_url,
    )["SynthesisTask"]
    assert re.fullmatch(
        r"https://s3\.us-east-2\.amazonaws\.com/your-bucket-name/optional/prefix/path/file\.[0-9a-f-]{36}\.mp3",
        task["OutputUri"],
    )
    assert task["TaskStatus"] == "scheduled"
    assert task["RequestCharacters"] == 35
    ended(client("polly", cloud.speech_url, region="us-east-2"), task["TaskId"], within=60)
    found = aws("polly", "get-speech-synthesis-task", "--task-id", task["TaskId"], url=cloud.speech_url)
    assert found["SynthesisTask"] == task | {"TaskStatus": "completed"}
    assert aws("polly", "list-speech-synthesis-tasks", url=cloud.speech_url)["SynthesisTasks"] == [
        found["SynthesisTask"]
    ]
    key = task["OutputUri"].partition("/your-bucket-name/")[2]
    aws("s3", "cp", f"s3://your-bucket-name/{key}", "speech.mp3", url=cloud.s3_url)
    audio = (tmp_path / "speech.mp3").read_bytes()
    assert audio[:3] == b"ID3" or audio[0] == 0xFF
    assert Admin(cloud.speech_url).get("health") == {"status": "ok", "preset": "fast", "s3": cloud.s3_url}


@pytest.mark.parametrize("taken", ["LOCAL_CLOUD_SPEECH_PORT", "LOCAL_CLOUD_S3_PORT"])
def test_a_taken_port_is_named_with_its_setting(taken: str, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ports = {"LOCAL_CLOUD_SPEECH_PORT": _free_port(), "LOCAL_CLOUD_S3_PORT": _free_port(), taken: port}
        log = tmp_path / "log"
        process = launch(
            state=tmp_path / "state",
            log=log,
            speech_port=ports["LOCAL_CLOUD_SPEECH_PORT"],
            s3_port=ports["LOCAL_CLOUD_S3_PORT"],
            settings={},
        )
        assert process.wait(timeout=60) == 2
    said = log.read_text()
    assert f"port {port} is taken" in said
    assert taken in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_named_without_a_traceback(tmp_path: Path) -> None:
    process = launch(
        state=tmp_path,
        log=tmp_path / "log",
        speech_port=_free_port(),
        s3_port=_free_port(),
        settings={"LOCAL_CLOUD_PRESET": "slow"},
    )
    assert process.wait(timeout=60) == 2
    said = (tmp_path / "log").read_text()
    assert "LOCAL_CLOUD_PRESET is 'slow'" in said
    assert "Traceback" not in said


def test_a_state_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    first = State(folder=tmp_path)
    with pytest.raises(StateError, match="in use by another local cloud"):
        State(folder=tmp_path)
    first.close()
    State(folder=tmp_path).close()


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="LOCAL_CLOUD_STATE"):
        State(folder=tmp_path / "file")
    (tmp_path / "local_cloud.sqlite3").write_text("no database " * 100)
    with pytest.raises(StateError, match="remove that folder"):
        State(folder=tmp_path)


def test_help_lists_the_settings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "include.local_cloud", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in ("SPEECH_PORT", "S3_PORT", "PRESET", "STATE", "HOST", "POLLY_READINGS"):
        assert f"LOCAL_CLOUD_{name}" in done.stdout
