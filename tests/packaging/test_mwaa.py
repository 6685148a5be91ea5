"""
What Amazon MWAA's image of Airflow 3.3.1 holds, and Narration in it as docs/mwaa.md brings it there.

The commands of that page are run against the local cloud's S3; what lies in the bucket afterwards is laid out and
installed as the image does it, with pip and on top of what the image holds. The name of each test says which Python it
was: 3.12, as on MWAA, or, where the machine has none, the Python of the tests with the same versions.
"""

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
from typing import Any

import pytest

from tests.conftest import BUCKET, CloudHandle, running_cloud
from tests.packaging.environments import REPOSITORY, Environment, dag_ids, fenced, must, pins, python_for

pytestmark = [pytest.mark.drop_in, pytest.mark.timeout(900)]

PAGE = REPOSITORY / "docs" / "mwaa.md"
ON_MWAA = "/usr/local/airflow"
ENVIRONMENT_BUCKET = "mwaa-environment"
PYTHON, PYTHON_VERSION = python_for("3.12")
# Compiled against libraries that a machine may not have; nothing of ours comes near them.
NOT_BUILT = {"psycopg2", "pycurl"}
# What has no build for Python 3.11 in the version that MWAA installs.
ONLY_FOR_3_12 = {"numpy"}
STORY = """Chapter 1

The lamp was lit at dusk. It burned all night.

In the morning the sea was calm.
"""


@pytest.fixture(scope="module", params=[f"python{PYTHON_VERSION}"], autouse=True)
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter; its version is in the names of the tests."""
    if PYTHON_VERSION != "3.12":
        print(f"No Python 3.12 here (MWAA_PYTHON names one): MWAA's versions are tested with {PYTHON_VERSION}.")
    return PYTHON


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudHandle]:
    with running_cloud("speech") as handle:
        s3 = handle.client("s3")
        s3.create_bucket(Bucket=ENVIRONMENT_BUCKET)
        # As MWAA demands of the bucket of an environment.
        s3.put_bucket_versioning(Bucket=ENVIRONMENT_BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=BUCKET, Key="texts/story.txt", Body=STORY.encode())
        yield handle


@dataclass(frozen=True)
class Update:
    """What the page asks MWAA for."""

    options: dict[str, str]
    arguments: list[str]

    def value(self, option: str) -> str:
        """What an option of the command line was given."""
        return self.arguments[self.arguments.index(option) + 1]


@pytest.fixture(scope="module")
def update(python: str, cloud: CloudHandle, tmp_path_factory: pytest.TempPathFactory) -> Update:
    """The page's commands, followed up to the update of the environment, which AWS's own command line tool checks."""
    folder = tmp_path_factory.mktemp("page")
    checkout = folder / "checkout"
    shutil.copytree(
        REPOSITORY,
        checkout,
        ignore=shutil.ignore_patterns(".*_cache", ".venv", ".narration", "__pycache__", "dist", "build", ".hypothesis"),
    )
    asked = folder / "asked.json"
    shims = folder / "bin"
    shims.mkdir()
    aws = Path(sys.executable).parent / "aws"
    (shims / "aws").write_text(
        f"""#!{sys.executable}
import json, os, sys
arguments = sys.argv[1:]
if arguments[0] == "mwaa":
    # There is no MWAA here; this checks the arguments and asks nobody.
    json.dump(arguments, open({str(asked)!r}, "w"))
    arguments += ["--generate-cli-skeleton", "output"]
