from __future__ import annotations

import io
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from include.local_cloud.aws_storage import AwsStorage, AwsStorageError

TOPIC = "arn:aws:sns:us-east-1:123456789012:done"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:inbox"
AUDIO = b"\x00\x01speech" * 1000


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[AwsStorage]:
    running = AwsStorage(host="127.0.0.1", port=0, state=tmp_path / "state")
    running.start()
    running.ensure_bucket("narration")
    yield running
    running.stop()


def client(storage: AwsStorage, service: str = "s3", **changes: Any) -> Any:
    given: dict[str, Any] = {"aws_access_key_id": "local", "aws_secret_access_key": "secret"}
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)
    return boto3.client(
        service, endpoint_url=storage.endpoint_url, region_name="us-east-1", config=config, **{**given, **changes}
    )


def restarted(storage: AwsStorage) -> AwsStorage:
    """The same storage, loaded again from its state."""
    storage.stop()
    storage.start()
    return storage


def body(s3: Any, key: str, **selection: Any) -> bytes:
    return s3.get_object(Bucket="narration", Key=key, **selection)["Body"].read()


def error_code(failed: pytest.ExceptionInfo[ClientError]) -> str:
    return failed.value.response["Error"]["Code"]


def bodies(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "state" / "bodies").rglob("*") if path.is_file()]


def test_an_object_put_by_the_speech_side_is_read_over_http(storage: AwsStorage) -> None:
    storage.put_object(bucket="narration", key="a/b c ü?.mp3", body=AUDIO, content_type="audio/mpeg")
    found = client(storage).get_object(Bucket="narration", Key="a/b c ü?.mp3")
    assert (found["ContentType"], found["Body"].read()) == ("audio/mpeg", AUDIO)


def test_buckets_know_their_region(storage: AwsStorage) -> None:
    storage.ensure_bucket("frankfurt", region="eu-central-1")
    storage.ensure_bucket("frankfurt", region="us-west-2")
    client(storage).create_bucket(Bucket="dublin", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert [storage.bucket_region(name) for name in ("narration", "frankfurt", "dublin", "nowhere")] == [
        "us-east-1",
        "eu-central-1",
        "eu-west-1",
        None,
    ]


def test_putting_into_no_bucket_says_so(storage: AwsStorage) -> None:
    with pytest.raises(AwsStorageError, match="no bucket 'nowhere'"):
        storage.put_object(bucket="nowhere", key="k", body=b"", content_type="audio/mpeg")


def test_objects_and_all_about_them_survive_a_restart(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.put_object(
        Bucket="narration",
        Key="clip",
        Body=AUDIO,
        ContentType="audio/mpeg",
        CacheControl="no-cache",
        Metadata={"voice": "Joanna", "under_score": "ü".encode().hex()},
        Tagging="kind=clip",
    )
    before = s3.get_object(Bucket="narration", Key="clip")
    s3 = client(restarted(storage))
    after = s3.get_object(Bucket="narration", Key="clip")
    for name in ("ETag", "LastModified", "ContentType", "CacheControl", "Metadata", "ContentLength"):
        assert after[name] == before[name], name
    assert after["Body"].read() == AUDIO
    assert s3.get_object_tagging(Bucket="narration", Key="clip")["TagSet"] == [{"Key": "kind", "Value": "clip"}]


@pytest.mark.parametrize("key", ["x" * 1024, "ü/漢字/😀", "..", "a/../b", "a//b", "-rf *", "%2F", "a+b c&d=e;f:g"])
def test_any_key_is_kept(storage: AwsStorage, key: str) -> None:
    client(storage).put_object(Bucket="narration", Key=key, Body=b"kept")
    s3 = client(restarted(storage))
    assert body(s3, key) == b"kept"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="narration")["Contents"]] == [key]


def test_an_overwritten_object_leaves_one_body(storage: AwsStorage, tmp_path: Path) -> None:
    s3 = client(storage)
    for number in range(5):
        s3.put_object(Bucket="narration", Key="clip", Body=f"{number}".encode())
    assert body(s3, "clip") == b"4"
    assert len(bodies(tmp_path)) == 1
    assert body(client(restarted(storage)), "clip") == b"4"


