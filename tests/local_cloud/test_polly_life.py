"""Clouds of a test's own: other readings, other presets, restarts, and time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import PollyReadings
from tests.local_cloud.cloud_helpers import BUCKET, Admin, client, ended, eventually, frozen_clock, start

NewCloud = Callable[..., LocalCloud]


def content(s3: Any, task: dict[str, Any]) -> bytes:
    bucket, _, key = task["OutputUri"].removeprefix("https://s3.us-east-1.amazonaws.com/").partition("/")
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_raw_entities_are_counted_as_written_when_set_so(new_cloud: NewCloud) -> None:
    cloud = new_cloud(readings=PollyReadings.parse("ssml_entities=raw"))
    task = start(client("polly", cloud.speech_url), Text="<speak>a &amp; b</speak>", TextType="ssml")
    assert task["RequestCharacters"] == 9


class TestListing:
    def test_pages_hold_every_task_once_in_order_of_creation(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud().speech_url)
        started = [start(polly, Text=f"Number {number}.")["TaskId"] for number in range(7)]
        pages = list(polly.get_paginator("list_speech_synthesis_tasks").paginate(MaxResults=3))
        assert [len(page["SynthesisTasks"]) for page in pages] == [3, 3, 1]
        assert [task["TaskId"] for page in pages for task in page["SynthesisTasks"]] == started

    def test_a_task_started_between_two_pages_moves_none_of_the_others(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud().speech_url)
        started = [start(polly)["TaskId"] for _ in range(4)]
        first = polly.list_speech_synthesis_tasks(MaxResults=2)
        started.append(start(polly)["TaskId"])
        second = polly.list_speech_synthesis_tasks(MaxResults=100, NextToken=first["NextToken"])
        assert [task["TaskId"] for page in (first, second) for task in page["SynthesisTasks"]] == started
        assert "NextToken" not in second

    def test_newest_first_when_set_so(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud(readings=PollyReadings.parse("list_order=newest_first"))
        polly = client("polly", cloud.speech_url)
        started = [start(polly)["TaskId"] for _ in range(3)]
        pages = polly.get_paginator("list_speech_synthesis_tasks").paginate(MaxResults=2)
        assert [task["TaskId"] for page in pages for task in page["SynthesisTasks"]] == started[::-1]

    def test_status_selects(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud()
        polly = client("polly", cloud.speech_url)
        Admin(cloud.speech_url).order("fail", reason="for the test")
        failed = ended(polly, start(polly)["TaskId"])
        completed = ended(polly, start(polly)["TaskId"])
        for status, tasks in {"failed": [failed], "completed": [completed], "scheduled": [], "inProgress": []}.items():
            assert polly.list_speech_synthesis_tasks(Status=status)["SynthesisTasks"] == tasks


class TestTime:
    def test_a_task_can_be_found_for_72_hours_and_its_bill_stays(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud(clock=frozen_clock())
        polly, admin = client("polly", cloud.speech_url), Admin(cloud.speech_url)
        task_id = start(polly)["TaskId"]
        ended(polly, task_id)
        admin.advance(72 * 3600 - 1)
        assert polly.list_speech_synthesis_tasks()["SynthesisTasks"]
        admin.advance(1)
        assert polly.list_speech_synthesis_tasks()["SynthesisTasks"] == []
        with pytest.raises(polly.exceptions.SynthesisTaskNotFoundException) as refused:
            polly.get_speech_synthesis_task(TaskId=task_id)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert admin.bill() == {"jobs": 1, "characters": 6}
        assert admin.get("tasks")["polly"][0]["Expired"]

    def test_latencies_follow_the_clock_of_the_cloud(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud(preset="documented", clock=frozen_clock())
        polly, admin = client("polly", cloud.speech_url), Admin(cloud.speech_url)
        task_id = start(polly)["TaskId"]

        def status() -> str:
            return polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]["TaskStatus"]

        assert status() == "scheduled"
        admin.advance(4)
        eventually(lambda: status() == "inProgress" or admin.advance(0.1))
        admin.advance(8)
        eventually(lambda: status() == "completed" or admin.advance(0.1))

    def test_lateness_counts_from_the_recorded_completion(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud(preset="documented", clock=frozen_clock())
        polly, s3, admin = client("polly", cloud.speech_url), client("s3", cloud.s3_url), Admin(cloud.speech_url)
        admin.order("object_late", seconds=100)
        task_id = start(polly)["TaskId"]
        # Completed long after it could have been.
        admin.advance(1000)
        ended(polly, task_id)
        admin.advance(99)
        assert not s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
        cloud = new_cloud(preset="documented", clock=cloud.clock)
        s3, admin = client("s3", cloud.s3_url), Admin(cloud.speech_url)
        assert not admin.get("tasks")["polly"][0]["Settled"]
        assert not s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
        admin.advance(1)
        eventually(lambda: s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])

    def test_the_clock_stays_within_the_calendar(self, new_cloud: NewCloud) -> None:
        admin = Admin(new_cloud(clock=frozen_clock()).speech_url)
        for _ in range(10):
            admin.advance(10 * 365 * 86_400)
        assert admin("POST", "clock", {"advance_seconds": 1})[0] == 400


class TestRestart:
    def test_a_restart_keeps_tasks_bill_clock_and_tokens(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud()
        polly = client("polly", cloud.speech_url)
        tasks = [ended(polly, start(polly)["TaskId"]) for _ in range(3)]
        token = polly.list_speech_synthesis_tasks(MaxResults=1)["NextToken"]
        Admin(cloud.speech_url).advance(1000)
        cloud = new_cloud()
        polly = client("polly", cloud.speech_url)
        assert polly.list_speech_synthesis_tasks()["SynthesisTasks"] == tasks
        assert polly.list_speech_synthesis_tasks(NextToken=token)["SynthesisTasks"] == tasks[1:]
        assert Admin(cloud.speech_url).bill() == {"jobs": 3, "characters": 18}
        assert Admin(cloud.speech_url).get("clock")["advanced_seconds"] == 1000
        assert client("s3", cloud.s3_url).list_objects_v2(Bucket=BUCKET)["KeyCount"] == 3

    def test_unfinished_tasks_go_on_after_a_restart_and_are_not_billed_again(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud(preset="documented").speech_url)
        task_id = start(polly, Text="Slowly.")["TaskId"]
        cloud = new_cloud()
        Admin(cloud.speech_url).advance(60)
        task = ended(client("polly", cloud.speech_url), task_id)
        assert task["TaskStatus"] == "completed"
        assert json.loads(content(client("s3", cloud.s3_url), task))[-1] == "Slowly."
        assert Admin(cloud.speech_url).bill() == {"jobs": 1, "characters": 7}


class TestBuckets:
    def test_a_bucket_missing_at_the_end_fails_the_task_when_set_so(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud(readings=PollyReadings.parse("missing_bucket=fail_task")).speech_url)
        task = ended(polly, start(polly, OutputS3BucketName="no-such-bucket")["TaskId"])
        assert task["TaskStatus"] == "failed"
        assert "no-such-bucket" in task["TaskStatusReason"]

    def test_a_bucket_deleted_meanwhile_fails_the_task(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud(preset="documented")
        s3, polly, admin = client("s3", cloud.s3_url), client("polly", cloud.speech_url), Admin(cloud.speech_url)
        s3.create_bucket(Bucket="short-lived")
        task_id = start(polly, OutputS3BucketName="short-lived")["TaskId"]
        s3.delete_bucket(Bucket="short-lived")
        admin.advance(60)
        assert ended(polly, task_id)["TaskStatus"] == "failed"


class TestPartitions:
    @pytest.mark.parametrize("region", ["cn-northwest-1", "us-gov-west-1", "eusc-de-east-1"])
    def test_tasks_of_every_partition_find_their_buckets_also_after_a_restart(
        self, new_cloud: NewCloud, region: str
    ) -> None:
        cloud = new_cloud()
        s3 = client("s3", cloud.s3_url, region=region)
        s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_bucket_versioning(Bucket="far-away", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="far-away", Key="given", Body=b"bytes" * 200_000, Tagging="kind=clip")
        for started in range(2):
            polly = client("polly", cloud.speech_url, region=region)
            task = ended(polly, start(polly, OutputS3BucketName="far-away", Engine="standard")["TaskId"])
            assert task["TaskStatus"] == "completed", started
            keys = {entry["Key"] for entry in s3.list_objects_v2(Bucket="far-away")["Contents"]}
            assert {"given", f"{task['TaskId']}.mp3"} <= keys
            cloud = new_cloud()
            s3 = client("s3", cloud.s3_url, region=region)
            assert s3.get_object(Bucket="far-away", Key="given")["Body"].read() == b"bytes" * 200_000
            assert s3.get_object_tagging(Bucket="far-away", Key="given")["TagSet"] == [{"Key": "kind", "Value": "clip"}]
            assert s3.get_bucket_versioning(Bucket="far-away")["Status"] == "Enabled"
            assert s3.get_bucket_location(Bucket="far-away")["LocationConstraint"] == region

    def test_a_bucket_of_another_partition_is_of_another_region(self, new_cloud: NewCloud) -> None:
        cloud = new_cloud()
        client("s3", cloud.s3_url, region="us-gov-west-1").create_bucket(
            Bucket="official", CreateBucketConfiguration={"LocationConstraint": "us-gov-west-1"}
        )
        polly = client("polly", cloud.speech_url)
        with pytest.raises(polly.exceptions.InvalidS3BucketException, match="us-gov-west-1"):
            start(polly, OutputS3BucketName="official")


class TestNotices:
    @pytest.mark.parametrize("region", ["us-east-1", "cn-northwest-1", "us-gov-west-1", "eusc-de-east-1"])
    def test_a_fifo_topic_gets_the_notice_of_each_task(self, new_cloud: NewCloud, region: str) -> None:
        cloud = new_cloud()
        sns, sqs = (client(service, cloud.s3_url, region=region) for service in ("sns", "sqs"))
        s3 = client("s3", cloud.s3_url, region=region)
        if region != "us-east-1":
            s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": region})
        bucket = BUCKET if region == "us-east-1" else "far-away"
        arn = sns.create_topic(Name="done.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        queue = sqs.create_queue(QueueName="done.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        polly = client("polly", cloud.speech_url, region=region)
        started = {start(polly, SnsTopicArn=arn, OutputS3BucketName=bucket)["TaskId"] for _ in range(2)}
        told = set()
        for _ in started:
            (message,) = eventually(
                lambda: sqs.receive_message(QueueUrl=queue, AttributeNames=["All"], MaxNumberOfMessages=1).get(
                    "Messages"
                )
            )
            notice = json.loads(json.loads(message["Body"])["Message"])
            assert notice["taskStatus"] == "COMPLETED"
            assert message["Attributes"]["MessageDeduplicationId"] == notice["taskId"]
            assert message["Attributes"]["MessageGroupId"] == notice["taskId"]
            told.add(notice["taskId"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        assert told == started


class TestReadings:
    def test_a_text_without_words_is_accepted_and_billed_by_its_characters(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud().speech_url)
        for text, billed in (("", 0), (" \n ", 3)):
            task = start(polly, Text=text)
            assert task["RequestCharacters"] == billed
            assert ended(polly, task["TaskId"])["TaskStatus"] == "completed"

    def test_a_token_goes_on_at_its_place_whatever_status_is_asked_for(self, new_cloud: NewCloud) -> None:
        polly = client("polly", new_cloud().speech_url)
        started = [start(polly)["TaskId"] for _ in range(3)]
        for task_id in started:
            ended(polly, task_id)
        token = polly.list_speech_synthesis_tasks(MaxResults=1)["NextToken"]
        after = polly.list_speech_synthesis_tasks(NextToken=token, Status="completed")["SynthesisTasks"]
        assert [task["TaskId"] for task in after] == started[1:]
