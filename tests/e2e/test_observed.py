"""
What those who watch a real Airflow see of two narrations: metrics, log lines, lineage, and never a secret.

An Airflow of its own, in which the libraries log at DEBUG, where they say most.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.books import characters, write_book
from tests.e2e.conftest import RunningAirflow
from tests.e2e.moments import patiently
from tests.metrics import StatsD

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SECRETS = {
    "AWS secret key": "canary-of-the-aws-secret-key",
    "AWS session token": "canary-of-the-aws-session-token",
    "Azure key": "canary-of-the-azure-key",
}
BUCKET = "narration"
NARRATED = {
    "polly": ("narrate_polly", {"aws_conn_id": "paying_aws"}),
    "azure_batch": ("narrate_azure_batch", {"azure_speech_conn_id": "paying_azure", "storage_conn_id": "paying_aws"}),
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Two narrations that are over, and what was seen of them."""

    airflow: RunningAirflow
    statsd: StatsD
    folder: Path
    runs: dict[str, tuple[str, str]]
    results: dict[str, dict[str, Any]]
    bought: int

    def task_lines(self, *, task_id: str | None = None) -> Iterator[dict[str, Any]]:
        """The lines of the logs of the tasks and of their triggers."""
        pattern = f"dag_id=narrate_*/**/task_id={task_id or '*'}/**/*.log"
        for path in (self.folder / "state" / "airflow" / "logs").glob(pattern):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield {"path": str(path), **json.loads(line)}

    @property
    def events(self) -> list[dict[str, Any]]:
        """What OpenLineage was told, in the order of time."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "lineage").iterdir())]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("observed")
    (folder / "lineage").mkdir()
    statsd = StatsD()
    statsd.keep_reading()
    transport = {"type": "file", "log_file_path": str(folder / "lineage" / "event"), "append": False}
    airflow = RunningAirflow(
        state=folder / "state",
        environment={
            **statsd.environment,
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            # But for what Airflow says of itself, of which there is so much that it slows everything down.
            "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow=info sqlalchemy=info aiosqlite=info asyncio=info",
        },
    )
    endpoints = {"polly": airflow.speech_url, **dict.fromkeys(("s3", "sns", "sts"), airflow.s3_url)}
    aws = {
        "conn_type": "aws",
        "login": "local",
        "password": SECRETS["AWS secret key"],
        "extra": {
            "region_name": "us-east-1",
            "aws_session_token": SECRETS["AWS session token"],
            "service_config": {name: {"endpoint_url": url} for name, url in endpoints.items()},
        },
    }
    azure = {
        "conn_type": "azure_speech",
        "host": airflow.speech_url,
        "password": SECRETS["Azure key"],
        "extra": {"region": "eastus"},
    }
    airflow._environment.update(AIRFLOW_CONN_PAYING_AWS=json.dumps(aws), AIRFLOW_CONN_PAYING_AZURE=json.dumps(azure))
    book = folder / "a-watched-book.txt"
    texts = write_book(book, seed=51, chapters=2, paragraphs=5)
    try:
        airflow.start()
        s3 = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=airflow.s3_url,
            aws_access_key_id="local",
            aws_secret_access_key="any",
        )
        s3.put_object(Bucket=BUCKET, Key="texts/a-watched-book.txt", Body=book.read_bytes())
        runs = {}
        for service, (dag_id, conf) in NARRATED.items():
            airflow.session.await_dag(dag_id)
            given = {
                "document": f"s3://paying_aws@{BUCKET}/texts/a-watched-book.txt",
                "storage": f"s3://paying_aws@{BUCKET}/{service}",
                "paragraphs_per_order": 6,
                **conf,
            }
            runs[service] = (dag_id, patiently(lambda dag_id=dag_id, given=given: airflow.api.trigger(dag_id, given)))
        results = {service: published(airflow, *run) for service, run in runs.items()}
        yield Watched(
            airflow=airflow, statsd=statsd, folder=folder, runs=runs, results=results, bought=characters(texts)
        )
    finally:
        airflow.stop()
        statsd.close()


def published(airflow: RunningAirflow, dag_id: str, run_id: str) -> dict[str, Any]:
    """Wait for a run, however busy the machine is, and give what it published."""
    deadline = time.monotonic() + 700
    while (state := patiently(lambda: airflow.api.run(dag_id, run_id))["state"]) not in ("success", "failed"):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    assert state == "success", (dag_id, state)
    result: dict[str, Any] = patiently(lambda: airflow.xcom(dag_id, run_id, "publish"))
    return result


@pytest.mark.parametrize("service", NARRATED)
def test_the_counter_of_characters_is_the_bill(watched: Watched, service: str) -> None:
    dag_id = NARRATED[service][0]

    counted = watched.statsd.total("characters_bought", service=service, dag_id=dag_id, engine="neural")

    assert counted == watched.airflow.bill(service)["characters"] == watched.bought
    assert watched.statsd.total("jobs_bought", service=service) == watched.airflow.bill(service)["jobs"]
    assert watched.statsd.total("narrations_published", dag_id=dag_id) == 1


def test_the_triggerer_tells_how_many_jobs_are_waited_for_and_that_none_is_in_the_end(watched: Watched) -> None:
    told = [one for one in watched.statsd.sent if one.name == "jobs_waiting"]

    assert {one.tags["account"] for one in told} == {"polly_paying_aws", "azure_batch_paying_azure"}
    for account in {one.tags["account"] for one in told}:
        assert [one.value for one in told if one.tags["account"] == account][-1] == 0


def test_every_line_of_an_order_names_it_with_its_chapter_and_document(watched: Watched) -> None:
    lines = list(watched.task_lines(task_id="synthesize"))
    begun: dict[str, bool] = {}
    named = unnamed = 0
    seen = set()
    for line in lines:
        path = line["path"]
        if line["event"] == "::group::Pre Execute":
            # Each time that the task begins or comes back; until Airflow has read the Dag nobody knows the order.
            begun[path] = False
        if "order" in line:
            begun[path] = True
            seen.add(line["order"])
            named += 1
            assert line["chapter"].startswith("Chapter ")
            assert line["document"] == "A Watched Book"
            assert len(line["order"]) == 40
        elif begun.get(path) and line.get("task_id"):
            unnamed += 1

    assert named > 1000
    assert unnamed == 0
    assert len(seen) == 2 * 2
    loggers = {line.get("logger", "").split(".")[0] for line in lines if "order" in line}
    assert {"botocore", "urllib3", "s3fs", "task", "airflow"} <= loggers


@pytest.mark.parametrize("task_id", ["read", "plan", "assemble", "publish"])
def test_the_lines_of_the_other_tasks_name_the_document(watched: Watched, task_id: str) -> None:
    lines = [line for line in watched.task_lines(task_id=task_id) if "document" in line]

    assert {line["document"] for line in lines} == {"a-watched-book.txt", "A Watched Book"}


def test_the_ui_is_given_what_the_lines_name(watched: Watched) -> None:
    dag_id, run_id = watched.runs["polly"]
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/synthesize/logs/1"

    content = patiently(lambda: watched.airflow.api.request("GET", path, query={"map_index": 0}))["content"]

    assert any(line.get("order") and line.get("chapter", "").startswith("Chapter 1") for line in content)


@pytest.mark.parametrize("service", NARRATED)
def test_the_lineage_leads_from_the_document_to_the_narration(watched: Watched, service: str) -> None:
    dag_id, _ = watched.runs[service]
    edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for event in watched.events:
        if event["eventType"] == "COMPLETE" and event["job"]["name"].startswith(f"{dag_id}."):
            for made in event["outputs"]:
                read = {(dataset["namespace"], dataset["name"]) for dataset in event["inputs"]}
                edges.setdefault((made["namespace"], made["name"]), set()).update(read)

    reached: set[tuple[str, str]] = set()
    key = watched.results[service]["mp3_uri"].split(f"@{BUCKET}/", 1)[1]
    todo = [(f"s3://{BUCKET}", key)]
    while todo:
        found = edges.get(todo.pop(), set()) - reached
        reached |= found
        todo.extend(found)

    assert (f"s3://{BUCKET}", "texts/a-watched-book.txt") in reached
    assert sum("/orders/" in name for _, name in reached) == 4


def test_the_lineage_says_what_was_bought_of_whom(watched: Watched) -> None:
    facets = [event["run"]["facets"] for event in watched.events if event["eventType"] == "COMPLETE"]
    orders = [facet for facet in facets if "jobs" in facet.get("narration_run", {})]

    for service in NARRATED:
        own = [facet["narration_run"] for facet in orders if facet["narration_run"]["service"] == service]
        assert sum(facet["charactersBought"] for facet in own) == watched.bought
    jobs = [facet["externalQuery"]["externalQueryId"] for facet in orders if "externalQuery" in facet]
    assert len(jobs) == watched.airflow.bill("azure_batch")["jobs"]


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_is_seen_anywhere(watched: Watched, what: str) -> None:
    secret = SECRETS[what].encode()
    # Logs of tasks, triggers and components, Airflow's database, the store, lineage; connections come from outside.
    files = [path for path in watched.folder.rglob("*") if path.is_file() and "run" not in path.parts[-2:-1]]

    seen = [str(path.relative_to(watched.folder)) for path in files if secret in path.read_bytes()]

    assert len(files) > 50
    assert seen == []
    assert secret.decode() not in "\n".join(watched.statsd.lines)


def test_no_signature_of_a_request_or_an_address_is_seen_anywhere(watched: Watched) -> None:
    signed = re.compile(rb"[?&](?:sig|X-Amz-Signature)=(?!\*\*\*)|Signature=[0-9a-f]{64}|Signature:\s+[0-9a-f]{64}")
    files = [
        path
        for path in watched.folder.rglob("*")
        if path.is_file() and "local_cloud" not in path.parts and path.name != "local-cloud.log"
    ]

    assert [str(path.relative_to(watched.folder)) for path in files if signed.search(path.read_bytes())] == []
