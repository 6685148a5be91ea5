"""The two Dags of Azure blocks, run step by step against the local cloud."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from narration.hooks.azure_api import SynthesisApi
from tests.azure_blocks import LONG_TEXT, TaskInstanceOfBlock
from tests.conftest import StateStore

DAGS = Path(__file__).parents[2] / "dags"


class TaskInstanceOfRun(TaskInstanceOfBlock):
    """Also hands on what the tasks before returned, as each key of it and as a whole."""

    def __init__(self, results):
        super().__init__()
        self.results = results

    def xcom_pull(self, *, task_ids, key="return_value", **_):
        result = self.results[task_ids if isinstance(task_ids, str) else task_ids[0]]
        return result if key == "return_value" else result[key]


class Run:
    """One run of a Dag."""

    def __init__(self, dag_id, **form):
        self.dag = DagBag(dag_folder=str(DAGS / f"{dag_id}.py"), safe_mode=False).dags[dag_id]
        params = copy.deepcopy(self.dag.params)
        params.update({"azure_speech_conn_id": "azure_speech_default", **form})
        self.params, self.results = params.validate(), {}
        self.run_id = TaskInstanceOfBlock().run_id
        self.state = StateStore()

    def step(self, task_id):
        """Do what Airflow does with one task: render its fields, execute it, run its trigger, resume it."""
        task = copy.copy(self.dag.get_task(task_id))
        ti = TaskInstanceOfRun(self.results)
        ti.dag_id, ti.task_id, ti.run_id = self.dag.dag_id, task_id, self.run_id
        context = {
            "params": self.params,
            "dag": self.dag,
            "run_id": self.run_id,
            "ti": ti,
            "task_state_store": self.state,
            "expanded_ti_count": None,
        }
        task.render_template_fields(context)
        try:
            result = task.execute(context)
        except TaskDeferred as deferred:
            event = asyncio.run(_event(deferred.trigger))
            result = task.resume_execution(deferred.method_name, {"event": event, **(deferred.kwargs or {})}, context)
        self.results[task_id] = json.loads(json.dumps(result))
        return self.results[task_id]

    def all(self):
        return [self.step(task_id) for task_id in ("submit", "wait", "download", "delete")]


async def _event(trigger):
    trigger.poll_interval = 0.2
    return (await asyncio.wait_for(anext(trigger.run()), timeout=30)).payload


@pytest.mark.parametrize(
    ("version", "api"), [("2024-04-01", SynthesisApi.BATCH), ("3.1-preview1", SynthesisApi.BATCH_PREVIEW)]
)
def test_a_text_becomes_audio_files_and_nothing_stays_at_the_service(azure, tmp_path, version, api):
    jobs = azure.bought(api)
    run = Run(
        "azure_batch_synthesis",
        text="One.\n\nTwo.",
        split_paragraphs=True,
        word_boundaries=True,
        output_format="riff-24khz-16bit-mono-pcm",
        storage=str(tmp_path),
        api_version=version,
        rate="slow",
    )

    submitted, waited, downloaded, deleted = run.all()

    assert waited["status"] == "Succeeded"
    assert downloaded["audio"] == ["0001.wav", "0002.wav"]
    folder = tmp_path / "azure_batch_synthesis" / submitted["job_id"]
    assert {"0001.wav", "0002.wav", "0001.word.json", "summary.json"} <= {path.name for path in folder.iterdir()}
    assert deleted["deleted"]
    assert azure.jobs(api) == []
    assert azure.bought(api) == jobs + 1


def test_the_same_with_the_long_audio_api(azure, tmp_path):
    (tmp_path / "emma.txt").write_text(LONG_TEXT)
    run = Run(
        "azure_long_audio",
        text_file=str(tmp_path / "emma.txt"),
        output_format="riff-24khz-16bit-mono-pcm",
        storage=str(tmp_path),
        extract=False,
    )

    submitted, _, downloaded, _ = run.all()

    assert len(downloaded["audio"]) == len(LONG_TEXT.splitlines())
    assert (tmp_path / "azure_long_audio" / submitted["job_id"] / "results.zip").exists()
    assert azure.jobs(SynthesisApi.LONG_AUDIO) == []


def test_a_job_with_failures_is_kept_at_the_service(azure, tmp_path):
    azure.order_fault("partial_failure", SynthesisApi.BATCH)
    run = Run("azure_batch_synthesis", text="One.\n\nTwo.", split_paragraphs=True, storage=str(tmp_path))
    for task_id in ("submit", "wait"):
        run.step(task_id)

    with pytest.raises(AirflowFailException, match="input 1"):
        run.step("download")

    assert len(azure.jobs(SynthesisApi.BATCH)) == 1
