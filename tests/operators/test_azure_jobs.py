from __future__ import annotations

import io
import json
import wave
import zipfile
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureJobInUseError, AzureJobNotFoundError, AzureSpeechError
from narration.hooks.azure_results import ResultLimits
from narration.hooks.azure_speech import AzureSpeechHook
from narration.hooks.azure_zip import AzureResultDamagedError
from narration.operators.azure_batch_synthesis import (
    AzureBatchSynthesisDeleteOperator,
    AzureBatchSynthesisDownloadResultsOperator,
    AzureBatchSynthesisListOperator,
)
from narration.operators.azure_jobs import AzureDownloadBase, AzureSpeechListVoicesOperator
from narration.operators.azure_long_audio import (
    AzureLongAudioDeleteOperator,
    AzureLongAudioDownloadResultsOperator,
    AzureLongAudioListOperator,
    AzureLongAudioUpdateOperator,
)
from tests.azure_blocks import EVERY_API, LONG_TEXT, VOICE
from tests.conftest import BUCKET

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi
VERSIONS = {BATCH: {"api_version": "2024-04-01"}, PREVIEW: {"api_version": "3.1-preview1"}, LONG_AUDIO: {}}
INPUTS = {BATCH: 3, PREVIEW: 3, LONG_AUDIO: len(LONG_TEXT.splitlines())}


def _block(batch, long_audio, api, **arguments):
    kind = long_audio if api is LONG_AUDIO else batch
    return kind(task_id="block", **VERSIONS[api], **arguments)


def _download(api, job_id, storage, **change):
    return _block(
        AzureBatchSynthesisDownloadResultsOperator,
        AzureLongAudioDownloadResultsOperator,
        api,
        job_id=job_id,
        storage=str(storage),
        **change,
    )


def _delete(api, job_id):
    return _block(AzureBatchSynthesisDeleteOperator, AzureLongAudioDeleteOperator, api, job_id=job_id)


def _list(api, **change):
    return _block(AzureBatchSynthesisListOperator, AzureLongAudioListOperator, api, **change)


def _finished(azure, api, **properties):
    """Buy a job of three inputs, or of the paragraphs of the long text, and wait for it."""
    if api is LONG_AUDIO:
        job_id = azure.start(api)
    else:
        riff = {"outputFormat": "riff-24khz-16bit-mono-pcm"}
        job_id = azure.start(api, inputs=["One.", "Two.", "Three."], properties={**riff, **properties})
    azure.finish(api, job_id)
    return job_id


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


