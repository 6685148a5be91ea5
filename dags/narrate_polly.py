"""
### Narrate a document with Amazon Polly

#### What it does

Turns a plain text or SSML document into an audiobook: an MP3, an M4B with chapter marks, and a manifest.

* **read** checks the form and reads the document.
* **plan** names every paragraph by what it will sound like, looks which of them the store already holds, and packs the
  rest into orders. It says what they cost; over the budget of the form the run ends here.
* **approve** waits for a person, if the form says so and the price is above its amount. A dry run ends here.
* **synthesize** sees each order through: it adopts what Polly is already making or has made, buys what nobody has
  bought, and waits without holding a worker.
* **assemble** joins the clips and encodes them once.
* **publish** writes the manifest, and so publishes the narration, and holds what was billed against the estimate.

#### What it costs

Amazon Polly bills each character of the text, without SSML tags, by the engine. Before anything is bought, the log of
**plan** says how many characters are bought and for how much. In the form, *Dry run* stops there, *Budget* ends a run
that would cost more, and *Ask above* has a person decide. When the run has ended, its note says what the service
billed; the task **publish** has the bill in its XCom `bill`. docs/cost.md has the prices and the rest.

Running it again on the same document and storage buys nothing. Running it on an edited document buys the edited
paragraphs. A retry, a clear or a crash at any point buys nothing twice.

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
| **plan**: the voice, a lexicon or the bucket is not there | choose another one, or create it in the Region of the connection |
| **approve** waits | answer under *Required Actions*; nothing is bought meanwhile |
| **synthesize** is deferred for long | it waits for Polly, without a worker |
| **synthesize** is up for retry | nothing: it tries again by itself, up to eight times, and buys nothing twice |
| **synthesize**: paragraphs were refused, or failed again and again | open *Paragraphs*, change the text or mend the cause, start again; the others are kept |
| **assemble** or **publish**: the store is full or not there | make room, then clear the task |
| **assemble**: a clip is missing or was altered | start again: what is missing is fetched or bought |
"""

from __future__ import annotations

from airflow.sdk import DAG

from narration.notices.callbacks import notices
from narration.operators.form_polly import polly_params
from narration.operators.policy import road_defaults
from narration.operators.road import narration_tasks

with DAG(
    dag_id="narrate_polly",
    description="A document becomes an audiobook through Amazon Polly.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params=polly_params(),
    default_args=road_defaults(),
    **notices(),
    tags=["narration", "polly", "audiobook"],
    max_active_runs=4,
) as dag:
    narration_tasks(service="polly")
