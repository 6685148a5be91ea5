"""A job's inputs spoken one after the other, and the zip that its results come in."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import zipfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from include.local_cloud.azure.formats import AudioFormat, headerless, read_headerless, write_audio
from include.local_cloud.azure.speaking import Boundary, InputSpeech, Spoken, speak_input, speak_with
from include.local_cloud.rendering import WORKERS, Renderer, RenderingFailed
from include.local_cloud.speech import SpeechRequest

# One more than can be made at once, so that no process waits for its next input.
_AHEAD = WORKERS + 1
# All entries carry the oldest date that a zip can have: the same job gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """One file made of several.

    :param size: its bytes.
    """

    size: int
    milliseconds: int
    words: tuple[Boundary, ...]
    sentences: tuple[Boundary, ...]


@dataclass(frozen=True, kw_only=True)
class _Joining:
    files: tuple[Path, ...]
    audio: AudioFormat
    to: Path


class Speaker:
    """Has inputs spoken in the speech processes.

    :param render: another maker of sounds, for tests that need no real audio.
    """

    def __init__(self, *, renderer: Renderer, render: Callable[[SpeechRequest], bytes] | None = None) -> None:
        self._renderer = renderer
        self._make: Callable[[InputSpeech], Spoken] = (
            speak_input if render is None else functools.partial(speak_with, render)
        )

    async def speak_all(self, speeches: Iterable[InputSpeech]) -> AsyncIterator[Spoken]:
        """What came of each input, in order; never more than a few are ahead of the one that is asked for.

        The caller removes each file once it is done with it, so that a book needs no room for all of them.
        """
        running: deque[asyncio.Task[Spoken]] = deque()
        coming = iter(speeches)
        try:
            for speech in itertools.islice(coming, _AHEAD):
                running.append(asyncio.ensure_future(self.speak(speech)))
            while running:
                spoken = await running.popleft()
                for speech in itertools.islice(coming, 1):
                    running.append(asyncio.ensure_future(self.speak(speech)))
                yield spoken
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def speak(self, speech: InputSpeech) -> Spoken:
        """One input; a speech that cannot be made is told in ``error``.

        :raises OSError: when the disk did not take it, which is no fault of the input.
        """
        try:
            return await self._renderer.run(self._make, speech)
        except RenderingFailed as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            return Spoken(number=speech.number, file=speech.to, error=str(error))

    async def join(self, pieces: Sequence[Spoken], *, audio: AudioFormat, to: Path) -> Joined:
        """One file of pieces that were spoken in the format :func:`formats.headerless` gives.

        :raises OSError: when the disk did not take it.
        :raises RenderingFailed: when it cannot be made.
        """
        files = tuple(piece.file for piece in pieces)
        try:
            milliseconds = await self._renderer.run(_join, _Joining(files=files, audio=audio, to=to))
        except RenderingFailed as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            raise
        words: list[Boundary] = []
        sentences: list[Boundary] = []
        begin = 0
        for piece in pieces:
            words += (replace(word, offset=word.offset + begin) for word in piece.words)
            sentences += (replace(sentence, offset=sentence.offset + begin) for sentence in piece.sentences)
            begin += piece.milliseconds
        return Joined(size=to.stat().st_size, milliseconds=milliseconds, words=tuple(words), sentences=tuple(sentences))


def _join(joining: _Joining) -> int:
    blocks = (block for file in joining.files for block in read_headerless(file))
    return write_audio(blocks, source_rate=headerless(joining.audio).rate, audio=joining.audio, to=joining.to)


class ResultZip:
    """A zip written to a file piece by piece. Audio is stored as it is, text is deflated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add_file(self, name: str, file: Path) -> None:
        """Add a file and remove it."""
        with file.open("rb") as source, self._zip.open(zipfile.ZipInfo(name, _DATE), "w", force_zip64=True) as target:
            while block := source.read(1 << 20):
                target.write(block)
        file.unlink()

    def add_text(self, name: str, text: str) -> None:
        entry = zipfile.ZipInfo(name, _DATE)
        self._zip.writestr(entry, text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)

    def add_json(self, name: str, value: Any) -> None:
        self.add_text(name, json_text(value))


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def truncate(path: Path) -> None:
    """Cut a file to half its size, as a transfer does that broke off."""
    os.truncate(path, path.stat().st_size // 2)


def boundary_rows(boundaries: Iterable[Boundary], *, signs: bool = True) -> list[dict[str, Any]]:
    """The content of a word or sentence file.

    :param signs: whether punctuation has rows of its own.
    """
    return [
        {"Text": boundary.text, "AudioOffset": boundary.offset, "Duration": boundary.duration}
        for boundary in boundaries
        if signs or boundary.is_word
    ]
