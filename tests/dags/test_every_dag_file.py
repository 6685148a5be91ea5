"""Every Dag file is accounted for, and reading one costs next to nothing and touches nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronDataIntervalTimetable
from airflow.serialization.serialized_objects import DagSerialization

REPOSITORY = Path(__file__).parents[2]
DAGS = REPOSITORY / "dags"
EXPECTED = {
    "azure_batch_synthesis.py": {"azure_batch_synthesis"},
    "azure_long_audio.py": {"azure_long_audio"},
    "azure_retention.py": {"azure_retention"},
    "narrate_azure_batch.py": {"narrate_azure_batch"},
    "narrate_azure_long_audio.py": {"narrate_azure_long_audio"},
    "narrate_nightly.py": {"narrate_nightly"},
    "narrate_polly.py": {"narrate_polly"},
    "polly_long_audio.py": {"polly_long_audio"},
}
SCHEDULED = {
    "azure_retention": "@hourly",
    "narrate_nightly": CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
}
"""All others run only when they are asked to: they spend money. The nightly one does so once it is switched on."""
MOST_ADDED = 0.25

# Prints the time of the processor that importing Airflow takes, and what reading the files of the arguments adds.
TIME = """
import runpy, sys, time
begun = time.process_time()
import airflow.sdk, airflow.models
airflow.sdk.DAG('empty', schedule=None)  # what every Dag loads besides
imported = time.process_time()
for path in sys.argv[1:]:
    runpy.run_path(path)
print(imported - begun, time.process_time() - imported)
"""
# Prints what reading the files of the arguments touches.
READ = """
import json, runpy, sys
import airflow.sdk, airflow.models
airflow.sdk.DAG('empty', schedule=None)  # what every Dag loads besides
touched = {"opened": [], "sockets": [], "processes": []}
code = (*sys.path[1:], sys.prefix, sys.base_prefix, sys.pycache_prefix, *sys.argv[1:])
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = arguments[0]
        if not path.startswith(code) or not path.endswith((".py", ".pyc", ".pth", ".txt", "METADATA", ".so", ".toml")):
            touched["opened"].append(path)
    elif event.startswith("socket."):
        touched["sockets"].append(event)
    elif event.startswith(("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn")):
        touched["processes"].append(event)
sys.addaudithook(watch)
for path in sys.argv[1:]:
    runpy.run_path(path)
touched["heavy"] = sorted({"boto3", "botocore", "aiobotocore", "av", "numpy", "pandas", "pysbd"} & set(sys.modules))
print(json.dumps(touched))
"""


@pytest.fixture(scope="module")
def dag_bag():
    return DagBag(dag_folder=str(DAGS), safe_mode=False)


def test_every_file_gives_the_dags_that_it_is_there_for(dag_bag):
    assert dag_bag.import_errors == {}
    found: dict[str, set[str]] = {path.name: set() for path in DAGS.rglob("*.py")}
    for dag in dag_bag.dags.values():
        found[Path(dag.fileloc).name].add(dag.dag_id)
    assert found == EXPECTED


def test_every_dag_says_what_it_is_and_what_spends_money_runs_only_when_asked(dag_bag):
    for dag in dag_bag.dags.values():
        assert dag.doc_md.strip()
        assert dag.tags
        assert dag.schedule == SCHEDULED.get(dag.dag_id)
        assert not dag.catchup


def test_every_dag_reaches_the_scheduler_and_comes_back(dag_bag):
    for dag in dag_bag.dags.values():
        stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        assert DagSerialization.from_dict(stored).task_dict.keys() == dag.task_dict.keys()


@pytest.fixture(scope="module")
def read_afresh(tmp_path_factory):
    """Read every Dag file in a fresh process, as the Dag processor does, and give the last line that it prints."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(REPOSITORY / "plugins"),
        "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled")),
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
    }

    def run(code: str) -> str:
        command = [sys.executable, "-c", code, *(str(path) for path in sorted(DAGS.glob("*.py")))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)
        return done.stdout.splitlines()[-1]

    return run


@pytest.fixture(scope="module")
def reading(read_afresh):
    return json.loads(read_afresh(READ))


def test_reading_adds_little_to_importing_airflow(read_afresh):
    shares = []
    # The first time compiles what is imported, which others need not. Shares, because machines differ; several times,
    # because other work takes the caches of a processor from whoever is measured.
    for _ in range(4):
        importing, added = (float(seconds) for seconds in read_afresh(TIME).split())
        shares.append(added / importing)
        if shares[-1] < MOST_ADDED:
            break
    assert min(shares) < MOST_ADDED, shares


def test_reading_opens_nothing_but_code_and_starts_and_calls_nothing(reading):
    assert reading["opened"] == []
    assert reading["sockets"] == []
    assert reading["processes"] == []


def test_reading_loads_no_cloud_sdk_and_no_codecs(reading):
    assert reading["heavy"] == []
