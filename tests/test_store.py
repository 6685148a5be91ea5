from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from hashlib import sha256
from threading import Event
from unittest import mock

import pytest
from azure.storage.blob._shared.policies_async import AsyncStorageRetryPolicy

from narration.errors import PermanentNarrationError
from narration.paths import LocationError, StoreError
from narration.store import Store, StoredClip
from tests.conftest import BUCKET, CUSTOMER_KEY
from tests.road import tone_cloud

AUDIO = b"\x01\x02" * 400


def stored_clip(key: str = "ab12") -> StoredClip:
    return StoredClip(
        clip_key=key,
        audio_format="mp3",
        sample_rate=24000,
        samples=100,
        sha256=sha256(AUDIO).hexdigest(),
        bytes=len(AUDIO),
        service="polly",
        job_id="job-1",
        characters=12,
        characters_reported=True,
    )


__all__ = ["tone_cloud"]


@pytest.fixture
def library(fresh_object_storage, tone_cloud, monkeypatch):
    """The connection ``library``, to a bucket that exists, and ``archive``, to a container."""
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY", json.dumps(tone_cloud.connection()))
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(tone_cloud.blob_connection()))
    return tone_cloud


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a store with spaces"


@pytest.fixture(params=["file", "s3", "blob"])
def store(request, folder):
    """The same store on a local disk, on S3 and on Blob: all must behave alike."""
    if request.param == "file":
        return Store(location=f"file://{folder}")
    request.getfixturevalue("library")
    if request.param == "blob":
        return Store(location=f"abfs://archive@{BUCKET}/{folder.parent.name}")
    return Store(location=f"s3://{BUCKET}/{folder.parent.name}", conn_id="library")


@pytest.fixture
def elsewhere(store, folder, tone_cloud):
    """Writes a file of the store as another process does, which this one's filesystems hear nothing of."""

    def write(name, data):
        if store.root.protocol == "file":
            (folder / name).write_bytes(data)
        elif store.root.protocol == "s3":
            tone_cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{folder.parent.name}/{name}", Body=data)
        else:
            tone_cloud.blobs(BUCKET).upload_blob(f"{folder.parent.name}/{name}", data, overwrite=True)

    return write


class TestFiles:
    def test_what_was_written_is_read_again(self, store):
        store.write_json("plans", "a.json", value={"title": "Größe, 世界"})
        store.write("narrations", "a", "a.mp3", data=AUDIO)

        assert store.read_json("plans", "a.json") == {"title": "Größe, 世界"}
        assert store.read("narrations", "a", "a.mp3") == AUDIO

    def test_another_task_opens_the_same_store_by_its_uri(self, store):
        store.write("orders", "a.json", data=b"1")

        assert Store(location=store.uri).read("orders", "a.json") == b"1"
        assert store.uri_of("orders", "a.json") == f"{store.uri}/orders/a.json"

    def test_what_is_not_there_is_not_there_and_not_an_error_of_the_store(self, store):
        with pytest.raises(FileNotFoundError):
            store.read("orders", "nothing.json")
        assert store.read_record("nothing") is None

    def test_a_file_that_another_worker_replaces_meanwhile_is_read_as_it_was_or_as_it_is(self, store):
        store.write("orders", "a.json", data=b"0" * 100)
        over = Event()

        def replace() -> None:
            number = 0
            while not over.is_set():
                number += 1
                store.write("orders", "a.json", data=str(number % 10).encode() * (100 + number % 50))

        with ThreadPoolExecutor(1) as pool:
            replacing = pool.submit(replace)
            try:
                read = [Store(location=store.uri).read("orders", "a.json") for _ in range(150)]
            finally:
                over.set()
            replacing.result()

        assert len({data[:1] for data in read}) > 1
        assert all(len(set(data)) == 1 and len(data) >= 100 for data in read)

    def test_a_file_is_replaced_whole(self, store, tmp_path):
        store.write("orders", "a.json", data=b"long long long")
        store.write("orders", "a.json", data=b"short")
        (tmp_path / "b").write_bytes(b"uploaded")
        store.upload(tmp_path / "b", "orders", "a.json")

        assert store.read("orders", "a.json") == b"uploaded"

    def test_of_many_that_create_the_same_file_at_once_one_succeeds(self, store):
        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(lambda number: store.create_json("claims", "a.json", value=number), range(16)))

        assert created.count(True) == 1
        assert store.read_json("claims", "a.json") == created.index(True)

    def test_what_was_removed_can_be_created_again_and_removing_nothing_is_no_error(self, store):
        for _ in range(2):
            assert store.claim("ab12", number=1, value={"run": "monday"})
            assert not store.claim("ab12", number=1, value={"run": "tuesday"})
            store.drop_claim("ab12", number=1)
            store.drop_claim("ab12", number=1)

    def test_an_empty_file_is_a_file(self, store):
        store.write("orders", "empty", data=b"")

        assert store.read("orders", "empty") == b""

    def test_json_that_is_no_json_is_named(self, store):
        store.write("orders", "a.record.json", data=b"{")

        with pytest.raises(StoreError, match=r"orders/a\.record\.json is not readable JSON.*Remove it and run again"):
            store.read_record("a")

    def test_orders_and_records_are_kept_beside_each_other(self, store):
        store.write_order("a", {"wanted": 1})
        store.write_record("a", {"jobs": []})

        assert (store.read_order("a"), store.read_record("a")) == ({"wanted": 1}, {"jobs": []})