def test_deleted_objects_stay_deleted(storage: AwsStorage, tmp_path: Path) -> None:
    s3 = client(storage)
    for number in range(6):
        s3.put_object(Bucket="narration", Key=f"clip/{number}", Body=b"x")
    s3.delete_object(Bucket="narration", Key="clip/0")
    s3.delete_objects(
        Bucket="narration", Delete={"Objects": [{"Key": f"clip/{number}"} for number in (1, 2, 3)], "Quiet": True}
    )
    assert len(bodies(tmp_path)) == 2
    s3 = client(restarted(storage))
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="narration")["Contents"]] == ["clip/4", "clip/5"]
    with pytest.raises(ClientError) as failed:
        body(s3, "clip/0")
    assert error_code(failed) == "NoSuchKey"


def test_copies_are_independent_of_their_source(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.put_object(Bucket="narration", Key="from", Body=AUDIO, Metadata={"voice": "Amy"})
    s3.copy_object(Bucket="narration", Key="to", CopySource={"Bucket": "narration", "Key": "from"})
    s3.delete_object(Bucket="narration", Key="from")
    copied = client(restarted(storage)).get_object(Bucket="narration", Key="to")
    assert (copied["Metadata"], copied["Body"].read()) == ({"voice": "Amy"}, AUDIO)


def test_a_multipart_upload_is_kept_when_it_completes(storage: AwsStorage, tmp_path: Path) -> None:
    s3 = client(storage)
    data = os.urandom(11 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(data), "narration", "book.m4b", ExtraArgs={"ContentType": "audio/mp4"})
    before = s3.head_object(Bucket="narration", Key="book.m4b")
    s3 = client(restarted(storage))
    after = s3.get_object(Bucket="narration", Key="book.m4b")
    assert after["ETag"] == before["ETag"]
    assert after["ETag"].endswith('-2"')
    assert (after["ContentType"], after["Body"].read() == data) == ("audio/mp4", True)
    assert len(bodies(tmp_path)) == 1


def test_an_uncompleted_upload_leaves_nothing(storage: AwsStorage, tmp_path: Path) -> None:
    s3 = client(storage)
    upload = s3.create_multipart_upload(Bucket="narration", Key="book")["UploadId"]
    s3.upload_part(Bucket="narration", Key="book", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    s3 = client(restarted(storage))
    assert "Contents" not in s3.list_objects_v2(Bucket="narration")
    assert bodies(tmp_path) == []


@pytest.mark.parametrize("size", [3000, 900_000])
def test_ranges_of_small_and_large_objects(storage: AwsStorage, size: int) -> None:
    data = os.urandom(size)
    s3 = client(storage)
    s3.put_object(Bucket="narration", Key="clip", Body=data)
    for selected, expected in (
        ("bytes=0-0", data[:1]),
        ("bytes=1000-1999", data[1000:2000]),
        ("bytes=-7", data[-7:]),
        (f"bytes={size - 5}-", data[-5:]),
        (f"bytes=10-{size * 2}", data[10:]),
    ):
        found = s3.get_object(Bucket="narration", Key="clip", Range=selected)
        assert (found["ResponseMetadata"]["HTTPStatusCode"], found["Body"].read() == expected) == (206, True), selected
        assert found["ContentLength"] == len(expected)
    with pytest.raises(ClientError) as failed:
        s3.get_object(Bucket="narration", Key="clip", Range=f"bytes={size}-")
    assert error_code(failed) == "InvalidRange"


def test_large_objects_are_answered_like_small_ones(storage: AwsStorage) -> None:
    s3 = client(storage)
    heads = []
    for size in (3000, 900_000):
        s3.put_object(Bucket="narration", Key="clip", Body=b"a" * size, Metadata={"m": "v"}, ContentType="audio/mpeg")
        headers = s3.get_object(Bucket="narration", Key="clip")["ResponseMetadata"]["HTTPHeaders"]
        changing = {"etag", "content-length", "date", "last-modified", "x-amzn-requestid", "x-amz-request-id"}
        changing |= {"x-amz-checksum-crc32", "x-amz-content-sha256"}
        heads.append({name: value for name, value in headers.items() if name not in changing})
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "narration", "Key": "clip"})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"a" * size
        with pytest.raises(ClientError) as failed:
            s3.get_object(Bucket="narration", Key="clip", IfNoneMatch=headers["etag"])
        assert error_code(failed) == "304"
    assert heads[0] == heads[1]


