"""The two Dags that are built from the Azure blocks alone."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from narration.operators.azure_batch_synthesis import (
    AzureBatchSynthesisCreateOperator,
    AzureBatchSynthesisDeleteOperator,
    AzureBatchSynthesisDownloadResultsOperator,
)
from narration.operators.azure_long_audio import (
    AzureLongAudioCreateOperator,
    AzureLongAudioDeleteOperator,
    AzureLongAudioDownloadResultsOperator,
)
from narration.sensors.azure_batch_synthesis import AzureBatchSynthesisSensor
from narration.sensors.azure_long_audio import AzureLongAudioSynthesisSensor
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS

REPOSITORY = Path(__file__).parents[2]
BLOCKS = {
    "azure_batch_synthesis": (
        AzureBatchSynthesisCreateOperator,
        AzureBatchSynthesisSensor,
        AzureBatchSynthesisDownloadResultsOperator,
        AzureBatchSynthesisDeleteOperator,
    ),
    "azure_long_audio": (
        AzureLongAudioCreateOperator,
        AzureLongAudioSynthesisSensor,
        AzureLongAudioDownloadResultsOperator,
        AzureLongAudioDeleteOperator,
    ),
}


@pytest.fixture(scope="module")
def dags():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__NARRATION__STORAGE", "/a/publisher/s/folder")
        return {name: _parsed(name) for name in BLOCKS}


def _parsed(name):
    bag = DagBag(dag_folder=str(REPOSITORY / "dags" / f"{name}.py"), safe_mode=False)
    assert bag.import_errors == {}
    assert list(bag.dags) == [name]
    return bag.dags[name]


@pytest.fixture(params=BLOCKS)
def dag(request, dags):
    return dags[request.param]


def filled_in(dag, **change):
    """The form as a person sends it."""
    params = copy.deepcopy(dag.params)
    params.update({"text_file": "/books/emma.txt", **change})
    return params.validate()


def test_its_steps_are_those_of_the_vendor_s_page(dag):
    order = {task.task_id: task.downstream_task_ids for task in dag.tasks}

    # The other arrows come with the job's id, which each step gets from the first one.
    assert order == {
        "submit": {"wait", "download", "delete"},
        "wait": {"download"},
        "download": {"delete"},
        "delete": set(),
    }
    assert tuple(type(dag.get_task(name)) for name in ("submit", "wait", "download", "delete")) == BLOCKS[dag.dag_id]


def test_waiting_holds_no_worker(dag):
    assert not dag.get_task("submit").wait_for_completion
    assert dag.get_task("submit").deferrable
    assert dag.get_task("wait").deferrable


def test_the_sensor_waits_as_long_as_the_service_may_take(dag):
    assert dag.get_task("wait").timeout >= 12 * 3600


def test_every_task_is_tried_again(dag):
    assert all(task.retries >= 1 for task in dag.tasks)


def test_every_step_talks_to_the_connection_and_the_api_of_the_form(dag):
    for task in dag.tasks:
        assert task.azure_speech_conn_id == "{{ params.azure_speech_conn_id }}"
        assert dag.dag_id == "azure_long_audio" or task.api_version == "{{ params.api_version }}"


def test_it_survives_serialization_and_brings_its_documentation(dag):
    restored = DagSerialization.from_json(DagSerialization.to_json(dag))

    assert restored.task_ids == dag.task_ids
    assert "never" in restored.doc_md
    assert set(restored.params) == set(dag.params)


def test_long_audio_says_that_it_retires_and_where_to_go(dags):
    said = dags["azure_long_audio"].doc_md

    assert "2027-04-01" in said.split("\n\n")[1]
    assert "docs/azure.md" in said
    assert "retires 2027-04-01" in dags["azure_long_audio"].tags


def test_every_parameter_has_a_title_a_description_and_a_type(dag):
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.description, name
        assert {"title", "type"} <= param.schema.keys(), name


def test_the_default_form_needs_only_a_text(dag):
    assert filled_in(dag)["voice"].startswith("en-US-")
    assert filled_in(dag, text_file=None, text="Hello.")["storage"] == "/a/publisher/s/folder"


def test_formats_are_those_of_the_api(dags):
    formats = {name: dag.params.get_param("output_format").schema["enum"] for name, dag in dags.items()}

    assert formats == {"azure_batch_synthesis": list(BATCH_FORMATS), "azure_long_audio": list(LONG_AUDIO_FORMATS)}


def test_voices_are_proposed_with_their_language_and_others_may_be_typed(dag):
    voice = dag.params.get_param("voice").schema

    assert set(voice["examples"]) == set(voice["values_display"])
    assert voice["values_display"]["en-US-JennyNeural"].startswith("English (United States): Jenny (female")
    assert filled_in(dag, voice="en-US-MyOwnCustomNeural")["voice"] == "en-US-MyOwnCustomNeural"


@pytest.mark.parametrize(
    "change",
    [
        {"voice": ""},
        {"output_format": "wav"},
        {"storage": ""},
        {"azure_speech_conn_id": ""},
        {"concatenate_result": "maybe"},
        {"extract": "perhaps"},
    ],
    ids=lambda change: "-".join(change),
)
def test_nonsense_is_refused_before_anything_starts(dag, change):
    with pytest.raises(ParamValidationError):
        filled_in(dag, **change)


@pytest.mark.parametrize(
    "change",
    [{"input_kind": "html"}, {"api_version": "2030-01-01"}, {"time_to_live_hours": 745}, {"time_to_live_hours": 0}],
    ids=lambda change: "-".join(change),
)
def test_nonsense_in_what_only_batch_synthesis_has_is_refused(dags, change):
    with pytest.raises(ParamValidationError):
        filled_in(dags["azure_batch_synthesis"], **change)


def test_a_language_that_is_none_is_refused(dags):
    with pytest.raises(ParamValidationError):
        filled_in(dags["azure_long_audio"], locale="English")


def _rendered(dag, task_id, **change):
    context = {"params": filled_in(dag, **change), "dag": dag, "run_id": "manual"}
    task = copy.copy(dag.get_task(task_id))
    return {
        name: task.render_template(getattr(task, name), context)
        for name in task.template_fields
        if name not in ("job_id", "storage")
    }


def test_the_language_is_taken_from_the_voice_unless_it_is_given(dags):
    dag = dags["azure_long_audio"]

    assert _rendered(dag, "submit")["locale"] == "en-US"
    assert _rendered(dag, "submit", voice="zh-CN-liaoning-XiaobeiNeural")["locale"] == "zh-CN-liaoning"
    assert _rendered(dag, "submit", locale="de-DE")["locale"] == "de-DE"


def test_ssml_takes_its_voices_from_itself(dags):
    plain = _rendered(dags["azure_batch_synthesis"], "submit", style="chat")
    ssml = _rendered(dags["azure_batch_synthesis"], "submit", input_kind="SSML", style="chat")

    assert (plain["voice"], plain["synthesis_config"]) == ("en-US-JennyNeural", {"style": "chat", "rate": ""})
    assert (ssml["voice"], ssml["synthesis_config"]) == ("", {"style": "", "rate": ""})


def test_what_a_text_says_in_braces_is_spoken_and_not_evaluated(dag):
    text = "Use {{ params.voice }} here."

    rendered = _rendered(dag, "submit", text_file=None, text=text)

    assert rendered.get("inputs", rendered.get("text")) == text


def test_parsing_reads_no_file_calls_nobody_and_loads_no_client(dag):
    path = REPOSITORY / "dags" / f"{dag.dag_id}.py"
    program = (
        "import sys, socket, runpy, airflow.sdk\n"
        "before = set(sys.modules)\n"
        "def refuse(*args, **kwargs): raise RuntimeError('a Dag file must not connect')\n"
        "socket.socket.connect = refuse\n"
        f"runpy.run_path({str(path)!r})\n"
        "heavy = ('boto3', 'av', 'numpy', 'lxml', 'requests', 'httpx', 'azure.identity', 'redis')\n"
        "print([m for m in heavy if m in set(sys.modules) - before])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins")},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"
