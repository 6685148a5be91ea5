"""
``make plugins-zip``: ``plugins/`` as Amazon MWAA takes it, in ``dist/plugins.zip``.

The same commit gives the same bytes on every machine, so that a checksum tells which one an environment runs. Uses the
standard library only: it needs no ``.venv``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CONSTRAINTS = "constraints-mwaa.txt"
"""Travels in the archive, where ``deploy/mwaa/requirements.txt`` looks for it once MWAA has unpacked it."""
_EARLIEST = 315532800
"""1980-01-01, before which the zip format has no dates."""


class PluginsZipError(Exception):
    """The archive was not written; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What was written."""

    path: Path
    files: int
    size: int
    sha256: str


def plugin_files(plugins: Path) -> list[Path]:
    """
    The files of the plugins folder that an installation needs: no bytecode, no metadata of an installed package, and of
    the hidden files only those that Airflow reads.

    :raises PluginsZipError: if it is not a plugins folder of this project.
    """
    if not (plugins / "narration_plugin.py").is_file():
        raise PluginsZipError(f"There is no narration_plugin.py in {plugins}.\n→ Run make in a complete checkout.")
    return sorted(path for path in plugins.rglob("*") if path.is_file() and _belongs(path.relative_to(plugins)))


def _belongs(path: Path) -> bool:
    if any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts):
        return False
    hidden = any(part.startswith(".") for part in path.parts)
    return path.name == ".airflowignore" or not (hidden or path.suffix == ".pyc" or path.name.endswith("~"))


def build(*, checkout: Path, output: Path, environment: Mapping[str, str] = os.environ) -> Archive:
    """
    Write the archive, replacing an older one only once the new one is whole.

    :raises PluginsZipError: if the checkout is not complete.
    """
    plugins = checkout / "plugins"
    contents = {str(path.relative_to(plugins)): path for path in plugin_files(plugins)}
    contents[CONSTRAINTS] = checkout / CONSTRAINTS
    if not contents[CONSTRAINTS].is_file():
        raise PluginsZipError(f"There is no {contents[CONSTRAINTS]}.\n→ Run make in a complete checkout.")
    # Not one constant moment for all versions: Python trusts old bytecode if time and size of the source are unchanged.
    moment = time.gmtime(max(_EARLIEST, _last_change(checkout, contents, environment)))[:6]
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.unfinished")
    with zipfile.ZipFile(unfinished, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name.replace(os.sep, "/"), date_time=moment)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            # Not compressed: other builds of zlib give other bytes, and it is hardly a megabyte.
            entry.compress_type = zipfile.ZIP_STORED
            archive.writestr(entry, contents[name].read_bytes())
    unfinished.replace(output)
    data = output.read_bytes()
    return Archive(path=output, files=len(contents), size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _last_change(checkout: Path, contents: Mapping[str, Path], environment: Mapping[str, str]) -> int:
    """Seconds since 1970: what SOURCE_DATE_EPOCH says, or the commit, or, outside of git, the newest of the files."""
    given = environment.get("SOURCE_DATE_EPOCH", "").strip()
    if given:
        if not given.isdigit():
            raise PluginsZipError(f"SOURCE_DATE_EPOCH={given} is no number of seconds.\n→ Correct it or leave it out.")
        return int(given)
    committed = git(checkout, "log", "-1", "--format=%ct")
    if committed:
        return int(committed)
    return int(max(path.stat().st_mtime for path in contents.values()))


def version(checkout: Path) -> str:
    """The commit, and whether what is packed differs from it."""
    commit = git(checkout, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return "not under version control"
    changed = git(checkout, "status", "--porcelain", "--", "plugins", CONSTRAINTS)
    return f"commit {commit}" + (", with changes that are not committed" if changed else "")


def git(checkout: Path, *arguments: str) -> str:
    """What git answers; empty without git or outside of a repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make plugins-zip", description=__doc__)
    parser.add_argument("--output", type=Path, default=CHECKOUT / "dist" / "plugins.zip")
    output = parser.parse_args(arguments).output
    try:
        archive = build(checkout=CHECKOUT, output=output)
    except PluginsZipError as error:
        print(error)
        return 1
    except OSError as error:
        print(f"{error.filename or output} could not be read or written: {error.strerror}.\n→ Is the disk full?")
        return 1
    print(f"{archive.path}")
    print(f"  {archive.files} files, {archive.size:,} bytes, {version(CHECKOUT)}")
    print(f"  sha256 {archive.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
