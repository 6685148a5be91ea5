"""The environment in which Airflow and the local cloud run."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from include.commands.errors import CommandError
from include.commands.settings import (
    CHECKOUT,
    Layout,
    Ports,
    airflow_environment,
    local_cloud_environment,
    read_settings,
    uses_aws,
)

PORTS = Ports(airflow=18080, speech=18600, s3=18601)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(state=tmp_path / "a state")
    layout.create()
    return layout


def test_airflow_is_tied_to_this_checkout_whatever_the_shell_says(layout: Layout) -> None:
    shell = {
        "AIRFLOW_HOME": "/other",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "AIRFLOW__CORE__DAGS_FOLDER": "/other/dags",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW_CONFIG": "/other/airflow.cfg",
        "PYTHONPATH": "/other/python",
    }
    environment = airflow_environment(shell, layout=layout, ports=PORTS)
    assert environment["AIRFLOW_HOME"] == str(layout.airflow)
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith(f"sqlite:///{layout.airflow}/")
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(CHECKOUT / "dags")
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert not {"AIRFLOW_CONFIG", "PYTHONPATH"} & environment.keys()


def test_tuning_can_be_overridden_from_the_shell(layout: Layout) -> None:
    tuned = airflow_environment({"AIRFLOW__CORE__PARALLELISM": "9"}, layout=layout, ports=PORTS)
    assert tuned["AIRFLOW__CORE__PARALLELISM"] == "9"
    assert airflow_environment({}, layout=layout, ports=PORTS)["AIRFLOW__CORE__PARALLELISM"] == "4"


def test_the_aws_connection_leads_to_the_local_cloud_even_when_the_shell_has_a_real_one(layout: Layout) -> None:
    environment = airflow_environment({"AIRFLOW_CONN_AWS_DEFAULT": "aws://real"}, layout=layout, ports=PORTS)
    services = json.loads(environment["AIRFLOW_CONN_AWS_DEFAULT"])["extra"]["service_config"]
    assert services["polly"]["endpoint_url"] == "http://127.0.0.1:18600"
    assert {services[name]["endpoint_url"] for name in ("s3", "sns", "sqs", "sts")} == {"http://127.0.0.1:18601"}


def test_the_azure_connection_leads_to_the_local_cloud_too(layout: Layout) -> None:
    environment = airflow_environment({"AIRFLOW_CONN_AZURE_SPEECH_DEFAULT": "real"}, layout=layout, ports=PORTS)
    connection = json.loads(environment["AIRFLOW_CONN_AZURE_SPEECH_DEFAULT"])
    assert (connection["conn_type"], connection["host"]) == ("azure_speech", "http://127.0.0.1:18600")


def test_real_aws_takes_the_connection_of_the_shell(layout: Layout) -> None:
    environment = airflow_environment({"AIRFLOW_CONN_AWS_DEFAULT": "aws://real"}, layout=layout, ports=PORTS, aws=True)
    assert environment["AIRFLOW_CONN_AWS_DEFAULT"] == "aws://real"


def test_the_store_of_the_local_cloud_is_its_own_even_when_the_shell_names_one_for_real_audio(layout: Layout) -> None:
    shell = {"AIRFLOW__NARRATION__STORAGE": "file:///audiobooks", "AIRFLOW__NARRATION__POLLY_BUCKET": "mine"}
    local = airflow_environment(shell, layout=layout, ports=PORTS)
    assert local["AIRFLOW__NARRATION__STORAGE"] == f"file://{layout.store}"
    assert local["AIRFLOW__NARRATION__POLLY_BUCKET"] == "narration-output"
    aws = airflow_environment(shell, layout=layout, ports=PORTS, aws=True)
    assert {name: aws[name] for name in shell} == shell


def test_real_aws_without_a_store_of_the_shell_s_keeps_its_own(layout: Layout) -> None:
    aws = layout.of_aws()
    aws.create()
    environment = airflow_environment({}, layout=aws, ports=PORTS, aws=True)
    assert environment["AIRFLOW__NARRATION__STORAGE"] == f"file://{layout.state}/aws/store"
    assert f"{layout.state}/aws/airflow/airflow.db" in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_real_aws_is_used_only_when_asked_for() -> None:
    assert not uses_aws({"AIRFLOW_CONN_AWS_DEFAULT": "aws://real"})
    assert not uses_aws({"NARRATION_CLOUD": ""})
    assert uses_aws({"NARRATION_CLOUD": "AWS"})
    with pytest.raises(CommandError, match="azure"):
        uses_aws({"NARRATION_CLOUD": "azure"})


def test_the_keys_are_made_once_and_only_their_owner_can_read_them(layout: Layout) -> None:
    names = [name for name in airflow_environment({}, layout=layout, ports=PORTS) if re.search("SECRET|FERNET", name)]
    first = airflow_environment({}, layout=layout, ports=PORTS)
    second = airflow_environment({}, layout=layout, ports=PORTS)
    assert len(names) == 3
    assert [first[name] for name in names] == [second[name] for name in names]
    assert stat.S_IMODE((layout.airflow / "secrets.json").stat().st_mode) == 0o600


def test_damaged_keys_are_named_with_the_way_out(layout: Layout) -> None:
    (layout.airflow / "secrets.json").write_text("{")
    with pytest.raises(CommandError, match="damaged"):
        airflow_environment({}, layout=layout, ports=PORTS)


def test_what_the_components_say_to_each_other_goes_round_any_proxy(layout: Layout) -> None:
    environment = airflow_environment({"no_proxy": "intranet"}, layout=layout, ports=PORTS)
    assert environment["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_local_cloud_gets_its_ports_folder_and_preset(layout: Layout) -> None:
    environment = local_cloud_environment({"LOCAL_CLOUD_PRESET": "documented"}, layout=layout, ports=PORTS)
    assert environment == {
        "LOCAL_CLOUD_HOST": "127.0.0.1",
        "LOCAL_CLOUD_SPEECH_PORT": "18600",
        "LOCAL_CLOUD_S3_PORT": "18601",
        "LOCAL_CLOUD_STATE": str(layout.local_cloud),
        "LOCAL_CLOUD_PRESET": "documented",
    }


def test_ports_come_from_the_environment() -> None:
    assert Ports.from_environment({"AIRFLOW_PORT": "9090", "LOCAL_CLOUD_S3_PORT": ""}) == Ports(airflow=9090)


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "8080.5", "²"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="AIRFLOW_PORT"):
        Ports.from_environment({"AIRFLOW_PORT": text})


@pytest.mark.parametrize("name", ["settings.env", "embedded.env"])
def test_every_setting_exists_in_airflow(name: str) -> None:
    from airflow.configuration import conf

    known = {
        (section, option)
        for section, options in conf.configuration_description.items()
        for option in options["options"]
    }
    for variable in read_settings(CHECKOUT / "include" / "airflow" / name):
        _, section, option = variable.split("__")
        assert (section.lower(), option.lower()) in known, variable