class TestDownloading:
    @EVERY_API
    def test_the_files_of_the_archive_appear_in_the_folder(self, azure, block_context, tmp_path, api):
        job_id = _finished(azure, api)

        facts = _download(api, job_id, tmp_path / "new" / "folder").execute(block_context)

        assert json.loads(json.dumps(facts)) == facts
        assert (facts["job_id"], facts["api"], facts["failed_inputs"]) == (job_id, str(api), [])
        assert len(facts["audio"]) == INPUTS[api]
        assert set(facts["audio"]) < _files(tmp_path / "new" / "folder")
        with wave.open(str(tmp_path / "new" / "folder" / facts["audio"][0])) as audio:
            assert audio.getnframes() > 1000

    @EVERY_API
    def test_the_archive_may_be_kept_as_it_is(self, azure, block_context, tmp_path, api):
        job_id = _finished(azure, api)

        facts = _download(api, job_id, tmp_path, extract="False").execute(block_context)

        assert _files(tmp_path) == {f"{job_id}.zip"}
        assert facts["zip"].endswith(f"/{job_id}.zip")
        assert (tmp_path / f"{job_id}.zip").stat().st_size == facts["bytes"]
        assert zipfile.ZipFile(tmp_path / f"{job_id}.zip").testzip() is None

    def test_object_storage_takes_it_as_well_and_the_ui_leads_there(self, azure, aws_connection, block_context):
        job_id = _finished(azure, BATCH)

        facts = _download(BATCH, job_id, f"s3://aws_default@{BUCKET}/azure/{job_id}").execute(block_context)

        listed = aws_connection.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"azure/{job_id}/")["Contents"]
        assert {f"azure/{job_id}/{name}" for name in (*facts["audio"], "summary.json")} <= {
            item["Key"] for item in listed
        }
        url = f"{aws_connection.s3_url}/{BUCKET}/azure/{job_id}/"
        assert block_context["ti"].xcoms == {"azure_synthesis_result": url}

    def test_words_and_sentences_come_along(self, azure, block_context, tmp_path):
        job_id = _finished(azure, BATCH, wordBoundaryEnabled=True, sentenceBoundaryEnabled=True)

        _download(BATCH, job_id, tmp_path).execute(block_context)

        assert {"0001.word.json", "0003.sentence.json"} <= _files(tmp_path)

    def test_another_attempt_writes_the_same_files(self, azure, block_context, tmp_path):
        job_id = _finished(azure, BATCH)
        first = _download(BATCH, job_id, tmp_path).execute(block_context)
        (tmp_path / first["audio"][0]).write_bytes(b"half of it")
        (tmp_path / "summary.json").unlink()

        assert _download(BATCH, job_id, tmp_path).execute(block_context) == first
        assert (tmp_path / first["audio"][0]).read_bytes().startswith(b"RIFF")

    @EVERY_API
    def test_inputs_that_failed_are_named_after_the_others_were_kept(self, azure, block_context, tmp_path, api):
        azure.order_fault("partial_failure", api, reason="The tongue was twisted")
        job_id = _finished(azure, api)

        with pytest.raises(AirflowFailException, match=r"input \d+: .*tongue was twisted") as raised:
            _download(api, job_id, tmp_path).execute(block_context)

        kept = [name for name in _files(tmp_path) if name.endswith(".wav")]
        assert len(kept) == INPUTS[api] - 1
        assert str(tmp_path) in str(raised.value)

    def test_inputs_that_failed_may_be_allowed(self, azure, block_context, tmp_path):
        azure.order_fault("partial_failure", BATCH)

        facts = _download(BATCH, _finished(azure, BATCH), tmp_path, allow_failed_inputs="True").execute(block_context)

        assert len(facts["audio"]) == 2
        assert [item["input"] for item in facts["failed_inputs"]] == [1]
        assert facts["failures"] == 1

    def test_a_template_that_says_false_does_not_allow_them(self, azure, block_context, tmp_path):
        azure.order_fault("partial_failure", BATCH)

        with pytest.raises(AirflowFailException, match="1 failures"):
            _download(BATCH, _finished(azure, BATCH), tmp_path, allow_failed_inputs="false").execute(block_context)

    def test_a_larger_archive_than_is_allowed_is_refused(self, azure, block_context, tmp_path):
        with pytest.raises(AirflowFailException, match="more than the 1,000 bytes"):
            _download(BATCH, _finished(azure, BATCH), tmp_path, max_bytes=1_000).execute(block_context)

        assert _files(tmp_path) == set()

    def test_an_expired_url_is_replaced_by_a_fresh_one(self, azure, block_context, tmp_path):
        job_id = _finished(azure, BATCH)
        azure.order_fault("expired_url", BATCH)

        assert len(_download(BATCH, job_id, tmp_path).execute(block_context)["audio"]) == 3

    @EVERY_API
    def test_a_truncated_archive_is_worth_another_attempt_and_leaves_nothing(self, azure, block_context, tmp_path, api):
        azure.order_fault("truncated_zip", api)
        job_id = _finished(azure, api)

        with pytest.raises(AzureResultDamagedError, match=r"[Rr]un the task again"):
            _download(api, job_id, tmp_path).execute(block_context)

        assert _files(tmp_path) == set()

    @EVERY_API
    def test_a_job_that_is_not_there_is_said_to_be_missing(self, azure, block_context, tmp_path, api):
        with pytest.raises(AzureJobNotFoundError):
            _download(api, "3f0e6a0c-0000-4000-8000-000000000000", tmp_path).execute(block_context)

    @EVERY_API
    def test_a_job_that_still_runs_has_no_result_yet(self, azure, block_context, tmp_path, api):
        azure.order_fault("stuck_not_started", api)

        with pytest.raises(AzureSpeechError):
            _download(api, azure.start(api), tmp_path).execute(block_context)


