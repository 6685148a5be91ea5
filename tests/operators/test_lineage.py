"""What OpenLineage is told: a graph from the document to the narration, and what was bought on the way."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path

import attrs
import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.serde import Serde

from narration.operators.assemble import AssembleNarrationOperator
from narration.operators.lineage import FACET, SCHEMA, Lineage, _run_facet, dataset_name
from narration.operators.plan import PlanNarrationOperator
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from tests.azure_road import AzureRoad
from tests.road import Road

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "openlineage" / "NarrationRunFacet.json"
ONLY_BATCH = pytest.mark.parametrize("azure_bench", ["azure_batch"], indirect=True)


class Observed:
    """Keeps what each task of a road tells OpenLineage when it is complete, as JSON."""

    def __init__(self, monkeypatch) -> None:
        self.told: list[tuple[str, dict]] = []
        from narration.operators.synthesize import SynthesizeOrderOperator

        for kind in (
            ReadDocumentOperator,
            PlanNarrationOperator,
            SynthesizeOrderOperator,
            AssembleNarrationOperator,
            PublishNarrationOperator,
        ):
            for method in {"execute", "resume"} & set(dir(kind)):
                monkeypatch.setattr(kind, method, self._watched(getattr(kind, method)))

    def _watched(self, run):
        def watched(operator, *args, **kwargs):
            result = run(operator, *args, **kwargs)
            self.told.append((operator.task_id, event_of(operator.get_openlineage_facets_on_complete(None))))
            return result

        return watched

    def of(self, task_id: str) -> dict:
        (told,) = (told for name, told in self.told if name == task_id)
        return told


def event_of(lineage) -> dict:
    """What goes over the wire for an ``OperatorLineage``: the client's own serialisation."""
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-01-01T00:00:00Z",
        run=Run(runId="01890a5d-ac96-774b-bcce-b302099a8057", facets=lineage.run_facets),
        job=Job(namespace="default", name="task", facets=lineage.job_facets),
        inputs=lineage.inputs,
        outputs=lineage.outputs,
    )
    return json.loads(Serde.to_json(event))


def named(datasets) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


@pytest.fixture
def observed(monkeypatch) -> Observed:
    return Observed(monkeypatch)


class TestTheGraph:
    def test_it_leads_from_the_document_to_every_file_of_the_narration(self, bench, run, road, observed):
        road.write(*(bench.text(number) for number in range(4)), chapters=2)

        result = road.narrate(run, paragraphs_per_order=3)

        edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for _, told in observed.told:
            for made in named(told["outputs"]):
                edges.setdefault(made, set()).update(named(told["inputs"]))
        document = ("file", str(road.document))
        for kind in ("mp3", "m4b", "manifest"):
            todo, reached = [("file", result[f"{kind}_uri"].removeprefix("file://"))], set()
            while todo:
                found = edges.get(todo.pop(), set()) - reached
                reached |= found
                todo.extend(found)
            assert document in reached
            # Through the orders too, and not only past them; the manifest is only described by the last task.
            assert sum(name.endswith(".record.json") for _, name in reached) == (0 if kind == "manifest" else 2)

    def test_the_last_task_alone_says_what_was_made_from_what(self, bench, run, road, observed):
        road.write(bench.text(1))
        result = road.narrate(run)

        told = observed.of("publish")

        assert named(told["inputs"]) == [("file", str(road.document))]
        assert {name for _, name in named(told["outputs"])} == {
            result[f"{kind}_uri"].removeprefix("file://") for kind in ("mp3", "m4b", "manifest")
        }

    def test_audio_of_another_documents_order_comes_from_that_order(self, bench, run, road, observed):
        road.write(bench.text("shared"))
        road.narrate(run)
        (order,) = [name for _, name in named(observed.of("synthesize")["outputs"])]

        other = Road(bench)
        other.document = bench.folder / "other.txt"
        other.write(bench.text("shared"))
        observed.told.clear()
        other.narrate(bench.run("tuesday"))

        assert order in [name for _, name in named(observed.of("assemble")["inputs"])]

    def test_a_task_that_fails_tells_what_it_was_about_to_read(self, bench, run, road):
        operator = ReadDocumentOperator(task_id="read", service="polly")
        road.document.write_bytes(b"")
        with pytest.raises(Exception, match="empty"):
            operator.execute(road.context(run))

        told = event_of(operator.get_openlineage_facets_on_failure(None))

        assert named(told["inputs"]) == [("file", str(road.document))]
        assert told["outputs"] == []


