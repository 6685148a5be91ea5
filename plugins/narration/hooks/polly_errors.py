"""What can go wrong at Amazon Polly, sorted by what it means for money and for another attempt.

Kept apart from the hook because a Dag file names these classes in its retry policy, and importing the hook
costs about a second (it brings the AWS SDK with it); this module brings nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from narration.errors import NarrationError, PermanentNarrationError

START = "StartSpeechSynthesisTask"

_THROTTLING_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
    }
)
#: Refused because of the moment, not because of the request: the same call signed afresh may pass.
_STALE_SIGNATURE_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"})

_REMEDIES = {
    "AccessDeniedException": "Allow the action in the IAM policy of the connection's principal.",
    "UnrecognizedClientException": "Check the access key id in the Airflow connection.",
    "InvalidClientTokenId": "Check the access key id in the Airflow connection.",
    "InvalidSignatureException": "Check the secret access key in the Airflow connection.",
    "EngineNotSupportedException": "Choose an engine that DescribeVoices lists for this voice in this Region.",
    "InvalidS3BucketException": (
        "The bucket must exist in the Region of the Polly call, and the principal needs s3:PutObject on it."
    ),
    "InvalidS3KeyException": "Use at most 800 letters, digits and /!-_.*'():;$@=+,?& in the key prefix; no spaces.",
    "InvalidSampleRateException": (
        "Valid rates: mp3 and ogg_vorbis 8000, 16000, 22050, 24000; pcm 8000, 16000; ogg_opus 48000; mulaw, alaw 8000."
    ),
    "InvalidSnsTopicArnException": "Name a topic in the Region of the Polly call that the principal may publish to.",
    "InvalidSsmlException": "Correct the SSML; Polly's guide lists which tags each engine supports.",
    "LanguageNotSupportedException": "Leave the language code out, or choose one that DescribeVoices lists for it.",
    "LexiconNotFoundException": "Store the lexicon in this Region with PutLexicon, or leave it out.",
    "MarksNotSupportedForFormatException": "Speech marks need the output format json, and json needs mark types.",
    "SsmlMarksNotSupportedForTextTypeException": "Speech marks of type ssml need the text type ssml.",
    "TextLengthExceededException": (
        "Split the text: one task takes 100,000 billed characters and 200,000 characters with tags."
    ),
    "SynthesisTaskNotFoundException": "Polly forgets a task 72 hours after it was started; start a new one.",
    "InvalidTaskIdException": "A task id has 1 to 100 letters, digits, hyphens and underscores.",
    "ValidationException": "Correct the argument that the message names.",
}
#: A message may quote the refused value, and the value may be a whole book.
_LONGEST_MESSAGE = 600


class PollyUnavailableError(NarrationError):
    """Polly could not be reached or answered with a fault of its own; another attempt may pass.

    When it comes from a start it is certain that nothing was bought (the request never left);
    otherwise it would be a :class:`PollyReplyLostError`.
    """


class PollyThrottledError(PollyUnavailableError):
    """Polly refused the call because the account calls too often; nothing was done and nothing was bought."""


class PollyTooLateError(NarrationError):
    """A start was ready to be sent when its time was over; it was not sent, and nothing was bought."""


class PollyReplyLostError(NarrationError):
    """A start was sent and no usable answer came: the task may exist and be billed.

    Never send the request again before ListSpeechSynthesisTasks was asked for it.
    """


class PollyRefusedError(PermanentNarrationError):
    """Polly refused the request for good; nothing was bought.

    :param message: What was refused and what to do about it.
    :param code: Polly's exception name, such as ``InvalidSsmlException``.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class PollyTaskNotFoundError(PollyRefusedError):
    """Polly does not know the task id: it is another account's or Region's, or older than 72 hours."""


class PollyTaskUnseenError(NarrationError):
    """Polly does not know a task that it must still remember: its answer lags, or the account is another one."""


class PollyTaskFailedError(NarrationError):
    """Polly accepted the task and then failed it; the message carries ``TaskStatusReason``.

    Retryable, because a reason may be a passing one; the caller decides how often to buy again.
    """


class PollyWaitTimeoutError(NarrationError):
    """The task had not finished when the waiting ended; it goes on at Polly and another attempt adopts it."""


class PollyCredentialsError(PermanentNarrationError):
    """The Airflow connection that should pay is missing, incomplete or without a Region; nothing was sent."""


class PollyArgumentError(PermanentNarrationError):
    """An argument cannot be right, which was seen before anything was sent."""


