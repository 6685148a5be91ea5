"""
### Narrate a document with Azure's Long Audio API

**This API retires on 2027-04-01.** Use `narrate_azure_batch` for everything new. To move a document there, start
`narrate_azure_batch` with the same document, voice, output format and storage: both speak with the same voices, so what
is in the storage is not bought again.

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

Running it again on the same document buys nothing. Running it on an edited document buys the edited paragraphs. A
retry, a clear or a crash at any point buys nothing twice. The API takes no script of 400 characters or less: where so
little is left to buy, it is bought from batch synthesis with the same connection, for exactly its own characters. In
the format `riff-16khz-16bit-mono-pcm`, which batch synthesis lacks, a paragraph is sent again to fill a short script
up, and the log says what that costs.
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
    tags=["narration", "azure"],
    max_active_runs=4,
) as dag:
    # A job of fewer than 10,000 characters may wait up to twelve hours before it begins.
    narration_tasks(service="azure_long_audio", wait_timeout=timedelta(hours=48), orders_at_once=ORDERS_AT_ONCE)
