"""What can go wrong at Azure AI Speech, sorted by what it means for money and for another attempt.

Kept apart from the hook because a Dag file names these classes in its retry policy; this module imports nothing
that costs time. What turns an answer into one of them is :mod:`narration.hooks.azure_refusals`.
"""

from __future__ import annotations

from narration.errors import NarrationError, PermanentNarrationError


class AzureFault(NarrationError):
    """
    The base of everything in this module: what Azure said, next to what to do about it.

    :param text: the whole message, for people; names the remedy.
    :param status: HTTP status of the answer; None if there was none.
    :param code: the service's outer code, such as ``InvalidRequest``.
    :param inner_code: the innermost code, such as ``InUseViolation``; it is the more exact one.
    :param message: the service's own words.
    :param remedy: what to do about it.
    """

    def __init__(
        self,
        text: str = "",
        *,
        status: int | None = None,
        code: str = "",
        inner_code: str = "",
        message: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.inner_code = inner_code
        self.message = message
        self.remedy = remedy


class AzureSpeechError(AzureFault):
    """The service could not be reached, answered with a fault of its own, or something between answered in its place.

    Another attempt may pass. Raised by a create only when it is certain that nothing was bought, because the request
    never left; otherwise that is an :class:`AzureReplyLostError`.
    """


class AzureUnreachableError(AzureSpeechError):
    """No answer came: the service could not be reached, or the connection broke off during a call that buys nothing."""


class AzureSpeechThrottledError(AzureSpeechError):
    """Too many requests in a window; nothing was done and nothing was bought.

    :param retry_after: seconds that the service asks to wait, if it said so.
    """

    def __init__(self, text: str = "", *, retry_after: float | None = None, **facts: object) -> None:
        super().__init__(text, **facts)  # type: ignore[arg-type]
        self.retry_after = retry_after


class AzureActiveJobsError(AzureSpeechThrottledError):
    """As many jobs wait or run as the service takes; nothing was bought. Room comes as they finish."""


class AzureReplyLostError(AzureSpeechError):
    """A create was sent and no usable answer came: the job may exist and be billed.

    Never send the request again before the service was asked for the job: by its id (2024-04-01) or by listing.
    """


class AzureSpeechRefusedError(AzureFault, PermanentNarrationError):
    """The service refused the request for good; nothing was bought."""


class AzureSpeechArgumentError(AzureFault, PermanentNarrationError):
    """An argument cannot be right, which was seen before anything was sent."""


class AzureStoredJobsError(AzureFault):
    """The account keeps 20,000 jobs, the most that Long Audio stores; nothing was bought until some are deleted."""


class AzureSpeechAuthError(AzureFault, PermanentNarrationError):
    """The key, the identity, the pricing tier or the region is not one that may do this; nothing was bought."""


class AzureJobNotFoundError(AzureFault):
    """The service knows no job of this id: never bought by this resource, deleted, or past its time to live."""


class AzureJobInUseError(AzureFault):
    """A job that waits or runs cannot be deleted."""


class AzureConflictError(AzureFault):
    """A job with this id may exist already (2024-04-01): ask for it before anything else."""


class AzureUrlExpiredError(AzureFault):
    """A signed URL is not accepted (any more); ask the service for a fresh one."""
