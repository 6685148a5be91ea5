"""
### Narrate a document with Azure's Long Audio API

**This API retires on 2027-04-01.** Use `narrate_azure_batch` for everything new. To move a document there, start
`narrate_azure_batch` with the same document, voice, output format and storage: both speak with the same voices, so what
is in the storage is not bought again.

#### What it does

Turns a plain text or SSML document into an audiobook: an MP3, an M4B with chapter marks, and a manifest.

* **read** checks the form and reads the document.
* **plan** names every paragraph by what it will sound like, looks which of them the store already holds, and packs the
  rest into orders. It says what they cost; over the budget of the form the run ends here.
* **approve** waits for a person, if the form says so and the price is above its amount. A dry run ends here.
* **synthesize** sees each order through: it adopts what Azure is already making or has made, buys what nobody has
  bought, many paragraphs with one job, and waits without holding a worker, also while 120 jobs wait or run, the most
  that this API takes.
* **assemble** joins the clips and encodes them once.
* **publish** writes the manifest, and so publishes the narration, and holds what was billed against the estimate.

#### What it costs

Azure bills each character that it spoke, the markup of SSML included. Before anything is bought, the log of **plan**
says how many characters are bought and for how much. In the form, *Dry run* stops there, *Budget* ends a run that would
cost more, and *Ask above* has a person decide. When the run has ended, its note says what the service billed; the task
**publish** has the bill in its XCom `bill`. docs/cost.md has the prices and the rest.

Running it again on the same document and storage buys nothing. Running it on an edited document buys the edited
paragraphs. A retry, a clear or a crash at any point buys nothing twice.

The API takes no script of 400 characters or less: where so little is left to buy, it is bought from batch synthesis
with the same connection, for exactly its own characters. In the format `riff-16khz-16bit-mono-pcm`, which batch
synthesis lacks, a paragraph is sent again to fill a short script up, and the log says what that costs.

#### When it fails

Open the failed task and its log: the last line names the place and the remedy. On **plan** and **synthesize**, the tab
*Paragraphs* shows the text of each paragraph that failed. Then start the Dag again, or clear the failed task; both
go on from what was bought.

| what you see | what to do |
| --- | --- |
| **read**: a field or a combination of fields is refused | start again with the field that the message names set right |
| **read**: the document is not there or cannot be read | correct *Document*, or the line that the message names |
| **plan**: paragraphs cannot be spoken as they are | open *Paragraphs*, change the text there, start again; nothing was bought |
| **plan**: the plan is over the budget | raise *Budget*, narrate less, or choose another voice |
| **plan**: the voice is not there, or the resource is of the free tier | choose another voice, or a resource of the tier S0 |
| **approve** waits | answer under *Required Actions*; nothing is bought meanwhile |
| **synthesize** is deferred for long | it waits for Azure, without a worker; a job of fewer than 10,000 characters may wait up to 12 hours |
| **synthesize** is up for retry | nothing: it tries again by itself, up to eight times, and buys nothing twice |
| **synthesize**: paragraphs were refused, or failed again and again | open *Paragraphs*, change the text or mend the cause, start again; the others are kept |
| **assemble** or **publish**: the store is full or not there | make room, then clear the task |
| **assemble**: a clip is missing or was altered | start again: what is missing is fetched or bought |

The API keeps 20,000 jobs and then refuses new ones: switch on `azure_retention`. docs/azure.md has the rest.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from narration.notices.callbacks import notices
from narration.operators.form_azure import azure_long_audio_params
from narration.operators.policy import road_defaults
from narration.operators.road import narration_tasks

# A waiting order costs no worker, and the smallest queue of these services takes 120 jobs.
ORDERS_AT_ONCE = 120

with DAG(
    dag_id="narrate_azure_long_audio",
    description="A document becomes an audiobook through Azure's Long Audio API, which retires on 2027-04-01.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params=azure_long_audio_params(),
    default_args=road_defaults(),
    **notices(),
    tags=["narration", "azure", "audiobook", "retires 2027-04-01"],
    max_active_runs=4,
) as dag:
    # A job of fewer than 10,000 characters may wait up to twelve hours before it begins.
    narration_tasks(service="azure_long_audio", wait_timeout=timedelta(hours=48), orders_at_once=ORDERS_AT_ONCE)
