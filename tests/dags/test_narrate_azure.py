from __future__ import annotations

import copy
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from narration.errors import PermanentNarrationError
from narration.operators.parameters import PAUSES, NarrationParameters
from narration.synthesis.azure_formats import BATCH_FORMATS, LONG_AUDIO_FORMATS
from narration.synthesis.azure_voices import VOICES

DAGS = Path(__file__).parents[2] / "dags"
SERVICES = ("azure_batch", "azure_long_audio")


def parsed(service: str):
    return DagBag(dag_folder=str(DAGS / f"narrate_{service}.py"), safe_mode=False).dags[f"narrate_{service}"]


@pytest.fixture(scope="module")
def dags():
    return {service: parsed(service) for service in SERVICES}


@pytest.fixture(params=SERVICES)
def service(request):
    return request.param


@pytest.fixture
def dag(dags, service):
    return dags[service]


def filled_in(dag, **change):
    """The form as a person sends it."""
    params = copy.deepcopy(dag.params)
    params.update({"document": "story.txt", "storage": "/data", **change})
    return params.validate()


def test_the_tasks_are_those_of_every_narration(dag):
    polly = DagBag(dag_folder=str(DAGS / "narrate_polly.py"), safe_mode=False).dags["narrate_polly"]

    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        task.task_id: task.downstream_task_ids for task in polly.tasks
    }
    assert dag.get_task("synthesize").is_mapped
    assert dag.get_task("assemble").trigger_rule == "none_failed"


def test_every_task_is_retried_unless_another_attempt_would_fail_the_same_way(dag):
    for task in dag.tasks:
        policy = task.retry_policy if not task.is_mapped else task.partial_kwargs["retry_policy"]
        retries = task.retries if not task.is_mapped else task.partial_kwargs["retries"]
        assert retries >= 3
        assert policy.evaluate(PermanentNarrationError("x"), try_number=1, max_tries=retries).action.value == "fail"


def test_only_the_document_has_to_be_filled_in(dag, service):
    with pytest.raises(ParamValidationError, match="document"):
        dag.params.validate()

    parameters = NarrationParameters.of(filled_in(dag), service=service)

    assert (parameters.voice, parameters.service) == ("en-US-JennyNeural", service)


def test_what_both_offer_by_default_is_the_same_clip(dags):
    choices = [NarrationParameters.of(filled_in(dags[name]), service=name).voice_choice() for name in SERVICES]

    assert choices[0] == choices[1]


def test_voices_are_listed_with_their_language_and_styles(dag):
    voice = dag.params.get_param("voice").schema

    assert voice["enum"] == list(VOICES)
    assert voice["values_display"]["en-US-JennyNeural"].startswith("English (United States): Jenny (female; angry,")


def test_formats_are_those_that_the_service_makes_and_this_project_decodes(dags):
    offered = {name: dag.params.get_param("output_format").schema["enum"] for name, dag in dags.items()}

    assert offered == {"azure_batch": list(BATCH_FORMATS), "azure_long_audio": list(LONG_AUDIO_FORMATS)}


def test_every_pause_can_be_set(dag):
    assert set(PAUSES) <= set(dag.params)


def test_every_field_has_a_title_and_every_choice_a_default_among_its_values(dag):
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema.get("title"), name
        if "enum" in param.schema:
            assert param.value in param.schema["enum"], name


def test_long_audio_says_in_the_ui_when_it_ends_and_where_to_go(dags):
    dag = dags["azure_long_audio"]
    first = next(iter(dag.params))

    for text in (dag.doc_md, dag.params.get_param(first).schema["description_md"]):
        assert "2027-04-01" in text
        assert "narrate_azure_batch" in text
    assert "2027-04-01" in dag.description


@pytest.mark.parametrize(
    "change",
    [
        {"document": ""},
        {"voice": "Joanna"},
        {"output_format": "webm-24khz-16bit-mono-opus"},
        {"text_type": "html"},
        {"paragraphs_per_order": 0},
        {"paragraphs_per_order": 10_001},
        {"paragraph_pause_ms": -1},
        {"azure_speech_conn_id": ""},
    ],
    ids=lambda change: "-".join(change),
)
def test_nonsense_is_refused_before_the_run_starts(dag, change):
    with pytest.raises(ParamValidationError):
        filled_in(dag, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"api_version": "2019"},
        {"style": "very sad"},
        {"style_degree": 3},
        {"role": "King"},
        {"rate": "quick"},
        {"pitch": "up"},
        {"volume": "11 please"},
    ],
    ids=lambda change: "-".join(change),
)
def test_nonsense_about_how_to_speak_is_refused_before_the_run_starts(dags, change):
    with pytest.raises(ParamValidationError):
        filled_in(dags["azure_batch"], **change)


def test_ways_of_speaking_that_the_form_accepts_are_accepted_by_the_tasks(dags):
    given = {"style": "sad", "style_degree": 1.5, "rate": "-10.00%", "pitch": "+2st", "volume": "soft", "role": "Girl"}

    parameters = NarrationParameters.of(filled_in(dags["azure_batch"], **given), service="azure_batch")

    assert parameters.voice_choice()["options"]["styleDegree"] == "1.5"
