"""One account, spoken to: its connection read, its turn taken, its refusals repeated. The hook's engine room."""

from __future__ import annotations

import asyncio
from asyncio import sleep as pause_async
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from time import sleep as pause
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from tenacity import AsyncRetrying, Retrying

from narration import metrics
from narration.connections import look_again
from narration.hooks.azure_account import ENTRA, AzureSpeechAccount
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureSpeechAuthError,
    AzureSpeechThrottledError,
    AzureStoredJobsError,
)
from narration.hooks.azure_identity import AsyncTokenSource, TokenSource
from narration.hooks.azure_retry import repeating
from narration.hooks.azure_transport import AsyncTransport, SyncTransport
from narration.hooks.azure_wire import AzureAnswer, AzureRequest, bearer_header, key_header
from narration.hooks.deadline import Deadline
from narration.hooks.windows import SharedWindow, shared_window

if TYPE_CHECKING:
    from airflow.sdk import Connection

Result = TypeVar("Result")
Reader = Callable[[AzureRequest, AzureAnswer], Result]


class SyncClient:
    """
    Speak for one account from a task.

    :param timeout: seconds to wait for a connection and for each part of an answer.
    """

    creates_until: Deadline | None = None
    """When the last request that buys may be sent; ``None`` for any time."""

    def __init__(self, account: AzureSpeechAccount, *, timeout: float) -> None:
        self.account = account
        self._transport = SyncTransport(timeout=timeout)
        self._tokens = TokenSource(account)

    def call(self, request: AzureRequest, read: Reader[Result]) -> Result:
        """Send a request as often as :mod:`narration.hooks.azure_retry` allows, and read its answer."""
        until = self.creates_until if request.creates else None
        return Retrying(**repeating(request, until=until), sleep=pause)(self._once, request, read)

    def _once(self, request: AzureRequest, read: Reader[Result]) -> Result:
        signed = request.signed(
            bearer_header(self._tokens.token()) if self.account.auth == ENTRA else key_header(self.account),
            account=self.account,
        )
        window = _window(self.account, request)
        turn: AbstractContextManager[None] = window.turn() if window else nullcontext()
        with turn:
            # Last of all: whoever stood still, waiting for the turn or because the machine did, must not send it now.
            if request.creates and self.creates_until is not None and self.creates_until.is_over:
                raise AzureSpeechThrottledError(
                    "No turn came in time: others use up the rate that Azure allows this resource, or this process "
                    "stood still. Nothing was sent or bought; the task asks again later."
                )
            answer = self._transport.send(signed)
        return _read(signed, answer, read)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        self._tokens.close()


class AsyncClient:
    """Speak for one account from an event loop, to which it belongs; see :class:`SyncClient`."""

    def __init__(self, account: AzureSpeechAccount, *, timeout: float) -> None:
        self.account = account
        self._transport = AsyncTransport(timeout=timeout)
        self._tokens = AsyncTokenSource(account)

    async def call(self, request: AzureRequest, read: Reader[Result]) -> Result:
        """Send a request as often as :mod:`narration.hooks.azure_retry` allows, and read its answer."""
        return await AsyncRetrying(**repeating(request), sleep=pause_async)(self._once, request, read)

    async def _once(self, request: AzureRequest, read: Reader[Result]) -> Result:
        signed = request.signed(
            bearer_header(await self._tokens.token()) if self.account.auth == ENTRA else key_header(self.account),
            account=self.account,
        )
        window = _window(self.account, request)
        turn: AbstractAsyncContextManager[None] = window.aturn() if window else nullcontext()
        async with turn:
            answer = await self._transport.send(signed)
        return _read(signed, answer, read)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
        await self._tokens.close()


def _read(request: AzureRequest, answer: AzureAnswer, read: Reader[Result]) -> Result:
    """Read an answer, and count one that refuses because of the rate; too many unfinished jobs are something else."""
    try:
        return read(request, answer)
    except AzureStoredJobsError:
        if request.api is not None:
            metrics.retention_headroom(api=request.api.value, jobs=0)
        raise
    except AzureSpeechThrottledError as error:
        if not isinstance(error, AzureActiveJobsError):
            metrics.throttled(service=request.api.value if request.api else "voices", call=_kind(request))
        raise


def _kind(request: AzureRequest) -> str:
    return "create" if request.creates else "delete" if request.deletes else "read"


def _window(account: AzureSpeechAccount, request: AzureRequest) -> SharedWindow | None:
    if request.api is None:
        return None
    rate = account.rate(request.api)
    return shared_window(account=account.account, call=request.api.value, requests=rate.requests, seconds=rate.seconds)


def read_account(hook: BaseHook, *, conn_id: str, region: str | None) -> AzureSpeechAccount:
    """Read the account of an Airflow connection, and have its secrets masked in all logs."""
    from airflow.exceptions import AirflowNotFoundException
    from airflow.sdk.log import mask_secret

    connection: Connection | None
    try:
        connection = hook.get_connection(conn_id)
    except AirflowNotFoundException:
        connection = look_again(conn_id)
    if connection is None:
        raise _missing(conn_id)
    if connection.password:
        mask_secret(connection.password)
    return AzureSpeechAccount.read(
        conn_id=conn_id, connection=connection, extra=_mapping(connection.extra_dejson, conn_id), region=region
    )


async def read_account_async(hook: BaseHook, *, conn_id: str, region: str | None) -> AzureSpeechAccount:
    """Read the account of an Airflow connection on an event loop, which is not blocked meanwhile."""
    from airflow.exceptions import AirflowNotFoundException
    from airflow.providers.common.compat.connection import get_async_connection
    from airflow.sdk.log import amask_secret

    connection: Connection | None
    try:
        connection = await get_async_connection(conn_id, hook=hook)
    except AirflowNotFoundException:
        connection = await asyncio.to_thread(look_again, conn_id)
    if connection is None:
        raise _missing(conn_id)
    if connection.password:
        await amask_secret(connection.password)
    if hasattr(connection, "aextra_dejson"):
        extra = await connection.aextra_dejson()
    else:
        # Before Airflow 3.3.2; it masks through a call that blocks.
        extra = await asyncio.to_thread(lambda: connection.extra_dejson)
    return AzureSpeechAccount.read(
        conn_id=conn_id, connection=connection, extra=_mapping(extra, conn_id), region=region
    )


def _missing(conn_id: str) -> AzureSpeechAuthError:
    return AzureSpeechAuthError(
        f"There is no Airflow connection {conn_id!r}. Create it (type Azure AI Speech) under Admin, Connections, or as "
        f"the environment variable AIRFLOW_CONN_{conn_id.upper()}."
    )


def _mapping(extra: Any, conn_id: str) -> dict[str, Any]:
    if not isinstance(extra, dict):
        raise AzureSpeechAuthError(f"The extra of connection {conn_id!r} is not a JSON object.")
    return extra
