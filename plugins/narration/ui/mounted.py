"""What the plugin gives to Airflow to mount: the application, made when it is first asked."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


class ParagraphPages:
    """
    The ASGI application of :func:`narration.ui.app.make_app`.

    Every component of Airflow loads every plugin, and only the API server has use for a web application: the others
    are spared the second that it takes to load one.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> FastAPI:
        from narration.ui.app import make_app

        return make_app()
