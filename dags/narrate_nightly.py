"""
### Narrate what arrived in an inbox

#### What it does

Each run takes the documents that arrived in the inbox during its data interval (tonight's run: those of the day that
ends) and turns each into an audiobook: an MP3, an M4B with chapter marks, and a manifest. Those that came late, after
the run of their day had looked, it takes along.

* **find** looks through the inbox and reads the profiles. A document `emma.txt` has its profile in `emma.yaml` beside
  it, a folder and the whole inbox in `profile.yaml`:

  ```yaml
  service: polly          # or azure_batch, azure_long_audio
  voice: Amy
  engine: neural
  outputs: [m4b]
  budget: 2.50
  ```

* **narrate** has five tasks for each document, labelled with its name: read, plan, synthesize, assemble, publish. Each
  published narration updates the asset `narrations`, from which other Dags can start.
* **report** says what was narrated, what was not and why, and what it cost.

#### What it costs

What the services bill for paragraphs that were never bought before, and nothing else: a document
that was narrated and did not change is not looked at again. The budget of a profile ends a document before anything
is bought for it. *Dry run* in the form prices everything and buys nothing.

Switched on, it runs each night for the day that ended. Started by hand it takes the last complete
day, or what *Since* and *Until* in the form say. Past days: `airflow backfill create --dag-id narrate_nightly
--from-date 2026-01-01 --to-date 2026-01-31`.

#### When it fails

| what you see | what to do |
| --- | --- |
| **report** failed | It names each failed document with its reason; the others are published. Mend the document or its \
profile and clear the run, or wait: the next night takes along what was mended, and what an outage or a stop kept from \
its end. |
| **find** failed | The inbox cannot be looked through; the log says why. Nothing was read or bought. |
| **synthesize** or **plan** failed for a document | The log and the tab *Paragraphs* name the paragraphs. What was bought of the others is kept. |
| nothing was narrated | The run's note says what lies in the inbox and for which time it looked. |
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, timezone

from narration.notices.callbacks import notices
from narration.notices.deadline import nightly_deadline
from narration.operators.form_nightly import nightly_params
from narration.operators.nightly import nightly_tasks
from narration.operators.parameters import configured
from narration.operators.policy import road_defaults

days_of = configured("nightly_timezone", "UTC")
schedule = configured("nightly_schedule", "0 0 * * *")

with DAG(
    dag_id="narrate_nightly",
    description="The documents that arrived in an inbox become audiobooks, each night those of the day.",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable(schedule, timezone=days_of),
    # A backfill may go back to here; without one nothing is made up for.
    start_date=timezone.datetime(2020, 1, 1),
    catchup=False,
    params=nightly_params(),
    default_args=road_defaults(),
    deadline=nightly_deadline(schedule=schedule),
    **notices(told_by="report"),
    tags=["narration", "nightly"],
    max_active_runs=4,
) as dag:
    nightly_tasks(timezone=days_of)
