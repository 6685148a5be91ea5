"""An Astro project, laid out as docs/astronomer.md says, and what `astro dev parse` does to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.commands.settings import CHECKOUT
from tests.packaging.environments import REPOSITORY, dag_ids, fenced, must, requirement_lines

pytestmark = pytest.mark.timeout(300)

PAGE = REPOSITORY / "docs" / "astronomer.md"
OF_ASTRO = ("dags", "include", "plugins", "tests")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `astro dev init` makes, and then the commands of the page, in a copy of the checkout."""
    folder = tmp_path_factory.mktemp("astro")
    project = folder / "my-astro-project"
    for name in OF_ASTRO:
        (project / name).mkdir(parents=True)
    (project / "Dockerfile").write_text("FROM something-older\n")
    (project / "packages.txt").touch()
    (project / "requirements.txt").write_text("# What the project had.\ntabulate\n")
    checkout = folder / "checkout"
    shutil.copytree(
        REPOSITORY,
        checkout,
        ignore=shutil.ignore_patterns(".*_cache", ".git", ".venv", ".narration", ".hypothesis", "dist", "build"),
    )
    commit = "git init -q && git add -A && git -c user.name=A -c user.email=a@example.com commit -q -m x"
    must(
        subprocess.run(
            ["bash", "-euc", f"{commit}\n{fenced(PAGE, heading='## Laying it out')[0]}"],
            cwd=checkout,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            timeout=280,
        )
    )
    return project


def test_the_project_has_the_dags_and_the_plugins_and_nothing_of_include(project: Path) -> None:
    assert {path.stem for path in (project / "dags").rglob("*.py")} == dag_ids()
    assert (project / "plugins" / "narration" / "hooks" / "waiters" / "polly.json").is_file()
    assert (project / "plugins" / ".airflowignore").is_file()
    assert not list(project.rglob("*.pyc"))
    assert not list(project.rglob("*.egg-info"))
    assert list((project / "include").iterdir()) == []
    assert set(requirement_lines(project / "requirements.txt")) == {
        "tabulate",
        *requirement_lines(REPOSITORY / "requirements.txt"),
    }


def test_the_image_has_the_airflow_and_a_python_that_this_is_tested_with(project: Path) -> None:
    lines = [line for line in (project / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]

    assert len(lines) == 1
    image = re.fullmatch(r"FROM \S+/runtime:3\.3-\d+-python-(3\.\d+)", lines[0])
    assert image is not None
    needed = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (REPOSITORY / "pyproject.toml").read_text())
    assert needed is not None
    assert int(needed[1]) <= int(image[1].split(".")[1]) < int(needed[2])


# As Astronomer's own check: what a Dag file might look up when it is read is made up, so that only a fault of the file
# itself is an import error. And it says what was looked up, which is nothing in a Dag file that is read without harm.
PARSE = """
import json, os, sys
import airflow.settings
airflow.settings.initialize()
from airflow.dag_processing.dagbag import DagBag
from airflow.models import Connection, Variable
from airflow.serialization.serialized_objects import DagSerialization
import airflow.sdk
looked_up = []

def get_connection(key, *arguments, **more):
    looked_up.append(f"connection {key}")
    return Connection(key)

def get_variable(key, *arguments, **more):
    looked_up.append(f"variable {key}")
    return "made_up"

real = os.getenv
def getenv(key, default=None):
    caller = os.path.abspath(sys._getframe(1).f_code.co_filename)
    if caller.startswith((os.path.abspath("dags"), os.path.abspath("plugins"))):
        looked_up.append(f"environment {key}")
    return real(key) or default or f"made_up_{key}"

airflow.sdk.BaseHook.get_connection = get_connection
airflow.sdk.Connection.get = get_connection
Variable.get = airflow.sdk.Variable.get = get_variable
os.getenv = getenv
bag = DagBag(dag_folder="dags")
for dag in bag.dags.values():
    DagSerialization.to_dict(dag)
print(json.dumps({"errors": bag.import_errors, "dags": sorted(bag.dags), "looked_up": looked_up,
                  "place": sys.modules["narration"].__path__[0]}))
"""


