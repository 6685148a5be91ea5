from __future__ import annotations

import copy
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from narration.errors import PermanentNarrationError
from narration.operators.parameters import PAUSES, NarrationParameters
from narration.synthesis.polly_rules import ENGINES, SAMPLE_RATES
from narration.synthesis.polly_voices import LANGUAGES, VOICES

DAG_FILE = Path(__file__).parents[2] / "dags" / "narrate_polly.py"


@pytest.fixture(scope="module")
def dag():
    return DagBag(dag_folder=str(DAG_FILE), safe_mode=False).dags["narrate_polly"]


def filled_in(dag, **change):
    """The form as a person sends it."""
    params = copy.deepcopy(dag.params)
    params.update({"document": "story.txt", "storage": "/data", **change})
    return params.validate()


class TestTheWiring:
    def test_the_tasks_follow_each_other(self, dag):
        assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
            "read": {"plan"},
            # The orders come from the plan, the leave to buy them from the approval.
            "plan": {"approve", "synthesize"},
            "approve": {"synthesize"},
            "synthesize": {"assemble"},
            "assemble": {"publish"},
            "publish": set(),
        }

    def test_one_task_is_mapped_over_the_orders_and_named_by_them(self, dag):
        synthesize = dag.get_task("synthesize")

        assert synthesize.is_mapped
        assert "label" in synthesize.partial_kwargs["map_index_template"]

    def test_assembling_goes_on_when_nothing_was_left_to_order(self, dag):
        assert dag.get_task("assemble").trigger_rule == "none_failed"

    def test_every_task_is_retried_unless_another_attempt_would_fail_the_same_way(self, dag):
        for task in dag.tasks:
            policy = task.retry_policy if not task.is_mapped else task.partial_kwargs["retry_policy"]
            retries = task.retries if not task.is_mapped else task.partial_kwargs["retries"]
            assert retries >= 3
            decision = policy.evaluate(PermanentNarrationError("x"), try_number=1, max_tries=retries)
            assert decision.action.value == "fail"


class TestTheForm:
    def test_only_the_document_has_to_be_filled_in(self, dag):
        with pytest.raises(ParamValidationError, match="document"):
            dag.params.validate()

        parameters = NarrationParameters.of(filled_in(dag), service="polly")

        assert (parameters.voice, parameters.engine, parameters.document) == ("Joanna", "neural", "story.txt")

    def test_voices_are_listed_with_their_language_and_engines(self, dag):
        voice = dag.params.get_param("voice").schema

        assert voice["enum"] == list(VOICES)
        assert voice["values_display"]["Joanna"] == "English (US): Joanna (female; standard, neural, generative)"
        assert set(voice["values_display"]) == set(VOICES)

    def test_engines_formats_rates_and_languages_are_those_of_polly(self, dag):
        schema = {name: dag.params.get_param(name).schema for name in dag.params}

        assert schema["engine"]["enum"] == list(ENGINES)
        assert schema["output_format"]["enum"] == list(SAMPLE_RATES)
        assert schema["language_code"]["enum"] == [None, *LANGUAGES]
        assert set(schema["sample_rate"]["enum"]) == {"auto", "8000", "16000", "22050", "24000", "48000"}

    def test_every_pause_can_be_set(self, dag):
        assert set(PAUSES) <= set(dag.params)

    def test_every_field_has_a_title(self, dag):
        assert all(dag.params.get_param(name).schema.get("title") for name in dag.params)

    @pytest.mark.parametrize(
        "change",
        [
            {"document": ""},
            {"voice": "Nobody"},
            {"engine": "quantum"},
            {"language_code": "xx-XX"},
            {"output_format": "flac"},
            {"sample_rate": "44100"},
            {"text_type": "html"},
            {"lexicons": ["not-a-name"]},
            {"lexicons": ["a", "b", "c", "d", "e", "f"]},
            {"paragraphs_per_order": 0},
            {"paragraphs_per_order": 1001},
            {"paragraph_pause_ms": -1},
            {"chapter_pause_ms": 60_001},
            {"aws_conn_id": ""},
        ],
        ids=lambda change: "-".join(change),
    )
    def test_nonsense_is_refused_before_the_run_starts(self, dag, change):
        with pytest.raises(ParamValidationError):
            filled_in(dag, **change)
