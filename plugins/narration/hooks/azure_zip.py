"""Reading a zip that came over the network: no path leads outside, and nothing unpacks to more than it may."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from narration.errors import NarrationError, PermanentNarrationError

_MIB = 1024 * 1024
_PIECE = 1 * _MIB
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LARGEST_COMMENT = 65_535
_DAMAGE = (BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, OSError, RuntimeError, ValueError)


class AzureResultDamagedError(NarrationError):
    """A result archive is cut off or damaged; a new download may be whole."""


class AzureResultUnsafeError(PermanentNarrationError):
    """A result archive holds what a result of Azure never does; nothing of it was unpacked to where it points."""


@dataclass(frozen=True, kw_only=True)
class ResultLimits:
    """
    How much a result archive may hold.

    A job of Azure has at most 10,000 inputs, and each gives audio, debug details, words and sentences.

    :param members: files in the archive.
    :param directory_bytes: size of the archive's table of contents, which is read whole.
    :param member_bytes: one file, unpacked.
    :param total_bytes: all of them together, unpacked.
    :param ratio: how many times larger than packed a file, or all together, may be.
    :param ratio_from_bytes: below this unpacked size any ratio is accepted: silence packs down to next to nothing.
    """

    members: int = 50_000
    directory_bytes: int = 8 * _MIB
    member_bytes: int = 16 * 1024 * _MIB
    total_bytes: int = 64 * 1024 * _MIB
    ratio: float = 100.0
    ratio_from_bytes: int = 64 * _MIB


@contextmanager
def open_archive(file: BinaryIO, *, limits: ResultLimits) -> Iterator[ZipFile]:
    """
    Open an archive without believing it.

    :param file: the whole archive, seekable.
    :raises AzureResultDamagedError: it is cut off, damaged or no zip.
    :raises AzureResultUnsafeError: it has more members than it may, or several share the same bytes.
    """
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise AzureResultDamagedError("The result archive is empty (0 bytes). Download it again.")
    _check_directory(file, size=size, limits=limits)
    try:
        archive = ZipFile(file)
    except _DAMAGE as error:
        raise _damaged(f"The result archive ({size:,} bytes)", error) from error
    with archive:
        packed = sum(entry.compress_size for entry in archive.infolist())
        if packed > size:
            raise AzureResultUnsafeError(
                f"The members of the result archive claim {packed:,} packed bytes; all of it has {size:,}. {_ADVICE}"
            )
        yield archive


def safe_members(archive: ZipFile, *, limits: ResultLimits) -> dict[str, ZipInfo]:
    """
    Give the files of an archive by name, after looking at every entry.

    :raises AzureResultUnsafeError: a name is absolute, leads outside, cannot be written everywhere or is there twice;
        an entry is a link or a device; there are too many, or they claim to unpack to more than they may.
    """
    entries = archive.infolist()
    if len(entries) > limits.members:
        raise _too_many(len(entries), limits)
    members: dict[str, ZipInfo] = {}
    seen: set[str] = set()
    for entry in entries:
        name = _safe_name(entry)
        if entry.is_dir():
            continue
        # A file system may not tell a capital from a small letter.
        if name.lower() in seen:
            raise AzureResultUnsafeError(f"The result archive holds {name!r} twice. {_ADVICE}")
        seen.add(name.lower())
        members[name] = entry
    claimed, packed = sum(entry.file_size for entry in members.values()), sum(e.compress_size for e in members.values())
    _check_size("All files of the result archive", claimed, packed=packed, most=limits.total_bytes, limits=limits)
    return members


def copy_member(
    archive: ZipFile, entry: ZipInfo, *, to: BinaryIO, limits: ResultLimits, max_bytes: int | None = None
) -> int:
    """
    Unpack one file in pieces, counting what really comes out.

    :param max_bytes: refuse a larger one (default: ``limits.member_bytes``).
    :return: bytes written.
    :raises AzureResultDamagedError: it is cut off or fails its checksum.
    :raises AzureResultUnsafeError: it is larger than it may be, or than it says.
    """
    what = f"{entry.filename!r} in the result archive"
    most = limits.member_bytes if max_bytes is None else min(max_bytes, limits.member_bytes)
    _check_size(what, entry.file_size, packed=entry.compress_size, most=most, limits=limits)
    written = 0
    try:
        source = archive.open(entry)
    except _DAMAGE as error:
        raise _damaged(what, error) from error
    with source:
        while piece := _next_piece(source, what):
            written += len(piece)
            _check_size(what, written, packed=entry.compress_size, most=most, limits=limits)
            to.write(piece)
    if written != entry.file_size:
        raise AzureResultDamagedError(
            f"{what} should have {entry.file_size:,} bytes and has {written:,}. Download it again."
        )
    return written


_ADVICE = "No result of Azure looks like this: find out who answers at the connection's address before you try again."


def _next_piece(source: object, what: str) -> bytes:
    try:
        return source.read(_PIECE)  # type: ignore[attr-defined]
    except _DAMAGE as error:
        raise _damaged(what, error) from error


def _damaged(what: str, error: BaseException) -> AzureResultDamagedError:
    return AzureResultDamagedError(
        f"{what} is cut off or damaged ({error or type(error).__name__}). The download may have been incomplete: "
        "run the task again, it is free. If it stays damaged, the job's result is lost and has to be made anew."
    )


def _safe_name(entry: ZipInfo) -> str:
    # Archives that were made on Windows may separate folders so, and Windows would read them so.
    name = entry.filename.replace("\\", "/")
    parts = name.removesuffix("/").split("/")
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    trouble = ""
    if name.startswith("/") or ":" in name:
        trouble = "is an absolute path"
    elif any(part in ("..", ".", "") for part in parts):
        trouble = "leads outside of the folder that it is unpacked to"
    elif not name.isprintable() or len(name.encode("utf-8", "replace")) > 255:
        trouble = "is not a name that every storage can hold"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        trouble = "is a link or a device and not a file"
    elif entry.flag_bits & 0x1:
        trouble = "is encrypted"
    if trouble:
        raise AzureResultUnsafeError(f"The member {entry.filename!r} of the result archive {trouble}. {_ADVICE}")
    return name


def _check_size(what: str, size: int, *, packed: int, most: int, limits: ResultLimits) -> None:
    if size > most:
        raise AzureResultUnsafeError(f"{what} unpacks to more than {most:,} bytes ({size:,} so far). {_ADVICE}")
    if size > limits.ratio_from_bytes and size > limits.ratio * max(packed, 1):
        raise AzureResultUnsafeError(
            f"{what}: {packed:,} bytes unpack to {size:,} or more, over {limits.ratio:g} times as many. {_ADVICE}"
        )


def _too_many(count: int, limits: ResultLimits) -> AzureResultUnsafeError:
    return AzureResultUnsafeError(
        f"The result archive has {count:,} members; more than {limits.members:,} are not unpacked. {_ADVICE}"
    )


def _check_directory(file: BinaryIO, *, size: int, limits: ResultLimits) -> None:
    """Look at the size of the table of contents before all of it is read into memory."""
    tail_size = min(size, _LARGEST_COMMENT + 22 + 20 + 56)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise AzureResultDamagedError(
            f"The result archive ({size:,} bytes) is cut off or is no zip. Run the task again: downloading is free."
        )
    count, directory = struct.unpack_from("<HI", tail, at + 10)
    at_64 = tail.rfind(_END_64, 0, at)
    if at_64 >= 0 and len(tail) - at_64 >= 48:
        count, directory = struct.unpack_from("<QQ", tail, at_64 + 32)
    if count > limits.members:
        raise _too_many(count, limits)
    if directory > limits.directory_bytes:
        raise AzureResultUnsafeError(
            f"The result archive's table of contents has {directory:,} bytes; {limits.directory_bytes:,} are read. "
            f"{_ADVICE}"
        )
