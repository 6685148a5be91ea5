"""The two HTTP clients: requests for tasks, httpx for triggers. Both carry a request there and an answer back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from narration.hooks.azure_answers import unanswered, unreadable, unsent
from narration.hooks.azure_body import ACCEPTED, Body, BodyError
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
    LocationParseError,
)
#: Bytes of an answer that are read at most before its size and the time are looked at again.
_PIECE = 64 * 1024
#: The same on the event loop; gzip makes at most a thousand times as much of it.
_STEP = 4 * 1024
#: The time for one request in all, as a multiple of the time for each part of its answer. With the hook's 60 seconds
#: it is what a place in the rate limit is held for at most (:mod:`narration.hooks.windows`).
_PARTS = 2
_TRUST_LOCK = threading.Lock()


class _Session(requests.Session):
    def get_redirect_target(self, response: requests.Response) -> None:
        """Look for no redirect: even where none is followed, requests would read its address and its whole body."""


def new_session() -> requests.Session:
    """
    Give a session that repeats nothing and adds no credentials of its own.

    urllib3 would repeat below the rate limit, so that a repeated request took no turn; :mod:`azure_retry` does it
    above.
    """
    session = _Session()
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
        status = 0
        end = time.monotonic() + _PARTS * self._timeout
        try:
            with self._session.request(
                request.method,
                request.url,
                params=request.params,
                headers=ACCEPTED | request.all_headers,
                data=request.content,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                body = Body(response.headers.get("Content-Encoding", ""))
                # read1 returns what there is; everything else waits until a piece is full, however long that takes.
                while piece := response.raw.read1(_PIECE, decode_content=False):
                    body.add(piece)
                    if time.monotonic() > end:
                        raise requests.Timeout
                return AzureAnswer(
                    status=status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=body.content(),
                )
        except _NOT_A_REQUEST as error:
            failure: Exception = _no_request(request, error)
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            failure = _failed(request, error)
        except BodyError as error:
            failure = unreadable(request, status, str(error))
        # Outside the handler: the library's own exception holds the whole request, and it would be shown along.
        raise failure

    def close(self) -> None:
        """Close its connections."""
        self._session.close()


class AsyncTransport:
    """Send requests from an event loop; see :class:`SyncTransport`. Belongs to the loop that it was first used on."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: AzureRequest) -> AzureAnswer:
        """Send one request, once, and follow no redirect; errors as :meth:`SyncTransport.send`."""
        client = await self._opened()
        import httpx

        status = 0
        try:
            async with (
                asyncio.timeout(_PARTS * self._timeout),
                client.stream(
                    request.method,
                    request.url,
                    # httpx takes even an empty mapping as the wish to remove the query of the address.
                    params=dict(request.params) or None,
                    headers=ACCEPTED | request.all_headers,
                    content=request.content,
                ) as response,
            ):
                status = response.status_code
                body = Body(response.headers.get("Content-Encoding", ""))
                async for piece in response.aiter_raw(_STEP):
                    body.add(piece)
                    # Unpacking what came in one go may take long; others get their turn meanwhile.
                    await asyncio.sleep(0)
                return AzureAnswer(
                    status=status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=body.content(),
                )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            failure: Exception = _no_request(request, error)
        except (httpx.HTTPError, TimeoutError, UnicodeError) as error:
            failure = _failed_async(request, error)
        except BodyError as error:
            failure = unreadable(request, status, str(error))
        raise failure

    async def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            trust = await asyncio.to_thread(_trust)
            import httpx

            # Nothing is awaited from here on, so that requests that begin together share one client.
            if self._client is None:
                self._client = httpx.AsyncClient(timeout=self._timeout, follow_redirects=False, verify=trust)
        return self._client

    async def close(self) -> None:
        """Close its connections."""
        opened, self._client = self._client, None
        if opened is not None:
            await opened.aclose()


def _trust() -> ssl.SSLContext:
    """
    Give the certificates that httpx trusts, read once for the process.

    Every trigger has a client of its own, and reading them takes 20 ms and more: on the event loop, three hundred
    triggers would stop it for seconds.
    """
    with _TRUST_LOCK:
        return _read_trust()


@lru_cache(maxsize=1)
def _read_trust() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _no_request(request: AzureRequest, error: Exception) -> AzureSpeechArgumentError:
    return AzureSpeechArgumentError(
        f"{request.what.capitalize()} was not sent ({type(error).__name__}): check the host in the connection."
    )


def _failed(request: AzureRequest, error: Exception) -> AzureSpeechError:
    if isinstance(error, UnicodeError) or any(isinstance(cause, _NEVER_CONNECTED) for cause in causes(error)):
        return unsent(request, described(error))
    return unanswered(request, described(error))


def _failed_async(request: AzureRequest, error: Exception) -> AzureSpeechError:
    import httpx

    if isinstance(
        error, UnicodeError | httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError
    ):
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
