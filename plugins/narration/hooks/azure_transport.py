"""The two HTTP clients: requests for tasks, httpx for triggers. Both carry a request there and an answer back."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProxyError

from narration.hooks.azure_answers import unanswered, unsent
from narration.hooks.azure_errors import AzureSpeechArgumentError, AzureSpeechError
from narration.hooks.azure_wire import AzureAnswer, AzureRequest

if TYPE_CHECKING:
    import httpx

_NEVER_CONNECTED = (
    NewConnectionError,
    NameResolutionError,
    ConnectTimeoutError,
    ProxyError,
    socket.gaierror,
    ConnectionRefusedError,
    ssl.SSLCertVerificationError,
)
_NOT_A_REQUEST = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


def new_session() -> requests.Session:
    """
    Give a session that repeats nothing and adds no credentials of its own.

    urllib3 would repeat below the rate limit, so that a repeated request took no turn; :mod:`azure_retry` does it
    above.
    """
    session = requests.Session()
    # Without this, requests would look into ~/.netrc and might replace the header that says who pays.
    session.auth = lambda request: request
    return session


class SyncTransport:
    """
    Send requests from a task.

    :param timeout: seconds to wait for a connection and for each part of an answer.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._session = new_session()

    def send(self, request: AzureRequest) -> AzureAnswer:
        """
        Send one request, once, and follow no redirect.

        :raises AzureReplyLostError: a create left and no whole answer came.
        :raises AzureSpeechError: anything else that kept the answer away.
        """
        try:
            with self._session.request(
                request.method,
                request.url,
                params=request.params,
                headers=request.all_headers,
                data=request.content,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return AzureAnswer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=response.content,
                )
        except _NOT_A_REQUEST as error:
            failure: Exception = _no_request(request, error)
        except (requests.RequestException, UnicodeError) as error:
            failure = _failed(request, error)
        # Outside the handler: the library's own exception holds the whole request, and it would be shown along.
        raise failure

    def close(self) -> None:
        """Close its connections."""
        self._session.close()


class AsyncTransport:
    """Send requests from an event loop; see :class:`SyncTransport`. Belongs to the loop that it was first used on."""

    def __init__(self, *, timeout: float) -> None:
        import httpx

        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def send(self, request: AzureRequest) -> AzureAnswer:
        """Send one request, once, and follow no redirect; errors as :meth:`SyncTransport.send`."""
        import httpx

        try:
            response = await self._client.request(
                request.method,
                # httpx takes even an empty mapping as the wish to remove the query of the address.
                request.url,
                params=dict(request.params) or None,
                headers=request.all_headers,
                content=request.content,
            )
            return AzureAnswer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=response.content,
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            failure: Exception = _no_request(request, error)
        except httpx.HTTPError as error:
            failure = _failed_async(request, error)
        raise failure

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def _no_request(request: AzureRequest, error: Exception) -> AzureSpeechArgumentError:
    return AzureSpeechArgumentError(
        f"{request.what.capitalize()} was not sent ({type(error).__name__}): check the host in the connection."
    )


def _failed(request: AzureRequest, error: Exception) -> AzureSpeechError:
    if isinstance(error, UnicodeError) or any(isinstance(cause, _NEVER_CONNECTED) for cause in causes(error)):
        return unsent(request, described(error))
    return unanswered(request, described(error))


def _failed_async(request: AzureRequest, error: httpx.HTTPError) -> AzureSpeechError:
    import httpx

    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return unsent(request, described(error))
    return unanswered(request, described(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Go through an error and everything that it was made from, in whichever way the libraries keep that."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        todo += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]


def described(error: BaseException) -> str:
    """Say what kind of error it is and what the system said, without the address, which may be a signed one."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return f"{type(error).__name__}: {cause.strerror}"
    return type(error).__name__
