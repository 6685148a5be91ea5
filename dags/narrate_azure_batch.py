"""
### Narrate a document with Azure batch synthesis

Turns a plain text or SSML document into an audiobook: an MP3, an M4B with chapter marks, and a manifest.

* **read** checks the form and reads the document.
* **plan** names every paragraph by what it will sound like, looks which of them the store already holds, and packs the
  rest into orders. It says what they cost; over the budget of the form the run ends here.
* **approve** waits for a person, if the form says so and the price is above its amount. A dry run ends here.
* **synthesize** sees each order through: it adopts what Azure is already making or has made, buys what nobody has
  bought, many paragraphs with one job, and waits without holding a worker, also while the service has no room for
  another job.
* **assemble** joins the clips and encodes them once.
* **publish** writes the manifest, and so publishes the narration, and holds what was billed against the estimate.

Running it again on the same document buys nothing. Running it on an edited document buys the edited paragraphs. A
retry, a clear or a crash at any point buys nothing twice. When a job fails for some paragraphs, only those are bought
again.

The form chooses between the versions 2024-04-01 and 3.1-preview1 of the service. Both, and `narrate_azure_long_audio`,
speak with the same voices: what one of them has bought into a storage the others find there.
"""

from __future__ import annotations

from airflow.sdk import DAG

from narration.notices.callbacks import notices
from narration.operators.form_azure import azure_batch_params
from narration.operators.policy import road_defaults
from narration.operators.road import narration_tasks

# A waiting order costs no worker, and the smallest queue of these services takes 120 jobs.
ORDERS_AT_ONCE = 120

with DAG(
    dag_id="narrate_azure_batch",
    description="A document becomes an audiobook through Azure batch synthesis.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params=azure_batch_params(),
    default_args=road_defaults(),
    **notices(),
    tags=["narration", "azure"],
    max_active_runs=4,
) as dag:
    narration_tasks(service="azure_batch", orders_at_once=ORDERS_AT_ONCE)
