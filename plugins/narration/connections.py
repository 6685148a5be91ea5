"""Whether a connection that Airflow says it does not have is really not there."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from narration.errors import NarrationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

_LOOKS = 3


class ConnectionUnknownError(NarrationError):
    """Airflow could not say whether there is a connection; another attempt asks again."""


def look_again(conn_id: str) -> Connection | None:
    """
    Look a connection up once more, and this time for certain.

    To a task, Airflow's API server says "not found" (404) also while its database does not answer (seen with 3.3.2:
    a store of connections that fails counts as one that does not have it). Believing that would end a task for good
    because the database is being restarted; or, with Amazon's hooks, which go on with whatever credentials the machine
    has, it would buy from another account.

    A count of task instances is no such answer: without its database the server fails, and is asked again for about
    a minute. What is not found between two of them is not there.

    :return: the connection; ``None`` if there is none.
    :raises ConnectionUnknownError: the database does not answer.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    _have_database_answer(conn_id)
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        _have_database_answer(conn_id)
        return None


def _have_database_answer(conn_id: str) -> None:
    runner: Any = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if not hasattr(runner, "SUPERVISOR_COMMS"):
        # Not in a task and not in a trigger: no API server is between us and the connections.
        return
    try:
        runner.RuntimeTaskInstance.get_ti_count(dag_id="narration")
    except Exception as error:
        # Whatever the supervisor says that is no count: its own error, or that the way to it is gone.
        raise ConnectionUnknownError(_words(conn_id, f"{type(error).__name__}: {error}")) from error


def _words(conn_id: str, why: str) -> str:
    return (
        f"Airflow cannot say whether there is a connection {conn_id!r} ({why[:300]}). Its API server or database is "
        "being restarted, or does not answer. Nothing was bought; the next attempt asks again."
    )


class SureConnectionMixin:
    """
    Keep an Amazon hook from going on without its connection when that only could not be looked up.

    To stand before the hook: ``class SureHook(SureConnectionMixin, S3Hook)``.
    """

    aws_conn_id: str | None

    @cached_property
    def conn_config(self) -> Any:
        """
        The connection, as the Amazon provider reads it; empty if there is none.

        :raises ConnectionUnknownError: it cannot be said whether there is one.
        """
        for _ in range(_LOOKS):
            wrapper = super().conn_config  # type: ignore[misc]
            if wrapper or not self.aws_conn_id:
                return wrapper
            # The base class has stored its answer already; it must not be found at the next look.
            self.__dict__.pop("conn_config", None)
            if look_again(self.aws_conn_id) is None:
                return wrapper
        raise ConnectionUnknownError(_words(self.aws_conn_id or "", "its answers change"))
