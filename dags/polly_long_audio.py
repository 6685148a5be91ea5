"""
### One text file, one Amazon Polly synthesis task

The steps of Amazon's own page on long audio, each as a task: **start** submits one text file to Polly
(`StartSpeechSynthesisTask`), **wait** asks until it is done (`GetSpeechSynthesisTask`), in the triggerer and holding
no worker, and **hand_on** gives the place and the size of the audio to whatever comes next.

It is built from this project's Polly blocks alone, and is meant to be copied. A whole book, with chapters, pauses and
clips that are never bought twice, is the business of `narrate_polly`.

* One task takes a text of at most 100,000 billed characters (200,000 with SSML tags); a longer one is refused before
  anything is bought.
* A retry or a clear of **start** does not buy again: it adopts the synthesis task that the earlier attempt started,
  as long as Polly remembers it (72 hours). A new run does buy.
* Polly writes the audio to `<key prefix>.<task id>.<extension>` in the bucket, with the permissions of the
  connection; the place is read from Polly's answer.
* With a topic and a queue, **wait** ends with Polly's own notice instead of asking every ten seconds. A notice that
  gets lost costs up to five minutes and nothing else.

See [Long audio files](https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html) in the Polly Developer Guide.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from narration.operators.parameters import configured
from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor
from narration.synthesis.polly_rules import ENGINES, SAMPLE_RATES
from narration.synthesis.polly_voices import VOICES

PARAMS = {
    "text_file": Param(
        type="string",
        minLength=1,
        title="Text file",
        description="Path on the worker, or a URI such as s3://bucket/key. UTF-8, at most 100,000 billed characters.",
    ),
    "text_type": Param(
        "text", type="string", enum=["text", "ssml"], title="Text type", description="Plain text, or one SSML document."
    ),
    "voice": Param(
        "Joanna",
        type="string",
        enum=sorted(VOICES, key=lambda voice: VOICES[voice].label),
        values_display={voice.voice_id: voice.label for voice in VOICES.values()},
        title="Voice",
        description="Each with its language and the engines that it speaks with.",
    ),
    "engine": Param(
        "standard",
        type="string",
        enum=list(ENGINES),
        title="Engine",
        description="Must be one of the voice's. Prices differ by a factor of 25.",
    ),
    "language_code": Param(
        None,
        type=["null", "string"],
        title="Language",
        description="Only for a bilingual voice, such as hi-IN for Aditi.",
    ),
    "output_format": Param(
        "mp3", type="string", enum=list(SAMPLE_RATES), title="Format", description="Of the audio that Polly writes."
    ),
    "sample_rate": Param(
        None,
        type=["null", "string"],
        enum=[None, *sorted({str(rate) for rates in SAMPLE_RATES.values() for rate in rates}, key=int)],
        title="Sample rate (Hz)",
        description="Empty: Polly's default. mp3, ogg_vorbis: 8000 to 24000; pcm: 8000, 16000; ogg_opus: 48000.",
    ),
    "bucket": Param(
        configured("polly_bucket"),
        type="string",
        pattern=r"^[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]$",
        title="Bucket",
        description="S3 bucket of yours in the Region of the connection; it must exist. "
        "AIRFLOW__NARRATION__POLLY_BUCKET sets the default.",
    ),
    "key_prefix": Param(
        "polly_long_audio/speech",
        type="string",
        pattern=r"^[0-9a-zA-Z/!\-_.*'():;$@=+,?&]{0,800}$",
        title="Key prefix",
        description="What the object's key begins with. Letters, digits and /!-_.*'():;$@=+,?& only.",
    ),
    "sns_topic_arn": Param(
        None,
        type=["null", "string"],
        pattern=r"^arn:aws[a-z\-]*:sns:.+$",
        title="SNS topic",
        description="ARN of a topic that Polly tells when it is done. Empty: none.",
    ),
    "completion_queue_url": Param(
        None,
        type=["null", "string"],
        pattern=r"^https?://\S+/\S+$",
        title="SQS queue",
        description="URL of a queue that is subscribed to the topic; the waiting then ends with Polly's notice. "
        "Empty: Polly is asked every 10 seconds.",
    ),
    "aws_conn_id": Param(
        "aws_default",
        type="string",
        minLength=1,
        title="Connection",
        description="Airflow connection of type Amazon Web Services: it pays, and it writes to the bucket.",
    ),
}


@dag(
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["narration", "polly"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
)
def polly_long_audio() -> None:
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text_file="{{ params.text_file }}",
        text_type="{{ params.text_type }}",
        voice_id="{{ params.voice }}",
        engine="{{ params.engine }}",
        language_code="{{ params.language_code or '' }}",
        output_format="{{ params.output_format }}",
        sample_rate="{{ params.sample_rate or '' }}",
        output_s3_bucket_name="{{ params.bucket }}",
        output_s3_key_prefix="{{ params.key_prefix }}",
        sns_topic_arn="{{ params.sns_topic_arn or '' }}",
        aws_conn_id="{{ params.aws_conn_id }}",
        wait_for_completion=False,
    )

    wait = PollySpeechSynthesisTaskSensor(
        task_id="wait",
        synthesis_task_id=start.output["task_id"],  # type: ignore[index]
        completion_queue_url="{{ params.completion_queue_url or '' }}",
        aws_conn_id="{{ params.aws_conn_id }}",
        deferrable=True,
        poke_interval=10,
        timeout=timedelta(hours=6),
    )

    @task
    def hand_on(synthesis: Any, *, aws_conn_id: str) -> dict[str, Any]:
        """Give the place and the size of the audio to whatever comes next."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        from narration.hooks.polly_tasks import parse_output_uri

        bucket, key = parse_output_uri(synthesis["output_uri"])
        found = S3Hook(aws_conn_id=aws_conn_id).head_object(key, bucket)
        if found is None:
            # Worth another attempt: an object may appear a moment after the task is said to be completed.
            raise FileNotFoundError(f"Polly completed {synthesis['task_id']}, but s3://{bucket}/{key} is not there.")
        output = {
            "output_uri": synthesis["output_uri"],
            "s3_uri": f"s3://{bucket}/{key}",
            "size_bytes": found["ContentLength"],
            "billed_characters": synthesis["request_characters"],
        }
        print(f"{output['s3_uri']}: {output['size_bytes']:,} bytes, {output['billed_characters']:,} characters billed")
        return output

    hand_on(wait.output, aws_conn_id="{{ params.aws_conn_id }}")


polly_long_audio()
