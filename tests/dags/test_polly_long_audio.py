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

from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor

REPOSITORY = Path(__file__).parents[2]
DAG_FILE = REPOSITORY / "dags" / "polly_long_audio.py"


@pytest.fixture(scope="module")
def dag():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__NARRATION__POLLY_BUCKET", "a-publisher-s-bucket")
        return _parsed()


def _parsed():
    bag = DagBag(dag_folder=str(DAG_FILE), safe_mode=False)
    assert bag.import_errors == {}
    assert list(bag.dags) == ["polly_long_audio"]
    return bag.dags["polly_long_audio"]


def test_its_steps_are_those_of_the_vendor_s_page(dag):
    order = {task.task_id: task.downstream_task_ids for task in dag.tasks}

    assert order == {"start": {"wait"}, "wait": {"hand_on"}, "hand_on": set()}
    assert isinstance(dag.get_task("start"), PollyStartSpeechSynthesisTaskOperator)
    assert not dag.get_task("start").wait_for_completion
    assert isinstance(dag.get_task("wait"), PollySpeechSynthesisTaskSensor)
    assert dag.get_task("wait").deferrable


def test_every_task_is_tried_again(dag):
    assert all(task.retries >= 1 for task in dag.tasks)


def test_it_survives_serialization_and_brings_its_documentation(dag):
    restored = DagSerialization.from_json(DagSerialization.to_json(dag))

    assert restored.task_ids == dag.task_ids
    assert "never" in restored.doc_md
    assert set(restored.params) == set(dag.params)


def test_every_parameter_has_a_title_a_description_and_a_type(dag):
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.description, name
        assert {"title", "type"} <= param.schema.keys(), name


def test_the_default_form_needs_only_a_text_file(dag):
    params = copy.deepcopy(dag.params)
    params["text_file"] = "/books/emma.txt"

    assert params.validate()["voice"] == "Joanna"


@pytest.mark.parametrize(
    "queue_url",
    [None, "https://sqs.eu-west-1.amazonaws.com/123456789012/notices", "http://127.0.0.1:8601/123456789012/notices"],
)
def test_the_sensor_gets_the_queue_of_the_form(dag, queue_url):
    params = copy.deepcopy(dag.params)
    params["completion_queue_url"] = queue_url
    wait = copy.copy(dag.get_task("wait"))
    wait.synthesis_task_id = "t-1"

    wait.render_template_fields({"params": params})

    assert wait.completion_queue_url == (queue_url or "")


def test_the_bucket_is_the_installation_s_own(dag):
    assert dag.params["bucket"] == "a-publisher-s-bucket"


def test_without_a_configured_bucket_none_is_guessed(monkeypatch):
    monkeypatch.delenv("AIRFLOW__NARRATION__POLLY_BUCKET", raising=False)
    params = copy.deepcopy(_parsed().params)
    params["text_file"] = "/books/emma.txt"

    with pytest.raises(ParamValidationError, match="bucket"):
        params.validate()
    params["bucket"] = "mine"
    assert params.validate()["bucket"] == "mine"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text_file", ""),
        ("text_type", "html"),
        ("voice", "Nobody"),
        ("engine", "quantum"),
        ("output_format", "wav"),
        ("sample_rate", "44100"),
        ("bucket", "Not_A_Bucket"),
        ("key_prefix", "with spaces"),
        ("sns_topic_arn", "my-topic"),
        ("completion_queue_url", "arn:aws:sqs:us-east-1:123456789012:notices"),
        ("completion_queue_url", "notices"),
        ("aws_conn_id", ""),
    ],
)
def test_nonsense_is_refused_before_anything_starts(dag, name, value):
    params = copy.deepcopy(dag.params)
    params["text_file"] = "/books/emma.txt"

    with pytest.raises(ParamValidationError):
        params[name] = value


def test_parsing_reads_no_file_calls_nobody_and_loads_no_cloud_sdk():
    program = (
        "import sys, socket, runpy, airflow.sdk\n"
        "def refuse(*args, **kwargs): raise RuntimeError('a Dag file must not connect')\n"
        "socket.socket.connect = refuse\n"
        f"runpy.run_path({str(DAG_FILE)!r})\n"
        "print([m for m in ('boto3', 'botocore', 'av', 'numpy', 'lxml') if m in sys.modules])"
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