def test_an_object_being_sent_is_sent_to_its_end_although_it_is_replaced(storage: AwsStorage) -> None:
    s3 = client(storage)
    old = b"o" * 3_000_000
    s3.put_object(Bucket="narration", Key="clip", Body=old)
    stream = s3.get_object(Bucket="narration", Key="clip")["Body"]
    begun = stream.read(1000)
    s3.put_object(Bucket="narration", Key="clip", Body=b"new")
    assert begun + stream.read() == old


def test_listing_pages_through_a_prefix(storage: AwsStorage) -> None:
    for number in range(25):
        storage.put_object(bucket="narration", key=f"clips/{number:02}.mp3", body=b"x", content_type="audio/mpeg")
    storage.put_object(bucket="narration", key="other", body=b"x", content_type="audio/mpeg")
    pages = client(restarted(storage)).get_paginator("list_objects_v2")
    pages = list(pages.paginate(Bucket="narration", Prefix="clips/", PaginationConfig={"PageSize": 10}))
    assert [len(page["Contents"]) for page in pages] == [10, 10, 5]


def test_a_conditional_put_does_not_overwrite(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.put_object(Bucket="narration", Key="lock", Body=b"mine", IfNoneMatch="*")
    with pytest.raises(ClientError) as failed:
        s3.put_object(Bucket="narration", Key="lock", Body=b"yours", IfNoneMatch="*")
    assert error_code(failed) == "PreconditionFailed"
    assert body(s3, "lock") == b"mine"


def test_errors_have_their_usual_codes(storage: AwsStorage) -> None:
    s3 = client(storage)
    with pytest.raises(ClientError) as failed:
        s3.put_object(Bucket="nowhere", Key="k", Body=b"")
    assert error_code(failed) == "NoSuchBucket"
    with pytest.raises(ClientError) as failed:
        s3.head_object(Bucket="narration", Key="nothing")
    assert error_code(failed) == "404"


def test_settings_of_buckets_survive_a_restart(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.put_bucket_tagging(Bucket="narration", Tagging={"TagSet": [{"Key": "team", "Value": "audio"}]})
    s3.put_bucket_versioning(Bucket="narration", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_cors(
        Bucket="narration", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    )
    s3.delete_bucket_cors(Bucket="narration")
    s3 = client(restarted(storage))
    assert s3.get_bucket_tagging(Bucket="narration")["TagSet"] == [{"Key": "team", "Value": "audio"}]
    assert s3.get_bucket_versioning(Bucket="narration")["Status"] == "Enabled"
    with pytest.raises(ClientError):
        s3.get_bucket_cors(Bucket="narration")


def test_versions_and_delete_markers_survive_a_restart(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.put_bucket_versioning(Bucket="narration", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="narration", Key="clip", Body=b"first")["VersionId"]
    s3.put_object(Bucket="narration", Key="clip", Body=b"second")
    s3.delete_object(Bucket="narration", Key="clip")
    s3 = client(restarted(storage))
    with pytest.raises(ClientError):
        body(s3, "clip")
    assert body(s3, "clip", VersionId=first) == b"first"
    listed = s3.list_object_versions(Bucket="narration")
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)


def test_a_deleted_bucket_stays_deleted(storage: AwsStorage) -> None:
    s3 = client(storage)
    s3.create_bucket(Bucket="passing")
    s3.delete_bucket(Bucket="passing")
    assert restarted(storage).bucket_region("passing") is None


def test_topics_subscriptions_and_queues_survive_a_restart(storage: AwsStorage) -> None:
    sns, sqs = client(storage, "sns"), client(storage, "sqs")
    assert not storage.topic_exists(TOPIC)
    assert sns.create_topic(Name="done", Attributes={"DisplayName": "Done"})["TopicArn"] == TOPIC
    sqs.create_queue(QueueName="lost")
    dead = json.dumps({"deadLetterTargetArn": QUEUE.replace("inbox", "lost"), "maxReceiveCount": "3"})
    sqs.create_queue(QueueName="inbox", Attributes={"VisibilityTimeout": "7", "RedrivePolicy": dead})
    arn = sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE, ReturnSubscriptionArn=True)["SubscriptionArn"]
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")

    restarted(storage)
    sns, sqs = client(storage, "sns"), client(storage, "sqs")
    assert storage.topic_exists(TOPIC)
    assert sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["DisplayName"] == "Done"
    assert [found["SubscriptionArn"] for found in sns.list_subscriptions()["Subscriptions"]] == [arn]
    url = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "7"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 3
    storage.publish(topic_arn=TOPIC, message='{"taskStatus":"COMPLETED"}', subject="done")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == '{"taskStatus":"COMPLETED"}'


def test_deleted_topics_and_queues_stay_deleted(storage: AwsStorage) -> None:
    sns, sqs = client(storage, "sns"), client(storage, "sqs")
    sns.create_topic(Name="done")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sns.delete_topic(TopicArn=TOPIC)
    sqs.delete_queue(QueueUrl=url)
    restarted(storage)
    assert not storage.topic_exists(TOPIC)
    assert "QueueUrls" not in client(storage, "sqs").list_queues()


def test_publishing_to_no_topic_says_so(storage: AwsStorage) -> None:
    with pytest.raises(AwsStorageError, match="no topic"):
        storage.publish(topic_arn=TOPIC, message="m")
    assert not storage.topic_exists("nonsense")


def test_a_subscriber_that_is_away_does_not_fail_the_publisher(storage: AwsStorage) -> None:
    sns = client(storage, "sns")
    sns.create_topic(Name="done")
    sns.subscribe(TopicArn=TOPIC, Protocol="http", Endpoint="http://127.0.0.1:9/away")
    storage.publish(topic_arn=TOPIC, message="m")


def test_sts_knows_who_asks(storage: AwsStorage) -> None:
    assert client(storage, "sts").get_caller_identity()["Account"] == "123456789012"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("sns", "list_topics", "InvalidClientTokenId"),
        ("sqs", "list_queues", "InvalidClientTokenId"),
    ],
)
def test_a_revoked_key_is_refused(storage: AwsStorage, service: str, operation: str, code: str) -> None:
    with pytest.raises(ClientError) as failed:
        getattr(client(storage, service, aws_access_key_id="AKIAREVOKED"), operation)()
    assert error_code(failed) == code
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_other_services_are_not_there(storage: AwsStorage) -> None:
    with pytest.raises(ClientError):
        client(storage, "dynamodb").list_tables()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(f"{storage.endpoint_url}/moto-api/reset", method="POST"))
    assert storage.bucket_region("narration") == "us-east-1"


