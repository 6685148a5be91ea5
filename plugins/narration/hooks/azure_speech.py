"""Azure AI Speech's three asynchronous synthesis APIs, as an Airflow hook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from airflow.sdk import BaseHook

from narration.hooks import azure_answers as answers
from narration.hooks import azure_download, azure_wire
from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_client import AsyncClient, SyncClient, read_account, read_account_async
from narration.hooks.azure_errors import AzureSpeechError, AzureSpeechRefusedError, AzureUrlExpiredError
from narration.hooks.azure_jobs import RESULT, AzureFile, AzureJob, folded
from narration.hooks.deadline import Deadline
from narration.secrecy import guard

InputKind = Literal["PlainText", "SSML"]


class AzureSpeechHook(BaseHook):
    """
    Talk to Azure AI Speech about batch synthesis (2024-04-01 and 3.1-preview1) and Long Audio jobs.

    Where it is more than three REST clients, money and limits are the reason:

    * A create is sent once. Only a refusal because of the rate, after which nothing can have been bought, is sent
      again; whatever else keeps the answer away is an :class:`~narration.hooks.azure_errors.AzureReplyLostError`.
    * Before every request a turn is taken of a rate limit that all processes of the machine share, so that the
      service has no reason to refuse one: Long Audio 5 a second, 3.1-preview1 50 in 5 s, 2024-04-01 100 in 10 s.
    * The key goes to the service and nowhere else: no redirect is followed, no further page is fetched from another
      host, and results are downloaded without it. No message or log shows it, nor the signature of a signed URL.

    Waiting for the turn, repeating and reading are the same for the calls that end in ``_async``, which never block
    the event loop. Whoever uses them closes the hook on the same loop.

    .. seealso::
        https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis and
        https://learn.microsoft.com/azure/ai-services/speech-service/migrate-to-batch-synthesis

    :param azure_speech_conn_id: The Airflow connection that pays.
    :param region: region such as ``eastus``; default: the connection's.
    :param timeout: seconds to wait for a connection and for each part of an answer.
    """

    conn_name_attr = "azure_speech_conn_id"
    default_conn_name = "azure_speech_default"
    conn_type = "azure_speech"
    hook_name = "Azure AI Speech"

    def __init__(
        self,
        *,
        azure_speech_conn_id: str = default_conn_name,
        region: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__()
        guard()
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region
        self.timeout = timeout
        self._async_client: tuple[asyncio.AbstractEventLoop, AsyncClient] | None = None

    # ---- the connection

    @cached_property
    def _account(self) -> AzureSpeechAccount:
        return read_account(self, conn_id=self.azure_speech_conn_id, region=self.region)

    @cached_property
    def _client(self) -> SyncClient:
        return SyncClient(self._account, timeout=self.timeout)

    async def _opened(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        if "_account" not in self.__dict__:
            self.__dict__["_account"] = await read_account_async(
                self, conn_id=self.azure_speech_conn_id, region=self.region
            )
        # Nothing is awaited from here on, so that calls that begin together share one client.
        if self._async_client is None or self._async_client[0] is not loop:
            self._async_client = loop, AsyncClient(self._account, timeout=self.timeout)
        return self._async_client[1]

    def get_conn(self) -> SyncClient:
        """Give what sends the requests, opened."""
        return self._client

    @property
    def account(self) -> str:
        """Who pays: the same in every process, different for every resource and identity, and no secret."""
        return self._account.account

    @property
    def payer(self) -> str:
        """Which resource is meant, for messages."""
        return self._account.payer

    async def account_async(self) -> str:
        """Who pays, asked for from the event loop; see :attr:`account`."""
        return (await self._opened()).account.account

    def test_connection(self) -> tuple[bool, str]:
        """List the voices, which is free, and say what was found or what to correct."""
        try:
            voices = self.list_voices()
        except Exception as error:  # Airflow shows the message to the person who pressed the button
            return False, f"{type(error).__name__}: {error}"
        return True, (
            f"Azure Speech in {self._account.place} offers {len(voices)} voices. Not checked, because only a purchase "
            "shows it: the pricing tier (S0 is needed), and whether this region has the synthesis APIs."
        )

    # ---- voices

    def list_voices(self, *, api: SynthesisApi = SynthesisApi.BATCH) -> list[dict[str, Any]]:
        """
        List the voices: of the region (PascalCase fields), or those that Long Audio offers (its own shape).

        :param api: ``LONG_AUDIO`` asks that API's own list, page by page.
        """
        request: azure_wire.AzureRequest | None = azure_wire.voices(self._account, api=api)
        found: list[dict[str, Any]] = []
        while request is not None:
            entries, request = self._client.call(request, answers.read_entries)
            found += entries
        return found

    # ---- creating, which buys

    @contextmanager
    def creates_until(self, moment: Deadline) -> Iterator[None]:
        """
        Send no request that buys after a moment, however long a turn or a repeat of a throttled one takes.

        What is too late is an :class:`~narration.hooks.azure_errors.AzureSpeechThrottledError`: nothing was bought.
        """
        self._client.creates_until = moment
        try:
            yield
        finally:
            self._client.creates_until = None

    def create_batch_synthesis(
        self,
        *,
        api: SynthesisApi,
        inputs: Sequence[str],
        input_kind: InputKind,
        synthesis_id: str | None = None,
        display_name: str | None = None,
        description: str | None = None,
        synthesis_config: Mapping[str, Any] | None = None,
        custom_voices: Mapping[str, str] | None = None,
        properties: Mapping[str, Any] | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> AzureJob:
        """
        Buy one batch synthesis job.

        :param api: ``BATCH`` (2024-04-01: at most 10,000 inputs and 2 MB) or ``BATCH_PREVIEW`` (3.1-preview1: at most
            1,000 inputs and 500 KB).
        :param inputs: texts or complete SSML documents, one clip each.
        :param input_kind: ``PlainText`` (needs ``synthesis_config["voice"]``) or ``SSML``.
        :param synthesis_id: BATCH: required, the client's choice (3 to 64 letters, digits, ``-``, ``_``, ``.``).
        :param display_name: BATCH_PREVIEW: required; need not be unique.
        :param synthesis_config: ``voice``, ``style``, ``rate``, ``pitch``, ``volume`` and so on.
        :param custom_voices: name of a custom voice -> id of its deployment.
        :param properties: ``outputFormat``, ``timeToLiveInHours`` (BATCH) or ``timeToLive`` (BATCH_PREVIEW) and so on.
        :param custom_properties: BATCH_PREVIEW: at most 10, of 64 and 256 characters.
        :raises AzureSpeechThrottledError: nothing was bought; try later.
        :raises AzureActiveJobsError: nothing was bought; wait for jobs to finish.
        :raises AzureSpeechRefusedError: nothing was bought; the request is wrong.
        :raises AzureSpeechAuthError: nothing was bought; the key, tier or region is wrong.
        :raises AzureConflictError: BATCH: a job with this id may exist; settle with :meth:`get_job`.
        :raises AzureSpeechError: nothing was bought; the service could not be reached.
        :raises AzureReplyLostError: it may have been bought; look before trying again.
        """
        request = azure_wire.create_batch(
            self._account,
            api=api,
            inputs=inputs,
            input_kind=input_kind,
            synthesis_id=synthesis_id,
            display_name=display_name,
            description=description,
            synthesis_config=synthesis_config,
            custom_voices=custom_voices,
            properties=properties,
            custom_properties=custom_properties,
        )
        return self._client.call(request, partial(answers.read_job, api=api))

    def create_long_audio_synthesis(
        self,
        *,
        display_name: str,
        locale: str,
        voices: Sequence[Mapping[str, Any]],
        script: str,
        description: str | None = None,
        output_format: str | None = None,
        concatenate_result: bool = False,
        destination_container_url: str | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> str:
        """
        Buy one Long Audio job; errors as for :meth:`create_batch_synthesis`. The API retires on 2027-04-01.

        :param voices: ``[{"voiceName": "en-US-AriaNeural"}]`` or ``[{"id": "<guid>"}]``.
        :param script: plain text, one paragraph a line, or one ``<speak>`` document a line; more than 400 characters
            and fewer than 10,000 paragraphs. The byte-order mark that the service insists on is added here.
        :param destination_container_url: signed URL of a container to write the result into.
        :return: the id of the job, from the answer's ``Location``.
        :raises AzureStoredJobsError: nothing was bought; 20,000 jobs are kept.
        """
        request = azure_wire.create_long_audio(
            self._account,
            display_name=display_name,
            locale=locale,
            voices=voices,
            script=script,
            description=description,
            output_format=output_format,
            concatenate_result=concatenate_result,
            destination_container_url=destination_container_url,
            custom_properties=custom_properties,
        )
        return self._client.call(request, answers.read_location)

    # ---- jobs

    def get_job(self, *, api: SynthesisApi, job_id: str) -> AzureJob:
        """
        Ask for one job.

        :raises AzureJobNotFoundError: the service does not know it.
        """
        return self._client.call(
            azure_wire.get_job(self._account, api=api, job_id=job_id), partial(answers.read_job, api=api)
        )

    async def get_job_async(self, *, api: SynthesisApi, job_id: str) -> AzureJob:
        """Ask for one job from the event loop; see :meth:`get_job`."""
        client = await self._opened()
        return await client.call(
            azure_wire.get_job(client.account, api=api, job_id=job_id), partial(answers.read_job, api=api)
        )

    def list_jobs(self, *, api: SynthesisApi, page_size: int = LIST_PAGE_SIZE, skip: int = 0) -> Iterator[AzureJob]:
        """
        Go through the resource's jobs; no further page is asked for than is read.

        Deleting jobs while going through them makes the service skip others: collect first.

        :param page_size: 1 to 100.
        :param skip: leave out so many at the beginning.
        """
        request: azure_wire.AzureRequest | None = azure_wire.list_jobs(
            self._account, api=api, page_size=page_size, skip=skip
        )
        while request is not None:
            jobs, request = self._client.call(request, partial(answers.read_page, api=api))
            yield from jobs

    async def list_jobs_async(
        self, *, api: SynthesisApi, page_size: int = LIST_PAGE_SIZE, skip: int = 0
    ) -> AsyncIterator[AzureJob]:
        """Go through the jobs from the event loop (``async for``); see :meth:`list_jobs`."""
        client = await self._opened()
        request: azure_wire.AzureRequest | None = azure_wire.list_jobs(
            client.account, api=api, page_size=page_size, skip=skip
        )
        while request is not None:
            jobs, request = await client.call(request, partial(answers.read_page, api=api))
            for job in jobs:
                yield job

    def delete_job(self, *, api: SynthesisApi, job_id: str) -> bool:
        """
        Delete a finished job and its audio.

        :return: True if it was deleted, False if there was none. The two batch APIs may answer both alike; then True.
        :raises AzureJobInUseError: it waits or runs.
        """
        return self._client.call(azure_wire.delete_job(self._account, api=api, job_id=job_id), answers.read_deleted)

    def update_long_audio_synthesis(
        self,
        *,
        job_id: str,
        display_name: str | None = None,
        description: str | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> AzureJob:
        """Change what a Long Audio job is called; what is None stays."""
        request = azure_wire.update_long_audio(
            self._account,
            job_id=job_id,
            display_name=display_name,
            description=description,
            custom_properties=custom_properties,
        )
        return self._client.call(request, partial(answers.read_job, api=SynthesisApi.LONG_AUDIO))

    def get_operation(self, *, operation_id: str) -> dict[str, Any]:
        """Ask for an operation of 2024-04-01: ``{"id", "status"}``."""
        return self._client.call(
            azure_wire.get_operation(self._account, operation_id=operation_id), answers.read_object
        )

    # ---- results

    def long_audio_files(self, *, job_id: str, sas_validity_seconds: int | None = None) -> list[AzureFile]:
        """
        List the files of a Long Audio job, with fresh signed URLs.

        :param sas_validity_seconds: how long the URLs are good; the service's default is 12 hours.
        """
        request = azure_wire.long_audio_files(self._account, job_id=job_id, sas_validity_seconds=sas_validity_seconds)
        return self._client.call(request, answers.read_files)

    def result_url(self, *, api: SynthesisApi, job_id: str) -> str:
        """
        Ask for a fresh signed URL of a job's result zip. Never log it: whoever has it has the audio.

        :raises AzureJobNotFoundError: the service does not know the job.
        :raises AzureSpeechError: the job has not finished, or what the service gives is no address to fetch audio from.
        :raises AzureSpeechRefusedError: it has no result to download.
        """
        checked = partial(azure_download.checked, service=self._account.base_url(api))
        if api is SynthesisApi.LONG_AUDIO:
            results = [file.url for file in self.long_audio_files(job_id=job_id) if file.kind == RESULT and file.url]
            if results:
                return checked(results[0])
        job = self.get_job(api=api, job_id=job_id)
        if urlsplit(checked(job.result_url)).scheme:
            return job.result_url
        if job.is_active:
            raise AzureSpeechError(f"Job {job_id!r} has no result yet: it is {job.status}. Wait for it.")
        properties = folded(job.raw).get("properties")
        if job.result_url or (isinstance(properties, dict) and "destinationcontainerurl" in properties):
            raise AzureSpeechRefusedError(
                f"Job {job_id!r} wrote its result into the destination container that it was given; read it there."
            )
        reason = f" ({job.error_code}: {job.error_message})" if job.error_code or job.error_message else ""
        raise AzureSpeechRefusedError(f"Job {job_id!r} is {job.status}{reason} and has no result to download.")

    def download(self, *, api: SynthesisApi, job_id: str, to: BinaryIO | Path, max_bytes: int | None = None) -> int:
        """
        Stream a job's result zip into a file; the key is never sent to the host that keeps it.

        A signed URL that is not accepted is replaced by a fresh one, once.

        :param to: an open binary file, or the path of one, which appears once it is complete. What was written into
            an open file before an error stays there.
        :param max_bytes: stop with an error rather than write more.
        :return: bytes written.
        :raises AzureUrlExpiredError: the fresh URL is not accepted either.
        :raises narration.hooks.machine.DiskError: there is no room for it on this machine.
        :raises AzureSpeechRefusedError: there is nothing to download, or more than ``max_bytes``.
        :raises AzureSpeechError: the job has not finished, or the download broke off.
        """
        if isinstance(to, Path):
            with azure_download.replacing(to) as file:
                return self.download(api=api, job_id=job_id, to=file, max_bytes=max_bytes)
        fetch = partial(azure_download.fetch, to=to, timeout=self.timeout, max_bytes=max_bytes)
        try:
            return fetch(url=self.result_url(api=api, job_id=job_id))
        except AzureUrlExpiredError:
            self.log.info("A signed URL of job %s was not accepted; asking for a fresh one.", job_id)
        url = self.result_url(api=api, job_id=job_id)
        try:
            return fetch(url=url)
        except AzureUrlExpiredError as error:
            again = answers.url_refused_again(error, job_id=job_id, host=azure_wire.host_of(url))
        raise again

    async def close(self) -> None:
        """Close all connections; a hook that made async calls is closed on the same event loop."""
        opened, self._async_client = self._async_client, None
        if opened is not None:
            await opened[1].close()
        if "_client" in self.__dict__:
            self.__dict__.pop("_client").close()
