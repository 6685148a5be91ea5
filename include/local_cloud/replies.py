"""Replies that a web framework does not bring along."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRANSPORT = "local_cloud.transport"


class DroppedReply(Response):
    """No reply: the connection is closed instead, as when a network fails after the service did its work."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class CutShort(Response):
    """Half of another reply, whose headers announce the whole: then the connection is closed."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = 0

        async def half(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = int(Headers(raw=message["headers"])["content-length"]) // 2
                await send(message)
            elif block := message.get("body", b"")[:left]:
                left -= len(block)
                await send({"type": message["type"], "body": block, "more_body": True})

        await self._whole(scope, receive, half)
        # What is still in the buffer is sent first, unlike with abort().
        scope[_TRANSPORT].close()
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