@contextmanager
def translated(operation: str, *, aws_conn_id: str | None) -> Iterator[None]:
    """Turn what botocore raises inside the block into the classes of this module.

    :param operation: Polly's operation, as in ``StartSpeechSynthesisTask``; a fault during that one means that
        something may have been bought.
    :param aws_conn_id: the connection to name in messages.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _from_answer(error, operation) from error
    except ResponseParserError as error:
        raise _from_silence(error, operation) from error
    except BotoCoreError as error:
        raise _from_client_side(error, operation, aws_conn_id) from error


def _from_answer(error: Exception, operation: str) -> NarrationError:
    response: dict = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = str(response.get("Error", {}).get("Message", ""))[:_LONGEST_MESSAGE]
    if is_throttling(code, status):
        return PollyThrottledError(
            f"Polly throttled {operation} ({code}: {said}). Nothing was bought. It will pass by itself; if it does "
            "not, run fewer tasks at once (an Airflow pool) or ask AWS for a higher quota."
        )
    # 408 means that the server gave up on the request; it is not a promise that it did nothing with it.
    if status >= 500 or status in {0, 408}:
        return _from_silence(error, operation)
    if code in _STALE_SIGNATURE_CODES:
        return PollyUnavailableError(
            f"AWS refused {operation} because the signature is out of date ({code}: {said}). Nothing was bought. "
            "Check the worker's clock and how long the session token of the connection lasts."
        )
    remedy = _REMEDIES.get(code, "See Polly's API reference for this exception.")
    kind = PollyTaskNotFoundError if code == "SynthesisTaskNotFoundException" else PollyRefusedError
    return kind(f"Polly refused {operation}: {code}: {said} {remedy}", code)


def is_throttling(code: str, status: int) -> bool:
    """Tell whether Polly refused a call because of the rate, after which nothing can have been bought."""
    return code in _THROTTLING_CODES or status == 429


def cut_off(operation: str, *, missing: str) -> NarrationError:
    """Give the error for an answer that says that all is well and lacks what it must hold."""
    return _from_silence(EOFError(f"the answer has no {missing}"), operation)


def _from_silence(error: Exception, operation: str) -> NarrationError:
    what = f"{type(error).__name__}: {str(error)[:_LONGEST_MESSAGE]}"
    if operation == START:
        return PollyReplyLostError(
            f"The answer to {operation} was lost ({what}). The task may have been accepted, and billed: look for it "
            "with ListSpeechSynthesisTasks before you start it again."
        )
    return PollyUnavailableError(f"Polly did not answer {operation} ({what}). Try again.")


def _from_client_side(error: Exception, operation: str, aws_conn_id: str | None) -> NarrationError:
    from botocore import exceptions as boto

    where = f"connection {aws_conn_id!r}" if aws_conn_id else "the environment (no Airflow connection is set)"
    if isinstance(error, boto.NoRegionError):
        return PollyCredentialsError(
            f"No AWS Region for {operation}: pass region_name, or put region_name into the extra of {where}."
        )
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.ProfileNotFound):
        return PollyCredentialsError(
            f"No usable AWS credentials for {operation} from {where}: {error}. Create the connection (type Amazon Web "
            "Services) with an access key, a role or a profile, or give the worker a role of its own."
        )
    if isinstance(error, boto.ParamValidationError):
        return PollyArgumentError(f"{operation} was not sent: {str(error)[:_LONGEST_MESSAGE]}")
    if isinstance(error, boto.ConnectTimeoutError | boto.ProxyConnectionError) or _was_never_connected(error):
        return PollyUnavailableError(
            f"Polly cannot be reached for {operation}: {error}. Nothing was bought. Check the network and the "
            f"endpoint_url of {where}."
        )
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError | boto.ChecksumError):
        return _from_silence(error, operation)
    # The rest (credential providers, endpoint resolution) is raised while a request is prepared.
    return PollyUnavailableError(f"{operation} was not sent: {type(error).__name__}: {error}")


def _was_never_connected(error: Exception) -> bool:
    """
    Tell whether the connection was not even opened, so that the request cannot have left.

    EndpointConnectionError alone does not say so: aiobotocore also raises it for a connection that broke off
    while the request was being written.
    """
    import socket

    from botocore.exceptions import EndpointConnectionError

    if not isinstance(error, EndpointConnectionError):
        return False
    cause = error.kwargs.get("error")
    return isinstance(cause, socket.gaierror) or any(
        kind.__name__ in {"NewConnectionError", "ClientConnectorError"} for kind in type(cause).__mro__
    )
