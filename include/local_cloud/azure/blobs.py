"""Blob storage as far as results need it: files under signed URLs that expire, and containers of customers."""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.blob_account import StorageAccount, Written, md5_of
from include.local_cloud.azure.blob_errors import BlobRefused, refused, unauthenticated
from include.local_cloud.azure.blob_signatures import Place, check_url, sign_url
from include.local_cloud.clock import Clock

PREFIX = "/blob"
SERVICE_ACCOUNT, CUSTOMER_ACCOUNT = "speechservice", "customer"
ALL_PERMISSIONS = "racwdl"
CUSTOMER_KEY = base64.b64encode(b"This key is public. It opens blobs of the local cloud, no others").decode()
"""The account key of the customer's storage, the same everywhere, as that of an emulator is."""
CONTAINERS = ("narration", "narration-output")
"""Containers of the customer's that are there from the start."""
# Clocks differ: the service signs from a little before now.
_SIGNED_BEFORE = 300.0


class ContainerExpired(Exception):
    """The signature of a destination container is over."""


class ContainerUnusable(Exception):
    """A destination container is none of this storage, does not exist, or may not be written."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file below a container: ``batchsynthesis-output`` and ``<32 hex>/<job id>/results.zip``, say."""

    account: str
    container: str
    path: str


class BlobStore:
    """The results of the service as files on disk, the customer's storage account, and the URLs that lead to both.

    :param folder: made when needed.
    :param secret: the service's own account key is made of it; kept in the state, so that URLs outlive a restart.
    """

    def __init__(self, *, folder: Path, clock: Clock, secret: bytes) -> None:
        self._folder = folder
        self._clock = clock
        self.keys: Mapping[str, bytes] = {SERVICE_ACCOUNT: secret, CUSTOMER_ACCOUNT: base64.b64decode(CUSTOMER_KEY)}
        self.customer = StorageAccount(folder=folder / "storage-account", clock=clock)
        for name in CONTAINERS:
            self.customer.ensure_container(name)

    def close(self) -> None:
        self.customer.close()

    # Files

    def file(self, blob: Blob) -> Path:
        """Where the bytes of a result are.

        :raises BlobRefused: for a path that leads out of its container.
        """
        parts = PurePosixPath(blob.path).parts
        if not parts or blob.path.startswith("/") or any(part in {".", ".."} or "\0" in part for part in parts):
            raise refused("InvalidUri")
        return self._container(blob.account, blob.container).joinpath(*parts)

    def put(self, blob: Blob, source: Path) -> None:
        """Move a finished file to its place; there is never half of a blob."""
        if blob.account == CUSTOMER_ACCOUNT:
            written = Written(content={"Content-Type": content_type(blob.path)}, md5=md5_of(source))
            self.customer.put(blob.container, blob.path, source, written=written)
            return
        place = self.file(blob)
        place.parent.mkdir(parents=True, exist_ok=True)
        coming = place.with_name(f".{uuid.uuid4().hex}")
        shutil.move(source, coming)
        coming.replace(place)

    def size(self, blob: Blob) -> int | None:
        """The size of a blob, ``None`` when there is none."""
        if blob.account == CUSTOMER_ACCOUNT:
            try:
                found = self.customer.blob(blob.container, blob.path)
            except BlobRefused:
                # The container is the customer's to delete.
                return None
            return None if found is None else found.size
        place = self.file(blob)
        return place.stat().st_size if place.is_file() else None

    def scratch(self) -> Path:
        """A new folder on the same disk, where results are made; the caller removes it."""
        folder = self._folder / ".scratch" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def clear_scratch(self) -> None:
        """Remove what a killed process left half-made."""
        shutil.rmtree(self._folder / ".scratch", ignore_errors=True)

    def remove(self, *, account: str, container: str, prefix: str) -> None:
        """Remove everything below a folder of a container of the service's."""
        shutil.rmtree(self.file(Blob(account=account, container=container, path=prefix)), ignore_errors=True)

    def _container(self, account: str, container: str) -> Path:
        if account != SERVICE_ACCOUNT or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", container):
            raise refused("InvalidUri")
        return self._folder / account / container

    # Signatures

    def url(self, blob: Blob, *, base_url: str, seconds: float, permissions: str = "r", expired: bool = False) -> str:
        """A URL that reads the blob and needs no key.

        :param base_url: scheme and authority that the caller used.
        :param expired: sign a stretch of time that is over, as ordered by a fault.
        """
        begin = self._clock.now() - _SIGNED_BEFORE
        end = begin + seconds + _SIGNED_BEFORE
        if expired:
            begin, end = begin - seconds - _SIGNED_BEFORE, begin
        place = Place(account=blob.account, container=blob.container, path=blob.path)
        return self._url(place, base_url=base_url, permissions=permissions, begin=begin, end=end)

    def container_url(self, name: str, *, base_url: str, seconds: float, permissions: str = ALL_PERMISSIONS) -> str:
        """A URL with a signature for everything in a customer's container."""
        now = self._clock.now()
        place = Place(account=CUSTOMER_ACCOUNT, container=name)
        return self._url(
            place, base_url=base_url, permissions=permissions, begin=now - _SIGNED_BEFORE, end=now + seconds
        )

    def _url(self, place: Place, *, base_url: str, permissions: str, begin: float, end: float) -> str:
        query = sign_url(key=self.keys[place.account], place=place, permissions=permissions, begin=begin, end=end)
        path = "/".join(part for part in (place.account, place.container, place.path) if part)
        return f"{base_url}{PREFIX}/{quote(path)}?{urlencode(query)}"

    def writable_container(self, url: str) -> str:
        """The name of the customer's container that a destination URL leads to.

        :raises ValueError: when it is no URL with a signature.
        :raises ContainerExpired: when the signature is over.
        :raises ContainerUnusable: when nothing can be written there.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        end = timestamps.read_seconds(query.get("se", ""))
        if parts.scheme not in {"http", "https"} or not parts.netloc or "sig" not in query or end is None:
            raise ValueError("That is no container URL with a shared access signature.")
        # Told before anything else, since it can be read off the URL itself.
        if end <= self._clock.now():
            raise ContainerExpired
        name = unquote(parts.path).strip("/").removeprefix(f"{PREFIX[1:]}/{CUSTOMER_ACCOUNT}/")
        place = Place(account=CUSTOMER_ACCOUNT, container=name)
        try:
            self.check(query, place=place, permissions="w")
            self.check(query, place=place, permissions="l")
            self.customer.container(name)
        except BlobRefused as error:
            raise ContainerUnusable from error
        return name

    def check(self, query: Mapping[str, str], *, place: Place, permissions: str) -> None:
        """
        :param permissions: the letters any of which will do.
        :raises BlobRefused: unless the URL was signed with the account's key, grants one of them here, and is neither
            over nor early.
        """
        key = self.keys.get(place.account)
        if key is None:
            raise unauthenticated("Signature did not match.")
        check_url(query, key=key, place=place, permissions=permissions, now=self._clock.now())


def content_type(path: str) -> str:
    return "application/zip" if path.endswith(".zip") else "application/octet-stream"
