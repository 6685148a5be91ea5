from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from narration.errors import PermanentNarrationError
from narration.hooks.polly_errors import PollyArgumentError
from narration.operators.polly_request import CLOCK_SKEW_SECONDS, SynthesisRequest, read_text

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MEMBERS = {"Text": "Hello there.", "OutputFormat": "mp3", "OutputS3BucketName": "books", "VoiceId": "Joanna"}


def _request(aws_conn_id="aws_default", region_name=None, **members):
    return SynthesisRequest(members={**MEMBERS, **members}, aws_conn_id=aws_conn_id, region_name=region_name)


def _task(request, **change):
    prefix = f"{request.prefix}." if request.prefix else ""
    return {
        "TaskId": "t-1",
        "TaskStatus": "scheduled",
        "OutputUri": f"https://s3.us-east-1.amazonaws.com/books/{prefix}t-1.mp3",
        "CreationTime": NOW,
        "RequestCharacters": 12,
        "OutputFormat": "mp3",
        "TextType": "text",
        "VoiceId": "Joanna",
        **change,
    }


class TestFingerprint:
    def test_the_same_request_has_the_same_fingerprint(self):
        assert _request().fingerprint == _request().fingerprint

    @pytest.mark.parametrize(
        "change",
        [
            {"Text": "Hello here."},
            {"VoiceId": "Matthew"},
            {"OutputFormat": "pcm"},
            {"Engine": "neural"},
            {"TextType": "ssml"},
            {"LexiconNames": ["names"]},
            {"OutputS3KeyPrefix": "talks/one"},
            {"OutputS3BucketName": "others"},
            {"aws_conn_id": "another_payer"},
            {"region_name": "eu-west-1"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_anything_that_changes_the_request_or_the_payer_changes_it(self, change):
        assert _request(**change).fingerprint != _request().fingerprint


class TestPrefix:
    def test_without_one_the_fingerprint_is_sent(self):
        request = _request()

        assert request.api_arguments["OutputS3KeyPrefix"] == request.fingerprint

    def test_the_users_own_is_sent_as_it_is(self):
        assert _request(OutputS3KeyPrefix="talks/one").api_arguments["OutputS3KeyPrefix"] == "talks/one"

    def test_an_empty_one_is_not_sent(self):
        assert "OutputS3KeyPrefix" not in _request(OutputS3KeyPrefix="").api_arguments


class TestRecognisingATask:
    @pytest.mark.parametrize("prefix", [{}, {"OutputS3KeyPrefix": "talks/one"}, {"OutputS3KeyPrefix": ""}])
    def test_the_task_that_a_request_became_is_recognised(self, prefix):
        request = _request(**prefix)

        assert request.is_met_by(_task(request), since=NOW.timestamp())

    def test_a_little_difference_between_the_clocks_does_no_harm(self):
        request = _request()
        task = _task(request, CreationTime=NOW - timedelta(seconds=CLOCK_SKEW_SECONDS - 1))

        assert request.is_met_by(task, since=NOW.timestamp())

    @pytest.mark.parametrize(
        "change",
        [
            {"TaskStatus": "failed"},
            {"CreationTime": NOW - timedelta(seconds=CLOCK_SKEW_SECONDS + 1)},
            {"OutputUri": "https://s3.us-east-1.amazonaws.com/others/talks/one.t-1.mp3"},
            {"OutputUri": "https://s3.us-east-1.amazonaws.com/books/talks/one-and-two.t-1.mp3"},
            {"OutputUri": "https://s3.us-east-1.amazonaws.com/books/t-1.mp3"},
            {"OutputUri": "somewhere else"},
            {"VoiceId": "Matthew"},
            {"OutputFormat": "pcm"},
            {"TextType": "ssml"},
            {"RequestCharacters": 13},
        ],
        ids=lambda change: str(next(iter(change.items()))),
    )
    def test_a_task_that_differs_in_anything_is_not(self, change):
        request = _request(OutputS3KeyPrefix="talks/one")

        assert not request.is_met_by(_task(request, **change), since=NOW.timestamp())

    def test_members_that_were_sent_must_be_repeated(self):
        request = _request(OutputS3KeyPrefix="talks/one", Engine="neural", LexiconNames=["names"])

        assert not request.is_met_by(_task(request), since=NOW.timestamp())
        task = _task(request, Engine="neural", LexiconNames=["names"])
        assert request.is_met_by(task, since=NOW.timestamp())


class TestSize:
    def test_a_text_of_exactly_the_limit_is_allowed(self):
        _request(Text="x" * 100_000).check()

    def test_one_character_more_is_refused_with_the_count_and_the_way_out(self):
        with pytest.raises(PollyArgumentError, match=r"100,001 billable.*100,000.*narrate_polly"):
            _request(Text="x" * 100_001).check()

    def test_tags_are_not_billed_but_count_towards_the_total(self):
        sentence = "<s>ten chars!</s>"
        _request(Text=f"<speak>{sentence * 9_000}</speak>", TextType="ssml").check()

        with pytest.raises(PollyArgumentError, match="with its tags"):
            _request(Text=f"<speak>{'<s>ten</s>' * 25_000}</speak>", TextType="ssml").check()

    @pytest.mark.parametrize("text", ["", " \n\t "])
    def test_a_text_with_nothing_to_speak_is_refused(self, text):
        with pytest.raises(PollyArgumentError, match="empty"):
            _request(Text=text).check()


class TestReadingAFile:
    def test_a_byte_order_mark_is_not_spoken(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfCaf\xc3\xa9")

        assert read_text(str(tmp_path / "a.txt"), aws_conn_id=None) == "Café"
        assert read_text(f"file://{tmp_path}/a.txt", aws_conn_id=None) == "Café"

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(PermanentNarrationError, match=r"absent\.txt"):
            read_text(str(tmp_path / "absent.txt"), aws_conn_id=None)

    def test_bytes_that_are_not_utf_8_are_located(self, tmp_path):
        (tmp_path / "latin.txt").write_bytes(b"One\nTwo caf\xe9\n")

        with pytest.raises(PermanentNarrationError, match=r"latin\.txt.*0xE9 at line 2, column 8.*iconv"):
            read_text(str(tmp_path / "latin.txt"), aws_conn_id=None)

    def test_a_file_in_s3_is_read_with_the_connection(self, aws_connection):
        aws_connection.client("s3").put_object(Bucket="narration", Key="texts/hello.txt", Body=b"Hello from S3.")

        assert read_text("s3://narration/texts/hello.txt", aws_conn_id="aws_default") == "Hello from S3."

        with pytest.raises(PermanentNarrationError, match=r"texts/absent\.txt"):
            read_text("s3://narration/texts/absent.txt", aws_conn_id="aws_default")

    @pytest.mark.parametrize("location", ["s3://narration/texts/hello.txt", "s3://nobody@narration/texts/hello.txt"])
    def test_a_connection_that_does_not_exist_is_refused_and_no_other_taken(self, aws_connection, location):
        with pytest.raises(PermanentNarrationError, match="nobody"):
            read_text(location, aws_conn_id="nobody")

    def test_a_storage_that_does_not_exist_is_refused(self):
        with pytest.raises(PermanentNarrationError, match="gopher"):
            read_text("gopher://narration/hello.txt", aws_conn_id=None)

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(PermanentNarrationError, match="folder"):
            read_text(str(tmp_path), aws_conn_id=None)
