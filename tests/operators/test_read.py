from __future__ import annotations

import json
from unittest import mock

import pytest

from narration.document.model import DocumentError
from narration.errors import NarrationError, PermanentNarrationError
from narration.operators import read
from narration.operators.parameters import ParameterError
from narration.operators.read import load, source_name
from narration.paths import LocationError
from tests.conftest import BUCKET


class TestReading:
    def test_the_document_is_kept_for_the_tasks_that_follow_under_a_name_of_its_content(self, road, run):
        road.write("Once upon a time.", "There was a house.", chapters=2)

        result = road.read(run)
        again = road.read(run)

        assert result == again
        assert (result["title"], result["chapters"], result["paragraphs"]) == ("Story", 2, 4)
        kept = road.bench.store.read_json("documents", f"{result['document']}.json")
        assert kept["chapters"][1]["paragraphs"][1]["text"] == "There was a house."

    def test_the_title_of_the_form_counts_more(self, road, run):
        road.write("Once upon a time.")

        assert road.read(run, title="The House")["title"] == "The House"

    def test_what_is_left_out_is_counted_and_logged(self, road, run, capsys):
        road.document.write_text(
            "*** START OF THE PROJECT GUTENBERG EBOOK THE HOUSE ***\n\nOnce upon a time.\n\n"
            "*** END OF THE PROJECT GUTENBERG EBOOK THE HOUSE ***\n\nLicence.\n"
        )

        assert road.read(run)["left_out"] > 0
        assert "Not narrated: lines 1 to" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "story.txt"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "story.txt"),
            ("Café".encode("latin-1"), "story.txt.*byte"),
            (b"<speak>\n<p>one</speak>", "story.txt.*line 2"),
        ],
        ids=["empty", "binary", "Latin-1", "malformed SSML"],
    )
    def test_bad_input_is_named_and_costs_nothing(self, road, run, content, message):
        road.document.write_bytes(content)

        with pytest.raises(DocumentError, match=message):
            road.plan(run)

        assert road.bench.bought == 0

    def test_without_storage_it_says_where_to_set_one(self, road, run):
        road.write("Once upon a time.")

        with pytest.raises(PermanentNarrationError, match="AIRFLOW__NARRATION__STORAGE"):
            road.read(run, storage="")

    @pytest.mark.parametrize("storage", ["gopher://data", "s4://bucket/x"])
    def test_storage_of_a_kind_that_airflow_does_not_know_is_refused(self, road, run, storage):
        road.write("Once upon a time.")

        with pytest.raises(PermanentNarrationError, match="storage"):
            road.read(run, storage=storage)


class TestLoading:
    @pytest.mark.parametrize("name", ["a b.txt", "50%20off.txt", "what?.txt", "no#1.txt", "größe.txt"])
    def test_a_file_of_any_name_is_read_by_its_path(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"words")

        assert load(str(tmp_path / name), conn_id=None) == b"words"

    def test_a_path_from_home_or_relative_is_what_a_person_means(self, tmp_path, monkeypatch):
        (tmp_path / "a.txt").write_bytes(b"words")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))

        assert load("a.txt", conn_id=None) == load("~/a.txt", conn_id=None) == b"words"

    def test_a_file_uri_is_read(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"words")

        assert load(f"file://{tmp_path}/a.txt", conn_id=None) == b"words"

    def test_an_object_is_read_with_the_connection_of_the_run_or_the_one_that_the_uri_names(self, bench, monkeypatch):
        bench.s3.put_object(Bucket=BUCKET, Key=f"{bench.word}.txt", Body=b"words")
        monkeypatch.setenv("AIRFLOW_CONN_LIBRARY", json.dumps(bench.cloud.connection()))

        assert load(f"s3://{BUCKET}/{bench.word}.txt", conn_id="aws_default") == b"words"
        assert load(f"s3://library@{BUCKET}/{bench.word}.txt", conn_id="nobody") == b"words"

    @pytest.mark.parametrize(
        ("location", "message"),
        [
            ("/nowhere/a.txt", r"no document at /nowhere/a\.txt \(on the machine of the worker\)"),
            (f"s3://{BUCKET}/nowhere.txt", r"no document at s3.*\(with connection 'aws_default'\)"),
            ("s3://no-such-bucket-anywhere/a.txt", "no document at s3://no-such-bucket-anywhere"),
            ("/tmp", "is a folder"),
        ],
    )
    def test_what_cannot_be_read_is_named_with_the_remedy(self, bench, location, message):
        with pytest.raises(ParameterError, match=message):
            load(location, conn_id="aws_default")

    def test_storage_of_a_kind_that_airflow_does_not_know_is_refused(self):
        with pytest.raises(LocationError, match=r"gopher://a/b\.txt cannot be opened.*parameter 'document'"):
            load("gopher://a/b.txt", conn_id=None)

    def test_a_connection_that_does_not_exist_is_named(self, bench):
        with pytest.raises(PermanentNarrationError, match="publisher"):
            load(f"s3://publisher@{BUCKET}/a.txt", conn_id=None)

    def test_a_file_that_is_too_large_to_be_a_text_is_refused_before_it_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(read, "LARGEST_DOCUMENT", 10)
        (tmp_path / "a.txt").write_bytes(b"x" * 11)

        with pytest.raises(ParameterError, match="11 bytes; a document may have 10"):
            load(str(tmp_path / "a.txt"), conn_id=None)

    def test_what_another_attempt_may_read_is_no_permanent_error(self, tmp_path, monkeypatch):
        (tmp_path / "a.txt").write_bytes(b"words")
        monkeypatch.setattr("airflow.sdk.ObjectStoragePath.read_bytes", mock.Mock(side_effect=OSError(5)))

        with pytest.raises(NarrationError) as raised:
            load(str(tmp_path / "a.txt"), conn_id=None)
        assert not isinstance(raised.value, PermanentNarrationError)

    def test_a_file_that_may_not_be_read_is_named(self, tmp_path, monkeypatch):
        (tmp_path / "a.txt").write_bytes(b"words")
        refused = mock.Mock(side_effect=PermissionError(13, "Permission denied"))
        monkeypatch.setattr("airflow.sdk.ObjectStoragePath.read_bytes", refused)

        with pytest.raises(ParameterError, match=r"a\.txt may not be read. Check its permissions"):
            load(str(tmp_path / "a.txt"), conn_id=None)

    def test_a_document_is_named_after_its_file(self):
        assert source_name("/books/story.txt") == source_name("s3://a@b/books/story.txt") == "story.txt"
        assert source_name("what?.txt") == "what?.txt"
