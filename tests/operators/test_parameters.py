from __future__ import annotations

import pytest

from narration.errors import PermanentNarrationError
from narration.operators.parameters import NarrationParameters, ParameterError
from narration.operators.policy import RETRIES, road_defaults
from narration.paths import LocationError, StoreError
from narration.synthesis.polly_choice import VoiceChoiceError
from tests.road import params


def read(**change) -> NarrationParameters:
    return NarrationParameters.of(params(**change), service="polly")


def test_what_is_left_empty_takes_the_default_of_the_installation(monkeypatch):
    monkeypatch.setenv("AIRFLOW__NARRATION__STORAGE", "file:///data/narration")
    monkeypatch.setenv("AIRFLOW__NARRATION__POLLY_BUCKET", "voices")

    parameters = read(storage="", output_bucket="")

    assert (parameters.storage, parameters.output_bucket) == ("file:///data/narration", "voices")
    assert parameters.connection() == {"aws_conn_id": "aws_default", "bucket": "voices"}


def test_what_is_given_counts_more(monkeypatch):
    monkeypatch.setenv("AIRFLOW__NARRATION__STORAGE", "file:///data/narration")

    assert read(storage="s3://mine/narration").storage == "s3://mine/narration"


def test_texts_become_the_types_that_the_tasks_work_with():
    parameters = read(sample_rate="16000", lexicons=["names"], title="", language_code=None, paragraph_pause_ms=250)

    assert (parameters.sample_rate, parameters.lexicons, parameters.title) == (16000, ("names",), None)
    assert parameters.pauses["paragraph_ms"] == 250
    assert read(sample_rate="auto", lexicons=None).lexicons == ()


@pytest.mark.parametrize("document", ["", "  ", None])
def test_without_a_document_it_says_which_parameter_is_missing(document):
    with pytest.raises(ParameterError, match="parameter 'document'"):
        read(document=document)


def test_a_voice_that_does_not_speak_with_the_engine_is_refused_before_anything_is_read():
    with pytest.raises(VoiceChoiceError, match="Maxim does not speak with the neural engine"):
        read(voice="Maxim", engine="neural")


def test_a_rate_that_the_format_lacks_is_refused_before_anything_is_read():
    with pytest.raises(VoiceChoiceError, match="pcm cannot be had at 24000 Hz"):
        read(output_format="pcm", sample_rate="24000")


class TestRetries:
    @pytest.mark.parametrize(
        ("error", "action"),
        [
            (PermanentNarrationError("x"), "fail"),
            (VoiceChoiceError("x"), "fail"),
            (ParameterError("x"), "fail"),
            (LocationError("x"), "fail"),
            (StoreError("x"), "default"),
            (RuntimeError("x"), "default"),
        ],
    )
    def test_what_another_attempt_cannot_mend_fails_at_once_and_the_rest_is_tried_again(self, error, action):
        policy = road_defaults()["retry_policy"]

        assert policy.evaluate(error, try_number=1, max_tries=RETRIES).action.value == action

    def test_everything_else_is_tried_often_enough_to_outlast_what_airflow_does_to_deferred_tasks(self):
        assert road_defaults()["retries"] >= 3