class TestHostileArchives:
    """Whoever answers at the address of the service is not believed."""

    @pytest.fixture
    def archive(self, monkeypatch):
        content = io.BytesIO()

        def download(self, *, api, job_id, to, max_bytes=None):
            return to.write_bytes(content.getvalue())

        monkeypatch.setattr(AzureSpeechHook, "download", download)
        return content

    @pytest.mark.parametrize("name", ["../../evil.wav", "/tmp/evil.wav", "..\\evil.wav"])
    @pytest.mark.parametrize("extract", [True, False])
    def test_a_path_that_leads_outside_is_refused_whole(self, block_context, tmp_path, archive, name, extract):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("0001.wav", "fine")
            file.writestr(name, "evil")

        with pytest.raises(AirflowFailException, match="result archive"):
            _download(BATCH, "j-1", tmp_path / "in" / "here", extract=extract).execute(block_context)

        assert _files(tmp_path) == set()

    def test_a_bomb_is_refused_whole(self, block_context, tmp_path, archive, monkeypatch):
        monkeypatch.setattr(AzureDownloadBase, "limits", ResultLimits(ratio_from_bytes=1_000_000))
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("0001.wav", bytes(20_000_000))

        with pytest.raises(AirflowFailException, match="times as many"):
            _download(BATCH, "j-1", tmp_path).execute(block_context)

        assert _files(tmp_path) == set()

    def test_one_that_unpacks_to_more_than_is_allowed_is_refused_whole(self, block_context, tmp_path, archive):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("0001.wav", bytes(2_000))
            file.writestr("0002.wav", bytes(2_000))

        with pytest.raises(AirflowFailException, match=r"4,000 bytes, and 3,000 are allowed.*max_bytes"):
            _download(BATCH, "j-1", tmp_path, max_bytes=3_000).execute(block_context)
        assert _files(tmp_path) == set()

        _download(BATCH, "j-1", tmp_path, max_bytes=4_000).execute(block_context)
        assert _files(tmp_path) == {"0001.wav", "0002.wav"}

    @pytest.mark.parametrize("names", [("a", "a/b.wav"), ("x/y/z.wav", "X/Y"), ("0001.wav", "0001.wav/0002.wav")])
    def test_a_file_that_is_called_like_a_folder_is_refused_whole(self, block_context, tmp_path, archive, names):
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                file.writestr(name, "fine")

        with pytest.raises(AirflowFailException, match="both as a file and as a folder"):
            _download(LONG_AUDIO, "j-1", tmp_path).execute(block_context)
        assert _files(tmp_path) == set()

    def test_what_is_quoted_of_failures_is_short_and_without_signatures(self, block_context, tmp_path, archive):
        quoted = "cannot write https://mine.blob.core.windows.net/audio?sp=w&sig=c2lnbmF0dXJl because " + "x" * 3_000
        failed = {"status": "Failed", "error": {"code": "X", "message": quoted}}
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("summary.json", json.dumps({"results": [failed] * 2_000}))
            file.writestr("0001.wav", "fine")

        with pytest.raises(AirflowFailException, match="2000 failures") as raised:
            _download(BATCH, "j-1", tmp_path).execute(block_context)
        facts = _download(BATCH, "j-1", tmp_path, allow_failed_inputs=True).execute(block_context)

        assert facts["failures"] == 2_000
        assert [item["input"] for item in facts["failed_inputs"]] == list(range(1, 21))
        assert len(str(raised.value)) < 5_000
        assert len(json.dumps(facts)) < 20_000
        assert "c2lnbmF0dXJl" not in str(raised.value) + json.dumps(facts)

    def test_nor_does_a_report_of_long_audio_show_them(self, block_context, tmp_path, archive):
        quoted = "cannot write https://mine.blob.core.windows.net/audio?sp=w&sig=c2lnbmF0dXJl because " + "x" * 70_000
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("0007.err.txt", quoted)

        with pytest.raises(AirflowFailException, match="input 7: cannot write") as raised:
            _download(LONG_AUDIO, "j-1", tmp_path).execute(block_context)

        assert len(str(raised.value)) < 2_000
        assert "c2lnbmF0dXJl" not in str(raised.value)

    def test_an_archive_without_audio_is_no_success(self, block_context, tmp_path, archive):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("script.txt", "text")

        with pytest.raises(AirflowFailException, match="0 audio files"):
            _download(LONG_AUDIO, "j-1", tmp_path).execute(block_context)

    def test_files_in_folders_are_kept_in_folders(self, block_context, tmp_path, archive):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("audio/0001.wav", "fine")

        _download(LONG_AUDIO, "j-1", tmp_path).execute(block_context)

        assert (tmp_path / "audio" / "0001.wav").read_text() == "fine"

    def test_the_summary_is_written_last(self, block_context, tmp_path, archive, monkeypatch):
        from narration.store import Store

        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("summary.json", '{"results": [{"status": "Succeeded", "audioFileName": "0001.wav"}]}')
            file.writestr("0001.wav", "fine")
            file.writestr("zzz.debug.json", "{}")
        order, upload = [], Store.upload
        monkeypatch.setattr(
            Store, "upload", lambda self, source, *parts: (upload(self, source, *parts), order.append(parts))
        )

        _download(BATCH, "j-1", tmp_path).execute(block_context)

        assert order[-1] == ("summary.json",)


class TestDeleting:
    @EVERY_API
    def test_a_finished_job_and_its_audio_go(self, azure, block_context, api):
        job_id = _finished(azure, api)

        assert _delete(api, job_id).execute(block_context) == {"api": str(api), "job_id": job_id, "deleted": True}
        assert azure.jobs(api) == []

    @EVERY_API
    def test_a_job_that_is_not_there_is_fine(self, azure, block_context, api):
        _delete(api, "3f0e6a0c-0000-4000-8000-000000000000").execute(block_context)

    @EVERY_API
    def test_a_job_that_waits_cannot_be_deleted_and_is_worth_another_attempt(self, azure, block_context, api):
        azure.order_fault("stuck_not_started", api)
        job_id = azure.start(api)

        with pytest.raises(AzureJobInUseError):
            _delete(api, job_id).execute(block_context)
        assert [job.job_id for job in azure.jobs(api)] == [job_id]


