"""The refusals of Azure Speech in the three shapes that they have on the wire."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response


class ErrorStyle(enum.Enum):
    """How an API writes its errors: flat (Long Audio, the preview) or wrapped in ``error`` (2024-04-01)."""

    FLAT = "flat"
    WRAPPED = "wrapped"


class AzureError(Exception):
    """A refusal.

    :param status: the HTTP status.
    :param code: the outer code, such as ``InvalidRequest`` (flat) or ``BadRequest`` (wrapped).
    :param message: what the caller reads.
    :param inner_code: the code inside ``innerError``; ``None`` leaves that out.
    :param inner_message: its message, the same as ``message`` when left out.
    :param headers: more headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner_code: str | None = None,
        inner_message: str | None = None,
        target: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner_code = inner_code
        self.inner_message = inner_message or message
        self.target = target
        self.headers = dict(headers or {})

    def response(self, style: ErrorStyle) -> Response:
        headers = request_id() | self.headers
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            body["target"] = self.target
        if style is ErrorStyle.FLAT:
            if self.inner_code is not None:
                body["innerError"] = {"code": self.inner_code, "message": self.inner_message}
            return JSONResponse(body, status_code=self.status, headers=headers)
        if self.inner_code is not None:
            body["innererror"] = {"code": self.inner_code, "message": self.inner_message}
        return JSONResponse({"error": body}, status_code=self.status, headers=headers | {"x-ms-error-code": self.code})


class ModelInvalid(AzureError):
    """A body that the framework in front of the preview refuses: ProblemDetails in place of the service's own shape.

    :param errors: field, as in ``Properties.DestinationContainerUrl``, -> messages.
    """

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(400, "ValidationProblem", "One or more validation errors occurred.")
        self.errors = {name: list(messages) for name, messages in errors.items()}

    def response(self, style: ErrorStyle) -> Response:
        trace = uuid.uuid4().hex
        body = {
            "errors": self.errors,
            "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            "title": self.message,
            "status": self.status,
            "traceId": f"00-{trace}-{trace[:16]}-00",
        }
        return JSONResponse(
            body, status_code=self.status, headers=request_id() | self.headers, media_type="application/problem+json"
        )


def request_id() -> dict[str, str]:
    return {"apim-request-id": str(uuid.uuid4())}
