"""Azure Speech put together: what the server of the local cloud starts, stops and routes to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from include.local_cloud.azure.accounts import Accounts
from include.local_cloud.azure.admin import AzureAdmin
from include.local_cloud.azure.api import AzureApi, AzureParts
from include.local_cloud.azure.batch import BatchDialect, BatchSynthesisApi
from include.local_cloud.azure.batch_maker import BatchMaker
from include.local_cloud.azure.batch_preview import PreviewBatchSynthesisApi, PreviewDialect
from include.local_cloud.azure.blob_api import SERVICE as BLOB_SERVICE
from include.local_cloud.azure.blob_api import BlobApi
from include.local_cloud.azure.blobs import BlobStore
from include.local_cloud.azure.errors import AzureError, ErrorStyle, request_id
from include.local_cloud.azure.jobs import JobLedger
from include.local_cloud.azure.limits import RequestLimits
from include.local_cloud.azure.long_audio import LongAudioApi, LongAudioMaker
from include.local_cloud.azure.long_audio_maker import CONTAINER as LONG_AUDIO_CONTAINER
from include.local_cloud.azure.quotas import BATCH, BATCH_PREVIEW, LONG_AUDIO, AzureQuotas
from include.local_cloud.azure.readings import AzureReadings
from include.local_cloud.azure.synthesis import Speaker
from include.local_cloud.azure.voices_api import VoicesApi
from include.local_cloud.azure.worker import JobWorker
from include.local_cloud.calls import CallCounter
from include.local_cloud.clock import Clock
from include.local_cloud.faults import Faults
from include.local_cloud.rendering import Renderer
from include.local_cloud.speech import SpeechRequest
from include.local_cloud.state import State
from include.local_cloud.trouble import Trouble


class AzureSpeech:
    """The APIs, their blobs and their worker.

    :param render: another maker of sounds, for tests that need no real audio.
    """

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        faults: Faults,
        counter: CallCounter,
        trouble: Trouble,
        renderer: Renderer,
        quotas: AzureQuotas,
        readings: AzureReadings,
        render: Callable[[SpeechRequest], bytes] | None = None,
    ) -> None:
        secret = _secret(state)
        ledger = JobLedger(state=state)
        blobs = self._blobs = BlobStore(folder=state.folder / "blobs", clock=clock, secret=secret)
        speaker = Speaker(renderer=renderer, render=render)
        self.worker = JobWorker(
            ledger=ledger,
            blobs=blobs,
            clock=clock,
            trouble=trouble,
            makers={
                BATCH: BatchMaker(speaker=speaker, dialect=BatchDialect(), readings=readings),
                BATCH_PREVIEW: BatchMaker(speaker=speaker, dialect=PreviewDialect(), readings=readings),
                LONG_AUDIO: LongAudioMaker(speaker=speaker, blobs=blobs, readings=readings),
            },
        )
        self._accounts = Accounts(clock=clock, secret=secret)
        parts = AzureParts(
            accounts=self._accounts,
            limits=RequestLimits(windows=quotas.requests, clock=clock),
            quotas=quotas,
            readings=readings,
            ledger=ledger,
            blobs=blobs,
            worker=self.worker,
            clock=clock,
            faults=faults,
            counter=counter,
        )
        self._apis: tuple[AzureApi, ...] = (
            BatchSynthesisApi(parts=parts),
            PreviewBatchSynthesisApi(parts=parts),
            LongAudioApi(parts=parts),
            VoicesApi(parts=parts),
        )
        self._blob_api = BlobApi(
            blobs=blobs,
            clock=clock,
            counter=counter,
            faults=faults,
            trouble=trouble,
            services={
                BatchDialect.container: BATCH,
                PreviewDialect.container: BATCH_PREVIEW,
                LONG_AUDIO_CONTAINER: LONG_AUDIO,
            },
            sweep=self.worker.sweep,
        )
        self._admin = AzureAdmin(ledger=ledger, blobs=blobs, clock=clock)

    @property
    def operations(self) -> Mapping[str, Collection[str]]:
        """Service -> its operations."""
        return {
            **{api.service: tuple(api.operations) for api in self._apis},
            BLOB_SERVICE: self._blob_api.operations,
        }

    @property
    def keys_sent_to_blobs(self) -> int:
        """How many blob requests carried a key or a token that storage has no use for."""
        return self._blob_api.keys_sent

    def close(self) -> None:
        self._blobs.close()

    def routers(self) -> list[APIRouter]:
        own = APIRouter()
        own.add_api_route("/sts/v1.0/issueToken", self._issue_token, methods=["POST"])
        return [own, self._admin.router(), self._blob_api.router(), *(api.router() for api in self._apis)]

    async def _issue_token(self, request: Request) -> Response:
        try:
            token = self._accounts.issue_token(request.headers)
        except AzureError as error:
            return error.response(ErrorStyle.WRAPPED)
        return PlainTextResponse(token, media_type="application/jwt", headers=request_id())


def _secret(state: State) -> bytes:
    secret = state.meta("azure_secret")
    if secret is None:
        secret = secrets.token_hex(32)
        state.set_meta("azure_secret", secret)
    return bytes.fromhex(secret)
