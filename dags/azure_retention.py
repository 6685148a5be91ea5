"""
### Keep Azure Speech below its limit of stored jobs

#### What it does

Azure's Long Audio API keeps every job until somebody deletes it, and refuses new ones when it keeps 20,000. This Dag
looks once an hour how many jobs each of Azure's three synthesis APIs keeps, and where there are more than the target it
deletes finished ones, the oldest first. Nothing is deleted as long as there are fewer.

**Deleting a job deletes its audio at Azure.** These stay, however many there are:

* jobs that wait or run;
* jobs of this project whose clips are not all in a storage that is named below. (Not needed for that are clips that
  the job is known not to have given, and jobs whose failure is noted.)
* jobs that this project did not buy;
* jobs that finished within the last hour.

The log of **clean_up** says how many were kept, deleted and refused, and why, and names some; its return value has the
same numbers. Start it by hand with **Dry run** to see what it would do.

It holds one worker slot while it runs, at most one run at a time, and keeps to the service's rate (5 deletions a second
for Long Audio, so 5,000 take 17 minutes), which it shares with everything else that uses the connection. When it is
stopped half-way nothing is lost: it begins again with a new list.

The batch synthesis APIs delete their jobs by themselves when the time to live is over. Their targets are there because
a short list is quick to search.

#### What it costs

Nothing: Azure bills neither a list nor a deletion. What it deletes, though, was paid for. As the form stands, nothing
is deleted whose audio is not in a storage of yours; with *Also uncollected jobs*, what is needed of them is bought
again.

#### When it fails

| what you see | what to do |
| --- | --- |
| **clean_up**: the connection is refused | correct the Airflow connection that the field *Azure Speech connection* names |
| **clean_up**: a storage cannot be read | correct *Storages*, or its connection; nothing was deleted whose clips could not be looked for |
| more jobs stay than the target | the log says why: not collected, not ours, too young, or waiting. Name the storage that is missing, or allow more in the form |
| an API is left out with a warning | the region of the resource does not have it; take it out of *APIs* |
| **clean_up** is up for retry, or was stopped | nothing: it begins again with a new list |

#### Another resource

Another schedule, other defaults or a second Azure resource: copy this file, and change the numbers and the `dag_id`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from narration.operators.azure_cleanup import DEFAULT_TARGETS, AzureSynthesisCleanupOperator
from narration.operators.parameters import configured

LONG_AUDIO, BATCH, BATCH_PREVIEW = "long-audio-v3.0", "batch-synthesis-2024-04-01", "batch-synthesis-3.1-preview1"
NAMES = {
    LONG_AUDIO: "Long Audio (v3.0)",
    BATCH: "Batch synthesis (2024-04-01)",
    BATCH_PREVIEW: "Batch synthesis preview (3.1-preview1)",
}
targets = {
    "long_audio_target": LONG_AUDIO,
    "batch_target": BATCH,
    "batch_preview_target": BATCH_PREVIEW,
}


params = {
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Say what would be deleted, and delete nothing.",
    ),
    "apis": Param(
        list(NAMES),
        type="array",
        items={"type": "string", "enum": list(NAMES)},
        minItems=1,
        maxItems=len(NAMES),
        examples=list(NAMES),
        values_display=NAMES,
        title="APIs",
        description="Which of Azure's APIs to clean. One that the region of the resource does not have is left out with a warning.",
        section="How many may stay",
    ),
    **{
        name: Param(
            DEFAULT_TARGETS[api],
            type="integer",
            minimum=0,
            maximum=20_000 if api == LONG_AUDIO else 1_000_000,
            title=f"{NAMES[api]}: target",
            description="How many jobs may stay, in any state; above that, the oldest go. 0: delete all that may go. "
            + ("The service keeps 20,000 at the most." if api == LONG_AUDIO else "The service names no limit."),
            section="How many may stay",
        )
        for name, api in targets.items()
    },
    "min_age_minutes": Param(
        60,
        type="integer",
        minimum=0,
        maximum=60 * 24 * 365,
        title="Youngest (minutes)",
        description="How long a job stays at least after it finished, in minutes: 60 is an hour, 525,600 a year.",
        section="What may go",
    ),
    "delete_uncollected": Param(
        False,
        type="boolean",
        title="Also uncollected jobs",
        description="Delete jobs of this project whose clips are not all in the storages, too. They were paid for, and what is "
        "needed of them is bought again.",
        section="What may go",
    ),
    "delete_foreign": Param(
        False,
        type="boolean",
        title="Also other people's jobs",
        description="Delete jobs at this resource that this project did not buy, and those of the small example Dags, too. "
        "Their audio is lost.",
        section="What may go",
    ),
    "storages": Param(
        [place for place in [configured("storage")] if place],
        type=["null", "array"],
        items={"type": "string", "minLength": 1, "maxLength": 1024},
        maxItems=100,
        title="Storages",
        description="Every storage that narrations are made into with this connection, one a line, for example "
        "s3://bucket/narration. Jobs of a storage that is missing here stay.",
        section="Where",
    ),
    "azure_speech_conn_id": Param(
        "azure_speech_default",
        type="string",
        minLength=1,
        maxLength=250,
        title="Azure Speech connection",
        description="Airflow connection of the type Azure AI Speech: the resource whose jobs are cleaned.",
        section="Where",
    ),
    "storage_conn_id": Param(
        "aws_default",
        type=["null", "string"],
        maxLength=250,
        title="AWS connection",
        description="Airflow connection for storages at S3; s3://my_connection@bucket/key names another one.",
        section="Where",
    ),
}

with DAG(
    dag_id="azure_retention",
    description="Deletes finished Azure Speech jobs that are of no more use, before the service refuses new ones.",
    doc_md=__doc__,
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    params=params,
    default_args={
        "owner": "narration",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
    },
    tags=["narration", "azure", "maintenance"],
) as dag:
    AzureSynthesisCleanupOperator(
        task_id="clean_up",
        doc_md="Lists the jobs that the resource keeps, and deletes finished ones above the targets. Its log says how "
        "many were kept, deleted and refused, and why.",
        apis="{{ params.apis | join(',') }}",
        targets={api: f"{{{{ params.{name} }}}}" for name, api in targets.items()},
        storages="{{ (params.storages or []) | join('\\n') }}",
        storage_conn_id="{{ params.storage_conn_id or '' }}",
        min_age="{{ params.min_age_minutes * 60 }}",
        delete_uncollected="{{ params.delete_uncollected }}",
        delete_foreign="{{ params.delete_foreign }}",
        is_dry_run="{{ params.dry_run }}",
        azure_speech_conn_id="{{ params.azure_speech_conn_id }}",
    )