class TestListing:
    @EVERY_API
    def test_the_jobs_of_the_resource_are_given_as_json_without_signed_urls(self, azure, block_context, api):
        job_id = _finished(azure, api)

        (facts,) = _list(api).execute(block_context)

        assert json.loads(json.dumps(facts)) == facts
        assert (facts["job_id"], facts["status"]) == (job_id, "Succeeded")
        assert "http" not in json.dumps(facts)

    def test_only_some_may_be_wanted(self, azure, block_context):
        finished = _finished(azure, BATCH)
        azure.order_fault("stuck_not_started", BATCH, count=2)
        for _ in range(2):
            azure.start(BATCH)

        assert [job["job_id"] for job in _list(BATCH, status="succeeded").execute(block_context)] == [finished]
        assert len(_list(BATCH, limit=2).execute(block_context)) == 2
        assert _list(BATCH, limit=0).execute(block_context) == []

    @pytest.mark.parametrize("change", [{}, {"status": "Succeeded"}], ids=["any", "succeeded"])
    def test_no_further_page_is_asked_for_than_is_needed(self, azure, block_context, change):
        azure.cloud._call("POST", "azure/jobs", {"api": "azure_batch", "key": azure.key, "count": 120})
        lists = azure.calls(BATCH, "ListBatchSyntheses")

        assert len(_list(BATCH, limit=100, **change).execute(block_context)) == 100
        assert azure.calls(BATCH, "ListBatchSyntheses") == lists + 1

    def test_a_status_that_there_is_not_is_refused(self, azure, block_context):
        with pytest.raises(AirflowFailException, match="'Suceeded'; it is one of NotStarted, Running, Succeeded"):
            _list(BATCH, status="Suceeded").execute(block_context)


class TestVoices:
    def test_those_of_the_region_are_given(self, azure, block_context):
        voices = AzureSpeechListVoicesOperator(task_id="x", locale="en-us").execute(block_context)

        assert VOICE in [voice["ShortName"] for voice in voices]
        assert {voice["Locale"] for voice in voices} == {"en-US"}

    def test_long_audio_has_a_list_of_its_own(self, azure, block_context):
        voices = AzureSpeechListVoicesOperator(task_id="x", long_audio=True).execute(block_context)

        assert VOICE in [voice["voiceName"] for voice in voices]
        assert len({voice["locale"] for voice in voices}) > 1


class TestRenaming:
    def test_what_is_given_changes_and_the_rest_stays(self, azure, block_context):
        job_id = azure.start(LONG_AUDIO, description="For Emma.")

        facts = AzureLongAudioUpdateOperator(task_id="x", job_id=job_id, display_name="Emma").execute(block_context)

        assert (facts["display_name"], facts["description"]) == ("Emma", "For Emma.")
        assert azure.hook.get_job(api=LONG_AUDIO, job_id=job_id).display_name == "Emma"

    def test_what_a_template_left_empty_stays(self, azure, block_context):
        job_id = azure.start(LONG_AUDIO, description="For Emma.", custom_properties={"shelf": "7"})
        empty = {"display_name": "", "description": "", "custom_properties": {}}

        for change in ({"description": "For Mr Knightley."}, {"display_name": "Emma"}):
            arguments = {**empty, **change}
            AzureLongAudioUpdateOperator(task_id="x", job_id=job_id, **arguments).execute(block_context)

        job = azure.hook.get_job(api=LONG_AUDIO, job_id=job_id)
        assert (job.display_name, job.description) == ("Emma", "For Mr Knightley.")
        assert job.raw["customProperties"] == {"shelf": "7"}


@pytest.mark.parametrize(
    "block",
    [
        AzureBatchSynthesisDownloadResultsOperator(
            task_id="x", job_id="j-1", storage="/data", api_version="2030-01-01"
        ),
        AzureBatchSynthesisDeleteOperator(task_id="x", job_id="j-1", api_version="2030-01-01"),
        AzureBatchSynthesisListOperator(task_id="x", api_version="2030-01-01"),
        AzureLongAudioDeleteOperator(task_id="x", job_id="j-1", azure_speech_conn_id="2030-01-01"),
        AzureLongAudioUpdateOperator(task_id="x", job_id="j-1", azure_speech_conn_id="2030-01-01"),
        AzureSpeechListVoicesOperator(task_id="x", azure_speech_conn_id="2030-01-01"),
    ],
    ids=lambda block: type(block).__name__,
)
def test_what_another_attempt_cannot_put_right_fails_at_once(block_context, block):
    with pytest.raises(AirflowFailException, match="2030-01-01"):
        block.execute(block_context)
