from __future__ import annotations

import json
import sys
from typing import Any
from uuid import uuid4

import azure.identity
import azure.identity.aio
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechAuthError, AzureUnreachableError
from narration.hooks.azure_speech import AzureSpeechHook
from tests.hooks.scripted_server import Scripted, ScriptedServer

BATCH = SynthesisApi.BATCH
PRINCIPAL = {"login": "client", "password": "client-secret-0123", "extra": {"tenant_id": "tenant"}}
TOKEN = "token-that-no-log-may-show"


@pytest.fixture(scope="module")
def server():
    with ScriptedServer().running() as server:
        server.answers(Scripted(body={"id": "narration-1", "status": "Running"}))
        yield server


@pytest.fixture
def connect(server, monkeypatch):
    """Set up the connection with Entra ID; the server stands in for a custom domain."""

    def connect(**fields: Any) -> None:
        extra = {"auth": "entra", **fields.pop("extra", {})}
        fields = {"conn_type": "azure_speech", "host": server.url, "extra": extra, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", json.dumps(fields))

    return connect


class Credential:
    """Stands in for a credential of azure-identity, whose issuer cannot be had on this machine."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.scopes: list[str] = []
        self.closed = False
        self.error: Exception | None = None

    def get_token(self, scope: str) -> AccessToken:
        self.scopes.append(scope)
        if self.error:
            raise self.error
        return AccessToken(TOKEN, 0)

    def close(self) -> None:
        self.closed = True


class AsyncCredential(Credential):
    async def get_token(self, scope: str) -> AccessToken:  # type: ignore[override]
        return super().get_token(scope)

    async def close(self) -> None:  # type: ignore[override]
        super().close()


@pytest.fixture(params=["sync", "async"])
def ask(request):
    async def ask(hook: AzureSpeechHook) -> Any:
        if request.param == "sync":
            return hook.get_job(api=BATCH, job_id="narration-1")
        return await hook.get_job_async(api=BATCH, job_id="narration-1")

    return ask


@pytest.fixture
def made(monkeypatch) -> list[Credential]:
    """The credentials that were made, in place of real ones."""
    found: list[Credential] = []
    for package, kind in ((azure.identity, Credential), (azure.identity.aio, AsyncCredential)):
        for name in ("ClientSecretCredential", "DefaultAzureCredential"):

            def make(kind=kind, name=name, **arguments: Any) -> Credential:
                found.append(kind(kind=name, **arguments))
                return found[-1]

            monkeypatch.setattr(package, name, make)
    return found


async def test_a_token_goes_out_in_place_of_a_key(server, connect, made, ask):
    connect(**PRINCIPAL)
    hook = AzureSpeechHook()

    await ask(hook)
    await ask(hook)

    assert server.received[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "ocp-apim-subscription-key" not in server.received[-1].headers
    assert len(made) == 1
    await hook.close()
    assert made[0].closed


async def test_airflow_masks_the_token_in_every_log_from_then_on(connect, made, ask, monkeypatch):
    from airflow.sdk.log import redact

    # Nothing that another test may have made a secret of.
    fresh = uuid4().hex
    monkeypatch.setattr(sys.modules[__name__], "TOKEN", fresh)
    connect(**PRINCIPAL)
    assert fresh in str(redact(f"sent {fresh}"))

    hook = AzureSpeechHook()
    await ask(hook)
    await hook.close()

    assert redact(f"sent {fresh}") == "sent ***"


async def test_a_service_principal_signs_in_with_all_three(connect, made, ask):
    connect(**PRINCIPAL)

    await ask(AzureSpeechHook())

    assert made[0].arguments == {
        "kind": "ClientSecretCredential",
        "tenant_id": "tenant",
        "client_id": "client",
        "client_secret": "client-secret-0123",
        "authority": "https://login.microsoftonline.com",
    }


@pytest.mark.parametrize(
    ("extra", "arguments"), [({}, {}), ({"managed_identity_client_id": "mi"}, {"managed_identity_client_id": "mi"})]
)
async def test_without_one_the_identity_of_the_machine_does(connect, made, ask, extra, arguments):
    connect(extra=extra)

    await ask(AzureSpeechHook())

    assert made[0].arguments == {
        "kind": "DefaultAzureCredential",
        "authority": "https://login.microsoftonline.com",
        **arguments,
    }


@pytest.mark.parametrize(
    ("cloud", "scope", "authority"),
    [
        ("public", "https://cognitiveservices.azure.com/.default", "https://login.microsoftonline.com"),
        ("china", "https://cognitiveservices.azure.cn/.default", "https://login.chinacloudapi.cn"),
        ("government", "https://cognitiveservices.azure.us/.default", "https://login.microsoftonline.us"),
    ],
)
async def test_each_cloud_has_its_own_issuer_and_scope(connect, made, ask, cloud, scope, authority):
    connect(extra={"cloud": cloud})

    await ask(AzureSpeechHook())

    assert made[0].scopes == [scope]
    assert made[0].arguments["authority"] == authority


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (ClientAuthenticationError("AADSTS7000215: bad client-secret-0123"), AzureSpeechAuthError, "tenant_id"),
        (CredentialUnavailableError("no managed identity"), AzureSpeechAuthError, "identity of the machine"),
        (ServiceRequestError("no route"), AzureUnreachableError, "Nothing was sent"),
        (ValueError("invalid tenant"), AzureSpeechAuthError, "invalid tenant"),
    ],
)
async def test_a_token_that_is_not_given_is_explained(server, connect, made, ask, monkeypatch, raised, error, words):
    monkeypatch.setattr("narration.hooks.azure_client.pause", lambda seconds: None)

    async def no_pause(seconds: float) -> None:
        pass

    monkeypatch.setattr("narration.hooks.azure_client.pause_async", no_pause)
    monkeypatch.setattr(Credential, "get_token", _raising(raised))
    monkeypatch.setattr(AsyncCredential, "get_token", _raising_async(raised))
    connect(**PRINCIPAL)
    before = len(server.received)

    with pytest.raises(error, match=words) as caught:
        await ask(AzureSpeechHook())

    assert len(server.received) == before
    assert "client-secret-0123" not in str(caught.value)
    assert "'azure_speech_default'" in str(caught.value)


def _raising(error: Exception) -> Any:
    def get_token(self: Any, scope: str) -> AccessToken:
        raise error

    return get_token


def _raising_async(error: Exception) -> Any:
    async def get_token(self: Any, scope: str) -> AccessToken:
        raise error

    return get_token


async def test_a_missing_package_is_named(connect, ask, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[:2] in (["azure", "core"], ["azure", "identity"])]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.core.exceptions", None)
    connect()

    with pytest.raises(AzureSpeechAuthError, match="azure-identity"):
        await ask(AzureSpeechHook())


def test_the_real_package_makes_both_kinds_of_credential():
    from narration.hooks.azure_account import AzureSpeechAccount
    from narration.hooks.azure_identity import _credential

    principal = AzureSpeechAccount(
        conn_id="speech",
        endpoint="https://x.cognitiveservices.azure.com",
        auth="entra",
        tenant_id="00000000-0000-0000-0000-000000000000",
        client_id="client",
        client_secret="secret",
    )
    machine = AzureSpeechAccount(
        conn_id="speech", endpoint=principal.endpoint, auth="entra", managed_identity_client_id="mi"
    )

    assert type(_credential(azure.identity, principal)).__name__ == "ClientSecretCredential"
    assert type(_credential(azure.identity, machine)).__name__ == "DefaultAzureCredential"
    assert type(_credential(azure.identity.aio, principal)).__name__ == "ClientSecretCredential"
    assert type(_credential(azure.identity.aio, machine)).__name__ == "DefaultAzureCredential"
