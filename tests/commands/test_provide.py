"""What this project puts into Airflow's database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.commands import provide
from include.commands.errors import CommandError

CLOUD = {"LOCAL_CLOUD_SPEECH_URL": "http://local-cloud:8600", "LOCAL_CLOUD_S3_URL": "http://local-cloud:8601"}


@pytest.fixture
def pools() -> Iterator[None]:
    """Airflow's tables, and no pools of ours."""
    from airflow.models.pool import Pool
    from airflow.utils import db
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    db.initdb()
    yield
    with create_session() as session:
        session.execute(delete(Pool).where(Pool.pool.in_(provide.wanted_pools())))


def slots() -> dict[str, tuple[int, bool]]:
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return {pool.pool: (pool.slots, pool.include_deferred) for pool in session.scalars(select(Pool))}


def test_the_pool_of_the_narrations_counts_those_that_wait_too(pools: None) -> None:
    provide.make_pools()
    assert slots()["narration"] == (64, True)
    assert slots()["default_pool"][0] == 128


def test_a_pool_that_somebody_has_changed_stays_as_it_is(pools: None) -> None:
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(name="narration", slots=5, description="mine", include_deferred=True)
    provide.make_pools()
    assert slots()["narration"] == (5, True)


def test_airflow_s_own_command_reads_the_same_file(pools: None) -> None:
    from airflow.cli.commands.pool_command import pool_import_helper

    _, failed = pool_import_helper(str(provide.POOLS))
    assert not failed
    assert slots()["narration"] == (64, True)


def test_the_connections_lead_to_where_the_local_cloud_is() -> None:
    connections = provide.connections_of(CLOUD)
    services = connections["aws_default"]["extra"]["service_config"]
    assert services["polly"]["endpoint_url"] == "http://local-cloud:8600"
    assert services["s3"]["endpoint_url"] == "http://local-cloud:8601"
    assert connections["azure_speech_default"]["host"] == "http://local-cloud:8600"


def test_the_connections_know_the_quotas_of_the_preset() -> None:
    def starts(**environment: str) -> str:
        return provide.connections_of({**CLOUD, **environment})["aws_default"]["extra"]["polly_quotas"]["start"]

    assert int(starts()) > int(starts(LOCAL_CLOUD_PRESET="documented")) == 10


def test_connections_without_the_local_cloud_are_refused() -> None:
    with pytest.raises(CommandError, match="LOCAL_CLOUD_SPEECH_URL is not set"):
        provide.connections_of({})


@pytest.mark.parametrize(("arguments", "said"), [(["tables"], "no part 'tables'"), ([], "Nothing to provide")])
def test_a_part_that_there_is_not_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provide.main(arguments) == 1
    assert said in capsys.readouterr().err


def test_a_database_that_cannot_be_used_is_said_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://a:s3cret@nowhere.invalid/airflow")
    assert provide.main(["database", "pools"]) == 1
    told = capsys.readouterr().err
    assert "There is no machine 'nowhere.invalid' for the database." in told
    assert "s3cret" not in told
