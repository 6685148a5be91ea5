"""Tokens of Microsoft Entra ID for Azure AI Speech, through the ``azure-identity`` package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import HOSTS
from narration.hooks.azure_errors import AzureSpeechAuthError, AzureUnreachableError

_LONGEST_MESSAGE = 600


class TokenSource:
    """
    Give tokens for one account; ``azure-identity`` keeps and renews them.

    :param account: with a service principal, or without one for the identity of the machine (managed identity,
        workload identity, environment variables, Azure CLI).
    """

    def __init__(self, account: AzureSpeechAccount) -> None:
        self._account = account
        self._credential: Any = None
        self._masked = ""

    def token(self) -> str:
        """
        Give a valid token.

        :raises AzureSpeechAuthError: the identity is not accepted, or there is none.
        :raises AzureUnreachableError: the issuer cannot be reached.
        """
        with _translated(self._account):
            if self._credential is None:
                import azure.identity

                self._credential = _credential(azure.identity, self._account)
            token: str = self._credential.get_token(_scope(self._account)).token
        if token != self._masked:
            from airflow.sdk.log import mask_secret

            mask_secret(token)
            self._masked = token
        return token

    def close(self) -> None:
        """Close its connections."""
        if self._credential is not None:
            self._credential.close()
            self._credential = None


class AsyncTokenSource:
    """Give tokens for one account on an event loop; see :class:`TokenSource`."""

    def __init__(self, account: AzureSpeechAccount) -> None:
        self._account = account
        self._credential: Any = None
        self._masked = ""

    async def token(self) -> str:
        """Give a valid token; errors as :meth:`TokenSource.token`."""
        with _translated(self._account):
            if self._credential is None:
                import azure.identity.aio

                self._credential = _credential(azure.identity.aio, self._account)
            token: str = (await self._credential.get_token(_scope(self._account))).token
        if token != self._masked:
            from airflow.sdk.log import amask_secret

            await amask_secret(token)
            self._masked = token
        return token

    async def close(self) -> None:
        """Close its connections."""
        if self._credential is not None:
            await self._credential.close()
            self._credential = None


def _credential(package: Any, account: AzureSpeechAccount) -> Any:
    authority = HOSTS[account.cloud].authority
    if account.client_id:
        return package.ClientSecretCredential(
            tenant_id=account.tenant_id,
            client_id=account.client_id,
            client_secret=account.client_secret,
            authority=authority,
        )
    more = (
        {"managed_identity_client_id": account.managed_identity_client_id} if account.managed_identity_client_id else {}
    )
    return package.DefaultAzureCredential(authority=authority, **more)


def _scope(account: AzureSpeechAccount) -> str:
    return HOSTS[account.cloud].scope


@contextmanager
def _translated(account: AzureSpeechAccount) -> Iterator[None]:
    where = f"connection {account.conn_id!r}"
    try:
        from azure.core.exceptions import AzureError, ClientAuthenticationError
    except ImportError:
        raise AzureSpeechAuthError(
            f"{where.capitalize()} asks for Microsoft Entra ID, which needs the Python package azure-identity; install "
            "it on all workers and triggerers, or set 'auth' to 'key'."
        ) from None
    try:
        yield
    except ClientAuthenticationError as error:
        raise AzureSpeechAuthError(
            f"Microsoft Entra ID gives no token for {where}: {_said(error, account)} Check tenant_id, client id "
            "(login) and client secret (password), or the identity of the machine if the connection has none."
        ) from None
    except AzureError as error:
        raise AzureUnreachableError(
            f"Microsoft Entra ID cannot be reached for {where}: {_said(error, account)} Nothing was sent to Azure "
            "Speech. Try again."
        ) from None
    except ValueError as error:
        raise AzureSpeechAuthError(
            f"The identity in {where} cannot be right: {_said(error, account)} Check tenant_id and client id."
        ) from None


def _said(error: Exception, account: AzureSpeechAccount) -> str:
    said = str(getattr(error, "message", None) or error)
    if account.client_secret:
        said = said.replace(account.client_secret, "***")
    return said[:_LONGEST_MESSAGE].strip().rstrip(".") + "."
