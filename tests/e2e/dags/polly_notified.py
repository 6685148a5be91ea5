"""Waits for a synthesis task so patiently that only Polly's notice can end it."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor

with DAG("polly_notified", schedule=None, params={"topic": "", "queue": "", "voice": "Joanna"}):
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="It is a truth universally acknowledged.",
        output_format="mp3",
        output_s3_bucket_name="narration-output",
        voice_id="{{ params.voice }}",
        sns_topic_arn="{{ params.topic }}",
        wait_for_completion=False,
        retries=3,
        retry_delay=timedelta(seconds=1),
    )
    PollySpeechSynthesisTaskSensor(
        task_id="wait",
        synthesis_task_id=start.output["task_id"],
        completion_queue_url="{{ params.queue }}",
        fallback_interval=timedelta(hours=1),
        poke_interval=timedelta(hours=1),
        timeout=timedelta(hours=2),
        deferrable=True,
        retries=3,
        retry_delay=timedelta(seconds=1),
    )
