"""What the zip of a finished Azure synthesis holds: audio by input, words and sentences, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Any, BinaryIO, Self
from zipfile import ZipFile

from narration.hooks.azure_redaction import plain, redacted
from narration.hooks.azure_zip import AzureResultDamagedError, ResultLimits, copy_member, open_archive, safe_members

__all__ = ["Boundary", "ResultLimits", "ResultRow", "Results", "open_results"]

SUMMARY = "summary.json"
#: Endings of audio members. Documented are ``.wav`` only; ``.mp3`` is seen, and the others follow from the formats.
AUDIO_SUFFIXES = frozenset({"wav", "mp3", "ogg", "opus", "webm", "pcm", "raw", "mulaw", "ulaw", "alaw", "amr", "silk"})
#: Most bytes of a JSON or error member. A summary repeats every input, and a job's inputs have at most 2 MB.
LARGEST_TEXT_MEMBER = 64 * 1024 * 1024
#: Most bytes that are looked at of an error report.
LARGEST_REPORT = 64 * 1024

_NUMBERS = re.compile(r"(\d+)")
_LEADING_NUMBER = re.compile(r"^0*([0-9]{1,9})\.[^/]*$")


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """
    One word (punctuation counts as words) or one sentence, and when it is spoken.

    :param offset_ms: from the beginning of its audio file, in milliseconds.
    :param duration_ms: in milliseconds.
    """

    text: str
    offset_ms: float
    duration_ms: float


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """
    What became of one input, as ``summary.json`` says.

    :param position: of the input in the request, from 0. With ``concatenateResult`` one row stands for all inputs.
    :param contents: the text or texts that were spoken, as they were sent.
    :param succeeded: whether the service says so and the audio is really in the archive.
    :param audio_name: member that holds the audio.
    :param word_boundary_name: member with the words, if they were asked for.
    :param sentence_boundary_name: member with the sentences, if they were asked for. The service leaves it out for
        an input with nothing to speak, which counts as succeeded.
    :param duration_seconds: as the service measured it.
    :param billed_characters: as the service counted them; the 2024-04-01 API does not say it by input.
    :param error: why it did not succeed; of the service's words the first 600 characters, and no query of a URL.
    """

    position: int
    contents: tuple[str, ...]
    succeeded: bool
    audio_name: str | None
    word_boundary_name: str | None
    sentence_boundary_name: str | None
    duration_seconds: float | None
    billed_characters: int | None
    error: str


class Results:
    """
    The contents of one result archive; made by :func:`open_results`.

    :ivar names: all members, in natural order, without folders.
    :ivar unpacked_bytes: what all members have together, as the archive says.
    :ivar audio_names: those with audio, in natural order (``9.wav`` before ``10.wav``; the same as lexicographic
        order for numbers of equal length). For Long Audio this is the order of the paragraphs, which nothing else
        tells; the successor APIs number their members.
    :ivar error_names: reports whose name ends in ``err.txt``, which Long Audio adds to a failed job.
    :ivar has_summary: whether there is a ``summary.json``. Long Audio writes none.
    :ivar status: what the summary says of the whole job; empty without one.
    :ivar rows: one for each input, in input order; empty without a summary.
    """

    def __init__(self, archive: ZipFile, *, limits: ResultLimits) -> None:
        self._limits = limits
        self._archive = archive
        self._members = safe_members(archive, limits=limits)
        self.names = tuple(sorted(self._members, key=_natural))
        self.unpacked_bytes = sum(entry.file_size for entry in self._members.values())
        self.error_names = tuple(name for name in self.names if name.lower().endswith("err.txt"))
        self.audio_names = tuple(name for name in self.names if _suffix(name) in AUDIO_SUFFIXES)
        summary = self._member_called(SUMMARY)
        self.has_summary = summary is not None
        found = _lowered(self._json(summary)) if summary else {}
        self.status = plain(found.get("status"))
        self.rows = tuple(self._rows(found.get("results") or []))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the archive; the file stays open."""
        self._archive.close()

    def read(self, name: str, *, max_bytes: int | None = None) -> bytes:
        """
        Read one member whole.

        :param max_bytes: refuse a larger one (default: the limits' ``member_bytes``).
        :raises AzureResultDamagedError: its bytes are damaged or cut off, or there is no such member.
        :raises narration.hooks.azure_zip.AzureResultUnsafeError: it unpacks to more than it may.
        """
        target = BytesIO()
        self.copy(name, to=target, max_bytes=max_bytes)
        return target.getvalue()

    def copy(self, name: str, *, to: BinaryIO, max_bytes: int | None = None) -> int:
        """
        Unpack one member into a file, in pieces.

        :return: bytes written.
        :raises: as :meth:`read`.
        """
        if name not in self._members:
            raise AzureResultDamagedError(f"The result archive has no {name!r}. Download it again.")
        return copy_member(self._archive, self._members[name], to=to, limits=self._limits, max_bytes=max_bytes)

    def boundaries(self, name: str | None) -> tuple[Boundary, ...]:
        """
        Read a file of words or sentences.

        :param name: a row's ``word_boundary_name`` or ``sentence_boundary_name``; none gives no boundaries.
        :raises AzureResultDamagedError: it is not what it should be.
        """
        if name is None:
            return ()
        items = self._json(name)
        try:
            rows = [_lowered(item) for item in items]
            return tuple(
                Boundary(
                    text=plain(row["text"]), offset_ms=_time(row["audiooffset"]), duration_ms=_time(row["duration"])
                )
                for row in rows
            )
        except (TypeError, KeyError, ValueError) as error:
            raise AzureResultDamagedError(
                f"{name} in the result archive is not a list of words or sentences with their times. Download it again."
            ) from error

    def error_reports(self) -> dict[str, str]:
        """
        Read what the service wrote about what went wrong, by member: the first 600 characters, for messages.

        A report may quote a signed URL, so the query of any URL is left out.
        """
        return {
            name: redacted(self._beginning(name).decode("utf-8-sig", "replace").strip()) for name in self.error_names
        }

    def _beginning(self, name: str) -> bytes:
        return self.read(name, max_bytes=LARGEST_TEXT_MEMBER)[:LARGEST_REPORT]

    def _rows(self, results: Any) -> Iterator[ResultRow]:
        if not isinstance(results, list):
            raise AzureResultDamagedError(f"{SUMMARY} in the result archive lists no results. Download it again.")
        # The prefix of a file name is the number of its input; a row without audio has only its place among the rows.
        placed = [(_position(row), row) for row in map(_lowered, results)]
        numbered = [position for position, _ in placed if position is not None]
        taken = set(numbered)
        if len(taken) != len(numbered):
            raise AzureResultDamagedError(
                f"{SUMMARY} in the result archive gives two results for one input. Download it again."
            )
        free = (position for position in range(len(placed)) if position not in taken)
        rows = [self._row(row, position=next(free) if position is None else position) for position, row in placed]
        yield from sorted(rows, key=lambda row: row.position)

    def _row(self, result: Mapping[str, Any], *, position: int) -> ResultRow:
        named = plain(result.get("audiofilename"))
        audio = self._member_called(named)
        said = plain(result.get("status"))
        error = _reason(result)
        if said.lower() != "succeeded":
            error = error or f"the service says {said or 'nothing'!r} and gives no reason"
        elif audio is None:
            error = f"the summary names {named!r}, which is not in the archive" if named else "there is no audio file"
        properties = _lowered(result.get("properties") or {})
        return ResultRow(
            position=position,
            contents=tuple(map(plain, _listed(result.get("contents") or result.get("texts")))),
            succeeded=not error,
            audio_name=audio,
            word_boundary_name=self._beside(result.get("wordboundaryfilename"), named, "word.json"),
            sentence_boundary_name=self._beside(result.get("sentenceboundaryfilename"), named, "sentence.json"),
            duration_seconds=_duration(properties),
            billed_characters=_billed(result.get("billingdetails")),
            error=redacted(error),
        )

    def _beside(self, named: Any, audio_name: str, ending: str) -> str | None:
        """Find a boundary file: by the name that the summary gives, or beside its audio (the preview gives none)."""
        if named:
            return self._member_called(str(named))
        return self._member_called(f"{audio_name.rpartition('.')[0]}.{ending}") if audio_name else None

    def _member_called(self, name: str) -> str | None:
        if not name or name in self._members:
            return name or None
        wanted = name.replace("\\", "/").lower()
        return next((member for member in self.names if member.lower() == wanted), None)

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name, max_bytes=LARGEST_TEXT_MEMBER).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise AzureResultDamagedError(f"{name} in the result archive is not JSON. Download it again.") from error


