"""The part of the commands that runs before there is a Python environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.commands.settings import CHECKOUT

SCRIPT = CHECKOUT / "include" / "commands" / "set_up.sh"
NEEDED = ("sh", "cat", "cksum", "rm", "tail", "grep")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with what the script needs and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = next(Path(entry) / name for entry in os.get_exec_path() if (Path(entry) / name).exists())
        (folder / name).symlink_to(found)
    return folder


def command(path: Path, name: str, code: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{code}\n")
    (path / name).chmod(0o755)


def run(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        env={"PATH": str(path), "HOME": str(path), **environment},
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_python_that_exists_but_does_not_run_is_passed_over(path: Path) -> None:
    command(path, "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    command(path, "python3", f'exec "{sys.executable}" "$@"')
    answer = run(path, "find")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "python3\n", "")


def test_no_suitable_python_is_said_plainly(path: Path) -> None:
    command(path, "python3", "exit 1")
    answer = run(path, "find")
    assert answer.returncode == 1
    assert "Narration needs Python 3.11 or 3.12" in answer.stdout
    assert answer.stderr == ""


def test_the_python_that_was_named_is_the_one_that_is_used(path: Path) -> None:
    assert run(path, "find", PYTHON=sys.executable).stdout.strip() == sys.executable
    answer = run(path, "find", PYTHON="/nowhere/python")
    assert answer.returncode == 1
    assert "PYTHON=/nowhere/python" in answer.stdout


def test_a_missing_venv_module_is_said_plainly(path: Path) -> None:
    command(path, "python3.11", f'case "$2" in "import venv"*) exit 1;; esac; exec "{sys.executable}" "$@"')
    answer = run(path, "run")
    assert answer.returncode == 1
    assert "has no venv module" in answer.stdout
    assert not (path.parent / ".venv").exists()


@pytest.fixture
def environment(path: Path) -> Path:
    """A checkout whose .venv is there, with an installer that does as it is told."""
    checkout = path.parent
    for kind in ("", "-cloud", "-local", "-cluster", "-dev"):
        (checkout / f"requirements{kind}.txt").write_text(f"# {kind}\n")
    (checkout / "constraints.txt").write_text("# constraints\n")
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.11\n")
    command(programs, "python", 'case "$*" in *"pip config"*|*"pip install"*) exit 1;; esac; exit 0')
    command(programs, "uv", 'if [ "$1" = --version ]; then echo "uv 0.13.8 (x)"; else echo "$*" >>installed; fi')
    return checkout


def installed(checkout: Path) -> list[str]:
    """What the installer was called for, apart from linking the project itself."""
    log = checkout / "installed"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line for line in lines if "--editable" not in line]


def test_what_is_installed_is_not_installed_again(environment: Path, path: Path) -> None:
    first, second = run(path, "run"), run(path, "run")
    assert "Installing the packages of requirements-local.txt" in first.stdout
    assert second.stdout == ""
    assert len(installed(environment)) == 1


def test_what_testing_needs_contains_what_running_needs(environment: Path, path: Path) -> None:
    run(path, "dev")
    run(path, "run")
    assert len(installed(environment)) == 1
    assert "-r requirements-dev.txt -c constraints.txt" in installed(environment)[0]


def test_a_cluster_needs_more_than_running_and_testing_needs_all_of_it(environment: Path, path: Path) -> None:
    run(path, "run")
    run(path, "cluster")
    run(path, "run")
    assert [line.split(" -r ", 1)[1] for line in installed(environment)] == [
        "requirements-local.txt -c constraints.txt",
        "requirements-cluster.txt -r requirements-local.txt -c constraints.txt",
    ]
    run(path, "dev")
    run(path, "cluster")
    assert len(installed(environment)) == 3


def test_what_one_machine_runs_needs_no_celery_and_no_postgresql() -> None:
    light = (CHECKOUT / "requirements-local.txt").read_text() + (CHECKOUT / "requirements.txt").read_text()
    assert not any(name in light for name in ("celery", "postgres", "-fab", "requirements-cluster"))


def test_the_project_is_linked_so_that_airflow_finds_its_connection_type(environment: Path, path: Path) -> None:
    run(path, "run")
    assert "--no-deps --editable ." in (environment / "installed").read_text()


def test_a_link_that_cannot_be_made_is_said_and_stops_nothing(environment: Path, path: Path) -> None:
    uv = environment / ".venv" / "bin" / "uv"
    refusing = uv.read_text().replace("else echo", 'else case "$*" in *--editable*) exit 1;; esac; echo')
    uv.write_text(refusing)
    answer = run(path, "run")
    assert answer.returncode == 0
    assert "no form for connections of the type azure_speech" in answer.stdout


def test_changed_requirements_are_installed(environment: Path, path: Path) -> None:
    run(path, "run")
    (environment / "constraints.txt").write_text("av==19\n")
    run(path, "run")
    assert len(installed(environment)) == 2


def test_a_failed_installation_is_shown_and_tried_again_the_next_time(environment: Path, path: Path) -> None:
    programs = environment / ".venv" / "bin"
    command(programs, "uv", 'if [ "$1" = --version ]; then echo "uv 0.13.8"; else echo "no route to host"; exit 2; fi')
    answer = run(path, "run")
    assert answer.returncode == 1
    assert "no route to host" in answer.stdout
    assert "The packages could not be installed." in answer.stdout
    assert run(path, "run").returncode == 1
