"""The hook against servers that misbehave as proxies, networks and forgers do, sync and async alike."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from narration.hooks import azure_client
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import (
    AzureActiveJobsError,
    AzureFault,
    AzureJobNotFoundError,
    AzureReplyLostError,
    AzureSpeechAuthError,
    AzureSpeechError,
    AzureSpeechRefusedError,
    AzureSpeechThrottledError,
)
from narration.hooks.azure_speech import AzureSpeechHook
from tests.hooks.scripted_server import Scripted, ScriptedServer

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
KEY = "key-that-no-log-may-show-0123456"
PAGE = Scripted(
    body=f"<html><title>Sign in</title><body>You sent {KEY}</body></html>".encode(),
    headers={"Content-Type": "text/html"},
)
JOB = {"id": "narration-1", "status": "Running"}
RESET = Scripted(resets=True)
TRUNCATED = Scripted(body=b'{"id": "narration-1", "sta', headers={"Content-Type": "application/json"})
CUT_OFF = Scripted(body=b'{"id": "narr', short_by=40)
THROTTLED = Scripted(status=429, headers={"Retry-After": "7"}, body={"code": "TooManyRequests", "message": "Slow down"})

CREATES: dict[str, Callable[[AzureSpeechHook], Any]] = {
    "2024-04-01": lambda hook: hook.create_batch_synthesis(
        api=BATCH, inputs=["Hello"], input_kind="PlainText", synthesis_id="narration-1"
    ),
    "3.1-preview1": lambda hook: hook.create_batch_synthesis(
        api=PREVIEW, inputs=["Hello"], input_kind="PlainText", display_name="narration-1"
    ),
    "long audio": lambda hook: hook.create_long_audio_synthesis(
        display_name="narration-1", locale="en-US", voices=[{"voiceName": "en-US-AriaNeural"}], script="Hello"
    ),
}


async def _listed(hook: AzureSpeechHook) -> list[Any]:
    return [job async for job in hook.list_jobs_async(api=BATCH)]


async def _in_sync(work: Callable[[], Any]) -> Any:
    return work()


READS: dict[str, Callable[[AzureSpeechHook], Awaitable[Any]]] = {
    "get": lambda hook: _in_sync(lambda: hook.get_job(api=BATCH, job_id="narration-1")),
    "get, async": lambda hook: hook.get_job_async(api=BATCH, job_id="narration-1"),
    "list": lambda hook: _in_sync(lambda: list(hook.list_jobs(api=BATCH))),
    "list, async": _listed,
    "voices": lambda hook: _in_sync(hook.list_voices),
    "files": lambda hook: _in_sync(lambda: hook.long_audio_files(job_id="narration-1")),
    "operation": lambda hook: _in_sync(lambda: hook.get_operation(operation_id="op")),
}
DELETE: dict[str, Callable[[AzureSpeechHook], Awaitable[Any]]] = {
    "delete": lambda hook: _in_sync(lambda: hook.delete_job(api=BATCH, job_id="narration-1"))
}

each_create = pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS)
each_read_or_delete = pytest.mark.parametrize("read", (READS | DELETE).values(), ids=READS | DELETE)


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with ScriptedServer().running() as server:
        yield server


def connection(host: str, **extra: Any) -> str:
    # A wide limit, so that tests do not wait for their turn.
    quotas = {api.value: {"requests": 1000, "seconds": 1} for api in SynthesisApi}
    return json.dumps(
        {
            "conn_type": "azure_speech",
            "host": host,
            "password": KEY,
            "extra": {"region": "eastus", "quotas": quotas, **extra},
        }
    )


@pytest.fixture
def server(running_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection(running_server.url))
    return running_server


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between two attempts, which are not waited for."""
    found: list[float] = []

    async def pause_async(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(azure_client, "pause", found.append)
    monkeypatch.setattr(azure_client, "pause_async", pause_async)
    return found


@pytest.fixture
async def hook() -> Any:
    hook = AzureSpeechHook()
    yield hook
    await hook.close()


@pytest.fixture(autouse=True)
def nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test of this file provokes: the key is in no log line, not even at the most talkative level."""
    with caplog.at_level(logging.DEBUG, logger=""):
        yield
    assert KEY not in caplog.text


def shown(error: BaseException) -> str:
    """Everything that a log would print of an exception, its causes and contexts included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


class TestCreatesAreSentOnce:
    @each_create
    @pytest.mark.parametrize(
        "answer",
        [
            RESET,
            PAGE,
            Scripted(status=502, body=PAGE.body, headers=PAGE.headers),
            Scripted(status=500, body={"error": {"code": "InternalServerError", "message": "x"}}),
            Scripted(status=302, headers={"Location": "http://127.0.0.1:1/steal"}),
            Scripted(status=200, body=b"{}"),
            Scripted(status=202),
            CUT_OFF,
        ],
        ids=["reset", "page", "502", "500", "redirect", "no job", "nothing", "cut off"],
    )
    def test_an_answer_that_says_nothing_leaves_open_whether_it_was_bought(self, server, hook, create, answer):
        server.answers(answer)

        with pytest.raises(AzureReplyLostError, match="may have been accepted, and billed") as raised:
            create(hook)

        assert len(server.received) == 1
        assert KEY not in shown(raised.value)

    def test_truncated_json_leaves_it_open_too(self, server, hook):
        server.answers(TRUNCATED)

        with pytest.raises(AzureReplyLostError):
            CREATES["2024-04-01"](hook)

    def test_an_answer_that_takes_too_long_leaves_it_open(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setenv(
                "AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection(f"http://127.0.0.1:{silent.getsockname()[1]}")
            )

            with pytest.raises(AzureReplyLostError, match="Timeout"):
                CREATES["long audio"](AzureSpeechHook(timeout=0.05))

    @each_create
    def test_a_create_that_reached_nobody_bought_nothing(self, monkeypatch, pauses, create):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            monkeypatch.setenv(
                "AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection(f"http://127.0.0.1:{nobody.getsockname()[1]}")
            )

            with pytest.raises(AzureSpeechError, match="Nothing was sent") as raised:
                create(AzureSpeechHook())

        assert not isinstance(raised.value, AzureReplyLostError)
        assert KEY not in shown(raised.value)

    def test_a_host_that_has_no_address_bought_nothing(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection("https://no-such-host.invalid"))

        with pytest.raises(AzureSpeechError, match=r"Nothing was sent.*the address https://no-such-host") as raised:
            CREATES["2024-04-01"](AzureSpeechHook())

        assert not isinstance(raised.value, AzureReplyLostError)

    @each_create
    def test_a_refusal_because_of_the_rate_is_sent_again_as_nothing_was_bought(self, server, hook, pauses, create):
        accepted = Scripted(status=201, body=JOB, headers={"Location": f"{server.url}/longaudiosynthesis/narration-1"})
        server.answers(THROTTLED, THROTTLED, accepted)

        create(hook)

        assert len(server.received) == 3
        assert pauses == [7, 7]

    def test_a_rate_that_does_not_recover_is_reported(self, server, hook):
        server.answers(THROTTLED)

        with pytest.raises(AzureSpeechThrottledError) as raised:
            CREATES["2024-04-01"](hook)

        assert len(server.received) == 4
        assert raised.value.retry_after == 7

    def test_a_full_queue_is_the_caller_s_to_wait_for(self, server, hook, pauses):
        server.answers(Scripted(status=429, body={"code": "TooManyRequests", "message": "Exceed the active limit."}))

        with pytest.raises(AzureActiveJobsError):
            CREATES["long audio"](hook)

        assert len(server.received) == 1
        assert not pauses

    @each_create
    def test_a_refusal_is_sent_once(self, server, hook, create):
        server.answers(Scripted(status=400, body={"code": "InvalidRequest", "message": "Give a locale."}))

        with pytest.raises(AzureSpeechRefusedError, match="Give a locale"):
            create(hook)

        assert len(server.received) == 1

    def test_the_id_of_a_long_audio_job_is_the_last_part_of_its_location(self, server, hook):
        server.answers(Scripted(status=202, headers={"Location": "https://other.example/longaudiosynthesis/1-2/"}))

        assert CREATES["long audio"](hook) == "1-2"

    def test_the_entity_of_the_interface_description_is_understood_too(self, server, hook):
        server.answers(Scripted(status=201, body={"id": "1-2", "status": "NotStarted"}))

        assert CREATES["long audio"](hook) == "1-2"


class TestReading:
    @each_read
    @pytest.mark.parametrize(
        "answer",
        [
            PAGE,
            TRUNCATED,
            Scripted(body=b'"a string"'),
            Scripted(status=502, body=PAGE.body, headers=PAGE.headers),
            Scripted(status=403, body=PAGE.body, headers=PAGE.headers),
            Scripted(status=500),
        ],
        ids=["page", "truncated", "string", "502", "403 page", "500"],
    )
    async def test_what_a_proxy_says_is_worth_another_attempt(self, server, hook, read, answer):
        server.answers(answer)

        with pytest.raises(AzureSpeechError) as raised:
            await read(hook)

        assert not isinstance(raised.value, AzureReplyLostError)
        assert len(server.received) == 1
        assert KEY not in shown(raised.value)

    @each_read_or_delete
    async def test_a_redirect_is_not_followed_because_the_key_would_go_with_it(self, server, hook, read):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.settimeout(0.05)
            server.answers(
                Scripted(status=307, headers={"Location": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/steal"})
            )

            with pytest.raises(AzureSpeechError, match="Redirects are not followed"):
                await read(hook)
            with pytest.raises(TimeoutError):
                elsewhere.accept()

    @each_read_or_delete
    async def test_a_connection_that_breaks_is_tried_again(self, server, hook, read):
        server.answers(RESET, Scripted(status=401))

        with pytest.raises(AzureSpeechAuthError):
            await read(hook)

        assert len(server.received) == 2

    @each_read_or_delete
    async def test_a_connection_that_breaks_again_and_again_is_reported(self, server, hook, read):
        server.answers(RESET)

        with pytest.raises(AzureSpeechError, match="did not answer") as raised:
            await read(hook)

        assert len(server.received) == 3
        assert KEY not in shown(raised.value)

    @each_read_or_delete
    async def test_throttling_is_waited_out_as_long_as_the_service_says(self, server, hook, read, pauses):
        server.answers(THROTTLED, Scripted(status=401))

        with pytest.raises(AzureSpeechAuthError):
            await read(hook)

        assert pauses == [7]

    @each_read_or_delete
    async def test_a_wait_of_minutes_is_left_to_the_caller(self, server, hook, read, pauses):
        server.answers(Scripted(status=429, headers={"Retry-After": "600"}))

        with pytest.raises(AzureSpeechThrottledError) as raised:
            await read(hook)

        assert raised.value.retry_after == 600
        assert not pauses

    @each_read_or_delete
    async def test_throttling_that_does_not_end_is_reported(self, server, hook, read):
        server.answers(Scripted(status=429))

        with pytest.raises(AzureSpeechThrottledError):
            await read(hook)

        assert len(server.received) == 8

    @each_read_or_delete
    async def test_a_wrong_key_is_not_tried_twice(self, server, hook, read):
        server.answers(Scripted(status=401, body={"error": {"code": "401", "message": f"Access denied for {KEY}."}}))

        with pytest.raises(AzureSpeechAuthError, match="Keys and Endpoint") as raised:
            await read(hook)

        assert len(server.received) == 1
        assert KEY not in shown(raised.value)

    @pytest.mark.parametrize("status", [204, 404])
    @pytest.mark.parametrize("read", [READS["get"], READS["get, async"]], ids=["sync", "async"])
    async def test_a_job_that_is_not_there_may_be_said_with_204_or_404(self, server, hook, read, status):
        server.answers(Scripted(status=status))

        with pytest.raises(AzureJobNotFoundError, match="knows no such job"):
            await read(hook)

    @pytest.mark.parametrize(("status", "deleted"), [(204, True), (200, True), (404, False)])
    async def test_a_deletion_says_whether_there_was_something_to_delete(self, server, hook, status, deleted):
        server.answers(Scripted(status=status))

        assert hook.delete_job(api=LONG_AUDIO, job_id="1-2") is deleted

    @pytest.mark.parametrize("body", [PAGE, TRUNCATED], ids=["page", "truncated"])
    async def test_a_deletion_that_a_proxy_confirms_is_not_believed(self, server, hook, body):
        server.answers(body)

        with pytest.raises(AzureSpeechError, match="proxy"):
            hook.delete_job(api=LONG_AUDIO, job_id="1-2")


class TestPages:
    @pytest.fixture(params=["nextLink", "@nextLink"])
    def link(self, request):
        return request.param

    @pytest.mark.parametrize("read", [READS["list"], READS["list, async"]], ids=["sync", "async"])
    async def test_the_service_s_own_address_of_the_next_page_is_followed(self, server, hook, read, link):
        second = f"{server.url}/texttospeech/batchsynthesises?api-version=x&skip=1&maxpagesize=1"
        server.answers(Scripted(body={"value": [JOB], link: second}), Scripted(body={"values": [{**JOB, "id": "b"}]}))

        assert [job.job_id for job in await read(hook)] == ["narration-1", "b"]
        assert server.received[1].path == "/texttospeech/batchsynthesises?api-version=x&skip=1&maxpagesize=1"
        assert server.received[1].headers["ocp-apim-subscription-key"] == KEY

    @pytest.mark.parametrize("read", [READS["list"], READS["list, async"]], ids=["sync", "async"])
    @pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/list", "https://127.0.0.1/list", "//evil.example/list"])
    async def test_a_next_page_on_another_host_is_not_shown_the_key(self, server, hook, read, link, elsewhere):
        server.answers(Scripted(body={"value": [JOB], link: elsewhere}))

        with pytest.raises(AzureSpeechError, match="another host"):
            await read(hook)

        assert len(server.received) == 1

    async def test_no_page_is_asked_for_before_it_is_read(self, server, hook):
        server.answers(Scripted(body={"value": [JOB], "nextLink": f"{server.url}/next"}))

        next(hook.list_jobs(api=PREVIEW))

        assert len(server.received) == 1

    async def test_a_page_that_leads_to_itself_is_not_read_for_ever(self, server, hook):
        server.answers(Scripted(body={"value": [JOB], "nextLink": f"{server.url}/again"}))

        with pytest.raises(AzureSpeechError, match="never end"):
            list(hook.list_jobs(api=PREVIEW))

    @pytest.mark.parametrize("read", [READS["list"], READS["list, async"]], ids=["sync", "async"])
    async def test_pages_that_lead_to_each_other_are_not_read_for_ever(self, server, hook, read, link):
        one, two = (Scripted(body={"value": [], link: f"{server.url}/{name}"}) for name in ("two", "one"))
        server.answers(Scripted(body={"value": [], link: f"{server.url}/one"}), one, two, Scripted(body={"value": []}))

        with pytest.raises(AzureSpeechError, match="read already"):
            await read(hook)

        assert len(server.received) == 3

    @pytest.mark.parametrize("read", [READS["list"], READS["list, async"]], ids=["sync", "async"])
    async def test_an_address_of_the_next_page_that_is_none_is_an_error_like_any_other(self, server, hook, read, link):
        server.answers(Scripted(body={"value": [], link: "http://[half"}))

        with pytest.raises(AzureSpeechError, match="next page cannot be read"):
            await read(hook)

    async def test_the_voices_of_long_audio_are_read_over_all_pages(self, server, hook):
        server.answers(
            Scripted(body={"values": [{"voiceName": "a"}], "@nextLink": f"{server.url}/next"}),
            Scripted(body={"values": [{"voiceName": "b"}]}),
        )

        assert [voice["voiceName"] for voice in hook.list_voices(api=LONG_AUDIO)] == ["a", "b"]


class TestConnections:
    @pytest.fixture(params=["sync", "async"])
    def ask(self, request):
        return READS["get" if request.param == "sync" else "get, async"]

    async def test_one_that_does_not_exist_is_an_error_that_says_how_to_create_it(self, ask):
        hook = AzureSpeechHook(azure_speech_conn_id="publisher_account")

        with pytest.raises(AzureSpeechAuthError, match=r"'publisher_account'.*AIRFLOW_CONN_PUBLISHER_ACCOUNT"):
            await ask(hook)

    async def test_an_extra_that_is_no_object_is_named(self, ask, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", '{"conn_type": "azure_speech", "extra": "[1]"}')

        with pytest.raises(AzureFault):
            await ask(AzureSpeechHook())

    async def test_the_netrc_of_the_machine_does_not_replace_who_pays(self, ask, server, hook, monkeypatch, tmp_path):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        server.answers(Scripted(body=JOB))

        await ask(hook)

        assert "authorization" not in server.received[0].headers
        assert server.received[0].headers["ocp-apim-subscription-key"] == KEY

    async def test_the_key_is_masked_wherever_airflow_logs(self, ask, server, hook):
        from airflow.sdk.log import redact

        server.answers(Scripted(body=JOB))

        await ask(hook)

        assert redact(f"the key is {KEY}") == "the key is ***"

    async def test_the_account_is_the_same_from_the_event_loop(self, server):
        assert await AzureSpeechHook().account_async() == AzureSpeechHook().account

    def test_testing_one_says_what_was_found(self, server, hook):
        server.answers(Scripted(body=[{"ShortName": "en-US-AriaNeural"}]))

        works, message = hook.test_connection()

        assert works
        assert message.startswith(f"Azure Speech in eastus at {server.url} offers 1 voices. ")
        assert "Not checked" in message
        assert "S0" in message

    @pytest.mark.parametrize(
        ("answer", "words"),
        [(Scripted(status=401), "Keys and Endpoint"), (PAGE, "proxy"), (Scripted(status=404), "address")],
        ids=["401", "page", "404"],
    )
    def test_testing_one_that_does_not_work_says_what_to_do(self, server, hook, answer, words):
        server.answers(answer)

        works, message = hook.test_connection()

        assert not works
        assert words in message
        assert KEY not in message
