"""Replies that a web framework does not bring along."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_TRANSPORT = "local_cloud.transport"


class DroppedReply(Response):
    """No reply: the connection is closed instead, as when a network fails after the service did its work."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class TransportInScope:
    """Outermost layer that puts the connection into the scope, where :class:`DroppedReply` finds it.

    ASGI has no message for "hang up without a word", so this reaches for the
    server's own object behind ``receive``, which uvicorn's protocols all have.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(receive, "__self__", None)
        scope[_TRANSPORT] = getattr(cycle, "transport", None)
        await self._app(scope, receive, send)
