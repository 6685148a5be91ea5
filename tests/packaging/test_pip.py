"""A new virtual environment, filled and used as docs/pip.md says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import BUCKET, CloudHandle, running_cloud
from tests.packaging.environments import IGNORED, REPOSITORY, Environment, dag_ids, fenced, must, pins

pytestmark = [pytest.mark.drop_in, pytest.mark.timeout(900)]

PAGE = REPOSITORY / "docs" / "pip.md"
CONSTRAINTS = REPOSITORY / "constraints.txt"
OF_EVERY_VENV = {"pip", "setuptools", "wheel"}


@dataclass(frozen=True)
class Installation:
    environment: Environment
    wheel: Path


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What the page's commands make, in a copy of the checkout."""
    folder = tmp_path_factory.mktemp("pip")
    checkout = folder / "checkout"
    shutil.copytree(
        REPOSITORY,
        checkout,
        ignore=shutil.ignore_patterns(
            *(".*_cache", ".git", ".venv", ".narration", ".hypothesis", "__pycache__", "dist", "build", "*.egg-info")
        ),
    )
    # uv puts there what pip would download, which is minutes quicker; pip then finds that it is what it wants.
    environment = Environment.create(folder, python=sys.executable, name="checkout/airflow-venv")
    environment.install("apache-airflow==3.3.2", "-r", REPOSITORY / "requirements.txt", "-c", CONSTRAINTS)
    install = fenced(PAGE, heading="## As a package")[0]
    copy = fenced(PAGE, heading="## The Dags")[0]
    again = fenced(PAGE, heading="## A new version")[0].replace("git pull\n", "")
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "TMPDIR"))}
    must(
        subprocess.run(
            ["bash", "-euc", f"{install}\n{copy}\n{again}"],
            cwd=checkout,
            env={
                **kept,
                "PATH": os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.defpath]),
                "HOME": os.environ["HOME"],
                "AIRFLOW_HOME": str(environment.home),
            },
            capture_output=True,
            text=True,
            timeout=800,
        )
    )
    (wheel,) = (checkout / "dist").glob("*.whl")
    environment.airflow("db", "migrate")
    return Installation(environment=environment, wheel=wheel)


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudHandle]:
    with running_cloud("speech") as handle:
        yield handle


def test_the_wheel_holds_every_file_of_the_library_and_the_plugin_and_nothing_else(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY / "plugins",
        capture_output=True,
        text=True,
        check=True,
    )
    assert packed == set(listed.stdout.splitlines()) - {".airflowignore"}
    assert "narration/hooks/waiters/polly.json" in packed


def test_the_versions_are_those_of_the_constraints(installation: Installation) -> None:
    installed = installation.environment.installed()

    # A list made for all systems has some names twice.
    locked = {name: versions.split(" or ") for name, versions in pins(CONSTRAINTS.read_text()).items()}
    assert installed["apache-airflow"] == "3.3.2"
    assert installed.keys() - {*OF_EVERY_VENV, "narration"} <= locked.keys()
    assert {name: version for name, version in installed.items() if version not in locked.get(name, [version])} == {}


def test_airflow_knows_the_provider_with_its_connection_type(installation: Installation) -> None:
    providers = json.loads(installation.environment.airflow("providers", "list", "--output", "json").splitlines()[-1])
    hooks = json.loads(installation.environment.airflow("providers", "hooks", "--output", "json").splitlines()[-1])

    assert "narration" in {provider["package_name"] for provider in providers}
    (hook,) = [hook for hook in hooks if hook["connection_type"] == "azure_speech"]
    assert hook["package_name"] == "narration"


LOAD = """
import importlib, json, logging, pkgutil
from airflow import plugins_manager
from airflow.sdk import plugins_manager as of_tasks
plugins, errors = plugins_manager._get_plugins()
plugins_of_tasks, errors_of_tasks = of_tasks._get_plugins()
import narration
modules = [module.name for module in pkgutil.walk_packages(narration.__path__, "narration.")]
for module in modules:
    importlib.import_module(module)
print(json.dumps({
    "plugins": [[plugin.name, type(plugin.source).__name__] for plugin in [*plugins, *plugins_of_tasks]
                if plugin.name == "narration"],
    "errors": {**errors, **errors_of_tasks},
    "place": narration.__path__[0],
    "modules": len(modules),
}))
"""


def test_without_a_plugins_folder_the_plugin_is_there_once_and_everything_imports(installation: Installation) -> None:
    environment = installation.environment

    answer = json.loads(must(environment.run("python", "-c", LOAD)).splitlines()[-1])

    assert answer["plugins"] == [["narration", "EntryPointSource"]] * 2
    assert answer["errors"] == {}
    assert Path(answer["place"]).is_relative_to(environment.folder)
    assert answer["modules"] > 100


def test_with_the_plugins_folder_beside_it_there_is_still_one_and_the_log_says_what_runs(
    installation: Installation, tmp_path: Path
) -> None:
    shutil.copytree(REPOSITORY / "plugins", tmp_path / "plugins", ignore=IGNORED)

    done = installation.environment.run("python", "-c", LOAD, AIRFLOW__CORE__PLUGINS_FOLDER=str(tmp_path / "plugins"))

    answer = json.loads(must(done).splitlines()[-1])
    assert answer["plugins"] == [["narration", "PluginsDirectorySource"]] * 2
    assert answer["errors"] == {}
    assert "The package is what runs" in done.stdout + done.stderr
    assert str(tmp_path / "plugins" / "narration") in done.stdout + done.stderr


def test_a_document_is_narrated(installation: Installation, cloud: CloudHandle, tmp_path: Path) -> None:
    environment = installation.environment
    (tmp_path / "story.txt").write_text("Chapter 1\n\nThe lamp was lit at dusk. It burned all night.\n")
    connection = json.dumps(cloud.connection())

    errors = environment.airflow("dags", "list-import-errors", "--local", "--output", "json")
    environment.airflow(
        *("dags", "test", "narrate_polly", "--conf", json.dumps({"document": str(tmp_path / "story.txt")})),
        timeout=400,
        AIRFLOW_CONN_AWS_DEFAULT=connection,
        AIRFLOW__NARRATION__STORAGE=str(tmp_path / "store"),
        AIRFLOW__NARRATION__POLLY_BUCKET=BUCKET,
    )

    assert json.loads(errors.splitlines()[-1]) == []
    assert {path.stem for path in (environment.home / "dags").glob("*.py")} == dag_ids()
    made = {path.suffix for path in (tmp_path / "store" / "narrations").rglob("*.*")}
    assert made == {".mp3", ".m4b", ".json"}
    assert cloud.bill()["jobs"] == 2
