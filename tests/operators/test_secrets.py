"""
No key, token or signed address gets out, whatever happens and however much is logged.

Whole narrations at the local cloud over HTTP, with every library at DEBUG. Looked through is everything that outlives a
task: log lines, exceptions with their tracebacks, XComs, the state of the task, what a deferral carries, every file of
the store, metrics and lineage.
"""

from __future__ import annotations

import json
import logging
import re
import traceback

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tenacity import wait_none

from narration.errors import NarrationError
from narration.operators.publish import PublishNarrationOperator
from narration.operators.read import ReadDocumentOperator
from narration.operators.synthesize import SynthesizeOrderOperator
from narration.paths import LocationError
from tests.azure_road import SERVICES, AzureRoad
from tests.conftest import BUCKET, SECRET
from tests.road import START, generous

TOKEN = "session-token-that-no-log-may-show"
SIGNED = re.compile(
    r"[?&](?:sig|X-Amz-Signature)=(?!\*\*\*)[^\s&]{4,}"
    r"|Signature=[0-9a-f]{64}|Signature:\s+[0-9a-f]{64}"
)


class Seen:
    """Everything that outlives a task, as text."""

    def __init__(self, bench, run, statsd, caplog, capfd) -> None:
        self.bench, self.run, self.statsd, self.caplog, self.capfd = bench, run, statsd, caplog, capfd
        self.results: list[object] = []
        self.errors: list[str] = []
        self.lineage: list[object] = []

    @property
    def logs(self) -> str:
        handler = logging.Formatter()
        captured = self.capfd.readouterr()
        return "\n".join([*map(handler.format, self.caplog.records), captured.out, captured.err])

    @property
    def kept(self) -> str:
        files = [path for path in self.bench.folder.rglob("*") if path.is_file()]
        assert files
        parts = [path.read_bytes().decode("latin-1") for path in files]
        parts += [repr(self.run.ti.xcoms), repr(self.run.state.values), repr(self.results), repr(self.lineage)]
        return "\n".join([*parts, *self.errors, *self.statsd.lines])

    def narrate(self, road, **change):
        """A whole run, in which an error is one more thing to be looked through."""
        try:
            self.results += road.plan(self.run, **change)
            orders = list(self.results)
            for order in orders:
                operator = self.bench.operator(order)
                try:
                    operator.execute(self.run.context)
                except TaskDeferred as deferred:
                    self.results += [deferred.trigger.serialize(), deferred.kwargs, repr(deferred.trigger)]
                self.results.append(self.bench.see_through(order, self.run))
            bought = [result for result in self.results if isinstance(result, dict) and "bill" in result]
            road.publish(self.run, road.assemble(self.run, **change), bought, **change)
        except NarrationError as error:
            self.errors += traceback.format_exception(error)
        return self


@pytest.fixture
def lineage(monkeypatch) -> list[object]:
    told: list[object] = []
    for kind in (ReadDocumentOperator, SynthesizeOrderOperator, PublishNarrationOperator):
        execute = kind.execute

        def watched(operator, context, execute=execute):
            try:
                return execute(operator, context)
            finally:
                told.append(operator.get_openlineage_facets_on_complete(None))

        monkeypatch.setattr(kind, "execute", watched)
    return told


@pytest.fixture(autouse=True)
def _at_debug_and_without_waits(monkeypatch, caplog):
    monkeypatch.setattr("tenacity.wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr("narration.hooks.azure_client.pause", lambda _: None)
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "aiobotocore", "urllib3", "httpx", "httpcore", "s3fs", "fsspec"):
        caplog.set_level(logging.DEBUG, logger=name)


