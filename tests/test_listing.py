from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from narration import paths
from narration.listing import FoundFile, list_files
from narration.operators.read import load
from narration.paths import LocationError, StoreError, object_path
from tests.conftest import BUCKET
from tests.road import clouds, tone_cloud

__all__ = ["clouds", "tone_cloud"]

FILES = {
    "2026-11-28/a b.txt": b"words",
    "2026-11-28/.hidden.yaml": b"",
    "2026-11-28/deep/er/no#1.txt": b"more words",
    "größe.txt": b"1",
    "50%20off.txt": b"12",
    "what?.txt": b"123",
    "z/..double.txt": b"1234",
}


class Inbox:
    """A folder on a disk, on S3 or on Blob, filled by somebody else."""

    def __init__(self, kind, *, folder, cloud):
        self.kind, self.folder, self.cloud = kind, folder, cloud
        roots = {"file": f"file://{folder}", "s3": f"s3://library@{BUCKET}", "blob": f"abfs://archive@{BUCKET}"}
        self.root = roots[kind]
        self.prefix = "" if kind == "file" else f"{folder.name}/"

    @property
    def location(self):
        return f"{self.root}/{self.prefix}inbox"

    def put(self, name, data):
        key = f"{self.prefix}{name}"
        if self.kind == "file":
            path = self.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif self.kind == "s3":
            self.cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
        else:
            self.cloud.blobs(BUCKET).upload_blob(key, data, overwrite=True)

    def list(self, location=None):
        return list_files(location or self.location, conn_id="aws_default", parameter="inbox")


@pytest.fixture(params=["file", "s3", "blob"])
def inbox(request, clouds, tmp_path):
    return Inbox(request.param, folder=tmp_path, cloud=clouds)


class TestFinding:
    def test_every_file_is_found_with_its_size_in_order_of_the_names(self, inbox):
        for name, data in FILES.items():
            inbox.put(f"inbox/{name}", data)
        inbox.put("inbox2/not this one.txt", b"x")
        inbox.put("other.txt", b"x")

        found = inbox.list()

        assert {file.name: file.size for file in found} == {name: len(data) for name, data in FILES.items()}
        assert [file.name for file in found] == sorted(FILES)
        assert inbox.list(f"{inbox.location}/") == found
        assert [file.error for file in found] == [None] * len(FILES)

    def test_each_is_loaded_by_its_uri_alone(self, inbox):
        for name, data in FILES.items():
            inbox.put(f"inbox/{name}", data)

        assert {file.name: load(file.uri, conn_id="nobody") for file in inbox.list()} == FILES

    def test_the_time_is_that_of_the_upload_in_utc(self, inbox):
        before = datetime.now(UTC)
        inbox.put("inbox/a.txt", b"1")

        (file,) = inbox.list()

        assert file.modified.utcoffset() == timedelta(0)
        # Object storages tell whole seconds.
        assert before - timedelta(seconds=2) <= file.modified <= datetime.now(UTC) + timedelta(seconds=1)

    def test_the_etag_changes_with_the_content_where_there_is_one(self, inbox):
        inbox.put("inbox/a.txt", b"1")
        (first,) = inbox.list()
        inbox.put("inbox/a.txt", b"2")
        (second,) = inbox.list()

        if inbox.kind == "file":
            assert first.etag is second.etag is None
        else:
            assert first.etag
            assert second.etag
            assert first.etag != second.etag
            assert '"' not in first.etag + second.etag

    def test_what_arrives_later_is_seen_and_what_is_removed_is_gone(self, inbox):
        inbox.put("inbox/a.txt", b"1")
        assert [file.name for file in inbox.list()] == ["a.txt"]
        inbox.put("inbox/b.txt", b"longer")
        inbox.put("inbox/a.txt", b"longer")

        assert [(file.name, file.size) for file in inbox.list()] == [("a.txt", 6), ("b.txt", 6)]

    def test_a_listing_leaves_nothing_behind_that_a_later_read_would_be_answered_from(self, inbox):
        inbox.put("inbox/a.txt", b"1")
        (file,) = inbox.list()
        inbox.put("inbox/a.txt", b"longer")
        inbox.put("inbox/b.txt", b"new")

        assert object_path(file.uri, conn_id=None, parameter="x").read_bytes() == b"longer"
        assert object_path(f"{inbox.location}/b.txt", conn_id=None, parameter="x").read_bytes() == b"new"

    def test_many_files_in_many_folders_are_found(self, inbox):
        names = [f"{number % 7}/{number:04}.txt" for number in range(60)]
        for name in names:
            inbox.put(f"inbox/{name}", b"1")

        assert [file.name for file in inbox.list()] == sorted(names)

    def test_a_folder_that_is_not_there_is_told_apart_from_an_empty_one(self, inbox):
        with pytest.raises(FileNotFoundError, match="inbox"):
            inbox.list()
        if inbox.kind == "file":
            (inbox.folder / "inbox").mkdir()
        else:
            inbox.put("inbox/", b"")

        assert inbox.list() == ()

    def test_an_object_that_stands_for_a_folder_is_no_file(self, inbox):
        inbox.put("inbox/a/b.txt", b"1")
        inbox.put("inbox/empty.txt", b"")
        if inbox.kind == "file":
            (inbox.folder / "inbox" / "c").mkdir()
        else:
            inbox.put("inbox/a/", b"")
            inbox.put("inbox/c/", b"")

        assert [file.name for file in inbox.list()] == ["a/b.txt", "empty.txt"]

    def test_a_file_in_place_of_the_folder_is_named_with_the_remedy(self, inbox):
        inbox.put("inbox", b"1")

        with pytest.raises(LocationError, match=r"inbox is a file.*parameter 'inbox' the folder"):
            inbox.list()


