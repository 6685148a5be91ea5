"""A connection that Airflow says it does not have, because its database is being restarted or because there is none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from narration.connections import ConnectionUnknownError, SureConnectionMixin, look_again
from narration.errors import PermanentNarrationError
from narration.hooks.azure_client import read_account, read_account_async
from narration.hooks.azure_errors import AzureSpeechAuthError
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyCredentialsError
from narration.paths import LocationError, object_path

RUNNER = "airflow.sdk.execution_time.task_runner"
AWS = {"conn_type": "aws", "login": "id", "password": "secret", "extra": {"region_name": "us-east-1"}}
AZURE = {"conn_type": "azure_speech", "password": "0123456789abcdef", "extra": {"region": "eastus"}}


class Database:
    """
    Airflow's database as a task sees it through the API server.

    :param outages: for each time that it is asked for a count, whether it is away.
    """

    def __init__(self, *outages: bool) -> None:
        self.asked = 0
        self._outages = iter(outages)
        self.on_answer: Callable[[], None] = lambda: None

    def get_ti_count(self, dag_id: str) -> int:
        self.asked += 1
        if next(self._outages, False):
            raise RuntimeError("API_SERVER_ERROR: 500")
        self.on_answer()
        return 0


@pytest.fixture
def in_task(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    """Make this process look like a task whose API server has such a database."""

    def make(*outages: bool) -> Database:
        database = Database(*outages)
        runner = ModuleType(RUNNER)
        runner.SUPERVISOR_COMMS = SimpleNamespace()  # type: ignore[attr-defined]
        runner.RuntimeTaskInstance = database  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, RUNNER, runner)
        return database

    return make


def comes_back(database: Database, monkeypatch: pytest.MonkeyPatch, conn_id: str, facts: dict[str, Any]) -> None:
    """Have the connection found as soon as the database answers, as when that was restarted."""
    database.on_answer = lambda: monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(facts))


class TestLookingAgain:
    def test_what_is_not_there_while_the_database_answers_is_not_there(self, in_task: Any) -> None:
        database = in_task()
        assert look_again("nobodys") is None
        assert database.asked == 2

    def test_what_was_not_found_while_the_database_was_away_is_found(
        self, in_task: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        comes_back(in_task(), monkeypatch, "ours", AWS)
        found = look_again("ours")
        assert found is not None
        assert found.login == "id"

    @pytest.mark.parametrize("outages", [(True,), (False, True)], ids=["before", "after"])
    def test_without_an_answer_of_the_database_nothing_is_known_and_another_attempt_asks(
        self, in_task: Any, outages: tuple[bool, ...]
    ) -> None:
        in_task(*outages)
        with pytest.raises(ConnectionUnknownError, match=r"whether there is a connection 'ours'.*Nothing was bought"):
            look_again("ours")
        assert not issubclass(ConnectionUnknownError, PermanentNarrationError)

    def test_outside_of_a_task_airflow_is_believed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, RUNNER, raising=False)
        assert look_again("nobodys") is None


class TestPolly:
    def test_the_default_connection_is_not_replaced_by_the_machine_s_credentials_while_the_database_is_away(
        self, in_task: Any
    ) -> None:
        in_task(True)
        with pytest.raises(ConnectionUnknownError):
            _ = PollyHook(aws_conn_id="aws_default").conn_config

    def test_a_connection_that_is_back_is_used(self, in_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        comes_back(in_task(), monkeypatch, "aws_default", AWS)
        assert PollyHook(aws_conn_id="aws_default").conn_config.login == "id"

    def test_an_installation_with_worker_roles_needs_no_default_connection(self, in_task: Any) -> None:
        database = in_task()
        hook = PollyHook(aws_conn_id="aws_default")
        assert not hook.conn_config
        assert not hook.conn_config
        assert database.asked == 2

    def test_a_named_connection_that_is_missing_for_certain_is_an_error_for_good(self, in_task: Any) -> None:
        in_task()
        with pytest.raises(PollyCredentialsError, match="no Airflow connection 'nobodys'"):
            _ = PollyHook(aws_conn_id="nobodys").conn_config

    def test_a_named_connection_that_cannot_be_looked_up_is_asked_for_again(self, in_task: Any) -> None:
        in_task(True)
        with pytest.raises(ConnectionUnknownError):
            _ = PollyHook(aws_conn_id="ours").conn_config

    def test_no_connection_by_intent_asks_nobody(self, in_task: Any) -> None:
        database = in_task(True)
        assert not PollyHook(aws_conn_id=None).conn_config
        assert database.asked == 0

    def test_answers_that_change_all_the_time_are_not_believed(self, in_task: Any) -> None:
        in_task()

        class Flickering:
            @property
            def conn_config(self) -> None:
                return None

        class Hook(SureConnectionMixin, Flickering):
            aws_conn_id = "ours"

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("narration.connections.look_again", lambda conn_id: SimpleNamespace())
            with pytest.raises(ConnectionUnknownError, match="its answers change"):
                _ = Hook().conn_config


class TestAzure:
    def test_a_connection_that_cannot_be_looked_up_is_no_failure_for_good(self, in_task: Any) -> None:
        in_task(True)
        with pytest.raises(ConnectionUnknownError):
            read_account(AzureSpeechHook(), conn_id="ours", region=None)

    def test_a_connection_that_is_back_is_used(self, in_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        comes_back(in_task(), monkeypatch, "ours", AZURE)
        assert read_account(AzureSpeechHook(), conn_id="ours", region=None).region == "eastus"

    def test_one_that_is_missing_for_certain_is_named(self, in_task: Any) -> None:
        in_task()
        with pytest.raises(AzureSpeechAuthError, match="no Airflow connection 'nobodys'"):
            read_account(AzureSpeechHook(), conn_id="nobodys", region=None)

    def test_the_event_loop_asks_as_carefully(self, in_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        async def missing(*_: Any, **__: Any) -> None:
            raise AirflowNotFoundException("not found")

        monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", missing)
        comes_back(in_task(), monkeypatch, "ours", AZURE)
        account = asyncio.run(read_account_async(AzureSpeechHook(), conn_id="ours", region=None))
        assert account.region == "eastus"


class TestStorage:
    def test_a_storage_whose_connection_cannot_be_looked_up_is_no_wrong_storage(self, in_task: Any) -> None:
        in_task(True)
        with pytest.raises(ConnectionUnknownError):
            object_path("s3://ours@bucket/key", conn_id=None, parameter="storage")

    def test_the_default_connection_is_not_replaced_either(self, in_task: Any) -> None:
        in_task(True)
        with pytest.raises(ConnectionUnknownError):
            object_path("s3://bucket/key", conn_id="aws_default", parameter="storage")

    def test_an_installation_with_worker_roles_needs_none(self, in_task: Any) -> None:
        in_task()
        path = object_path("s3://bucket/key", conn_id="aws_default", parameter="storage")
        assert path.conn_id == "aws_default"

    def test_one_without_its_connection_is(self, in_task: Any) -> None:
        in_task()
        with pytest.raises(LocationError, match="no Airflow connection 'nobodys'"):
            object_path("s3://nobodys@bucket/key", conn_id=None, parameter="storage")
