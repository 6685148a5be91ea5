from __future__ import annotations

import errno
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_download import checked
from narration.hooks.azure_errors import (
    AzureJobNotFoundError,
    AzureSpeechError,
    AzureSpeechRefusedError,
    AzureUrlExpiredError,
)
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.machine import DiskError
from tests.hooks.scripted_server import Scripted, ScriptedServer
from tests.hooks.test_azure_transport import KEY, connection

BATCH, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.LONG_AUDIO
SIGNATURE = "c2lnbmF0dXJlLW9mLXRoZS11cmw"
ZIP = b"PK\x05\x06" + bytes(18)


@pytest.fixture(scope="module")
def running_servers() -> Iterator[tuple[ScriptedServer, ScriptedServer]]:
    with ScriptedServer().running() as service, ScriptedServer().running() as storage:
        yield service, storage


@pytest.fixture
def service(running_servers, monkeypatch) -> ScriptedServer:
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection(running_servers[0].url))
    return running_servers[0]


@pytest.fixture
def storage(running_servers) -> ScriptedServer:
    return running_servers[1]


@pytest.fixture
def hook() -> AzureSpeechHook:
    return AzureSpeechHook()


@pytest.fixture(autouse=True)
def nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, logger=""):
        yield
    assert KEY not in caplog.text
    assert SIGNATURE not in caplog.text


def signed(storage: ScriptedServer, name: str = "results.zip") -> str:
    return f"{storage.url}/container/{name}?sv=2024&se=2026-11-21T20%3A00%3A00Z&sp=r&sig={SIGNATURE}%3D"


def finished(storage: ScriptedServer, name: str = "results.zip") -> Scripted:
    return Scripted(body={"id": "narration-1", "status": "Succeeded", "outputs": {"result": signed(storage, name)}})


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def download(hook: AzureSpeechHook, to: Path | io.BytesIO, **more: int) -> int:
    return hook.download(api=BATCH, job_id="narration-1", to=to, **more)


def test_a_result_is_streamed_into_a_file_and_the_storage_never_sees_the_key(service, storage, hook, tmp_path):
    content = ZIP + bytes(3_000_000)
    service.answers(finished(storage))
    storage.answers(Scripted(body=content))
    to = tmp_path / "results.zip"

    assert download(hook, to) == len(content)

    assert to.read_bytes() == content
    assert storage.received[0].path.endswith(f"sig={SIGNATURE}%3D")
    assert not {"ocp-apim-subscription-key", "authorization"} & set(storage.received[0].headers)
    assert KEY not in str(storage.received)


def test_an_open_file_is_written_to_as_well(service, storage, hook):
    service.answers(finished(storage))
    storage.answers(Scripted(body=ZIP))
    to = io.BytesIO()

    assert download(hook, to) == len(ZIP)
    assert to.getvalue() == ZIP


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_url_that_is_not_accepted_is_replaced_by_a_fresh_one(service, storage, hook, status):
    service.answers(finished(storage, "old.zip"), finished(storage, "new.zip"))
    storage.answers(Scripted(status=status), Scripted(body=ZIP))

    assert download(hook, io.BytesIO()) == len(ZIP)
    assert [request.path.partition("?")[0] for request in storage.received] == [
        "/container/old.zip",
        "/container/new.zip",
    ]