def test_virtual_hosted_buckets_are_found(storage: AwsStorage) -> None:
    storage.put_object(bucket="narration", key="a/clip", body=AUDIO, content_type="audio/mpeg")
    url = client(storage).generate_presigned_url("get_object", Params={"Bucket": "narration", "Key": "a/clip"})
    path, _, query = url.removeprefix(f"{storage.endpoint_url}/narration").partition("?")
    asked = urllib.request.Request(
        f"{storage.endpoint_url}{path}?{query}", headers={"Host": "narration.localhost:8601"}
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.read() == AUDIO


def test_sixteen_clients_at_once_find_what_they_put(storage: AwsStorage) -> None:
    s3 = client(storage)

    def work(worker: int) -> int:
        for round_ in range(6):
            own, shared = f"own/{worker}", f"shared/{round_ % 2}"
            data = bytes([worker]) * (worker * 997 + round_)
            s3.put_object(Bucket="narration", Key=own, Body=data)
            s3.put_object(Bucket="narration", Key=shared, Body=data)
            assert body(s3, own) == data
            found = body(s3, shared)
            assert len(set(found)) <= 1
            storage.put_object(bucket="narration", key=f"direct/{worker}", body=data, content_type="audio/mpeg")
        return worker

    with ThreadPoolExecutor(16) as threads:
        assert sorted(threads.map(work, range(16))) == list(range(16))
    s3 = client(restarted(storage))
    for worker in range(16):
        assert body(s3, f"own/{worker}") == body(s3, f"direct/{worker}") == bytes([worker]) * (worker * 997 + 5)


def test_bodies_are_neither_in_memory_nor_held_open(storage: AwsStorage) -> None:
    storage.put_object(bucket="narration", key="first", body=b"x", content_type="audio/mpeg")
    descriptors = len(os.listdir("/proc/self/fd"))
    for number in range(60):
        storage.put_object(bucket="narration", key=f"{number}", body=b"z" * 100_000, content_type="audio/mpeg")
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    stored = storage._objects.bucket("narration").keys["7"]
    assert not any(isinstance(value, bytes) and len(value) > 1000 for value in vars(stored).values())


def test_opening_thousands_of_objects_takes_moments(storage: AwsStorage) -> None:
    for number in range(800):
        storage.put_object(bucket="narration", key=f"clips/{number}", body=b"x", content_type="audio/mpeg")
    storage.stop()
    begun = time.process_time()
    storage.start()
    assert time.process_time() - begun < 1
    assert body(client(storage), "clips/799") == b"x"


def test_a_body_that_was_being_written_is_swept_away(storage: AwsStorage, tmp_path: Path) -> None:
    storage.put_object(bucket="narration", key="clip", body=b"x", content_type="audio/mpeg")
    storage.stop()
    torn = tmp_path / "state" / "bodies" / "ab" / "abandoned"
    torn.parent.mkdir(exist_ok=True)
    torn.write_bytes(b"half")
    storage.start()
    assert not torn.exists()
    assert body(client(storage), "clip") == b"x"


def test_an_object_whose_file_was_removed_is_gone_and_the_rest_remains(storage: AwsStorage, tmp_path: Path) -> None:
    storage.put_object(bucket="narration", key="clip", body=b"x", content_type="audio/mpeg")
    storage.stop()
    for path in bodies(tmp_path):
        path.unlink()
    storage.start()
    storage.put_object(bucket="narration", key="other", body=b"y", content_type="audio/mpeg")
    listed = client(storage).list_objects_v2(Bucket="narration")["Contents"]
    assert [entry["Key"] for entry in listed] == ["other"]


def test_a_change_that_cannot_be_kept_is_an_error(storage: AwsStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage._catalog, "write_body", full)
    with pytest.raises(ClientError, match="No space left on device") as failed:
        client(storage).put_object(Bucket="narration", Key="clip", Body=b"x")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_a_slow_client_holds_nobody_up(storage: AwsStorage) -> None:
    host, port = storage.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"PUT /narration/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        answered = threading.Thread(target=lambda: client(storage).list_buckets(), daemon=True)
        answered.start()
        answered.join(timeout=20)
        assert not answered.is_alive()


def test_a_taken_port_says_what_to_do(storage: AwsStorage, tmp_path: Path) -> None:
    storage.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = AwsStorage(host="127.0.0.1", port=taken.getsockname()[1], state=tmp_path / "other")
        with pytest.raises(AwsStorageError, match="LOCAL_CLOUD_S3_PORT"):
            other.start()
    storage.start()


def test_a_second_storage_in_one_process_is_refused(storage: AwsStorage, tmp_path: Path) -> None:
    with pytest.raises(AwsStorageError, match="already runs"):
        AwsStorage(host="127.0.0.1", port=0, state=tmp_path / "other").start()
    assert client(storage).list_buckets()["Buckets"][0]["Name"] == "narration"


def test_a_state_folder_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(AwsStorageError, match="move or remove the folder"):
        AwsStorage(host="127.0.0.1", port=0, state=tmp_path).start()
