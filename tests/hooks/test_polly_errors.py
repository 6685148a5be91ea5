from __future__ import annotations

import socket

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NewConnectionError

from narration.errors import PermanentNarrationError
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyCredentialsError,
    PollyRefusedError,
    PollyReplyLostError,
    PollyTaskNotFoundError,
    PollyThrottledError,
    PollyUnavailableError,
    translated,
)

START = "StartSpeechSynthesisTask"
GET = "GetSpeechSynthesisTask"


def _answer(code: str, status: int, message: str = "") -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, START
    )


def _never_connected() -> boto.EndpointConnectionError:
    return boto.EndpointConnectionError(endpoint_url="x", error=NewConnectionError(None, "refused"))


def _translate(error: Exception, operation: str) -> Exception:
    with pytest.raises(Exception) as raised, translated(operation, aws_conn_id="aws_default"):
        raise error
    assert raised.value.__cause__ is error
    return raised.value


@pytest.mark.parametrize(
    ("error", "while_starting", "while_reading"),
    [
        (_answer("ThrottlingException", 400), PollyThrottledError, PollyThrottledError),
        (_answer("SomethingElse", 429), PollyThrottledError, PollyThrottledError),
        (_answer("ServiceFailureException", 500), PollyReplyLostError, PollyUnavailableError),
        (_answer("503", 503), PollyReplyLostError, PollyUnavailableError),
        (_answer("RequestTimeout", 408), PollyReplyLostError, PollyUnavailableError),
        (_answer("ExpiredTokenException", 403), PollyUnavailableError, PollyUnavailableError),
        (_answer("AccessDeniedException", 403), PollyRefusedError, PollyRefusedError),
        (_answer("LexiconNotFoundException", 404), PollyRefusedError, PollyRefusedError),
        (_answer("SynthesisTaskNotFoundException", 400), PollyTaskNotFoundError, PollyTaskNotFoundError),
        (boto.ReadTimeoutError(endpoint_url="x"), PollyReplyLostError, PollyUnavailableError),
        (boto.ConnectionClosedError(endpoint_url="x"), PollyReplyLostError, PollyUnavailableError),
        (boto.HTTPClientError(error="broken"), PollyReplyLostError, PollyUnavailableError),
        (boto.SSLError(endpoint_url="x", error="bad record"), PollyReplyLostError, PollyUnavailableError),
        (ResponseParserError("not JSON"), PollyReplyLostError, PollyUnavailableError),
        (boto.ConnectTimeoutError(endpoint_url="x"), PollyUnavailableError, PollyUnavailableError),
        (_never_connected(), PollyUnavailableError, PollyUnavailableError),
        (
            boto.EndpointConnectionError(endpoint_url="x", error=socket.gaierror("no such host")),
            PollyUnavailableError,
            PollyUnavailableError,
        ),
        # aiobotocore says the same of a connection that broke off while the request was being written.
        (
            boto.EndpointConnectionError(endpoint_url="x", error=ConnectionResetError()),
            PollyReplyLostError,
            PollyUnavailableError,
        ),
        (boto.ParamValidationError(report="Missing VoiceId"), PollyArgumentError, PollyArgumentError),
        (boto.NoCredentialsError(), PollyCredentialsError, PollyCredentialsError),
        (boto.NoRegionError(), PollyCredentialsError, PollyCredentialsError),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Exception) else "",
)
def test_an_error_is_sorted_by_what_may_have_been_bought(error, while_starting, while_reading):
    assert type(_translate(error, START)) is while_starting
    assert type(_translate(error, GET)) is while_reading


def test_a_lost_reply_is_never_mistaken_for_nothing_bought():
    assert not issubclass(PollyReplyLostError, PollyUnavailableError)


@pytest.mark.parametrize("kind", [PollyRefusedError, PollyCredentialsError, PollyArgumentError, PollyTaskNotFoundError])
def test_what_another_attempt_cannot_put_right_is_permanent(kind):
    assert issubclass(kind, PermanentNarrationError)


@pytest.mark.parametrize("kind", [PollyThrottledError, PollyUnavailableError, PollyReplyLostError])
def test_what_may_pass_is_not_permanent(kind):
    assert not issubclass(kind, PermanentNarrationError)


def test_a_message_that_quotes_a_whole_book_is_cut():
    error = _translate(_answer("ValidationException", 400, "Value '" + "book " * 50_000 + "' at 'text'"), START)

    assert len(str(error)) < 1_000


def test_errors_that_are_not_the_sdk_s_pass_through():
    with pytest.raises(KeyError), translated(START, aws_conn_id=None):
        raise KeyError("ours")