class TestObjectStorages:
    def test_a_whole_bucket_or_container_is_a_folder(self, clouds):
        clouds.client("s3").create_bucket(Bucket="whole-one")
        clouds.client("s3").put_object(Bucket="whole-one", Key="a/b.txt", Body=b"1")
        container = clouds.blobs("whole-one")
        container.create_container()
        container.upload_blob("a/b.txt", b"1")

        for location in ("s3://library@whole-one", "abfs://archive@whole-one", "abfs://archive@whole-one/"):
            (file,) = list_files(location, conn_id=None, parameter="inbox")
            assert (file.name, load(file.uri, conn_id=None)) == ("a/b.txt", b"1")
        container.delete_blob("a/b.txt")
        assert list_files("abfs://archive@whole-one", conn_id=None, parameter="inbox") == ()

    @pytest.mark.parametrize("location", ["s3://library@no-such-bucket/x", "abfs://archive@no-such-container/x"])
    @pytest.mark.parametrize("folder", ["", "/in"])
    def test_a_bucket_or_container_that_does_not_exist_is_no_missing_folder(self, clouds, location, folder):
        with pytest.raises(LocationError, match=r"no bucket or container 'no-such-.*Create it.*'inbox'"):
            list_files(location + folder, conn_id=None, parameter="inbox")

    def test_a_key_that_opens_nothing_is_no_missing_folder(self, clouds, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OLD_KEY", json.dumps(clouds.blob_connection(key="b2xkIGtleQ==")))
        revoked = clouds.connection() | {"login": "AKIAREVOKED"}
        monkeypatch.setenv("AIRFLOW_CONN_REVOKED", json.dumps(revoked))

        for location in (f"abfs://old_key@{BUCKET}/x", f"s3://revoked@{BUCKET}/x"):
            with pytest.raises(StoreError, match="Check what its connection") as told:
                list_files(location, conn_id=None, parameter="inbox")
            assert location in str(told.value)
            assert isinstance(told.value.__cause__, PermissionError)

    def test_a_signature_for_one_container_is_enough(self, clouds, monkeypatch, tmp_path):
        monkeypatch.setenv("AIRFLOW_CONN_GUEST", json.dumps(clouds.blob_guest(BUCKET, permission="rl")))
        clouds.blobs(BUCKET).upload_blob(f"{tmp_path.name}/a.txt", b"words")

        (file,) = list_files(f"abfs://guest@{BUCKET}/{tmp_path.name}", conn_id=None, parameter="inbox")
        assert load(file.uri, conn_id=None) == b"words"
        # Nobody may ask for the properties of a container with such a signature.
        with pytest.raises(FileNotFoundError):
            list_files(f"abfs://guest@{BUCKET}/{tmp_path.name}/nothing", conn_id=None, parameter="inbox")


class TestLocalFolders:
    def listed(self, folder):
        return {file.name: file for file in list_files(str(folder), conn_id=None, parameter="inbox")}

    def test_a_folder_that_may_not_be_entered_is_reported_and_hides_nothing_else(self, tmp_path, monkeypatch):
        (tmp_path / "locked").mkdir()
        (tmp_path / "locked" / "a.txt").write_bytes(b"1")
        (tmp_path / "z.txt").write_bytes(b"1")
        scan = os.scandir

        # Permissions mean nothing to root, whom tests may run as.
        def scandir(path):
            if str(path).endswith("locked"):
                raise PermissionError(13, "Permission denied", path)
            return scan(path)

        monkeypatch.setattr(paths.os, "scandir", scandir)
        found = self.listed(tmp_path)

        assert list(found) == ["locked", "z.txt"]
        assert found["z.txt"].error is None
        assert found["locked"].error == "The folder cannot be listed: Permission denied. Check its permissions."

    def test_a_folder_that_may_not_be_entered_is_an_error_when_it_is_the_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            paths.os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "denied", path))
        )

        with pytest.raises(StoreError, match=r"denied.*Check what") as told:
            self.listed(tmp_path)
        assert isinstance(told.value.__cause__, PermissionError)

    def test_a_link_to_nothing_is_reported(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"1")
        (tmp_path / "link.txt").symlink_to(tmp_path / "nowhere.txt")
        found = self.listed(tmp_path)

        assert found["a.txt"].error is None
        assert found["link.txt"].error == "It cannot be opened: No such file or directory. Repair or remove it."
        assert found["link.txt"].size == 0

    def test_a_link_to_a_folder_is_followed_but_never_in_a_circle(self, tmp_path):
        (tmp_path / "partner").mkdir()
        (tmp_path / "partner" / "a.txt").write_bytes(b"1")
        (tmp_path / "inbox" / "in").mkdir(parents=True)
        (tmp_path / "inbox" / "partner").symlink_to(tmp_path / "partner")
        (tmp_path / "inbox" / "in" / "again").symlink_to(tmp_path / "inbox")
        found = self.listed(tmp_path / "inbox")

        assert list(found) == ["in/again", "partner/a.txt"]
        assert "link to a folder that it is in" in found["in/again"].error
        assert load(found["partner/a.txt"].uri, conn_id=None) == b"1"

    def test_a_pipe_is_reported_and_never_read(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.txt")

        assert self.listed(tmp_path)["pipe.txt"].error == "It is neither a file nor a folder. Remove it."

    def test_a_name_that_is_no_text_is_reported_in_a_form_that_can_be_handed_on(self, tmp_path):
        path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
        try:
            with open(path, "wb") as file:
                file.write(b"1")
        except OSError:
            pytest.skip("this filesystem takes UTF-8 names only")

        (found,) = self.listed(tmp_path).values()

        assert found.error == "Its name is not in UTF-8. Rename it."
        assert json.loads(json.dumps([found.name, found.uri])) == ["caf\ufffd.txt", f"file://{tmp_path}/caf\ufffd.txt"]
        found.name.encode()

    @pytest.mark.parametrize("name", ["a?", "a#", "new\nline.txt", "a//b"])
    def test_the_uri_of_any_name_leads_back_to_it(self, tmp_path, name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1")

        (found,) = self.listed(tmp_path).values()

        assert load(found.uri, conn_id=None) == b"1"

    def test_what_is_removed_while_it_is_listed_is_simply_not_there(self, tmp_path, monkeypatch):
        (tmp_path / "a.txt").write_bytes(b"1")
        (tmp_path / "b.txt").write_bytes(b"1")
        look = os.stat

        def stat(path, **more):
            if str(path).endswith("a.txt"):
                (tmp_path / "a.txt").unlink(missing_ok=True)
            return look(path, **more)

        monkeypatch.setattr(paths.os, "stat", stat)

        assert list(self.listed(tmp_path)) == ["b.txt"]

    def test_a_relative_path_and_home_are_what_a_person_means(self, tmp_path, monkeypatch):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.txt").write_bytes(b"1")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))

        assert [file.uri for file in list_files("in", conn_id=None, parameter="x")] == [f"file://{tmp_path}/in/a.txt"]
        assert [file.name for file in list_files("~/in", conn_id=None, parameter="x")] == ["a.txt"]

    def test_files_are_values(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"1")
        os.utime(tmp_path / "a.txt", (1_800_000_000, 1_800_000_000))

        assert self.listed(tmp_path)["a.txt"] == FoundFile(
            uri=f"file://{tmp_path}/a.txt", name="a.txt", size=1, modified=datetime.fromtimestamp(1_800_000_000, UTC)
        )
