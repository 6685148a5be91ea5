from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from narration.errors import PermanentNarrationError
from narration.hooks import polly
from narration.hooks.deadline import Deadline
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import (
    PollyArgumentError,
    PollyCredentialsError,
    PollyRefusedError,
    PollyReplyLostError,
    PollyTaskFailedError,
    PollyTaskNotFoundError,
    PollyThrottledError,
    PollyTooLateError,
    PollyUnavailableError,
    PollyWaitTimeoutError,
)

REQUEST: dict[str, Any] = {
    "Text": "It is a truth universally acknowledged.",
    "OutputFormat": "mp3",
    "VoiceId": "Joanna",
    "OutputS3BucketName": "narration-output",
}
LEXICON = """<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" xml:lang="en-US">
<lexeme><grapheme>W3C</grapheme><alias>World Wide Web Consortium</alias></lexeme></lexicon>"""


@pytest.fixture
def hook(aws_connection):
    return PollyHook()


class TestStartIsSentOnce:
    @pytest.mark.parametrize("mode", ["legacy", "standard"])
    def test_a_server_fault_is_not_repeated_whatever_retries_the_connection_asks_for(
        self, local_cloud, monkeypatch, mode
    ):
        generous = local_cloud.connection(config_kwargs={"retries": {"mode": mode, "max_attempts": 5}})
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(generous))
        local_cloud.order_fault("error_500", operation="StartSpeechSynthesisTask")
        calls, bill = local_cloud.calls("StartSpeechSynthesisTask"), local_cloud.bill()

        with pytest.raises(PollyReplyLostError, match="ListSpeechSynthesisTasks"):
            PollyHook().start_speech_synthesis_task(**REQUEST)

        assert local_cloud.calls("StartSpeechSynthesisTask") == calls + 1
        assert local_cloud.bill() == bill

    def test_an_accepted_start_whose_reply_is_dropped_is_bought_once_and_reported_as_lost(self, hook, local_cloud):
        bill = local_cloud.bill()["jobs"]
        local_cloud.order_fault("drop_reply", operation="StartSpeechSynthesisTask")

        with pytest.raises(PollyReplyLostError):
            hook.start_speech_synthesis_task(**REQUEST)

        assert local_cloud.bill()["jobs"] == bill + 1

    async def test_the_async_start_is_sent_once_too(self, hook, local_cloud):
        bill = local_cloud.bill()["jobs"]
        local_cloud.order_fault("drop_reply", operation="StartSpeechSynthesisTask")

        with pytest.raises(PollyReplyLostError):
            await hook.astart_speech_synthesis_task(**REQUEST)

        assert local_cloud.bill()["jobs"] == bill + 1

    def test_the_rest_of_the_callers_client_configuration_is_kept(self, aws_connection):
        hook = PollyHook(config={"read_timeout": 7, "retries": {"mode": "standard", "max_attempts": 9}})

        config = hook._start_client.meta.config

        assert config.read_timeout == 7
        assert config.retries == {"mode": "standard", "total_max_attempts": 1}

    @pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
    def test_what_is_ready_too_late_is_not_sent(self, local_cloud, aws_connection, monkeypatch, mode):
        slow = local_cloud.connection(config_kwargs={"retries": {"mode": mode}})
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(slow))
        calls = local_cloud.calls("StartSpeechSynthesisTask")
        hook = PollyHook()

        with hook.starts_until(Deadline.after(0)), pytest.raises(PollyTooLateError, match="nothing was bought"):
            hook.start_speech_synthesis_task(**REQUEST)

        assert local_cloud.calls("StartSpeechSynthesisTask") == calls
        assert hook.start_speech_synthesis_task(**REQUEST)["TaskId"]

    @pytest.mark.parametrize(("asked", "taken"), [({}, 5), ({"connect_timeout": 50}, 5), ({"connect_timeout": 2}, 2)])
    def test_it_is_connected_soon_or_not_at_all(self, aws_connection, asked, taken):
        assert PollyHook(config=asked)._start_client.meta.config.connect_timeout == taken

    def test_reading_calls_keep_the_retries_of_the_connection(self, hook, local_cloud):
        task_id = hook.start_speech_synthesis_task(**REQUEST)["TaskId"]
        local_cloud.order_fault("error_500", operation="GetSpeechSynthesisTask")

        assert hook.get_speech_synthesis_task(task_id)["TaskId"] == task_id


