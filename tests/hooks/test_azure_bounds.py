"""Answers that are too large, take too long, or are no answers at all, sync and async alike."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from narration.hooks import azure_transport
from narration.hooks.azure_body import Body, BodyError
from narration.hooks.azure_errors import AzureReplyLostError, AzureSpeechError
from narration.hooks.azure_speech import AzureSpeechHook
from tests.hooks.scripted_server import Scripted, ScriptedServer
from tests.hooks.test_azure_transport import CREATES, JOB, READS, SynthesisApi, connection

JSON = b'{"id": "narration-1", "status": "Running"}'
READ_A_JOB = {name: READS[name] for name in ("get", "get, async")}
each_way = pytest.mark.parametrize("read", READ_A_JOB.values(), ids=READ_A_JOB)
each_create = pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)


def packed(content: bytes, encoding: str = "gzip") -> Scripted:
    return Scripted(body=content, headers={"Content-Encoding": encoding, "Content-Type": "application/json"})


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with ScriptedServer().running() as server:
        yield server


@pytest.fixture
def server(running_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_SPEECH_DEFAULT", connection(running_server.url))
    return running_server


@pytest.fixture
async def hook() -> Any:
    hook = AzureSpeechHook()
    yield hook
    await hook.close()


@pytest.fixture
async def impatient() -> Any:
    hook = AzureSpeechHook(timeout=0.1)
    yield hook
    await hook.close()


@pytest.fixture
def bomb() -> Scripted:
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)
    pieces = [packing.compress(bytes(1 << 20)) for _ in range(100)]
    return packed(b"".join(pieces) + packing.flush())


class TestSize:
    @each_way
    async def test_what_unpacks_without_end_is_not_unpacked(self, server, hook, read, bomb):
        server.answers(bomb)
        tracemalloc.start()

        try:
            with pytest.raises(AzureSpeechError, match="larger than 67,108,864 bytes"):
                await read(hook)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert len(server.received) == 1
        # The limit, what the collecting array has in reserve, and a little.
        assert most < 150e6

    @each_create
    def test_a_create_with_such_an_answer_may_have_been_bought(self, server, hook, create, monkeypatch):
        monkeypatch.setattr("narration.hooks.azure_body.LARGEST_ANSWER", 100_000)
        server.answers(Scripted(status=201, body=bytes(200_000)))

        with pytest.raises(AzureReplyLostError, match="larger than 100,000 bytes"):
            create(hook)

        assert len(server.received) == 1

    @each_way
    @pytest.mark.parametrize(
        "answer", [packed(gzip.compress(JSON)), packed(zlib.compress(JSON), "deflate"), Scripted(body=JSON)]
    )
    async def test_what_is_packed_as_it_may_be_is_read(self, server, hook, read, answer):
        server.answers(answer)

        assert (await read(hook)).status == "Running"
        assert server.received[0].headers["accept-encoding"] == "gzip"

    @each_way
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (packed(gzip.compress(JSON)[:-12]), "cut off"),
            (packed(JSON), "damaged"),
            (packed(JSON, "br"), "not asked for"),
        ],
        ids=["cut off", "damaged", "br"],
    )
    async def test_what_cannot_be_unpacked_is_worth_another_attempt(self, server, hook, read, answer, words):
        server.answers(answer)

        with pytest.raises(AzureSpeechError, match=words):
            await read(hook)

    def test_pieces_may_be_cut_anywhere(self):
        whole = gzip.compress(JSON)
        body = Body("gzip")
        for at in range(len(whole)):
            body.add(whole[at : at + 1])

        assert body.content() == JSON
        assert Body("gzip").content() == b""
        with pytest.raises(BodyError, match="larger than 10 bytes"):
            Body("", most=10).add(bytes(11))


class TestTime:
    @each_way
    async def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(self, server, impatient, read):
        server.answers(Scripted(body=bytes(1000), drips=0.04))
        start = time.monotonic()

        with pytest.raises(AzureSpeechError, match=r"did not answer.*Timeout"):
            await read(impatient)

        # Three attempts, of twice the time for each part.
        assert time.monotonic() - start < 4

    def test_a_create_that_is_answered_so_may_have_been_bought(self, server, impatient):
        server.answers(Scripted(body=bytes(1000), drips=0.04))

        with pytest.raises(AzureReplyLostError, match="Timeout"):
            CREATES["2024-04-01"](impatient)

        assert len(server.received) == 1


class TestNonsense:
    @each_create
    @pytest.mark.parametrize(
        "answer",
        [
            Scripted(status=302, headers={"Location": "http://[half"}),
            Scripted(status=202, headers={"Location": "http://[half"}),
            Scripted(status=201, body=b'{"a":' * 600 + b"1" + b"}" * 600),
        ],
        ids=["redirect", "location", "deep"],
    )
    def test_a_create_with_an_answer_that_cannot_be_read_may_have_been_bought(self, server, hook, create, answer):
        server.answers(answer)

        with pytest.raises(AzureReplyLostError):
            create(hook)

    @pytest.mark.parametrize("read", READS.values(), ids=READS)
    @pytest.mark.parametrize(
        "answer",
        [
            Scripted(status=302, headers={"Location": "http://[half"}),
            Scripted(body=b'{"value":' + b'[{"a":' * 600 + b"1" + b"}]" * 600 + b"}"),
            Scripted(body=b'{"value": [' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"]}"),
            Scripted(status=400, body=b'{"message":' + b"[" * 900 + b"]" * 900 + b"}"),
        ],
        ids=["redirect", "lists", "objects", "message"],
    )
    async def test_a_question_ends_with_an_error_of_ours_or_not_at_all(self, server, hook, read, answer, monkeypatch):
        monkeypatch.setattr("narration.hooks.azure_client.pause", lambda seconds: None)
        server.answers(answer)

        try:
            found = await read(hook)
        except Exception as error:
            assert type(error).__module__ == "narration.hooks.azure_errors"  # noqa: PT017 - which of them may differ
        else:
            # A list of voices is handed on in the service's own words.
            assert isinstance(found, list | dict)

    async def test_an_endless_count_does_not_hide_the_job(self, server, hook):
        server.answers(Scripted(body={**JOB, "properties": {"succeededAudioCount": float("inf")}}))

        assert (await hook.get_job_async(api=SynthesisApi.BATCH, job_id="narration-1")).succeeded_audios is None


class TestManyTriggers:
    async def test_the_certificates_are_read_once_and_not_on_the_event_loop(self, server, monkeypatch):
        read, threads = azure_transport._read_trust.__wrapped__, []

        def reading() -> Any:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                threads.append("another")
            else:
                threads.append("the loop's")
            return read()

        monkeypatch.setattr(azure_transport, "_read_trust", lru_cache(maxsize=1)(reading))
        monkeypatch.setattr("ssl.SSLContext.load_verify_locations", lambda *arguments, **more: None)
        server.answers(Scripted(body=JOB))
        hooks = [AzureSpeechHook() for _ in range(20)]

        await asyncio.gather(*(hook.get_job_async(api=SynthesisApi.BATCH, job_id="narration-1") for hook in hooks))
        for hook in hooks:
            await hook.close()

        assert threads == ["another"]
