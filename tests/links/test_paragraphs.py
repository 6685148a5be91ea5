from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from narration.links.narration import persist_narration
from narration.links.paragraphs import ParagraphsLink, page_address
from narration.operators.plan import PlanNarrationOperator
from narration.operators.publish import PublishNarrationOperator
from narration.operators.synthesize import SynthesizeOrderOperator
from tests.conftest import TaskInstanceInTest


@pytest.fixture(scope="module")
def deserialized_dag():
    with DAG(dag_id="linked", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PlanNarrationOperator(task_id="plan", service="polly", document="d")
        SynthesizeOrderOperator(task_id="one", order={})
        SynthesizeOrderOperator.partial(task_id="many").expand(order=[{}, {}])
        PublishNarrationOperator(task_id="publish", service="polly", assembled={}, orders_task_id="many")
    return DagSerialization.from_json(DagSerialization.to_json(dag))


@pytest.mark.parametrize("task_id", ["plan", "one", "many"])
def test_the_link_to_the_paragraphs_survives_serialization_mapped_or_not(deserialized_dag, task_id):
    links = deserialized_dag.get_task(task_id).operator_extra_links

    assert {link.name: link.xcom_key for link in links} == {"Paragraphs": "narration_paragraphs"}


def test_the_links_to_a_narration_survive_serialization(deserialized_dag):
    links = deserialized_dag.get_task("publish").operator_extra_links

    assert {link.name: link.xcom_key for link in links} == {
        "Narration": "narration_folder",
        "MP3": "narration_mp3",
        "M4B": "narration_m4b",
        "Manifest": "narration_manifest",
    }


def test_an_address_is_relative_to_airflow_s_own_and_quotes_what_a_run_may_be_called():
    address = page_address(dag_id="books", run_id="manual__2026-01-01T00:00:00+00:00/é", task_id="a.synthesize")

    assert address == "narration/dags/books/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00%2F%C3%A9/tasks/a.synthesize"
    assert page_address(dag_id="d", run_id="r", task_id="t", map_index=3).endswith("/tasks/t?map_index=3")
    assert page_address(dag_id="d", run_id="r", task_id="t", map_index=-1).endswith("/tasks/t")


def test_a_task_writes_down_the_address_of_its_own_page():
    ti = TaskInstanceInTest()
    ti.dag_id, ti.run_id, ti.task_id, ti.map_index = "books", "monday", "synthesize", 7

    ParagraphsLink.persist_page(context={"ti": ti}, operator=SimpleNamespace(do_xcom_push=True))

    assert ti.xcoms == {"narration_paragraphs": "narration/dags/books/runs/monday/tasks/synthesize?map_index=7"}


def test_airflow_s_ui_resolves_relative_addresses_against_its_own():
    """What the address relies on; without it the link would lead elsewhere from every other page of the UI."""
    from pathlib import Path

    import airflow

    page = (Path(airflow.__file__).parent / "ui" / "dist" / "index.html").read_text()
    assert re.search(r"<base href=\"\{\{ *backend_server_base_url *\}\}\"", page)


def folder(protocol, path, **filesystem):
    class Folder(SimpleNamespace):
        def __truediv__(self, name):
            return folder(protocol, f"{self.path}/{name}", **filesystem)

    return Folder(protocol=protocol, path=path, fs=SimpleNamespace(**filesystem))


@pytest.mark.parametrize(
    ("place", "links"),
    [
        (
            folder("s3", "books/store/narrations/emma"),
            {
                "narration_folder": "https://console.aws.amazon.com/s3/buckets/books?prefix=store%2Fnarrations%2Femma%2F",
                "narration_mp3": "https://console.aws.amazon.com/s3/object/books?prefix=store%2Fnarrations%2Femma%2Fe.mp3",
                "narration_manifest": "https://console.aws.amazon.com/s3/object/books"
                "?prefix=store%2Fnarrations%2Femma%2Fmanifest.json",
            },
        ),
        (
            folder("s3", "books/emma", client_kwargs={"endpoint_url": "http://127.0.0.1:8601/"}),
            {
                "narration_folder": "http://127.0.0.1:8601/books/emma/",
                "narration_mp3": "http://127.0.0.1:8601/books/emma/e.mp3",
                "narration_manifest": "http://127.0.0.1:8601/books/emma/manifest.json",
            },
        ),
        (folder("file", "/data/emma"), {}),
    ],
    ids=["s3", "another-s3", "a-worker-s-folder"],
)
def test_a_narration_is_opened_in_the_console_of_its_storage(task_context, place, links):
    persist_narration(
        context=task_context,
        operator=SimpleNamespace(do_xcom_push=True),
        folder=place,
        files={"mp3": "e.mp3", "manifest": "manifest.json"},
    )

    assert task_context["ti"].xcoms == links
