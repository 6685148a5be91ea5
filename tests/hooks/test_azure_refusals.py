from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from narration.errors import PermanentNarrationError
from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_answers import unsent
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureConflictError,
    AzureJobInUseError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechAuthError,
    AzureSpeechError,
    AzureSpeechRefusedError,
    AzureSpeechThrottledError,
    AzureStoredJobsError,
)
from narration.hooks.azure_redaction import redacted
from narration.hooks.azure_refusals import parse_error, refusal, retry_after
from narration.hooks.azure_wire import AzureAnswer, AzureRequest, get_job

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
KEY = "0123456789abcdef0123456789abcdef"
PAGE = b"<!DOCTYPE html><html><body>Bad gateway. Your key: 0123456789abcdef0123456789abcdef</body></html>"


def request(kind: str = "get", api: SynthesisApi = BATCH) -> AzureRequest:
    return AzureRequest(
        what=f"the {kind} of 'narration-1'",
        method="GET",
        url="https://eastus.api.cognitive.microsoft.com/texttospeech/batchsyntheses/narration-1",
        api=api,
        creates=kind == "create",
        deletes=kind == "delete",
        job_id="narration-1",
        auth={"Ocp-Apim-Subscription-Key": KEY},
    )


def flat(code: str, message: str, inner: str | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": message, **more}
    return body | {"innerError": {"code": inner, "message": message}} if inner else body


def wrapped(code: str, message: str, inner: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": message}
    return {"error": body | {"innererror": {"code": inner, "message": message}} if inner else body}


def answer(status: int, body: Any = b"", **headers: str) -> AzureAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AzureAnswer(status=status, headers=headers, content=content)


PROBLEM = {
    "errors": {"Properties.DestinationContainerUrl": ["The URL has expired."]},
    "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
    "title": "One or more validation errors occurred.",
    "status": 400,
    "traceId": "00-1-2-00",
}
SHOUTED = {
    "Code": "InvalidRequest",
    "Details": None,
    "Message": "The request is wrong.",
    "Target": None,
    "InnerError": {"Code": "InvalidModel", "Message": "No such model.", "InnerError": None},
}


@pytest.mark.parametrize(
    ("body", "code", "inner_code", "message"),
    [
        (flat("InvalidRequest", "Too much.", "InvalidParameter"), "InvalidRequest", "InvalidParameter", "Too much."),
        (wrapped("BadRequest", "Inputs are required."), "BadRequest", "", "Inputs are required."),
        (wrapped("BadRequest", "No.", "QuotaViolation"), "BadRequest", "QuotaViolation", "No."),
        (
            PROBLEM,
            "ValidationProblem",
            "",
            "One or more validation errors occurred. properties.destinationcontainerurl: The URL has expired.",
        ),
        (SHOUTED, "InvalidRequest", "InvalidModel", "The request is wrong. No such model."),
        (
            flat(
                "InvalidArgument", "Two faults.", details=[{"Code": "A", "Message": "First."}, {"message": "Second."}]
            ),
            "InvalidArgument",
            "",
            "Two faults. First. Second.",
        ),
    ],
)
def test_all_three_shapes_are_read_whatever_the_case_of_their_keys(body, code, inner_code, message):
    error = parse_error(json.dumps(body).encode())

    assert (error.code, error.inner_code, error.message) == (code, inner_code, message)
    assert error.is_azure


@pytest.mark.parametrize("content", [b"", PAGE, b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b"[" * 100_000])
def test_what_is_no_error_of_azure_is_not_taken_for_one(content):
    assert not parse_error(content).is_azure


# The messages are those of the vendor's two pages; the codes those of its interface descriptions.
@pytest.mark.parametrize(
    ("kind", "api", "status", "body", "error"),
    [
        # Whoever may not.
        ("get", BATCH, 401, wrapped("Unauthorized", "Access denied."), AzureSpeechAuthError),
        ("get", BATCH, 401, b"", AzureSpeechAuthError),
        ("create", LONG_AUDIO, 401, PAGE, AzureSpeechAuthError),
        ("list", PREVIEW, 403, flat("Forbidden", "Only Standard subscriptions are valid."), AzureSpeechAuthError),
        ("create", BATCH, 403, b"", AzureSpeechAuthError),
        ("create", LONG_AUDIO, 400, flat("InvalidRequest", "x", "SkuLimitsExist"), AzureSpeechAuthError),
        (
            "create",
            LONG_AUDIO,
            400,
            flat("InvalidRequest", "Only the **Standard** speech subscription for this region is valid."),
            AzureSpeechAuthError,
        ),
        (
            "create",
            LONG_AUDIO,
            400,
            flat("InvalidRequest", "The voice synthesis is not enabled in this region."),
            AzureSpeechAuthError,
        ),
        # Too much at once.
        ("get", BATCH, 429, wrapped("TooManyRequests", "Slow down."), AzureSpeechThrottledError),
        ("get", BATCH, 429, PAGE, AzureSpeechThrottledError),
        ("create", PREVIEW, 429, flat("TooManyRequests", "There are too many requests."), AzureSpeechThrottledError),
        ("list", LONG_AUDIO, 429, flat("TooManyRequests", "active", "QuotaViolation"), AzureSpeechThrottledError),
        ("create", LONG_AUDIO, 429, flat("TooManyRequests", "x", "QuotaViolation"), AzureActiveJobsError),
        (
            "create",
            LONG_AUDIO,
            429,
            flat("TooManyRequests", "Exceed the active voice synthesis limit. Wait until some requests finish."),
            AzureActiveJobsError,
        ),
        (
            "create",
            PREVIEW,
            400,
            flat("InvalidRequest", "The limit of 200 active jobs would be exceeded.", "QuotaViolation"),
            AzureActiveJobsError,
        ),
        ("create", PREVIEW, 400, flat("InvalidRequest", "exceeds the limit of active jobs"), AzureActiveJobsError),
        ("create", BATCH, 400, wrapped("BadRequest", "x", "QuotaViolation"), AzureActiveJobsError),
        (
            "create",
            LONG_AUDIO,
            400,
            flat("InvalidRequest", "Exceed the 20,000 request limit for the Azure account."),
            AzureStoredJobsError,
        ),
        ("create", LONG_AUDIO, 400, flat("InvalidRequest", "x", "QuotaViolation"), AzureStoredJobsError),
        # An id twice.
        ("create", BATCH, 409, wrapped("Conflict", "x"), AzureConflictError),
        ("create", BATCH, 400, wrapped("BadRequest", "narration-1 is in use"), AzureConflictError),
        ("create", BATCH, 400, wrapped("BadRequest", "The synthesis id already exists."), AzureConflictError),
        ("create", BATCH, 400, wrapped("BadRequest", "Job narration-1: no such format."), AzureSpeechRefusedError),
        # A wrong request.
        (
            "create",
            BATCH,
            400,
            wrapped("BadRequest", "An input of 20,000 characters is wrong."),
            AzureSpeechRefusedError,
        ),
        ("create", PREVIEW, 429, flat("TooManyRequests", "Too many in the active window."), AzureSpeechThrottledError),
        ("create", BATCH, 400, wrapped("BadRequest", "x", "SubscriptionNotFound"), AzureSpeechAuthError),
        ("get", PREVIEW, 204, b"", AzureJobNotFoundError),
        ("create", BATCH, 400, wrapped("BadRequest", "The inputs are required."), AzureSpeechRefusedError),
        ("create", BATCH, 400, PROBLEM, AzureSpeechRefusedError),
        ("create", LONG_AUDIO, 400, flat("InvalidRequest", "x", "NoUtf8WithBom"), AzureSpeechRefusedError),
        (
            "create",
            LONG_AUDIO,
            400,
            flat("InvalidRequest", "The number of paragraphs in the input file should be less than 10,000."),
            AzureSpeechRefusedError,
        ),
        (
            "create",
            LONG_AUDIO,
            400,
            flat("InvalidRequest", "The input file should be more than 400 characters."),
            AzureSpeechRefusedError,
        ),
        ("create", LONG_AUDIO, 404, flat("NotFound", "No such model"), AzureSpeechRefusedError),
        ("create", LONG_AUDIO, 415, b"", AzureSpeechRefusedError),
        ("create", PREVIEW, 413, PAGE, AzureSpeechRefusedError),
        (
            "list",
            PREVIEW,
            400,
            flat("InvalidRequest", "The top parameter should not be greater"),
            AzureSpeechRefusedError,
        ),
        # Jobs.
        ("get", LONG_AUDIO, 404, flat("NotFound", "The specified entity cannot be found."), AzureJobNotFoundError),
        ("delete", LONG_AUDIO, 400, flat("InvalidRequest", "x", "InUseViolation"), AzureJobInUseError),
        ("delete", PREVIEW, 400, flat("InvalidRequest", "x", "DeleteNotAllowed"), AzureJobInUseError),
        ("delete", LONG_AUDIO, 400, flat("X", "The voice synthesis task is still in use."), AzureJobInUseError),
        ("delete", BATCH, 409, b"", AzureJobInUseError),
        ("delete", BATCH, 400, wrapped("BadArgument", "The id is malformed."), AzureSpeechRefusedError),
        # Nobody's fault, or a stranger's answer.
        ("get", BATCH, 500, wrapped("InternalServerError", "x"), AzureSpeechError),
        ("get", BATCH, 502, PAGE, AzureSpeechError),
        ("delete", BATCH, 503, b"", AzureSpeechError),
        ("get", BATCH, 302, b"", AzureSpeechError),
        ("get", BATCH, 407, b"", AzureSpeechError),
        ("get", BATCH, 408, b"", AzureSpeechError),
        ("get", BATCH, 404, PAGE, AzureSpeechError),
        ("get", BATCH, 403, PAGE, AzureSpeechError),
        ("create", BATCH, 500, wrapped("InternalServerError", "x"), AzureReplyLostError),
        ("create", LONG_AUDIO, 503, flat("ServiceUnavailable", "x"), AzureReplyLostError),
        ("create", PREVIEW, 502, PAGE, AzureReplyLostError),
        ("create", PREVIEW, 307, b"", AzureReplyLostError),
        ("create", PREVIEW, 408, b"", AzureReplyLostError),
        ("create", PREVIEW, 403, PAGE, AzureReplyLostError),
    ],
)
def test_an_answer_is_sorted_by_what_it_means(kind, api, status, body, error):
    found = refusal(request(kind, api), answer(status, body))

    assert type(found) is error
    assert found.status == status
    assert found.remedy
    assert KEY not in str(found)


@pytest.mark.parametrize("kind", [AzureSpeechRefusedError, AzureSpeechAuthError])
def test_what_another_attempt_cannot_put_right_is_permanent(kind):
    assert issubclass(kind, PermanentNarrationError)


@pytest.mark.parametrize(
    "kind",
    [
        AzureSpeechError,
        AzureSpeechThrottledError,
        AzureActiveJobsError,
        AzureReplyLostError,
        AzureStoredJobsError,
        AzureConflictError,
        AzureJobInUseError,
        AzureJobNotFoundError,
    ],
)
def test_what_may_pass_is_not_permanent(kind):
    assert not issubclass(kind, PermanentNarrationError)


def test_a_refusal_carries_what_the_service_said_and_what_to_do():
    body = flat("InvalidRequest", "Give a locale.", "InvalidLocale")

    found = refusal(request("create", LONG_AUDIO), answer(400, body))

    assert (found.status, found.code, found.inner_code, found.message) == (
        400,
        "InvalidRequest",
        "InvalidLocale",
        "Give a locale.",
    )
    assert str(found) == (
        "Azure Speech answered 400 to the create of 'narration-1' (InvalidRequest/InvalidLocale): Give a locale. "
        "Nothing was bought. Give the locale of the voice, such as en-US."
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (403, b""), (400, flat("InvalidRequest", "x", "SkuLimitsExist"))],
    ids=["key", "role", "tier"],
)
def test_a_create_that_was_not_allowed_says_that_nothing_was_bought_and_which_resource_it_was(status, body):
    account = AzureSpeechAccount(conn_id="publisher", region="eastus", key=KEY)

    found = refusal(request("create").signed({}, account=account), answer(status, body))

    assert str(found).startswith(f"Azure Speech (connection 'publisher', eastus) answered {status} ")
    assert "Nothing was bought. " in str(found)


def test_a_code_that_echoes_the_key_is_shown_without_it_and_cut():
    code = f"Bad {KEY} " + "x" * 10_000

    found = refusal(request(), answer(400, wrapped(code, "No.", f"Inner {code}")))

    assert KEY not in str(found) + found.code + found.inner_code
    assert found.code.startswith("Bad *** x")
    assert len(str(found)) < 1_000


@pytest.mark.parametrize(
    ("region", "endpoint", "words"),
    [
        ("eastuss", "", "the region 'eastuss' in connection 'publisher'"),
        ("", "https://gateway.example", "the address https://gateway.example in connection 'publisher'"),
    ],
)
def test_a_host_that_cannot_be_reached_is_traced_to_the_connection(region, endpoint, words):
    account = AzureSpeechAccount(conn_id="publisher", region=region, endpoint=endpoint, key=KEY)

    found = unsent(get_job(account, api=BATCH, job_id="1-2").signed({}, account=account), "no such name")

    assert f"Check the network and {words}." in str(found)


def test_a_redirect_to_what_is_no_address_is_a_redirect_all_the_same():
    assert "a redirect" in str(refusal(request(), answer(302, location="http://[half")))


def test_a_redirect_names_the_host_and_nothing_else_of_the_address():
    found = refusal(request(), answer(302, location="https://login.proxy.example/?token=abc"))

    assert "login.proxy.example" in str(found)
    assert "abc" not in str(found)


def test_the_key_and_the_signature_of_a_url_are_taken_out_of_what_the_service_says():
    said = f"The key {KEY} may not write to https://storage.example/c/x.zip?se=1&sig=c2ln, nor with sig=abc&x."

    found = refusal(request("create", PREVIEW), answer(400, flat("InvalidRequest", said)))

    for secret in (KEY, "c2ln", "sig=abc"):
        assert secret not in str(found)
        assert secret not in found.message
    assert "https://storage.example/c/x.zip" in found.message


def test_a_message_that_quotes_a_whole_book_is_cut():
    found = refusal(request("create"), answer(400, wrapped("BadRequest", "'" + "book " * 50_000 + "' is wrong")))

    assert len(str(found)) < 1_000
    assert len(redacted("x" * 10_000)) < 1_000


class TestRetryAfter:
    NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "3"}, 3.0),
            ({"retry-after": "0.5"}, 0.5),
            ({"retry-after": "Sat, 21 Nov 2026 08:00:07 GMT"}, 7.0),
            ({"retry-after": "-1"}, 0.0),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "inf"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "1e300"}, 86_400.0),
            ({"retry-after": "Sat, 21 Nov 9998 08:00:07 GMT"}, 86_400.0),
            ({"x-ratelimit-reset": "2026-11-21T08:00:04Z"}, 4.0),
            ({"x-ratelimit-reset": "2026-11-21T07:59:04Z"}, 0.0),
            ({}, None),
        ],
    )
    def test_the_service_s_own_word_is_read_against_its_own_clock(self, headers, seconds):
        date = format_datetime(self.NOW, usegmt=True)

        assert retry_after(answer(429, date=date, **headers)) == seconds

    def test_it_is_given_along_with_the_refusal(self):
        found = refusal(request(), answer(429, **{"retry-after": "3"}))

        assert isinstance(found, AzureSpeechThrottledError)
        assert found.retry_after == 3
