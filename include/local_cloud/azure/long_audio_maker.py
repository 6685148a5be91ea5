"""From the paragraphs of a Long Audio synthesis to its result zip."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.billing import PLAIN_TEXT, SSML, billable
from include.local_cloud.azure.blobs import CUSTOMER_ACCOUNT, SERVICE_ACCOUNT, Blob, BlobStore
from include.local_cloud.azure.formats import FORMATS, headerless
from include.local_cloud.azure.jobs import FAILED, SUCCEEDED, Job
from include.local_cloud.azure.long_audio_entity import RESULT_NAME
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.azure.speaking import InputSpeech, Spoken
from include.local_cloud.azure.synthesis import ResultZip, Speaker, truncate
from include.local_cloud.azure.worker import Made, service_folder
from include.local_cloud.rendering import RenderingFailed

CONTAINER = "artifacts"
# No page names what is in the zip. The names of the successor API for audio; a failed job has to have a file whose
# name ends in err.txt.
REPORT_NAME = "voicesynthesis.err.txt"
_JOINED_NUMBER = 1
_VOICE_NAME = re.compile(r"(?P<before><voice\b[^<>]*?\bname\s*=\s*)(?P<quote>[\"'])(?P<name>[^<\"']*)(?P=quote)")
_FAILED = "The synthesis failed."
_BACKGROUND_AUDIO = "The element mstts:backgroundaudio is not supported in the voice synthesis."


def script_blob(job_id: str, name: str) -> Blob:
    """Where the script of a job is kept."""
    return Blob(account=SERVICE_ACCOUNT, container=CONTAINER, path=f"{job_id}/{name}")


def result_blob(job: Job) -> Blob:
    """Where the result of a job goes."""
    path = f"{job.job_id}/{RESULT_NAME}"
    if destination := job.request.get("destination"):
        return Blob(account=CUSTOMER_ACCOUNT, container=destination["container"], path=path)
    return Blob(account=SERVICE_ACCOUNT, container=CONTAINER, path=path)


class LongAudioMaker:
    """Speaks paragraph by paragraph.

    A paragraph that cannot be spoken leaves a file ``nnnn.err.txt`` in place of its audio. The job fails when none
    can be.
    """

    def __init__(self, *, speaker: Speaker, blobs: BlobStore, readings: AzureReadings) -> None:
        self._speaker = speaker
        self._blobs = blobs
        self._readings = readings

    async def make(self, job: Job, inputs: list[str], folder: Path) -> Made:
        zipped = folder / RESULT_NAME
        spoken: list[Spoken] = []
        failure = self._failure_ahead(job)
        if failure is None:
            try:
                spoken = await self._speak(job, inputs, zipped=zipped, folder=folder)
            except RenderingFailed as error:
                # Putting the pieces together went wrong; no other attempt would end better.
                failure = str(error)
            else:
                if all(result.error is not None for result in spoken):
                    failure = spoken[0].error
        result: dict[str, Any]
        if failure is None:
            status, billed = SUCCEEDED, self._billed(job, inputs, spoken)
            result = {"totalDuration": timestamps.duration(sum(one.milliseconds for one in spoken))}
        else:
            await asyncio.to_thread(self._write_report, job, failure, zipped)
            status, billed = FAILED, 0
            result = {"error": {"code": "InvalidVoiceSynthesis", "message": failure}}
        if "truncated_zip" in job.faults:
            truncate(zipped)
        result |= {"billableCharacterCount": billed, "folder": _folder(job)}
        return Made(status=status, result=result, billed=billed, files=((result_blob(job), zipped),))

    def _failure_ahead(self, job: Job) -> str | None:
        """Why the job fails whatever its paragraphs say; ``None`` when nothing speaks against it."""
        if "fail" in job.faults:
            return job.faults["fail"].get("reason") or _FAILED
        return _BACKGROUND_AUDIO if job.request["backgroundAudio"] else None

    async def _speak(self, job: Job, inputs: list[str], *, zipped: Path, folder: Path) -> list[Spoken]:
        """Speak the paragraphs into the zip; what came of each, in order."""
        audio = FORMATS[job.request["outputFormat"]]
        concatenated = job.request["concatenateResult"]
        ordered = job.faults.get("partial_failure", {}).get("inputs", {})
        spoken = [_unspoken(int(number), reason, folder) for number, reason in ordered.items()]
        with ResultZip(zipped) as package:
            speeches = self._speeches(job, inputs, without=ordered, folder=folder)
            async for result in self._speaker.speak_all(speeches):
                spoken.append(result)
                if result.error is None and not concatenated:
                    await asyncio.to_thread(package.add_file, f"{result.number:04}.{audio.extension}", result.file)
            spoken.sort(key=lambda result: result.number)
            pieces = [result for result in spoken if result.error is None]
            if concatenated and pieces:
                joined = folder / f"joined.{audio.extension}"
                await self._speaker.join(pieces, audio=audio, to=joined)
                await asyncio.to_thread(package.add_file, f"{_JOINED_NUMBER:04}.{audio.extension}", joined)
            for result in spoken:
                if result.error is not None:
                    package.add_text(f"{result.number:04}.err.txt", result.error)
            self._add_script(package, job)
        return spoken

    def _speeches(self, job: Job, inputs: list[str], *, without: Container[str], folder: Path) -> Iterator[InputSpeech]:
        request = job.request
        audio, heard = FORMATS[request["outputFormat"]], request["heard"]
        audio = headerless(audio) if request["concatenateResult"] else audio
        for number, text in enumerate(inputs, 1):
            if str(number) not in without:
                yield InputSpeech(
                    number=number,
                    text=_with_public_voices(text, heard) if request["ssml"] else text,
                    kind=_kind(job),
                    voice=next(iter(heard.values())),
                    audio=audio,
                    to=folder / f"{number:04}.{audio.extension}",
                )

    def _write_report(self, job: Job, failure: str, zipped: Path) -> None:
        with ResultZip(zipped) as package:
            package.add_text(REPORT_NAME, failure)
            self._add_script(package, job)

    def _add_script(self, package: ResultZip, job: Job) -> None:
        name = job.request["script"]
        package.add_text(name, self._blobs.file(script_blob(job.job_id, name)).read_bytes().decode())

    def _billed(self, job: Job, inputs: list[str], spoken: list[Spoken]) -> int:
        white_space = self._readings.ssml_white_space
        return sum(
            billable(inputs[result.number - 1], kind=_kind(job), white_space=white_space)
            for result in spoken
            if result.error is None
        )


def _folder(job: Job) -> dict[str, str]:
    return service_folder(container=CONTAINER, prefix=job.job_id)


def _kind(job: Job) -> str:
    return SSML if job.request["ssml"] else PLAIN_TEXT


def _unspoken(number: int, reason: str | None, folder: Path) -> Spoken:
    return Spoken(number=number, file=folder / "never-made", error=reason or _FAILED)


def _with_public_voices(ssml: str, heard: Mapping[str, str]) -> str:
    """SSML that names the stand-ins of its custom voices."""

    def public(found: re.Match[str]) -> str:
        name = html.unescape(found["name"])
        return f"{found['before']}{found['quote']}{heard.get(name.strip(), found['name'])}{found['quote']}"

    return _VOICE_NAME.sub(public, ssml)
