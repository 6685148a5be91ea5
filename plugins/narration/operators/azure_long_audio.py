"""Azure Long Audio API v3.0: create, fetch the results, rename, delete, list. The API retires on 2027-04-01."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import AzureSpeechConnectionMixin
from narration.hooks.azure_errors import AzureSpeechArgumentError
from narration.hooks.azure_jobs import AzureJob
from narration.hooks.azure_waiting import job_facts
from narration.hooks.failing import failing_at_once
from narration.operators.azure_jobs import AzureDeleteBase, AzureDownloadBase, AzureListBase
from narration.operators.azure_request import SynthesisRequest, check_script, truth
from narration.operators.azure_synthesis import AzureSynthesisCreateBase
from narration.operators.azure_texts import read_script

if TYPE_CHECKING:
    from airflow.sdk import Context


class AzureLongAudioCreateOperator(AzureSynthesisCreateBase):
    """
    Create one job of the Long Audio API and, unless told otherwise, wait until it is finished.

    The API retires on 2027-04-01; :class:`narration.operators.azure_batch_synthesis.AzureBatchSynthesisCreateOperator`
    is its successor, and docs/azure.md says what changes.

    Returns the job's facts (see :func:`narration.hooks.azure_waiting.job_facts`): ``api``, ``job_id``, ``status``,
    ``billed_characters``, ``duration_seconds`` and so on, without any signed URL; each is also an XCom of its own, so
    that ``create.output["job_id"]`` can be handed to a sensor.

    **A retry does not buy again, as far as that is possible.** The service chooses the job's id, so the job carries a
    key at the end of its name: ``my book [0f3a…]``. The key is derived from the Dag, run, task and map index and from
    everything that is asked for except ``display_name``, ``description`` and ``custom_properties``: those may change,
    and the job that is there is adopted as it is. Before anything is sent, the intent is written to the task state
    store, and afterwards the job's id. A later attempt asks for that job; without its id, it looks for the name in the
    list of all jobs (20,000 jobs are 200 requests, at 5 a second). So does an attempt whose answer was lost. A job
    that the service lists only after the next attempt has looked is bought twice; leave a minute between attempts
    (``retry_delay``), and do not rename the job. A job that was deleted is bought anew, and so is one that failed,
    until 5 have failed.

    While the service has as many unfinished jobs as it takes (120), the operator waits for room, deferred if it may.

    What another attempt cannot put right (fewer than 401 characters, an unknown voice, a free-tier key, no such
    connection) fails the task without spending retries. Azure cannot cancel a job: when the task is killed, the job
    goes on, and the next attempt adopts it.

    .. seealso:: https://learn.microsoft.com/azure/ai-services/speech-service/long-audio-api

    :param text: What to speak (templated): plain text, one paragraph a line, or SSML, one ``<speak>`` document a line.
        More than 400 characters (of SSML: billable ones), fewer than 10,000 paragraphs. The byte-order mark that the
        service insists on is added.
    :param text_file: Instead of ``text``: a path on the worker or a URI of a UTF-8 file, with or without a byte-order
        mark, read when the task runs (templated; what the file holds is not).
    :param locale: Of the voice, such as ``en-US`` (templated).
    :param voices: A voice by its name, as ``{"voiceName": …}`` or, if it is a custom voice, as ``{"id": …}``; or a list
        of those (templated). More than one needs SSML that names each.
    :param display_name: Name of the job; the key is put at its end (templated; default: Dag and task).
    :param description: For people (templated).
    :param output_format: Such as ``audio-24khz-160kbitrate-mono-mp3`` (templated; the service's default is
        ``riff-16khz-16bit-mono-pcm``).
    :param concatenate_result: One audio file instead of one for each paragraph (templated).
    :param destination_container_url: A blob container of yours with a service SAS that may write, for hours to come.
        Rendered when the task runs and not shown. Give a template such as ``{{ var.value.container_url }}``: a mapped
        operator (``partial``, ``expand``) stores with its Dag whatever it is given. The download operator cannot
        fetch what the service wrote there.
    :param custom_properties: Up to 10 names and values that are kept with the job (templated).
    :param storage_conn_id: Connection for a ``text_file`` at S3 that names none (templated).
    :param wait_for_completion: Whether to wait for the audio.
    :param deferrable: Wait in the triggerer, holding no worker (default: ``[operators] default_deferrable``).
    :param poll_interval: Seconds between two looks. All that talk to one resource share its 5 requests a second.
    :param timeout: Seconds (or a timedelta) that an attempt may wait. A job of fewer than 10,000 billable characters
        may wait at the service for up to 12 hours. The job goes on; another attempt adopts it.
    :param azure_speech_conn_id: Airflow connection that pays (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (
        "azure_speech_conn_id",
        "concatenate_result",
        "custom_properties",
        "description",
        "display_name",
        "locale",
        "output_format",
        "region",
        "storage_conn_id",
        "text",
        "text_file",
        "voices",
    )

    def __init__(
        self,
        *,
        text: str | None = None,
        text_file: str | None = None,
        locale: str,
        voices: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]],
        display_name: str | None = None,
        description: str | None = None,
        output_format: str | None = None,
        concatenate_result: bool | str = False,
        destination_container_url: str | None = None,
        custom_properties: Mapping[str, str] | None = None,
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
        self.text = text
        self.text_file = text_file
        self.locale = locale
        self.voices = voices
        self.display_name = display_name
        self.description = description
        self.output_format = output_format
        self.concatenate_result = concatenate_result
        # Not a template field, because those are shown in the UI and stored: it carries a signature.
        self.destination_container_url = destination_container_url
        self.custom_properties = custom_properties
        self.storage_conn_id = storage_conn_id

    def _request(self, context: Context) -> SynthesisRequest:
        script = read_script(
            text=self.text, text_file=self.text_file, storage_conn_id=self.storage_conn_id or None
        ).lstrip("\ufeff")
        check_script(script, is_ssml=script.lstrip().startswith("<speak"))
        arguments = {
            "script": script,
            "locale": self.locale,
            "voices": self._chosen_voices(),
            "description": self.description or None,
            "output_format": self.output_format or None,
            "concatenate_result": truth(self.concatenate_result, name="concatenate_result"),
            "destination_container_url": self.render_template(self.destination_container_url, context) or None,
            "custom_properties": dict(self.custom_properties or {}) or None,
        }
        return SynthesisRequest(
            api=SynthesisApi.LONG_AUDIO,
            arguments={name: value for name, value in arguments.items() if value is not None},
            payer=self._payer,
            asker=self._asker(context),
        )

    def _chosen_voices(self) -> list[dict[str, Any]]:
        given = [self.voices] if isinstance(self.voices, str | Mapping) else list(self.voices or ())
        voices = [dict(voice) if isinstance(voice, Mapping) else {"voiceName": voice} for voice in given]
        if not voices or not all(any(voice.values()) for voice in voices):
            raise AzureSpeechArgumentError(
                "There is no voice. Give the argument 'voices' a name such as en-US-AriaNeural. Nothing was bought."
            )
        return voices

    def _adopt_or_buy(self, context: Context, request: SynthesisRequest) -> AzureJob:
        name = request.display_name(self.display_name or "")
        return self._adopt_or_buy_named(
            context,
            request,
            lambda: self.hook.create_long_audio_synthesis(display_name=name, **request.arguments),
        )


