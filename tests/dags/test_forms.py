"""Every Dag as a stranger sees it in the UI: its form, its documentation, whose it is."""

from __future__ import annotations

import copy
import re

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.mappedoperator import MappedOperator

from narration.errors import PermanentNarrationError
from narration.operators.forms import FORMS, form_of
from narration.operators.parameters import NarrationParameters
from tests.conftest import REPOSITORY

DAG_IDS = sorted(path.stem for path in (REPOSITORY / "dags").glob("*.py"))
"""Each file is called like its Dag; ``test_every_dag_file`` holds them to that."""
KINDS = {"audiobook", "example", "maintenance", "nightly"}
SERVICES = {"polly", "azure"}
HEADINGS = ("What it does", "What it costs", "When it fails")


@pytest.fixture(scope="module")
def dags():
    bag = DagBag(dag_folder=str(REPOSITORY / "dags"), safe_mode=False)
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAG_IDS
    return bag.dags


@pytest.fixture(params=DAG_IDS)
def dag(request, dags):
    return dags[request.param]


def fields(dag):
    return {name: dag.params.get_param(name) for name in dag.params}


def types_of(schema):
    declared = schema["type"]
    return {declared} if isinstance(declared, str) else set(declared)


def has_limits(schema):
    """Whether a form can tell what fits without asking the Dag."""
    if "enum" in schema:
        return True
    kinds = types_of(schema) - {"null"}
    if kinds == {"boolean"}:
        return True
    if kinds & {"integer", "number"}:
        return {"minimum", "maximum"} <= schema.keys()
    if kinds == {"array"}:
        return "maxItems" in schema and has_limits({**schema["items"], "type": "string"})
    return "maxLength" in schema or "pattern" in schema or schema.get("format") in ("date", "date-time", "time")


class TestForms:
    def test_every_field_has_a_name_a_description_and_a_type(self, dag):
        for name, field in fields(dag).items():
            assert field.schema.get("title"), name
            assert field.schema["title"] != name
            text = field.description or field.schema.get("description_md")
            assert text, name
            assert len(text) > 25, f"{name} says next to nothing: {text}"
            assert text.rstrip().endswith((".", ")")), f"{name} does not speak in sentences: {text}"
            assert "type" in field.schema, name
            # Airflow's form draws code as a box that hides the line above it.
            assert "`" not in text, name

    def test_every_field_has_limits_where_its_type_has_them(self, dag):
        assert {name for name, field in fields(dag).items() if not has_limits(field.schema)} == set()

    def test_choices_that_are_no_words_are_given_names(self, dag):
        for name, field in fields(dag).items():
            choices = field.schema.get("enum") or []
            shown = field.schema.get("values_display") or {}
            unnamed = [choice for choice in choices if choice not in shown and re.search(r"[_\d]", str(choice))]
            assert unnamed == [], name
            assert None not in choices or None in shown or "null" in shown, name

    def test_no_two_fields_have_the_same_name(self, dag):
        titles = [field.schema["title"] for field in fields(dag).values()]

        assert len(titles) == len(set(titles))

    def test_the_fields_of_a_section_stand_together(self, dag):
        sections = [field.schema.get("section") for field in fields(dag).values()]
        changes = [
            section for before, section in zip([object(), *sections], sections, strict=False) if before != section
        ]

        assert len(changes) == len(set(changes)), sections

    def test_what_everybody_fills_in_comes_first_and_needs_no_section(self, dag):
        first = next(iter(fields(dag)))

        assert first in {"document", "text_file", "dry_run", "inbox"}
        assert not fields(dag)[first].schema.get("section")

    def test_defaults_are_within_the_limits(self, dag):
        params = copy.deepcopy(dag.params)
        for name in ("document", "text_file"):
            if name in params:
                params[name] = "/books/emma.txt"
        for name in ("bucket",):
            if name in params:
                params[name] = "books"
        for name in ("storage", "inbox"):
            if name in params:
                params[name] = "/books"

        assert params.validate()

    def test_connections_are_described_by_what_they_do(self, dag):
        for name, field in fields(dag).items():
            if name.endswith("conn_id"):
                text = field.description or field.schema.get("description_md")
                assert "Airflow connection" in text, name


