"""What all Azure blocks have in common: the connection arguments, and that templates may fill them in."""

from __future__ import annotations

import inspect

import pytest
from airflow.sdk import BaseOperator

import narration.operators.azure_batch_synthesis
import narration.operators.azure_jobs
import narration.operators.azure_long_audio
import narration.sensors.azure_batch_synthesis
import narration.sensors.azure_long_audio

MODULES = (
    narration.operators.azure_batch_synthesis,
    narration.operators.azure_jobs,
    narration.operators.azure_long_audio,
    narration.sensors.azure_batch_synthesis,
    narration.sensors.azure_long_audio,
)
BLOCKS = sorted(
    (
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, BaseOperator)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and not value.__name__.endswith("Base")
    ),
    key=lambda block: block.__name__,
)
REQUIRED = {
    "job_id": "j-1",
    "storage": "/data",
    "locale": "en-US",
    "voices": "en-US-AriaNeural",
}


def _made(block, **arguments):
    needed = {
        name: REQUIRED[name]
        for kind in block.__mro__
        if "__init__" in vars(kind) and kind.__module__.startswith("narration.")
        for name, parameter in inspect.signature(vars(kind)["__init__"]).parameters.items()
        if parameter.default is parameter.empty and name in REQUIRED
    }
    return block(task_id="block", **needed, **arguments)


def test_all_of_them_are_looked_at():
    assert len(BLOCKS) == 12


@pytest.mark.parametrize("block", BLOCKS)
def test_its_hook_is_that_of_its_connection_and_region(block):
    made = _made(block, azure_speech_conn_id="publisher", region="westeurope")

    assert (made.hook.azure_speech_conn_id, made.hook.region) == ("publisher", "westeurope")
    assert made.connection_arguments == {"azure_speech_conn_id": "publisher", "region": "westeurope"}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_region_that_a_template_left_empty_is_the_connection_s(block):
    assert _made(block, region="").hook.region is None


@pytest.mark.parametrize("block", BLOCKS)
def test_connection_and_region_are_template_fields_and_every_template_field_exists(block):
    made = _made(block)

    assert {"azure_speech_conn_id", "region"} <= set(block.template_fields)
    assert all(hasattr(made, name) for name in block.template_fields)
    assert "destination_container_url" not in block.template_fields


@pytest.mark.parametrize("block", BLOCKS)
def test_its_documentation_names_its_arguments(block):
    said = " ".join(kind.__doc__ or "" for kind in block.__mro__ if kind.__module__.startswith("narration."))

    named = {
        name
        for kind in block.__mro__
        if "__init__" in vars(kind) and kind.__module__.startswith("narration.")
        for name, parameter in inspect.signature(vars(kind)["__init__"]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "multiple_outputs"
    }
    assert {name for name in named if f":param {name}:" not in said} == set()