@contextmanager
def open_results(file: BinaryIO, *, limits: ResultLimits | None = None) -> Iterator[Results]:
    """
    Open a result archive, of any of the three APIs.

    Nothing is unpacked but ``summary.json``. ``with open_results(file) as results: ...``

    :param file: the whole archive, seekable; it stays open.
    :param limits: how much it may hold.
    :raises AzureResultDamagedError: it is cut off, damaged or no zip; downloading again may help.
    :raises narration.hooks.azure_zip.AzureResultUnsafeError: it holds what a result of Azure never does, such as a
        path that leads outside. Downloading again would not help.
    """
    limits = limits or ResultLimits()
    with open_archive(file, limits=limits) as archive:
        yield Results(archive, limits=limits)


def _natural(name: str) -> tuple[tuple[tuple[int, str], ...], str]:
    pieces = _NUMBERS.split(name.lower())
    return tuple((int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces), name


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _lowered(value: Any) -> dict[str, Any]:
    """Give a JSON object with its names in lower case: Azure's letter case differs between versions."""
    if not isinstance(value, Mapping):
        raise AzureResultDamagedError(
            f"A JSON file in the result archive holds a {type(value).__name__} where an object belongs. "
            "Download it again."
        )
    return {str(name).lower(): item for name, item in value.items()}


def _position(row: Mapping[str, Any]) -> int | None:
    number = _LEADING_NUMBER.match(plain(row.get("audiofilename")))
    return int(number[1]) - 1 if number and int(number[1]) > 0 else None


def _reason(result: Mapping[str, Any]) -> str:
    """What the summary says about a failed input, wherever it says it."""
    for name in ("error", "errordetails", "errormessage", "message"):
        found = result.get(name)
        if isinstance(found, Mapping):
            inner = _lowered(found)
            found = ": ".join(plain(inner[part]) for part in ("code", "message") if plain(inner.get(part)))
        if plain(found):
            return plain(found)
    return ""


def _number(value: Any) -> float | None:
    """Read a number; the summaries write all of theirs as strings."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Neither what is no number nor what is infinite, which JSON can both express.
    return number if abs(number) < 2**63 else None


def _time(value: Any) -> float:
    if (number := _number(value)) is None:
        raise ValueError("not a number")
    return number


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _duration(properties: Mapping[str, Any]) -> float | None:
    for name, unit in (("durationinmilliseconds", 1e3), ("durationinticks", 1e7)):
        number = _number(properties.get(name))
        if number is not None:
            return number / unit
    return None


def _billed(details: Any) -> int | None:
    if not isinstance(details, Mapping):
        return None
    numbers = [number for number in map(_number, details.values()) if number is not None]
    return int(sum(numbers)) if numbers else None