class AzureLongAudioDownloadResultsOperator(AzureDownloadBase):
    """
    Fetch the results of a finished Long Audio job; see :class:`narration.operators.azure_jobs.AzureDownloadBase` for
    the arguments and for what it returns. The archive of a failed job holds a report, for which the task fails.

    :param job_id: Id of the job (templated).
    """

    api = SynthesisApi.LONG_AUDIO


class AzureLongAudioDeleteOperator(AzureDeleteBase):
    """
    Delete a finished Long Audio job and its audio at the service, which keeps 20,000 jobs and never deletes one by
    itself; see :class:`narration.operators.azure_jobs.AzureDeleteBase`.

    :param job_id: Id of the job (templated).
    """

    api = SynthesisApi.LONG_AUDIO


class AzureLongAudioUpdateOperator(AzureSpeechConnectionMixin, BaseOperator):
    """
    Change what a Long Audio job is called. Returns its facts.

    Leave the key at the end of the name of a job that a create operator may still have to find by it.

    :param job_id: Id of the job (templated).
    :param display_name: Its new name (templated; default, and if empty: as it is).
    :param description: Its new description (templated; default, and if empty: as it is).
    :param custom_properties: Its new properties, at most 10 (templated; default, and if empty: as they are).
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (
        "azure_speech_conn_id",
        "custom_properties",
        "description",
        "display_name",
        "job_id",
        "region",
    )
    ui_color = "#eef2f7"

    def __init__(
        self,
        *,
        job_id: str,
        display_name: str | None = None,
        description: str | None = None,
        custom_properties: Mapping[str, str] | None = None,
        azure_speech_conn_id: str = "azure_speech_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.display_name = display_name
        self.description = description
        self.custom_properties = custom_properties
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region

    @failing_at_once()
    def execute(self, context: Context) -> dict[str, Any]:
        job = self.hook.update_long_audio_synthesis(
            job_id=self.job_id,
            # A template that has nothing to say renders as an empty string.
            display_name=self.display_name or None,
            description=self.description or None,
            custom_properties=self.custom_properties or None,
        )
        return job_facts(job)


class AzureLongAudioListOperator(AzureListBase):
    """List the Long Audio jobs of the resource; see :class:`narration.operators.azure_jobs.AzureListBase`."""

    api = SynthesisApi.LONG_AUDIO
