"""The hook against the local cloud: what every API does when all goes well, and when the service itself says no."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from typing import Any

import pytest

from narration.hooks import azure_client
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureConflictError,
    AzureJobInUseError,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechAuthError,
    AzureSpeechError,
    AzureSpeechRefusedError,
    AzureSpeechThrottledError,
)
from narration.hooks.azure_speech import AzureSpeechHook
from tests.azure_blocks import CREATE, EVERY_API, GET, VOICE, AzureResource

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def hook(azure: AzureResource) -> AzureSpeechHook:
    return azure.hook


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    found: list[float] = []

    async def pause_async(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(azure_client, "pause", found.append)
    monkeypatch.setattr(azure_client, "pause_async", pause_async)
    return found


@EVERY_API
def test_a_job_is_bought_found_downloaded_and_deleted(azure, hook, api, tmp_path):
    job_id = azure.start(api)

    job = azure.finish(api, job_id)
    assert job.status == "Succeeded"
    assert job.billed_characters
    assert job.duration_seconds
    assert job.created_at == pytest.approx(time.time(), abs=60)
    assert [found.job_id for found in hook.list_jobs(api=api)] == [job_id]

    to = tmp_path / "results.zip"
    assert hook.download(api=api, job_id=job_id, to=to) == to.stat().st_size
    assert any(name.startswith("0001.") for name in zipfile.ZipFile(to).namelist())

    assert hook.delete_job(api=api, job_id=job_id)
    assert not list(hook.list_jobs(api=api))
    with pytest.raises(AzureJobNotFoundError):
        hook.get_job(api=api, job_id=job_id)


@EVERY_API
async def test_the_async_calls_answer_as_the_sync_ones_do(azure, hook, api):
    azure.finish(api, first := azure.start(api))
    azure.finish(api, azure.start(api))

    job = await hook.get_job_async(api=api, job_id=first)
    # A signed URL is made anew for each answer.
    expected = hook.get_job(api=api, job_id=first)
    assert (job.job_id, job.status, job.billed_characters) == (first, "Succeeded", expected.billed_characters)
    assert [found.job_id async for found in hook.list_jobs_async(api=api, page_size=1)] == [
        found.job_id for found in hook.list_jobs(api=api)
    ]
    with pytest.raises(AzureJobNotFoundError):
        await hook.get_job_async(api=api, job_id=UNKNOWN)
    await hook.close()


@EVERY_API
def test_the_list_goes_on_over_all_pages_and_stops_when_nobody_reads_on(azure, hook, api):
    started = {azure.start(api) for _ in range(3)}
    listed = {BATCH: "ListBatchSyntheses", PREVIEW: "ListBatchSyntheses", LONG_AUDIO: "ListLongAudioSyntheses"}[api]

    before = azure.calls(api, listed)
    assert {job.job_id for job in hook.list_jobs(api=api, page_size=2)} == started
    assert azure.calls(api, listed) == before + 2

    next(hook.list_jobs(api=api, page_size=2))
    assert azure.calls(api, listed) == before + 3
    assert len(list(hook.list_jobs(api=api, skip=1))) == 2


@EVERY_API
@pytest.mark.parametrize("fault", ["drop_reply", "error_500", "garbage_reply"])
def test_a_create_without_a_usable_answer_is_sent_once_and_reported_as_lost(azure, api, fault):
    bought, calls = azure.bought(api), azure.calls(api, CREATE[api])
    azure.order_fault(fault, api, operation=CREATE[api])

    with pytest.raises(AzureReplyLostError):
        azure.start(api)

    assert azure.calls(api, CREATE[api]) == calls + 1
    assert azure.bought(api) == bought + (fault == "drop_reply")


@EVERY_API
def test_a_throttled_create_is_bought_once_all_the_same(azure, api, pauses):
    bought = azure.bought(api)
    azure.order_fault("throttle", api, operation=CREATE[api], seconds=3)

    azure.start(api)

    assert azure.bought(api) == bought + 1
    assert pauses == [3]


@EVERY_API
def test_a_throttled_question_is_asked_again(azure, hook, api, pauses):
    job_id = azure.start(api)
    azure.order_fault("throttle", api, operation=GET[api], seconds=3)

    assert hook.get_job(api=api, job_id=job_id).job_id == job_id
    assert pauses == [3]


@EVERY_API
async def test_a_fault_of_the_service_is_worth_another_attempt(azure, hook, api):
    job_id = azure.start(api)

    for fault in ("error_500", "garbage_reply"):
        azure.order_fault(fault, api, operation=GET[api])
        with pytest.raises(AzureSpeechError) as raised:
            await hook.get_job_async(api=api, job_id=job_id)
        assert not isinstance(raised.value, AzureSpeechThrottledError)
    await hook.close()


@EVERY_API
def test_a_job_that_waits_cannot_be_deleted(azure, hook, api):
    azure.order_fault("stuck_not_started", api)
    job_id = azure.start(api)

    with pytest.raises(AzureJobInUseError, match="succeeded or failed"):
        hook.delete_job(api=api, job_id=job_id)


@EVERY_API
def test_a_job_that_failed_tells_why(azure, hook, api):
    azure.order_fault("fail", api, reason="The studio is flooded")

    job = azure.finish(api, azure.start(api))

    assert job.status == "Failed"
    assert "The studio is flooded" in job.error_message
    assert job.error_code


@EVERY_API
def test_an_expired_url_is_replaced_and_the_storage_never_sees_the_key(azure, hook, api):
    azure.finish(api, job_id := azure.start(api))
    azure.order_fault("expired_url", api)
    before = azure.cloud._call("GET", "requests").get("azure_blobs", {})
    to = io.BytesIO()

    assert hook.download(api=api, job_id=job_id, to=to)

    assert zipfile.ZipFile(to).namelist()
    blobs = azure.cloud._call("GET", "requests")
    (keys_sent,) = {value["keys_sent"] for value in blobs.values() if "keys_sent" in value}
    assert keys_sent == before.get("keys_sent", 0) == 0


@EVERY_API
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("f0-0123456789", "pricing tier Standard"),
        ("revoked-0123456789", "Keys and Endpoint"),
        ("region-canadaeast-0123456789", "in a region"),
    ],
)
def test_a_resource_that_may_not_buy_is_a_permanent_refusal_with_its_remedy(azure, api, monkeypatch, key, words):
    azure.key = key
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", azure.connection())
    bought = azure.bought(api)

    with pytest.raises(AzureSpeechAuthError, match=words) as raised:
        azure.start(api)

    assert key not in str(raised.value)
    assert azure.bought(api) == bought


def test_an_id_that_exists_is_a_conflict_to_be_settled_by_asking(azure):
    bought = azure.bought(BATCH)
    buy: dict[str, Any] = {
        "api": BATCH,
        "inputs": ["Hello"],
        "input_kind": "PlainText",
        "synthesis_id": "narration-once",
        "synthesis_config": {"voice": VOICE},
    }
    azure.hook.create_batch_synthesis(**buy)

    with pytest.raises(AzureConflictError, match="ask for it"):
        azure.hook.create_batch_synthesis(**buy)

    assert azure.bought(BATCH) == bought + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"properties": {"outputFormat": "riff-1khz"}}, "outputFormat"),
        ({"synthesis_config": None}, "voice"),
        ({"input_kind": "Morse"}, "inputKind"),
    ],
)
def test_a_wrong_batch_is_a_permanent_refusal_that_names_the_reason(azure, change, words):
    with pytest.raises(AzureSpeechRefusedError, match=words):
        azure.start(BATCH, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": "Too short"}, "more than 400 characters"),
        ({"output_format": "riff-1khz"}, "outputFormat|format"),
        ({"text": "Paragraph\n" * 10_000}, "less than 10,000"),
    ],
)
def test_a_wrong_long_audio_job_is_a_permanent_refusal_that_names_the_reason(azure, change, words):
    with pytest.raises(AzureSpeechRefusedError, match=words):
        azure.start(LONG_AUDIO, **change)


def test_names_of_a_long_audio_job_can_be_changed(azure, hook):
    job_id = azure.start(LONG_AUDIO)

    job = hook.update_long_audio_synthesis(job_id=job_id, display_name="Chapter 1", custom_properties={"order": "1"})

    assert job.display_name == "Chapter 1"
    assert hook.get_job(api=LONG_AUDIO, job_id=job_id).raw["customProperties"] == {"order": "1"}


def test_files_of_a_long_audio_job_are_listed_with_urls_as_long_valid_as_was_asked(azure, hook):
    azure.finish(LONG_AUDIO, job_id := azure.start(LONG_AUDIO))

    files = {file.kind: file for file in hook.long_audio_files(job_id=job_id, sas_validity_seconds=600)}

    assert set(files) == {"LongAudioSynthesisScript", "LongAudioSynthesisResult"}
    assert files["LongAudioSynthesisResult"].url.startswith("http")
    assert "sig" not in repr(files)


def test_an_operation_of_2024_04_01_can_be_asked_for(hook):
    with pytest.raises(AzureJobNotFoundError, match="operation"):
        hook.get_operation(operation_id="no-such-operation")


def test_both_lists_of_voices_are_read(hook):
    assert VOICE in {voice["ShortName"] for voice in hook.list_voices()}
    assert VOICE in {voice["voiceName"] for voice in hook.list_voices(api=LONG_AUDIO)}


def test_a_resource_of_another_name_sees_nothing_of_this_one(azure, monkeypatch):
    azure.start(BATCH)
    azure.key = "another-key-0123456789"
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", azure.connection())

    assert not list(AzureSpeechHook().list_jobs(api=BATCH))


def test_a_token_of_entra_opens_the_resource(azure, monkeypatch):
    from azure.core.credentials import AccessToken

    class Credential:
        def get_token(self, scope: str) -> AccessToken:
            return AccessToken(f"entra-{azure.key}", 0)

        def close(self) -> None:
            pass

    job_id = azure.start(BATCH)
    connection = json.loads(azure.connection(auth="entra"))
    del connection["password"]
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda **arguments: Credential())

    assert AzureSpeechHook().get_job(api=BATCH, job_id=job_id).job_id == job_id


async def test_waiting_for_the_turn_does_not_block_the_event_loop(azure, hook, monkeypatch):
    job_id = azure.start(BATCH)
    quotas = {BATCH.value: {"requests": 1, "seconds": 0.5}}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", azure.connection(quotas=quotas, resource="slow"))
    hook = AzureSpeechHook()
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    await hook.get_job_async(api=BATCH, job_id=job_id)
    start, watching = time.monotonic(), asyncio.create_task(watch())
    await hook.get_job_async(api=BATCH, job_id=job_id)
    took = time.monotonic() - start
    watching.cancel()
    await hook.close()

    assert took > 0.4
    assert longest < took / 2
