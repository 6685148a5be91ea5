from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from threading import Event

import pytest

from narration.errors import PermanentNarrationError
from narration.store import LocationError, Store, StoredClip, StoreError
from tests.conftest import BUCKET
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
def library(tone_cloud, monkeypatch):
    """The connection ``library``, to a bucket that exists."""
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY", json.dumps(tone_cloud.connection()))
    return tone_cloud


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a store with spaces"


@pytest.fixture(params=["file", "s3"])
def store(request, folder, monkeypatch):
    """The same store on a local disk and on S3: both must behave alike."""
    if request.param == "file":
        return Store(location=f"file://{folder}")
    request.getfixturevalue("library")
    return Store(location=f"s3://{BUCKET}/{folder.parent.name}", conn_id="library")


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

    def test_an_unknown_kind_of_storage_is_refused(self):
        with pytest.raises(LocationError, match="s4://bucket/x cannot be opened"):
            Store(location="s4://bucket/x")

    def test_a_connection_that_does_not_exist_is_never_replaced_by_the_machines_own_credentials(self):
        with pytest.raises(LocationError, match=r"no Airflow connection 'publisher'.*'storage'"):
            Store(location="s3://publisher@bucket/x")
        with pytest.raises(LocationError, match=r"no Airflow connection 'publisher'"):
            Store(location="s3://bucket/x", conn_id="publisher")

    def test_a_store_on_s3_keeps_the_connection_in_its_uri(self, library):
        assert Store(location="s3://bucket/x/", conn_id="library").uri == "s3://library@bucket/x"
        assert Store(location="s3://library@bucket/x", conn_id="aws_default").uri == "s3://library@bucket/x"

    def test_a_storage_that_does_not_answer_is_named(self, library, monkeypatch):
        connection = library.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
        connection["extra"]["service_config"]["s3"]["endpoint_url"] = "http://127.0.0.1:9"
        # Airflow keeps a filesystem for each connection id.
        monkeypatch.setenv("AIRFLOW_CONN_FARAWAY", json.dumps(connection))

        with pytest.raises(StoreError, match=r"s3://faraway@bucket/x/orders/a\.json: "):
            Store(location="s3://bucket/x", conn_id="faraway").read("orders", "a.json")

    def test_a_bucket_that_does_not_exist_is_named_with_the_remedy(self, library):
        store = Store(location="s3://no-such-bucket-anywhere/x", conn_id="library")

        with pytest.raises(
            LocationError, match=r"no-such-bucket-anywhere/x/orders/a\.json cannot be written.*'storage'"
        ):
            store.write("orders", "a.json", data=b"1")