class TestClips:
    def test_a_clip_that_was_added_is_there_with_its_facts(self, store):
        store.add_clip(stored_clip(), data=AUDIO)

        assert store.clip("ab12") == stored_clip()
        assert store.clip_audio(stored_clip()) == AUDIO
        assert set(store.clips(["ab12", "cd34", "ab12"])) == {"ab12"}

    def test_audio_without_facts_does_not_count(self, store):
        store.write("clips", "ab", "ab12.mp3", data=AUDIO[:10])

        assert store.clip("ab12") is None

    @pytest.mark.parametrize("data", [None, AUDIO[:-1], AUDIO + b"x"], ids=["missing", "short", "long"])
    def test_a_clip_that_is_not_what_was_verified_is_set_aside(self, store, data):
        store.add_clip(stored_clip(), data=AUDIO)
        store.path("clips", "ab", "ab12.mp3").unlink()
        if data is not None:
            store.write("clips", "ab", "ab12.mp3", data=data)

        with pytest.raises(StoreError, match=r"ab12\.mp3 is (missing|not what was verified).*start the Dag again"):
            store.clip_audio(stored_clip())

        assert store.clip("ab12") is None

    @pytest.mark.parametrize("facts", [b"", b"{}", b'{"clip_key": "ab12"}', b"[1]"])
    def test_damaged_facts_are_an_error_and_not_an_absent_clip(self, store, facts):
        store.write("clips", "ab", "ab12.json", data=facts)

        with pytest.raises(StoreError, match=r"ab12\.json is damaged.*Remove it"):
            store.clips(["ab12"])

    def test_many_threads_may_add_the_same_clip(self, store):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: store.add_clip(stored_clip(), data=AUDIO), range(16)))

        assert store.clip_audio(stored_clip()) == AUDIO

    def test_the_keys_facts_and_order_are_kept_when_asked_for_side_by_side(self, store):
        keys = [f"{number:02d}ab" for number in range(20)]
        for key in keys:
            store.add_clip(replace(stored_clip(), clip_key=key), data=AUDIO)

        assert list(store.clips(keys)) == keys

    def test_whether_clips_are_whole_is_told_without_reading_their_audio(self, store):
        keys = [f"ab{number:038}" for number in range(4)]
        for key in keys:
            store.add_clip(stored_clip(key), data=AUDIO, boundaries={"words": [], "sentences": []})
        store.add_clip(stored_clip("cd12"), data=AUDIO)
        store.path("clips", "ab", f"{keys[1]}.mp3").unlink()
        store.path("clips", "ab", f"{keys[2]}.json").unlink()
        store.write("clips", "ab", f"{keys[3]}.mp3", data=b"")

        assert [store.has_whole(key) for key in keys] == [True, False, False, False]
        assert store.whole_clips("ab") == {keys[0]}
        assert store.whole_clips("cd") == {"cd12"}
        assert store.whole_clips("ef") == frozenset()

    def test_a_listing_shows_what_came_after_the_one_before(self, store):
        assert store.whole_clips("ab") == frozenset()
        store.add_clip(stored_clip(), data=AUDIO)
        assert store.whole_clips("ab") == {"ab12"}

    def test_a_listing_hides_nothing_that_another_worker_writes_after_it(self, store, elsewhere):
        store.add_clip(stored_clip("ab01"), data=AUDIO)
        assert store.whole_clips("ab") == {"ab01"}

        elsewhere("clips/ab/ab12.json", json.dumps(asdict(stored_clip())).encode())
        elsewhere("clips/ab/ab12.mp3", AUDIO)
        elsewhere("clips/ab/ab01.boundaries.json", b"[1, 2, 3, 4, 5, 6]")
        elsewhere("clips/ab/ab01.boundaries.json", b"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]")

        assert store.clip("ab12") == stored_clip()
        assert store.clip_audio(stored_clip()) == AUDIO
        assert store.boundaries("ab01") == list(range(1, 12))


