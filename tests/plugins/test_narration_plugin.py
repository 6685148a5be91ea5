from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow.plugins_manager import AirflowPlugin

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_airflow_loads_the_plugin_file_and_nothing_else_from_the_folder():
    from airflow._shared.plugins_manager import plugins_manager

    plugins, errors = plugins_manager._load_plugins_from_plugin_directory(
        plugins_folder=str(PLUGINS), load_examples=False, example_plugins_module=None, ignore_file_syntax="glob"
    )

    assert errors == {}
    assert [plugin.name for plugin in plugins] == ["narration"]


def test_it_registers_the_links_of_the_blocks():
    import narration_plugin

    from narration.operators.azure_jobs import AzureDownloadBase
    from narration.operators.polly import PollyStartSpeechSynthesisTaskOperator

    assert issubclass(narration_plugin.NarrationPlugin, AirflowPlugin)
    registered = {type(link) for link in narration_plugin.NarrationPlugin.operator_extra_links}
    for block in (PollyStartSpeechSynthesisTaskOperator, AzureDownloadBase):
        assert {type(link) for link in block.operator_extra_links} <= registered


def test_it_mounts_the_pages_of_paragraphs_without_loading_them():
    import narration_plugin

    (app,) = narration_plugin.NarrationPlugin.fastapi_apps
    (tab,) = narration_plugin.NarrationPlugin.external_views

    assert app["url_prefix"] == "/narration"
    assert callable(app["app"])
    # Without a slash it is resolved against Airflow's own address, a path of a host included.
    assert tab["href"].startswith("narration/dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}")
    assert tab["destination"] == "task_instance"


def test_the_tab_can_be_left_out(monkeypatch):
    import importlib

    import narration_plugin

    monkeypatch.setenv("AIRFLOW__NARRATION__PARAGRAPHS_TAB", "False")
    try:
        assert importlib.reload(narration_plugin).NarrationPlugin.external_views == []
    finally:
        monkeypatch.undo()
        importlib.reload(narration_plugin)


def test_what_every_dag_file_and_component_imports_brings_no_cloud_sdk_and_no_codec():
    program = f"""
import sys
sys.path.insert(0, {str(PLUGINS)!r})
import airflow.sdk
import narration_plugin, narration.operators.polly, narration.sensors.polly, narration.links.polly
import narration.operators.azure_batch_synthesis, narration.operators.azure_long_audio
import narration.sensors.azure_batch_synthesis, narration.sensors.azure_long_audio
heavy = ["airflow.providers.amazon.aws", "boto3", "botocore", "aiobotocore", "av", "numpy", "lxml", "azure.identity"]
heavy.append("fastapi")
print([name for name in heavy if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
