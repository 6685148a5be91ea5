"""What is wrong with Airflow's database, in plain words. (tests/cluster asks a real PostgreSQL.)"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from include.commands.database import check_database, database_error
from include.commands.errors import CommandError

URL = "postgresql+psycopg2://airflow:s3cret@database:5432/airflow"


@pytest.mark.parametrize(
    ("trouble", "message", "remedy"),
    [
        (
            'FATAL:  password authentication failed for user "airflow"',
            "does not let the user 'airflow' in",
            "POSTGRES_PASSWORD",
        ),
        ("fe_sendauth: no password supplied", "does not let the user 'airflow' in", "POSTGRES_PASSWORD"),
        ('FATAL:  role "airflow" does not exist', "no such user", "POSTGRES_PASSWORD"),
        ('FATAL:  database "airflow" does not exist', "There is no database 'airflow'", "createdb"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "from this machine", "pg_hba.conf"),
        ('could not translate host name "database" to address: unknown', "no machine 'database'", "host"),
        ("FATAL:  sorry, too many clients already", "no connection left", "max_connections"),
        (
            "Connection refused\n\tIs the server running on that host?",
            "does not answer",
            "docker compose logs postgres",
        ),
        ("FATAL:  the database system is starting up", "does not answer", "Start it"),
    ],
)
def test_a_trouble_is_told_with_what_to_do(trouble: str, message: str, remedy: str) -> None:
    error = database_error(URL, trouble)
    assert message in error.message
    assert remedy in error.remedy
    assert "s3cret" not in error.message + error.remedy


def test_an_unknown_trouble_is_shown_without_the_password() -> None:
    error = database_error(URL, "SSL error for s3cret@database\nand more")
    assert "SSL error for ***@database" in error.message
    assert "and more" not in error.message


def test_a_database_that_is_there_passes(tmp_path: Path) -> None:
    check_database(f"sqlite:///{tmp_path}/airflow.db")


def test_a_setting_that_is_no_url_is_said_so() -> None:
    with pytest.raises(CommandError, match="not understood"):
        check_database("this is no url")


def test_a_database_that_is_only_being_started_is_waited_for_and_not_for_ever() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    waited: list[float] = []
    clock = iter(range(100))
    with pytest.raises(CommandError, match="does not answer"):
        check_database(
            f"postgresql+psycopg2://airflow:s3cret@127.0.0.1:{port}/airflow",
            patience=3,
            sleep=waited.append,
            now=lambda: float(next(clock)),
        )
    assert len(waited) == 2
