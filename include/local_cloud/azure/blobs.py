"""Blob storage as far as results need it: files under signed URLs that expire, and containers of customers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from include.local_cloud.azure import timestamps
from include.local_cloud.clock import Clock

PREFIX = "/blob"
SERVICE_ACCOUNT, CUSTOMER_ACCOUNT = "speechservice", "customer"
ALL_PERMISSIONS = "racwdl"
_VERSION = "2021-08-06"
# Clocks differ: the service signs from a little before now.
_SIGNED_BEFORE = 300.0
_SIGNED_FIELDS = ("sp", "st", "se", "sr", "sv")
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")


class BlobRefused(Exception):
    """A blob request is refused.

    :param status: the HTTP status.
    :param code: as in the ``Code`` of the XML body.
    """

    def __init__(self, status: int, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


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
    """Files on disk, and the signatures of the URLs that lead to them.

    :param folder: made when needed.
    :param secret: signs the URLs; kept in the state, so that they outlive a restart.
    """

    def __init__(self, *, folder: Path, clock: Clock, secret: bytes) -> None:
        self._folder = folder
        self._clock = clock
        self._secret = secret

    # Files

    def file(self, blob: Blob) -> Path:
        """Where a blob's bytes are.

        :raises BlobRefused: for a path that leads out of its container.
        """
        parts = PurePosixPath(blob.path).parts
        if not parts or blob.path.startswith("/") or any(part in {".", ".."} or "\0" in part for part in parts):
            raise BlobRefused(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
        return self._container(blob.account, blob.container).joinpath(*parts)

    def put(self, blob: Blob, source: Path) -> None:
        """Move a finished file to its place; there is never half of a blob."""
        place = self.file(blob)
        place.parent.mkdir(parents=True, exist_ok=True)
        coming = place.with_name(f".{uuid.uuid4().hex}")
        shutil.move(source, coming)
        coming.replace(place)

    def scratch(self) -> Path:
        """A new folder on the same disk, where results are made; the caller removes it."""
        folder = self._folder / ".scratch" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def clear_scratch(self) -> None:
        """Remove what a killed process left half-made."""
        shutil.rmtree(self._folder / ".scratch", ignore_errors=True)

    def remove(self, *, account: str, container: str, prefix: str) -> None:
        """Remove everything below a folder of a container."""
        shutil.rmtree(self.file(Blob(account=account, container=container, path=prefix)), ignore_errors=True)

    def make_container(self, name: str) -> None:
        """
        :raises BlobRefused: when that is no name for a container.
        """
        if not _CONTAINER.fullmatch(name):
            raise BlobRefused(400, "InvalidResourceName", "A container is named by 3 to 63 of a-z, 0-9 and -.")
        self._container(CUSTOMER_ACCOUNT, name).mkdir(parents=True, exist_ok=True)

    def container_exists(self, *, account: str, container: str) -> bool:
        return self._container(account, container).is_dir()

    def names(self, *, account: str, container: str, prefix: str = "") -> list[tuple[str, int]]:
        """Path and size of every blob in a container, in order."""
        root = self._container(account, container)
        found = (file for file in root.rglob("*") if file.is_file() and not file.name.startswith("."))
        listed = ((file.relative_to(root).as_posix(), file.stat().st_size) for file in found)
        return sorted(entry for entry in listed if entry[0].startswith(prefix))

    def _container(self, account: str, container: str) -> Path:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", account) or not re.fullmatch(r"\$?[a-z0-9][a-z0-9-]*", container):
            raise BlobRefused(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
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
        resource = f"/{blob.account}/{blob.container}/{blob.path}"
        query = self._signed(resource, kind="b", permissions=permissions, begin=begin, end=end)
        return f"{base_url}{PREFIX}{quote(resource)}?{query}"

    def container_url(self, name: str, *, base_url: str, seconds: float, permissions: str = ALL_PERMISSIONS) -> str:
        """A URL with a signature for everything in a customer's container."""
        begin = self._clock.now() - _SIGNED_BEFORE
        resource = f"/{CUSTOMER_ACCOUNT}/{name}"
        query = self._signed(resource, kind="c", permissions=permissions, begin=begin, end=self._clock.now() + seconds)
        return f"{base_url}{PREFIX}{resource}?{query}"

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
        try:
            self.check(query, account=CUSTOMER_ACCOUNT, container=name, path="", permission="w")
            self.check(query, account=CUSTOMER_ACCOUNT, container=name, path="", permission="l")
            exists = self.container_exists(account=CUSTOMER_ACCOUNT, container=name)
        except BlobRefused as error:
            raise ContainerUnusable from error
        if not exists:
            raise ContainerUnusable
        return name

    def check(self, query: dict[str, str], *, account: str, container: str, path: str, permission: str) -> None:
        """
        :raises BlobRefused: unless the signature is ours, grants the permission here, and is neither over nor early.
        """
        resource = f"/{account}/{container}" + (f"/{path}" if query.get("sr") == "b" and path else "")
        if not hmac.compare_digest(query.get("sig", "").encode(), self._seal(query, resource).encode()):
            raise _unauthenticated("Signature did not match.")
        begin, end = timestamps.read_seconds(query["st"]), timestamps.read_seconds(query["se"])
        now = self._clock.now()
        if begin is None or end is None or not begin <= now < end:
            raise _unauthenticated(
                f"Signature not valid in the specified time frame: Start [{query['st']}] - Expiry [{query['se']}]"
                f" - Current [{timestamps.seconds(now)}]"
            )
        if permission not in query["sp"]:
            raise BlobRefused(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            )

    def _signed(self, resource: str, *, kind: str, permissions: str, begin: float, end: float) -> str:
        query = {
            "sv": _VERSION,
            "st": timestamps.seconds(begin),
            "se": timestamps.seconds(end),
            "sr": kind,
            "sp": permissions,
        }
        return urlencode(query | {"sig": self._seal(query, resource)})

    def _seal(self, query: dict[str, str], resource: str) -> str:
        signed = "\n".join([*(query.get(name, "") for name in _SIGNED_FIELDS), resource])
        return base64.b64encode(hmac.digest(self._secret, signed.encode(), hashlib.sha256)).decode()


def _unauthenticated(detail: str) -> BlobRefused:
    return BlobRefused(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
        " including the signature.",
        detail=detail,
    )
