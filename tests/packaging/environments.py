"""Python environments other than the one that runs the tests, and an Airflow in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


@cache
def index_environment() -> dict[str, str]:
    """The environment in which uv asks the index, with the certificates, that pip is configured for; as set_up.sh."""
    environment = dict(os.environ)
    for name, key, setting in (
        ("UV_DEFAULT_INDEX", "PIP_INDEX_URL", "global.index-url"),
        ("SSL_CERT_FILE", "PIP_CERT", "global.cert"),
    ):
        if environment.get(name):
            continue
        told = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", setting], capture_output=True, text=True, timeout=60
        )
        value = environment.get(key) or (told.stdout.strip() if told.returncode == 0 else "")
        if value:
            environment[name] = value
    return environment


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the uv that set_up.sh installs, whatever it answers."""
    return subprocess.run(
        [Path(sys.executable).parent / "uv", *arguments],
        cwd=REPOSITORY,
        env=index_environment(),
        capture_output=True,
        text=True,
        timeout=500,
    )


def must(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said, which has to have succeeded."""
    assert done.returncode == 0, f"{' '.join(map(str, done.args))}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def pins(text: str) -> dict[str, str]:
    """The versions in a list of ``name==version``, by normalised name; what a marker repeats counts once."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", line)
        if match:
            name = canonicalize_name(match[1])
            found[name] = " or ".join(sorted({*found.get(name, match[2]).split(" or "), match[2]}))
    return found


def requirement_lines(path: Path) -> list[str]:
    """The requirements of a file, without comments and options."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def python_for(version: str) -> tuple[str, str]:
    """
    The interpreter that stands for a version of Python, and its own version.

    It is what ``MWAA_PYTHON`` names, or what the machine has of that version, or else the Python of the tests: then the
    test's output says so.
    """
    ours = "{}.{}".format(*sys.version_info)
    candidates = [os.environ.get("MWAA_PYTHON", ""), f"python{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        try:
            told = subprocess.run(
                [candidate, "-c", "import sys, venv; print('{}.{}'.format(*sys.version_info))"],
                capture_output=True,
                text=True,
                timeout=60,
            )
        except OSError:
            continue
        if told.stdout.strip() == version:
            return candidate, version
    return sys.executable, ours


@dataclass(kw_only=True)
class Environment:
    """
    A virtual environment with an Airflow of its own.

    :param folder: the virtual environment.
    :param home: its ``AIRFLOW_HOME``, which also is its working folder and its user's home.
    :param settings: environment variables of its processes; they inherit none but the certificates.
    """

    folder: Path
    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, *, python: str, seed: bool = False, name: str = "venv") -> Environment:
        """
        :param folder: for the virtual environment of that name, and for the home beside it.
        :param python: the interpreter.
        :param seed: with pip.
        """
        must(uv("venv", "--quiet", "--python", python, *(["--seed"] if seed else []), folder / name))
        home = folder / "airflow"
        home.mkdir()
        return cls(folder=folder / name, home=home)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *arguments: str | Path) -> None:
        """Install with uv."""
        must(uv("pip", "install", "--quiet", "--python", self.python, *arguments))

    def installed(self) -> dict[str, str]:
        """The versions of the packages in it."""
        return pins(must(uv("pip", "freeze", "--python", self.python)))

    def environment(self, **more: str) -> dict[str, str]:
        """The environment variables of its processes."""
        temporary = self.home.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.defpath]),
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # No person's credentials, and none of the machine that runs the tests.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.settings,
            **more,
        }

    def run(self, *command: str | Path, timeout: float = 300, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands in its home, whatever it answers."""
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            cwd=self.home,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def airflow(self, *arguments: str, timeout: float = 300, **more: str) -> str:
        """What an airflow command says, which has to succeed."""
        return must(self.run("airflow", *arguments, timeout=timeout, **more))

    def put(self, sources: Mapping[str, Path] | Iterable[tuple[str, Path]]) -> None:
        """Copy files and folders into the home, under the names given."""
        for name, source in dict(sources).items():
            if source.is_dir():
                shutil.copytree(source, self.home / name, ignore=IGNORED, dirs_exist_ok=True)
            else:
                (self.home / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.home / name)


def dag_ids(folder: Path = REPOSITORY / "dags") -> set[str]:
    """The Dags that a folder of this project gives: one a file, of the file's name."""
    return {path.stem for path in folder.glob("*.py")}


def fenced(document: Path, *, heading: str) -> Sequence[str]:
    """The blocks of commands below a heading of a Markdown file, up to the next heading of any level."""
    _, found, rest = document.read_text().partition(f"\n{heading}\n")
    assert found, f"{document.name} has no heading {heading!r}"
    section = re.split(r"\n#+ ", rest)[0]
    return [match[1] for match in re.finditer(r"```(?:\w*)\n(.*?)```", section, re.DOTALL)]
