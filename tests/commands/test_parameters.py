"""From make's command line to the Dag's parameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.commands.errors import CommandError
from include.commands.parameters import for_the_dag, given_as_arguments, given_to_make, typed
from include.commands.settings import CHECKOUT

SCHEMAS = {
    "voice": {"type": "string"},
    "sample_rate": {"type": "string"},
    "paragraphs_per_order": {"type": "integer"},
    "title": {"type": ["null", "string"]},
    "lexicons": {"type": ["null", "array"]},
    "pauses": {"type": "object"},
    "aws_conn_id": {"type": "string"},
}


def test_only_what_was_typed_counts_not_what_happens_to_be_in_the_environment() -> None:
    environment = {"MAKEFLAGS": "s -- VOICE=Amy", "VOICE": "Amy", "TITLE": "from the shell"}
    assert given_to_make(environment) == {"VOICE": "Amy"}


def test_nothing_typed_is_nothing_given() -> None:
    assert given_to_make({"MAKEFLAGS": "", "VOICE": "Amy"}) == {}
    assert given_to_make({}) == {}


def test_values_with_spaces_and_equals_signs_arrive_whole(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    code = "import os; from include.commands.parameters import given_to_make; print(given_to_make(os.environ))"
    makefile.write_text(f'show:\n\t@"{sys.executable}" -c "{code}"\n')
    typed_in = ["TITLE=A VOICE=in the text, 100 %", "VOICE=Amy"]
    answer = subprocess.run(
        ["make", "-s", "-f", str(makefile), "show", *typed_in], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert eval(answer.stdout) == {"TITLE": "A VOICE=in the text, 100 %", "VOICE": "Amy"}


def test_arguments_are_accepted_in_the_same_form() -> None:
    assert given_as_arguments(["VOICE=Amy", "TITLE=a=b"]) == {"VOICE": "Amy", "TITLE": "a=b"}


def test_an_argument_of_another_form_is_refused() -> None:
    with pytest.raises(CommandError, match="--voice"):
        given_as_arguments(["--voice", "Amy"])


def test_settings_of_the_commands_are_not_handed_to_the_dag(tmp_path: Path) -> None:
    given = {"EXIT": "1", "AIRFLOW_PORT": "9090", "LOCAL_CLOUD_PRESET": "fast", "VOICE": "Amy", "AWS_CONN_ID": "mine"}
    assert for_the_dag(given, folder=tmp_path) == {"voice": "Amy", "aws_conn_id": "mine"}


def test_the_document_becomes_absolute(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Once.")
    assert for_the_dag({"DOCUMENT": "book.txt"}, folder=tmp_path) == {"document": str(tmp_path / "book.txt")}


def test_text_becomes_what_the_schema_asks_for() -> None:
    given = {
        "voice": "Amy",
        "sample_rate": "22050",
        "paragraphs_per_order": "1",
        "title": "",
        "lexicons": "acronyms, names",
        "pauses": '{"scene_ms": 1}',
    }
    assert typed(given, schemas=SCHEMAS) == {
        "voice": "Amy",
        "sample_rate": "22050",
        "paragraphs_per_order": 1,
        "title": None,
        "lexicons": ["acronyms", "names"],
        "pauses": {"scene_ms": 1},
    }


def test_an_unknown_parameter_is_refused_with_the_closest_known_one() -> None:
    with pytest.raises(CommandError, match="no parameter VIOCE") as caught:
        typed({"viocE".lower(): "Amy"}, schemas=SCHEMAS)
    assert "Did you mean VOICE?" in caught.value.remedy


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(CommandError, match="PARAGRAPHS_PER_ORDER=many is not integer"):
        typed({"paragraphs_per_order": "many"}, schemas=SCHEMAS)


class TestAValueThatTheDagWouldRefuse:
    VOICES = ("Joanna", "Joey", "Amy", *(f"Voice{number}" for number in range(100)))

    def refused(self, schema: dict[str, object], text: str) -> CommandError:
        with pytest.raises(CommandError) as caught:
            typed({"voice": text}, schemas={"voice": schema})
        return caught.value

    def test_is_refused_with_the_closest_choice_and_without_the_whole_schema(self) -> None:
        schema = {"type": "string", "enum": self.VOICES, "values_display": {name: name for name in self.VOICES}}
        error = self.refused(schema, "Jonna")
        assert error.message == "VOICE=Jonna is not one of the Dag's choices."
        assert error.remedy == "Did you mean Joanna? The form in Airflow's UI lists all 103."

    def test_may_differ_in_its_case_alone(self) -> None:
        schema = {"type": "string", "enum": ["Joanna", "Amy"]}
        assert self.refused(schema, "JOANNA").remedy == "Did you mean Joanna? There are: Joanna, Amy."

    def test_may_be_like_nothing_there_is(self) -> None:
        schema = {"type": ["null", "string"], "enum": [None, "hi-IN", "en-IN"]}
        assert self.refused(schema, "Klingon").remedy == "There are: hi-IN, en-IN."

    @pytest.mark.parametrize(
        ("schema", "text", "said"),
        [
            ({"type": "integer", "minimum": 1}, "0", "VOICE=0 is refused: 0 is less than the minimum of 1."),
            ({"type": "integer", "maximum": 9}, "10", "maximum of 9"),
            ({"type": "string", "minLength": 1}, "", "VOICE= is refused"),
            ({"type": "string", "pattern": "^[a-z]+$"}, "A b", "'A b' does not match"),
            ({"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}}, "a,B", "'B' does not match"),
            ({"type": "array", "maxItems": 1}, "a,b", "too long"),
        ],
    )
    def test_may_break_any_other_rule_of_the_schema(self, schema: dict[str, object], text: str, said: str) -> None:
        assert said in self.refused(schema, text).message

    def test_is_not_every_value(self) -> None:
        schema = {"type": ["null", "string"], "enum": [None, "hi-IN"], "pattern": "^hi"}
        assert typed({"voice": ""}, schemas={"voice": schema}) == {"voice": None}
        assert typed({"voice": "hi-IN"}, schemas={"voice": schema}) == {"voice": "hi-IN"}
