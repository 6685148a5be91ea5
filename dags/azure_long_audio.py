"""
### One text, one job of Azure's Long Audio API

**The Long Audio API retires on 2027-04-01.** From then on Azure answers no request to it, and what it still keeps is
gone. Its successor is batch synthesis: use the Dag `azure_batch_synthesis`, or `narrate_azure_batch` for a document.
docs/azure.md says how to move, and what changes.

#### What it does

The steps of Microsoft's own page on the Long Audio API, each as a task: **submit** sends the text, **wait** asks until
the job is finished, in the triggerer and holding no worker, **download** fetches the results (`/files`) into your
storage, and **delete** removes the job and its audio at the service, which keeps 20,000 of them and deletes none by
itself.

It is built from this project's Azure blocks alone, and is meant to be copied. A whole book, with chapters, pauses and
clips that are never bought twice, is the business of `narrate_azure_long_audio`.

* The text has more than 400 characters and fewer than 10,000 paragraphs. In plain text each line is a paragraph; in
  SSML each line is a whole `<speak>` document. The byte-order mark that the service insists on is added.
* The results go to a folder under the storage that is called like the job: an audio file for each paragraph, in the
  order of their names, and a copy of the text.
* A job of fewer than 10,000 characters may wait at the service for up to 12 hours. At most 120 jobs of a resource wait
  or run at once; **submit** waits for room, holding no worker.

#### What it costs

Azure bills each character that it spoke, the markup of SSML included: 15 US dollars per million for neural voices by
the price list; docs/cost.md has more. The log of **wait** says what was billed. There is no dry run and no budget here.

A retry or a clear of **submit** does not buy again: it adopts the job that the earlier attempt created, which it finds
by its name. A new run does buy.

#### When it fails

| what you see | what to do |
| --- | --- |
| **submit**: the text, the voice or the format is refused | correct what the message names and start a new run; nothing was bought |
| **submit** is deferred | 120 jobs wait or run; it waits for room, without a worker |
| **submit**: the service keeps 20,000 jobs | run `azure_retention`, then clear the task |
| **wait** is deferred for long | it waits for Azure, up to 12 hours for a short text, without a worker |
| **wait**: the job failed | the message has Azure's reason; mend it and start a new run |
| **download** fails | mend what the message names and clear the task; the job keeps its audio |
| **delete** fails | clear it; a job that stays counts against the 20,000 |

See [Long Audio API](https://learn.microsoft.com/azure/ai-services/speech-service/long-audio-api) and
[Migrate to batch synthesis](https://learn.microsoft.com/azure/ai-services/speech-service/migrate-to-batch-synthesis).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from narration.operators.azure_long_audio import (
    AzureLongAudioCreateOperator,
    AzureLongAudioDeleteOperator,
    AzureLongAudioDownloadResultsOperator,
)
from narration.operators.parameters import configured
from narration.sensors.azure_long_audio import AzureLongAudioSynthesisSensor
from narration.synthesis.azure_formats import LONG_AUDIO_FORMATS, describe
from narration.synthesis.azure_voices import VOICES

PARAMS = {
    "text_file": Param(
        None,
        type=["null", "string"],
        maxLength=1024,
        title="Text file",
        description="The text to speak: a path on the worker, or a URI such as s3://bucket/key. UTF-8, more than 400 characters.",
    ),
    "text": Param(
        None,
        type=["null", "string"],
        format="multiline",
        maxLength=2_000_000,
        title="Text",
        description="The text itself, instead of a file; more than 400 characters. One paragraph a line, or one SSML document a line.",
    ),
    "voice": Param(
        "en-US-AriaNeural",
        type="string",
        minLength=1,
        maxLength=100,
        examples=list(VOICES),
        values_display={voice.short_name: voice.label for voice in VOICES.values()},
        title="Voice",
        description="Who speaks: one of the list, or any other voice that the resource's list of Long Audio voices has.",
        section="Voice",
    ),
    "locale": Param(
        None,
        type=["null", "string"],
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)+$",
        title="Language",
        maxLength=35,
        description="Of the text, such as en-US. Empty: that of the voice's name.",
        section="Voice",
    ),
    "output_format": Param(
        LONG_AUDIO_FORMATS[0],
        type="string",
        enum=list(LONG_AUDIO_FORMATS),
        values_display={name: describe(name) for name in LONG_AUDIO_FORMATS},
        title="Format",
        description="What Azure makes: the kind of the audio files.",
        section="Audio",
    ),
    "concatenate_result": Param(
        False,
        type="boolean",
        title="Join",
        description="Put all paragraphs into one audio file, instead of one for each.",
        section="Audio",
    ),
    "storage": Param(
        configured("storage"),
        type="string",
        minLength=1,
        maxLength=1024,
        title="Storage",
        description="Folder for the results: s3://bucket/prefix, abfs://conn@container/path or a path on the worker. "
        "AIRFLOW__NARRATION__STORAGE sets the default.",
        section="Storage",
    ),
    "extract": Param(
        True,
        type="boolean",
        title="Unpack",
        description="Take the audio files out of Azure's zip. Otherwise the zip is kept as it is.",
        section="Storage",
    ),
    "storage_conn_id": Param(
        "aws_default",
        type=["null", "string"],
        maxLength=250,
        title="AWS connection",
        description="Airflow connection for the text file and the storage, if they lie at S3 and name none themselves.",
        section="Storage",
    ),
    "display_name": Param(
        None,
        type=["null", "string"],
        maxLength=200,
        title="Name of the job",
        description="What people see in Azure's list, at most 200 characters; a key is put at its end. Empty: the names of Dag "
        "and task.",
        section="Azure",
    ),
    "azure_speech_conn_id": Param(
        "azure_speech_default",
        type="string",
        minLength=1,
        maxLength=250,
        title="Azure Speech connection",
        description="Airflow connection of the type Azure AI Speech, to a resource of the pricing tier Standard (S0): it pays.",
        section="Azure",
    ),
}


@dag(
    description="One text becomes one job of the Long Audio API, which retires on 2027-04-01.",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["narration", "azure", "example", "retires 2027-04-01"],
    default_args={"owner": "narration", "retries": 3, "retry_delay": timedelta(minutes=1)},
)
def azure_long_audio() -> None:
    submit = AzureLongAudioCreateOperator(
        task_id="submit",
        text="{{ params.text or '' }}",
        text_file="{{ params.text_file or '' }}",
        locale="{{ params.locale or params.voice.rpartition('-')[0] }}",
        voices="{{ params.voice }}",
        display_name="{{ params.display_name or '' }}",
        description="Airflow: {{ dag.dag_id }}, {{ run_id }}",
        output_format="{{ params.output_format }}",
        concatenate_result="{{ params.concatenate_result }}",
        storage_conn_id="{{ params.storage_conn_id or '' }}",
        wait_for_completion=False,
        # Only for waiting until there is room for another job.
        deferrable=True,
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
    )

    wait = AzureLongAudioSynthesisSensor(
        task_id="wait",
        job_id=submit.output["job_id"],  # type: ignore[index]
        deferrable=True,
        poke_interval=15,
        timeout=timedelta(hours=24),
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
    )

    download = AzureLongAudioDownloadResultsOperator(
        task_id="download",
        job_id=submit.output["job_id"],  # type: ignore[index]
        storage="{{ params.storage.rstrip('/') }}/{{ dag.dag_id }}/{{ ti.xcom_pull(task_ids='submit', key='job_id') }}",
        extract="{{ params.extract }}",
        zip_name="results.zip",
        storage_conn_id="{{ params.storage_conn_id or '' }}",
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
    )

    delete = AzureLongAudioDeleteOperator(
        task_id="delete",
        job_id=submit.output["job_id"],  # type: ignore[index]
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
    )

    submit >> wait >> download >> delete


azure_long_audio()
