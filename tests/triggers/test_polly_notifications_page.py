"""The commands and the policy of docs/polly-notifications.md, as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from narration.hooks.polly_queue import ACTIONS
from narration.triggers.polly import PollySpeechSynthesisTaskTrigger
from narration.triggers.polly_inbox import Patience
from tests.conftest import BUCKET, SECRET

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "polly-notifications.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


async def test_the_commands_make_a_topic_and_a_queue_that_a_sensor_can_wait_at(aws_connection, tmp_path):
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LOCAL_CLOUD": aws_connection.s3_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", f'aws() {{ command aws "$@" --endpoint-url "$LOCAL_CLOUD"; }}\n{block("bash")}'],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    topic, queue_url = done.stdout.splitlines()[-1].split()

    attributes = aws_connection.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    (statement,) = json.loads(attributes["Attributes"]["Policy"])["Statement"]
    assert statement["Resource"] == attributes["Attributes"]["QueueArn"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    aws_connection.order_fault("stuck_scheduled", seconds=1)
    task_id = aws_connection.client("polly").start_speech_synthesis_task(
        Text="Hello.", OutputFormat="mp3", VoiceId="Joanna", OutputS3BucketName=BUCKET, SnsTopicArn=topic
    )["SynthesisTask"]["TaskId"]
    trigger = PollySpeechSynthesisTaskTrigger(
        task_id=task_id,
        end_time=time.time() + 60,
        poll_interval=0.05,
        completion_queue_url=queue_url,
        fallback_interval=3600,
    )
    events = [event.payload async for event in trigger.run()]
    assert [event["status"] for event in events] == ["completed"]


def test_the_policy_allows_what_the_error_message_asks_for():
    _, receiving = json.loads(block("json"))["Statement"]

    assert set(receiving["Action"]) == set(re.findall(r"sqs:\w+", ACTIONS))


def test_the_limits_on_the_page_are_those_of_the_code():
    patience = Patience()

    assert f"{patience.times} times" in PAGE
    assert f"… {patience.put_back} s" in PAGE
    assert f"… {patience.foreign} s" in PAGE
    assert patience.unwatched == 5 * 60
    assert "Five minutes after it was sent" in PAGE
