from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.local_cloud.aws_storage import AwsStorage, AwsStorageError

ROOT = Path(__file__).parents[2]
SERVER = """
import sys, threading
from pathlib import Path
from include.local_cloud.aws_storage import AwsStorage
storage = AwsStorage(host="127.0.0.1", port=0, state=Path(sys.argv[1]))
storage.start()
storage.ensure_bucket("narration")
print(storage.endpoint_url, flush=True)
threading.Event().wait()
"""


@contextmanager
def served(state: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A storage in a process of its own, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(state)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def client(url: str, service: str = "s3") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    with served(tmp_path) as (url, _):
        s3 = client(url)
        for number in range(40):
            s3.put_object(Bucket="narration", Key=f"clips/{number}", Body=f"speech {number}".encode() * 100)
        s3.delete_objects(Bucket="narration", Delete={"Objects": [{"Key": "clips/3"}, {"Key": "clips/4"}]})
        s3.create_bucket(Bucket="dublin", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client(url, "sns").create_topic(Name="done")
        client(url, "sqs").create_queue(QueueName="inbox")
    with served(tmp_path) as (url, _):
        s3 = client(url)
        kept = [entry["Key"] for entry in s3.list_objects_v2(Bucket="narration")["Contents"]]
        assert sorted(kept) == sorted(f"clips/{number}" for number in range(40) if number not in {3, 4})
        assert s3.get_object(Bucket="narration", Key="clips/39")["Body"].read() == b"speech 39" * 100
        assert s3.get_bucket_location(Bucket="dublin")["LocationConstraint"] == "eu-west-1"
        assert len(client(url, "sns").list_topics()["Topics"]) == 1
        assert len(client(url, "sqs").list_queues()["QueueUrls"]) == 1


def test_a_process_killed_while_writing_leaves_each_object_whole(tmp_path: Path) -> None:
    with served(tmp_path) as (url, process):
        s3 = client(url)
        answered = 0
        try:
            for number in range(10_000):
                s3.put_object(Bucket="narration", Key=f"{number % 50}", Body=f"{number:09}".encode() * 5000)
                answered = number
                if number == 60:
                    # Dies somewhere in the requests that follow.
                    subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; kill -9 {process.pid}"])
        except (BotoCoreError, ClientError):
            pass
    with served(tmp_path) as (url, _):
        s3 = client(url)
        for key in range(50):
            data = s3.get_object(Bucket="narration", Key=f"{key}")["Body"].read()
            number = int(data[:9])
            last_answered = max(n for n in range(answered + 1) if n % 50 == key)
            assert data == f"{number:09}".encode() * 5000
            assert number in {last_answered, answered + 1}


def test_two_processes_cannot_share_a_state_folder(tmp_path: Path) -> None:
    with served(tmp_path):
        with pytest.raises(AwsStorageError, match="another local cloud"):
            AwsStorage(host="127.0.0.1", port=0, state=tmp_path).start()


def test_s3fs_reads_writes_lists_and_removes(tmp_path: Path) -> None:
    with served(tmp_path) as (url, _):
        files = s3fs.S3FileSystem(
            key="local",
            secret="secret",
            endpoint_url=url,
            client_kwargs={"region_name": "us-east-1"},
            skip_instance_cache=True,
        )
        data = bytes(range(256)) * 50_000
        with files.open("narration/store/book.m4b", "wb") as file:
            file.write(data)
        files.pipe_file("narration/store/clips/1.mp3", b"one")
        files.copy("narration/store/clips/1.mp3", "narration/store/clips/2.mp3")
        assert files.find("narration/store") == [
            "narration/store/book.m4b",
            "narration/store/clips/1.mp3",
            "narration/store/clips/2.mp3",
        ]
        assert files.cat_file("narration/store/book.m4b") == data
        with files.open("narration/store/book.m4b", "rb", block_size=1_000_000) as file:
            file.seek(7_000_001)
            assert file.read(500) == data[7_000_001:7_000_501]
        files.rm("narration/store/clips", recursive=True)
        assert not files.exists("narration/store/clips/1.mp3")
        with pytest.raises(FileNotFoundError):
            files.cat_file("narration/store/clips/1.mp3")