os.execv({str(aws)!r}, ["aws", *arguments])
"""
    )
    (shims / "aws").chmod(0o755)
    upload = fenced(PAGE, heading="## Uploading")[0].replace("my-mwaa-bucket", ENVIRONMENT_BUCKET)
    switch = fenced(PAGE, heading="## Switching it on")[0]
    must(
        subprocess.run(
            ["bash", "-euc", f"export AUDIO={BUCKET}\n{upload}\n{switch}"],
            cwd=checkout,
            env={
                "PATH": os.pathsep.join([str(shims), os.environ["PATH"]]),
                "HOME": str(folder),
                "PYTHON": sys.executable,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local-secret",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": cloud.s3_url,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
    )
    arguments = json.loads(asked.read_text())
    options = json.loads(arguments[arguments.index("--airflow-configuration-options") + 1])
    return Update(options=options, arguments=arguments)


@dataclass(frozen=True)
class Mwaa:
    """The stand-in for an environment."""

    environment: Environment
    before: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def mwaa(python: str, cloud: CloudHandle, update: Update, tmp_path_factory: pytest.TempPathFactory) -> Mwaa:
    folder = tmp_path_factory.mktemp("mwaa")
    left_out = NOT_BUILT | (set() if PYTHON_VERSION == "3.12" else ONLY_FOR_3_12)

    def versions(path: Path) -> str:
        return "".join(f"{name}=={pin}\n" for name, pin in pins(path.read_text()).items() if name not in left_out)

    image = folder / "image.txt"
    image.write_text(versions(REPOSITORY / "deploy" / "mwaa" / "image.txt"))
    environment = Environment.create(folder, python=python, seed=True)
    environment.install("-r", image)
    before = environment.installed()

    def fetch(key: str, path: Path, **version: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        cloud.client("s3").download_file(ENVIRONMENT_BUCKET, key, str(path), ExtraArgs=version)
        return path

    home = environment.home
    s3 = cloud.client("s3")
    for entry in s3.list_objects_v2(Bucket=ENVIRONMENT_BUCKET, Prefix="dags/")["Contents"]:
        fetch(entry["Key"], home / entry["Key"])
    archive = fetch(
        update.value("--plugins-s3-path"),
        folder / "plugins.zip",
        VersionId=update.value("--plugins-s3-object-version"),
    )
    with zipfile.ZipFile(archive) as file:
        file.extractall(home / "plugins")
    requirements = fetch(
        update.value("--requirements-s3-path"),
        folder / "requirements.txt",
        VersionId=update.value("--requirements-s3-object-version"),
    )
    assert f"--constraint {ON_MWAA}/plugins/" in requirements.read_text()
    requirements.write_text(requirements.read_text().replace(ON_MWAA, str(home)))
    constraints = home / "plugins" / "constraints-mwaa.txt"
    constraints.write_text(versions(constraints))
    # The image's own command, which adds constraints on what an environment must not replace: here, on all of it.
    said = must(
        environment.run(
            *("pip", "install", "--constraint", str(image), "-r", str(requirements)),
            timeout=540,
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        )
    )
    environment.settings |= {
        # What MWAA sets in each of its containers.
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW__CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "True",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        # The execution role.
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local-secret",
        "AWS_ENDPOINT_URL": cloud.s3_url,
        "AWS_ENDPOINT_URL_POLLY": cloud.speech_url,
        **{f"AIRFLOW__{name.replace('.', '__').upper()}": value for name, value in update.options.items()},
    }
    environment.airflow("db", "migrate")
    return Mwaa(environment=environment, before=before, said=said)


def test_what_the_page_uploads_is_what_the_update_names(update: Update, cloud: CloudHandle) -> None:
    s3 = cloud.client("s3")

    for what in ("plugins", "requirements"):
        key = update.value(f"--{what}-s3-path")
        newest = s3.head_object(Bucket=ENVIRONMENT_BUCKET, Key=key)["VersionId"]
        assert update.value(f"--{what}-s3-object-version") == newest
    uploaded = s3.list_objects_v2(Bucket=ENVIRONMENT_BUCKET, Prefix="dags/")["Contents"]
    assert {entry["Key"] for entry in uploaded} == {f"dags/{name}.py" for name in dag_ids()}


def test_the_installation_adds_packages_and_changes_none(mwaa: Mwaa) -> None:
    after = mwaa.environment.installed()

    assert {name: version for name, version in after.items() if name in mwaa.before} == mwaa.before
    assert "av" in set(after) - set(mwaa.before)
    assert after["apache-airflow"] == "3.3.1"
    assert after["apache-airflow-providers-amazon"] == "9.34.0"
    assert after["boto3"] == "1.43.56"
    assert len(set(after) - set(mwaa.before)) == len(documented_additions())


def documented_additions() -> set[str]:
    """What constraints-mwaa.txt has beyond the image, which the page counts."""
    image, wanted = (
        pins((REPOSITORY / name).read_text()) for name in ("deploy/mwaa/image.txt", "constraints-mwaa.txt")
    )
    return set(wanted) - set(image)


def test_the_page_counts_the_packages_right() -> None:
    numbers = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

    assert f"add {numbers[len(documented_additions())]} packages" in PAGE.read_text()


def test_airflow_has_the_plugin_and_reads_every_dag(mwaa: Mwaa) -> None:
    environment = mwaa.environment

    plugins = last_line(environment.airflow("plugins", "--output", "json"))
    assert [(plugin["name"], plugin["source"]) for plugin in plugins] == [
        ("narration", "$PLUGINS_FOLDER/narration_plugin.py")
    ]
    assert last_line(environment.airflow("dags", "list-import-errors", "--local", "--output", "json")) == []
    # Serializes them and writes them into the database, from which they are then listed.
    environment.airflow("dags", "reserialize")
    dags = last_line(environment.airflow("dags", "list", "--output", "json"))
    assert {dag["dag_id"] for dag in dags} == dag_ids()


def test_an_import_error_would_be_seen(mwaa: Mwaa) -> None:
    broken = mwaa.environment.home / "dags" / "broken.py"
    broken.write_text("from airflow.sdk import DAG\nimport narration.nothing_of_that_name\n")

    try:
        done = mwaa.environment.run("airflow", "dags", "list-import-errors", "--local", "--output", "json")
    finally:
        broken.unlink()

    assert "nothing_of_that_name" in last_line(done.stdout)[0]["error"]


def last_line(said: str) -> Any:
    """What an airflow command answers as JSON, after its warnings."""
    return json.loads(said.splitlines()[-1])


IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil
import airflow.settings
airflow.settings.initialize()
assert importlib.util.find_spec("include") is None
import narration
modules = [module.name for module in pkgutil.walk_packages(narration.__path__, "narration.")]
for module in modules:
    importlib.import_module(module)
print(narration.__path__[0], len(modules))
"""


