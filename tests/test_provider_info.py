from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import AzureCloud, SynthesisApi
from narration.hooks.azure_speech import AzureSpeechHook
from narration.notices import deadline, settings
from narration.notices.settings import parse_notices
from narration.provider_info import get_provider_info

REPOSITORY = Path(__file__).parents[1]
CONNECTION_TYPE: dict[str, Any] = get_provider_info()["connection-types"][0]


@pytest.mark.parametrize("schema", ["provider_info.schema.json"])
def test_the_description_is_what_airflow_accepts(schema):
    jsonschema.validate(get_provider_info(), json.loads(files("airflow").joinpath(schema).read_text()))


def test_the_form_is_what_airflow_accepts():
    schema = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())

    jsonschema.validate([CONNECTION_TYPE], schema["properties"]["connection-types"])


def test_the_entry_point_leads_to_it_under_the_name_of_the_distribution():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["apache_airflow_provider"] == {
        "provider_info": "narration.provider_info:get_provider_info"
    }
    assert get_provider_info()["package-name"] == project["name"]


def test_it_names_the_hook_as_the_hook_names_itself():
    assert CONNECTION_TYPE["hook-class-name"] == f"{AzureSpeechHook.__module__}.{AzureSpeechHook.__name__}"
    assert CONNECTION_TYPE["connection-type"] == AzureSpeechHook.conn_type
    assert CONNECTION_TYPE["hook-name"] == AzureSpeechHook.hook_name


def test_the_choices_of_the_form_are_those_that_the_hook_knows():
    fields = CONNECTION_TYPE["conn-fields"]

    assert fields["cloud"]["schema"]["enum"] == [str(cloud) for cloud in AzureCloud]
    assert all(str(api) in fields["quotas"]["description"] for api in SynthesisApi)


def test_a_form_that_was_sent_off_with_its_defaults_makes_an_account():
    from airflow.sdk import Connection

    # The form sends every field, with its default or null.
    extra = {name: field["schema"].get("default") for name, field in CONNECTION_TYPE["conn-fields"].items()}
    connection = Connection(conn_id="speech", conn_type="azure_speech", password="0123456789abcdef")

    found = AzureSpeechAccount.read(conn_id="speech", connection=connection, extra={**extra, "region": "eastus"})

    assert found.base_url(SynthesisApi.BATCH) == "https://eastus.api.cognitive.microsoft.com"


def test_the_options_of_notices_are_those_that_are_read_and_their_examples_work():
    options = get_provider_info()["config"][settings.SECTION]["options"]

    assert parse_notices(options[settings.KEY]["example"]).problems == ()
    assert parse_notices(options[settings.KEY]["default"]) == settings.NoticeSettings()
    assert deadline.parse_deadline(options[deadline.KEY]["default"]) == deadline.DEFAULT
    assert deadline.parse_deadline(options[deadline.KEY]["example"])


def test_airflow_builds_the_form_from_it(monkeypatch):
    manager = ProvidersManager()
    manager.initialize_providers_list()
    from airflow._shared.providers_discovery import ProviderInfo

    monkeypatch.setitem(
        manager._provider_dict,
        "narration",
        ProviderInfo(version="0.1.0", data=get_provider_info()),
    )
    monkeypatch.setattr(manager, "_connection_form_widgets", {})
    monkeypatch.setattr(manager, "_field_behaviours", {})

    manager._load_ui_metadata()

    widgets = {name: info for name, info in manager._connection_form_widgets.items() if "azure_speech" in name}
    assert {info.field_name for info in widgets.values()} == set(CONNECTION_TYPE["conn-fields"])
    assert manager._field_behaviours["azure_speech"]["hidden_fields"] == ["schema", "port"]


def test_the_setting_that_may_hold_a_password_is_hidden_wherever_airflow_shows_its_configuration():
    options = get_provider_info()["config"]["narration"]["options"]

    assert [name for name, option in options.items() if option.get("sensitive")] == ["limits"]
