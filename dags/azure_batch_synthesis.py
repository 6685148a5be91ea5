"""
### One text, one batch synthesis job at Azure AI Speech

#### What it does

The steps of Microsoft's own page on batch synthesis, each as a task: **submit** sends the text (`PUT`, or `POST` to the
preview), **wait** asks until the job is finished (`GET`), in the triggerer and holding no worker, **download** fetches
the results (`outputs.result`) into your storage, and **delete** removes the job and its audio at the service
(`DELETE`), as the page advises.

It is built from this project's Azure blocks alone, and is meant to be copied. A whole book, with chapters, pauses and
clips that are never bought twice, is the business of `narrate_azure_batch`.

* The results go to a folder under the storage that is called like the job: `0001.wav` and so on in the order of the
  inputs, files with words and sentences if asked for, and `summary.json`.
* One job takes 10,000 inputs and 2 MB with api-version 2024-04-01, and 1,000 inputs and 500 KB with the preview.

#### What it costs

Azure bills each character that it spoke, the markup of SSML included: 15 US dollars per million for neural voices by
the price list; docs/cost.md has more. The log of **wait** and the file `summary.json` say what was billed. There is no
dry run and no budget here.

A retry or a clear of **submit** does not buy again: it adopts the job that the earlier attempt created. A new run does
buy.

#### When it fails

| what you see | what to do |
| --- | --- |
| **submit**: the text, the voice or the format is refused | correct what the message names and start a new run; nothing was bought |
| **submit** is deferred | the service has no room for another job; it waits for some, without a worker |
| **wait** is deferred for long | it waits for Azure, without a worker |
| **wait**: the job failed | the message has Azure's reason; mend it and start a new run |
| **download**: some inputs failed | what there is was kept, and the message names them; the job is then not deleted |
| **download**: the storage cannot be written | mend it and clear the task; the job keeps its audio until its time to live is over |
| **delete** fails | clear it, or let the job go when its time to live is over |

See [Batch synthesis](https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis) and its
[properties](https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis-properties).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from narration.operators.azure_batch_synthesis import (
    AzureBatchSynthesisCreateOperator,
    AzureBatchSynthesisDeleteOperator,
    AzureBatchSynthesisDownloadResultsOperator,
)
from narration.operators.parameters import configured
from narration.sensors.azure_batch_synthesis import AzureBatchSynthesisSensor
from narration.synthesis.azure_choice import RATE
from narration.synthesis.azure_formats import BATCH_FORMATS, describe
from narration.synthesis.azure_voices import VOICES

PARAMS = {
    "text_file": Param(
        None,
        type=["null", "string"],
        maxLength=1024,
        title="Text file",
        description="The text to speak: a path on the worker, or a URI such as s3://bucket/key. UTF-8; one text, or a JSON list of texts if "
        "the name ends in .json.",
    ),
    "text": Param(
        None,
        type=["null", "string"],
        format="multiline",
        maxLength=2_000_000,
        title="Text",
        description="The text itself, instead of a file; at most 2 MB.",
    ),
    "input_kind": Param(
        "PlainText",
        type="string",
        enum=["PlainText", "SSML"],
        values_display={"PlainText": "Plain text", "SSML": "SSML"},
        title="Text or SSML",
        description="What the text is. SSML names its voices itself, so the fields under Voice do not count for it.",
    ),
    "split_paragraphs": Param(
        False,
        type="boolean",
        title="One audio file for each paragraph",
        description="Blank lines separate paragraphs. Otherwise there is one file for the whole text.",
    ),
    "voice": Param(
        "en-US-JennyNeural",
        type="string",
        minLength=1,
        maxLength=100,
        examples=list(VOICES),
        values_display={voice.short_name: voice.label for voice in VOICES.values()},
        title="Voice",
        description="Who speaks: one of the list, or the short name of any other voice of the resource. For plain text only.",
        section="Voice",
    ),
    "style": Param(
        None,
        type=["null", "string"],
        maxLength=50,
        pattern="^[A-Za-z0-9-]*$",
        title="Style",
        description="How the voice speaks: one of the styles in its brackets, such as chat. For plain text only. Empty: "
        "neutral.",
        section="Voice",
    ),
    "rate": Param(
        None,
        type=["null", "string"],
        maxLength=20,
        pattern=f"^(?:{RATE.pattern})?$",
        title="Rate",
        description="How fast: for example slow, 0.9 or -10.00%. For plain text only. Empty: 1.",
        section="Voice",
    ),
    "output_format": Param(
        BATCH_FORMATS[0],
        type="string",
        enum=list(BATCH_FORMATS),
        values_display={name: describe(name) for name in BATCH_FORMATS},
        title="Format",
        description="What Azure makes: the kind of the audio files.",
        section="Audio",
    ),
    "concatenate_result": Param(
        False,
        type="boolean",
        title="Join",
        description="Put all inputs into one audio file, instead of one for each.",
        section="Audio",
    ),
    "word_boundaries": Param(
        False,
        type="boolean",
        title="Words",
        description="Also a file of words and their times for each audio file.",
        section="Audio",
    ),
    "sentence_boundaries": Param(
        False,
        type="boolean",
        title="Sentences",
        description="Also a file of sentences and their times for each audio file.",
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
    "api_version": Param(
        "2024-04-01",
        type="string",
        enum=["2024-04-01", "3.1-preview1"],
        title="API version",
        values_display={"2024-04-01": "2024-04-01", "3.1-preview1": "3.1-preview1 (preview)"},
        description="Which version of the service to use; 3.1-preview1 is the preview that 2024-04-01 replaced.",
        section="Azure",
    ),
    "time_to_live_hours": Param(
        168,
        type="integer",
        minimum=1,
        maximum=744,
        title="Time to live (hours)",
        description="How long Azure keeps the finished job and its audio, if it is not deleted before: 1 to 744 (31 days).",
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
    description="One text becomes one batch synthesis job: the steps of Microsoft's page.",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["narration", "azure", "example"],
    default_args={"owner": "narration", "retries": 3, "retry_delay": timedelta(minutes=1)},
)
def azure_batch_synthesis() -> None:
    submit = AzureBatchSynthesisCreateOperator(
        task_id="submit",
        inputs="{{ params.text or '' }}",
        inputs_file="{{ params.text_file or '' }}",
        split_paragraphs="{{ params.split_paragraphs }}",
        input_kind="{{ params.input_kind }}",
        voice="{{ params.voice if params.input_kind == 'PlainText' else '' }}",
        synthesis_config={
            "style": "{{ (params.style or '') if params.input_kind == 'PlainText' else '' }}",
            "rate": "{{ (params.rate or '') if params.input_kind == 'PlainText' else '' }}",
        },
        output_format="{{ params.output_format }}",
        concatenate_result="{{ params.concatenate_result }}",
        word_boundary_enabled="{{ params.word_boundaries }}",
        sentence_boundary_enabled="{{ params.sentence_boundaries }}",
        time_to_live="{{ params.time_to_live_hours }}",
        description="Airflow: {{ dag.dag_id }}, {{ run_id }}",
        storage_conn_id="{{ params.storage_conn_id or '' }}",
        wait_for_completion=False,
        # Only for waiting until there is room for another job.
        deferrable=True,
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
        api_version="{{ params.api_version }}",
    )

    wait = AzureBatchSynthesisSensor(
        task_id="wait",
        job_id=submit.output["job_id"],  # type: ignore[index]
        deferrable=True,
        poke_interval=10,
        timeout=timedelta(hours=24),
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
        api_version="{{ params.api_version }}",
    )

    download = AzureBatchSynthesisDownloadResultsOperator(
        task_id="download",
        job_id=submit.output["job_id"],  # type: ignore[index]
        storage="{{ params.storage.rstrip('/') }}/{{ dag.dag_id }}/{{ ti.xcom_pull(task_ids='submit', key='job_id') }}",
        extract="{{ params.extract }}",
        zip_name="results.zip",
        storage_conn_id="{{ params.storage_conn_id or '' }}",
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
        api_version="{{ params.api_version }}",
    )

    delete = AzureBatchSynthesisDeleteOperator(
        task_id="delete",
        job_id=submit.output["job_id"],  # type: ignore[index]
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
        api_version="{{ params.api_version }}",
    )

    submit >> wait >> download >> delete


azure_batch_synthesis()