def test_every_module_can_be_imported_with_the_plugins_folder_alone(mwaa: Mwaa) -> None:
    said = must(mwaa.environment.run("python", "-c", IMPORT_EVERYTHING))

    place, count = said.splitlines()[-1].split()
    assert Path(place) == mwaa.environment.home / "plugins" / "narration"
    assert int(count) > 100


START_WEB_SERVER = """
from airflow.api_fastapi.app import create_app
from airflow import plugins_manager
create_app()
print(plugins_manager.get_import_errors())
"""


def test_the_web_server_starts_with_the_plugin_and_mwaas_auth_manager(mwaa: Mwaa) -> None:
    manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"

    said = must(mwaa.environment.run("python", "-c", START_WEB_SERVER, AIRFLOW__CORE__AUTH_MANAGER=manager))

    assert said.splitlines()[-1] == "{}"


READ_OPTIONS = """
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(dag_folder="dags/narrate_polly.py").dags["narrate_polly"]
print(dag.params["storage"], dag.params["output_bucket"])
"""


def test_configuration_options_are_the_defaults_of_the_form(mwaa: Mwaa) -> None:
    said = must(mwaa.environment.run("python", "-c", READ_OPTIONS))

    assert said.splitlines()[-1] == f"s3://{BUCKET}/store {BUCKET}"


def test_a_document_is_narrated_from_the_bucket_to_the_bucket(mwaa: Mwaa, cloud: CloudHandle) -> None:
    conf = json.dumps({"document": f"s3://{BUCKET}/texts/story.txt"})

    mwaa.environment.airflow("dags", "test", "narrate_polly", "--conf", conf, timeout=400)

    assert cloud.bill()["jobs"] == 3
    stored = keys(cloud, "store/narrations/")
    assert {key.rpartition(".")[2] for key in stored} == {"mp3", "m4b", "json"}
    manifest = json.loads(body(cloud, next(key for key in stored if key.endswith("manifest.json"))))
    assert "The lamp was lit at dusk." in json.dumps(manifest)
    assert len(body(cloud, next(key for key in stored if key.endswith(".mp3")))) > 10_000


def keys(cloud: CloudHandle, prefix: str) -> list[str]:
    return [entry["Key"] for entry in cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]


def body(cloud: CloudHandle, key: str) -> bytes:
    content: bytes = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


@pytest.fixture
def secrets_manager() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


LOOK_UP = """
from airflow.models.connection import Connection
connection = Connection.get_connection_from_secrets("azure_speech_default")
print(connection.conn_type, connection.extra_dejson["region"])
print(Connection.get_connection_from_secrets("aws_default").get_uri())
"""


def test_the_connection_of_azure_comes_from_secrets_manager(mwaa: Mwaa, secrets_manager: str) -> None:
    command = fenced(PAGE, heading="## Connections")[1]
    aws: dict[str, Any] = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        **{name: value for name, value in mwaa.environment.settings.items() if name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": secrets_manager,
    }
    must(subprocess.run(["bash", "-euc", command], env=aws, capture_output=True, text=True, timeout=60))
    options = documented_options("secrets.")

    said = must(
        mwaa.environment.run(
            "python",
            "-c",
            LOOK_UP,
            AWS_ENDPOINT_URL_SECRETS_MANAGER=secrets_manager,
            **{f"AIRFLOW__{name.replace('.', '__').upper()}": value for name, value in options.items()},
        )
    )

    assert said.splitlines()[-2:] == ["azure_speech eastus", "aws://"]


def documented_options(prefix: str) -> dict[str, str]:
    """The configuration options in the page's tables."""
    rows = (line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith(f"| `{prefix}"))
    return {row[0].strip("| `"): row[1].strip("| ").strip("`") for row in rows}


def test_the_policy_is_that_of_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    policy = json.loads((REPOSITORY / "deploy" / "mwaa" / "execution-role-policy.json").read_text())

    block = readme.split("```json\n")[1].split("```")[0]
    assert policy == json.loads(block)
