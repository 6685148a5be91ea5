"""The plugin comes from the plugins folder or from the installed package: once, and without a word of complaint."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from narration.installed_plugin import plugin_of
from tests.packaging.environments import IGNORED, REPOSITORY

pytestmark = pytest.mark.timeout(300)

PLUGINS = REPOSITORY / "plugins"


def test_without_a_plugins_folder_the_package_gives_the_plugin(tmp_path: Path) -> None:
    from narration_plugin import NarrationPlugin

    assert plugin_of(None) is NarrationPlugin
    assert plugin_of(str(tmp_path / "nowhere")) is NarrationPlugin
    (tmp_path / "other_plugin.py").touch()
    assert plugin_of(str(tmp_path)) is NarrationPlugin


def test_where_the_folder_has_it_the_package_gives_none(caplog: pytest.LogCaptureFixture) -> None:
    assert plugin_of(str(PLUGINS)) is None
    # This very library, linked by an editable installation, is no second one.
    assert not caplog.records


def test_a_second_library_that_would_never_run_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(PLUGINS, tmp_path / "plugins", ignore=IGNORED)

    with caplog.at_level(logging.WARNING):
        assert plugin_of(str(tmp_path / "plugins")) is None

    (record,) = caplog.records
    assert str(tmp_path / "plugins" / "narration") in record.getMessage()
    assert "pip uninstall narration" in record.getMessage()


LOAD = """
import json, logging
logging.disable()
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
from airflow.sdk import plugins_manager as of_tasks
plugins_of_tasks, errors_of_tasks = of_tasks._get_plugins()
print(json.dumps({
    # Providers that are installed beside it may have plugins too.
    "core": [[plugin.name, type(plugin.source).__name__] for plugin in plugins if plugin.name == "narration"],
    "tasks": [[plugin.name, type(plugin.source).__name__] for plugin in plugins_of_tasks if plugin.name == "narration"],
    "errors": {**errors, **errors_of_tasks},
}))
"""


def test_airflow_has_one_plugin_and_no_error_where_both_are(tmp_path: Path) -> None:
    # In the environment of the tests the package is installed (editable). The other case: test_pip.py.
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        env={
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )

    assert "narration" in {entry.name for entry in entry_points(group="airflow.plugins")}
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "core": [["narration", "PluginsDirectorySource"]],
        "tasks": [["narration", "PluginsDirectorySource"]],
        "errors": {},
    }