class TestTheFacets:
    def test_the_orders_say_what_was_bought_of_whom_with_which_jobs(self, bench, run, road, observed):
        road.write(bench.text(1), bench.text(2))
        road.narrate(run)

        facet = observed.of("synthesize")["run"]["facets"][FACET]

        assert (facet["service"], facet["voice"], facet["engine"]) == ("polly", "Joanna", "neural")
        assert facet["charactersBought"] == bench.billed
        assert (facet["clips"], facet["clipsBought"], facet["clipsReused"]) == (3, 3, 0)
        assert set(facet["jobs"]) == {task["TaskId"] for task in bench.tasks() if bench.mine(task)}
        assert facet["title"] == "Story"

    @ONLY_BATCH
    def test_a_single_job_is_the_external_query_of_the_run(self, azure_bench, observed):
        road = AzureRoad(azure_bench)
        road.write(azure_bench.text(1).strip())
        road.narrate(azure_bench.run("monday"))

        facets = observed.of("synthesize")["run"]["facets"]

        assert facets["externalQuery"]["externalQueryId"] == facets[FACET]["jobs"][0]
        assert facets["externalQuery"]["source"] == "azure_batch"
        assert facets[FACET]["charactersBought"] == azure_bench.billed

    def test_a_second_run_says_what_it_reused_and_that_it_bought_nothing(self, bench, run, road, observed):
        road.write(bench.text(1), bench.text(2))
        road.narrate(run)
        observed.told.clear()
        road.narrate(bench.run("tuesday"))

        plan = observed.of("plan")["run"]["facets"][FACET]
        publish = observed.of("publish")["run"]["facets"][FACET]

        assert (plan["clips"], plan["clipsReused"], plan["charactersPlanned"]) == (3, 3, 0)
        assert plan["charactersReused"] == publish["charactersOfNarration"] == bench.billed
        assert (publish["charactersBought"], publish["amount"], publish["currency"]) == (0, 0.0, "USD")

    def test_new_files_are_told_with_their_size_and_old_ones_without(self, bench, run, road, observed):
        road.write(bench.text(1))
        result = road.narrate(run)
        first = observed.of("assemble")["outputs"]
        observed.told.clear()
        road.narrate(bench.run("tuesday"))
        second = observed.of("assemble")["outputs"]

        sizes = [dataset["outputFacets"]["outputStatistics"]["size"] for dataset in first]
        assert sizes == [result["mp3_bytes"], result["m4b_bytes"]]
        assert named(first) == named(second)
        assert all("outputStatistics" not in dataset.get("outputFacets", {}) for dataset in second)

    def test_the_facet_is_what_its_schema_says(self):
        schema = json.loads(SCHEMA_FILE.read_text())
        own = schema["$defs"]["NarrationRunFacet"]["allOf"][1]["properties"]
        fields = [field for field in attrs.fields(_run_facet()) if not field.name.startswith("_")]

        assert SCHEMA.startswith(schema["$id"])
        assert {field.name for field in fields} == set(own)
        assert _run_facet()(title="A")._schemaURL == SCHEMA

    def test_no_secret_is_in_any_of_it(self, azure_bench, observed):
        road = AzureRoad(azure_bench)
        road.write(azure_bench.text(1).strip())
        road.narrate(azure_bench.run("monday"))

        assert azure_bench.key not in json.dumps(observed.told)


class TestNames:
    @pytest.mark.parametrize(
        ("location", "namespace", "name"),
        [
            ("/data/book.txt", "file", "/data/book.txt"),
            ("file:///data/book.txt", "file", "/data/book.txt"),
            ("s3://texts/a/book.txt", "s3://texts", "a/book.txt"),
            ("s3://my_aws@texts/a/book.txt", "s3://texts", "a/book.txt"),
            ("s3a://texts/book.txt", "s3://texts", "book.txt"),
            ("s3://texts/what?#now.txt", "s3://texts", "what?#now.txt"),
            ("gcs://texts/book.txt", "gs://texts", "book.txt"),
            (
                "wasbs://texts@account.blob.core.windows.net/a/book.txt",
                "wasbs://texts@account.blob.core.windows.net",
                "a/book.txt",
            ),
            ("https://user:word@example.org/book.txt?sig=abc#x", "https://example.org", "book.txt"),
        ],
    )
    def test_files_have_the_names_that_openlineage_gives_them(self, location, namespace, name):
        assert dataset_name(location) == (namespace, name)

    def test_a_path_on_the_worker_is_named_in_full(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/reader")

        assert dataset_name("books/a.txt") == ("file", f"{tmp_path}/books/a.txt")
        assert dataset_name("~/a.txt") == ("file", "/home/reader/a.txt")

    @pytest.mark.parametrize("uri", ["s3://texts/a/book.txt", "file:///data/book.txt"])
    def test_they_are_the_names_by_which_airflow_tells_of_its_assets(self, uri):
        from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
        from airflow.sdk import Asset

        asset = translate_airflow_asset(Asset(uri=uri), None)

        assert (asset.namespace.rstrip("/"), asset.name) == dataset_name(uri)


class TestWithoutOpenLineage:
    def test_a_task_runs_and_tells_nothing(self, bench, run, road, monkeypatch):
        real = builtins.__import__

        def missing(name, *args, **kwargs):
            if "openlineage" in name:
                raise ImportError(name)
            return real(name, *args, **kwargs)

        for name in [name for name in sys.modules if "openlineage" in name]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", missing)
        road.write(bench.text(1))
        operator = ReadDocumentOperator(task_id="read", service="polly")

        assert operator.execute(road.context(run))["title"] == "Story"
        assert operator.get_openlineage_facets_on_complete(None) is None

    def test_a_task_that_has_nothing_to_tell_says_so(self):
        told = Lineage().to_openlineage()

        assert (told.inputs, told.outputs, told.run_facets) == ([], [], {})
