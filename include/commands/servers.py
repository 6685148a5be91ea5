"""PostgreSQL and Redis of one's own: found on this machine or installed, with their data in a folder."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from include.commands.errors import CommandError

#: Who runs PostgreSQL when we are root, which it refuses to be run by.
POSTGRES_USER = "postgres"

_POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/usr/local/pgsql/bin",
)
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "postgresql", "redis-server")
_INSTALL_SECONDS = 600


def find_postgres(*, folders: Sequence[str] = _POSTGRES_FOLDERS) -> Path | None:
    """
    :return: the folder of ``initdb`` and ``postgres``, those of the latest version; None when there are none.
    """
    there = [Path(folder) for pattern in folders for folder in glob.glob(pattern)]
    there += [Path(folder) for folder in os.get_exec_path()]
    whole = [folder for folder in there if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return max(whole, key=_version, default=None)


def _version(folder: Path) -> int:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[-1]) if numbers else 0


def find_redis() -> Path | None:
    """The Redis server, or Valkey, which is the same for us."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def ensure_servers() -> tuple[Path, Path]:
    """
    Find both servers, and install what is missing if we may.

    :return: the folder of PostgreSQL's programs, and the Redis server.
    :raises CommandError: with what to install.
    """
    postgres, redis = find_postgres(), find_redis()
    if (postgres is None or redis is None) and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing PostgreSQL and Redis ...", flush=True)
        for command in (("apt-get", "update"), _INSTALL):
            subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.DEVNULL,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
        postgres, redis = find_postgres(), find_redis()
    missing = [name for name, found in (("PostgreSQL", postgres), ("Redis", redis)) if found is None]
    if postgres is None or redis is None:
        raise CommandError(
            f"A cluster on this machine needs {' and '.join(missing)}, which could not be found.",
            remedy="Install them (apt install postgresql redis-server, brew install postgresql redis); they need not "
            "be running.",
        )
    return postgres, redis


def make_database(
    folder: Path, *, programs: Path, user: str, password: str, name: str, run_by: str = POSTGRES_USER
) -> None:
    """
    Make a database cluster with one user and one database, unless the folder has one.

    :param folder: where; its parents must let ``run_by`` through.
    :param programs: the folder of ``initdb``.
    :param run_by: who will run it, if we are root.
    :raises CommandError: when that fails, with what PostgreSQL says.
    """
    if (folder / "PG_VERSION").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    as_root = os.geteuid() == 0
    if as_root:
        _hand_over(folder, run_by)
    with tempfile.NamedTemporaryFile("w", dir=folder.parent, prefix=".password-") as file:
        file.write(password)
        file.flush()
        if as_root:
            shutil.chown(file.name, run_by)
        initdb: list[str | Path] = [programs / "initdb", "--pgdata", folder, "--username", user, "--pwfile", file.name]
        initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        _run(initdb, user=run_by if as_root else None)
    single: list[str | Path] = [programs / "postgres", "--single", "-D", folder, "postgres"]
    _run(single, user=run_by if as_root else None, said=f"CREATE DATABASE {name};\n")


def _hand_over(folder: Path, user: str) -> None:
    try:
        shutil.chown(folder, user, user)
    except LookupError as error:
        raise CommandError(
            f"PostgreSQL refuses to be run by root, and there is no user {user!r} to run it.",
            remedy=f"Create one (useradd --system {user}), or be somebody else than root.",
        ) from error
    closed = [parent for parent in folder.parents if not parent.stat().st_mode & 0o001]
    if closed:
        raise CommandError(
            f"{closed[0]} lets nobody but its owner through, and PostgreSQL is run by the user {user!r}.",
            remedy=f"Use a folder elsewhere, or allow it: chmod o+x '{closed[0]}'",
        )


def _run(command: Sequence[str | Path], *, user: str | None, said: str = "") -> None:
    done = subprocess.run(
        [str(word) for word in command],
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
        env=plain_environment(os.environ),
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    if done.returncode or "ERROR" in done.stderr:
        raise CommandError(
            f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}",
            remedy="Is there space on the disk, and are PostgreSQL's programs whole?",
        )


def plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what PostgreSQL's programs would take as instructions."""
    return {name: value for name, value in environment.items() if not name.startswith(("PG", "LC_", "LANG"))}


def redis_settings(shared: str, *, folder: Path, port: int, password: str) -> str:
    """
    :param shared: the settings of ``include/airflow/redis.conf``.
    :return: those of a Redis of one's own.
    """
    return f'{shared}\nbind 127.0.0.1\nport {port}\ndir "{folder}"\nrequirepass {password}\ndaemonize no\n'


def main() -> int:
    """``python -m include.commands.servers``: see that PostgreSQL and Redis are there."""
    try:
        ensure_servers()
    except CommandError as error:
        print(f"{error.message}\n→ {error.remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
