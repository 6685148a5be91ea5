"""
Puts into Airflow's database what this project brings along: ``python -m include.commands.provide PART...``

``database``
    brings its tables up to date. What is wrong with the database is said first, and what to do.
``user``
    makes the first user (``NARRATION_ADMIN_USER``, ``NARRATION_ADMIN_PASSWORD``), unless there is one of that name.
``pools``
    makes the pools of ``include/airflow/pools.json``. A pool that is there stays as it is: somebody may have
    changed its slots.
``connections``
    makes the connections of ``include/airflow/connections.json``, which lead to the local cloud
    (``LOCAL_CLOUD_SPEECH_URL``, ``LOCAL_CLOUD_S3_URL``).

This is what the one-off services of docker-compose.yaml and the jobs of the Helm values run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include.commands.database import check_database
from include.commands.errors import CommandError
from include.commands.settings import rendered_connections

POOLS = Path(__file__).resolve().parents[2] / "include" / "airflow" / "pools.json"
PARTS = ("database", "user", "pools", "connections")


def main(arguments: Sequence[str]) -> int:
    """
    :param arguments: the parts, in the order in which they are to be done.
    :return: 0 if all was done, else 1, and what is wrong was said.
    """
    unknown = [part for part in arguments if part not in PARTS]
    try:
        if unknown or not arguments:
            raise CommandError(
                f"There is no part {unknown[0]!r} to provide." if unknown else "Nothing to provide was named.",
                remedy=f"There are: {', '.join(PARTS)}.",
            )
        check_database(_database_url(), patience=60.0, sleep=time.sleep)
        for part in arguments:
            {"database": _migrate, "user": _make_user, "pools": make_pools, "connections": _make_connections}[part]()
    except CommandError as error:
        print(f"{error.message}\n→ {error.remedy}", file=sys.stderr)
        return 1
    return 0


def _database_url() -> str:
    from airflow.configuration import conf

    return str(conf.get("database", "sql_alchemy_conn"))


def _airflow(*arguments: str) -> None:
    """Be Airflow's own command, without showing its arguments in the list of processes."""
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", *arguments]
    airflow()


def _migrate() -> None:
    _airflow("db", "migrate")


def _make_user() -> None:
    name, password = _given("NARRATION_ADMIN_USER"), _given("NARRATION_ADMIN_PASSWORD")
    about = ["--username", name, "--firstname", name, "--lastname", "(first user)", "--email", f"{name}@localhost"]
    _airflow("users", "create", *about, "--role", "Admin", "--password", password)


def _given(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise CommandError(f"{name} is not set.", remedy="Set it; make env writes an .env that has all that is needed.")
    return value


def make_pools() -> None:
    """Make the project's pools that are not there yet."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        there = set(session.scalars(select(Pool.pool)))
        for name, facts in wanted_pools().items():
            if name not in there:
                session.add(Pool(pool=name, **facts))
                print(f"The pool {name} was made, with {facts['slots']} slots.")


def wanted_pools() -> dict[str, dict[str, Any]]:
    """The pools of ``include/airflow/pools.json``, which has the form that ``airflow pools import`` reads."""
    return dict(json.loads(POOLS.read_text(encoding="utf-8")))


def _make_connections() -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    wanted = connections_of(os.environ)
    with create_session() as session:
        for name, facts in wanted.items():
            session.execute(delete(Connection).where(Connection.conn_id == name))
            session.add(Connection.from_json(json.dumps(facts), conn_id=name))
    print(f"The connections {', '.join(wanted)} lead to the local cloud.")


def connections_of(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """
    :param environment: says where the local cloud is.
    :raises CommandError: when it does not.
    """
    urls = {}
    for name in ("LOCAL_CLOUD_SPEECH_URL", "LOCAL_CLOUD_S3_URL"):
        if not environment.get(name):
            raise CommandError(f"{name} is not set.", remedy="Set it to where the local cloud is reached.")
        urls[name] = environment[name]
    return rendered_connections(
        speech_url=urls["LOCAL_CLOUD_SPEECH_URL"],
        s3_url=urls["LOCAL_CLOUD_S3_URL"],
        preset=environment.get("LOCAL_CLOUD_PRESET") or "fast",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
