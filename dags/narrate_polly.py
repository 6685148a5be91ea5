"""
### Narrate a document with Amazon Polly

Turns a plain text or SSML document into an audiobook: an MP3, an M4B with chapter marks, and a manifest.

* **read** checks the form and reads the document.
* **plan** names every paragraph by what it will sound like, looks which of them the store already holds, and packs the
  rest into orders. It says what they cost; over the budget of the form the run ends here.
* **approve** waits for a person, if the form says so and the price is above its amount. A dry run ends here.
* **synthesize** sees each order through: it adopts what Polly is already making or has made, buys what nobody has
  bought, and waits without holding a worker.
* **assemble** joins the clips and encodes them once.
* **publish** writes the manifest, and so publishes the narration, and holds what was billed against the estimate.

Running it again on the same document buys nothing. Running it on an edited document buys the edited paragraphs. A
retry, a clear or a crash at any point buys nothing twice.
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
    tags=["narration", "polly"],
    max_active_runs=4,
) as dag:
    narration_tasks(service="polly")