class TestLocalDisk:
    @pytest.fixture
    def local(self, folder):
        return Store(location=f"file://{folder}")

    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(self, local, folder, monkeypatch):
        local.write("orders", "a.json", data=b"old")
        monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

        with pytest.raises(StoreError, match=r"orders/a\.json: No space left on device\. Nothing that was paid for"):
            local.write("orders", "a.json", data=b"new")

        assert [path.read_bytes() for path in (folder / "orders").iterdir()] == [b"old"]

    @pytest.mark.parametrize("name", ["what? a store", "no#1", "50%20", "größe"])
    def test_a_folder_may_have_any_name(self, tmp_path, name):
        for location in (str(tmp_path / name), f"{tmp_path / name}/"):
            Store(location=location).write("orders", "a.json", data=b"1")
            assert (tmp_path / name / "orders" / "a.json").read_bytes() == b"1"
        store = Store(location=str(tmp_path / name))
        assert Store(location=store.uri).read("orders", "a.json") == b"1"

    def test_a_relative_path_is_made_absolute_because_tasks_run_elsewhere(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        assert Store(location="store").uri == f"file://{tmp_path}/store"

    def test_the_home_folder_may_be_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))

        assert Store(location="~/store").uri == f"file://{tmp_path}/store"


class TestLocations:
    @pytest.mark.parametrize("location", ["", "   "])
    def test_none_at_all_is_refused_with_both_places_to_set_one(self, location):
        with pytest.raises(LocationError, match=r"'storage'.*AIRFLOW__NARRATION__STORAGE") as refused:
            Store(location=location)
        assert isinstance(refused.value, PermanentNarrationError)

    def test_a_store_on_s3_keeps_the_connection_in_its_uri(self, library):
        assert Store(location="s3://bucket/x/", conn_id="library").uri == "s3://library@bucket/x"
        assert Store(location="s3://library@bucket/x", conn_id="aws_default").uri == "s3://library@bucket/x"

    def test_a_store_on_blob_keeps_the_connection_in_its_uri(self, library, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(library.blob_connection()))

        assert Store(location="abfs://archive@books/x/", conn_id="library").uri == "abfs://archive@books/x"
        assert Store(location="abfs://books/x", conn_id="library").uri == "abfs://wasb_default@books/x"

    def test_a_storage_that_does_not_answer_is_named(self, library, monkeypatch):
        connection = library.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
        connection["extra"]["service_config"]["s3"]["endpoint_url"] = "http://127.0.0.1:9"
        # Airflow keeps a filesystem for each connection id.
        monkeypatch.setenv("AIRFLOW_CONN_FARAWAY", json.dumps(connection))

        with pytest.raises(StoreError, match=r"s3://faraway@bucket/x/orders/a\.json: "):
            Store(location="s3://bucket/x", conn_id="faraway").read("orders", "a.json")

    def test_a_blob_storage_that_does_not_answer_is_named(self, library, monkeypatch):
        connection = library.blob_connection()
        string = connection["extra"]["connection_string"].replace(library.blob_url, "http://127.0.0.1:9/x")
        monkeypatch.setenv("AIRFLOW_CONN_FAR_BLOBS", json.dumps(connection | {"extra": {"connection_string": string}}))
        # The client asks four times within a minute.
        monkeypatch.setattr(AsyncStorageRetryPolicy, "sleep", mock.AsyncMock())

        with pytest.raises(
            StoreError, match=r"abfs://far_blobs@books/x/orders/a\.json: Cannot connect to host"
        ) as told:
            Store(location="abfs://far_blobs@books/x").read("orders", "a.json")
        assert CUSTOMER_KEY not in str(told.value)

    @pytest.mark.parametrize("act", ["write", "create_json", "upload", "read", "clip", "whole_clips", "drop_claim"])
    def test_a_key_that_opens_nothing_is_named_in_one_line_with_the_remedy(self, library, monkeypatch, tmp_path, act):
        monkeypatch.setenv("AIRFLOW_CONN_OLD_KEY", json.dumps(library.blob_connection(key="b2xkIGtleQ==")))
        store = Store(location=f"abfs://old_key@{BUCKET}/x")
        (tmp_path / "a").write_bytes(b"1")
        acts = {
            "write": lambda: store.write("orders", "a", data=b"1"),
            "create_json": lambda: store.create_json("orders", "a", value=1),
            "upload": lambda: store.upload(tmp_path / "a", "orders", "a"),
            "read": lambda: store.read("orders", "a"),
            "clip": lambda: store.clip("ab12"),
            "whole_clips": lambda: store.whole_clips("ab"),
            "drop_claim": lambda: store.drop_claim("ab12", number=1),
        }

        with pytest.raises(StoreError, match=r"AuthenticationFailed.*Check what its connection") as told:
            acts[act]()

        assert f"abfs://old_key@{BUCKET}/x/" in str(told.value)
        assert "\n" not in str(told.value)
        assert isinstance(told.value.__cause__, PermissionError)

    def test_a_signature_that_only_reads_is_named_when_something_is_written(self, library, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_GUEST", json.dumps(library.blob_guest(BUCKET, permission="rl")))
        store = Store(location=f"abfs://guest@{BUCKET}/nothing")

        assert store.clip("ab12") is None
        with pytest.raises(StoreError, match=r"AuthorizationPermissionMismatch.*Check what its connection") as told:
            store.write_json("orders", "a.json", value=1)
        assert "sig=" not in str(told.value)

    @pytest.mark.parametrize("location", ["s3://library@no-such-bucket-anywhere/x", "abfs://archive@no-such-one/x"])
    def test_a_bucket_that_does_not_exist_is_named_with_the_remedy(self, library, tmp_path, location):
        store = Store(location=location)
        (tmp_path / "a").write_bytes(b"1")

        for act in (
            lambda: store.write("orders", "a.json", data=b"1"),
            lambda: store.create_json("orders", "a.json", value=1),
            lambda: store.upload(tmp_path / "a", "orders", "a.json"),
        ):
            with pytest.raises(LocationError, match=r"no-such-.*/x/orders/a\.json cannot be written.*'storage'"):
                act()
