"""Azure batch synthesis, api-version 2024-04-01 and 3.1-preview1: create, fetch the results, delete, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import BatchSynthesisApiMixin
from narration.hooks.azure_errors import (
    AzureConflictError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechArgumentError,
)
from narration.hooks.azure_jobs import FAILED, AzureJob
from narration.hooks.azure_waiting import AzureJobsFailedError, job_facts, job_failed
from narration.operators.azure_jobs import AzureDeleteBase, AzureDownloadBase, AzureListBase
from narration.operators.azure_request import (
    SynthesisRequest,
    check_inputs,
    check_synthesis_id,
    hours_of,
    input_kind_of,
    truth,
)
from narration.operators.azure_synthesis import MOST_FAILED_JOBS, AzureSynthesisCreateBase, too_many_failed
from narration.operators.azure_texts import read_inputs

if TYPE_CHECKING:
    from airflow.sdk import Context

#: 7 days: what the service documents as its default. It is always sent, because the sources differ about that.
TIME_TO_LIVE_HOURS = 168


class AzureBatchSynthesisCreateOperator(BatchSynthesisApiMixin, AzureSynthesisCreateBase):
    """
    Create one batch synthesis job at Azure AI Speech and, unless told otherwise, wait until it is finished.

    Returns the job's facts (see :func:`narration.hooks.azure_waiting.job_facts`): ``api``, ``job_id``, ``status``,
    ``billed_characters``, ``succeeded_audios``, ``failed_audios`` and so on, without any signed URL; each is also an
    XCom of its own, so that ``create.output["job_id"]`` can be handed to a sensor. A job may succeed while some of
    its inputs failed: that is logged, and :class:`AzureBatchSynthesisDownloadResultsOperator` fails for it.

    **A retry does not buy again.** With 2024-04-01 the client chooses the job's id. It is derived from the Dag, run,
    task and map index and from everything that is asked for except names, ``description``, ``custom_properties`` and
    ``time_to_live``: those may change, and the job that is there is adopted as it is. The service is asked for a job
    of that id before one is created, and again when the answer to a create was lost or says that the id is taken.
    With the preview the service chooses the id, and the same key is carried at the end of ``display_name``:
    ``my book [0f3a…]``. What an earlier attempt may have bought is found by listing the resource's jobs. A job that
    the preview lists only after the next attempt has looked is bought twice; leave a minute between attempts
    (``retry_delay``). A job that failed is bought anew by the next attempt, until 5 have failed.

    While the service has as many unfinished jobs as it takes, the operator waits for room, deferred if it may.

    What another attempt cannot put right (refused SSML, an unknown voice, a free-tier key, no such connection) fails
    the task without spending retries. Azure cannot cancel a job: when the task is killed, the job goes on, and the
    next attempt adopts it.

    .. seealso::
        https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis and
        https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis-properties

    :param inputs: What to speak: a text, or a list of texts (or of ``{"content": …}``, as the API has it), each of
        which becomes one audio file (templated). At most 10,000 inputs and 2 MB (the preview: 1,000 and 500 KB).
    :param inputs_file: Instead of ``inputs``: a path on the worker or a URI of a UTF-8 file, read when the task runs
        (templated; what the file holds is not). One text, or a JSON list of texts if the name ends in ``.json``.
    :param split_paragraphs: Make an input of each paragraph of a single text; blank lines separate them (templated).
    :param input_kind: ``PlainText`` or ``SSML`` (templated).
    :param voice: Such as ``en-US-AvaMultilingualNeural``; short for ``synthesis_config={"voice": …}`` (templated).
        Plain text needs one; SSML names its own.
    :param synthesis_config: ``voice``, ``style``, ``styleDegree``, ``role``, ``rate``, ``pitch``, ``volume``,
        ``speakerProfileId``, ``backgroundAudio``, for plain text (templated). The service ignores bad values of most.
    :param custom_voices: Name of a custom voice -> id of its deployment (templated).
    :param synthesis_id: Id of the job, 3 to 64 characters; 2024-04-01 only (templated; default: derived, see above).
        A mark is then put at the end of the description, and a job of that id which does not carry it is not adopted.
    :param display_name: Name of the job; preview only (templated; default: Dag and task).
    :param description: For people (templated).
    :param output_format: Such as ``audio-24khz-160kbitrate-mono-mp3`` (templated; the service's default is
        ``riff-24khz-16bit-mono-pcm``).
    :param concatenate_result: One audio file instead of one for each input (templated).
    :param word_boundary_enabled: Also give a file of words and their times for each input (templated).
    :param sentence_boundary_enabled: Also give a file of sentences and their times for each input (templated).
    :param decompress_output_files: Write files instead of a zip, into the destination container (templated).
    :param time_to_live: Hours (or a timedelta) that Azure keeps the finished job and its audio, 1 to 744
        (templated; default: 168, which is 7 days).
    :param destination_container_url: A blob container of yours with an ad-hoc SAS that may write and list, for hours
        to come. Rendered when the task runs and not shown. Give a template such as ``{{ var.value.container_url }}``:
        a mapped operator (``partial``, ``expand``) stores with its Dag whatever it is given. The download operator
        cannot fetch what the service wrote there.
    :param destination_path: Folder in that container; 2024-04-01 only (templated).
    :param properties: Further ``properties`` of the API in its own names; they win over the arguments (templated).
        Shown and stored, and so without ``destinationContainerUrl``.
    :param custom_properties: Up to 10 names and values that are kept with the job; preview only (templated).
    :param api_version: ``2024-04-01`` or ``3.1-preview1`` (templated).
    :param storage_conn_id: Connection for an ``inputs_file`` at S3 that names none (templated).
    :param wait_for_completion: Whether to wait for the audio.
    :param deferrable: Wait in the triggerer, holding no worker (default: ``[operators] default_deferrable``).
    :param poll_interval: Seconds between two looks. All that talk to one resource share its rate limit.
    :param timeout: Seconds (or a timedelta) that an attempt may wait. The job goes on; another attempt adopts it.
    :param azure_speech_conn_id: Airflow connection that pays (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (
        "api_version",
        "azure_speech_conn_id",
        "concatenate_result",
        "custom_properties",
        "custom_voices",
        "decompress_output_files",
        "description",
        "destination_path",
        "display_name",
        "input_kind",
        "inputs",
        "inputs_file",
        "output_format",
        "properties",
        "region",
        "sentence_boundary_enabled",
        "split_paragraphs",
        "storage_conn_id",
        "synthesis_config",
        "synthesis_id",
        "time_to_live",
        "voice",
        "word_boundary_enabled",
    )

    def __init__(
        self,
        *,
        inputs: Sequence[Any] | str | None = None,
        inputs_file: str | None = None,
        split_paragraphs: bool | str = False,
        input_kind: str = "PlainText",
        voice: str | None = None,
        synthesis_config: Mapping[str, Any] | None = None,
        custom_voices: Mapping[str, str] | None = None,
        synthesis_id: str | None = None,
        display_name: str | None = None,
        description: str | None = None,
        output_format: str | None = None,
        concatenate_result: bool | str = False,
        word_boundary_enabled: bool | str = False,
        sentence_boundary_enabled: bool | str = False,
        decompress_output_files: bool | str = False,
        time_to_live: float | str | timedelta = TIME_TO_LIVE_HOURS,
        destination_container_url: str | None = None,
        destination_path: str | None = None,
        properties: Mapping[str, Any] | None = None,
        custom_properties: Mapping[str, str] | None = None,
        api_version: str = "2024-04-01",
        storage_conn_id: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30,
        timeout: float | timedelta = timedelta(hours=24),
        azure_speech_conn_id: str = "azure_speech_default",
        region: str | None = None,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            azure_speech_conn_id=azure_speech_conn_id,
            region=region,
            multiple_outputs=multiple_outputs,
            **kwargs,
        )
        self.inputs = inputs
        self.inputs_file = inputs_file
        self.split_paragraphs = split_paragraphs
        self.input_kind = input_kind
        self.voice = voice
        self.synthesis_config = synthesis_config
        self.custom_voices = custom_voices
        self.synthesis_id = synthesis_id
        self.display_name = display_name
        self.description = description
        self.output_format = output_format
        self.concatenate_result = concatenate_result
        self.word_boundary_enabled = word_boundary_enabled
        self.sentence_boundary_enabled = sentence_boundary_enabled
        self.decompress_output_files = decompress_output_files
        self.time_to_live = time_to_live
        # Not a template field, because those are shown in the UI and stored: it carries a signature.
        self.destination_container_url = destination_container_url
        self.destination_path = destination_path
        self.properties = properties
        if isinstance(properties, Mapping):
            # Before the Dag is stored with it.
            _check_unsigned(properties)
        self.custom_properties = custom_properties
        self.api_version = api_version
        self.storage_conn_id = storage_conn_id

    def _request(self, context: Context) -> SynthesisRequest:
        api = self.api
        self._check_what_the_api_lacks(api)
        inputs = read_inputs(
            inputs=self.inputs,
            inputs_file=self.inputs_file,
            split_paragraphs=truth(self.split_paragraphs, name="split_paragraphs"),
            storage_conn_id=self.storage_conn_id or None,
        )
        check_inputs(inputs, api=api)
        input_kind = input_kind_of(self.input_kind)
        # A template that has nothing to say renders as an empty string, which no value may be.
        config = {name: value for name, value in (self.synthesis_config or {}).items() if value not in ("", None)}
        config |= {"voice": self.voice} if self.voice else {}
        if input_kind == "PlainText" and not config.get("voice"):
            raise AzureSpeechArgumentError("Plain text needs a voice: give the argument 'voice'. Nothing was bought.")
        arguments = {
            "inputs": inputs,
            "input_kind": input_kind,
            "description": self.description or None,
            "synthesis_config": config or None,
            "custom_voices": dict(self.custom_voices or {}) or None,
            "properties": self._properties(api, context),
            "custom_properties": dict(self.custom_properties or {}) or None,
        }
        return SynthesisRequest(
            api=api,
            arguments={name: value for name, value in arguments.items() if value is not None},
            payer=self._payer,
            asker=self._asker(context),
        )

    def _check_what_the_api_lacks(self, api: SynthesisApi) -> None:
        lacking = {
            SynthesisApi.BATCH: ("display_name", "custom_properties"),
            SynthesisApi.BATCH_PREVIEW: ("synthesis_id", "destination_path"),
        }
        for name in lacking[api]:
            if getattr(self, name):
                raise AzureSpeechArgumentError(
                    f"The API {self.api_version} has no {name}. Leave it out, or choose another api_version. Nothing "
                    "was bought."
                )

    def _properties(self, api: SynthesisApi, context: Context) -> dict[str, Any]:
        hours = hours_of(self.time_to_live)
        _check_unsigned(self.properties or {})
        container = self.render_template(self.destination_container_url, context)
        optional = {
            "outputFormat": self.output_format,
            "destinationContainerUrl": container,
            "destinationPath": self.destination_path,
        }
        flags = {
            "concatenateResult": "concatenate_result",
            "decompressOutputFiles": "decompress_output_files",
            "wordBoundaryEnabled": "word_boundary_enabled",
            "sentenceBoundaryEnabled": "sentence_boundary_enabled",
        }
        return {
            **{name: value for name, value in optional.items() if value},
            **{name: truth(getattr(self, argument), name=argument) for name, argument in flags.items()},
            **({"timeToLiveInHours": hours} if api is SynthesisApi.BATCH else {"timeToLive": f"PT{hours}H"}),
            **(self.properties or {}),
        }

    def _adopt_or_buy(self, context: Context, request: SynthesisRequest) -> AzureJob:
        if request.api is SynthesisApi.BATCH_PREVIEW:
            name = request.display_name(self.display_name or "")
            return self._adopt_or_buy_named(
                context,
                request,
                lambda: self.hook.create_batch_synthesis(api=request.api, display_name=name, **request.arguments),
            )
        if self.synthesis_id:
            return self._adopt_or_buy_chosen(request, self.synthesis_id)
        reason = ""
        for number in range(1, MOST_FAILED_JOBS + 1):
            job = self._settle(request, request.job_id(number))
            if job.status != FAILED:
                return job
            reason = str(job_failed(job_facts(job)))
            self.log.warning("%s", reason)
        raise too_many_failed(reason)

    def _adopt_or_buy_chosen(self, request: SynthesisRequest, synthesis_id: str) -> AzureJob:
        """Buy under an id that the user chose, unless that job is there already."""
        check_synthesis_id(synthesis_id)
        description = request.description(self.description)
        job = self._settle(request, synthesis_id, description=description)
        if job.status == FAILED:
            raise AzureJobsFailedError(
                f"{job_failed(job_facts(job))} Its id {synthesis_id} cannot be used again before it is deleted; "
                "nothing more was bought."
            )
        return job

    def _settle(self, request: SynthesisRequest, job_id: str, *, description: str | None = None) -> AzureJob:
        """Ask for the job of an id and create it if there is none; what a create leaves open is asked about, too."""
        job = self._get(job_id)
        if job is None:
            named = {**request.arguments, **({"description": description} if description else {})}
            try:
                job = self.hook.create_batch_synthesis(api=request.api, synthesis_id=job_id, **named)
            except (AzureReplyLostError, AzureConflictError) as error:
                self.log.warning("%s Asking for the job now.", error)
                job = self._get(job_id)
                if job is None:
                    raise
            else:
                self.log.info("Bought Azure job %s (%s)", job.job_id, request.api)
                return job
        if description and not request.is_described_in(job):
            raise AzureSpeechArgumentError(
                f"There is a job {job_id} already, and it was made from another request. Nothing was bought. Choose "
                "another synthesis_id, let it be derived, or delete that job."
            )
        self.log.info("Adopting Azure job %s (%s), which exists already", job_id, job.status)
        return job

    def _get(self, job_id: str) -> AzureJob | None:
        try:
            return self.hook.get_job(api=SynthesisApi.BATCH, job_id=job_id)
        except AzureJobNotFoundError:
            return None


class AzureBatchSynthesisDownloadResultsOperator(BatchSynthesisApiMixin, AzureDownloadBase):
    """
    Fetch the results of a batch synthesis job that succeeded; see
    :class:`narration.operators.azure_jobs.AzureDownloadBase` for the arguments and for what it returns.

    :param job_id: Id of the job (templated).
    :param api_version: ``2024-04-01`` or ``3.1-preview1``, as the job's (templated).
    """

    template_fields: Sequence[str] = (*AzureDownloadBase.template_fields, "api_version")

    def __init__(self, *, job_id: str, api_version: str = "2024-04-01", **kwargs: Any) -> None:
        super().__init__(job_id=job_id, **kwargs)
        self.api_version = api_version


class AzureBatchSynthesisDeleteOperator(BatchSynthesisApiMixin, AzureDeleteBase):
    """
    Delete a finished batch synthesis job and its audio at the service; see
    :class:`narration.operators.azure_jobs.AzureDeleteBase`.

    :param job_id: Id of the job (templated).
    :param api_version: ``2024-04-01`` or ``3.1-preview1``, as the job's (templated).
    """

    template_fields: Sequence[str] = (*AzureDeleteBase.template_fields, "api_version")

    def __init__(self, *, job_id: str, api_version: str = "2024-04-01", **kwargs: Any) -> None:
        super().__init__(job_id=job_id, **kwargs)
        self.api_version = api_version


class AzureBatchSynthesisListOperator(BatchSynthesisApiMixin, AzureListBase):
    """
    List the batch synthesis jobs of the resource; see :class:`narration.operators.azure_jobs.AzureListBase`.

    :param api_version: ``2024-04-01`` or ``3.1-preview1`` (templated). Each lists its own jobs only.
    """

    template_fields: Sequence[str] = (*AzureListBase.template_fields, "api_version")

    def __init__(self, *, api_version: str = "2024-04-01", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.api_version = api_version


def _check_unsigned(properties: Mapping[str, Any]) -> None:
    """
    Refuse a container's address among what the UI shows and the Dag is stored with: it carries a signature.

    :raises AzureSpeechArgumentError: it is there; the message does not repeat it.
    """
    if any(str(name).lower() == "destinationcontainerurl" for name in properties):
        raise AzureSpeechArgumentError(
            "'properties' holds destinationContainerUrl, whose signature would be shown and stored. Give it as the "
            "argument destination_container_url. Nothing was bought."
        )
