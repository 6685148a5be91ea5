"""Moto's S3 objects, with their bytes in files instead of in memory and their state in the catalog."""

from __future__ import annotations

import copy
import functools
import logging
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, FakeMultipart, S3Backend, s3_backends
from moto.utilities.utils import DEFAULT_PARTITION, PARTITION_NAMES, LowercaseDict, get_partition

from include.local_cloud.aws_storage_catalog import Catalog, Version

ACCOUNT_ID = "123456789012"

# What moto knows about a version besides its name, bytes and dates. Access control lists are not kept: moto
# answers with the owner's default after a restart.
_KEPT_ATTRIBUTES = (
    "bucket_key_enabled",
    "checksum_algorithm",
    "checksum_parts",
    "checksum_type",
    "checksum_value",
    "contentsize",
    "encryption",
    "kms_key_id",
    "lock_legal_status",
    "lock_mode",
    "lock_until",
    "website_redirect_location",
    "_etag",
    "_is_versioned",
    "_storage_class",
    "_version_id",
)

logger = logging.getLogger(__name__)


class StoredKey(FakeKey):
    """An object whose bytes are a file, opened only while they are read.

    Moto's own keys each hold their bytes in memory, or an open temporary file once they are large. A key becomes a
    stored key by changing its class after its bytes were written to a body.
    """

    body: str
    catalog: Catalog

    @property
    def path(self) -> Path:
        return self.catalog.body_path(self.body)

    @property
    def value(self) -> bytes:
        return self.path.read_bytes()

    def dispose(self, garbage: bool = False) -> None:
        """The catalog removes the file, once the database no longer refers to it."""
        self.disposed = True

    # Moto copies keys when it lists versions; the copies must not read the bodies.
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredKey:
        return copy.copy(self)


