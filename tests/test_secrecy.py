"""What libraries write into a log about their requests, without what would let the reader send one."""

from __future__ import annotations

import logging

import pytest

from narration.secrecy import Guard, guard, without_credentials


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "headers={'Authorization': b'AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=SECRET', 'Host': b'a'}",
            "headers={'Authorization': b'***', 'Host': b'a'}",
        ),
        ("Authorization: Bearer SECRET\r\nHost: a", "Authorization: ***\r\nHost: a"),
        ("sent with bearer SECRET.abc-_~+/= to a", "sent with bearer *** to a"),
        ("[(b'Authorization', b'Bearer SECRET'), (b'Host', b'a')]", "[(b'Authorization', b'***'), (b'Host', b'a')]"),
        ("host:a\nx-amz-security-token:SECRET+/=\n\nhost", "host:a\nx-amz-security-token:***\n\nhost"),
        ("'X-Amz-Security-Token': b'SECRET', 'x': 1", "'X-Amz-Security-Token': b'***', 'x': 1"),
        ("(b'Ocp-Apim-Subscription-Key', b'SECRET')", "(b'Ocp-Apim-Subscription-Key', b'***')"),
        ("Ocp-Apim-Subscription-Key: SECRET", "Ocp-Apim-Subscription-Key: ***"),
        (
            '"GET /c/a.zip?sv=2021&sig=SECRET%3D&se=2026 HTTP/1.1" 200',
            '"GET /c/a.zip?sv=2021&sig=***&se=2026 HTTP/1.1" 200',
        ),
        (
            "https://b/k?X-Amz-Credential=SECRET&X-Amz-Date=1&X-Amz-Security-Token=SECRET&X-Amz-Signature=SECRET",
            "https://b/k?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Security-Token=***&X-Amz-Signature=***",
        ),
        (
            "<Credentials><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>SECRET</SessionToken></Credentials>",
            "<Credentials><SecretAccessKey>***</SecretAccessKey><SessionToken>***</SessionToken></Credentials>",
        ),
        ('{"access_token": "SECRET", "expires_in": 5}', '{"access_token": "***", "expires_in": 5}'),
        ("{'SecretAccessKey': 'SECRET', 'Token': 'SECRET'}", "{'SecretAccessKey': '***', 'Token': '***'}"),
        ("Signature:\nSECRETSECRETSECRETSECRET", "Signature:\n***"),
        ("Connecting to redis://:SECRET@host:6379/0", "Connecting to redis://:***@host:6379/0"),
        ("postgresql+psycopg2://me:SECRET@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("POST https://hooks.slack.com/services/T0/B0/SECRET", "POST https://hooks.slack.com/***"),
    ],
)
def test_a_secret_is_known_by_where_it_stands(text, clean):
    assert without_credentials(text) == clean
    assert without_credentials(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Read 'The Signature: a Novel': 3 chapters, 120 paragraphs.",
        "s3://my_aws@bucket/narration/clips/ab/abcd.mp3",
        "Job narration-3f2a is Running; the token of the page is unknown",
        "http://127.0.0.1:8080/api/v2/dags?limit=5&signal=on",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert without_credentials(text) == text


def test_a_long_line_is_looked_through_in_no_time():
    import time

    line = "a.b-c+" * 50_000 + "'Authorization': 'SECRET'" + " authorization bearer token@" * 5_000
    begun = time.process_time()

    clean = without_credentials(line)

    assert "SECRET" not in clean
    assert time.process_time() - begun < 1


class TestTheGuard:
    @pytest.fixture
    def lines(self):
        # Airflow sets logging up anew when it is first imported, which would throw the sink out.
        import airflow.settings  # noqa: F401

        seen: list[str] = []

        class Sink(logging.Handler):
            def emit(self, record):
                seen.append(record.getMessage())

        sink = Sink()
        logging.getLogger().addHandler(sink)
        guard()
        yield seen
        logging.getLogger().removeHandler(sink)

    def test_the_lines_of_every_library_pass_it_whatever_they_are_called(self, lines):
        logging.getLogger("botocore.auth").warning("x-amz-security-token:%s", "SECRET")
        logging.getLogger("some.client.of.tomorrow").warning("GET %s", "https://a/b?sig=SECRET")

        assert lines == ["x-amz-security-token:***", "GET https://a/b?sig=***"]

    def test_secrets_that_airflow_knows_are_masked_too_whatever_they_stand_beside(self, lines):
        from airflow.sdk.log import mask_secret

        mask_secret("known-to-airflow-alone")
        logging.getLogger("s3fs").warning("opened with known-to-airflow-alone")

        assert lines == ["opened with ***"]

    def test_a_line_that_cannot_be_formatted_is_left_to_python(self):
        record = logging.LogRecord("a", logging.INFO, __file__, 1, "%d", ("text",), None)

        assert Guard().filter(record)
        assert record.args == ("text",)

    def test_it_is_put_up_once(self):
        guard()
        guard()

        for handler in logging.getLogger().handlers:
            assert sum(isinstance(each, Guard) for each in handler.filters) <= 1
