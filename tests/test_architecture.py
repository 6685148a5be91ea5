"""The arrows of the design: who may import whom, read from the source and not from what happens to be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PLUGINS = REPOSITORY / "plugins"
LIBRARY = PLUGINS / "narration"

PURE = {"document", "synthesis", "audio", "inbox", "threads"}
# Each room may import what stands after it, besides itself, the pure rooms and the exceptions.
ALLOWED = {
    "operators": {
        "triggers",
        "services",
        "hooks",
        "links",
        "store",
        "listing",
        "paths",
        "notices",
        "metrics",
        "logs",
        "secrecy",
    },
    "sensors": {"triggers", "services", "hooks", "links", "store", "paths", "metrics", "logs", "secrecy"},
    "triggers": {"services", "hooks", "store", "paths", "metrics", "logs", "secrecy"},
    "services": {"hooks", "store", "paths", "connections", "metrics", "logs", "secrecy"},
    "hooks": {"store", "paths", "connections", "metrics", "logs", "secrecy"},
    "links": {"hooks", "store", "paths"},
    # Runs in the API server.
    "ui": {"links", "store", "paths"},
    "store": {"paths", "secrecy"},
    "listing": {"paths"},
    "paths": {"connections", "secrecy"},
    # Looks up what Airflow says is not there.
    "connections": set(),
    # Cleans the lines of other libraries.
    "secrecy": set(),
    "errors": set(),
    # What those who watch are told; everybody who does something may tell it.
    "metrics": {"logs"},
    "logs": set(),
    "provider_info": set(),
    # Runs where Dag files are read, and in the triggerer.
    "notices": {"hooks"},
    # Stands for the plugin file where there is no plugins folder.
    "installed_plugin": set(),
    # Runs in the scheduler.
    "listeners": {"notices"},
    # A narration is planned from a document; the others know nothing of each other.
    "synthesis": {"document"},
    "document": set(),
    "audio": {"threads"},
    "inbox": set(),
    "threads": set(),
}
IMPURE = {"airflow", "boto3", "botocore", "aiobotocore", "s3fs", "fsspec", "requests", "httpx", "aiohttp", "urllib3"}
# What costs a second or so to import and what only a running task needs.
# The standard provider is Airflow's own, and takes some hundredths of a second.
HEAVY = {
    *("airflow.providers.amazon", "airflow.providers.common", "airflow.providers.microsoft"),
    *("airflow.providers.smtp", "airflow.providers.slack"),
    *("boto3", "botocore", "aiobotocore", "av", "numpy", "pysbd"),
}


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The modules that a file names in its imports, ``from x import y`` as both ``x`` and ``x.y``."""
    tree = ast.parse(path.read_text())
    nodes = _outside_functions(tree) if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively; absolute imports can be read by everybody"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _outside_functions(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _outside_functions(child)


def packages(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def rooms(modules: set[str]) -> set[str]:
    """The rooms of the library among some modules."""
    found = {module.split(".")[1] for module in modules if module.startswith("narration.")}
    assert found <= set(ALLOWED), f"a room that the design does not know: {found - set(ALLOWED)}"
    return found


def room_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


LIBRARY_FILES = [path for path in python_files(LIBRARY) if path != LIBRARY / "__init__.py"]


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=named)
def test_imports_point_one_way(path):
    room = room_of(path)

    allowed = ALLOWED[room] | {room, "errors"} | (PURE if room not in PURE | {"errors"} else set())
    assert rooms(imported(path)) <= allowed


@pytest.mark.parametrize("path", [path for path in LIBRARY_FILES if room_of(path) in PURE], ids=named)
def test_the_pure_rooms_import_no_airflow_no_cloud_sdk_and_no_http(path):
    modules = imported(path)

    assert not packages(modules) & IMPURE
    assert not {
        module for module in modules if module.split(".")[0] in {"http", "socket"} or "urllib.request" in module
    }


@pytest.mark.parametrize("path", python_files(REPOSITORY / "dags"), ids=named)
def test_dags_are_wiring(path):
    modules = imported(path)

    # What comes first in the row is what a Dag file is made of; further down only from within a task.
    assert rooms(imported(path, top_level_only=True)) <= {"operators", "sensors", "notices", *PURE}
    assert packages(modules) <= {"__future__", "narration", "airflow", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", python_files(REPOSITORY / "dags", PLUGINS), ids=named)
def test_what_airflow_runs_imports_nothing_of_include_and_of_the_tests(path):
    # The triggerer and the API server have only plugins/ on their path.
    assert not packages(imported(path)) & {"include", "tests", "benchmarks"}


@pytest.mark.parametrize("path", python_files(REPOSITORY / "include" / "local_cloud"), ids=named)
def test_the_local_cloud_imports_nothing_of_ours(path):
    # A faithful counterpart must not share our misunderstandings.
    modules = imported(path)

    assert "narration" not in packages(modules)
    assert {module for module in modules if module.split(".")[0] == "include"} <= {
        module for module in modules if module == "include" or module.startswith("include.local_cloud")
    }


@pytest.mark.parametrize("path", python_files(REPOSITORY / "include" / "commands"), ids=named)
def test_the_commands_start_the_local_cloud_and_never_import_it(path):
    modules = imported(path)

    assert not {module for module in modules if module.startswith("include.local_cloud")}
    assert "narration" not in packages(modules)


@pytest.mark.parametrize(
    "path",
    [path for path in LIBRARY_FILES if room_of(path) not in {"hooks", "triggers", "services"}]
    + [LIBRARY / "hooks" / name for name in ("polly_errors.py", "polly_retry.py", "polly_tasks.py")]
    + [PLUGINS / "narration_plugin.py"],
    ids=named,
)
def test_what_a_dag_file_reaches_loads_nothing_heavy_at_the_top(path):
    modules = imported(path, top_level_only=True)

    assert not {module for module in modules for heavy in HEAVY if module == heavy or module.startswith(f"{heavy}.")}


def test_only_one_file_is_loaded_by_airflow_as_a_plugin():
    assert [path.name for path in PLUGINS.glob("*.py")] == ["narration_plugin.py"]
    assert "narration/" in (PLUGINS / ".airflowignore").read_text().splitlines()


def test_the_pure_rooms_can_be_used_where_no_airflow_is():
    modules = [
        ".".join(path.relative_to(PLUGINS).with_suffix("").parts).removesuffix(".__init__")
        for path in LIBRARY_FILES
        if room_of(path) in PURE
    ]
    program = (
        "import sys, importlib\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        f"print(sorted(set(sys.modules) & {IMPURE!r}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(PLUGINS)}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