class ObjectKeeper:
    """Copies moto's S3 state to the catalog after each change, and back at the start.

    The caller lets one request at a time change the state.

    :param catalog: where the state is kept
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @staticmethod
    def backend_of(region: str) -> S3Backend:
        """Moto's S3 of a Region; there is one for each partition."""
        return s3_backends[ACCOUNT_ID][get_partition(region)]

    @staticmethod
    def bucket(name: str) -> FakeBucket | None:
        """A bucket of any Region; the names of all partitions are one name space here."""
        backends = (s3_backends[ACCOUNT_ID][partition] for partition in PARTITION_NAMES)
        return next((backend.buckets[name] for backend in backends if name in backend.buckets), None)

    # To the catalog

    def keep_bucket(self, name: str) -> None:
        """Record that a bucket exists, or no longer does."""
        bucket = self.bucket(name)
        if bucket is None:
            self._catalog.forget_bucket(name)
            return
        self._catalog.keep_bucket(
            name,
            {
                "region": bucket.region_name,
                "created": bucket.creation_date.isoformat(),
                "object_lock": bool(bucket.object_lock_enabled),
            },
        )

    def keep_object(self, *, bucket_name: str, key_name: str) -> None:
        """Record the present versions of one key."""
        bucket = self.bucket(bucket_name)
        versions = [] if bucket is None else [self._version(bucket, key) for key in bucket.keys.getlist(key_name, [])]
        self._catalog.keep_versions(bucket=bucket_name, key=key_name, versions=versions)
        # Moto remembers every key ever made so that a reset can close its file; here that would be a leak.
        FakeKey.instances_tracked.clear()  # type: ignore[attr-defined]
        FakeDeleteMarker.instances_tracked.clear()  # type: ignore[attr-defined]
        FakeMultipart.instances_tracked.clear()  # type: ignore[attr-defined]

    def keep_differences(self, bucket_name: str) -> None:
        """Record whatever in a bucket differs from the catalog: after a request that names its keys in its body."""
        bucket = self.bucket(bucket_name)
        present = {} if bucket is None else dict(bucket.keys)
        changed = self._catalog.keys(bucket_name) - set(present)
        changed.update(name for name, versions in present.items() if not all(_is_kept(version) for version in versions))
        for name in changed:
            self.keep_object(bucket_name=bucket_name, key_name=name)

    def _version(self, bucket: FakeBucket, version: FakeKey | FakeDeleteMarker) -> Version:
        if isinstance(version, FakeDeleteMarker):
            version.kept = True  # type: ignore[attr-defined]
            dates = {"last_modified": version.last_modified.isoformat(), "_version_id": version.version_id}
            return Version(body=None, details=dates)
        if not isinstance(version, StoredKey):
            self._store(version)
        details: dict[str, Any] = {name: getattr(version, name) for name in _KEPT_ATTRIBUTES}
        details["last_modified"] = version.last_modified.isoformat()
        details["metadata"] = {str(name): str(value) for name, value in version.metadata.items()}
        details["tags"] = self.backend_of(bucket.region_name).tagger.get_tag_dict_for_resource(version.arn)
        return Version(body=version.body, details=details)  # type: ignore[attr-defined]

    def _store(self, key: FakeKey) -> None:
        _ = key.etag  # computed on first use, from the bytes
        key._value_buffer.seek(0)
        body = self._catalog.write_body(key._value_buffer)
        key._value_buffer.close()
        self._become_stored(key, body)

    def _become_stored(self, key: FakeKey, body: str) -> StoredKey:
        key.__dict__.pop("_value_buffer", None)
        key.__dict__.update(body=body, catalog=self._catalog)
        key.__class__ = StoredKey
        return cast("StoredKey", key)

    # From the catalog

    def load(self) -> None:
        """Fill moto's empty S3 from the catalog, without reading a body."""
        bodies = self._catalog.sort_out_bodies()
        for name, details in self._catalog.buckets():
            bucket = self.backend_of(details["region"]).create_bucket(name, details["region"])
            bucket.creation_date = datetime.fromisoformat(details["created"])
            bucket.object_lock_enabled = details["object_lock"]
            for key_name, version in self._catalog.versions(name):
                if version.body is not None and version.body not in bodies:
                    logger.warning("The bytes of s3://%s/%s are gone; left out", name, key_name)
                    continue
                # Moto's store appends: a second version under a name joins the first.
                bucket.keys[key_name] = self._loaded(bucket, key_name, version)
        FakeKey.instances_tracked.clear()  # type: ignore[attr-defined]

    def _loaded(self, bucket: FakeBucket, key_name: str, version: Version) -> FakeKey | FakeDeleteMarker:
        details = version.details
        last_modified = datetime.fromisoformat(details["last_modified"])
        # Copying one key is several times faster than making thousands, each with a buffer of its own.
        key = copy.copy(self._blank_key)
        key.name = key_name
        key.bucket_name = bucket.name
        key.last_modified = last_modified
        # A key belongs to a partition, not to a Region.
        key.region_name = key.partition = get_partition(bucket.region_name)
        if version.body is None:
            marker = FakeDeleteMarker(key)
            marker.last_modified = last_modified
            marker._version_id = details["_version_id"]
            marker.kept = True  # type: ignore[attr-defined]
            return marker
        key.body = version.body
        key._metadata = LowercaseDict(details["metadata"])
        for name in _KEPT_ATTRIBUTES:
            setattr(key, name, details[name])
        if details["tags"]:
            tags = [{"Key": name, "Value": value} for name, value in details["tags"].items()]
            self.backend_of(bucket.region_name).tagger.tag_resource(key.arn, tags)
        return key

    @functools.cached_property
    def _blank_key(self) -> StoredKey:
        key = FakeKey("", b"", account_id=ACCOUNT_ID, region_name=DEFAULT_PARTITION)
        key._value_buffer.close()
        return self._become_stored(key, "")


def _is_kept(version: FakeKey | FakeDeleteMarker) -> bool:
    return isinstance(version, StoredKey) or getattr(version, "kept", False)
