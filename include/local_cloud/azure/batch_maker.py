"""How a batch synthesis job is made: every input spoken, and the results written as each API documents them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from include.local_cloud.azure.billing import PLAIN_TEXT, billable
from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, SERVICE_ACCOUNT, Blob
from include.local_cloud.azure.formats import FORMATS, AudioFormat, headerless
from include.local_cloud.azure.jobs import FAILED, SUCCEEDED, Job
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.azure.speaking import Boundary, InputSpeech, Spoken
from include.local_cloud.azure.ssml import SsmlInvalid, check_ssml
from include.local_cloud.azure.synthesis import ResultZip, Speaker, json_text, truncate
from include.local_cloud.azure.voices import find_voice
from include.local_cloud.azure.worker import Made, service_folder
from include.local_cloud.rendering import RenderingFailed


@dataclass(frozen=True, kw_only=True)
class Row:
    """One entry of a summary: an input, or all those that were joined.

    :param texts: the inputs, as sent.
    :param words: the file of their words.
    :param sentences: the file of their sentences.
    """

    texts: tuple[str, ...]
    error: str | None = None
    audio: str | None = None
    words: str | None = None
    sentences: str | None = None
    size: int = 0
    milliseconds: int = 0
    billed: int = 0
    billed_custom: int = 0


@dataclass(kw_only=True)
class Totals:
    """What the inputs add up to."""

    succeeded: int = 0
    failed: int = 0
    size: int = 0
    milliseconds: int = 0
    billed: int = 0
    billed_custom: int = 0
    first_error: str = ""
    rows: list[Row] = field(default_factory=list)


class Dialect(Protocol):
    """What differs between the two APIs in the results."""

    container: str

    def prefix(self, job: Job) -> str:
        """The folder of a job in the service's own container."""
        ...

    def summary(self, job: Job, *, status: str, rows: list[Row]) -> dict[str, Any]: ...

    def debug(self, job: Job, spoken: Spoken) -> dict[str, Any] | None: ...

    def words(self, boundaries: tuple[Boundary, ...]) -> list[dict[str, Any]]: ...


class BatchMaker:
    """Makes the jobs of one of the two APIs.

    ``job.request`` has ``kind``, ``config``, ``output``, ``custom_voices``, and for a customer's container
    ``destination`` (``{"name", "prefix"}``, or ``None`` when nothing can be written there).
    """

    def __init__(self, *, speaker: Speaker, dialect: Dialect, readings: AzureReadings) -> None:
        self._speaker = speaker
        self._dialect = dialect
        self._readings = readings

    async def make(self, job: Job, inputs: list[str], folder: Path) -> Made:
        """See :class:`worker.Maker`."""
        if "fail" in job.faults:
            return _failed("InternalServerError", job.faults["fail"].get("reason") or "The synthesis failed.")
        destination = job.request.get("destination", {})
        if destination is None:
            return _failed("InaccessibleCustomerStorage", "The destination container cannot be written.")
        output = job.request["output"]
        parts = folder / "parts"
        parts.mkdir()
        target = _Folder(folder / "results") if output["decompressOutputFiles"] else ResultZip(folder / "results.zip")
        with target:
            speaking = _Speaking(job, inputs, parts, target, self._dialect, self._readings)
            make = speaking.joined if output["concatenateResult"] else speaking.each
            try:
                totals = await make(self._speaker)
            except RenderingFailed as error:
                return _failed("InternalServerError", str(error))
            status = SUCCEEDED if totals.succeeded else self._readings.all_inputs_failed
            target.add_json("summary.json", self._dialect.summary(job, status=status, rows=totals.rows))
        if "truncated_zip" in job.faults and isinstance(target, ResultZip):
            truncate(target.path)
        result: dict[str, Any] = {
            "succeeded": totals.succeeded,
            "failed": totals.failed,
            "size": totals.size,
            "milliseconds": totals.milliseconds,
            "billed": totals.billed,
            "billed_custom": totals.billed_custom,
        }
        if status == FAILED:
            result["error"] = {"code": "InvalidRequest", "message": f"All inputs failed: {totals.first_error}"}
        files, places = self._places(job, target, destination)
        return Made(
            status=status, result=result | places, billed=totals.billed + totals.billed_custom, files=tuple(files)
        )

    def _places(
        self, job: Job, target: ResultZip | _Folder, destination: Mapping[str, str]
    ) -> tuple[list[tuple[Blob, Path]], dict[str, Any]]:
        """The blobs to write, and what the job remembers of them."""
        if not destination:
            prefix = self._dialect.prefix(job)
            blob = Blob(account=SERVICE_ACCOUNT, container=self._dialect.container, path=f"{prefix}/results.zip")
            places = {"folder": service_folder(container=self._dialect.container, prefix=prefix), "blob": blob.path}
            return [(blob, target.path)], places
        name, prefix = destination["name"], destination["prefix"]
        files = target.files() if isinstance(target, _Folder) else [target.path]
        blobs = [(Blob(account=CUSTOMER_ACCOUNT, container=name, path=f"{prefix}/{file.name}"), file) for file in files]
        if isinstance(target, _Folder):
            return blobs, {"relative": prefix, "relative_summary": f"{prefix}/summary.json"}
        return blobs, {"relative": f"{prefix}/results.zip"}


