from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from narration.hooks.polly import PollyHook
from narration.links.polly import PollyConsoleLink, PollyOutputObjectLink, persist_links
from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator
from narration.sensors.polly import PollySpeechSynthesisTaskSensor

REQUEST = {"output_format": "mp3", "output_s3_bucket_name": "books", "voice_id": "Joanna"}
TASK = {"TaskId": "t-1", "OutputUri": "https://s3.us-east-1.amazonaws.com/books/emma%20one.t-1.mp3"}
LINKS = {"Polly output object": "polly_output_object", "Polly synthesis task": "polly_synthesis_task"}


def _persist(monkeypatch, task_context, *, do_xcom_push=True, task=TASK, **extra):
    connection = {"conn_type": "aws", "login": "any", "password": "long-enough", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    persist_links(
        context=task_context, operator=SimpleNamespace(do_xcom_push=do_xcom_push), hook=PollyHook(), task=task
    )
    return task_context["ti"].xcoms


class TestAddresses:
    @pytest.mark.parametrize(
        ("region", "console"),
        [
            ("us-east-1", "console.aws.amazon.com"),
            ("cn-northwest-1", "console.amazonaws.cn"),
            ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ],
    )
    def test_they_lead_to_the_console_of_the_region_and_partition(self, monkeypatch, task_context, region, console):
        xcoms = _persist(monkeypatch, task_context, region_name=region)

        assert xcoms == {
            "polly_output_object": f"https://{console}/s3/object/books?region={region}&prefix=emma%20one.t-1.mp3",
            "polly_synthesis_task": f"https://{console}/polly/home/SynthesisTasks/t-1?region={region}",
        }

    def test_at_an_endpoint_outside_aws_the_object_is_linked_there(self, monkeypatch, task_context):
        services = {
            "polly": {"endpoint_url": "http://127.0.0.1:8600"},
            "s3": {"endpoint_url": "http://127.0.0.1:8601/"},
        }

        xcoms = _persist(monkeypatch, task_context, region_name="us-east-1", service_config=services)

        assert xcoms["polly_output_object"] == "http://127.0.0.1:8601/books/emma%20one.t-1.mp3"

    def test_objects_behind_a_private_endpoint_of_aws_are_in_the_console(self, monkeypatch, task_context):
        services = {"s3": {"endpoint_url": "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com"}}

        xcoms = _persist(monkeypatch, task_context, region_name="us-east-1", service_config=services)

        assert xcoms["polly_output_object"].startswith("https://console.aws.amazon.com/s3/object/books")

    def test_an_output_place_of_a_new_kind_costs_the_link_and_not_the_task(self, monkeypatch, task_context):
        task = {**TASK, "OutputUri": "https://books.s3.example/t-1.mp3"}

        assert set(_persist(monkeypatch, task_context, region_name="us-east-1", task=task)) == {"polly_synthesis_task"}

    def test_nothing_is_written_where_the_operator_pushes_no_xcom(self, monkeypatch, task_context):
        assert _persist(monkeypatch, task_context, region_name="us-east-1", do_xcom_push=False) == {}


def test_a_task_writes_its_links_down_before_it_waits(aws_connection, task_context):
    operator = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="Hello.",
        wait_for_completion=False,
        **{**REQUEST, "output_s3_bucket_name": "narration-output", "output_s3_key_prefix": "links/hello"},
    )

    task_id = operator.execute(task_context)["task_id"]

    assert task_context["ti"].xcoms == {
        "polly_output_object": f"{aws_connection.s3_url}/narration-output/links/hello.{task_id}.mp3",
        "polly_synthesis_task": (
            f"https://console.aws.amazon.com/polly/home/SynthesisTasks/{task_id}?region=us-east-1"
        ),
    }


def test_a_link_reads_what_the_task_wrote_down(monkeypatch):
    asked = {}

    class StoredXCom:
        @staticmethod
        def get_value(**what):
            asked.update(what)
            return "https://console.aws.amazon.com/there"

    monkeypatch.setattr("airflow.sdk.execution_time.xcom.XCom", StoredXCom)

    assert PollyConsoleLink().get_link(None, ti_key="this task") == "https://console.aws.amazon.com/there"
    assert asked == {"key": "polly_synthesis_task", "ti_key": "this task"}


@pytest.fixture(scope="module")
def deserialized_dag():
    with DAG(dag_id="linked", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        start = PollyStartSpeechSynthesisTaskOperator(task_id="start", text="Hello.", **REQUEST)
        PollySpeechSynthesisTaskSensor(task_id="wait", synthesis_task_id=start.output["task_id"])
        PollyStartSpeechSynthesisTaskOperator.partial(task_id="start_many", **REQUEST).expand(text=["One.", "Two."])
        PollySpeechSynthesisTaskSensor.partial(task_id="wait_many").expand(synthesis_task_id=["t-1", "t-2"])
    return DagSerialization.from_json(DagSerialization.to_json(dag))


@pytest.mark.parametrize("task_id", ["start", "wait", "start_many", "wait_many"])
def test_links_survive_serialization_mapped_or_not(deserialized_dag, task_id):
    links = deserialized_dag.get_task(task_id).operator_extra_links

    assert {link.name: link.xcom_key for link in links} == LINKS


def test_the_keys_that_the_ui_reads_are_those_that_a_task_writes():
    assert {link.name: link.key for link in (PollyOutputObjectLink(), PollyConsoleLink())} == LINKS
