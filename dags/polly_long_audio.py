"""
### One text file, one Amazon Polly synthesis task

#### What it does

The steps of Amazon's own page on long audio, each as a task: **start** submits one text file to Polly
(`StartSpeechSynthesisTask`), **wait** asks until it is done (`GetSpeechSynthesisTask`), in the triggerer and holding
no worker, and **hand_on** gives the place and the size of the audio to whatever comes next.

It is built from this project's Polly blocks alone, and is meant to be copied. A whole book, with chapters, pauses and
clips that are never bought twice, is the business of `narrate_polly`.

* One task takes a text of at most 100,000 billed characters (200,000 with SSML tags); a longer one is refused before
  anything is bought.
* Polly writes the audio to `<key prefix>.<task id>.<extension>` in the bucket, with the permissions of the
  connection; the place is read from Polly's answer.
* With a topic and a queue, **wait** ends with Polly's own notice instead of asking every ten seconds. A notice that
  gets lost costs up to five minutes and nothing else.

#### What it costs

Polly bills the whole text once, when it accepts it, by the engine: 4 (standard), 16 (neural), 30 (generative) or 100
(long-form) US dollars per million characters by the price list; docs/cost.md has more. The XCom of **hand_on** has the
characters that Polly billed. There is no dry run and no budget here.

A retry or a clear of **start** does not buy again: it adopts the synthesis task that the earlier attempt started, as
long as Polly remembers it (72 hours). A new run does buy.

#### When it fails

| what you see | what to do |
| --- | --- |
| **start**: the text, the voice or the SSML is refused | correct what the message names and start a new run; nothing was bought |
| **start**: the bucket is not there, or in another Region | create it in the Region of the connection, or name another one |
| **start** is up for retry | nothing: Polly was busy or did not answer; it tries again by itself and adopts what it finds |
| **wait** is deferred for long | it waits for Polly, without a worker |
| **wait**: the synthesis task failed | the message has Polly's reason; mend it and start a new run, which buys again |
| **hand_on**: the object is not there | clear the task; if it stays away, look for it in the bucket under the key prefix |

See [Long audio files](https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html) in the Polly Developer Guide.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from narration.operators.form_polly import FORMATS, engines_with_prices, sample_rates
from narration.operators.parameters import configured
from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor
from narration.synthesis.polly_rules import ENGINES, SAMPLE_RATES
from narration.synthesis.polly_voices import LANGUAGES, VOICES

PARAMS = {
    "text_file": Param(
        type="string",
        minLength=1,
        maxLength=1024,
        title="Text file",
        description="The text to speak: a path on the worker, or a URI such as s3://bucket/key. UTF-8, at most 100,000 billed "
        "characters.",
    ),
    "text_type": Param(
        "text",
        type="string",
        enum=["text", "ssml"],
        values_display={"text": "Plain text", "ssml": "SSML"},
        title="Text or SSML",
        description="What the file holds: plain text, or one SSML document.",
    ),
    "voice": Param(
        "Joanna",
        type="string",
        enum=sorted(VOICES, key=lambda voice: VOICES[voice].label),
        values_display={voice.voice_id: voice.label for voice in VOICES.values()},
        title="Voice",
        description="Who speaks: the language, the voice, and in brackets the engines that it has.",
    ),
    "engine": Param(
        "standard",
        type="string",
        enum=list(ENGINES),
        values_display=engines_with_prices(),
        title="Engine",
        description="How the voice is made; one of the engines in the brackets behind the voice. List prices.",
    ),
    "language_code": Param(
        None,
        type=["null", "string"],
        enum=[None, *LANGUAGES],
        values_display={None: "The voice's own", **LANGUAGES},
        title="Language",
        description="Only for voices that speak two languages, such as Aditi and Kajal.",
    ),
    "output_format": Param(
        "mp3",
        type="string",
        enum=list(SAMPLE_RATES),
        values_display=FORMATS,
        title="Format",
        description="What Polly writes: the kind of audio file.",
    ),
    "sample_rate": Param(
        None,
        type=["null", "string"],
        enum=[None, *(rate for rate in sample_rates() if rate != "auto")],
        values_display={None: "Polly's default", **sample_rates()},
        title="Sample rate (Hz)",
        description="Of the audio. mp3, ogg_vorbis: 8000 to 24000; pcm: 8000, 16000; ogg_opus: 48000.",
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
        maxLength=250,
        title="AWS connection",
        description="Airflow connection of the type Amazon Web Services: its account pays, and it writes to the bucket.",
    ),
}


@dag(
    description="One text file becomes one audio file: the steps of Amazon's page on long audio.",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["narration", "polly", "example"],
    default_args={"owner": "narration", "retries": 3, "retry_delay": timedelta(minutes=1)},
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