class _Speaking:
    """One job while its inputs are spoken."""

    def __init__(
        self,
        job: Job,
        inputs: list[str],
        parts: Path,
        target: ResultZip | _Folder,
        dialect: Dialect,
        readings: AzureReadings,
    ) -> None:
        self._job = job
        self._inputs = inputs
        self._parts = parts
        self._target = target
        self._dialect = dialect
        self._readings = readings
        self._audio = FORMATS[job.request["output"]["outputFormat"]]
        self._ordered: Mapping[str, str | None] = job.faults.get("partial_failure", {}).get("inputs", {})
        self.totals = Totals()

    async def each(self, speaker: Speaker) -> Totals:
        """A file for each input."""
        async for spoken in speaker.speak_all(self._speeches(self._audio)):
            text = self._inputs[spoken.number - 1]
            error = self._error_of(spoken)
            if error is not None:
                self._add_failure(text, error)
                continue
            billed, custom = self._billed(text)
            stem = f"{spoken.number:04}"
            await self._add(stem, spoken, (text,), billed=billed, custom=custom)
            if (debug := self._dialect.debug(self._job, spoken)) is not None:
                self._target.add_json(f"{stem}.debug.json", debug)
        return self.totals

    async def joined(self, speaker: Speaker) -> Totals:
        """One file for all of them, without those that failed."""
        pieces: list[Spoken] = []
        texts: list[str] = []
        billed = custom = 0
        failures: list[tuple[str, str]] = []
        async for spoken in speaker.speak_all(self._speeches(headerless(self._audio))):
            text = self._inputs[spoken.number - 1]
            error = self._error_of(spoken)
            if error is not None:
                failures.append((text, error))
                continue
            pieces.append(spoken)
            texts.append(text)
            more, more_custom = self._billed(text)
            billed, custom = billed + more, custom + more_custom
        if pieces:
            whole = self._parts / f"whole.{self._audio.extension}"
            joined = await speaker.join(pieces, audio=self._audio, to=whole)
            spoken = Spoken(
                number=1,
                file=whole,
                size=joined.size,
                milliseconds=joined.milliseconds,
                words=joined.words,
                sentences=joined.sentences,
            )
            await self._add("0001", spoken, tuple(texts), billed=billed, custom=custom)
        for text, error in failures:
            self._add_failure(text, error)
        return self.totals

    def _speeches(self, audio: AudioFormat) -> Iterator[InputSpeech]:
        request = self._job.request
        config = request.get("config") or {}
        prosody = {name: str(config[name]) for name in ("rate", "pitch", "volume", "style") if name in config}
        wanted = request["output"]["wordBoundaryEnabled"] or request["output"]["sentenceBoundaryEnabled"]
        for number, text in enumerate(self._inputs, 1):
            yield InputSpeech(
                number=number,
                text=text,
                kind=request["kind"],
                voice=config.get("voice", ""),
                audio=audio,
                to=self._parts / f"{number:04}.{audio.extension}",
                prosody=prosody,
                custom_voices=tuple(request["custom_voices"]),
                boundaries=wanted,
            )

    def _error_of(self, spoken: Spoken) -> str | None:
        if str(spoken.number) in self._ordered:
            return self._ordered[str(spoken.number)] or "The synthesis of this input failed."
        return spoken.error

    async def _add(self, stem: str, spoken: Spoken, texts: tuple[str, ...], *, billed: int, custom: int) -> None:
        output = self._job.request["output"]
        audio_name = f"{stem}.{self._audio.extension}"
        await asyncio.to_thread(self._target.add_file, audio_name, spoken.file)
        words_name = sentences_name = None
        if output["wordBoundaryEnabled"]:
            words_name = f"{stem}.word.json"
            self._target.add_json(words_name, self._dialect.words(spoken.words))
        # Where nothing can be spoken the service leaves the file of sentences out, and the input counts as succeeded.
        if output["sentenceBoundaryEnabled"] and spoken.sentences and "missing_sentence_file" not in self._job.faults:
            sentences_name = f"{stem}.sentence.json"
            self._target.add_json(sentences_name, self._dialect.words(spoken.sentences))
        totals = self.totals
        totals.succeeded += len(texts)
        totals.size += spoken.size
        totals.milliseconds += spoken.milliseconds
        totals.billed += billed
        totals.billed_custom += custom
        totals.rows.append(
            Row(
                texts=texts,
                audio=audio_name,
                words=words_name,
                sentences=sentences_name,
                size=spoken.size,
                milliseconds=spoken.milliseconds,
                billed=billed,
                billed_custom=custom,
            )
        )

    def _add_failure(self, text: str, error: str) -> None:
        self.totals.failed += 1
        self.totals.first_error = self.totals.first_error or error
        self.totals.rows.append(Row(texts=(text,), error=error))

    def _billed(self, text: str) -> tuple[int, int]:
        """Characters of public and of custom voices."""
        request = self._job.request
        count = billable(text, kind=request["kind"], white_space=self._readings.ssml_white_space)
        if request["kind"] == PLAIN_TEXT:
            names: tuple[str, ...] = ((request.get("config") or {}).get("voice", ""),)
        else:
            try:
                names = check_ssml(text, custom_voices=tuple(request["custom_voices"])).voice_names
            except SsmlInvalid:
                names = ()
        return (0, count) if any(find_voice(name) is None for name in names) else (count, 0)


class _Folder:
    """Results next to each other instead of in a zip."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: list[str] = []
        path.mkdir()

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def files(self) -> list[Path]:
        return [self.path / name for name in self._names]

    def add_file(self, name: str, file: Path) -> None:
        file.rename(self.path / name)
        self._names.append(name)

    def add_json(self, name: str, value: Any) -> None:
        (self.path / name).write_text(json_text(value), encoding="utf-8", errors="replace")
        self._names.append(name)


def _failed(code: str, message: str) -> Made:
    return Made(status=FAILED, result={"error": {"code": code, "message": message}}, billed=0)
