"""What happens to a finished Azure synthesis job, whichever of the three APIs made it: fetch, delete, list."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.errors import PermanentNarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import AzureSpeechConnectionMixin
from narration.hooks.azure_errors import AzureSpeechArgumentError
from narration.hooks.azure_jobs import FAILED, NOT_STARTED, RUNNING, SUCCEEDED
from narration.hooks.azure_results import SUMMARY, ResultLimits, Results, open_results
from narration.hooks.azure_waiting import job_facts
from narration.hooks.azure_zip import AzureResultUnsafeError
from narration.hooks.failing import failing_at_once
from narration.links.azure import AzureSynthesisResultLink
from narration.operators.azure_request import truth

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.store import Store

#: Failed inputs that the returned value names, which travels through XCom; a job has up to 10,000 inputs.
_RETURNED_FAILURES = 20
#: Failed inputs that a message names.
_NAMED_FAILURES = 5
_STATUSES = (NOT_STARTED, RUNNING, SUCCEEDED, FAILED)


class AzureResultIncompleteError(PermanentNarrationError):
    """Some inputs of a job that succeeded did not become audio. The others' files were kept."""


class _JobOperator(AzureSpeechConnectionMixin, BaseOperator):
    """An operator for one API; the subclass says which."""

    template_fields: Sequence[str] = ("azure_speech_conn_id", "region")

    def __init__(
        self, *, azure_speech_conn_id: str = "azure_speech_default", region: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region

    @property
    @abstractmethod
    def api(self) -> SynthesisApi:
        """Which API knows the job."""


class AzureDownloadBase(_JobOperator):
    """
    Fetch the result of a finished job and keep it in any object storage that Airflow knows.

    The archive is taken for hostile: nothing of it is written anywhere but under its own name in the folder, and an
    archive with paths that lead outside, links, names that are there twice or of both a file and a folder, or far more
    inside than it should have, is refused whole. One that was cut off on the way fails the attempt, and the next one
    fetches it again, which is free. Fetch before you delete: Azure deletes the audio with the job, and after the job's
    time to live.

    Returns ``api``, ``job_id``, ``storage`` (the folder), ``zip`` (if it was kept), ``bytes`` (of the archive),
    ``audio`` (names of the audio files, in the order of the inputs), ``billed_characters`` (if the result says it),
    ``failures`` (how many) and ``failed_inputs`` (``input``, counted from 1, and ``error``; the first 20).

    :param job_id: see the subclasses.
    :param storage: The folder, such as ``s3://bucket/path``, ``abfs://conn@container/path`` or a path on the worker
        (templated). Files that are there under the same names are replaced.
    :param extract: Write the files of the archive (``0001.wav``, ``summary.json`` last); otherwise keep the archive
        as it is (templated).
    :param zip_name: What it is called then (templated; default: ``<job id>.zip``).
    :param allow_failed_inputs: Succeed even if some inputs did not become audio (templated). By default the task fails
        for good and names them, after what there is was kept.
    :param max_bytes: Refuse a result that has more, as an archive or unpacked (default: 64 GiB). The worker's temporary
        folder needs twice as much.
    :param storage_conn_id: Connection for a folder at S3 that names none (templated).
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (
        *_JobOperator.template_fields,
        "allow_failed_inputs",
        "extract",
        "job_id",
        "storage",
        "storage_conn_id",
        "zip_name",
    )
    ui_color = "#e3f0e6"
    operator_extra_links = (AzureSynthesisResultLink(),)
    #: How much an archive may hold.
    limits = ResultLimits()

    def __init__(
        self,
        *,
        job_id: str,
        storage: str,
        extract: bool | str = True,
        zip_name: str | None = None,
        allow_failed_inputs: bool | str = False,
        max_bytes: int | None = None,
        storage_conn_id: str | None = None,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.job_id = job_id
        self.storage = storage
        self.extract = extract
        self.zip_name = zip_name
        self.allow_failed_inputs = allow_failed_inputs
        self.max_bytes = max_bytes
        self.storage_conn_id = storage_conn_id

    @failing_at_once()
    def execute(self, context: Context) -> dict[str, Any]:
        from narration.store import Store

        extract = truth(self.extract, name="extract")
        allow_failed_inputs = truth(self.allow_failed_inputs, name="allow_failed_inputs")
        most = self.limits.total_bytes if self.max_bytes is None else min(self.max_bytes, self.limits.total_bytes)
        store = Store(location=self.storage, conn_id=self.storage_conn_id or None)
        with tempfile.TemporaryDirectory(prefix="azure-result-") as folder:
            archive = Path(folder, "result.zip")
            size = self.hook.download(api=self.api, job_id=self.job_id, to=archive, max_bytes=most)
            self.log.info("Fetched the result of Azure job %s: %s bytes", self.job_id, f"{size:,}")
            with archive.open("rb") as file, open_results(file, limits=self.limits) as results:
                _check_members(results, most=most)
                zip_name = None if extract else self.zip_name or f"{self.job_id}.zip"
                if zip_name:
                    store.upload(archive, zip_name)
                else:
                    self._extract(results, store=store, folder=Path(folder))
                facts = self._facts(results)
        AzureSynthesisResultLink.persist_location(context=context, operator=self, path=store.path())
        facts |= {"storage": store.uri, "bytes": size}
        if zip_name:
            facts["zip"] = store.uri_of(zip_name)
        self.log.info("%d audio files are in %s", len(facts["audio"]), facts.get("zip", store.uri))
        self._check_complete(facts, allow_failed_inputs=allow_failed_inputs)
        return facts

    @staticmethod
    def _extract(results: Results, *, store: Store, folder: Path) -> None:
        def keep(numbered: tuple[int, str]) -> None:
            number, name = numbered
            # Not under the name from the archive: that is the storage's business alone.
            unpacked = folder / f"member-{number}"
            with unpacked.open("wb") as target:
                results.copy(name, to=target)
            store.upload(unpacked, *name.split("/"))
            unpacked.unlink()

        last = [name for name in results.names if name.lower() == SUMMARY]
        numbered = list(enumerate(name for name in results.names if name not in last))
        store.parallel(keep, numbered)
        # Whoever finds the summary finds all that it names.
        for number, name in enumerate(last, start=len(numbered)):
            keep((number, name))

    def _facts(self, results: Results) -> dict[str, Any]:
        failed = [{"input": row.position + 1, "error": row.error} for row in results.rows if not row.succeeded]
        failed += [{"input": _number_of(name), "error": report} for name, report in results.error_reports().items()]
        audio = [row.audio_name for row in results.rows if row.audio_name] if results.rows else results.audio_names
        billed = [row.billed_characters for row in results.rows if row.billed_characters is not None]
        return {
            "api": str(self.api),
            "job_id": self.job_id,
            "audio": list(audio),
            "failures": len(failed),
            "failed_inputs": failed[:_RETURNED_FAILURES],
            **({"billed_characters": sum(billed)} if billed else {}),
        }

    def _check_complete(self, facts: Mapping[str, Any], *, allow_failed_inputs: bool) -> None:
        failed, failures, audio = facts["failed_inputs"], facts["failures"], facts["audio"]
        if audio and not failures:
            return
        named = "; ".join(
            f"{'input ' + str(item['input']) if item['input'] else 'the service'}: {item['error']}"
            for item in failed[:_NAMED_FAILURES]
        )
        more = f"; and {failures - _NAMED_FAILURES} more" if failures > _NAMED_FAILURES else ""
        message = (
            f"The result of Azure job {self.job_id} has {len(audio)} audio files, and {failures} failures"
            f"{f' ({named}{more})' if named else ''}. What there is was kept in {facts.get('zip', facts['storage'])}. "
            "Correct the inputs that failed and create a job of them alone."
        )
        if not allow_failed_inputs:
            raise AzureResultIncompleteError(message)
        self.log.warning("%s", message)


class AzureDeleteBase(_JobOperator):
    """
    Delete a finished job, and with it its audio at the service.

    A job that is not there is fine: it was deleted, or its time to live is over. One that waits or runs cannot be
    deleted and fails the attempt; a later one may succeed. Returns ``api``, ``job_id`` and ``deleted`` (whether there
    was a job).

    :param job_id: see the subclasses.
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (*_JobOperator.template_fields, "job_id")
    ui_color = "#f5e3e0"

    def __init__(self, *, job_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id

    @failing_at_once()
    def execute(self, context: Context) -> dict[str, Any]:
        deleted = self.hook.delete_job(api=self.api, job_id=self.job_id)
        if deleted:
            self.log.info("Deleted Azure job %s and its audio at the service", self.job_id)
        else:
            self.log.info("There was no Azure job %s to delete", self.job_id)
        return {"api": str(self.api), "job_id": self.job_id, "deleted": deleted}


class AzureListBase(_JobOperator):
    """
    List the jobs of the resource, in the service's order, without signed URLs.

    Returns a list of facts (see :func:`narration.hooks.azure_waiting.job_facts`), which travels through XCom: keep it
    short.

    :param status: Only jobs with this status: ``NotStarted``, ``Running``, ``Succeeded`` or ``Failed`` (templated).
    :param limit: The most that is returned. No further page is asked for than is needed.
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (*_JobOperator.template_fields, "status")
    ui_color = "#eef2f7"

    def __init__(self, *, status: str | None = None, limit: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.status = status
        self.limit = limit

    @failing_at_once()
    def execute(self, context: Context) -> list[dict[str, Any]]:
        wanted = (self.status or "").lower()
        if wanted and wanted not in map(str.lower, _STATUSES):
            raise AzureSpeechArgumentError(f"status is {self.status!r}; it is one of {', '.join(_STATUSES)}, or empty.")
        jobs = self.hook.list_jobs(api=self.api)
        matching = (job_facts(job) for job in jobs if not wanted or job.status.lower() == wanted)
        found = list(islice(matching, max(0, self.limit)))
        self.log.info("%d jobs", len(found))
        return found


class AzureSpeechListVoicesOperator(_JobOperator):
    """
    List the voices that the resource may use, which is free.

    Returns the service's list: of the region (``ShortName``, ``Locale``, ``Gender``, ``StyleList`` …), or with
    ``long_audio`` that of the Long Audio API (``voiceName``, ``locale``, ``id`` …), custom voices included.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech

    :param locale: Only voices of this language, such as ``en-US`` (templated; default: all).
    :param long_audio: Ask the Long Audio API for its own list.
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (*_JobOperator.template_fields, "locale")
    ui_color = "#eef2f7"

    def __init__(self, *, locale: str | None = None, long_audio: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.locale = locale
        self.long_audio = long_audio

    @property
    def api(self) -> SynthesisApi:
        return SynthesisApi.LONG_AUDIO if self.long_audio else SynthesisApi.BATCH

    @failing_at_once()
    def execute(self, context: Context) -> list[dict[str, Any]]:
        wanted = (self.locale or "").lower()
        voices = [
            voice
            for voice in self.hook.list_voices(api=self.api)
            if not wanted or str(voice.get("Locale") or voice.get("locale")).lower() == wanted
        ]
        self.log.info("%d voices", len(voices))
        return voices


def _check_members(results: Results, *, most: int) -> None:
    """
    Refuse what could only be written in part.

    :param most: bytes of all files, unpacked.
    :raises AzureResultUnsafeError: they have more, or a file is called like the folder of another one.
    """
    if results.unpacked_bytes > most:
        raise AzureResultUnsafeError(
            f"The files of the result archive have {results.unpacked_bytes:,} bytes, and {most:,} are allowed. Allow "
            "more with max_bytes, or make smaller jobs."
        )
    # A file system may not tell a capital from a small letter.
    folders = {str(folder).lower() for name in results.names for folder in PurePosixPath(name).parents}
    for name in results.names:
        if name.lower() in folders:
            raise AzureResultUnsafeError(
                f"The result archive holds {name!r} both as a file and as a folder. No result of Azure looks like "
                "this: find out who answers at the connection's address before you try again."
            )


def _number_of(name: str) -> int | None:
    """Read which paragraph a report is about, if its name says so: ``0007.err.txt``."""
    digits = name.partition(".")[0]
    return int(digits) if digits.isdecimal() else None
