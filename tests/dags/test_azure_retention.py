from __future__ import annotations

import copy
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.templater import SandboxedEnvironment
from airflow.sdk.exceptions import ParamValidationError

from narration.hooks.azure_api import SynthesisApi
from narration.synthesis.azure_retention import Kept
from tests.azure_retention import BATCH, DAY, LONG_AUDIO, PREVIEW, Resource, retention_cloud

DAG_FILE = Path(__file__).parents[2] / "dags" / "azure_retention.py"


@pytest.fixture(scope="module")
def dag():
    return DagBag(dag_folder=str(DAG_FILE), safe_mode=False).dags["azure_retention"]


def filled_in(dag, **change):
    """The form as a person sends it."""
    params = copy.deepcopy(dag.params)
    params.update(change)
    return params.validate()


@pytest.fixture
def resource(tmp_path, monkeypatch):
    with retention_cloud() as cloud:
        found = Resource(cloud, tmp_path)
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", cloud.connection(found.key))
        yield found


def run(resource, dag, **change):
    """Render the task's templates as Airflow does, and run it."""
    given = {"storages": [f"{resource.folder}/store"], **change}
    operator = copy.deepcopy(dag.get_task("clean_up"))
    operator.render_template_fields({"params": filled_in(dag, **given)}, jinja_env=SandboxedEnvironment())
    return resource.run(operator)


class TestTheWiring:
    def test_it_runs_every_hour_one_run_at_a_time_and_makes_up_for_nothing(self, dag):
        assert dag.schedule == "@hourly"
        assert dag.max_active_runs == 1
        assert not dag.catchup
        assert dag.default_args["retries"] >= 3

    def test_it_is_one_task_and_so_one_worker_slot(self, dag):
        assert [task.task_id for task in dag.tasks] == ["clean_up"]
        assert not dag.get_task("clean_up").is_mapped


class TestTheForm:
    def test_the_schedule_can_start_it_because_every_field_has_a_default(self, dag):
        params = dag.params.validate()

        assert params["long_audio_target"] == 15_000
        assert params["apis"] == ["long-audio-v3.0", "batch-synthesis-2024-04-01", "batch-synthesis-3.1-preview1"]
        assert (params["dry_run"], params["delete_uncollected"], params["delete_foreign"]) == (False, False, False)
        assert params["min_age_minutes"] == 60

    def test_every_field_has_a_title(self, dag):
        assert all(dag.params.get_param(name).schema.get("title") for name in dag.params)

    def test_all_apis_can_be_chosen_by_names_that_people_know(self, dag):
        schema = dag.params.get_param("apis").schema

        assert set(schema["examples"]) == set(schema["values_display"]) == {api.value for api in SynthesisApi}

    @pytest.mark.parametrize(
        "change",
        [
            {"apis": []},
            {"apis": ["polly"]},
            {"long_audio_target": -1},
            {"long_audio_target": 20_001},
            {"batch_target": -1},
            {"batch_preview_target": 0.5},
            {"min_age_minutes": -1},
            {"dry_run": "perhaps"},
            {"azure_speech_conn_id": ""},
            {"storages": [""]},
        ],
        ids=lambda change: "-".join(change),
    )
    def test_nonsense_is_refused_before_the_run_starts(self, dag, change):
        with pytest.raises(ParamValidationError):
            filled_in(dag, **change)


class TestARun:
    def test_what_the_form_says_reaches_the_operator(self, resource, dag):
        for api in (BATCH, PREVIEW, LONG_AUDIO):
            names = [resource.purchase(api.value, number).collected().name for number in range(6)]
            resource.seed(*names, api=api, youngest=DAY)

        dry = run(resource, dag, dry_run=True, long_audio_target=1, batch_target=2, batch_preview_target=3)
        real = run(resource, dag, long_audio_target=1, batch_target=2, batch_preview_target=3)

        assert {api: figures["would_delete"] for api, figures in dry.items()} == {LONG_AUDIO: 5, BATCH: 4, PREVIEW: 3}
        assert {api: figures["deleted"] for api, figures in real.items()} == {LONG_AUDIO: 5, BATCH: 4, PREVIEW: 3}

    def test_the_overrides_and_several_storages(self, resource, dag):
        here, there = resource.purchase("here").collected(), resource.purchase("there", store="elsewhere")
        resource.keep_clips(there.clips, store="elsewhere")
        resource.seed(here.name, there.name, resource.purchase("uncollected").name, "somebody's", oldest=1800)
        form = {"apis": ["long-audio-v3.0"], "long_audio_target": 0}

        assert run(resource, dag, **form)["long-audio-v3.0"]["kept"] == {Kept.FOREIGN: 1, Kept.YOUNG: 3}
        form["min_age_minutes"] = 29
        form["storages"] = [f"{resource.folder}/store", f"{resource.folder}/elsewhere"]
        assert run(resource, dag, **form)["long-audio-v3.0"]["kept"] == {Kept.FOREIGN: 1, Kept.UNCOLLECTED: 1}
        form |= {"delete_uncollected": True, "delete_foreign": True, "storages": None}
        assert run(resource, dag, **form)["long-audio-v3.0"]["deleted"] == 2
        assert resource.jobs() == {}