class TestWhatMayHaveBeenBoughtIsTold:
    def test_a_throttled_start_bought_nothing(self, hook, local_cloud):
        bill = local_cloud.bill()
        local_cloud.order_fault("throttle", operation="StartSpeechSynthesisTask")

        with pytest.raises(PollyThrottledError, match="Nothing was bought"):
            hook.start_speech_synthesis_task(**REQUEST)

        assert local_cloud.bill() == bill

    async def test_a_start_that_reached_nobody_bought_nothing(self, local_cloud, monkeypatch):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            services = {"polly": {"endpoint_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"}}
            connection = local_cloud.connection(service_config=services)
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

            with pytest.raises(PollyUnavailableError, match="Nothing was bought"):
                PollyHook().start_speech_synthesis_task(**REQUEST)
            with pytest.raises(PollyUnavailableError, match="Nothing was bought"):
                await PollyHook().astart_speech_synthesis_task(**REQUEST)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"VoiceId": "Nobody"}, "ValidationException"),
            ({"Engine": "long-form"}, "EngineNotSupportedException"),
            ({"SampleRate": "44100"}, "InvalidSampleRateException"),
            ({"TextType": "ssml", "Text": "<speak>never closed"}, "InvalidSsmlException"),
            ({"OutputS3BucketName": "no-such-bucket-anywhere"}, "InvalidS3BucketException"),
            ({"LexiconNames": ["missing"]}, "LexiconNotFoundException"),
            ({"Text": "x" * 100_001}, "TextLengthExceededException"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_refusal_is_permanent_names_polly_s_reason_and_costs_nothing(self, hook, local_cloud, change, code):
        bill = local_cloud.bill()

        with pytest.raises(PollyRefusedError, match=code) as raised:
            hook.start_speech_synthesis_task(**{**REQUEST, **change})

        assert raised.value.code == code
        assert isinstance(raised.value, PermanentNarrationError)
        assert raised.value.__cause__ is not None
        assert local_cloud.bill() == bill

    def test_a_missing_argument_is_found_before_anything_is_sent(self, hook, local_cloud):
        calls = local_cloud.calls("StartSpeechSynthesisTask")

        with pytest.raises(PollyArgumentError, match="VoiceId"):
            hook.start_speech_synthesis_task(Text="Hello", OutputFormat="mp3", OutputS3BucketName="narration-output")

        assert local_cloud.calls("StartSpeechSynthesisTask") == calls

    def test_members_that_are_none_are_not_sent(self, hook):
        task = hook.start_speech_synthesis_task(**REQUEST, Engine=None, LexiconNames=None)

        assert task["TaskStatus"] == "scheduled"


class TestConnections:
    def test_a_named_connection_that_does_not_exist_is_refused_however_often_it_is_tried(self):
        hook = PollyHook(aws_conn_id="publisher_account", region_name="us-east-1")

        for _ in range(2):
            with pytest.raises(PollyCredentialsError, match=r"'publisher_account'.*AIRFLOW_CONN_PUBLISHER_ACCOUNT"):
                hook.get_speech_synthesis_task("any")

    def test_the_default_connection_may_be_missing_where_the_worker_has_a_role(self, local_cloud, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from-the-environment")
        monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", local_cloud.speech_url)

        assert PollyHook(region_name="us-east-1").describe_voices(engine="long-form")

    def test_no_region_anywhere_is_an_error_that_says_where_to_put_one(self):
        with pytest.raises(PollyCredentialsError, match="region_name"):
            PollyHook().describe_voices()

    def test_no_credentials_anywhere_is_an_error_that_says_what_to_create(self):
        with pytest.raises(PollyCredentialsError, match="Create the connection"):
            PollyHook(region_name="us-east-1").start_speech_synthesis_task(**REQUEST)

    def test_revoked_credentials_are_a_permanent_refusal(self, local_cloud, monkeypatch):
        connection = {**local_cloud.connection(), "login": "AKIAREVOKED"}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        with pytest.raises(PollyRefusedError):
            PollyHook().start_speech_synthesis_task(**REQUEST)

    def test_testing_the_connection_asks_polly_and_says_what_it_found(self, hook):
        works, message = hook.test_connection()

        assert works
        assert "us-east-1" in message

    def test_testing_a_connection_that_is_not_there_says_so(self):
        works, message = PollyHook(aws_conn_id="absent").test_connection()

        assert not works
        assert "'absent'" in message


class TestReading:
    def test_an_unknown_task_id_has_an_error_of_its_own(self, hook):
        with pytest.raises(PollyTaskNotFoundError, match="72 hours"):
            hook.get_speech_synthesis_task("00000000-0000-0000-0000-000000000000")

    def test_the_list_goes_on_over_all_pages_and_stops_when_nobody_reads_on(self, hook, local_cloud, monkeypatch):
        monkeypatch.setattr(polly, "LIST_PAGE_SIZE", 2)
        started = {hook.start_speech_synthesis_task(**REQUEST)["TaskId"] for _ in range(5)}

        assert started <= {task["TaskId"] for task in hook.list_speech_synthesis_tasks()}

        calls = local_cloud.calls("ListSpeechSynthesisTasks")
        next(hook.list_speech_synthesis_tasks())
        assert local_cloud.calls("ListSpeechSynthesisTasks") == calls + 1

    def test_the_list_can_be_cut_and_filtered(self, hook):
        task = hook.start_speech_synthesis_task(**REQUEST)
        hook.wait_for_speech_synthesis_task(task["TaskId"], waiter_delay=0.05)

        assert len(list(hook.list_speech_synthesis_tasks(max_items=1))) == 1
        assert task["TaskId"] in {found["TaskId"] for found in hook.list_speech_synthesis_tasks(status="completed")}
        assert task["TaskId"] not in {found["TaskId"] for found in hook.list_speech_synthesis_tasks(status="failed")}

    def test_voices_are_filtered_by_engine_and_language(self, hook):
        voices = hook.describe_voices(engine="neural", language_code="hi-IN", include_additional_language_codes=True)

        assert "Kajal" in {voice["Id"] for voice in voices}
        assert all("neural" in voice["SupportedEngines"] for voice in voices)

    def test_a_lexicon_can_be_stored_read_listed_and_removed(self, hook):
        hook.put_lexicon(name="consortia", content=LEXICON)

        assert hook.get_lexicon(name="consortia")["Lexicon"]["Content"] == LEXICON
        assert "consortia" in {lexicon["Name"] for lexicon in hook.list_lexicons()}

        hook.delete_lexicon(name="consortia")
        assert "consortia" not in {lexicon["Name"] for lexicon in hook.list_lexicons()}


class TestWaiting:
    def test_waiting_returns_the_completed_task(self, hook):
        task = hook.start_speech_synthesis_task(**REQUEST)

        done = hook.wait_for_speech_synthesis_task(task["TaskId"], waiter_delay=0.05)

        assert done["TaskStatus"] == "completed"

    def test_waiting_for_a_task_that_fails_tells_the_reason(self, hook, local_cloud):
        local_cloud.order_fault("fail", reason="The bucket is full of eels")
        task = hook.start_speech_synthesis_task(**REQUEST)

        with pytest.raises(PollyTaskFailedError, match=f"{task['TaskId']}.*full of eels"):
            hook.wait_for_speech_synthesis_task(task["TaskId"], waiter_delay=0.05)

    def test_waiting_ends_when_the_attempts_are_spent(self, hook, local_cloud):
        local_cloud.order_fault("stuck_scheduled")
        task = hook.start_speech_synthesis_task(**REQUEST)

        with pytest.raises(PollyWaitTimeoutError, match="adopts it"):
            hook.wait_for_speech_synthesis_task(task["TaskId"], waiter_delay=0.01, waiter_max_attempts=2)

    def test_waiting_for_an_unknown_task_names_it(self, hook):
        with pytest.raises(PollyTaskNotFoundError, match="gone-for-good"):
            hook.wait_for_speech_synthesis_task("gone-for-good", waiter_delay=0.01)


async def test_the_async_calls_answer_as_the_sync_ones_do(hook):
    task = await hook.astart_speech_synthesis_task(**REQUEST)
    hook.wait_for_speech_synthesis_task(task["TaskId"], waiter_delay=0.05)

    async with hook.async_client() as client:
        assert await hook.aget_speech_synthesis_task(task["TaskId"], client=client) == hook.get_speech_synthesis_task(
            task["TaskId"]
        )
        listed = [found["TaskId"] async for found in hook.alist_speech_synthesis_tasks(client=client, max_items=3)]
        assert listed == [found["TaskId"] for found in hook.list_speech_synthesis_tasks(max_items=3)]
        assert await hook.adescribe_voices(client=client, engine="long-form") == hook.describe_voices(
            engine="long-form"
        )
        await hook.aput_lexicon(client=client, name="later", content=LEXICON)
        assert (await hook.aget_lexicon(client=client, name="later"))["Lexicon"]["Name"] == "later"
        assert "later" in {lexicon["Name"] for lexicon in await hook.alist_lexicons(client=client)}
        await hook.adelete_lexicon(client=client, name="later")
        assert "later" not in {lexicon["Name"] for lexicon in hook.list_lexicons()}
        with pytest.raises(PollyTaskNotFoundError):
            await hook.aget_speech_synthesis_task("unknown", client=client)