def test_a_fresh_url_that_is_not_accepted_either_is_reported(service, storage, hook):
    service.answers(finished(storage))
    storage.answers(Scripted(status=403))

    with pytest.raises(AzureUrlExpiredError, match=r"Two fresh signed URLs.*clock.*127\.0\.0\.1.*deleted") as raised:
        download(hook, io.BytesIO())

    assert len(storage.received) == 2
    assert SIGNATURE not in shown(raised.value)
    assert "se=" not in shown(raised.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Scripted(resets=True), "broke off"),
        (Scripted(body=ZIP, short_by=50), "broke off"),
        (Scripted(body=b"<html>Sign in</html>"), "not with a zip"),
        (Scripted(body=b""), "is empty"),
        (Scripted(status=302, headers={"Location": "http://127.0.0.1:1/x"}), "Redirects are not followed"),
        (Scripted(status=503), "503"),
    ],
    ids=["reset", "cut off", "page", "empty", "redirect", "503"],
)
def test_a_download_that_fails_is_worth_another_attempt_and_leaves_no_file(
    service, storage, hook, tmp_path, answer, words
):
    service.answers(finished(storage))
    storage.answers(answer)
    before = tmp_path / "results.zip"
    before.write_bytes(b"as it was")

    with pytest.raises(AzureSpeechError, match=words) as raised:
        download(hook, before)

    assert SIGNATURE not in shown(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["results.zip"]
    assert before.read_bytes() == b"as it was"


def test_a_storage_that_cannot_be_reached_is_worth_another_attempt(service, hook):
    service.answers(
        Scripted(
            body={
                "id": "narration-1",
                "status": "Succeeded",
                "outputs": {"result": f"http://127.0.0.1:1/results.zip?sig={SIGNATURE}"},
            }
        )
    )

    with pytest.raises(AzureSpeechError, match=r"results\.zip broke off") as raised:
        download(hook, io.BytesIO())

    assert SIGNATURE not in shown(raised.value)


@pytest.mark.parametrize("announced", [True, False])
def test_no_more_is_written_than_is_allowed(service, storage, hook, announced):
    content = ZIP + bytes(2_000_000)
    service.answers(finished(storage))
    storage.answers(Scripted(body=content, unannounced=not announced))
    to = io.BytesIO()

    with pytest.raises(AzureSpeechRefusedError, match=r"more than the 1,000,000 bytes") as raised:
        download(hook, to, max_bytes=1_000_000)

    assert len(to.getvalue()) <= 1_000_000
    assert SIGNATURE not in shown(raised.value)
    assert download(hook, io.BytesIO(), max_bytes=len(content)) == len(content)


def test_a_job_that_has_not_finished_has_nothing_yet(service, hook):
    service.answers(Scripted(body={"id": "narration-1", "status": "Running"}))

    with pytest.raises(AzureSpeechError, match=r"no result yet: it is Running"):
        hook.result_url(api=BATCH, job_id="narration-1")


def test_a_job_that_failed_says_why_there_is_nothing(service, hook):
    error = {"code": "InvalidModel", "message": "No such voice."}
    service.answers(Scripted(body={"id": "narration-1", "status": "Failed", "properties": {"error": error}}))

    with pytest.raises(AzureSpeechRefusedError, match=r"Failed \(InvalidModel: No such voice\.\)"):
        hook.result_url(api=BATCH, job_id="narration-1")


def test_a_result_in_a_destination_container_is_not_looked_for_elsewhere(service, hook):
    service.answers(
        Scripted(body={"id": "narration-1", "status": "Succeeded", "outputs": {"result": "folder/results.zip"}})
    )

    with pytest.raises(AzureSpeechRefusedError, match="destination container"):
        hook.result_url(api=BATCH, job_id="narration-1")


def test_why_a_job_failed_is_told_without_the_signature_that_the_service_quotes(service, hook):
    error = {"code": "X" * 1000, "message": f"No access to https://a.example/c?sig={SIGNATURE} {'x' * 10_000}"}
    service.answers(Scripted(body={"id": "narration-1", "status": "Failed", "properties": {"error": error}}))

    with pytest.raises(AzureSpeechRefusedError, match=r"No access to https://a\.example/c ") as raised:
        hook.result_url(api=BATCH, job_id="narration-1")

    assert SIGNATURE not in shown(raised.value)
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize("url", [f"http://[half/results.zip?sig={SIGNATURE}", f"https://[half]x/?sig={SIGNATURE}"])
def test_an_address_of_the_result_that_is_none_is_worth_another_attempt(service, hook, url):
    service.answers(Scripted(body={"id": "narration-1", "status": "Succeeded", "outputs": {"result": url}}))

    with pytest.raises(AzureSpeechError, match="cannot be read") as raised:
        download(hook, io.BytesIO())

    assert SIGNATURE not in shown(raised.value)


def test_a_result_is_not_fetched_without_encryption_from_a_service_that_has_it():
    service = "https://eastus.api.cognitive.microsoft.com"
    secure, local = f"https://a.example/r.zip?sig={SIGNATURE}", f"http://127.0.0.1:8600/r.zip?sig={SIGNATURE}"

    assert checked(secure, service=service) == secure
    assert checked(local, service=service) == local
    assert checked("http://a.example/r.zip", service="http://127.0.0.1:8600")
    with pytest.raises(AzureSpeechError, match=r"http://a\.example/…/r\.zip, without encryption") as raised:
        checked(f"http://a.example/r.zip?sig={SIGNATURE}", service=service)
    assert SIGNATURE not in shown(raised.value)


def test_a_disk_without_room_is_named_with_a_way_out(service, storage, hook):
    service.answers(finished(storage))
    storage.answers(Scripted(body=ZIP))

    with open("/dev/full", "wb", buffering=0) as full:
        with pytest.raises(DiskError, match=r"results\.zip cannot be written.*No space left.*TMPDIR") as raised:
            download(hook, full)

    assert SIGNATURE not in shown(raised.value)


def test_a_disk_that_is_full_at_the_last_bytes_leaves_no_file(service, storage, hook, tmp_path, monkeypatch):
    service.answers(finished(storage))
    storage.answers(Scripted(body=ZIP))

    def replace(source: str, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("narration.hooks.azure_download.os.replace", replace)

    with pytest.raises(DiskError, match=r"results\.zip cannot be written"):
        download(hook, tmp_path / "results.zip")

    assert not list(tmp_path.iterdir())


def test_a_job_that_is_not_there_has_an_error_of_its_own(service, hook):
    service.answers(Scripted(status=404))

    for api in (BATCH, LONG_AUDIO):
        with pytest.raises(AzureJobNotFoundError):
            hook.result_url(api=api, job_id="narration-1")


def test_the_result_of_long_audio_is_the_file_of_that_kind(service, storage, hook):
    files = [
        {
            "name": "input.txt",
            "kind": "LongAudioSynthesisScript",
            "links": {"contentUrl": signed(storage, "input.txt")},
        },
        {
            "name": "waves.zip",
            "kind": "LongAudioSynthesisResult",
            "links": {"contentUrl": signed(storage, "waves.zip")},
        },
    ]
    service.answers(Scripted(body={"values": files}))
    storage.answers(Scripted(body=ZIP))

    assert hook.download(api=LONG_AUDIO, job_id="1-2", to=io.BytesIO()) == len(ZIP)
    assert storage.received[0].path.startswith("/container/waves.zip?")