def parsed(project: Path) -> dict[str, Any]:
    done = must(
        subprocess.run(
            [sys.executable, "-c", PARSE],
            cwd=project,
            env={
                "PATH": os.defpath,
                "HOME": str(project),
                # As in the image, where the project is Airflow's home.
                "AIRFLOW_HOME": str(project),
                # Airflow appends it; here it goes before the package that the tests' own environment has.
                "PYTHONPATH": str(project / "plugins"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            },
            capture_output=True,
            text=True,
            timeout=280,
        )
    )
    answer: dict[str, Any] = json.loads(done.splitlines()[-1])
    return answer


def test_every_dag_is_read_without_a_look_at_connections_variables_and_the_environment(project: Path) -> None:
    answer = parsed(project)

    assert answer["errors"] == {}
    assert set(answer["dags"]) == dag_ids()
    assert answer["looked_up"] == []
    assert Path(answer["place"]) == project / "plugins" / "narration"


def test_a_dag_that_looks_something_up_would_be_seen(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "project"
    shutil.copytree(project, other)
    (other / "dags" / "polly_long_audio.py").write_text(
        "import os\nfrom airflow.sdk import DAG, Variable\nimport narration.errors\n"
        "with DAG(Variable.get('name'), schedule=None): os.getenv('SOMETHING')\nimport nothing_of_that_name\n"
    )

    answer = parsed(other)

    assert answer["looked_up"] == ["variable name", "environment SOMETHING"]
    assert [Path(path).name for path in answer["errors"]] == ["polly_long_audio.py"]


class TestTheSettings:
    @pytest.fixture
    def settings(self, project: Path) -> dict[str, list[dict[str, Any]]]:
        read: dict[str, list[dict[str, Any]]] = yaml.safe_load((project / "airflow_settings.yaml").read_text())[
            "airflow"
        ]
        return read

    def test_they_have_the_form_that_the_astro_cli_reads(self, settings: dict[str, list[dict[str, Any]]]) -> None:
        assert set(settings) == {"connections", "pools", "variables"}
        known = {
            f"conn_{name}" for name in ("id", "type", "host", "schema", "login", "password", "port", "uri", "extra")
        }
        assert all(set(connection) <= known for connection in settings["connections"])
        assert all(
            set(pool) == {"pool_name", "pool_slot", "pool_description"} and pool["pool_slot"]
            for pool in settings["pools"]
        )

    def test_the_connections_are_those_that_the_dags_look_for(self, settings: dict[str, list[dict[str, Any]]]) -> None:
        shared = json.loads((CHECKOUT / "include" / "airflow" / "connections.json").read_text())

        assert {entry["conn_id"]: entry["conn_type"] for entry in settings["connections"]} == {
            name: connection["conn_type"] for name, connection in shared.items()
        }

    def test_the_hooks_understand_them(self, settings: dict[str, list[dict[str, Any]]]) -> None:
        from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
        from airflow.sdk import Connection

        from narration.hooks.azure_account import AzureSpeechAccount

        made = {
            entry["conn_id"]: Connection(
                conn_id=entry["conn_id"],
                conn_type=entry["conn_type"],
                login=entry.get("conn_login"),
                password=entry.get("conn_password"),
                extra=json.dumps(entry["conn_extra"]),
            )
            for entry in settings["connections"]
        }
        azure = made["azure_speech_default"]
        azure.password = "0123456789abcdef"

        assert AwsConnectionWrapper(conn=made["aws_default"]).region_name == "us-east-1"
        assert "eastus" in str(
            AzureSpeechAccount.read(conn_id=azure.conn_id, connection=azure, extra=azure.extra_dejson)
        )
