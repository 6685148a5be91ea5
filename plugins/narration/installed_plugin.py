"""
The plugin, for an Airflow in which this package is installed (entry point ``airflow.plugins``).

Airflow loads its plugins folder first and the entry points after it, and reports the second plugin of a name as an
error. Whoever has the folder and the package, as everybody has who works on this project, is to have neither two
plugins nor that error.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def plugin_of(plugins_folder: str | None) -> type[Any] | None:
    """
    Give the plugin, or None where Airflow finds it in its plugins folder.

    A library in both places is said in the log: Python takes the installed one, and an edit or an upgrade of the other
    would change nothing.

    :param plugins_folder: Airflow's, as configured; it need not exist.
    """
    if plugins_folder and (Path(plugins_folder) / "narration_plugin.py").is_file():
        here = Path(__file__).resolve().parent
        other = (Path(plugins_folder) / "narration").resolve()
        if other.is_dir() and other != here:
            log.warning(
                "Narration is installed as a package, in %s, and lies in the plugins folder too, in %s. The package is "
                "what runs. Remove one of the two: pip uninstall narration, or the files in the folder.",
                here,
                other,
            )
        return None
    from narration_plugin import NarrationPlugin

    return NarrationPlugin


def _configured_plugin() -> type[Any] | None:
    from airflow import settings

    return plugin_of(settings.PLUGINS_FOLDER)


plugin = _configured_plugin()
"""What Airflow asks for; it passes over a None without a word."""