class TestDocumentation:
    def test_it_says_what_it_does_what_it_costs_and_what_to_do_when_it_fails(self, dag):
        headings = re.findall(r"^#### (.+)$", dag.doc_md, re.MULTILINE)

        assert [heading for heading in headings if heading in HEADINGS] == list(HEADINGS)
        for heading, section in zip(headings, re.split(r"^#### .+$", dag.doc_md, flags=re.MULTILINE)[1:], strict=True):
            assert len(section.split()) > 10, heading

    def test_what_to_do_is_a_table_of_what_one_sees(self, dag):
        section = dag.doc_md.split("#### When it fails")[1]
        rows = re.findall(r"^\|(.+)\|(.+)\|$", section, re.MULTILINE)

        assert [cell.strip() for cell in rows[0]] == ["what you see", "what to do"]
        assert len(rows) >= 6
        tasks = {task.task_id.split(".")[-1] for task in dag.tasks}
        named = set(re.findall(r"\*\*([a-z_]+)\*\*", " ".join(row[0] for row in rows)))
        assert named
        assert named <= tasks

    def test_every_field_that_it_names_is_in_the_form(self, dag):
        section = dag.doc_md.split("#### What it costs")[1]
        titles = {field.schema["title"] for field in fields(dag).values()}
        others = {"Required Actions", "Paragraphs"}

        assert set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", section)) <= titles | others

    def test_it_has_a_short_description_for_the_list(self, dag):
        assert 20 < len(dag.description) < 120

    def test_it_has_an_owner(self, dag):
        assert dag.owner == "narration"

    def test_it_is_found_by_its_tags(self, dag):
        assert "narration" in dag.tags
        assert len(dag.tags & KINDS) == 1
        assert dag.tags & SERVICES or "nightly" in dag.tags

    def test_what_retires_says_when_in_its_tags(self, dag):
        assert ("retires 2027-04-01" in dag.tags) == ("long_audio" in dag.dag_id and "azure" in dag.dag_id)

    def test_a_mapped_task_shows_what_it_works_on(self, dag):
        for task in dag.tasks:
            if isinstance(task, MappedOperator) or task.get_closest_mapped_task_group() is not None:
                template = task.partial_kwargs if isinstance(task, MappedOperator) else vars(task)
                assert template.get("map_index_template"), task.task_id

    def test_the_tasks_that_narrate_say_what_they_are_for(self, dag):
        if "example" not in dag.tags:
            assert {task.task_id for task in dag.tasks if not task.doc_md} == set()
        for task in dag.tasks:
            if task.task_id.endswith("synthesize"):
                assert "**This task spends the money**" in task.doc_md


def asked(service, **change):
    given = {name: param.value for name, param in form_of(service).items()}
    return {**given, "document": "/books/emma.txt", "storage": "/books", **change}


class TestNonsense:
    @pytest.mark.parametrize(
        ("service", "change", "title"),
        [
            ("polly", {"document": "  "}, "Document"),
            ("polly", {"voice": "Ivy", "engine": "long-form"}, "Engine"),
            ("polly", {"voice": "Joana"}, "Voice"),
            ("polly", {"language_code": "hi-IN"}, "Language"),
            ("polly", {"output_format": "pcm", "sample_rate": "24000"}, "Sample rate (Hz)"),
            ("polly", {"lexicons": ["a", "a"]}, "Lexicons"),
            ("polly", {"lexicons": ["not one"]}, "Lexicons"),
            ("azure_batch", {"document": ""}, "Document"),
            ("azure_batch", {"other_voice": "Jenny"}, "Voice"),
            ("azure_batch", {"style_degree": 1.5}, "Style degree"),
            ("azure_batch", {"style": "chat", "style_degree": 9}, "Style degree"),
            ("azure_batch", {"rate": "quick"}, "Rate"),
            ("azure_batch", {"pitch": "5"}, "Pitch"),
            ("azure_batch", {"volume": "11!"}, "Volume"),
            ("azure_batch", {"style": "very sad"}, "Style"),
            ("azure_batch", {"output_format": "wav"}, "Format of the clips"),
            ("azure_batch", {"api_version": "1.0"}, "Version of the service"),
            ("azure_long_audio", {"output_format": "ogg-48khz-16bit-mono-opus"}, "Format of the clips"),
            ("polly", {"budget": "lots"}, "Budget"),
            ("polly", {"approve_above": "much"}, "Ask above"),
            ("polly", {"price_per_million": "dear"}, "Price per million characters"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
    )
    def test_what_the_form_let_through_is_refused_by_the_name_of_its_field(self, service, change, title):
        assert title in {param.schema["title"] for param in form_of(service).values()}

        with pytest.raises(PermanentNarrationError, match=re.escape(title)):
            NarrationParameters.of(asked(service, **change), service=service)

    @pytest.mark.parametrize("service", FORMS)
    def test_what_the_form_says_by_itself_is_accepted(self, service):
        assert NarrationParameters.of(asked(service), service=service).document == "/books/emma.txt"
