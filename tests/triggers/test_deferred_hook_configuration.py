"""Whoever defers must take the whole AWS configuration along, or the wait happens at another account or Region."""

from __future__ import annotations

import inspect

import pytest
from airflow.sdk.exceptions import TaskDeferred

from narration.hooks.polly import PollyHook
from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor

CONNECTION = {
    "aws_conn_id": "publisher",
    "region_name": "us-east-1",
    "verify": False,
    "botocore_config": {"read_timeout": 41},
}
BLOCKS = [
    (
        PollyStartSpeechSynthesisTaskOperator,
        {"text": "Hello.", "output_format": "mp3", "output_s3_bucket_name": "narration-output", "voice_id": "Joanna"},
    ),
    (PollySpeechSynthesisTaskSensor, {"synthesis_task_id": "t-1"}),
]


@pytest.fixture
def stuck_task(local_cloud, monkeypatch):
    import json

    monkeypatch.setenv("AIRFLOW_CONN_PUBLISHER", json.dumps(local_cloud.connection()))
    local_cloud.order_fault("stuck_scheduled")


@pytest.mark.parametrize(("block", "arguments"), BLOCKS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_deferral_hands_the_whole_connection_to_a_trigger_that_builds_the_same_hook(
    stuck_task, monkeypatch, task_context, block, arguments
):
    if block is PollySpeechSynthesisTaskSensor:
        started = PollyHook(aws_conn_id="publisher").start_speech_synthesis_task(
            Text="Hello.", OutputFormat="mp3", OutputS3BucketName="narration-output", VoiceId="Joanna"
        )
        arguments = {"synthesis_task_id": started["TaskId"]}
    task = block(task_id="block", deferrable=True, **CONNECTION, **arguments)

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(task_context)

    path, handed_on = deferred.value.trigger.serialize()
    assert {name: handed_on[name] for name in CONNECTION} == CONNECTION
    there, here = type(deferred.value.trigger)(**handed_on).hook(), task.hook
    assert (there.aws_conn_id, there.region_name, there.verify) == (here.aws_conn_id, here.region_name, here.verify)
    assert there.config.read_timeout == here.config.read_timeout == 41
    assert path == f"{type(deferred.value.trigger).__module__}.{type(deferred.value.trigger).__name__}"
    assert hasattr(task, deferred.value.method_name)


@pytest.mark.parametrize("block", [block for block, _ in BLOCKS])
def test_every_block_takes_the_connection_arguments_of_the_amazon_provider(block):
    assert CONNECTION.keys() <= inspect.signature(block.__init__).parameters.keys()


def test_no_polly_block_is_missing_here():
    import narration.operators.polly
    import narration.sensors.polly

    defined = {
        value
        for module in (narration.operators.polly, narration.sensors.polly)
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    }
    assert defined == {block for block, _ in BLOCKS}