class TestPolly:
    @pytest.fixture(autouse=True)
    def _with_a_session(self, bench, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous(bench.cloud, aws_session_token=TOKEN))

    @pytest.mark.parametrize("fault", ["", "throttle", "drop_reply", "fail"])
    def test_neither_the_secret_key_nor_the_session_token_gets_out(
        self, bench, run, road, statsd, caplog, capfd, lineage, fault
    ):
        if fault:
            only = {"operation": START} if fault in ("throttle", "drop_reply") else {}
            bench.cloud.order_fault(fault, count=1, **only)
        road.write(bench.text(1), bench.text(2))

        seen = Seen(bench, run, statsd, caplog, capfd).narrate(road)
        seen.lineage = lineage
        logs, kept = seen.logs, seen.kept

        # The libraries did say it.
        assert "x-amz-security-token:***" in logs
        for secret in (SECRET, TOKEN):
            assert secret not in logs
            assert secret not in kept
        assert not SIGNED.search(logs)
        assert not SIGNED.search(kept)

    def test_nor_when_the_store_is_at_s3_too(self, bench, run, statsd, caplog, capfd, road):
        # Read and written through another client (aiobotocore), which signs for itself.
        road.write(bench.text(1))
        storage = f"s3://{BUCKET}/{bench.word}"

        result = road.plan(run, storage=storage)
        seen = Seen(bench, run, statsd, caplog, capfd)
        logs = seen.logs

        assert result
        assert "Sending http request" in logs
        assert SECRET not in logs
        assert TOKEN not in logs
        assert not SIGNED.search(logs)

    def test_nor_in_the_error_of_a_service_that_cannot_be_reached(self, bench, run, statsd, caplog, capfd, monkeypatch):
        order = bench.stories(1)
        connection = bench.cloud.connection(aws_session_token=TOKEN)
        connection["extra"]["service_config"]["polly"]["endpoint_url"] = "http://127.0.0.1:9"
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        with pytest.raises(NarrationError) as error:
            bench.operator(order).execute(run.context)
        text = "".join(traceback.format_exception(error.value)) + Seen(bench, run, statsd, caplog, capfd).logs

        assert "127.0.0.1:9" in text
        assert SECRET not in text
        assert TOKEN not in text


class TestAzure:
    @pytest.mark.parametrize("azure_bench", SERVICES, indirect=True)
    @pytest.mark.parametrize(
        "fault", ["", "throttle", "garbage_reply", "drop_reply", "expired_url", "truncated_download"]
    )
    def test_neither_the_key_nor_a_signed_address_gets_out(self, azure_bench, statsd, caplog, capfd, lineage, fault):
        road, run = AzureRoad(azure_bench), azure_bench.run("monday")
        if fault:
            only = {"operation": azure_bench.create} if fault in ("throttle", "drop_reply") else {}
            azure_bench.fault(fault, count=1, **only)
        road.write(azure_bench.text(1).strip())

        seen = Seen(azure_bench, run, statsd, caplog, capfd).narrate(road)
        seen.lineage = lineage
        logs, kept = seen.logs, seen.kept

        if not fault:
            # The library did say where it fetched the audio from.
            assert ".zip?***" in logs
        for text in (logs, kept):
            assert azure_bench.key not in text
            assert not SIGNED.search(text), SIGNED.search(text)

    def test_nor_in_the_error_about_a_key_that_is_not_accepted(self, azure_bench, statsd, caplog, capfd, monkeypatch):
        azure_bench.key = f"revoked-{azure_bench.key}"
        azure_bench.connect(monkeypatch)
        road, run = AzureRoad(azure_bench), azure_bench.run("monday")
        road.write(azure_bench.text(1).strip())

        seen = Seen(azure_bench, run, statsd, caplog, capfd).narrate(road)

        assert seen.errors
        assert azure_bench.key not in seen.logs
        assert azure_bench.key not in seen.kept


def test_a_signed_address_that_somebody_gives_as_the_document_is_not_repeated_with_its_signature(bench, run, road):
    document = "https://account.blob.core.windows.net/texts/story.txt?sv=2021&sig=abcdefghijkl"

    with pytest.raises(LocationError) as error:
        road.read(run, document=document)

    text = "".join(traceback.format_exception(error.value))
    assert "story.txt" in text
    assert "abcdefghijkl" not in text
