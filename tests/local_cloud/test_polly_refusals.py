"""What the service refuses: the exception, its status, its header and its words, over real HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import Admin, client, start

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20261121/us-east-1/polly/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature=00",
    "X-Amz-Date": "20261121T000000Z",
    "Content-Type": "application/json",
}
LEAST = {"OutputFormat": "mp3", "OutputS3BucketName": "narration-output", "Text": "Hello.", "VoiceId": "Joanna"}


def call(
    cloud: LocalCloud, method: str, path: str, *, headers: dict[str, str] = SIGNED, body: str | bytes | None = None
) -> tuple[int, str | None, str]:
    """Status, error type and message of a call made by hand."""
    connection = http.client.HTTPConnection(urlsplit(cloud.speech_url).netloc, timeout=10)
    connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=headers)
    reply = connection.getresponse()
    content = json.loads(reply.read())
    assert reply.headers["x-amzn-RequestId"]
    connection.close()
    return reply.status, reply.headers["x-amzn-ErrorType"], content.get("message", "")


def refused(polly: Any, **arguments: Any) -> tuple[str, int, str]:
    """Name, status and message of the refusal of a task."""
    with pytest.raises(ClientError) as raised:
        start(polly, **arguments)
    response = raised.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


@pytest.mark.parametrize(
    ("arguments", "place", "constraint"),
    [
        (
            {"OutputS3BucketName": "Upper-Case"},
            "'Upper-Case' at 'outputS3BucketName'",
            r"Member must satisfy regular expression pattern: ^[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]$",
        ),
        (
            {"OutputS3KeyPrefix": "white space"},
            "'white space' at 'outputS3KeyPrefix'",
            "Member must satisfy regular expression pattern: ^[0-9a-zA-Z",
        ),
        (
            {"OutputS3KeyPrefix": "x" * 801},
            "at 'outputS3KeyPrefix'",
            "Member must satisfy regular expression pattern: ^[0-9a-zA-Z",
        ),
        (
            {"SnsTopicArn": "finished"},
            "'finished' at 'snsTopicArn'",
            "Member must satisfy regular expression pattern: ^arn:aws",
        ),
        (
            {"Engine": "fast"},
            "'fast' at 'engine'",
            "Member must satisfy enum value set: [standard, neural, long-form, generative]",
        ),
        ({"VoiceId": "Nobody"}, "'Nobody' at 'voiceId'", "Member must satisfy enum value set: ["),
        ({"LanguageCode": "en"}, "'en' at 'languageCode'", "Member must satisfy enum value set: ["),
        ({"OutputFormat": "wav"}, "'wav' at 'outputFormat'", "Member must satisfy enum value set: [json, mp3"),
        ({"TextType": "html"}, "'html' at 'textType'", "Member must satisfy enum value set: [ssml, text]"),
        (
            {"LexiconNames": list("abcdef")},
            "'[a, b, c, d, e, f]' at 'lexiconNames'",
            "Member must have length less than or equal to 5",
        ),
        (
            {"LexiconNames": ["a-b"]},
            "'[a-b]' at 'lexiconNames'",
            "Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9A-Za-z]{1,20}]",
        ),
        (
            {"OutputFormat": "json", "SpeechMarkTypes": ["word"] * 5},
            "at 'speechMarkTypes'",
            "Member must have length less than or equal to 4",
        ),
        (
            {"OutputFormat": "json", "SpeechMarkTypes": ["letter"]},
            "'[letter]' at 'speechMarkTypes'",
            "Member must satisfy constraint: [Member must satisfy enum value set: [",
        ),
    ],
)
def test_the_front_end_refuses_breaches_in_its_own_words(
    polly: Any, arguments: dict[str, Any], place: str, constraint: str
) -> None:
    name, status, message = refused(polly, **arguments)
    assert (name, status) == ("ValidationException", 400)
    assert message.startswith("1 validation error detected: Value ")
    assert f"{place} failed to satisfy constraint: {constraint}" in message


def test_several_breaches_are_told_at_once(cloud: LocalCloud) -> None:
    status, name, message = call(cloud, "POST", "/v1/synthesisTasks", body='{"OutputFormat": "wav"}')
    assert (status, name) == (400, "ValidationException")
    assert message.startswith("4 validation errors detected: ")
    assert "Value null at 'text' failed to satisfy constraint: Member must not be null" in message


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"VoiceId": "Ruth"}, "EngineNotSupportedException"),
        ({"VoiceId": "Joanna", "Engine": "long-form"}, "EngineNotSupportedException"),
        ({"VoiceId": "Tina", "Engine": "neural"}, "EngineNotSupportedException"),
        ({"LanguageCode": "de-DE"}, "LanguageNotSupportedException"),
        ({"VoiceId": "Joanna", "LanguageCode": "en-GB"}, "LanguageNotSupportedException"),
        ({"SampleRate": "44100"}, "InvalidSampleRateException"),
        ({"SampleRate": "fast"}, "InvalidSampleRateException"),
        ({"OutputFormat": "pcm", "SampleRate": "24000"}, "InvalidSampleRateException"),
        ({"OutputFormat": "ogg_opus", "SampleRate": "24000"}, "InvalidSampleRateException"),
        ({"OutputFormat": "alaw", "SampleRate": "16000"}, "InvalidSampleRateException"),
        ({"SpeechMarkTypes": ["word"]}, "MarksNotSupportedForFormatException"),
        ({"OutputFormat": "json"}, "ValidationException"),
        ({"OutputFormat": "json", "SpeechMarkTypes": ["ssml"]}, "SsmlMarksNotSupportedForTextTypeException"),
        (
            {"OutputFormat": "json", "SpeechMarkTypes": ["word"], "Engine": "generative"},
            "ValidationException",
        ),
        ({"Text": "x" * 100_001}, "TextLengthExceededException"),
        (
            {"Text": f"<speak>{'<p>x</p>' * 25_001}</speak>", "TextType": "ssml"},
            "TextLengthExceededException",
        ),
        ({"TextType": "ssml", "Text": "Fish & chips"}, "InvalidSsmlException"),
        ({"OutputS3BucketName": "no-such-bucket"}, "InvalidS3BucketException"),
        ({"OutputS3KeyPrefix": "a/../../b"}, "InvalidS3KeyException"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(polly: Any, arguments: dict[str, Any], name: str) -> None:
    assert refused(polly, **arguments)[:2] == (name, 400)


@pytest.mark.parametrize(
    "arguments",
    [
        {"Text": "x" * 100_000},
        {"Text": f"<speak>{'<p>x</p>' * 24_998}</speak>", "TextType": "ssml"},
        {"Text": "Fish & <chips>"},
        {"VoiceId": "Kajal", "Engine": "neural", "LanguageCode": "hi-IN"},
        {"VoiceId": "Patrick", "Engine": "long-form"},
        {"OutputFormat": "ogg_opus", "SampleRate": "48000"},
        {"OutputFormat": "json", "SpeechMarkTypes": ["word", "viseme"], "SampleRate": "16000"},
    ],
)
def test_what_is_just_within_the_limits_is_accepted(polly: Any, arguments: dict[str, Any]) -> None:
    assert start(polly, **arguments)["TaskStatus"] == "scheduled"


def test_an_unknown_lexicon_is_the_one_404_of_a_task(polly: Any) -> None:
    assert refused(polly, LexiconNames=["unknown"])[:2] == ("LexiconNotFoundException", 404)


@pytest.mark.parametrize(
    ("engine", "voice", "region"),
    [("long-form", "Ruth", "us-west-2"), ("generative", "Ruth", "us-east-2"), ("neural", "Ruth", "eu-north-1")],
)
def test_an_engine_that_the_region_lacks_is_refused(cloud: LocalCloud, engine: str, voice: str, region: str) -> None:
    polly = client("polly", cloud.speech_url, region=region)
    assert refused(polly, Engine=engine, VoiceId=voice)[0] == "EngineNotSupportedException"


def test_an_unknown_task_is_400_and_a_malformed_id_has_its_own_name(polly: Any) -> None:
    with pytest.raises(polly.exceptions.SynthesisTaskNotFoundException) as unknown:
        polly.get_speech_synthesis_task(TaskId="70b61c0f-57ce-4715-a247-cae8729dcce9")
    assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(polly.exceptions.InvalidTaskIdException):
        polly.get_speech_synthesis_task(TaskId="not an id")


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("MaxResults=101", "ValidationException", "Member must have value less than or equal to 100"),
        ("MaxResults=0", "ValidationException", "Member must have value greater than or equal to 1"),
        ("MaxResults=many", "SerializationException", "MaxResults"),
        ("Status=done", "ValidationException", "[scheduled, inProgress, completed, failed]"),
        (f"NextToken={'x' * 4097}", "ValidationException", "Member must have length less than or equal to 4096"),
    ],
)
def test_lists_refuse_what_the_client_lets_through(cloud: LocalCloud, query: str, name: str, words: str) -> None:
    status, refusal, message = call(cloud, "GET", f"/v1/synthesisTasks?{query}")
    assert (status, refusal) == (400, name)
    assert words in message


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        b"\xff\xfe",
        "[" * 100_000,
        json.dumps(LEAST | {"Text": 5}),
        json.dumps(LEAST | {"LexiconNames": "one"}),
        json.dumps(LEAST | {"LexiconNames": [1]}),
        json.dumps(LEAST)[:-1] + ', "SampleRate": 8000}',
        json.dumps(LEAST | {"Text": "half \ud83d"}),
    ],
)
def test_bodies_that_are_not_what_they_should_be_are_refused(cloud: LocalCloud, body: str | bytes) -> None:
    assert call(cloud, "POST", "/v1/synthesisTasks", body=body)[:2] == (400, "SerializationException")


def test_unknown_members_are_ignored(cloud: LocalCloud) -> None:
    status, name, _ = call(cloud, "POST", "/v1/synthesisTasks", body=json.dumps(LEAST | {"Colour": "red"}))
    assert (status, name) == (200, None)


def test_unknown_operations_are_404(cloud: LocalCloud) -> None:
    assert call(cloud, "DELETE", "/v1/synthesisTasks/x")[:2] == (404, "UnknownOperationException")
    assert call(cloud, "POST", "/v1/synthesisStream", body="{}")[:2] == (404, "UnknownOperationException")


class TestSignatures:
    @pytest.mark.parametrize(
        ("headers", "name"),
        [
            ({}, "MissingAuthenticationTokenException"),
            ({"Authorization": "Bearer abc"}, "IncompleteSignatureException"),
            ({"Authorization": "AWS4-HMAC-SHA256 nonsense", "X-Amz-Date": "x"}, "IncompleteSignatureException"),
            ({"Authorization": SIGNED["Authorization"]}, "IncompleteSignatureException"),
            (
                SIGNED | {"Authorization": SIGNED["Authorization"].replace("/aws4_request", "")},
                "IncompleteSignatureException",
            ),
            (
                SIGNED | {"Authorization": SIGNED["Authorization"].replace("/polly/", "/s3/")},
                "InvalidSignatureException",
            ),
            (
                SIGNED | {"Authorization": SIGNED["Authorization"].replace("us-east-1", "mars-1")},
                "InvalidSignatureException",
            ),
            (
                SIGNED | {"Authorization": SIGNED["Authorization"].replace("=local/", "=AKIAREVOKED/")},
                "UnrecognizedClientException",
            ),
        ],
    )
    def test_badly_signed_calls_are_403(self, cloud: LocalCloud, headers: dict[str, str], name: str) -> None:
        assert call(cloud, "GET", "/v1/voices", headers=headers)[:2] == (403, name)

    def test_a_revoked_key_is_told_so_by_boto3(self, cloud: LocalCloud) -> None:
        revoked = client("polly", cloud.speech_url, access_key="AKIAREVOKED")
        with pytest.raises(ClientError, match="security token included in the request is invalid"):
            revoked.describe_voices()

    def test_nothing_secret_or_spoken_is_logged(
        self, cloud: LocalCloud, polly: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG", logger="include.local_cloud")
        start(polly, Text="A secret manuscript.")
        refused(polly, Text="<speak>A secret manuscript", TextType="ssml")
        assert "StartSpeechSynthesisTask" in caplog.text
        assert "manuscript" not in caplog.text
        assert "Credential" not in caplog.text


def test_calls_are_counted_per_operation(cloud: LocalCloud, polly: Any, admin: Admin) -> None:
    def counts() -> dict[str, int]:
        nothing = {"calls": 0, "throttled": 0, "errors": 0}
        return admin.get("requests").get("polly", {}).get("StartSpeechSynthesisTask", nothing)

    before = counts()
    start(polly)
    refused(polly, VoiceId="Nobody")
    admin.order("throttle", operation="StartSpeechSynthesisTask")
    assert refused(polly)[0] == "ThrottlingException"
    after = counts()
    assert {name: after[name] - before[name] for name in after} == {"calls": 3, "throttled": 1, "errors": 1}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_read_to_its_end_so_that_the_caller_hears_why(
    cloud: LocalCloud, chunked: bool
) -> None:
    body = json.dumps(LEAST | {"Text": "x" * (20 * 1024 * 1024)}).encode()
    connection = http.client.HTTPConnection(urlsplit(cloud.speech_url).netloc, timeout=20)
    sent = iter([body[:65_536]] * (len(body) // 65_536)) if chunked else body
    connection.request("POST", "/v1/synthesisTasks", body=sent, headers=SIGNED, encode_chunked=chunked)
    reply = connection.getresponse()
    assert (reply.status, reply.headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")
    assert "larger" in json.loads(reply.read())["message"]
    connection.request("GET", "/v1/voices", headers=SIGNED)
    assert connection.getresponse().status == 200
    connection.close()
